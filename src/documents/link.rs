//! Promise 2: no link without a record.
//!
//! 1. In one statement, select the document within reach and insert the event. Not committed yet.
//! 2. Ask the storage whether the object is there, with the size on record: one stat, or one HEAD of some 10 ms and
//!    $0.0000004. If not, the event is taken back and another one says so. Only so many may wait for the storage at
//!    once ([`scope::open`]), so that a slow bucket can't hold every database connection.
//! 3. Look again, and commit, in one message: if the BOL was given to somebody else while the storage was asked, there is
//!    neither event nor link.
//! 4. Only now sign the link. If any of this fails, there is none.
//!
//! The link carries the id of the request, by which whoever hands out the bytes says which link was followed
//! ([`crate::audit::fetched`]).

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use url::Url;

use super::access::{self, DocumentRef, RecordedDocument};
use crate::audit::{Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::scope::{self, Scope};
use crate::db::{Database, DbError, DbResult};
use crate::storage::{ObjectKey, Presentation, Readable, Storage, StorageError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Download,
    Preview,
}

impl Purpose {
    fn action(self) -> Action {
        match self {
            Self::Download => Action::BolDownloaded,
            Self::Preview => Action::BolPreviewed,
        }
    }
}

/// A link on record.
pub struct Issued {
    pub url: Url,
    pub file_name: String,
    pub bol_number: Option<String>,
    pub life: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Not there, or not within reach; nothing tells which.
    #[error("no such document")]
    NotFound,
    /// The row is there and the object isn't. On record as failed.
    #[error("the object {0} is missing in the storage")]
    ObjectMissing(String),
    /// It lies in an archive. It was asked for, which is on record, and can be had in some hours.
    #[error("the object {0} is being restored from the archive")]
    BeingRestored(String),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Everything a link needs besides the document.
pub struct LinkIssuer<'a> {
    pub db: &'a Database,
    pub storage: &'a Storage,
    pub clock: &'a Clock,
    pub life: Duration,
}

impl LinkIssuer<'_> {
    pub async fn issue(
        &self,
        scope: &Scope,
        actor: Actor<'_>,
        origin: &Origin,
        document: DocumentRef<'_>,
        purpose: Purpose,
    ) -> Result<Issued, LinkError> {
        let event = Event::new(purpose.action(), Outcome::Success, actor, origin);
        let open = scope::open(self.db, scope, async |connection: &AsyncPgConnection| {
            access::record_link(&event, document, scope.companies(), connection).await
        })
        .await?;
        let Some(found) = open.value().clone() else {
            open.roll_back();
            self.deny(scope, actor, origin, document).await?;
            return Err(LinkError::NotFound);
        };
        let key = match self.key_of_held(&found).await {
            Ok(Some((key, Readable::Now))) => key,
            Ok(Some((key, readable))) => {
                open.roll_back();
                return Err(self.bring_back(scope, event, document, key, readable).await);
            }
            Ok(None) => {
                open.roll_back();
                self.record_failure(scope, event, document, "object missing in storage").await?;
                return Err(LinkError::ObjectMissing(found.object_key));
            }
            Err(error) => {
                // Dropped without a word, the connection would be closed: one less at every try while the bucket is away.
                open.roll_back();
                return Err(error.into());
            }
        };
        if open.commit_if_within(found.document_id, scope.companies()).await?.is_none() {
            self.deny(scope, actor, origin, document).await?;
            return Err(LinkError::NotFound);
        }
        let file_name = name_for(document, &found);
        let inline = purpose == Purpose::Preview;
        let presentation = Presentation { file_name, inline, request: origin.request_id.clone() };
        match self.storage.link(&key, &presentation, self.clock.now(), self.life).await {
            Ok((url, life)) => {
                let file_name = presentation.file_name;
                Ok(Issued { url, file_name, bol_number: found.bol_number, life })
            }
            Err(error) => {
                self.record_failure(scope, event, document, "the link could not be signed").await?;
                Err(error.into())
            }
        }
    }

    /// The key, if the storage has an object of that size under it, and whether it can be read.
    async fn key_of_held(&self, found: &RecordedDocument) -> Result<Option<(ObjectKey, Readable)>, StorageError> {
        let Ok(key) = found.object_key.parse() else { return Ok(None) };
        let there = self.storage.head(&key).await?;
        let there = there.filter(|there| there.size == found.size_bytes.unsigned_abs());
        Ok(there.map(|there| (key, there.readable)))
    }

    /// Has an archived object restored, unless that is under way, and says so.
    async fn bring_back(
        &self,
        scope: &Scope,
        mut event: Event<'_>,
        document: DocumentRef<'_>,
        key: ObjectKey,
        readable: Readable,
    ) -> LinkError {
        if readable == Readable::Archived {
            event.action = Action::DocumentRestoreRequested.as_str();
            let recorded = scope::record(self.db, scope, async |connection: &AsyncPgConnection| {
                access::record_link(&event, document, scope.companies(), connection).await
            });
            // It costs money: on record first, as a link is.
            match recorded.await {
                Ok(Some(_)) => {}
                Ok(None) => return LinkError::NotFound,
                Err(error) => return error.into(),
            }
            if let Err(error) = self.storage.restore(&key).await {
                let recorded = self.record_failure(scope, event, document, &error.to_string()).await;
                return recorded.err().map_or(error.into(), LinkError::from);
            }
        }
        LinkError::BeingRestored(key.to_string())
    }

    async fn record_failure(
        &self,
        scope: &Scope,
        mut event: Event<'_>,
        document: DocumentRef<'_>,
        reason: &str,
    ) -> DbResult<()> {
        event.outcome = Outcome::Failed.as_str();
        event = event.detail(serde_json::json!({"reason": reason}));
        scope::record(self.db, scope, async |connection: &AsyncPgConnection| {
            access::record_link(&event, document, scope.companies(), connection).await.map(drop)
        })
        .await
    }

    async fn deny(&self, scope: &Scope, actor: Actor<'_>, origin: &Origin, document: DocumentRef<'_>) -> DbResult<()> {
        scope::record(self.db, scope, async |connection: &AsyncPgConnection| {
            access::deny(connection, actor, origin, document).await
        })
        .await
    }
}

/// Whoever asks for the BOL gets it under its number, whichever version is the current one; whoever asks for a certain
/// document gets that document's name, as a PDF: whatever it was called when it came (`invoice.hta`), it is one.
fn name_for(document: DocumentRef<'_>, found: &RecordedDocument) -> String {
    match (document, &found.bol_number) {
        (DocumentRef::BolNumber(_) | DocumentRef::BolId(_), Some(number)) => format!("{number}.pdf"),
        _ if found.file_name.to_ascii_lowercase().ends_with(".pdf") => found.file_name.clone(),
        _ => format!("{}.pdf", found.file_name),
    }
}
