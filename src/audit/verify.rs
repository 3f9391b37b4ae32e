//! Verifies that the log is what was sealed.
//!
//! Recomputes every hash and checks every signature on one snapshot, in constant memory. Reads events in the order of
//! the disk, and leaves and checkpoints in the order of the tree. Then compares the checkpoints in the storage.
//!
//! Events and leaves are compared without sorting. Both sides add a keyed hash of each event's id and leaf hash to
//! buckets of ids. The key is random and secret, so that no one can construct changes that cancel out. Only the ids of
//! buckets that differ are compared one by one.

mod difference;
mod events;
mod objects;
mod progress;
mod purges;
mod runs;
mod seals;
mod sums;
mod versions;
mod witness;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::dsl::{max, min};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use difference::{Difference, Differences};
pub use progress::Progress;
pub use runs::{Run, RunResult, is_running, last_runs};
pub use witness::WitnessReport;

use self::seals::Seals;
use self::sums::Buckets;
use self::versions::Versions;
use super::retention::Purged;
use super::seal::{Checkpoint, Horizon, SealState, sign_statement};
use super::witness::{Contents, Witness, WitnessError};
use super::{Action, Actor, Event, Origin, Outcome, record};
use crate::config::SealKeys;
use crate::db::guard::{self, Concern};
use crate::db::replica::WHOLE_LOG;
use crate::db::schema::{audit_checkpoints, audit_events, audit_leaves};
use crate::db::{Database, DbError, DbResult};
use crate::storage::{Storage, StorageError};

pub struct Verification<'a> {
    pub db: &'a Database,
    pub keys: &'a SealKeys,
    /// Where the published checkpoints are. `None` verifies the database only.
    pub storage: Option<&'a Storage>,
    /// Checkpoints that an auditor has kept: name and signed note each.
    pub kept: Vec<(String, String)>,
    /// A second place with checkpoints. `None` compares none.
    pub witness: Option<&'a Witness>,
    pub retention: ExpectedRetention,
    pub progress: Progress,
}

/// The retention that purges are held against, in years.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpectedRetention {
    /// `AUDIT_RETENTION_YEARS`. A purge under a shorter one is only a notice: the variable may have changed since.
    pub configured: Option<u16>,
    /// What the auditor requires. A purge under a shorter retention is a difference.
    pub required: Option<u16>,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("checkpoints in the storage can't be read: {0}")]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Witness(#[from] WitnessError),
    #[error("the verification could not finish: {0}")]
    Broken(String),
}

crate::db::query_error_into!(VerifyError);

/// The result of a verification. Recorded as JSON, so the names of the fields are fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub events: u64,
    /// The number of leaves.
    pub sealed: u64,
    /// The number of leaves whose events were purged, as the retention allows.
    #[serde(default)]
    pub purged: u64,
    /// All purged events were older than this.
    #[serde(default)]
    pub purged_before: Option<DateTime<Utc>>,
    /// The shortest retention that events were purged under, in years.
    #[serde(default)]
    pub purged_years: Option<u16>,
    /// Events that are too new to be sealed.
    pub waiting: u64,
    /// Sealed events that are dated before they can have been written.
    pub backdated: u64,
    pub checkpoints: u64,
    /// Checkpoints in the storage. `None` if only the database was verified.
    pub objects: Option<u64>,
    /// Versions and delete markers of objects that were looked at. `None` if the storage keeps none or doesn't list them.
    #[serde(default)]
    pub versions: Option<u64>,
    /// Why versions could not be listed.
    #[serde(default)]
    pub versions_unread: Option<String>,
    #[serde(default)]
    pub witness: Option<WitnessReport>,
    /// The root of the newest checkpoint, in hexadecimal.
    pub root: String,
    pub sealed_at: Option<DateTime<Utc>>,
    /// The log was restored into another cluster, where nothing has been sealed yet.
    pub is_restored: bool,
    /// The number of differences.
    pub different: u64,
    /// The first differences as sentences.
    pub differences: Vec<String>,
    /// What an auditor should know, although nothing differs.
    #[serde(default)]
    pub notices: Vec<String>,
}

impl Report {
    pub fn is_fine(&self) -> bool {
        self.different == 0
    }
}

/// What the database should contain: how far it is sealed, and which events may be missing.
#[derive(Clone, Debug, Default)]
struct Expected {
    sealed: SealState,
    /// The log was restored into another cluster since it was sealed.
    is_restored: bool,
    /// The first transaction that had not begun when the snapshot was taken.
    next_transaction: u64,
    purged: Purged,
    /// When the snapshot was taken.
    at: DateTime<Utc>,
    witnessed: Option<Contents>,
}

impl Verification<'_> {
    /// Verifies everything. Differences are part of the report; an error means that the verification could not finish.
    pub async fn run(self) -> Result<Report, VerifyError> {
        // Listed before the snapshot is taken: the database then has every checkpoint that the storage has, a replica too.
        let objects = match self.storage {
            Some(storage) => Some(objects::list(storage).await?),
            None => None,
        };
        let witnessed = match self.witness {
            Some(witness) => Some(witness.read(self.keys).await?),
            None => None,
        };
        let mut snapshot = self.db.reader(WHOLE_LOG).await.snapshot().await?;
        let mut differences = Differences::default();
        let one = snapshot.connection();
        let expected = Arc::new(Expected { witnessed, ..Expected::read(one, self.keys).await? });
        let mut notices = purges::compare(&expected.purged, self.retention, &mut differences);
        let buckets = Buckets::covering(id_range(one).await?);
        compare_schema(one, &mut differences).await?;
        self.set_expected_progress(one).await?;

        let (handle, progress) = (snapshot.handle(), self.progress.clone());
        let events = on_own_thread(events::read_all(handle.clone(), buckets.clone(), progress.clone()));
        let with = (buckets, expected.clone(), self.keys.clone());
        let seals = on_own_thread(seals::read_all(handle.clone(), with, progress));
        let (events, mut seals) = tokio::try_join!(events, seals)?;
        let (mut two, one) = (handle.connection().await?, snapshot.connection());
        differences.extend(std::mem::take(&mut seals.differences));
        let mut waiting = 0;
        let differing = if events.is_unreadable { None } else { Some(events.sums.differing(&seals.sums)) };
        for ids in differing.iter().flatten() {
            waiting += events::compare(one, &mut two, *ids, &expected, &mut differences).await?;
        }
        if differing.is_none() {
            events::name_unreadable(one, &mut differences).await?;
        }
        let (objects, versions) = self.compare_outside(one, objects, &seals, &mut differences).await?;
        notices.extend(versions.notices);
        let report = |contents| witness::report(contents, &seals.published, expected.at, &mut notices);
        let witness = expected.witnessed.as_ref().map(report);
        Ok(Report {
            events: events.count,
            sealed: seals.leaves,
            purged: seals.purged,
            purged_before: expected.purged.before(),
            purged_years: expected.purged.shortest_years(),
            waiting,
            backdated: seals.backdated,
            checkpoints: seals.checkpoints,
            objects,
            versions: versions.count,
            versions_unread: versions.unread,
            witness,
            root: seals.last.as_ref().map(|last| hex::encode(last.root)).unwrap_or_default(),
            sealed_at: seals.last.map(|last| last.stated.sealed_at),
            is_restored: expected.is_restored,
            different: differences.count(),
            differences: differences.to_strings(),
            notices,
        })
    }

    /// Compares the checkpoints in the storage, the versions of its objects, and the checkpoints that an auditor has kept.
    /// Returns the number of checkpoints in the storage.
    async fn compare_outside(
        &self,
        connection: &mut AsyncPgConnection,
        listed: Option<Vec<u64>>,
        seals: &Seals,
        differences: &mut Differences,
    ) -> Result<(Option<u64>, Versions), VerifyError> {
        let (mut count, mut versions) = (None, Versions::default());
        if let (Some(storage), Some(listed)) = (self.storage, listed) {
            count = Some(listed.len() as u64);
            let published = objects::PublishedCheckpoints { sizes: &seals.published, leaves: seals.leaves };
            objects::compare(connection, storage, listed, published, differences).await?;
            versions = versions::compare(connection, storage, differences).await?;
        }
        for (name, note) in &self.kept {
            objects::compare_kept(connection, (name, note), self.keys, differences).await?;
        }
        Ok((count, versions))
    }

    /// Estimates the work: as many events as leaves.
    async fn set_expected_progress(&self, connection: &mut AsyncPgConnection) -> Result<(), VerifyError> {
        let leaves: Option<i64> = audit_leaves::table.select(max(audit_leaves::position)).first(connection).await?;
        let leaves = leaves.map_or(0, |position| position + 1).max(0).cast_unsigned();
        self.progress.expect(leaves * 2);
        Ok(())
    }
}

/// Compares grants, triggers, rules and policies with what the migrations made.
async fn compare_schema(connection: &mut AsyncPgConnection, differences: &mut Differences) -> QueryResult<()> {
    for found in guard::differences(connection).await?.into_iter().filter(|found| found.concern != Concern::Service) {
        differences.add(Difference::Schema(found.what));
    }
    Ok(())
}

/// Runs work on a thread with a runtime and connections of its own: reading and hashing for half a minute would block
/// other tasks.
async fn on_own_thread<T: Send + 'static>(
    work: impl Future<Output = Result<T, VerifyError>> + Send + 'static,
) -> Result<T, VerifyError> {
    let broken = |error: &dyn std::fmt::Display| VerifyError::Broken(error.to_string());
    // If the caller is dropped, the work stops, so that it doesn't keep a server from shutting down.
    let (_caller, gone) = tokio::sync::oneshot::channel::<()>();
    let working = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| broken(&error))?.block_on(async {
            tokio::select! {
                done = work => done,
                _ = gone => Err(VerifyError::Broken("it was canceled".into())),
            }
        })
    });
    working.await.map_err(|error| broken(&error))?
}

/// Returns the lowest and the highest id of events and leaves.
async fn id_range(connection: &mut AsyncPgConnection) -> QueryResult<(i64, i64)> {
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
        // A damaged checkpoint is reported elsewhere. Without it, nothing counts as sealed.
        let sealed = match last.and_then(|note| Checkpoint::open(&note, keys).ok()) {
            Some(Checkpoint { stated, .. }) => SealState::from(&stated),
            None => SealState::default(),
        };
        let horizon = Horizon::read(connection).await?;
        let is_restored = horizon.is_of_another_cluster(&sealed);
        let purged = Purged::read(connection, keys).await?;
        let (next_transaction, at) = (horizon.next.cast_unsigned(), horizon.at);
        Ok(Self { sealed, is_restored, next_transaction, purged, at, witnessed: None })
    }
}

/// The first line of the signed result of a run.
const RESULT_KIND: &str = "primetrade verification v1";

/// The result of a run, as the key of the log signs it.
#[derive(Debug, Serialize, Deserialize)]
struct SignedResult {
    at: DateTime<Utc>,
    /// `None` if the run could not finish.
    report: Option<Report>,
}

/// Records the result, for the list of the last runs. A process that has the key signs it, because the name of an event
/// proves nothing.
pub async fn record_result(
    db: &Database,
    keys: &SealKeys,
    result: &Result<Report, VerifyError>,
    actor: Actor<'_>,
    origin: &Origin,
) -> DbResult<()> {
    let (outcome, mut detail) = match result {
        Ok(report) => (if report.is_fine() { Outcome::Success } else { Outcome::Failed }, json!(report)),
        Err(error) => (Outcome::Failed, json!({"reason": error.to_string()})),
    };
    let connection = &mut *db.get().await?;
    if let Some(key) = &keys.signs {
        let signed = SignedResult { at: Horizon::read(connection).await?.at, report: result.as_ref().ok().cloned() };
        match sign_statement(RESULT_KIND, &signed, key) {
            Ok(note) => detail["note"] = note.into(),
            Err(error) => tracing::warn!(%error, "the result of a verification can't be signed"),
        }
    }
    let event = Event::new(Action::AuditVerified, outcome, actor, origin).detail(detail);
    Ok(record(connection, &event).await?)
}
