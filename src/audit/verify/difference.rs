//! What differs from what was sealed, as sentences.

use chrono::{DateTime, Utc};

use crate::audit::seal::NoteError;
use crate::storage::ObjectKey;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("event {id} was changed: it is not what was sealed at position {position}")]
    EventChanged { id: i64, position: i64 },
    #[error("event {id} is missing: it was sealed at position {position}")]
    EventMissing { id: i64, position: i64 },
    #[error("event {id} was slipped in: it has no seal, and its transaction was sealed long ago")]
    EventUnsealed { id: i64 },
    #[error("event {id} was slipped in: its transaction has never been")]
    EventOfNoTransaction { id: i64 },
    #[error("event {id} was slipped in: it isn't sealed yet, and is dated {at}, when it would have been")]
    EventBackdated { id: i64, at: DateTime<Utc> },
    #[error("event {id} is there more than once")]
    EventTwice { id: i64 },
    #[error("event {id} was changed: it is dated {at}, which is no date")]
    EventUndated { id: i64, at: String },
    #[error("an event was changed: it can't be read ({0})")]
    EventUnreadable(String),
    #[error("leaf {expected} is missing: leaf {found} follows instead")]
    LeafMissing { expected: i64, found: i64 },
    #[error("the leaf of event {id} is there more than once")]
    LeafTwice { id: i64 },
    #[error("leaves were changed: those from {from} to {to} aren't what checkpoint {to} was signed over")]
    Leaves { from: u64, to: u64 },
    #[error("leaves from {from} on have no checkpoint: the newest ones are missing")]
    LeavesWithoutCheckpoint { from: u64 },
    #[error("checkpoint {size} has more leaves than there are ({leaves}): the newest ones are missing")]
    LeavesCutOff { size: u64, leaves: u64 },
    #[error("checkpoint {size} was changed: {error}")]
    Checkpoint { size: i64, error: NoteError },
    #[error("checkpoint {size} was changed: its note says {said}")]
    CheckpointSize { size: i64, said: u64 },
    #[error("the edge kept with checkpoint {size} was changed")]
    CompactRange { size: u64 },
    #[error("checkpoint {missing} is missing: checkpoint {size} names it as the one before")]
    CheckpointMissing { missing: u64, size: u64 },
    #[error("checkpoint {size} names {said} as the one before, which is not so")]
    CheckpointOrder { size: u64, said: u64 },
    #[error("events of checkpoint {size} are said to be purged, and it has some that are newer than {before}")]
    PurgedTooEarly { size: u64, before: DateTime<Utc> },
    #[error("events of checkpoint {size} are said to be purged in part, which purging never does")]
    PurgedInPart { size: u64 },
    #[error("{0} is missing in the storage")]
    ObjectMissing(ObjectKey),
    #[error("{0} in the storage is not checkpoint {1} of the database")]
    ObjectChanged(ObjectKey, u64),
    #[error(
        "{key} is in the storage, and the database has only {leaves} leaves: its end was cut off, or an old backup restored"
    )]
    DatabaseCutOff { key: ObjectKey, leaves: u64 },
    #[error("{0} is in the storage, and the database has no such checkpoint")]
    ObjectUnknown(ObjectKey),
    #[error("the checkpoint in {name} is not one of this log: {error}")]
    Kept { name: String, error: NoteError },
    #[error(
        "the checkpoint in {name}, of {size} leaves, is not in the database: its end was cut off, or an old backup restored"
    )]
    KeptMissing { name: String, size: u64 },
    #[error("the checkpoint in {name}, of {size} leaves, has another root than the database's: the log was rewritten")]
    KeptDiffers { name: String, size: u64 },
}

/// The first differences, and how many there are.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    first: Vec<Difference>,
    count: u64,
}

impl Differences {
    const MAX_LISTED: usize = 20;

    pub fn add(&mut self, difference: Difference) {
        if self.first.len() < Self::MAX_LISTED {
            self.first.push(difference);
        }
        self.count += 1;
    }

    pub fn extend(&mut self, more: Self) {
        self.count += more.count - more.first.len() as u64;
        more.first.into_iter().for_each(|difference| self.add(difference));
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn to_strings(&self) -> Vec<String> {
        self.first.iter().map(ToString::to_string).collect()
    }
}
