//! The address of the metrics.

use std::fmt;
use std::str::FromStr;

/// `HOST:PORT`, with brackets around an IPv6 address. Port 0 picks a free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsAddress(String);

impl MetricsAddress {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MetricsAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, port) = text.rsplit_once(':').ok_or(())?;
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let fits = if is_bracketed { host.len() > 2 } else { !host.is_empty() && host.chars().all(is_host) };
        if fits && port.parse::<u16>().is_ok() { Ok(Self(text.into())) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["127.0.0.1:9464", "[::1]:9464", "metrics.internal:0"] {
            assert_eq!(good.parse::<MetricsAddress>().map(|address| address.to_string()), Ok(good.into()));
        }
        for wrong in ["", "9464", ":9464", "host", "host:", "host:99999", "::1:9464", "[]:1", "a b:1", "http://host:1"]
        {
            assert_eq!(wrong.parse::<MetricsAddress>(), Err(()), "{wrong}");
        }
    }
}
