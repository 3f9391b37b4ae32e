//! The texts of emails. Each is a subject, paragraphs, lists and one action. A text and an HTML template render it,
//! so that both say the same.

mod login;

use std::borrow::Cow;
use std::collections::HashSet;

use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::bol_news::{self, Group, Listing, News, Stop};
use super::unusual_notice::{self, UnusualFinding};
use super::{LinkKey, SecurityNotice};

/// An email as the outbox stores it. [`LinkKey`] makes the secret of a link from its `seed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "kebab-case")]
pub enum EmailTemplate {
    /// Invites a user to set the first password, or to log in with single sign-on, if logins of the role have no password.
    /// `name` is empty if a customer has chosen it. `issuer` is the name of the single sign-on.
    Invitation {
        name: String,
        by: String,
        company: String,
        seed: String,
        days: i64,
        #[serde(default)]
        issuer: Option<String>,
    },
    /// Lets a user replace a forgotten password, or says that the login has none.
    Reset {
        name: String,
        seed: String,
        minutes: i64,
        #[serde(default)]
        issuer: Option<String>,
    },
    /// Warns a user that the password was changed.
    PasswordChanged { name: String },
    /// Tells a user of a change to how the login is protected.
    Security { name: String, notice: SecurityNotice },
    /// Tells a user with a login about another company.
    Joined { name: String, by: String, company: String },
    /// Lists documents that became visible; those of a whole day in a digest.
    Documents { name: String, digest: bool, news: Vec<News>, has_login: bool },
    /// Reminds a customer of unfetched BOLs.
    Reminder { name: String, news: News, has_login: bool },
    /// Tells those in charge that the portal has turned a webhook off. `address` is its scheme and host.
    WebhookStopped { name: String, address: String, is_gone: bool, path: String },
    /// Tells an administrator of unusual activity in the access log. `more`: how many findings are not listed.
    UnusualActivity { name: String, findings: Vec<UnusualFinding>, more: usize },
}

pub(super) struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The URL for the header `List-Unsubscribe` (RFC 2369). `None` for emails that everyone gets.
    pub unsubscribe: Option<String>,
}

/// What every email needs besides its own contents.
pub(super) struct Sender<'a> {
    /// The origin of links.
    pub origin: &'a str,
    pub key: &'a LinkKey,
    pub office: &'a Office,
}

/// How to reach the terminal's office, as the settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Office {
    /// Empty if it isn't known.
    pub phone: String,
    /// A valid address.
    pub email: Option<String>,
}

impl Office {
    /// " (+1 812 555 0100)", or nothing.
    pub fn phone_in_brackets(&self) -> String {
        if self.phone.is_empty() { String::new() } else { format!(" ({})", self.phone) }
    }
}

/// The text of an email.
#[derive(Default)]
struct Words {
    subject: String,
    greeting: String,
    paragraphs: Vec<String>,
    groups: Vec<Group>,
    /// A label and a URL.
    action: Option<(Cow<'static, str>, String)>,
    closing: Vec<String>,
    /// How to stop the emails.
    stop: Option<Stop>,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct TextEmail<'a> {
    words: &'a Words,
    origin: &'a str,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct HtmlEmail<'a> {
    words: &'a Words,
    origin: &'a str,
}

impl EmailTemplate {
    pub fn security(notice: SecurityNotice, name: &str) -> Self {
        Self::Security { name: name.into(), notice }
    }

    /// The name in the outbox and in file names.
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::Invitation { .. } => "invitation",
            Self::Reset { .. } => "reset",
            Self::PasswordChanged { .. } => "password-changed",
            Self::Security { notice, .. } => notice.purpose(),
            Self::Joined { .. } => "joined",
            Self::Documents { .. } => "documents",
            Self::Reminder { .. } => "reminder",
            Self::WebhookStopped { .. } => "webhook-off",
            Self::UnusualActivity { .. } => "unusual-activity",
        }
    }

    /// Returns when the mailer gives up sending: after four to five days (RFC 5321, 4.5.4.1).
    pub fn worth_until(&self, created_at: DateTime<Utc>) -> DateTime<Utc> {
        created_at
            + match self {
                Self::Reset { minutes, .. } => TimeDelta::minutes(*minutes),
                _ => TimeDelta::days(4),
            }
    }

    /// Returns the BOLs in the email: the ids of each company and BOL.
    pub(super) fn named(&self) -> Vec<(i64, i64)> {
        let of = |news: &News| news.items.iter().map(|item| (news.customer_id, item.bol_id)).collect::<Vec<_>>();
        match self {
            Self::Documents { news, .. } => news.iter().flat_map(of).collect(),
            Self::Reminder { news, .. } => of(news),
            _ => Vec::new(),
        }
    }

    /// Removes BOLs that are not among `theirs`. Returns `None` if nothing is left.
    pub(super) fn only_about(mut self, theirs: &HashSet<(i64, i64)>) -> Option<Self> {
        let cut = |news: &mut News| {
            let customer = news.customer_id;
            news.items.retain(|item| theirs.contains(&(customer, item.bol_id)));
            !news.items.is_empty()
        };
        let is_left = match &mut self {
            Self::Documents { news, .. } => {
                news.retain_mut(cut);
                !news.is_empty()
            }
            Self::Reminder { news, .. } => cut(news),
            _ => true,
        };
        is_left.then_some(self)
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Invitation { name, .. }
            | Self::Reset { name, .. }
            | Self::PasswordChanged { name }
            | Self::Security { name, .. }
            | Self::Joined { name, .. }
            | Self::Documents { name, .. }
            | Self::Reminder { name, .. }
            | Self::WebhookStopped { name, .. }
            | Self::UnusualActivity { name, .. } => name,
        }
    }

    pub(super) fn render(&self, sender: &Sender<'_>) -> Result<Rendered, askama::Error> {
        let (words, origin) = (self.words(sender), sender.origin);
        let text = TextEmail { words: &words, origin }.render()?;
        let html = HtmlEmail { words: &words, origin }.render()?;
        let unsubscribe = words.stop.and_then(|stop| stop.link).map(|(_, href)| href);
        Ok(Rendered { subject: words.subject, text, html, unsubscribe })
    }

    fn words(&self, sender: &Sender<'_>) -> Words {
        let Sender { origin, key, office } = *sender;
        let link = |path: &str, seed: &str| format!("{origin}/{path}?token={}", key.secret(seed));
        let words = match self {
            Self::Invitation { by, company, issuer: Some(issuer), .. } => {
                login::invited_to_sso(by, company, issuer, origin)
            }
            Self::Invitation { by, company, seed, days, .. } => {
                login::invitation(by, company, *days, link("invitation", seed))
            }
            Self::Reset { issuer: Some(issuer), .. } => login::no_password(issuer, origin),
            Self::Reset { seed, minutes, .. } => login::reset(*minutes, link("password", seed)),
            Self::PasswordChanged { .. } => login::password_changed(sender),
            Self::Security { notice, .. } => security(notice, sender),
            Self::Joined { by, company, .. } => joined(by, company, origin),
            Self::Documents { digest, news, has_login, .. } => listing(
                bol_news::documents(news, *digest, origin),
                Stop::new(*has_login, origin, office.email.as_deref()),
                origin,
            ),
            Self::Reminder { news, has_login, .. } => listing(
                bol_news::reminder(news, origin),
                Stop::new(*has_login, origin, office.email.as_deref()),
                origin,
            ),
            Self::WebhookStopped { address, is_gone, path, .. } => {
                webhook_stopped(address, *is_gone, format!("{origin}{path}"))
            }
            Self::UnusualActivity { findings, more, .. } => unusual_activity(findings, *more, origin),
        };
        let greeting = match self.name() {
            "" => "Hello,".to_owned(),
            name => format!("Hello {name},"),
        };
        Words { greeting, ..words }
    }
}

fn security(notice: &SecurityNotice, Sender { origin, key, office }: &Sender<'_>) -> Words {
    let (subject, what) = notice.text();
    let phone = office.phone_in_brackets();
    if let SecurityNotice::NewDevice { seed, .. } = notice {
        let link = format!("{origin}/sessions/end?token={seed}.{}", key.secret(seed));
        return Words {
            subject: subject.into(),
            paragraphs: vec![what],
            action: Some(("End all sessions".into(), link)),
            closing: vec![format!(
                "If that wasn’t you, use the button, which works for seven days, and then set a new password. Call the \
                 terminal office{phone} too."
            )],
            ..Words::default()
        };
    }
    if let SecurityNotice::TokenEnds { service, .. } | SecurityNotice::TokenExposed { service, .. } = notice {
        let (label, path) =
            if service.is_some() { ("Open the portal", "") } else { ("Your API tokens", "/account/tokens") };
        let action = Some((label.into(), format!("{origin}{path}")));
        return Words { subject: subject.into(), paragraphs: vec![what], action, ..Words::default() };
    }
    Words {
        subject: subject.into(),
        paragraphs: vec![what],
        action: Some(("Your account".into(), format!("{origin}/account"))),
        closing: vec![format!(
            "If that wasn’t you, set a new password at once with “Forgot your password?” on the login page, and call the \
             terminal office{phone}."
        )],
        ..Words::default()
    }
}

fn webhook_stopped(address: &str, is_gone: bool, page: String) -> Words {
    let why = if is_gone {
        "Its receiver answered that it wants no more messages (410)."
    } else {
        "Twenty attempts in a row have failed, over three days."
    };
    Words {
        subject: "A webhook of the PrimeTrade BOL portal was turned off".into(),
        paragraphs: vec![format!("The webhook to {address} was turned off, so it gets no more messages. {why}")],
        action: Some(("Open the webhook".into(), page)),
        closing: vec![
            "Its page shows what was sent and what was answered. When the receiver works again, turn the webhook on there. \
             Messages that wait are sent then, if they are not older than three days."
                .into(),
        ],
        ..Words::default()
    }
}

fn joined(by: &str, company: &str, origin: &str) -> Words {
    Words {
        subject: format!("You now see the bills of lading of {company}"),
        paragraphs: vec![format!(
            "{by} has added your login at the PrimeTrade BOL portal to {} Log in as before to find its bills of lading.",
            sentence_end(company)
        )],
        action: Some(("Bills of lading".into(), format!("{origin}/bols"))),
        ..Words::default()
    }
}

fn listing(Listing { subject, paragraph, groups }: Listing, stop: Stop, origin: &str) -> Words {
    Words {
        subject,
        paragraphs: vec![paragraph.into()],
        groups,
        action: Some(("All bills of lading".into(), format!("{origin}/bols"))),
        stop: Some(stop),
        ..Words::default()
    }
}

fn unusual_activity(findings: &[UnusualFinding], more: usize, origin: &str) -> Words {
    Words {
        subject: unusual_notice::subject(findings, more),
        paragraphs: vec!["The PrimeTrade BOL portal found this in its access log:".into()],
        groups: unusual_notice::groups(findings, more, origin),
        action: Some(("All unusual activity".into(), format!("{origin}/audit?action=UNUSUAL_ACTIVITY"))),
        closing: vec![
            "You get this email as an administrator of the portal, once a day for the same thing. You can change what \
             counts as unusual under Settings."
                .into(),
        ],
        ..Words::default()
    }
}

/// Returns a name with the period of its sentence. A name such as `Acme Inc.` has it already.
fn sentence_end(name: &str) -> String {
    let period = if name.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{name}{period}")
}

#[cfg(test)]
mod tests;
