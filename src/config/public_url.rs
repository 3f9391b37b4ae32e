//! The addresses of the portal: where it is, and where it was.

use url::{Host, Url};

use super::Config;
use super::reader::Reader;

/// The address in the QR codes of the sample scans. It counts on a portal that only this machine reaches.
const SAMPLE_ORIGIN: &str = "https://portal.example.com";

/// The public address of the portal: scheme, host and port, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns whether only this machine reaches the address.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        }
    }

    /// Returns `portal.example.com`, or `None` for an IP address.
    pub fn host_name(&self) -> Option<&str> {
        self.0.domain()
    }

    /// Returns `https://portal.example.com`, as a browser writes it in an `Origin` header.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl std::str::FromStr for PublicUrl {
    type Err = ();

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(value).map_err(|_| ())?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let plain = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
        if bare && plain && url.password().is_none() { Ok(Self(url)) } else { Err(()) }
    }
}

impl Config {
    /// Returns the origins whose QR codes count: the portal's own first, then earlier ones.
    pub fn code_origins(&self, own: &str) -> Vec<String> {
        let is_loopback = own.parse::<PublicUrl>().is_ok_and(|url| url.is_loopback());
        let previous = match &self.previous_public_urls {
            Some(previous) => previous.iter().map(PublicUrl::origin).collect(),
            None if is_loopback => vec![SAMPLE_ORIGIN.to_owned()],
            None => Vec::new(),
        };
        [own.to_owned()].into_iter().chain(previous).collect()
    }
}

impl Reader<'_> {
    pub(super) fn public_urls(&mut self, name: &str) -> Option<Vec<PublicUrl>> {
        let found = self.text(name)?;
        let mut urls = Vec::new();
        for part in found.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.parse() {
                Ok(url) => urls.push(url),
                Err(()) => self.problem(name, part, "addresses such as https://old.example.com, separated by commas"),
            }
        }
        Some(urls)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::config::Needs;

    #[test]
    fn codes_of_earlier_addresses_count() {
        let origins = |previous: &str, own: &str| {
            let values = HashMap::from([("PREVIOUS_PUBLIC_URLS".to_owned(), previous.to_owned())]);
            Config::from_values(&values, Needs::Nothing).expect("valid").code_origins(own)
        };
        let (local, own) = ("http://127.0.0.1:8080", "https://portal.example");
        assert_eq!(origins("", local), [local, "https://portal.example.com"]);
        assert_eq!(origins("", own), [own]);
        assert_eq!(origins("https://Old.example:443/", local), [local, "https://old.example"]);
        assert_eq!(
            origins("http://a.example , https://b.example:8443", own),
            [own, "http://a.example", "https://b.example:8443"]
        );
    }
}
