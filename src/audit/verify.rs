//! Is the log still what was sealed? Everything is recomputed, in flat memory: events in the order they lie on disk, leaves
//! and checkpoints in the order of the tree, all of one moment; then what is in the storage.
//!
//! Events and leaves are not sorted to be compared: both sides add up a keyed hash of each event's id and leaf into buckets
//! of ids, under a key that is made for this run and told to nobody. Buckets that differ are compared exactly.

mod difference;
mod events;
mod objects;
mod progress;
mod runs;
mod seals;
mod sums;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::dsl::{max, min};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use difference::{Difference, Differences};
pub use progress::Progress;
pub use runs::{Run, is_under_way, last_runs};

use self::sums::Buckets;
use super::retention::Purged;
use super::seal::{Checkpoint, Horizon, SealState};
use super::{Action, Actor, Event, Origin, Outcome, record};
use crate::config::SealKeys;
use crate::db::schema::{audit_checkpoints, audit_events, audit_leaves};
use crate::db::{Database, DbError, DbResult};
use crate::storage::{Storage, StorageError};

pub struct Verification<'a> {
    pub db: &'a Database,
    pub keys: &'a SealKeys,
    /// `None`: only the database is looked at.
    pub storage: Option<&'a Storage>,
    /// Checkpoints that somebody has kept elsewhere: notes, and what to call them.
    pub kept: Vec<(String, String)>,
    pub progress: Progress,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("checkpoints in the storage can't be read: {0}")]
    Storage(#[from] StorageError),
    #[error("the verification broke off: {0}")]
    Broken(String),
}

crate::db::query_error_into!(VerifyError);

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub events: u64,
    /// Leaves of the tree.
    pub sealed: u64,
    /// Of those, the ones whose events were purged, as the retention allows.
    #[serde(default)]
    pub purged: u64,
    /// Purged events were older than this.
    #[serde(default)]
    pub purged_before: Option<DateTime<Utc>>,
    /// Events that came too late to be sealed yet.
    pub waiting: u64,
    /// Events that were sealed although they are dated earlier than they can have been written.
    pub backdated: u64,
    pub checkpoints: u64,
    /// In the storage; `None`: they were not looked at.
    pub objects: Option<u64>,
    /// Of the newest checkpoint, in hex.
    pub root: String,
    pub sealed_at: Option<DateTime<Utc>>,
    /// The log was restored into another cluster, and nothing has been sealed there yet.
    pub is_restored: bool,
    /// How many there are, and the first ones in words.
    pub different: u64,
    pub differences: Vec<String>,
}

impl Report {
    pub fn is_fine(&self) -> bool {
        self.different == 0
    }
}

/// What everything is held against: where the seals end, and what may be missing.
#[derive(Clone, Debug, Default)]
struct Expected {
    sealed: SealState,
    /// The log was restored into another cluster since.
    is_restored: bool,
    /// The first transaction that had not begun.
    next_transaction: u64,
    purged: Purged,
}

impl Verification<'_> {
    pub async fn run(self) -> Result<Report, VerifyError> {
        // Before the moment that everything else is of: what the storage has by now, the database has too.
        let objects = match self.storage {
            Some(storage) => Some(objects::list(storage).await?),
            None => None,
        };
        let mut snapshot = self.db.snapshot().await?;
        let mut differences = Differences::default();
        let one = snapshot.connection();
        let expected = Arc::new(Expected::read(one, self.keys).await?);
        let buckets = Buckets::over(range(one).await?);
        self.expect(one).await?;

        let (handle, progress) = (snapshot.handle(), self.progress.clone());
        let events = aside(events::add_up(handle.clone(), buckets.clone(), progress.clone()));
        let with = (buckets, expected.clone(), self.keys.clone());
        let seals = aside(seals::add_up(handle.clone(), with, progress));
        let (events, seals) = tokio::try_join!(events, seals)?;
        let (mut two, one) = (handle.connection().await?, snapshot.connection());
        differences.extend(seals.differences);
        let mut waiting = 0;
        let differing = if events.is_unreadable { None } else { Some(events.sums.differing(&seals.sums)) };
        for ids in differing.iter().flatten() {
            waiting += events::compare(one, &mut two, *ids, &expected, &mut differences).await?;
        }
        if differing.is_none() {
            events::name_unreadable(one, &mut differences).await?;
        }
        let mut seen = None;
        if let (Some(storage), Some(listed)) = (self.storage, objects) {
            seen = Some(listed.len() as u64);
            objects::compare(one, storage, listed, &seals.published, seals.leaves, &mut differences).await?;
        }
        for (name, note) in &self.kept {
            objects::compare_kept(one, (name, note), self.keys, &mut differences).await?;
        }
        Ok(Report {
            events: events.count,
            sealed: seals.leaves,
            purged: seals.purged,
            purged_before: expected.purged.before(),
            waiting,
            backdated: seals.backdated,
            checkpoints: seals.checkpoints,
            objects: seen,
            root: seals.last.as_ref().map(|last| hex::encode(last.root)).unwrap_or_default(),
            sealed_at: seals.last.map(|last| last.stated.sealed_at),
            is_restored: expected.is_restored,
            different: differences.count(),
            differences: differences.told(),
        })
    }

    /// How much there is to do.
    async fn expect(&self, connection: &mut AsyncPgConnection) -> Result<(), VerifyError> {
        let leaves: Option<i64> = audit_leaves::table.select(max(audit_leaves::position)).first(connection).await?;
        let leaves = leaves.map_or(0, |position| position + 1).max(0).cast_unsigned();
        self.progress.expect(leaves * 2);
        Ok(())
    }
}

/// In a thread of its own, with its connections: what reads and hashes for half a minute has nobody to hand its rows to, and
/// keeps nobody waiting.
async fn aside<T: Send + 'static>(
    work: impl Future<Output = Result<T, VerifyError>> + Send + 'static,
) -> Result<T, VerifyError> {
    let broken = |error: &dyn std::fmt::Display| VerifyError::Broken(error.to_string());
    // Dropped with this: then nobody waits for the result any more, and nothing may keep a server from stopping.
    let (_waiting, gone) = tokio::sync::oneshot::channel::<()>();
    let working = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| broken(&error))?.block_on(async {
            tokio::select! {
                done = work => done,
                _ = gone => Err(VerifyError::Broken("nobody waits for it".into())),
            }
        })
    });
    working.await.map_err(|error| broken(&error))?
}

/// The lowest and the highest id of events and leaves.
async fn range(connection: &mut AsyncPgConnection) -> QueryResult<(i64, i64)> {
    let events: (Option<i64>, Option<i64>) =
        audit_events::table.select((min(audit_events::id), max(audit_events::id))).first(connection).await?;
    let leaves: (Option<i64>, Option<i64>) = audit_leaves::table
        .select((min(audit_leaves::event_id), max(audit_leaves::event_id)))
        .first(connection)
        .await?;
    let low = [events.0, leaves.0].into_iter().flatten().min().unwrap_or_default();
    let high = [events.1, leaves.1].into_iter().flatten().max().unwrap_or_default();
    Ok((low, high))
}

impl Expected {
    async fn read(connection: &mut AsyncPgConnection, keys: &SealKeys) -> QueryResult<Self> {
        let last: Option<String> = audit_checkpoints::table
            .order(audit_checkpoints::size.desc())
            .select(audit_checkpoints::note)
            .first(connection)
            .await
            .optional()?;
        // One that can't be opened is a difference of its own; then nothing counts as sealed after it.
        let sealed = match last.and_then(|note| Checkpoint::open(&note, keys).ok()) {
            Some(Checkpoint { stated, .. }) => SealState::from(&stated),
            None => SealState::default(),
        };
        let horizon = Horizon::read(connection).await?;
        let is_restored = horizon.is_of_another_cluster(&sealed);
        let purged = Purged::read(connection).await?;
        Ok(Self { sealed, is_restored, next_transaction: horizon.next.cast_unsigned(), purged })
    }
}

/// Puts the result on record: this is what the last run was.
pub async fn put_on_record(
    db: &Database,
    result: &Result<Report, VerifyError>,
    actor: Actor<'_>,
    origin: &Origin,
) -> DbResult<()> {
    let (outcome, detail) = match result {
        Ok(report) => (if report.is_fine() { Outcome::Success } else { Outcome::Failed }, json!(report)),
        Err(error) => (Outcome::Failed, json!({"reason": error.to_string()})),
    };
    let event = Event::new(Action::AuditVerified, outcome, actor, origin).detail(detail);
    Ok(record(&mut *db.get().await?, &event).await?)
}
