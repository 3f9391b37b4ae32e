//! Puts the object of a pending document and finishes the document, or aborts the attempt.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::begin::Pending;
use super::finish::{Finished, abort, finish};
use super::put::put_with_retries;
use crate::audit::{Actor, Origin};
use crate::clock::Clock;
use crate::db::{Database, DbError, DbResult};
use crate::storage::{Content, ObjectKey, Storage, StorageError};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(StoreError);

/// Lets `?` convert [`StoreError`] into an error type that is `From<StorageError>` and `From<DbError>`.
macro_rules! store_error_into {
    ($error:ty) => {
        impl From<$crate::documents::lifecycle::StoreError> for $error {
            fn from(error: $crate::documents::lifecycle::StoreError) -> Self {
                match error {
                    $crate::documents::lifecycle::StoreError::Storage(error) => error.into(),
                    $crate::documents::lifecycle::StoreError::Db(error) => error.into(),
                }
            }
        }
    };
}
pub(crate) use store_error_into;

/// Everything that storing a document needs besides the document.
pub struct DocumentStore<'a> {
    pub db: &'a Database,
    pub storage: &'a Storage,
    pub clock: &'a Clock,
    pub actor: Actor<'a>,
    pub origin: &'a Origin,
}

impl DocumentStore<'_> {
    /// Puts the object of a pending document, and finishes the document in one transaction with what `record` writes.
    ///
    /// Aborts the attempt if the storage fails. If the database fails then too, the sweeper settles the document later.
    pub async fn store<T>(
        &self,
        pending: &Pending,
        content: &Content,
        record: impl AsyncFnOnce(&mut AsyncPgConnection, Finished) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        self.store_with(None, pending, content, record).await
    }

    /// Does the same, and stores the document's original before it. Both become stored in one transaction. An original
    /// whose document could not be stored is left to the sweeper.
    pub async fn store_with<T>(
        &self,
        original: Option<(&Pending, &Content)>,
        pending: &Pending,
        content: &Content,
        record: impl AsyncFnOnce(&mut AsyncPgConnection, Finished) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        let (original_key, key) = match self.put_both(original, pending, content).await {
            Ok(keys) => keys,
            Err(error) => {
                let aborted = self.db.transaction(async |connection| -> DbResult<()> {
                    Ok(abort(connection, pending, self.clock.now()).await?)
                });
                if let Err(error) = aborted.await {
                    tracing::warn!(%error, document = pending.id, "can't abort an upload; the sweeper will settle it");
                }
                return Err(error.into());
            }
        };
        let stored = self.db.transaction(async |connection| -> DbResult<T> {
            let by = (self.actor, self.origin);
            let finished = finish(connection, pending, &key, by, self.clock.now()).await?;
            if let (Some((original, _)), Some(key), Finished::Stored(_) | Finished::Diverted { .. }) =
                (original, &original_key, &finished)
            {
                finish(connection, original, key, by, self.clock.now()).await?;
            }
            Ok(record(connection, finished).await?)
        });
        Ok(stored.await?)
    }

    async fn put_both(
        &self,
        original: Option<(&Pending, &Content)>,
        pending: &Pending,
        content: &Content,
    ) -> Result<(Option<ObjectKey>, ObjectKey), StorageError> {
        let original = match original {
            Some((original, content)) => {
                Some(put_with_retries(self.storage, &original.key, content, original.sha256).await?)
            }
            None => None,
        };
        Ok((original, put_with_retries(self.storage, &pending.key, content, pending.sha256).await?))
    }
}
