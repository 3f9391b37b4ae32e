//! Fetches documents from the storage for a ZIP or a pack. Each is recorded before its bytes are read.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::access_record::{self, DocumentRef, RecordedDocument};
use crate::accounts::Viewer;
use crate::accounts::access::{Access, AccessError};
use crate::audit::{Action, Event, Origin, Outcome};
use crate::db::Database;
use crate::storage::spool::{Spool, Spooled};
use crate::storage::{Readable, Storage, StorageError};

pub struct DocumentFetcher {
    pub db: Database,
    pub storage: Storage,
    pub spool: Spool,
    /// Checked again before each document.
    pub access: Access,
    pub origin: Origin,
}

/// Why a file with documents is truncated.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("{0} is not a valid object key")]
    InvalidKey(String),
}

pub enum Fetched {
    File(Spooled, RecordedDocument),
    /// Why the document is unavailable; this is recorded too.
    Problem(&'static str),
}

impl DocumentFetcher {
    pub fn viewer(&self) -> &Viewer {
        self.access.viewer()
    }

    /// Records the access and fetches the document. Returns `None` if the document is not within the viewer's scope.
    ///
    /// Fails if the access has ended, or if the storage or the database is unavailable: the caller then truncates its
    /// file, which must not look complete.
    pub async fn fetch(&self, document: DocumentRef<'_>) -> Result<Option<Fetched>, FetchError> {
        let event = Event::new(Action::BolsZipped, Outcome::Success, self.viewer().actor(), &self.origin);
        let scope = self.viewer().scope();
        let recorded = self.access.record(async |connection: &AsyncPgConnection| {
            access_record::record_link(&event, document, scope.companies(), connection).await
        });
        let Some(recorded) = recorded.await? else { return Ok(None) };
        let fetched = match recorded.object_key.parse() {
            Ok(key) => match self.storage.head(&key).await? {
                Some(found) if found.readable == Readable::Now => self.spool.fetch_hashed(&self.storage, &key).await,
                Some(_) => Err(StorageError::Archived(key)),
                None => Err(StorageError::Missing(key)),
            },
            Err(_) => return Err(FetchError::InvalidKey(recorded.object_key)),
        };
        let problem = match fetched {
            Ok(spooled) => return Ok(Some(Fetched::File(spooled, recorded))),
            Err(StorageError::Archived(_)) => "archived; download it separately to request its restore",
            Err(StorageError::Missing(_)) => "the file is missing from the storage",
            Err(error) => return Err(error.into()),
        };
        let mut event = Event::new(Action::BolsZipped, Outcome::Failed, self.viewer().actor(), &self.origin);
        event = event.detail(json!({"reason": problem}));
        let failed = self.access.record(async |connection: &AsyncPgConnection| {
            access_record::record_link(&event, document, scope.companies(), connection).await
        });
        failed.await?;
        Ok(Some(Fetched::Problem(problem)))
    }
}
