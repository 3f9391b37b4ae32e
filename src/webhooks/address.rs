//! Where webhooks may be sent: to public addresses over https, and to networks that `WEBHOOK_ALLOW_PRIVATE` names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

const MAX_URL_BYTES: usize = 2000;

/// The addresses that webhooks may be sent to.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// Networks that are not public, and are allowed all the same.
    private: Vec<IpNet>,
}

impl Destinations {
    pub fn new(private: Vec<IpNet>) -> Self {
        Self { private }
    }

    /// Reads the URL of a webhook as typed. The error is a message for the user.
    ///
    /// A host name is looked up when a message is sent, so this checks literal IP addresses only.
    pub fn parse(&self, typed: &str) -> Result<Url, String> {
        let typed = typed.trim();
        let Ok(url) = Url::parse(typed) else {
            return Err("Enter the whole address, such as https://erp.example.com/hook.".into());
        };
        let Some(host) = url.host() else {
            return Err("Enter an address that begins with https:// and a host name.".into());
        };
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(format!("Use an address of at most {MAX_URL_BYTES} characters."));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("Leave out the user name and password: they would be sent in every request.".into());
        }
        if url.fragment().is_some() {
            return Err("Leave out the part after #: it is never sent.".into());
        }
        let ip = match host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        };
        match (url.scheme(), ip) {
            ("https", Some(ip)) if !self.admits(ip, true) => Err(refusal(ip)),
            ("https", _) => Ok(url),
            ("http", Some(ip)) if self.admits(ip, false) => Ok(url),
            ("http", None) if !self.private.is_empty() => Ok(url),
            _ => Err("Use an address that begins with https://, so that the messages are encrypted.".into()),
        }
    }

    /// Whether a connection to this address is allowed. Plain http is for the networks of `WEBHOOK_ALLOW_PRIVATE` alone.
    pub fn admits(&self, ip: IpAddr, is_https: bool) -> bool {
        let ip = ip.to_canonical();
        self.private.iter().any(|network| network.contains(&ip)) || is_https && is_public(ip)
    }
}

/// Says why an address is refused.
pub(super) fn refusal(ip: IpAddr) -> String {
    format!("{ip} is not a public address. An operator can allow its network with WEBHOOK_ALLOW_PRIVATE.")
}

/// Whether an address is globally reachable, by the registries of IANA (RFC 6890, *IPv4* and *IPv6 Special-Purpose
/// Address Registry*). `IpAddr::is_global` is not stable yet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = match a {
        // This network, private, loopback; multicast, reserved and broadcast.
        0 | 10 | 127 | 224..=255 => true,
        // Shared address space of carriers (RFC 6598).
        100 => (64..=127).contains(&b),
        // Link-local, where clouds serve metadata.
        169 => b == 254,
        172 => (16..=31).contains(&b),
        // Private; IETF protocol assignments; documentation; the former 6to4 relays; AS112.
        192 => {
            b == 168
                || b == 0 && (c == 0 || c == 2)
                || b == 88 && c == 99
                || b == 31 && c == 196
                || b == 52 && c == 193
                || b == 175 && c == 48
        }
        // Benchmarking; documentation.
        198 => b == 18 || b == 19 || b == 51 && c == 100,
        203 => b == 0 && c == 113,
        _ => false,
    };
    !is_special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    // Global unicast is 2000::/3 so far. Of it, 2001::/23 is for protocols such as Teredo, 2002::/16 (6to4) holds IPv4
    // addresses, and 2001:db8::/32 and 3fff::/20 are for documentation.
    let is_special = match first {
        0x2001 => second < 0x0200 || second == 0x0db8,
        0x2002 => true,
        0x3fff => second < 0x1000,
        _ => false,
    };
    first & 0xe000 == 0x2000 && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_public_addresses_are_admitted() {
        let destinations = Destinations::default();
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(destinations.admits(ip(public), true), "{public}");
            assert!(!destinations.admits(ip(public), false), "{public} over http");
        }
        for special in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.7",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert!(!destinations.admits(ip(special), true), "{special}");
        }
    }

    #[test]
    fn networks_can_be_allowed() {
        let destinations = Destinations::new(vec!["10.1.0.0/16".parse().expect("a network")]);
        for (address, is_admitted) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("10.2.0.1", false), ("127.0.0.1", false)]
        {
            assert_eq!(destinations.admits(ip(address), true), is_admitted, "{address}");
            assert_eq!(destinations.admits(ip(address), false), is_admitted, "{address} over http");
        }
        assert!(destinations.parse("http://10.1.2.3:8080/hook").is_ok());
        assert!(destinations.parse("http://erp.internal/hook").is_ok(), "looked up when a message is sent");
        assert!(destinations.parse("http://10.2.0.1/hook").is_err());
    }

    #[test]
    fn urls_are_read_with_a_message_for_each_mistake() {
        let destinations = Destinations::default();
        let url = destinations.parse(" https://ERP.example.com:8443/hook?for=bols ").expect("a URL");
        assert_eq!(url.as_str(), "https://erp.example.com:8443/hook?for=bols");
        for (typed, part) in [
            ("", "whole address"),
            ("erp.example.com", "whole address"),
            ("ftp://erp.example.com/", "https://"),
            ("http://erp.example.com/", "https://"),
            ("javascript:alert(1)", "host name"),
            ("https://user:word@erp.example.com/", "password"),
            ("https://erp.example.com/#top", "after #"),
            ("https://127.0.0.1/", "not a public address"),
            ("https://2130706433/", "127.0.0.1 is not a public address"),
            ("https://0x7f.1/", "127.0.0.1 is not a public address"),
            ("https://[::1]/", "not a public address"),
            ("https://[::ffff:10.0.0.1]/", "not a public address"),
            ("https://169.254.169.254/latest/meta-data", "not a public address"),
        ] {
            let why = destinations.parse(typed).expect_err(typed);
            assert!(why.contains(part), "{typed}: {why}");
        }
        assert!(destinations.parse(&format!("https://erp.example.com/{}", "x".repeat(2000))).is_err());
    }
}
