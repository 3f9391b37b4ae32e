//! Reads small objects into memory.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::S3Store;
use super::error::reading;
use super::genuine::require_etag;
use crate::storage::{ObjectKey, StorageError};

impl S3Store {
    /// Reads an object. Fails if it has more than `max_bytes`.
    pub(in crate::storage) async fn read(&self, key: &ObjectKey, max_bytes: u64) -> Result<Vec<u8>, StorageError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key.as_str());
        let found = get.send().await.map_err(|error| reading(key, error))?;
        require_etag(found.e_tag(), "GET")?;
        read_limited(found.body.into_async_read(), key, max_bytes).await
    }
}

async fn read_limited(body: impl AsyncRead + Unpin, key: &ObjectKey, max_bytes: u64) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::new();
    body.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).await.map_err(StorageError::unavailable)?;
    match bytes.len() as u64 > max_bytes {
        true => Err(StorageError::unavailable(format!("{key} has more than {max_bytes} bytes"))),
        false => Ok(bytes),
    }
}
