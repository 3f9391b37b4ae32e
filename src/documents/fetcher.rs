//! Brings documents out of the storage, for somebody who gets them in one file with others: each is on record before its bytes.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::access::{self, DocumentRef};
use crate::accounts::Viewer;
use crate::audit::{Action, Event, Origin, Outcome};
use crate::db::Database;
use crate::db::scope;
use crate::storage::spool::{Spool, Spooled};
use crate::storage::{Readable, Storage, StorageError};

pub struct DocumentFetcher {
    pub db: Database,
    pub storage: Storage,
    pub spool: Spool,
    pub viewer: Viewer,
    pub origin: Origin,
}

pub enum Fetched {
    File(Spooled),
    /// Why it can't be had, which is on record too.
    Problem(&'static str),
}

impl DocumentFetcher {
    /// `None`: it isn't there, or isn't this person's any more. An error: the storage or the database is away; better no
    /// file than one that looks whole.
    pub async fn fetch(&self, document: DocumentRef<'_>) -> Result<Option<Fetched>, String> {
        let scope = self.viewer.scope();
        let event = Event::new(Action::BolsZipped, Outcome::Success, self.viewer.actor(), &self.origin);
        let recorded = scope::record(&self.db, &scope, async |connection: &AsyncPgConnection| {
            access::record_link(&event, document, scope.companies(), connection).await
        });
        let Some(recorded) = recorded.await.map_err(message)? else { return Ok(None) };
        let fetched = match recorded.object_key.parse() {
            Ok(key) => match self.storage.head(&key).await.map_err(message)? {
                Some(found) if found.readable == Readable::Now => self.spool.fetch_hashed(&self.storage, &key).await,
                Some(_) => Err(StorageError::Archived(key)),
                None => Err(StorageError::Missing(key)),
            },
            Err(_) => return Err(format!("{} is no key", recorded.object_key)),
        };
        let problem = match fetched {
            Ok(spooled) => return Ok(Some(Fetched::File(spooled))),
            Err(StorageError::Archived(_)) => "in the archive; download it by itself, and it is asked for",
            Err(StorageError::Missing(_)) => "the file is missing in the storage",
            Err(error) => return Err(error.to_string()),
        };
        let mut event = Event::new(Action::BolsZipped, Outcome::Failed, self.viewer.actor(), &self.origin);
        event = event.detail(json!({"reason": problem}));
        let failed = scope::record(&self.db, &scope, async |connection: &AsyncPgConnection| {
            access::record_link(&event, document, scope.companies(), connection).await
        });
        failed.await.map_err(message)?;
        Ok(Some(Fetched::Problem(problem)))
    }
}

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}
