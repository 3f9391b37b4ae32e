//! The object of a document, put into the storage under a key that must be new.
//!
//! If the transaction that names an object fails, the object stays without a row. The portal never serves it (links
//! come from rows), overwrites it or deletes it. The next attempt adopts it if its bytes are the same, and takes
//! another key otherwise.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::storage::{Content, ObjectKey, Storage, StorageError};

/// Pauses between attempts. The SDK doesn't retry a body that it reads from a file.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// The time for all attempts, for which a person waits, apart from the transfer itself.
const PUT_TIMEOUT: Duration = Duration::from_secs(25);
/// The slowest transfer to the storage: 4 Mbit/s.
const MIN_BYTES_PER_SECOND: u64 = 500_000;
/// The number of keys to try, the proper one first.
const MAX_KEYS: u32 = 9;

/// Where an object is.
pub(super) struct Placed {
    pub key: ObjectKey,
    /// Keys whose objects were in the way.
    pub strays: Vec<String>,
}

/// Puts the object, with retries, and returns its key. Fails within half a minute if the storage doesn't answer, or later
/// for a file that takes longer to transfer.
pub(super) async fn put_with_retries(
    storage: &Storage,
    proper: &ObjectKey,
    content: &Content,
    sha256: [u8; 32],
) -> Result<ObjectKey, StorageError> {
    let limit = PUT_TIMEOUT + Duration::from_secs(content.size() / MIN_BYTES_PER_SECOND);
    match timeout(limit, retry(storage, proper, content, sha256)).await {
        Ok(placed) => placed,
        Err(_) => Err(StorageError::unavailable(format!("the storage took longer than {} s", limit.as_secs()))),
    }
}

async fn retry(
    storage: &Storage,
    proper: &ObjectKey,
    content: &Content,
    sha256: [u8; 32],
) -> Result<ObjectKey, StorageError> {
    let mut pauses = PAUSES.iter();
    loop {
        match (put(storage, proper, content, sha256).await, pauses.next()) {
            (Ok(placed), _) => return Ok(placed.key),
            (Err(StorageError::Unavailable(failure)), Some(pause)) => {
                tracing::warn!(%failure, key = %proper, "retrying to put an object");
                sleep(*pause).await;
            }
            (Err(error), _) => return Err(error),
        }
    }
}

/// Puts the object under its proper key, or under another one if a different object is in the way. An object with the
/// same bytes comes from an interrupted attempt, and is adopted.
pub(super) async fn put(
    storage: &Storage,
    proper: &ObjectKey,
    content: &Content,
    sha256: [u8; 32],
) -> Result<Placed, StorageError> {
    let mut strays = Vec::new();
    for attempt in 1..=MAX_KEYS {
        let key = if attempt == 1 { proper.clone() } else { proper.again(attempt) };
        match storage.put(&key, content.clone(), sha256).await {
            Ok(()) => return Ok(Placed { key, strays }),
            Err(StorageError::Exists(_)) => {
                if storage.has_same(&key, content.size(), sha256).await? {
                    return Ok(Placed { key, strays });
                }
                tracing::warn!(%key, "an object without a document has this key; leaving it and trying another key");
                strays.push(key.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    Err(StorageError::Exists(proper.clone()))
}
