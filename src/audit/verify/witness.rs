//! The checkpoints in a witness: whether each is a beginning of the log, and which published ones it lacks.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Difference, Differences};
use crate::audit::seal::Hash;
use crate::audit::witness::Contents;

/// The comparison with a witness. Recorded as JSON, so the names of the fields are fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessReport {
    pub place: String,
    /// Checkpoints of this log in the witness.
    pub checkpoints: u64,
    /// Events of the newest one.
    pub events: u64,
    pub sealed_at: Option<DateTime<Utc>>,
    /// Checkpoints in the storage that the witness lacks.
    pub missing: u64,
}

/// Compares roots while the tree is computed again.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The index of the first checkpoint that the tree hasn't reached.
    next: usize,
    /// The largest size at which both agree, before the first at which they don't.
    agrees: u64,
    /// The first size at which they don't.
    differs: Option<u64>,
    /// Later sizes at which they don't.
    more: u64,
}

impl Comparison {
    /// Compares the checkpoints of at most `size` leaves that were not compared yet with the tree of `size` leaves.
    pub fn reach(&mut self, contents: &Contents, size: u64, root: impl Fn() -> Hash) {
        while let Some((witnessed, expected)) = contents.checkpoints.get(self.next).filter(|(next, _)| *next <= size) {
            self.next += 1;
            match (*expected == root(), self.differs) {
                (true, None) => self.agrees = *witnessed,
                (true, Some(_)) => {}
                (false, None) => self.differs = Some(*witnessed),
                (false, Some(_)) => self.more += 1,
            }
        }
    }

    /// Adds what differs, after the last of the log's leaves.
    pub fn finish(&self, contents: &Contents, leaves: u64, differences: &mut Differences) {
        let place = contents.place.clone();
        if let Some(size) = self.differs {
            let Self { more, agrees, .. } = *self;
            differences.add(Difference::WitnessDiffers { place: place.clone(), size, more, agrees });
        }
        let beyond = &contents.checkpoints[self.next..];
        if let Some((size, _)) = beyond.last() {
            differences.add(Difference::WitnessCutOff { place, size: *size, leaves });
        }
        contents.faults.iter().for_each(|fault| differences.add(Difference::Witness(fault.clone())));
        differences.add_unlisted(contents.fault_count - contents.faults.len() as u64);
    }
}

/// Returns the report, and adds notices about what the witness lacks. `published` are the sizes of the checkpoints in the
/// storage, in order.
pub fn report(contents: &Contents, published: &[u64], now: DateTime<Utc>, notices: &mut Vec<String>) -> WitnessReport {
    let is_missing = |size: &&u64| contents.checkpoints.binary_search_by_key(*size, |(size, _)| *size).is_err();
    let missing: Vec<u64> = published.iter().filter(is_missing).copied().collect();
    let newest = contents.newest.as_ref();
    let (events, sealed_at) = (newest.map_or(0, |newest| newest.size), newest.map(|newest| newest.stated.sealed_at));
    let gaps = missing.iter().filter(|size| **size < events).count();
    let place = &contents.place;
    if missing.len() > gaps {
        let age = sealed_at.map(|at| format!(": its newest one is {} old", age(now - at))).unwrap_or_default();
        let unsent = missing.len() - gaps;
        notices
            .push(format!("the witness {place} lacks {unsent} newer checkpoints{age}; send them with audit witness"));
    }
    if gaps > 0 {
        notices.push(format!(
            "the witness {place} lacks {gaps} checkpoints that are older than its newest one: they were removed there, or \
             published late; audit witness sends them"
        ));
    }
    if contents.foreign > 0 {
        notices.push(format!("{} files in the witness {place} are not named like a checkpoint", contents.foreign));
    }
    let (place, checkpoints) = (place.clone(), contents.checkpoints.len() as u64);
    WitnessReport { place, checkpoints, events, sealed_at, missing: missing.len() as u64 }
}

fn age(age: TimeDelta) -> String {
    let unit = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match (age.num_days(), age.num_hours(), age.num_minutes()) {
        (days @ 2.., ..) => unit(days, "day"),
        (_, hours @ 2.., _) => unit(hours, "hour"),
        (.., minutes @ 2..) => unit(minutes, "minute"),
        _ => unit(age.num_seconds().max(0), "second"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_compared_at_their_size_and_the_first_that_differs_is_named() {
        let contents = Contents {
            place: "w".into(),
            checkpoints: vec![(2, [2; 32]), (4, [9; 32]), (5, [9; 32]), (6, [6; 32]), (9, [9; 32])],
            ..Contents::default()
        };
        let (mut comparison, mut differences) = (Comparison::default(), Differences::default());
        for size in 0..=7u8 {
            comparison.reach(&contents, size.into(), || [size; 32]);
        }
        comparison.finish(&contents, 7, &mut differences);
        let told = differences.to_strings();
        assert!(
            told[0].contains("of 4 events") && told[0].contains("1 later ones") && told[0].contains("first 2 events")
        );
        assert!(told[1].contains("of 9 events, the log has 7"), "{told:?}");
        assert_eq!(differences.count(), 2);
    }

    #[test]
    fn ages_are_in_the_largest_unit_that_is_exact_enough() {
        for (seconds, expected) in
            [(-5, "0 seconds"), (1, "1 second"), (119, "119 seconds"), (7199, "119 minutes"), (7200, "2 hours")]
        {
            assert_eq!(age(TimeDelta::seconds(seconds)), expected);
        }
        assert_eq!(age(TimeDelta::days(3)), "3 days");
    }
}
