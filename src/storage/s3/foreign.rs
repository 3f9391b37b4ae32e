//! Reads objects that the portal did not write, in any bucket, such as access logs of S3.

use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::S3Store;
use super::error::unavailable;
use super::genuine::require_etag;
use crate::storage::{LIST_BUFFER, ListedObject, StorageError};

impl S3Store {
    /// Lists the objects below a prefix, ordered by the bytes of their keys. The listing ends with the first error.
    pub fn all_below(&self, prefix: String) -> mpsc::Receiver<Result<ListedObject, StorageError>> {
        let (sender, receiver) = mpsc::channel(LIST_BUFFER);
        let store = self.clone();
        tokio::spawn(async move { store.list(&prefix, &sender).await });
        receiver
    }

    /// Streams the bytes of an object.
    pub async fn read_any(&self, key: &str) -> Result<impl AsyncRead + Unpin + use<>, StorageError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        let found = get.send().await.map_err(unavailable)?;
        require_etag(found.e_tag(), "GET")?;
        Ok(found.body.into_async_read())
    }
}
