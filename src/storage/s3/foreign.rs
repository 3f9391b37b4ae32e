//! Objects that aren't ours, in whatever bucket: what S3 itself writes, such as its access logs. They are only read.

use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::{S3Store, unavailable};
use crate::storage::{AHEAD, Listed, StorageError};

impl S3Store {
    /// Every object whose key begins so, in the order of their keys' bytes. It ends with the first error.
    pub fn all_below(&self, prefix: String) -> mpsc::Receiver<Result<Listed, StorageError>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let store = self.clone();
        tokio::spawn(async move { store.list(&prefix, &sender).await });
        receiver
    }

    /// Its bytes as they come.
    pub async fn read_any(&self, key: &str) -> Result<impl AsyncRead + Unpin + use<>, StorageError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        Ok(get.send().await.map_err(unavailable)?.body.into_async_read())
    }
}
