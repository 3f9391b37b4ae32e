//! A new version of a document, inside the transaction of whoever makes it: the bytes first, then the row.
//!
//! If the transaction fails after that, an object without a row is left behind. It is never served (links come from
//! rows), never overwritten and never deleted: the next attempt takes it as its own when the bytes are the same, and
//! goes to another key when they aren't.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::Kind;
use super::document::{Document, NewDocument};
use super::lifecycle::next_version;
use crate::accounts::Viewer;
use crate::bols::BolNumber;
use crate::db::schema::documents;
use crate::storage::{Content, ObjectKey, Storage, StorageError};

/// Well below the time after which Postgres ends a transaction that is idle, so that no lock is lost meanwhile.
const WITHIN: Duration = Duration::from_secs(20);
/// Keys to try: the proper one, and then others.
const KEYS: u32 = 9;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// What was stored.
pub struct Stored {
    pub document: Document,
    pub sha256: [u8; 32],
    /// Objects that were in the way, if any.
    pub strays: Vec<String>,
}

/// The next version of a BOL's document of this kind. The caller holds the BOL's row, or has just inserted it: two
/// versions at once would be one too many.
pub async fn store_next_version(
    connection: &mut AsyncPgConnection,
    storage: &Storage,
    bol: (i64, &BolNumber),
    kind: Kind,
    bytes: Vec<u8>,
    by: &Viewer,
    now: DateTime<Utc>,
) -> Result<Stored, StoreError> {
    let (version, proper) = next_version(connection, bol, kind).await?;
    let (sha256, size): ([u8; 32], _) = (Sha256::digest(&bytes).into(), bytes.len() as i64);
    let content = Content::from(bytes);
    let placed = timeout(WITHIN, place(storage, &proper, &content, sha256)).await;
    let (key, strays) = placed.map_err(|_| StorageError::unavailable("the storage took too long"))??;
    let new = NewDocument {
        bol_id: Some(bol.0),
        kind: kind.as_str(),
        version,
        object_key: key.to_string(),
        file_name: proper.file_name().to_owned(),
        sha256: sha256.to_vec(),
        size_bytes: size,
        state: "stored",
        uploaded_by: Some(by.user_id),
        stored_by: by.name.clone(),
        stored_at: Some(now),
        ..NewDocument::default()
    };
    let insert = diesel::insert_into(documents::table).values(new).returning(Document::as_returning());
    Ok(Stored { document: insert.get_result(connection).await?, sha256, strays })
}

/// Puts an object under its proper key, or under another when something else is in the way. The same bytes from an
/// attempt that was interrupted are taken as they are.
pub(super) async fn place(
    storage: &Storage,
    proper: &ObjectKey,
    content: &Content,
    sha256: [u8; 32],
) -> Result<(ObjectKey, Vec<String>), StorageError> {
    let mut strays = Vec::new();
    for attempt in 1..=KEYS {
        let key = if attempt == 1 { proper.clone() } else { proper.again(attempt) };
        match storage.put(&key, content.clone(), sha256).await {
            Ok(()) => return Ok((key, strays)),
            Err(StorageError::Exists(_)) => {
                if storage.has_same(&key, content.size(), sha256).await? {
                    return Ok((key, strays));
                }
                tracing::warn!(%key, "an object without a document is in the way; it stays as it is");
                strays.push(key.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    Err(StorageError::Exists(proper.clone()))
}
