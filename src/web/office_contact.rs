//! How to reach the terminal's office, as the settings say.
//!
//! Pages for people outside the office show it. It is kept in memory, because an error page must not need the database.
//! A change on another instance shows within [`REFRESH_INTERVAL`].

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::time::sleep;

use crate::bols::settings::{self, Company};
use crate::db::{Database, DbResult};
use crate::mail;

const REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// A telephone number or an email address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactLink {
    pub text: String,
    /// `None` if the text can't be dialed or written to.
    pub href: Option<String>,
}

/// The telephone number and the email address that are known.
pub type OfficeContact = Vec<ContactLink>;

/// The last known contact.
#[derive(Default)]
pub struct ContactCache(RwLock<OfficeContact>);

impl ContactCache {
    /// Returns what is known, which may be nothing.
    pub fn current(&self) -> OfficeContact {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the contact from the settings.
    pub async fn refresh(&self, db: &Database) -> DbResult<()> {
        let company = settings::company(&mut *db.get().await?).await?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = contact(&company);
        Ok(())
    }

    /// Refreshes the contact until the future is dropped. While the database is away, the last one stays.
    pub async fn keep_current(&self, db: Database) {
        loop {
            if let Err(error) = self.refresh(&db).await {
                tracing::warn!(%error, "can't read how to reach the office");
            }
            sleep(REFRESH_INTERVAL).await;
        }
    }
}

fn contact(company: &Company) -> OfficeContact {
    let Company { company_phone: phone, company_email: email, .. } = company;
    let ways = [(phone, phone_href(phone)), (email, email_href(email))].into_iter();
    ways.filter(|(text, _)| !text.is_empty()).map(|(text, href)| ContactLink { text: text.clone(), href }).collect()
}

/// Returns a `tel:` link (RFC 3966) for a number as people write it: `(555) 010-0100 ext. 7`.
fn phone_href(text: &str) -> Option<String> {
    let at = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, extension) = text.split_at(at);
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let plus = if number.trim_start().starts_with('+') { "+" } else { "" };
    let (number, ext) = (digits(number), digits(extension));
    let has_extension = extension.to_lowercase().starts_with('x') || extension.to_lowercase().starts_with("ext");
    match (number.len(), extension.is_empty()) {
        (7..=15, true) => Some(format!("tel:{plus}{number}")),
        (7..=15, false) if has_extension && !ext.is_empty() => Some(format!("tel:{plus}{number};ext={ext}")),
        _ => None,
    }
}

/// Returns a `mailto:` link (RFC 6068) for an address without characters that have a meaning there.
fn email_href(text: &str) -> Option<String> {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "@.+-_".contains(c));
    (is_plain && mail::is_address(text)).then(|| format!("mailto:{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_become_links() {
        for (text, href) in [
            ("+1 (740) 555-0100", Some("tel:+17405550100")),
            ("740.555.0100", Some("tel:7405550100")),
            ("(740) 555-0100 ext. 7", Some("tel:7405550100;ext=7")),
            ("740-555-0100 x12", Some("tel:7405550100;ext=12")),
            ("1-800-PIG-IRON", None),
            ("740-555-0100 or 740-555-0101", None),
            ("ask for Dana", None),
            ("", None),
        ] {
            assert_eq!(phone_href(text).as_deref(), href, "{text}");
        }
        for (text, href) in [
            ("dock@example.com", Some("mailto:dock@example.com")),
            ("dock@example.com?bcc=other@example.com", None),
            ("not an address", None),
            ("", None),
        ] {
            assert_eq!(email_href(text).as_deref(), href, "{text}");
        }
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let company = Company { company_phone: "1-800-PIG-IRON".into(), ..Company::default() };
        assert_eq!(contact(&company), [ContactLink { text: "1-800-PIG-IRON".into(), href: None }]);
        assert!(contact(&Company::default()).is_empty());
    }
}
