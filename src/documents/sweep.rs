//! Settles what interrupted uploads and filings left behind: stored if the object is there, back in the inbox if the
//! document came from there, gone if nothing arrived.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::{sleep, timeout};

use super::pending::{Finished, Pending, attempt, finish, lock_bol, take_back};
use crate::audit::{self, Action, Actor, Origin};
use crate::clock::Clock;
use crate::db::schema::{documents, users};
use crate::db::{Database, DbError, try_alone};
use crate::storage::{ObjectKey, Storage, StorageError};

/// Longer than the longest upload takes with all its attempts.
const GIVEN_UP: TimeDelta = TimeDelta::minutes(15);
const SWEEP: Duration = Duration::from_secs(60);
const AT_ONCE: i64 = 50;

/// Held by the process that sweeps.
const SWEEPING: i64 = 0x7072_696d_6502;
/// For so long at a time: shorter than Postgres lets a transaction be idle.
const WITHIN: Duration = Duration::from_secs(20);

/// Again and again, for as long as it is polled. Of any number of processes one does so at a time.
pub async fn sweep(db: Database, storage: Storage, clock: Clock) {
    loop {
        sleep(SWEEP).await;
        match sweep_alone(&db, &storage, &clock).await {
            Ok(0) => {}
            Ok(settled) => tracing::info!(settled, "uploads that were interrupted are settled"),
            Err(error) => tracing::warn!(%error, "interrupted uploads could not be settled"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<diesel::result::Error> for SweepError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Nothing, while another process is at it.
async fn sweep_alone(db: &Database, storage: &Storage, clock: &Clock) -> Result<usize, SweepError> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, SWEEPING).await? {
            return Ok(Ok(0));
        }
        // Boxed: the compiler gives up on so many layers.
        Ok(timeout(WITHIN, Box::pin(sweep_once(db, storage, clock))).await.unwrap_or(Ok(0)))
    })
    .await?
}

/// How many were settled.
pub async fn sweep_once(db: &Database, storage: &Storage, clock: &Clock) -> Result<usize, SweepError> {
    let old: Vec<i64> = documents::table
        .filter(documents::state.eq("pending"))
        .filter(documents::pending_at.lt(clock.now() - GIVEN_UP))
        .order(documents::pending_at)
        .limit(AT_ONCE)
        .select(documents::id)
        .load(&mut *db.get().await?)
        .await?;
    let mut settled = 0;
    for id in old {
        match settle(db, storage, clock, id).await {
            Ok(done) => settled += usize::from(done),
            Err(error) => {
                tracing::warn!(%error, document = id, "an interrupted upload can't be settled now");
                // Behind the others next time: one that never can be mustn't keep them.
                let again = diesel::update(documents::table.find(id)).filter(documents::state.eq("pending"));
                again.set(documents::pending_at.eq(attempt(clock))).execute(&mut *db.get().await?).await?;
            }
        }
    }
    Ok(settled)
}

/// A pending row that nobody can be at any more.
#[derive(Queryable)]
struct Old {
    bol_id: Option<i64>,
    object_key: String,
    size_bytes: i64,
    sha256: Vec<u8>,
    arrived_key: Option<String>,
    since: DateTime<Utc>,
}

async fn settle(db: &Database, storage: &Storage, clock: &Clock, id: i64) -> Result<bool, SweepError> {
    let old: Option<Old> = documents::table
        .find(id)
        .filter(documents::state.eq("pending"))
        .filter(documents::pending_at.lt(clock.now() - GIVEN_UP))
        .select((
            documents::bol_id,
            documents::object_key,
            documents::size_bytes,
            documents::sha256,
            documents::arrived_key,
            documents::pending_at.assume_not_null(),
        ))
        .first(&mut *db.get().await?)
        .await
        .optional()?;
    let Some(old) = old else { return Ok(false) };
    let (Ok(key), Ok(sha256)) = (old.object_key.parse::<ObjectKey>(), <[u8; 32]>::try_from(old.sha256)) else {
        return Err(StorageError::unavailable(format!("{:?} is no object key", old.object_key)).into());
    };
    let there = storage.has_same(&key, old.size_bytes.unsigned_abs(), sha256).await?;
    let pending = Pending { id, bol_id: old.bol_id, key: key.clone(), since: old.since };
    let settled = db.transaction(async |connection: &mut AsyncPgConnection| {
        if !there {
            return take_back(connection, &pending, clock.now()).await.map(|()| true);
        }
        // Whoever began it; a resumed attempt has another time, and is left alone.
        lock_bol(connection, pending.bol_id).await?;
        let by: Option<(i64, String, String)> = documents::table
            .inner_join(users::table.on(documents::pending_by.eq(users::id.nullable())))
            .filter(documents::id.eq(id))
            .filter(documents::pending_at.eq(pending.since))
            .select((users::id, users::email, users::role))
            .first(connection)
            .await
            .optional()?;
        let Some((user_id, email, role)) = by else { return Ok(false) };
        let actor = Actor::user(user_id, &email, &role);
        let origin = Origin::default();
        let detail = serde_json::json!({"settled": "after an interruption"});
        match finish(connection, &pending, &key, (actor, &origin), clock.now()).await? {
            Finished::Stored(subject) | Finished::Diverted(subject, _) => {
                let was_waiting = old.arrived_key.is_some() && subject.bol_id.is_some();
                let action = if was_waiting { Action::DocumentFiled } else { Action::DocumentUploaded };
                audit::record(connection, &subject.event(action, actor, &origin).detail(detail)).await?;
                Ok(true)
            }
            Finished::Overtaken { .. } | Finished::Lost => Ok(false),
        }
    });
    Ok(settled.await?)
}
