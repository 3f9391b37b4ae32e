//! Outgoing mail: the texts ([`EmailTemplate`]), the outbox ([`outbox`]) and the sender ([`Mailer`]).
//!
//! The transaction that causes an email writes it to the outbox, and the mailer sends it afterwards. So an unreachable
//! mail server neither loses an email nor delays a request. If a process dies between sending an email and noting it,
//! the email is sent again with the same `Message-ID`. No email contains a file, or a link to a file that works without
//! a login.

mod bol_news;
mod email_template;
mod link;
mod mailer;
pub mod outbox;
mod security_notice;
mod unusual_notice;

pub use bol_news::{Item, News};
pub use email_template::EmailTemplate;
pub use link::LinkKey;
pub use mailer::Mailer;
pub use security_notice::SecurityNotice;
pub use unusual_notice::UnusualFinding;

use url::Host;

/// Reads an email address as people type and paste it: without invisible characters around it, and with the domain in
/// ASCII (`xn--…`), the form that DNS knows. Returns `None` if email can't be sent to it.
pub fn read_address(typed: &str) -> Option<String> {
    Some(canonical(typed)).filter(|address| is_address(address))
}

/// Returns the address without invisible characters around it, and with its domain in ASCII and lower case. Text that
/// has no domain stays as it is.
pub fn canonical(typed: &str) -> String {
    let is_unseen = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let text = typed.trim_matches(is_unseen);
    let parsed =
        text.rsplit_once('@').filter(|(_, domain)| !domain.contains('%')).and_then(
            |(local, domain)| match Host::parse(domain.strip_suffix('.').unwrap_or(domain)) {
                Ok(Host::Domain(domain)) => Some(format!("{local}@{domain}")),
                _ => None,
            },
        );
    parsed.unwrap_or_else(|| text.to_owned())
}

/// Returns whether email can be sent to this address. Excludes quoted addresses, addresses of machines, and non-ASCII
/// letters, which many servers reject and which look like others.
pub fn is_address(text: &str) -> bool {
    let is_odd = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | ',' | ';' | '\\' | '[' | ']');
    let is_name =
        |domain: &str| matches!(Host::parse(domain), Ok(Host::Domain(name)) if name.eq_ignore_ascii_case(domain));
    text.len() <= 254
        && !text.contains(is_odd)
        && text.rsplit_once('@').is_some_and(|(_, domain)| is_name(domain))
        && text.matches('@').count() == 1
        && text.parse::<lettre::Address>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{is_address, read_address};

    #[test]
    fn one_address_has_one_spelling() {
        for (typed, expected) in [
            (" jo@acme.example\n", Some("jo@acme.example")),
            ("\u{200b}jo@acme.example\u{feff}", Some("jo@acme.example")),
            ("Jo@ACME.example", Some("Jo@acme.example")),
            ("jo@müller.example", Some("jo@xn--mller-kva.example")),
            ("jo@mu\u{308}ller.example", Some("jo@xn--mller-kva.example")),
            ("jo@XN--MLLER-KVA.example.", Some("jo@xn--mller-kva.example")),
            ("jö@acme.example", None),
            ("jo\u{200b}e@acme.example", None),
            ("jo@127.0.0.1", None),
            ("jo@%61cme.example", None),
            ("jo@acme.example:25", None),
            ("jo", None),
            ("", None),
        ] {
            assert_eq!(read_address(typed).as_deref(), expected, "{typed:?}");
        }
    }

    #[test]
    fn addresses() {
        for good in ["jo@acme.example", "j.o+bol@mail.acme.example", "jo@xn--mller-kva.example", "J@A.EXAMPLE"] {
            assert!(is_address(good), "{good}");
        }
        let long = format!("{}@acme.example", "x".repeat(250));
        for bad in [
            "",
            "jo",
            "@acme.example",
            "jo@",
            "jo@a@b",
            "\"j o\"@acme.example",
            "\"j@o\"@acme.example",
            "jo@acme.example\r\nBcc: x@y.example",
            "jo@acme.example,x@y.example",
            "Jo <jo@acme.example>",
            "jo\u{a0}@acme.example",
            "jo\u{200b}@acme.example",
            "j\u{f6}@acme.example",
            "jo@m\u{fc}ller.example",
            "jo@[127.0.0.1]",
            "jo@acme example",
            &long,
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
