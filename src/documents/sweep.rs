//! Settles documents that interrupted uploads left pending.
//!
//! A document is finished if its object is in the storage. Otherwise it goes back to the inbox if it came from there,
//! and is deleted if it didn't.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::{Instant, sleep, timeout};

use super::DocumentSubject;
use super::lifecycle::{Finished, Pending, abort, finish, lock_bol};
use crate::audit::{self, Action, Actor, Origin, TokenName};
use crate::clock::Clock;
use crate::db::schema::{api_tokens, documents, users};
use crate::db::{AdvisoryLock, Database, DbError, DbResult, try_alone};
use crate::metrics::Metrics;
use crate::storage::content_type::PDF;
use crate::storage::{ObjectKey, Storage, StorageError};

/// Age above which an upload can't be in progress anymore. Longer than any upload takes with all its retries.
pub const ABANDONED_AFTER: TimeDelta = TimeDelta::minutes(15);
const INTERVAL: Duration = Duration::from_secs(60);

/// Longest sweep, shorter than the idle time after which Postgres ends the transaction that holds the lock.
const MAX_SWEEP: Duration = Duration::from_secs(20);

/// Sweeps every minute and never returns. One process at a time sweeps.
pub async fn sweep(db: Database, storage: Storage, clock: Clock, metrics: Option<Metrics>) {
    loop {
        sleep(INTERVAL).await;
        run(&db, &storage, &clock, metrics.as_ref()).await;
    }
}

/// Sweeps unless another process is sweeping, and counts and logs how that ended.
pub async fn run(db: &Database, storage: &Storage, clock: &Clock, metrics: Option<&Metrics>) {
    let swept = sweep_alone(db, storage, clock).await;
    if let Some(metrics) = metrics {
        let (outcome, documents) = match &swept {
            Ok(Swept { is_skipped: true, .. }) => ("skipped", (0, 0)),
            Ok(Swept { settled, left, .. }) => ("success", (*settled, *left)),
            Err(_) => ("failed", (0, 0)),
        };
        metrics.sweep(outcome, documents, clock.now());
    }
    match swept {
        Ok(Swept { settled: 0, .. }) => {}
        Ok(Swept { settled, left, .. }) => tracing::info!(settled, left, "settled interrupted uploads"),
        Err(error) => tracing::warn!(%error, "can't settle interrupted uploads"),
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

crate::db::query_error_into!(SweepError);

/// Sweeps, unless another process is sweeping.
pub async fn sweep_alone(db: &Database, storage: &Storage, clock: &Clock) -> Result<Swept, SweepError> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, AdvisoryLock::Sweep).await? {
            return Ok(Swept { is_skipped: true, ..Swept::default() });
        }
        // Boxed, because the nested future types exceed the compiler's limit.
        Box::pin(sweep_within(db, storage, clock, MAX_SWEEP)).await
    })
    .await
}

/// The result of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub settled: usize,
    /// Documents that could not be settled; a later sweep retries them.
    pub left: usize,
    /// Another process was sweeping.
    pub is_skipped: bool,
}

/// Sweeps every document that is due.
pub async fn sweep_once(db: &Database, storage: &Storage, clock: &Clock) -> Result<Swept, SweepError> {
    sweep_within(db, storage, clock, Duration::from_secs(3600)).await
}

async fn sweep_within(db: &Database, storage: &Storage, clock: &Clock, within: Duration) -> Result<Swept, SweepError> {
    let (started, mut swept) = (Instant::now(), Swept::default());
    while started.elapsed() < within {
        let Some(id) = next_due(db, clock).await? else { break };
        // A document that takes longer is retried later.
        let done = timeout(within.saturating_sub(started.elapsed()), settle(db, storage, clock, id)).await;
        match done {
            Ok(Ok(true)) => swept.settled += 1,
            Ok(Ok(false)) | Err(_) => swept.left += 1,
            Ok(Err(error)) => {
                tracing::warn!(%error, document = id, "can't settle an interrupted upload yet");
                swept.left += 1;
            }
        }
    }
    Ok(swept)
}

/// Returns the document that has waited longest, and marks it as tried, so that a hopeless one doesn't block the
/// others.
async fn next_due(db: &Database, clock: &Clock) -> DbResult<Option<i64>> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let due: Option<Due> = diesel::sql_query(
        "UPDATE documents SET pending_tried_at = $1 WHERE id = (SELECT id FROM documents WHERE state = 'pending' AND pending_at < $2 \
             AND (pending_tried_at IS NULL OR pending_tried_at < $2) ORDER BY coalesce(pending_tried_at, pending_at) LIMIT 1 FOR UPDATE SKIP LOCKED) \
         RETURNING id",
    )
    .bind::<Timestamptz, _>(clock.now())
    .bind::<Timestamptz, _>(clock.now() - ABANDONED_AFTER)
    .get_result(&mut *db.get().await?)
    .await
    .optional()?;
    Ok(due.map(|due| due.id))
}

/// A pending document whose upload must have ended.
#[derive(Queryable)]
struct InterruptedUpload {
    bol_id: Option<i64>,
    object_key: String,
    size_bytes: i64,
    sha256: Vec<u8>,
    arrived_key: Option<String>,
    original_id: Option<i64>,
    since: DateTime<Utc>,
}

async fn settle(db: &Database, storage: &Storage, clock: &Clock, id: i64) -> Result<bool, SweepError> {
    let old: Option<InterruptedUpload> = documents::table
        .find(id)
        .filter(documents::state.eq("pending"))
        .filter(documents::pending_at.lt(clock.now() - ABANDONED_AFTER))
        .select((
            documents::bol_id,
            documents::object_key,
            documents::size_bytes,
            documents::sha256,
            documents::arrived_key,
            documents::original_id,
            documents::pending_at.assume_not_null(),
        ))
        .first(&mut *db.get().await?)
        .await
        .optional()?;
    let Some(old) = old else { return Ok(false) };
    let (Ok(key), Ok(sha256)) = (old.object_key.parse::<ObjectKey>(), <[u8; 32]>::try_from(old.sha256)) else {
        return Err(StorageError::unavailable(format!("{:?} is not a valid object key", old.object_key)).into());
    };
    let there = storage.has_same(&key, old.size_bytes.unsigned_abs(), sha256).await?;
    let pending = Pending { id, bol_id: old.bol_id, key: key.clone(), sha256, since: old.since };
    let settled = db.transaction(async |connection: &mut AsyncPgConnection| {
        if !there {
            abort(connection, &pending, clock.now()).await?;
            return Ok(true);
        }
        // The user who began this attempt. A resumed attempt has a different time, and is left alone.
        lock_bol(connection, pending.bol_id).await?;
        let by: Option<(i64, String, String, Option<i64>)> = documents::table
            .inner_join(users::table.on(documents::pending_by.eq(users::id.nullable())))
            .filter(documents::id.eq(id))
            .filter(documents::pending_at.eq(pending.since))
            .select((users::id, users::email, users::role, documents::pending_token))
            .first(connection)
            .await
            .optional()?;
        let Some((user_id, email, role, token)) = by else { return Ok(false) };
        let token = token_of(connection, token).await?;
        let token = token.as_ref().map(|(id, name)| TokenName { id: *id, name });
        let actor = Actor { token, ..Actor::user(user_id, &email, &role) };
        let origin = Origin::default();
        let mut detail = serde_json::json!({"settled": "after an interruption"});
        let mut was_waiting = old.arrived_key.is_some();
        if let Some(original) = old.original_id {
            let subject = DocumentSubject::find(connection, original).await?;
            let is_photo = subject.object_key.parse().is_ok_and(|key: ObjectKey| key.content_type() != PDF);
            was_waiting |= !is_photo;
            detail[if is_photo { "photo" } else { "cleaned_copy_of" }] =
                serde_json::json!({"document": original, "sha256": hex::encode(&subject.sha256)});
        }
        match finish(connection, &pending, &key, (actor, &origin), clock.now()).await? {
            Finished::Stored(subject) | Finished::Diverted { subject, .. } => {
                let action = if was_waiting && subject.bol_id.is_some() {
                    Action::DocumentFiled
                } else {
                    Action::DocumentUploaded
                };
                audit::record(connection, &subject.event(action, actor, &origin).detail(detail)).await?;
                Ok(true)
            }
            Finished::AlreadyStored { .. } | Finished::Superseded => Ok(false),
        }
    });
    settled.await
}

/// The id and the name of the API token with which an upload began.
async fn token_of(connection: &mut AsyncPgConnection, id: Option<i64>) -> QueryResult<Option<(i64, String)>> {
    let Some(id) = id else { return Ok(None) };
    api_tokens::table.find(id).select((api_tokens::id, api_tokens::name)).first(connection).await.optional()
}
