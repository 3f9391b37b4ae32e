//! Checkpoints in the storage, where whoever rewrites the database doesn't reach: once a minute at most, and never
//! overwritten. While the storage is away they wait; sealing doesn't.

use std::time::Duration;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use crate::db::schema::audit_checkpoints;
use crate::db::{Database, DbError, try_alone};
use crate::storage::{ObjectKey, Storage, StorageError};

/// Held by the process that publishes.
const PUBLISHING: i64 = 0x7072_696d_6505;
const EVERY: Duration = Duration::from_secs(1);
/// After something went wrong.
const LATER: Duration = Duration::from_secs(5);
/// For one object: shorter than Postgres lets a transaction be idle.
const WITHIN: Duration = Duration::from_secs(15);
/// Where they are in the storage.
pub const FOLDER: &str = "audit/checkpoints/";

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("{0} is in the storage already, and says something else than the database: run primetrade audit verify")]
    Conflict(ObjectKey),
}

crate::db::query_error_into!(PublishError);

/// In the order of sizes as text, too.
pub fn key_of(size: u64) -> ObjectKey {
    match format!("{FOLDER}{size:012}.txt").parse() {
        Ok(key) => key,
        Err(_) => unreachable!("digits are fine in a key"),
    }
}

/// Again and again, for as long as it is polled.
pub async fn publish(db: Database, storage: Storage) {
    let mut trouble = String::new();
    loop {
        let pause = match publish_once(&db, &storage).await {
            Ok(_) => {
                trouble.clear();
                EVERY
            }
            Err(error) => {
                let told = error.to_string();
                if told != trouble {
                    tracing::error!(error = told, "a checkpoint of the log can't be stored");
                    trouble = told;
                }
                LATER
            }
        };
        sleep(pause).await;
    }
}

/// All that are due, the oldest first; how many. What is in the way of one is not in the way of those after it.
pub async fn publish_once(db: &Database, storage: &Storage) -> Result<u64, PublishError> {
    choose(db).await?;
    let (mut published, mut after, mut trouble) = (0, 0, None);
    loop {
        let next = db.transaction(async |connection: &mut AsyncPgConnection| -> Result<Tried, PublishError> {
            if !try_alone(connection, PUBLISHING).await? {
                return Ok(None);
            }
            Box::pin(next(connection, storage, after)).await
        });
        match next.await? {
            None => break,
            Some((size, Ok(()))) => (published, after) = (published + 1, size),
            Some((size, Err(error))) => (trouble, after) = (trouble.or(Some(error)), size),
        }
    }
    trouble.map_or(Ok(published), Err)
}

/// The newest checkpoint is one for the storage, unless one was chosen within the last minute.
async fn choose(db: &Database) -> Result<(), PublishError> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, PUBLISHING).await? {
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

/// Its size, and whether it went well.
type Tried = Option<(i64, Result<(), PublishError>)>;

async fn next(connection: &mut AsyncPgConnection, storage: &Storage, after: i64) -> Result<Tried, PublishError> {
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
    match timeout(WITHIN, put(storage, size.cast_unsigned(), note)).await {
        Ok(Ok(())) => {}
        Ok(Err(conflict @ PublishError::Conflict(_))) => return Ok(Some((size, Err(conflict)))),
        // The storage is away: the others would only wait as long.
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(StorageError::unavailable("no answer in time").into()),
    }
    diesel::update(audit_checkpoints::table.find(size))
        .set(audit_checkpoints::is_published.eq(true))
        .execute(connection)
        .await?;
    Ok(Some((size, Ok(()))))
}

/// What is there already may be ours, from before an interruption.
async fn put(storage: &Storage, size: u64, note: String) -> Result<(), PublishError> {
    let (key, bytes) = (key_of(size), note.into_bytes());
    let (length, sha256) = (bytes.len() as u64, Sha256::digest(&bytes).into());
    match storage.put(&key, bytes, sha256).await {
        Err(StorageError::Exists(_)) if storage.has_same(&key, length, sha256).await? => Ok(()),
        Err(StorageError::Exists(key)) => Err(PublishError::Conflict(key)),
        put => Ok(put?),
    }
}
