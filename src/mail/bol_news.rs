//! The contents of emails that list BOLs: new documents, and reminders.

use serde::{Deserialize, Serialize};

/// BOLs listed in one email. The rest are counted.
const MAX_ITEMS: usize = 50;

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
    /// "Basic pig iron · 23.45 net tons · Truck 460 · PO 4500": what was loaded. Emails of earlier versions have none.
    #[serde(default)]
    pub load: String,
}

/// What an email with a list of BOLs says.
pub(super) struct Listing {
    pub subject: String,
    pub paragraph: &'static str,
    pub groups: Vec<Group>,
}

/// How the recipient stops these emails.
pub(super) struct Stop {
    pub sentence: &'static str,
    /// A label and a URL, unless the office has no address.
    pub link: Option<(String, String)>,
}

pub(super) struct Group {
    pub title: String,
    pub lines: Vec<NewsLine>,
    pub more: usize,
}

pub(super) struct NewsLine {
    pub number: String,
    pub href: String,
    pub what: String,
    pub load: Option<String>,
}

pub(super) fn documents(news: &[News], digest: bool, origin: &str) -> Listing {
    Listing {
        subject: documents_subject(news, digest),
        paragraph: if digest {
            "These documents are new since the last daily email:"
        } else {
            "These documents are new in the portal:"
        },
        groups: news.iter().map(|news| Group::new(news, origin)).collect(),
    }
}

pub(super) fn reminder(news: &News, origin: &str) -> Listing {
    Listing {
        subject: match news.items.as_slice() {
            [one] => format!("Not fetched yet: {}", one.number),
            many => format!("Not fetched yet: {} bills of lading", many.len()),
        },
        paragraph: "Your company has not downloaded these bills of lading yet:",
        groups: vec![Group::new(news, origin)],
    }
}

impl Group {
    fn new(news: &News, origin: &str) -> Self {
        let lines = news.items.iter().take(MAX_ITEMS).map(|item| NewsLine {
            number: item.number.clone(),
            href: format!("{origin}/bols/{}", item.number),
            what: item.what.clone(),
            load: Some(item.load.clone()).filter(|load| !load.is_empty()),
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

impl Stop {
    /// `office` is the email address of the terminal's office, if it is known.
    pub fn new(has_login: bool, origin: &str, office: Option<&str>) -> Self {
        match office {
            _ if has_login => Self {
                sentence: "To change how often you get these emails, or to stop them, open",
                link: Some(("your email settings".into(), format!("{origin}/account#mail"))),
            },
            Some(email) => Self {
                sentence: "Your company has chosen this address for these emails. To stop them, write to",
                link: Some((email.into(), format!("mailto:{}?subject=Stop%20emails%20about%20BOLs", encoded(email)))),
            },
            None => Self {
                sentence: "Your company has chosen this address for these emails. To stop them, ask the terminal office.",
                link: None,
            },
        }
    }
}

/// Encodes what has a meaning in a `mailto:` URL (RFC 6068).
fn encoded(address: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.+-_".contains(c);
    address.chars().map(|c| if is_plain(c) { c.to_string() } else { format!("%{:02X}", u32::from(c)) }).collect()
}
