//! Times for people: in the terminal's time zone, which every time names.

use chrono::{DateTime, NaiveDateTime, Offset, Utc};
use chrono_tz::{OffsetName, Tz};

/// Formats a time to the minute: `Nov 12, 2025, 3:04 PM EST`.
pub fn to_minute(at: DateTime<Utc>, zone: Tz) -> String {
    format!("{} {}", at.with_timezone(&zone).format("%b %-d, %Y, %-I:%M %p"), zone_name(at, zone))
}

/// Formats a time to the second, where the order of events matters: `Nov 12, 2025, 3:04:59 PM EST`.
pub fn to_second(at: DateTime<Utc>, zone: Tz) -> String {
    format!("{} {}", at.with_timezone(&zone).format("%b %-d, %Y, %-I:%M:%S %p"), zone_name(at, zone))
}

/// Returns what a clock on the wall shows.
pub fn wall_clock(at: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    at.with_timezone(&zone).naive_local()
}

/// Returns the abbreviation in use at that time, such as `EST` or `EDT`, or `UTC-03:00` for a zone that has none.
fn zone_name(at: DateTime<Utc>, zone: Tz) -> String {
    let offset = *at.with_timezone(&zone).offset();
    match offset.abbreviation() {
        Some(name) if name.starts_with(|first: char| first.is_ascii_alphabetic()) => name.into(),
        _ => format!("UTC{}", offset.fix()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_names_its_zone_as_of_then() {
        for (at, zone, expected) in [
            ("2025-11-12T20:04:59Z", chrono_tz::America::New_York, "Nov 12, 2025, 3:04:59 PM EST"),
            ("2025-07-04T04:00:00Z", chrono_tz::America::New_York, "Jul 4, 2025, 12:00:00 AM EDT"),
            // The hour that the clocks repeat.
            ("2025-11-02T05:30:00Z", chrono_tz::America::New_York, "Nov 2, 2025, 1:30:00 AM EDT"),
            ("2025-11-02T06:30:00Z", chrono_tz::America::New_York, "Nov 2, 2025, 1:30:00 AM EST"),
            ("2025-11-12T20:04:59Z", chrono_tz::America::Sao_Paulo, "Nov 12, 2025, 5:04:59 PM UTC-03:00"),
            ("2025-11-12T20:04:59Z", chrono_tz::UTC, "Nov 12, 2025, 8:04:59 PM UTC"),
        ] {
            let at: DateTime<Utc> = at.parse().expect("a time");
            assert_eq!(to_second(at, zone), expected);
            let seconds = expected.match_indices(':').nth(1).expect("seconds").0;
            assert_eq!(to_minute(at, zone), [&expected[..seconds], &expected[seconds + 3..]].concat());
        }
    }
}
