//! Spans of days by their names: "last month".

use chrono::{Datelike, Days, Months, NaiveDate};

/// A span of days that is counted from today. Weeks begin on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Today,
    Yesterday,
    ThisWeek,
    LastWeek,
    ThisMonth,
    LastMonth,
}

impl Period {
    pub const ALL: [Self; 6] =
        [Self::Today, Self::Yesterday, Self::ThisWeek, Self::LastWeek, Self::ThisMonth, Self::LastMonth];

    pub fn label(self) -> &'static str {
        match self {
            Self::Today => "Today",
            Self::Yesterday => "Yesterday",
            Self::ThisWeek => "This week",
            Self::LastWeek => "Last week",
            Self::ThisMonth => "This month",
            Self::LastMonth => "Last month",
        }
    }

    /// Returns the first and the last day.
    pub fn days(self, today: NaiveDate) -> (NaiveDate, NaiveDate) {
        let monday = today - Days::new(today.weekday().num_days_from_monday().into());
        let first = today.with_day(1).unwrap_or(today);
        match self {
            Self::Today => (today, today),
            Self::Yesterday => (today - Days::new(1), today - Days::new(1)),
            Self::ThisWeek => (monday, monday + Days::new(6)),
            Self::LastWeek => (monday - Days::new(7), monday - Days::new(1)),
            Self::ThisMonth => (first, first + Months::new(1) - Days::new(1)),
            Self::LastMonth => (first - Months::new(1), first - Days::new(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Period;

    #[test]
    fn periods_are_whole_weeks_and_months() {
        let days = |period: Period, today: &str| {
            let (from, to) = period.days(today.parse().expect("a date"));
            format!("{from} {to}")
        };
        // A Wednesday.
        let expected = [
            "2026-03-04 2026-03-04",
            "2026-03-03 2026-03-03",
            "2026-03-02 2026-03-08",
            "2026-02-23 2026-03-01",
            "2026-03-01 2026-03-31",
            "2026-02-01 2026-02-28",
        ];
        assert_eq!(Period::ALL.map(|period| days(period, "2026-03-04")), expected);
        assert_eq!(days(Period::LastMonth, "2026-01-31"), "2025-12-01 2025-12-31");
        assert_eq!(days(Period::ThisWeek, "2026-03-08"), "2026-03-02 2026-03-08", "a Sunday");
    }
}
