//! The chart of the log page: events by day.

use std::fmt;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::audit::filter::midnight;
use crate::audit::search::Filter;
use crate::bols::weight::grouped;
use crate::web::chart::{Chart, Value};

const MAX_DAYS: u64 = 14;

/// The days that the chart shows, both included.
pub struct Days {
    first: NaiveDate,
    last: NaiveDate,
    zone: Tz,
}

/// A row of the table below the chart.
pub struct DayRow {
    pub day: String,
    pub count: String,
}

impl Days {
    /// The last days within the filter, up to the day of the newest event.
    pub fn up_to(newest: DateTime<Utc>, filter: &Filter, zone: Tz) -> Self {
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
        let newest = day(newest);
        let last = filter.until.map_or(newest, |until| day(until - TimeDelta::microseconds(1)).min(newest));
        let first = last - chrono::Days::new(MAX_DAYS - 1);
        let first = filter.from.map_or(first, |from| day(from).max(first)).min(last);
        Self { first, last, zone }
    }

    /// The same filter, for these days only.
    pub fn filter(&self, filter: &Filter) -> Filter {
        let from = midnight(self.first, self.zone).max(filter.from.unwrap_or_default());
        let until = midnight(self.last + chrono::Days::new(1), self.zone);
        Filter { from: Some(from), until: Some(until), ..filter.clone() }
    }

    pub fn chart(&self, counts: &[(NaiveDate, i64)]) -> Chart {
        let value = |(day, count): (NaiveDate, i64)| Value {
            amount: count,
            text: short(count),
            label: day.format("%-d").to_string(),
            title: format!("{}: {} events", day.format("%b %-d, %Y"), grouped(count)),
        };
        Chart::new(self.counted(counts).map(value).collect())
    }

    pub fn rows(&self, counts: &[(NaiveDate, i64)]) -> Vec<DayRow> {
        let row = |(day, count): (NaiveDate, i64)| DayRow {
            day: day.format("%b %-d, %Y").to_string(),
            count: grouped(count),
        };
        self.counted(counts).map(row).collect()
    }

    /// Every day with its count; `counts` has no entries for days without events.
    fn counted(&self, counts: &[(NaiveDate, i64)]) -> impl Iterator<Item = (NaiveDate, i64)> {
        let days = self.first.iter_days().take_while(|day| *day <= self.last);
        days.map(|day| (day, counts.iter().find(|(other, _)| *other == day).map_or(0, |(_, count)| *count)))
    }
}

/// `Nov 17 to Nov 30, 2026`
impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first.format("%b %-d"), self.last.format("%b %-d, %Y"))
    }
}

/// A count that fits above a bar: `980`, `12k`, `3M`.
fn short(count: i64) -> String {
    match count {
        ..1000 => count.to_string(),
        1000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}
