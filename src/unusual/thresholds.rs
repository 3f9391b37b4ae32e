//! From when on activity counts as unusual. Administrators set these numbers.

use chrono::{DateTime, Timelike, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::accounts::ActingUser;
use crate::audit::{self, Action, Event, Outcome};
use crate::bols::lists::SaveError;
use crate::db::schema::settings;
use crate::field_errors::FieldErrors;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable, AsChangeset, serde::Serialize)]
#[diesel(table_name = settings, check_for_backend(diesel::pg::Pg))]
pub struct Thresholds {
    /// More documents than this in an hour are unusual.
    pub unusual_documents: i32,
    /// This many times a login's usual number is unusual.
    pub unusual_times: i32,
    /// This many denied events in a row are unusual.
    pub unusual_denied: i32,
    /// The hour at which the night begins, from 0 to 23.
    pub night_from: i32,
    /// The hour at which the night ends. The same as `night_from`: there is no night.
    pub night_until: i32,
}

/// As typed.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ThresholdsForm {
    pub unusual_documents: String,
    pub unusual_times: String,
    pub unusual_denied: String,
    pub night_from: String,
    pub night_until: String,
}

impl Thresholds {
    pub const MAX_DOCUMENTS: i32 = 100_000;
    pub const MAX_TIMES: i32 = 1_000;
    pub const MAX_DENIED: i32 = 1_000;

    fn read(typed: &ThresholdsForm) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut number = |field, typed: &str, from: i32, to: i32, what: &str| {
            let number = typed.trim().parse().ok().filter(|number| (from..=to).contains(number));
            if number.is_none() {
                errors.add(field, format!("Enter {what} from {from} to {to}."));
            }
            number.unwrap_or_default()
        };
        let (whole, hour) = ("a whole number", "an hour");
        let read = Self {
            unusual_documents: number("unusual_documents", &typed.unusual_documents, 1, Self::MAX_DOCUMENTS, whole),
            unusual_times: number("unusual_times", &typed.unusual_times, 2, Self::MAX_TIMES, whole),
            unusual_denied: number("unusual_denied", &typed.unusual_denied, 2, Self::MAX_DENIED, whole),
            night_from: number("night_from", &typed.night_from, 0, 23, hour),
            night_until: number("night_until", &typed.night_until, 0, 23, hour),
        };
        errors.or(read)
    }

    /// Whether a clock on the wall shows an hour of the night. An hour that the clocks repeat counts both times, and one
    /// that they skip never.
    pub fn is_night(&self, at: DateTime<Utc>, zone: Tz) -> bool {
        let Ok(hour) = i32::try_from(at.with_timezone(&zone).hour()) else { return false };
        if self.night_from <= self.night_until {
            (self.night_from..self.night_until).contains(&hour)
        } else {
            hour >= self.night_from || hour < self.night_until
        }
    }
}

impl From<Thresholds> for ThresholdsForm {
    fn from(thresholds: Thresholds) -> Self {
        let Thresholds { unusual_documents, unusual_times, unusual_denied, night_from, night_until } = thresholds;
        Self {
            unusual_documents: unusual_documents.to_string(),
            unusual_times: unusual_times.to_string(),
            unusual_denied: unusual_denied.to_string(),
            night_from: night_from.to_string(),
            night_until: night_until.to_string(),
        }
    }
}

pub async fn thresholds(connection: &mut AsyncPgConnection) -> QueryResult<Thresholds> {
    settings::table.select(Thresholds::as_select()).first(connection).await
}

/// Saves the thresholds, and records what they were before. Does nothing if nothing changes.
pub async fn save(user: &ActingUser<'_>, typed: &ThresholdsForm) -> Result<(), SaveError> {
    let after = Thresholds::read(typed)?;
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let query = settings::table.select(Thresholds::as_select()).for_update();
            let before: Thresholds = query.first(connection).await?;
            if before == after {
                return Ok(());
            }
            diesel::update(settings::table).set(&after).execute(connection).await?;
            let detail = serde_json::json!({"before": before, "after": after});
            let event = Event::new(Action::SettingsChanged, Outcome::Success, user.actor(), user.origin);
            Ok(audit::record(connection, &event.detail(detail)).await?)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(documents: &str, times: &str, denied: &str, night: (&str, &str)) -> ThresholdsForm {
        ThresholdsForm {
            unusual_documents: documents.into(),
            unusual_times: times.into(),
            unusual_denied: denied.into(),
            night_from: night.0.into(),
            night_until: night.1.into(),
        }
    }

    #[test]
    fn the_ends_of_each_range_are_allowed() {
        for typed in [form("1", "2", "2", ("0", "0")), form(" 100000 ", "1000", "1000", ("23", "23"))] {
            assert!(Thresholds::read(&typed).is_ok(), "{typed:?}");
        }
        let errors = Thresholds::read(&form("100001", "1", "x", ("24", "-1"))).expect_err("all are wrong");
        let messages: Vec<_> = errors.iter().map(|error| (error.field, error.message.as_str())).collect();
        assert_eq!(
            messages,
            [
                ("unusual_documents", "Enter a whole number from 1 to 100000."),
                ("unusual_times", "Enter a whole number from 2 to 1000."),
                ("unusual_denied", "Enter a whole number from 2 to 1000."),
                ("night_from", "Enter an hour from 0 to 23."),
                ("night_until", "Enter an hour from 0 to 23."),
            ]
        );
    }

    #[test]
    fn the_night_is_that_of_a_clock_on_the_wall() {
        let zone = chrono_tz::America::New_York;
        let night = |from: &str, until: &str, at: &str| {
            let thresholds = Thresholds::read(&form("1", "2", "2", (from, until))).expect("valid");
            thresholds.is_night(at.parse().expect("a time"), zone)
        };
        // In winter, 22:00 is 03:00 UTC, and 05:00 is 10:00 UTC.
        assert!(!night("22", "5", "2026-11-25T02:59:59Z") && night("22", "5", "2026-11-25T03:00:00Z"));
        assert!(night("22", "5", "2026-11-25T09:59:59Z") && !night("22", "5", "2026-11-25T10:00:00Z"));
        // In summer, both are an hour earlier.
        assert!(night("22", "5", "2026-07-01T02:00:00Z") && !night("22", "5", "2026-07-01T09:00:00Z"));
        // The clocks show 01:30 twice on November 1, and never 02:30 on March 8.
        assert!(night("1", "2", "2026-11-01T05:30:00Z") && night("1", "2", "2026-11-01T06:30:00Z"));
        assert!(!night("1", "2", "2026-11-01T07:00:00Z"));
        assert!(!night("2", "3", "2026-03-08T06:59:59Z") && !night("2", "3", "2026-03-08T07:00:00Z"));
        // Half an hour beside the hours of UTC.
        let kolkata = Thresholds::read(&form("1", "2", "2", ("22", "5"))).expect("valid");
        let is_night = |at: &str| kolkata.is_night(at.parse().expect("a time"), chrono_tz::Asia::Kolkata);
        assert!(!is_night("2026-11-25T16:29:59Z") && is_night("2026-11-25T16:30:00Z"));
        // The same hour twice is no night.
        assert!(!night("5", "5", "2026-11-25T10:00:00Z") && !night("0", "0", "2026-11-25T05:00:00Z"));
    }
}
