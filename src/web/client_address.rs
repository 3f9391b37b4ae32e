//! The client's address and scheme behind proxies: `X-Forwarded-For` and `X-Forwarded-Proto`, or `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR, X_FORWARDED_PROTO};

use crate::config::TrustedProxies;

/// What the proxies say about one hop of the way, the nearest hop first.
struct Hop {
    /// `None`: an address that was hidden, or can't be read.
    ip: Option<IpAddr>,
    is_plain_http: bool,
}

/// Returns the client's address: the peer, or behind a trusted proxy the last address that is not a trusted proxy.
///
/// The client may have made up every address before that one. So may it have made up an address that can't be read;
/// the proxy that reported it counts as the client then.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let mut client = peer.to_canonical();
    for (passed, hop) in hops(headers).into_iter().enumerate() {
        match hop.ip {
            Some(ip) if proxies.trusts(client, passed) => client = ip.to_canonical(),
            _ => break,
        }
    }
    client
}

/// Returns whether the trusted proxy that talks to us says that its client used plain http.
pub fn is_plain_http(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> bool {
    if !proxies.trusts(peer.to_canonical(), 0) {
        return false;
    }
    match list(headers, &X_FORWARDED_PROTO).last() {
        Some(scheme) => scheme.eq_ignore_ascii_case("http"),
        None => forwarded(headers).first().is_some_and(|hop| hop.is_plain_http),
    }
}

/// Returns the hops of `X-Forwarded-For`, or of `Forwarded` if there is no `X-Forwarded-For`. Behind a proxy that
/// appends to the former, clients can't get the latter believed.
fn hops(headers: &HeaderMap) -> Vec<Hop> {
    let hops: Vec<Hop> = list(headers, &X_FORWARDED_FOR)
        .iter()
        .rev()
        .map(|node| Hop { ip: address(node), is_plain_http: false })
        .collect();
    if hops.is_empty() { forwarded(headers) } else { hops }
}

/// Returns the hops of `Forwarded`.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let elements = headers.get_all(FORWARDED).filter_map(|value| value.to_str().ok());
    let elements: Vec<&str> = elements.flat_map(|value| split(value, ',')).collect();
    elements
        .iter()
        .rev()
        .map(|element| {
            let pairs: Vec<(&str, String)> = split(element, ';').into_iter().filter_map(pair).collect();
            let find = |name: &str| pairs.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
            Hop {
                ip: find("for").and_then(|(_, node)| address(node)),
                is_plain_http: find("proto").is_some_and(|(_, scheme)| scheme.eq_ignore_ascii_case("http")),
            }
        })
        .collect()
}

/// Returns the parts of a header that is a list, over all its lines. Some proxies leave empty parts.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Splits at a separator outside of quoted strings, and drops empty parts.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_separator = |c: char| {
        let escaped = is_escaped;
        is_escaped = is_quoted && c == '\\' && !escaped;
        if c == '"' && !escaped {
            is_quoted = !is_quoted;
        }
        c == separator && !is_quoted
    };
    text.split(is_separator).map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Reads `name=token` or `name="quoted string"`.
fn pair(text: &str) -> Option<(&str, String)> {
    let (name, value) = text.split_once('=')?;
    let value = value.trim();
    let value = match value.strip_prefix('"') {
        None => value.to_owned(),
        Some(quoted) => {
            let mut text = String::new();
            let mut rest = quoted.strip_suffix('"')?.chars();
            while let Some(c) = rest.next() {
                text.push(if c == '\\' { rest.next()? } else { c });
            }
            text
        }
    };
    Some((name.trim(), value))
}

/// Reads an address with or without a port: `203.0.113.7`, `203.0.113.7:51008`, `2001:db8::7`, `[2001:db8::7]`,
/// `[2001:db8::7]:443`. RFC 7239 also allows a made-up port such as `:_http`, and names such as `unknown`.
fn address(node: &str) -> Option<IpAddr> {
    let node = node.trim().trim_matches('"');
    let without_port = || {
        let (host, _) = node.strip_prefix('[')?.split_once(']')?;
        host.parse().map(IpAddr::V6).ok()
    };
    let without_named_port = || node.split_once(":_")?.0.parse().map(IpAddr::V4).ok();
    node.parse()
        .ok()
        .or_else(|| node.parse().ok().map(|address: SocketAddr| address.ip()))
        .or_else(without_port)
        .or_else(without_named_port)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append((*name).clone(), HeaderValue::from_str(value).expect("a header"));
        }
        headers
    }

    fn find(peer: &str, pairs: &[(&HeaderName, &str)], hops: Option<usize>) -> String {
        let networks = vec!["10.0.0.0/8".parse().expect("a network"), "172.64.0.0/13".parse().expect("a network")];
        let proxies = TrustedProxies { networks, max_hops: hops };
        client(peer.parse().expect("an address"), &headers(pairs), &proxies).to_string()
    }

    #[test]
    fn only_trusted_proxies_may_name_the_client() {
        let by = |peer, values: &[&str]| {
            let name = X_FORWARDED_FOR;
            let pairs: Vec<_> = values.iter().map(|value| (&name, *value)).collect();
            find(peer, &pairs, None)
        };
        assert_eq!(by("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(by("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(by("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.2.3.4"]), "198.51.100.1");
        assert_eq!(by("10.0.0.1", &["1.1.1.1", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(by("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(by("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(by("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(by("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn ports_brackets_and_empty_parts_are_understood() {
        for (value, expected) in [
            ("203.0.113.7:51008", "203.0.113.7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("203.0.113.7:51008,", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7:51008, 10.1.2.3:8080, ", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:1", "203.0.113.7"),
            ("\"203.0.113.7\"", "203.0.113.7"),
            ("203.0.113.7:", "10.0.0.1"),
            ("203.0.113.7:80:80", "10.0.0.1"),
            ("[203.0.113.7]", "10.0.0.1"),
        ] {
            assert_eq!(find("10.0.0.1", &[(&X_FORWARDED_FOR, value)], None), expected, "{value}");
        }
    }

    #[test]
    fn the_standard_header_is_understood() {
        for (value, expected) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"[2001:db8::7]:443\"", "2001:db8::7"),
            ("for=203.0.113.7;proto=http;by=10.0.0.9", "203.0.113.7"),
            ("for=1.1.1.1, for=203.0.113.7;host=\"a,b;c\\\"\", for=\"10.4.4.4:80\"", "203.0.113.7"),
            ("for=203.0.113.7:_port", "203.0.113.7"),
            ("for=203.0.113.7, for=_hidden", "10.0.0.1"),
            ("for=203.0.113.7, proto=https", "10.0.0.1"),
            ("for=\"203.0.113.7", "10.0.0.1"),
        ] {
            assert_eq!(find("10.0.0.1", &[(&FORWARDED, value)], None), expected, "{value}");
        }
        let both = [(&FORWARDED, "for=6.6.6.6"), (&X_FORWARDED_FOR, "203.0.113.7")];
        assert_eq!(find("10.0.0.1", &both, None), "203.0.113.7");
    }

    /// A request that an attacker sends from within the network of the trusted proxies (Cloudflare Workers).
    #[test]
    fn more_hops_than_there_are_proxies_are_not_believed() {
        let made_up = [(&X_FORWARDED_FOR, "6.6.6.6, 172.64.1.1, 172.64.2.2")];
        assert_eq!(find("10.0.0.1", &made_up, None), "6.6.6.6");
        assert_eq!(find("10.0.0.1", &made_up, Some(2)), "172.64.1.1");
        assert_eq!(find("10.0.0.1", &[(&X_FORWARDED_FOR, "203.0.113.7, 172.64.2.2")], Some(2)), "203.0.113.7");
        assert_eq!(find("10.0.0.1", &made_up, Some(1)), "172.64.2.2");
    }

    #[test]
    fn the_nearest_proxy_names_the_scheme() {
        let proxies = TrustedProxies { networks: vec!["10.0.0.0/8".parse().expect("a network")], max_hops: None };
        let is_plain = |peer: &str, pairs: &[(&HeaderName, &str)]| {
            is_plain_http(peer.parse().expect("an address"), &headers(pairs), &proxies)
        };
        assert!(is_plain("10.0.0.1", &[(&X_FORWARDED_PROTO, "HTTP")]));
        assert!(is_plain("10.0.0.1", &[(&X_FORWARDED_PROTO, "https, http")]));
        assert!(!is_plain("10.0.0.1", &[(&X_FORWARDED_PROTO, "http, https")]));
        assert!(!is_plain("10.0.0.1", &[]));
        assert!(!is_plain("203.0.113.9", &[(&X_FORWARDED_PROTO, "http")]));
        assert!(is_plain("10.0.0.1", &[(&FORWARDED, "for=1.1.1.1;proto=https, for=1.1.1.2;proto=http")]));
    }
}
