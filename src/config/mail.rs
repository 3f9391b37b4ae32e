//! `SMTP_URL`, `MAIL_FROM`, `MAIL_FOLDER`.

use std::path::PathBuf;

use lettre::message::Mailbox;
use url::Url;

use super::Secret;
use super::reader::Reader;

#[derive(Clone, Debug)]
pub struct MailConfig {
    /// May contain a password. Without a URL, mails are written as files into the folder.
    pub smtp: Option<Secret<String>>,
    pub from: Mailbox,
    pub folder: PathBuf,
}

impl Reader<'_> {
    pub(super) fn mail(&mut self) -> MailConfig {
        let folder = self.text("MAIL_FOLDER").unwrap_or_else(|| "mail".into()).into();
        let from = self.parsed("MAIL_FROM", "an email address, with a name if you like: PrimeTrade <bol@example.com>");
        let smtp = self.text("SMTP_URL");
        if let Some(url) = &smtp {
            if !is_smtp_url(url) {
                // May hold a password, so it is not quoted.
                self.problems.push(
                    "SMTP_URL: allowed is smtp://HOST:PORT, smtps://USER:PASSWORD@HOST:PORT or \
                     smtp://USER:PASSWORD@HOST:PORT?tls=required (STARTTLS)"
                        .into(),
                );
            }
            if self.text("MAIL_FROM").is_none() {
                self.missing("MAIL_FROM", "the sender's address, since SMTP_URL is set");
            }
        }
        let from = from.unwrap_or_else(|| {
            let address = lettre::Address::new("portal", "localhost").ok();
            let Some(address) = address else { unreachable!("portal@localhost is an address") };
            Mailbox::new(Some("PrimeTrade".into()), address)
        });
        MailConfig { smtp: smtp.map(Secret), from, folder }
    }
}

/// A password requires TLS.
fn is_smtp_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let tls: Vec<_> = url.query_pairs().collect();
    let required = match tls.as_slice() {
        [] => false,
        [(name, value)] if name == "tls" && value == "required" => true,
        [(name, value)] if name == "tls" && value == "opportunistic" => false,
        _ => return false,
    };
    let bare = matches!(url.path(), "" | "/") && url.fragment().is_none() && url.has_host();
    match url.scheme() {
        "smtps" => bare && tls.is_empty(),
        "smtp" => bare && (required || url.password().is_none()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_smtp_url;

    #[test]
    fn a_password_needs_tls() {
        for good in [
            "smtp://127.0.0.1:2525",
            "smtp://mail.example",
            "smtp://mail.example:587?tls=required",
            "smtp://mail.example:587?tls=opportunistic",
            "smtp://user:pass@mail.example:587?tls=required",
            "smtps://user:pass@mail.example:465",
        ] {
            assert!(is_smtp_url(good), "{good}");
        }
        for bad in [
            "",
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://user:pass@mail.example",
            "smtp://user:pass@mail.example?tls=opportunistic",
            "smtp://mail.example?tls=maybe",
            "smtp://mail.example/inbox",
        ] {
            assert!(!is_smtp_url(bad), "{bad}");
        }
    }
}
