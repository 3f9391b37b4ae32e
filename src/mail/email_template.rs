//! The texts of emails. Each is a subject, paragraphs, lists and one action. A text and an HTML template render it,
//! so that both say the same.

use std::collections::HashSet;

use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::LinkKey;

/// BOLs listed in one email. The rest are counted.
const MAX_ITEMS: usize = 50;

/// An email as the outbox stores it. [`LinkKey`] makes the secret of a link from its `seed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "kebab-case")]
pub enum EmailTemplate {
    /// Invites a user to set the first password. `name` is empty if a customer has chosen it.
    Invitation { name: String, by: String, company: String, seed: String, days: i64 },
    /// Lets a user replace a forgotten password.
    Reset { name: String, seed: String, minutes: i64 },
    /// Warns a user that the password was changed.
    PasswordChanged { name: String },
    /// Tells a user with a login about another company.
    Joined { name: String, by: String, company: String },
    /// Lists documents that became visible; those of a whole day in a digest.
    Documents { name: String, digest: bool, news: Vec<News>, has_login: bool },
    /// Reminds a customer of unfetched BOLs.
    Reminder { name: String, news: News, has_login: bool },
}

/// The BOLs of one company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    pub customer_id: i64,
    pub company: String,
    pub items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub bol_id: i64,
    pub number: String,
    /// "Bill of lading, scale ticket"
    pub what: String,
}

pub(super) struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// The text of an email.
#[derive(Default)]
struct Words {
    subject: String,
    greeting: String,
    paragraphs: Vec<String>,
    groups: Vec<Group>,
    /// A label and a URL.
    action: Option<(&'static str, String)>,
    closing: Vec<String>,
}

struct Group {
    title: String,
    lines: Vec<NewsLine>,
    more: usize,
}

struct NewsLine {
    number: String,
    href: String,
    what: String,
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
    /// The name in the outbox and in file names.
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::Invitation { .. } => "invitation",
            Self::Reset { .. } => "reset",
            Self::PasswordChanged { .. } => "password-changed",
            Self::Joined { .. } => "joined",
            Self::Documents { .. } => "documents",
            Self::Reminder { .. } => "reminder",
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
            | Self::Joined { name, .. }
            | Self::Documents { name, .. }
            | Self::Reminder { name, .. } => name,
        }
    }

    pub(super) fn render(&self, origin: &str, key: &LinkKey) -> Result<Rendered, askama::Error> {
        let words = self.words(origin, key);
        let text = TextEmail { words: &words, origin }.render()?;
        let html = HtmlEmail { words: &words, origin }.render()?;
        Ok(Rendered { subject: words.subject, text, html })
    }

    fn words(&self, origin: &str, key: &LinkKey) -> Words {
        let link = |path: &str, seed: &str| format!("{origin}/{path}?token={}", key.secret(seed));
        let words = match self {
            Self::Invitation { by, company, seed, days, .. } => {
                invitation(by, company, *days, link("invitation", seed))
            }
            Self::Reset { seed, minutes, .. } => reset(*minutes, link("password", seed)),
            Self::PasswordChanged { .. } => password_changed(origin),
            Self::Joined { by, company, .. } => joined(by, company, origin),
            Self::Documents { digest, news, has_login, .. } => documents(news, *digest, *has_login, origin),
            Self::Reminder { news, has_login, .. } => reminder(news, *has_login, origin),
        };
        let greeting = match self.name() {
            "" => "Hello,".to_owned(),
            name => format!("Hello {name},"),
        };
        Words { greeting, ..words }
    }
}

fn invitation(by: &str, company: &str, days: i64, link: String) -> Words {
    Words {
        subject: "Your login for the PrimeTrade BOL portal".into(),
        paragraphs: vec![if company.is_empty() {
            format!("{by} has set up a login for you at the PrimeTrade BOL portal.")
        } else {
            format!(
                "{by} has set up a login for you at the PrimeTrade BOL portal, where you find the bills of lading of {company}."
            )
        }],
        action: Some(("Choose your password", link)),
        closing: vec![format!(
            "The link works once, for {days} days. If it has expired, ask for a new one with “Forgot your password?” on the login page. If you didn't expect this email, ignore it."
        )],
        ..Words::default()
    }
}

fn reset(minutes: i64, link: String) -> Words {
    Words {
        subject: "Set a new password for the PrimeTrade BOL portal".into(),
        paragraphs: vec![
            "Someone, hopefully you, has asked for a new password for your login at the PrimeTrade BOL portal.".into(),
        ],
        action: Some(("Choose a new password", link)),
        closing: vec![format!(
            "The link works once, for {minutes} minutes. If you didn't ask for it, ignore this email. Your password stays the same."
        )],
        ..Words::default()
    }
}

fn password_changed(origin: &str) -> Words {
    Words {
        subject: "Your password for the PrimeTrade BOL portal was changed".into(),
        paragraphs: vec![
            "The password of your login at the PrimeTrade BOL portal was just changed, and all other sessions were ended.".into(),
        ],
        action: Some(("Your account", format!("{origin}/account"))),
        closing: vec![
            "If that wasn't you, set a new password at once with “Forgot your password?” on the login page, and call the terminal office.".into(),
        ],
        ..Words::default()
    }
}

fn joined(by: &str, company: &str, origin: &str) -> Words {
    Words {
        subject: format!("You now see the bills of lading of {company}"),
        paragraphs: vec![format!(
            "{by} has added your login at the PrimeTrade BOL portal to {company}. Log in as before to find its bills of lading."
        )],
        action: Some(("Bills of lading", format!("{origin}/bols"))),
        ..Words::default()
    }
}

fn documents(news: &[News], digest: bool, has_login: bool, origin: &str) -> Words {
    Words {
        subject: documents_subject(news, digest),
        paragraphs: vec![if digest {
            "These documents are new since the last daily email:".into()
        } else {
            "These documents are new in the portal:".into()
        }],
        groups: news.iter().map(|news| Group::new(news, origin)).collect(),
        action: Some(("All bills of lading", format!("{origin}/bols"))),
        closing: vec![why(has_login)],
        ..Words::default()
    }
}

fn reminder(news: &News, has_login: bool, origin: &str) -> Words {
    Words {
        subject: match news.items.as_slice() {
            [one] => format!("Not fetched yet: {}", one.number),
            many => format!("Not fetched yet: {} bills of lading", many.len()),
        },
        paragraphs: vec!["Your company has not downloaded these bills of lading yet:".into()],
        groups: vec![Group::new(news, origin)],
        action: Some(("All bills of lading", format!("{origin}/bols"))),
        closing: vec![why(has_login)],
        ..Words::default()
    }
}

impl Group {
    fn new(news: &News, origin: &str) -> Self {
        let lines = news.items.iter().take(MAX_ITEMS).map(|item| NewsLine {
            number: item.number.clone(),
            href: format!("{origin}/bols/{}", item.number),
            what: item.what.clone(),
        });
        Self { title: news.company.clone(), lines: lines.collect(), more: news.items.len().saturating_sub(MAX_ITEMS) }
    }
}

fn documents_subject(news: &[News], digest: bool) -> String {
    let mut numbers = news.iter().flat_map(|news| &news.items).map(|item| item.number.as_str());
    match (digest, numbers.next(), numbers.count()) {
        (false, Some(one), 0) => format!("New in the portal: {one}"),
        (false, _, others) => format!("New in the portal: {} bills of lading", others + 1),
        (true, _, others) => format!("Bills of lading of the last day: {}", others + 1),
    }
}

/// Returns why the user gets this email, and how to change that.
fn why(has_login: bool) -> String {
    if has_login {
        "To change how often you get these emails, or to stop them, go to “Your account”.".into()
    } else {
        "Your company has chosen this address for these emails. To stop them, ask the terminal office.".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretKey;

    fn render(template: &EmailTemplate) -> Rendered {
        template.render("https://portal.example", &LinkKey::new(&SecretKey::from_bytes(vec![7; 64]))).expect("renders")
    }

    #[test]
    fn text_and_html_say_the_same() {
        let item = |number: &str| Item { bol_id: 1, number: number.into(), what: "Bill of lading".into() };
        let news = News {
            customer_id: 1,
            company: "Acme & Sons <Steel>".into(),
            items: vec![item("PRT-2026-0001"), item("PRT-2026-0002")],
        };
        let template =
            EmailTemplate::Documents { name: "Jane".into(), digest: false, news: vec![news], has_login: true };
        let Rendered { subject, text, html } = render(&template);
        assert_eq!(subject, "New in the portal: 2 bills of lading");
        assert!(text.starts_with("Hello Jane,\n\nThese documents"), "{text}");
        assert!(text.contains("\nAcme & Sons <Steel>\n\n  PRT-2026-0001  Bill of lading\n  https://portal.example/bols/PRT-2026-0001\n"), "{text}");
        assert!(!text.contains("\n\n\n") && text.ends_with("https://portal.example"), "{text:?}");
        assert!(html.contains("Acme &#38; Sons &#60;Steel&#62;"), "{html}");
        assert!(html.contains(r#"href="https://portal.example/bols/PRT-2026-0002""#), "{html}");
        for nothing in ["<img", "<script", "http://", "url("] {
            assert!(!html.contains(nothing), "{nothing} in {html}");
        }
    }

    #[test]
    fn a_link_is_made_of_its_seed() {
        let email = |seed: &str| EmailTemplate::Reset { name: "Jane".into(), seed: seed.into(), minutes: 60 };
        let (one, same, other) = (render(&email("a")), render(&email("a")), render(&email("b")));
        assert_eq!(one.text, same.text);
        assert_ne!(one.text, other.text);
        let stored = serde_json::to_string(&email("a")).expect("JSON");
        let secret = one.text.split("token=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a token");
        assert_eq!(secret.len(), 64);
        assert!(!stored.contains(secret));
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let items =
            (0..60).map(|n| Item { bol_id: n, number: format!("PRT-2026-{n:04}"), what: "Invoice".into() }).collect();
        let template = EmailTemplate::Reminder {
            name: "Jane".into(),
            news: News { customer_id: 1, company: "Acme".into(), items },
            has_login: false,
        };
        let Rendered { subject, text, html } = render(&template);
        assert_eq!(subject, "Not fetched yet: 60 bills of lading");
        assert_eq!(text.matches("Invoice").count(), 50);
        assert!(text.contains("and 10 more") && html.contains("and 10 more"));
        assert!(text.contains("ask the terminal office"));
    }
}
