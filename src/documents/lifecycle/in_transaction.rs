//! A new version, stored inside the transaction that issues, voids or weighs its BOL: first the object, then the row.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::begin::{FileDigest, NewDocument, register};
use super::put::{Placed, put};
use super::store::StoreError;
use super::version;
use crate::accounts::Viewer;
use crate::bols::{BolNumber, DocumentKind as Kind};
use crate::storage::{Content, Storage, StorageError};

/// Well below the time after which Postgres ends an idle transaction, so that the caller keeps its locks.
const PUT_TIMEOUT: Duration = Duration::from_secs(20);

/// A version to be stored.
pub struct NextVersion<'a> {
    pub bol_id: i64,
    pub number: &'a BolNumber,
    pub kind: Kind,
    pub bytes: Vec<u8>,
    pub by: &'a Viewer,
    pub at: DateTime<Utc>,
}

/// A version that was stored.
pub struct Stored {
    pub document_id: i64,
    pub file_name: String,
    pub object_key: String,
    pub sha256: [u8; 32],
    /// Keys whose objects were in the way.
    pub strays: Vec<String>,
}

/// Stores the next version of a BOL's document. The caller has locked the BOL's row or has just inserted it, so that no
/// two transactions take the same version.
pub async fn store_in_transaction(
    connection: &mut AsyncPgConnection,
    storage: &Storage,
    new: NextVersion<'_>,
) -> Result<Stored, StoreError> {
    let NextVersion { bol_id, number, kind, bytes, by, at } = new;
    let slot = version::next(connection, (bol_id, number), kind).await?;
    let file_name = slot.key.file_name().to_owned();
    let digest = FileDigest { sha256: Sha256::digest(&bytes).into(), size: bytes.len() as u64 };
    let content = Content::from(bytes);
    let placed = timeout(PUT_TIMEOUT, put(storage, &slot.key, &content, digest.sha256)).await;
    let Placed { key, strays } = placed.map_err(|_| StorageError::unavailable("the storage took too long"))??;
    let object_key = key.to_string();
    let document = NewDocument {
        key,
        uploaded_by: Some(by.user_id),
        stored_by: by.name.clone(),
        ..NewDocument::at_bol(slot, digest)
    };
    let document_id = register(connection, &document, Some(at)).await?;
    Ok(Stored { document_id, file_name, object_key, sha256: digest.sha256, strays })
}
