//! What was found: whose activity, in which hour, and why it is unusual. In numbers for programs, in words for people.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::result::Error as QueryError;
use serde::{Deserialize, Serialize};

use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::bols::weight::grouped;

/// Unusual activity of one login, token or visitor in one hour. The detail of its event has the same members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The email address of the login, or of the token's owner. `None` for a visitor without a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Of a visitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The beginning of the hour.
    pub hour: DateTime<Utc>,
    pub reasons: Vec<Reason>,
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Token {
    pub id: i64,
    pub name: String,
}

/// Why activity is unusual, with the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    ManyDocuments {
        documents: i64,
        threshold: i64,
    },
    /// `usual` is the mean of the `hours` with fetches in the time before, rounded.
    MoreThanUsual {
        documents: i64,
        usual: i64,
        hours: i64,
        times: i64,
    },
    NewNetwork {
        networks: Vec<String>,
    },
    AtNight {
        documents: i64,
        from: i32,
        until: i32,
        zone: String,
    },
    DeniedInARow {
        denied: i64,
        threshold: i64,
    },
    TokenFromTwoNetworks {
        networks: [String; 2],
        seconds: i64,
    },
}

impl Finding {
    /// Names whose activity it is, the same for every hour.
    pub fn subject(&self) -> String {
        match (&self.token, &self.login, &self.address) {
            (Some(token), ..) => format!("token {}", token.id),
            (None, Some(login), _) => login.clone(),
            (None, None, Some(address)) => address.to_string(),
            (None, None, None) => String::new(),
        }
    }

    /// "buyer@acme.example", "API token “Nightly” of buyer@acme.example"
    pub fn who(&self) -> String {
        let login = self.login.as_deref().unwrap_or("an unknown login");
        match (&self.token, &self.address) {
            (Some(token), _) => format!("API token “{}” of {login}", token.name),
            (None, Some(address)) if self.login.is_none() => format!("Visitor from {address}"),
            _ => login.into(),
        }
    }

    /// The reasons in words, in one line.
    pub fn reasons_in_words(&self) -> String {
        self.reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join("; ")
    }

    /// The event that reports it.
    pub(super) fn event<'a>(&self, origin: &'a Origin) -> QueryResult<Event<'a>> {
        let detail = serde_json::to_value(self).map_err(|error| QueryError::SerializationError(error.into()))?;
        Ok(Event::new(Action::UnusualActivity, Outcome::Success, Actor::PORTAL, origin).detail(detail))
    }

    /// Reads the detail of an event.
    pub fn of(event: &audit::EventRow) -> Option<Self> {
        let is_one = event.action == Action::UnusualActivity.as_str();
        is_one.then(|| serde_json::from_str(&event.detail.0).ok()).flatten()
    }
}

impl Reason {
    /// The name in the detail of events.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ManyDocuments { .. } => "many_documents",
            Self::MoreThanUsual { .. } => "more_than_usual",
            Self::NewNetwork { .. } => "new_network",
            Self::AtNight { .. } => "at_night",
            Self::DeniedInARow { .. } => "denied_in_a_row",
            Self::TokenFromTwoNetworks { .. } => "token_from_two_networks",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ManyDocuments { documents, threshold } => {
                write!(f, "fetched {} in an hour, more than {}", counted(*documents), grouped(*threshold))
            }
            Self::MoreThanUsual { documents, usual, .. } => {
                write!(f, "fetched {} in an hour, usually {}", counted(*documents), grouped(*usual))
            }
            Self::NewNetwork { networks } => {
                write!(f, "came from a network not used in 90 days: {}", networks.join(", "))
            }
            Self::AtNight { documents, from, until, zone } => {
                write!(f, "fetched {} at night, between {from}:00 and {until}:00 ({zone})", counted(*documents))
            }
            Self::DeniedInARow { denied, .. } => write!(f, "was refused {} times in a row", grouped(*denied)),
            Self::TokenFromTwoNetworks { networks: [one, other], seconds } => {
                let minutes = TimeDelta::seconds(seconds + 59).num_minutes().max(1);
                let plural = if minutes == 1 { "" } else { "s" };
                write!(f, "was used from two networks within {minutes} minute{plural}: {one} and {other}")
            }
        }
    }
}

fn counted(documents: i64) -> String {
    let plural = if documents == 1 { "" } else { "s" };
    format!("{} document{plural}", grouped(documents))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons() -> [(Reason, &'static str); 7] {
        let two = |seconds| Reason::TokenFromTwoNetworks {
            networks: ["203.0.113.0/24".into(), "2001:db8:7::/48".into()],
            seconds,
        };
        [
            (
                Reason::ManyDocuments { documents: 1412, threshold: 200 },
                "fetched 1,412 documents in an hour, more than 200",
            ),
            (
                Reason::MoreThanUsual { documents: 412, usual: 12, hours: 9, times: 10 },
                "fetched 412 documents in an hour, usually 12",
            ),
            (
                Reason::NewNetwork { networks: vec!["203.0.113.0/24".into(), "198.51.100.0/24".into()] },
                "came from a network not used in 90 days: 203.0.113.0/24, 198.51.100.0/24",
            ),
            (
                Reason::AtNight { documents: 1, from: 22, until: 5, zone: "America/New_York".into() },
                "fetched 1 document at night, between 22:00 and 5:00 (America/New_York)",
            ),
            (Reason::DeniedInARow { denied: 12, threshold: 10 }, "was refused 12 times in a row"),
            (two(61), "was used from two networks within 2 minutes: 203.0.113.0/24 and 2001:db8:7::/48"),
            (two(0), "was used from two networks within 1 minute: 203.0.113.0/24 and 2001:db8:7::/48"),
        ]
    }

    #[test]
    fn each_reason_has_words_and_a_name_for_programs() {
        for (reason, words) in reasons() {
            assert_eq!(reason.to_string(), words);
            let json = serde_json::to_value(&reason).expect("JSON");
            assert_eq!(json["reason"], reason.name());
            assert_eq!(serde_json::from_value::<Reason>(json).expect("a reason"), reason);
        }
    }

    #[test]
    fn a_finding_names_login_token_or_visitor() {
        let login = Finding {
            login: Some("jo@acme.example".into()),
            token: None,
            address: None,
            hour: DateTime::UNIX_EPOCH,
            reasons: vec![reasons()[1].0.clone(), reasons()[4].0.clone()],
        };
        let token = Finding { token: Some(Token { id: 7, name: "Nightly".into() }), ..login.clone() };
        let visitor = Finding { login: None, address: "203.0.113.9".parse().ok(), ..login.clone() };
        assert_eq!((login.who(), login.subject()), ("jo@acme.example".into(), "jo@acme.example".into()));
        assert_eq!((token.who(), token.subject()), ("API token “Nightly” of jo@acme.example".into(), "token 7".into()));
        assert_eq!((visitor.who(), visitor.subject()), ("Visitor from 203.0.113.9".into(), "203.0.113.9".into()));
        let words = "fetched 412 documents in an hour, usually 12; was refused 12 times in a row";
        assert_eq!(login.reasons_in_words(), words);
    }
}
