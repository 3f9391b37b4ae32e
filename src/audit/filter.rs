//! The filters of the log as someone types them: in the query string of `/audit`, or as flags of `audit export`.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::search::{Filter, Position, TEXT_SEARCH_WINDOW};
use super::{Action, Outcome};
use crate::field_errors::FieldErrors;

/// Values are cut to this length.
const MAX_VALUE_CHARS: usize = 200;

/// The view that has only [`Action::DOWNLOADS`].
pub const DOWNLOADS_VIEW: &str = "downloads";

/// A filter as it was typed; empty fields don't narrow the log.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct FilterText {
    /// Text to search for.
    pub q: String,
    /// The first day, such as `2026-11-30`.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The name of an [`Action`].
    pub action: String,
    /// The name of an [`Outcome`].
    pub outcome: String,
    /// The code of a customer, or a part of its code or name.
    pub customer: String,
    /// An email address, or a part of an address or name.
    pub user: String,
    /// The number of a BOL, or a part of it.
    pub number: String,
    /// `downloads` for [`Action::DOWNLOADS`] only.
    pub view: String,
    /// A [`Position`]: where the page begins.
    pub after: String,
}

/// What [`FilterText::parse`] returns. With errors, the filter is incomplete. Its users, customers and BOLs are those
/// that were typed; [`names::resolve`](super::names::resolve) finds those of which a part was typed.
pub struct ParsedFilter {
    pub filter: Filter,
    pub after: Option<Position>,
    pub errors: FieldErrors,
}

impl FilterText {
    /// The fields that narrow the log, with their names in the query string.
    pub fn fields(&self) -> [(&'static str, &str); 9] {
        [
            ("q", &self.q),
            ("from", &self.from),
            ("to", &self.to),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("customer", &self.customer),
            ("user", &self.user),
            ("number", &self.number),
            ("view", &self.view),
        ]
    }

    pub fn is_filtered(&self) -> bool {
        self.fields().iter().any(|(_, value)| !value.trim().is_empty())
    }

    /// The fields that aren't empty, as an event records them.
    pub fn to_json(&self) -> Value {
        let fields = self.fields().into_iter().filter(|(_, value)| !value.trim().is_empty());
        let members = fields.map(|(name, value)| {
            (name.to_owned(), value.chars().take(MAX_VALUE_CHARS).collect::<String>().replace('\0', "").into())
        });
        Value::Object(members.collect::<Map<_, _>>())
    }

    /// Parses the fields. Days are those of `zone`; a text search without days covers the time before `now`.
    pub fn parse(&self, zone: Tz, now: DateTime<Utc>) -> ParsedFilter {
        let mut errors = FieldErrors::default();
        let (from, to) = (day("from", &self.from, &mut errors), day("to", &self.to, &mut errors));
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            errors.add("to", "This day is before the first one.");
        }
        let action = self.action.parse::<Action>().ok();
        if action.is_none() && !self.action.is_empty() {
            errors.add("action", "The log has no such action. Choose one from the list.");
        }
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == self.outcome);
        if outcome.is_none() && !self.outcome.is_empty() {
            errors.add("outcome", "The log has no such outcome. Choose success, denied or failed.");
        }
        let downloads_only = self.view == DOWNLOADS_VIEW;
        if !downloads_only && !self.view.is_empty() {
            errors.add("", "There is no such view of the log. Leave view empty, or set it to downloads.");
        }
        let after = self.after.parse().ok();
        if after.is_none() && !self.after.is_empty() {
            errors.add("", "The address of this page is incomplete. Start from the first page.");
        }
        let text = clean(&self.q).unwrap_or_default();
        let is_text_only = !text.is_empty() && from.is_none() && to.is_none();
        let filter = Filter {
            from: from.map(|day| midnight(day, zone)).or(is_text_only.then_some(now - TEXT_SEARCH_WINDOW)),
            until: to.map(|day| midnight(day + Days::new(1), zone)),
            action,
            downloads_only,
            outcome,
            customers: Vec::from_iter(clean(&self.customer).map(|code| code.to_uppercase())),
            users: Vec::from_iter(clean(&self.user).map(|user| user.to_lowercase())),
            numbers: Vec::from_iter(clean(&self.number).map(|number| number.to_uppercase())),
            text,
        };
        ParsedFilter { filter, after, errors }
    }
}

/// Parses a day, and says what is wrong if it isn't one.
fn day(field: &'static str, text: &str, errors: &mut FieldErrors) -> Option<NaiveDate> {
    let text = text.trim();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    if !text.is_empty() && day.is_none() {
        errors.add(field, "Not a valid date. Use one such as 2026-11-30.");
    }
    day
}

/// Removes control characters and outer spaces. Returns `None` if nothing is left.
fn clean(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_VALUE_CHARS).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Returns the first instant of a day in a time zone.
pub fn midnight(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let start = day.and_time(NaiveTime::MIN);
    let earliest = |local: chrono::NaiveDateTime| local.and_local_timezone(zone).earliest().map(|at| at.to_utc());
    // Where the clocks go forward at midnight, the day begins at one o'clock.
    earliest(start).or_else(|| earliest(start + TimeDelta::hours(1))).unwrap_or(start.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_display_time_zone() {
        let zone = chrono_tz::America::New_York;
        let text = FilterText { from: "2026-11-01".into(), to: "2026-11-01".into(), ..FilterText::default() };
        let ParsedFilter { filter, errors, .. } = text.parse(zone, DateTime::UNIX_EPOCH);
        assert!(errors.is_empty());
        // The clocks go back that night: the day has 25 hours.
        assert_eq!(filter.from.map(|at| at.to_rfc3339()).as_deref(), Some("2026-11-01T04:00:00+00:00"));
        assert_eq!(filter.until.map(|at| at.to_rfc3339()).as_deref(), Some("2026-11-02T05:00:00+00:00"));
        // In Havana the clocks went forward at midnight.
        let havana = midnight(NaiveDate::from_ymd_opt(2026, 3, 8).expect("a day"), chrono_tz::America::Havana);
        assert_eq!(havana.to_rfc3339(), "2026-03-08T05:00:00+00:00");
    }

    #[test]
    fn wrong_fields_are_named_and_a_text_search_covers_a_month() {
        let parse = |text: FilterText| text.parse(chrono_tz::UTC, "2026-11-25T12:00:00Z".parse().expect("a time"));
        let wrong = FilterText { from: "25.11.2026".into(), to: "2026-02-30".into(), ..FilterText::default() };
        let errors = parse(wrong).errors;
        assert!(errors.message("from").is_some() && errors.message("to").is_some());
        for text in [
            FilterText { action: "X".into(), ..FilterText::default() },
            FilterText { outcome: "maybe".into(), ..FilterText::default() },
            FilterText { view: "uploads".into(), ..FilterText::default() },
            FilterText { after: "x".into(), ..FilterText::default() },
        ] {
            assert!(!parse(text).errors.is_empty());
        }
        let filter = parse(FilterText { q: " chrome \0".into(), ..FilterText::default() }).filter;
        assert_eq!((filter.text.as_str(), filter.from.is_some()), ("chrome", true));
    }
}
