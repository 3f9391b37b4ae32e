//! Retention: removes events that are older than `AUDIT_RETENTION_YEARS`.
//!
//! The unit is a sealed batch whose newest event is older than the beginning of the month that many years ago. An
//! `AUDIT_PURGED` event has a statement of the batches that the key of the log signed, and is sealed before any event is
//! removed. When such a record is purged itself, the next record repeats its statement. Leaves and checkpoints stay, so
//! the tree doesn't change and earlier proofs remain valid. A record alone removes nothing: the signed checkpoints must
//! agree with it.

mod purged;
mod remove;
mod statement;

use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;
use serde_json::json;
use tokio::time::sleep;

pub use purged::{Purge, Purged};
pub use remove::Removed;
pub use statement::{PurgeFault, PurgeStatement};

use super::seal::{Checkpoint, Hash, Horizon, NoteError, SealError, seal_once};
use super::{Action, Actor, Event, Origin, Outcome, record};
use crate::clock::Clock;
use crate::config::{SealKey, SealKeys};
use crate::db::schema::audit_checkpoints;
use crate::db::{AdvisoryLock, Database, DbError, DbResult, guard, try_alone};

/// The pause between two purges of a server.
const INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// The pause before the first purge, so that a starting server can do more urgent work.
const START_DELAY: Duration = Duration::from_secs(60);

/// How often a purge checks whether its record is sealed.
const MAX_SEAL_CHECKS: usize = 60;
const SEAL_CHECK_INTERVAL: Duration = Duration::from_millis(500);

pub struct Retention<'a> {
    pub db: &'a Database,
    pub keys: &'a SealKeys,
    pub years: u16,
    pub now: DateTime<Utc>,
}

/// The batches that a purge would remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// All events of the batches are older than this.
    pub before: DateTime<Utc>,
    /// Ranges of positions in the tree; the end is not included.
    pub positions: Vec<(u64, u64)>,
    pub batches: u64,
    /// When the plan was made, by the clock of the database.
    pub at: DateTime<Utc>,
    /// Size and root of the last checkpoint that the plan contains.
    pub checkpoint: Option<(u64, Hash)>,
}

impl Plan {
    /// Signs the plan. Returns `None` if it is empty.
    fn sign(&self, years: u16, key: &SealKey) -> Result<Option<String>, serde_json::Error> {
        let Some((size, root)) = self.checkpoint else { return Ok(None) };
        let (before, positions, root) = (self.before, self.positions.clone(), STANDARD.encode(root));
        let statement = PurgeStatement { signed_at: self.at, before, years, positions, size, root };
        statement.sign(key).map(Some)
    }

    pub fn events(&self) -> u64 {
        self.positions.iter().map(|(from, to)| to - from).sum()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// The purge is recorded, but no event is removed yet.
    #[error("the purge is recorded, but the record is not sealed yet: run the purge again later")]
    Unsealed,
    #[error("nothing was purged, because its record can't be sealed: {0}")]
    Seal(#[from] SealError),
    #[error("nothing was purged, because no key signs the purge: set SEAL_KEY or SECRET_KEY as the server has it")]
    NoKey,
    #[error("nothing was purged, because the purge can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("nothing was purged, because checkpoint {size} is damaged ({error}): run primetrade audit verify")]
    Checkpoint { size: i64, error: NoteError },
}

crate::db::query_error_into!(PurgeError);

/// Purges old events until the future is dropped. Returns at once if `years` is `None`: then all events are kept.
pub async fn run(db: Database, keys: SealKeys, years: Option<u16>, clock: Clock) {
    let Some(years) = years else { return };
    sleep(START_DELAY).await;
    loop {
        match may_purge(&db).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(
                    "this database role can't purge events: run primetrade audit purge as the owner, every night"
                );
                return;
            }
            Err(error) => {
                tracing::error!(%error, "can't purge old events");
                sleep(INTERVAL).await;
                continue;
            }
        }
        let retention = Retention { db: &db, keys: &keys, years, now: clock.now() };
        match retention.purge(Actor::PORTAL, &Origin::default()).await {
            Ok(Some((plan, removed))) if removed.events > 0 || !removed.waiting.is_empty() => {
                let (events, waiting) = (removed.events, removed.waiting.join(", "));
                tracing::info!(before = %plan.before, events, waiting, "purged old events");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "can't purge old events"),
        }
        sleep(INTERVAL).await;
    }
}

/// Only the owner of the log can remove events.
async fn may_purge(db: &Database) -> DbResult<bool> {
    Ok(guard::is_owner(&mut *db.get().await?).await?)
}

impl Retention<'_> {
    /// Finds the batches that can be purged now.
    pub async fn plan(&self, connection: &mut AsyncPgConnection) -> Result<Plan, PurgeError> {
        let purged = Purged::read(connection, self.keys).await?;
        // Uses the earlier of two clocks, because the database dates the records.
        let at = Horizon::read(connection).await?.at;
        let before = cutoff(self.now.min(at), self.years);
        let mut plan = Plan { before, positions: Vec::new(), batches: 0, at, checkpoint: None };
        let older = sql::<Bool>("substring(note FROM '\"newest\":\"([^\"]+)\"') COLLATE \"C\" < ");
        let mut batches = pin!(
            audit_checkpoints::table
                .filter(older.bind::<Text, _>(before.format("%Y-%m-%d").to_string()))
                .filter(audit_checkpoints::size.gt(purged.up_to().cast_signed()))
                .order(audit_checkpoints::size)
                .select((audit_checkpoints::size, audit_checkpoints::note))
                .load_stream::<(i64, String)>(connection)
                .await?
        );
        while let Some((size, note)) = batches.try_next().await? {
            let checkpoint =
                Checkpoint::open(&note, self.keys).map_err(|error| PurgeError::Checkpoint { size, error })?;
            let (from, to) = (checkpoint.stated.previous, checkpoint.size);
            if checkpoint.size.cast_signed() != size {
                return Err(PurgeError::Checkpoint { size, error: NoteError::Malformed });
            }
            // The query reads the note as text; the decision needs the signed values.
            if purged.has(from) || checkpoint.stated.newest.is_none_or(|newest| newest >= before) {
                continue;
            }
            plan.batches += 1;
            plan.checkpoint = Some((checkpoint.size, checkpoint.root));
            match plan.positions.last_mut() {
                Some((_, end)) if *end == from => *end = to,
                _ => plan.positions.push((from, to)),
            }
        }
        Ok(plan)
    }

    /// Records the purge, then removes the events, with what an interrupted purge left. Returns `None` if another
    /// process is purging.
    pub async fn purge(&self, actor: Actor<'_>, origin: &Origin) -> Result<Option<(Plan, Removed)>, PurgeError> {
        let apart = self.db.apart();
        let alone = apart.transaction(async |connection: &mut AsyncPgConnection| -> Result<_, PurgeError> {
            if !try_alone(connection, AdvisoryLock::Purge).await? {
                return Ok(None);
            }
            connection.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
            Box::pin(self.purge_alone(actor, origin)).await.map(Some)
        });
        alone.await
    }

    async fn purge_alone(&self, actor: Actor<'_>, origin: &Origin) -> Result<(Plan, Removed), PurgeError> {
        let apart = self.db.apart();
        let plan = apart
            .transaction(async |connection: &mut AsyncPgConnection| -> Result<_, PurgeError> {
                connection.batch_execute("SET LOCAL statement_timeout = 0").await?;
                let plan = self.plan(connection).await?;
                let key = self.keys.signs.as_ref().ok_or(PurgeError::NoKey)?;
                if let Some(note) = plan.sign(self.years, key)? {
                    let Plan { before, positions, .. } = &plan;
                    // Records that are purged with these batches.
                    let purged = Purged::read(connection, self.keys).await?;
                    let detail = json!({
                        "before": before, "years": self.years, "positions": positions, "events": plan.events(),
                        "note": note, "restated": purged.notes_within(positions),
                    });
                    let event = Event::new(Action::AuditPurged, Outcome::Success, actor, origin).detail(detail);
                    record(connection, &event).await?;
                }
                Ok(plan)
            })
            .await?;
        let purged = self.wait_until_sealed(&apart, &plan).await?;
        let removed = remove::remove(&apart, &purged, (plan.before, self.keys)).await?;
        Ok((plan, removed))
    }

    /// Waits until the record of this plan is sealed, and returns all sealed records.
    async fn wait_until_sealed(&self, db: &Database, plan: &Plan) -> Result<Purged, PurgeError> {
        for _ in 0..MAX_SEAL_CHECKS {
            let purged = Purged::read(&mut *db.get().await?, self.keys).await?;
            if plan.positions.iter().all(|(from, _)| purged.has(*from)) {
                return Ok(purged);
            }
            // Needed if no server runs.
            seal_once(db, self.keys).await?;
            sleep(SEAL_CHECK_INTERVAL).await;
        }
        Err(PurgeError::Unsealed)
    }
}

/// Returns the beginning of the month that many years ago. Older events may be purged.
pub fn cutoff(now: DateTime<Utc>, years: u16) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(now.year() - i32::from(years), now.month(), 1);
    day.unwrap_or_default().and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_months_are_kept() {
        let cut = |now: &str, years| cutoff(now.parse().expect("a time"), years).to_rfc3339();
        assert_eq!(cut("2026-11-26T11:00:00Z", 1), "2025-11-01T00:00:00+00:00");
        assert_eq!(cut("2028-02-29T23:59:59Z", 7), "2021-02-01T00:00:00+00:00");
        assert_eq!(cut("2026-01-01T00:00:00Z", 100), "1926-01-01T00:00:00+00:00");
    }
}
