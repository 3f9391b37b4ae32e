//! Copies of checkpoints in the storage, out of reach of someone who rewrites the database.
//!
//! The server stores at most one a minute, and never overwrites one. While the storage is unavailable, checkpoints wait
//! and sealing continues.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use super::Horizon;
use crate::db::schema::audit_checkpoints;
use crate::db::{AdvisoryLock, Database, DbError, try_alone};
use crate::storage::{CheckpointLock, ObjectKey, Storage, StorageError};

/// The pause between two searches for checkpoints to publish.
const INTERVAL: Duration = Duration::from_secs(1);
/// The pause after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// The timeout for one object. Shorter than the time after which Postgres ends an idle transaction.
const PUT_TIMEOUT: Duration = Duration::from_secs(15);
/// The prefix of the keys of checkpoints.
pub const CHECKPOINT_PREFIX: &str = "audit/checkpoints/";

/// Reads the size in the name of a checkpoint's object or file, such as `000000001234.txt`.
pub fn size_of_name(name: &str) -> Option<u64> {
    let size = name.strip_suffix(".txt")?.parse().ok()?;
    (checkpoint_key(size).file_name() == name).then_some(size)
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("{0} in the storage differs from the checkpoint in the database: run primetrade audit verify")]
    Conflict(ObjectKey),
    #[error(
        "{key} can't be stored with its lock of {years} years: {error}. Allow s3:PutObjectRetention as primetrade storage \
         policy says, then run primetrade storage check"
    )]
    Locked { key: ObjectKey, years: u16, error: StorageError },
}

crate::db::query_error_into!(PublishError);

/// Returns the key of the checkpoint of this size. Keys sort by size.
pub fn checkpoint_key(size: u64) -> ObjectKey {
    match format!("{CHECKPOINT_PREFIX}{size:012}.txt").parse() {
        Ok(key) => key,
        Err(_) => unreachable!("digits are valid in a key"),
    }
}

/// Publishes checkpoints until the future is dropped.
pub async fn publish(db: Database, storage: Storage) {
    let mut last_error = String::new();
    loop {
        let pause = match publish_once(&db, &storage).await {
            Ok(_) => {
                last_error.clear();
                INTERVAL
            }
            Err(error) => {
                let error = error.to_string();
                if error != last_error {
                    tracing::error!(error, "can't store a checkpoint of the log");
                    last_error = error;
                }
                RETRY_INTERVAL
            }
        };
        sleep(pause).await;
    }
}

/// Publishes all checkpoints that are due, the oldest first, and returns their number. One that conflicts doesn't hold
/// up those after it: the first conflict is returned at the end.
pub async fn publish_once(db: &Database, storage: &Storage) -> Result<u64, PublishError> {
    choose(db).await?;
    let (mut published, mut after, mut conflict) = (0, 0, None);
    loop {
        let attempt = db.transaction(async |connection: &mut AsyncPgConnection| -> Result<Attempt, PublishError> {
            if !try_alone(connection, AdvisoryLock::Publish).await? {
                return Ok(None);
            }
            Box::pin(publish_next(connection, storage, after)).await
        });
        match attempt.await? {
            None => break,
            Some((size, Ok(()))) => (published, after) = (published + 1, size),
            Some((size, Err(error))) => (conflict, after) = (conflict.or(Some(error)), size),
        }
    }
    conflict.map_or(Ok(published), Err)
}

/// Chooses the newest checkpoint for the storage, unless one was chosen within the last minute.
async fn choose(db: &Database) -> Result<(), PublishError> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, AdvisoryLock::Publish).await? {
            return Ok(());
        }
        diesel::sql_query(
            "UPDATE audit_checkpoints SET publish_at = now() \
             WHERE size = (SELECT max(size) FROM audit_checkpoints) AND publish_at IS NULL \
               AND NOT EXISTS (SELECT 1 FROM audit_checkpoints WHERE publish_at > now() - interval '1 minute')",
        )
        .execute(connection)
        .await?;
        Ok(())
    })
    .await
}

/// The size of the checkpoint and the result, or `None` if no checkpoint is due.
type Attempt = Option<(i64, Result<(), PublishError>)>;

/// Publishes the first due checkpoint that is larger than `after`. Returns an error if the storage is unavailable.
async fn publish_next(
    connection: &mut AsyncPgConnection,
    storage: &Storage,
    after: i64,
) -> Result<Attempt, PublishError> {
    let waiting: Option<(i64, String)> = audit_checkpoints::table
        .filter(audit_checkpoints::publish_at.is_not_null())
        .filter(diesel::dsl::not(audit_checkpoints::is_published))
        .filter(audit_checkpoints::size.gt(after))
        .order(audit_checkpoints::size)
        .select((audit_checkpoints::size, audit_checkpoints::note))
        .first(connection)
        .await
        .optional()?;
    let Some((size, note)) = waiting else { return Ok(None) };
    let now = Horizon::read(connection).await?.at;
    match timeout(PUT_TIMEOUT, put(storage, size.cast_unsigned(), note, now)).await {
        Ok(Ok(())) => {}
        Ok(Err(conflict @ PublishError::Conflict(_))) => return Ok(Some((size, Err(conflict)))),
        // The storage is unavailable, so the other checkpoints would fail too.
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(StorageError::unavailable("no answer in time").into()),
    }
    diesel::update(audit_checkpoints::table.find(size))
        .set(audit_checkpoints::is_published.eq(true))
        .execute(connection)
        .await?;
    Ok(Some((size, Ok(()))))
}

/// Puts a checkpoint into the storage. An object with the same bytes is from an interrupted run.
async fn put(storage: &Storage, size: u64, note: String, now: DateTime<Utc>) -> Result<(), PublishError> {
    let (key, bytes) = (checkpoint_key(size), note.into_bytes());
    let (length, sha256) = (bytes.len() as u64, Sha256::digest(&bytes).into());
    let lock = storage.checkpoint_lock().await?;
    let put = match lock {
        Some(lock) => storage.put_locked(&key, bytes, sha256, lock.until(now)).await,
        None => storage.put(&key, bytes, sha256).await,
    };
    match (put, lock) {
        (Err(StorageError::Exists(_)), _) if storage.has_same(&key, length, sha256).await? => Ok(()),
        (Err(StorageError::Exists(key)), _) => Err(PublishError::Conflict(key)),
        (Err(error), Some(CheckpointLock { years })) => Err(PublishError::Locked { key, years, error }),
        (put, _) => Ok(put?),
    }
}
