//! The differences between the log and what was sealed, as sentences.

use chrono::{DateTime, Utc};

use crate::audit::retention::PurgeFault;
use crate::audit::seal::NoteError;
use crate::audit::witness::Fault;
use crate::storage::ObjectKey;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("event {id} was changed: it differs from what was sealed at position {position}")]
    EventChanged { id: i64, position: i64 },
    #[error("event {id} is missing: it was sealed at position {position}")]
    EventMissing { id: i64, position: i64 },
    #[error("event {id} was inserted later: it has no seal, although its transaction was sealed")]
    EventUnsealed { id: i64 },
    #[error("event {id} was inserted: its transaction never existed")]
    EventOfNoTransaction { id: i64 },
    #[error("event {id} was inserted later: it is dated {at} but not sealed, although all events of that time are")]
    EventBackdated { id: i64, at: DateTime<Utc> },
    #[error("event {id} exists more than once")]
    EventTwice { id: i64 },
    #[error("event {id} was changed: its date {at} is invalid")]
    EventUndated { id: i64, at: String },
    #[error("an event was changed: it can't be read ({0})")]
    EventUnreadable(String),
    #[error("leaf {expected} is missing: leaf {found} follows instead")]
    LeafMissing { expected: i64, found: i64 },
    #[error("the leaf of event {id} exists more than once")]
    LeafTwice { id: i64 },
    #[error("leaves were changed: those from {from} to {to} differ from what checkpoint {to} signed")]
    Leaves { from: u64, to: u64 },
    #[error("leaves from {from} on have no checkpoint: the newest ones are missing")]
    LeavesWithoutCheckpoint { from: u64 },
    #[error("checkpoint {size} covers more leaves than exist ({leaves}): the newest ones are missing")]
    LeavesCutOff { size: u64, leaves: u64 },
    #[error("checkpoint {size} was changed: {error}")]
    Checkpoint { size: i64, error: NoteError },
    #[error("checkpoint {size} was changed: its note states size {said}")]
    CheckpointSize { size: i64, said: u64 },
    #[error("the compact range of checkpoint {size} was changed")]
    CompactRange { size: u64 },
    #[error("checkpoint {missing} is missing: checkpoint {size} names it as its predecessor")]
    CheckpointMissing { missing: u64, size: u64 },
    #[error("checkpoint {size} names the wrong predecessor, {said}")]
    CheckpointOrder { size: u64, said: u64 },
    #[error("event {id} records a purge {fault}")]
    Purge { id: i64, fault: PurgeFault },
    #[error("event {id} records a purge under a retention of {years} years, but {required} are required")]
    PurgedAgainstRetention { id: i64, years: u16, required: u16 },
    #[error("the database differs from what the migrations made: {0}. Find out why, then run primetrade migrate")]
    Schema(String),
    #[error("events of checkpoint {size} are recorded as purged, but some are newer than {before}")]
    PurgedTooEarly { size: u64, before: DateTime<Utc> },
    #[error("events of checkpoint {size} are recorded as partly purged, but purging removes whole batches")]
    PurgedInPart { size: u64 },
    #[error("{0} is missing from the storage")]
    ObjectMissing(ObjectKey),
    #[error("{0} in the storage differs from checkpoint {1} of the database")]
    ObjectChanged(ObjectKey, u64),
    #[error(
        "{key} is in the storage, but the database has only {leaves} leaves: it was truncated, or restored from an old backup"
    )]
    DatabaseCutOff { key: ObjectKey, leaves: u64 },
    #[error("{0} is in the storage, but the database has no such checkpoint")]
    ObjectUnknown(ObjectKey),
    #[error("the checkpoint in {name} does not belong to this log: {error}")]
    Kept { name: String, error: NoteError },
    #[error(
        "the checkpoint in {name}, of {size} leaves, is not in the database: it was truncated, or restored from an old backup"
    )]
    KeptMissing { name: String, size: u64 },
    #[error(
        "the checkpoint in {name}, of {size} leaves, has a different root than the database: the log was rewritten"
    )]
    KeptDiffers { name: String, size: u64 },
    #[error("{0}")]
    Witness(Fault),
    #[error(
        "the log was rewritten: the checkpoint of {size} events in the witness {place} has a different root than the log \
         ({more} later ones too); both agree on the first {agrees} events"
    )]
    WitnessDiffers { place: String, size: u64, more: u64, agrees: u64 },
    #[error(
        "the log was cut: the witness {place} has a checkpoint of {size} events, the log has {leaves}: it was truncated, or \
         restored from an old backup"
    )]
    WitnessCutOff { place: String, size: u64, leaves: u64 },
    #[error(
        "{key} was overwritten: the bucket has {versions} versions of it with different content, the newest from {at}"
    )]
    ObjectOverwritten { key: String, versions: u64, at: DateTime<Utc> },
    #[error("{key} was deleted: the bucket has a delete marker from {at}")]
    ObjectDeleted { key: String, at: DateTime<Utc> },
}

/// The first differences, and the count of all.
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

    /// Counts differences that are not listed.
    pub fn add_unlisted(&mut self, more: u64) {
        self.count += more;
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn to_strings(&self) -> Vec<String> {
        self.first.iter().map(ToString::to_string).collect()
    }
}
