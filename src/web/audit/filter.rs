//! The filters of the log, as they stand in an address.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::audit::export::Format;
use crate::audit::search::{Filter, Position, WORDS_WITHIN};
use crate::audit::{Action, Outcome};
use crate::web::{Error, Site};

/// Longer than anything that is looked for.
const MOST: usize = 200;

/// As typed.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct LogFilter {
    pub q: String,
    pub from: String,
    pub to: String,
    pub action: String,
    pub outcome: String,
    pub customer: String,
    pub user: String,
    pub number: String,
    pub after: String,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Problems {
    pub from: &'static str,
    pub to: &'static str,
    pub other: &'static str,
}

impl Problems {
    pub fn any(&self) -> bool {
        !self.summary().is_empty()
    }

    /// In one line, where no field stands beside.
    pub fn summary(&self) -> String {
        let named = [("from: ", self.from), ("to: ", self.to), ("", self.other)];
        let said = named.into_iter().filter(|(_, problem)| !problem.is_empty());
        said.map(|(name, problem)| format!("{name}{problem}")).collect::<Vec<_>>().join(" ")
    }
}

/// The log, narrowed to one thing: a `user`, a `customer`, or the `number` of a BOL.
pub fn timeline(name: &str, value: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, value);
    format!("/audit?{}", query.finish())
}

/// The first moment of a day there.
pub fn midnight(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let start = day.and_time(NaiveTime::MIN);
    // A day that begins at one, where the clocks go forward at midnight.
    let local = start.and_local_timezone(zone).earliest();
    local.map_or_else(
        || {
            (start + chrono::TimeDelta::hours(1))
                .and_local_timezone(zone)
                .earliest()
                .map_or(start.and_utc(), |at| at.to_utc())
        },
        |at| at.to_utc(),
    )
}

impl LogFilter {
    fn fields(&self) -> [(&'static str, &String); 8] {
        [
            ("q", &self.q),
            ("from", &self.from),
            ("to", &self.to),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("customer", &self.customer),
            ("user", &self.user),
            ("number", &self.number),
        ]
    }

    pub fn is_filtered(&self) -> bool {
        self.fields().iter().any(|(_, value)| !value.trim().is_empty())
    }

    /// One user, BOL or customer, whatever the dates, and nothing else: then it is a timeline of that.
    pub fn subject(&self) -> String {
        let is_empty = |text: &str| text.trim().is_empty();
        if ![&self.q, &self.action, &self.outcome].into_iter().all(|text| is_empty(text)) {
            return String::new();
        }
        match [&self.user, &self.number, &self.customer].map(|text| text.trim()) {
            [user, "", ""] => user.to_lowercase(),
            ["", number, ""] if !number.is_empty() => format!("BOL {}", number.to_uppercase()),
            ["", "", customer] if !customer.is_empty() => format!("customer {}", customer.to_uppercase()),
            _ => String::new(),
        }
    }

    /// For the log: what was asked for.
    pub fn told(&self) -> Value {
        let told = self.fields().into_iter().filter(|(_, value)| !value.trim().is_empty());
        let told = told.map(|(name, value)| {
            (name.to_owned(), value.chars().take(MOST).collect::<String>().replace('\0', "").into())
        });
        Value::Object(told.collect::<Map<_, _>>())
    }

    /// What is said beside a search for words without a date.
    pub fn within(&self) -> String {
        if self.q.trim().is_empty() || !self.from.trim().is_empty() || !self.to.trim().is_empty() {
            return String::new();
        }
        format!("Words were looked for in the last {} days. Give dates to look further back.", WORDS_WITHIN.num_days())
    }

    pub fn read(&self, zone: Tz, now: DateTime<Utc>) -> (Filter, Option<Position>, Problems) {
        let mut problems = Problems::default();
        let day = |text: &str, problem: &mut &'static str| {
            let text = text.trim();
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
            if !text.is_empty() && day.is_none() {
                *problem = "There is no such date. Use one such as 2026-11-30.";
            }
            day
        };
        let (from, to) = (day(&self.from, &mut problems.from), day(&self.to, &mut problems.to));
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            problems.to = "This is before the first day.";
        }
        let clean = |text: &str| -> Option<String> {
            let text: String = text.chars().filter(|c| !c.is_control()).take(MOST).collect();
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let action = self.action.parse::<Action>().ok();
        if action.is_none() && !self.action.is_empty() {
            problems.other = "There is no such action.";
        }
        let outcome = Outcome::ALL.into_iter().find(|known| known.as_str() == self.outcome);
        if outcome.is_none() && !self.outcome.is_empty() {
            problems.other = "There is no such outcome.";
        }
        let after = self.after.parse().ok();
        if after.is_none() && !self.after.is_empty() {
            problems.other = "This address of a page is incomplete. Begin at the first page.";
        }
        let text = clean(&self.q).unwrap_or_default();
        let words_only = !text.is_empty() && from.is_none() && to.is_none();
        let filter = Filter {
            from: from.map(|day| midnight(day, zone)).or(words_only.then_some(now - WORDS_WITHIN)),
            until: to.map(|day| midnight(day + Days::new(1), zone)),
            action,
            outcome,
            customer: clean(&self.customer).map(|code| code.to_uppercase()),
            user: clean(&self.user).map(|user| user.to_lowercase()),
            number: clean(&self.number).map(|number| number.to_uppercase()),
            text,
        };
        (filter, after, problems)
    }

    /// All pages of it, to be taken away, and what was asked for.
    pub fn whole(mut self, site: &Site) -> Result<(Filter, Value), Error> {
        self.after.clear();
        let (filter, _, problems) = self.read(site.time_zone, site.clock.now());
        if problems.any() {
            return Err(Error::Invalid(problems.summary()));
        }
        Ok((filter, self.told()))
    }

    fn href(&self, path: &str, more: (&str, &str)) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let fields = self.fields().map(|(name, value)| (name, value.as_str()));
        for (name, value) in fields.into_iter().chain([more]).filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        format!("{path}?{}", query.finish())
    }

    pub fn first(&self) -> String {
        self.href("/audit", ("after", ""))
    }

    pub fn at(&self, position: Position) -> String {
        self.href("/audit", ("after", &position.to_string()))
    }

    pub fn export(&self, format: Format) -> String {
        self.href("/audit/export", ("format", format.as_str()))
    }

    pub fn pack(&self) -> String {
        self.href("/audit/pack", ("after", ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_display_time_zone() {
        let zone = chrono_tz::America::New_York;
        let filter = LogFilter { from: "2026-11-01".into(), to: "2026-11-01".into(), ..LogFilter::default() };
        let (read, _, problems) = filter.read(zone, DateTime::UNIX_EPOCH);
        assert!(!problems.any());
        // The clocks go back that night: the day has 25 hours.
        assert_eq!(read.from.map(|at| at.to_rfc3339()).as_deref(), Some("2026-11-01T04:00:00+00:00"));
        assert_eq!(read.until.map(|at| at.to_rfc3339()).as_deref(), Some("2026-11-02T05:00:00+00:00"));
        // There the clocks went forward at midnight.
        let havana = midnight(NaiveDate::from_ymd_opt(2026, 3, 8).expect("a day"), chrono_tz::America::Havana);
        assert_eq!(havana.to_rfc3339(), "2026-03-08T05:00:00+00:00");
    }

    #[test]
    fn what_is_wrong_is_said_and_words_are_looked_for_in_a_month() {
        let read = |filter: LogFilter| filter.read(chrono_tz::UTC, "2026-11-25T12:00:00Z".parse().expect("a time"));
        let wrong = LogFilter { from: "25.11.2026".into(), to: "2026-02-30".into(), ..LogFilter::default() };
        let (_, _, problems) = read(wrong);
        assert!(!problems.from.is_empty() && !problems.to.is_empty());
        for filter in [
            LogFilter { action: "X".into(), ..LogFilter::default() },
            LogFilter { outcome: "maybe".into(), ..LogFilter::default() },
            LogFilter { after: "x".into(), ..LogFilter::default() },
        ] {
            assert!(read(filter).2.any());
        }
        let (filter, ..) = read(LogFilter { q: " chrome \0".into(), ..LogFilter::default() });
        assert_eq!((filter.text.as_str(), filter.from.is_some()), ("chrome", true));
    }
}
