//! Outgoing mail: the texts ([`EmailTemplate`]), the outbox ([`outbox`]) and the sender ([`Mailer`]).
//!
//! The transaction that causes an email writes it to the outbox, and the mailer sends it afterwards. So an unreachable
//! mail server neither loses an email nor delays a request. If a process dies between sending an email and noting it,
//! the email is sent again with the same `Message-ID`. No email contains a file, or a link to a file that works without
//! a login.

mod email_template;
mod link;
mod mailer;
pub mod outbox;

pub use email_template::{EmailTemplate, Item, News};
pub use link::LinkKey;
pub use mailer::Mailer;

/// Returns whether email can be sent to this address. Excludes quoted addresses, addresses of machines, and non-ASCII
/// letters, which many servers reject and which look like others.
pub fn is_address(text: &str) -> bool {
    let is_odd = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | ',' | ';' | '\\' | '[' | ']');
    text.len() <= 254
        && !text.contains(is_odd)
        && text.matches('@').count() == 1
        && text.parse::<lettre::Address>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_address;

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
