//! How long events are kept.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

/// The beginning of the month, so many years ago: what is older may go.
pub fn cutoff(now: DateTime<Utc>, years: u16) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(now.year() - i32::from(years), now.month(), 1);
    day.unwrap_or_default().and_time(chrono::NaiveTime::MIN).and_utc()
}
