//! One event on the page of the log.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::audit::{Action, EventRow, Outcome};
use crate::local_time;
use crate::units::file_size;
use crate::unusual::Finding;
use crate::web::Site;
use crate::web::log_links::timeline;

/// A fetch that is recorded later than this was imported from the bucket's access log.
const MAX_RECORDING_DELAY: TimeDelta = TimeDelta::minutes(1);

pub struct LogRow {
    pub id: i64,
    pub when: String,
    /// RFC 3339.
    pub iso: String,
    /// When the event was recorded, if that was later.
    pub recorded: Option<String>,
    pub what: &'static str,
    /// How much was sent, of a document that was fetched.
    pub sent: Option<String>,
    /// Whose activity was unusual, and why.
    pub unusual: Option<String>,
    pub action: String,
    pub outcome: &'static str,
    pub is_success: bool,
    pub who: Option<TimelineLink>,
    pub role: Option<String>,
    pub number: Option<TimelineLink>,
    pub document: Option<String>,
    pub customer: Option<TimelineLink>,
    pub ip: String,
}

/// A user, BOL or customer, with a link to its timeline.
pub struct TimelineLink {
    pub text: String,
    pub href: String,
}

/// What the detail of [`Action::LinkFetched`] says.
#[derive(Deserialize)]
struct Fetch {
    fetched_at: DateTime<Utc>,
    bytes: Option<i64>,
    size: Option<i64>,
    status: Option<u16>,
}

impl LogRow {
    pub fn new(event: EventRow, site: &Site) -> Self {
        let outcome = super::outcome(&event.outcome);
        let link = |name: &str, value: Option<String>| {
            let text = value.filter(|text| !text.is_empty())?;
            Some(TimelineLink { href: timeline(name, &text), text })
        };
        let fetch =
            (event.action == Action::LinkFetched.as_str()).then(|| serde_json::from_str::<Fetch>(&event.detail.0));
        let fetch = fetch.and_then(Result::ok);
        let at = fetch.as_ref().map_or(event.occurred_at, |fetch| fetch.fetched_at);
        let unusual = Finding::of(&event).map(|found| format!("{}: {}", found.who(), found.reasons_in_words()));
        let is_late = event.occurred_at - at > MAX_RECORDING_DELAY;
        Self {
            id: event.id,
            when: local_time::to_second(at, site.time_zone),
            iso: at.to_rfc3339(),
            recorded: is_late.then(|| local_time::to_second(event.occurred_at, site.time_zone)),
            what: super::action_words(&event.action, outcome),
            sent: fetch.and_then(|fetch| fetch.sent()),
            unusual,
            action: event.action,
            outcome: outcome.map_or("", Outcome::label),
            is_success: outcome == Some(Outcome::Success),
            who: link("user", event.user_email),
            role: event.user_role.filter(|role| !role.is_empty()),
            number: link("number", event.bol_number),
            document: event.file_name.or(event.document_kind).filter(|name| !name.is_empty()),
            customer: link("customer", event.customer_code),
            ip: event.ip.map(|ip| ip.addr().to_string()).unwrap_or_default(),
        }
    }
}

impl Fetch {
    /// "184 KB", "60 KB of 184 KB"
    fn sent(&self) -> Option<String> {
        match (self.status?, self.bytes?, self.size) {
            (304, ..) => Some("Not modified: the browser had it already".into()),
            (200 | 206, bytes, Some(size)) if bytes < size => {
                Some(format!("{} of {}", file_size(bytes), file_size(size)))
            }
            (200 | 206, bytes, _) => Some(file_size(bytes)),
            _ => None,
        }
    }
}
