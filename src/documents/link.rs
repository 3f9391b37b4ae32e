//! A link to one document. Promise 2: the portal issues no link without a record.
//!
//! 1. One statement selects the document within the scope and inserts the event. The transaction stays open.
//! 2. The storage confirms that the object exists with the recorded size: one stat, or one HEAD of some 10 ms and
//!    $0.0000004. Otherwise the portal rolls back and records the failure. [`scope::open`] limits how many transactions
//!    wait for the storage, so that a slow bucket can't hold every database connection.
//! 3. One message checks the scope again and commits. If the BOL was assigned to another customer during step 2, the
//!    portal writes no event and issues no link.
//! 4. Only then does the portal sign the link.
//!
//! The link carries the id of the request, so that the log of the bucket shows which link was followed
//! ([`crate::audit::fetched`]).

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use url::Url;

use super::access_record::{self, DocumentRef, RecordedDocument};
use super::lookup_limit;
use crate::audit::{Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::scope::{self, Scope};
use crate::db::{Database, DbError, DbResult};
use crate::storage::{ObjectKey, Presentation, Readable, Storage, StorageError, content_type};

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

/// A recorded link.
pub struct Issued {
    pub url: Url,
    pub file_name: String,
    pub bol_number: Option<String>,
    pub life: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The document doesn't exist or is not within the scope; the error doesn't tell which.
    #[error("no such document")]
    NotFound,
    /// The storage lacks the object of an existing row. The failure is recorded.
    #[error("the object {0} is missing from the storage")]
    ObjectMissing(String),
    /// The object is archived. Its restore was requested and recorded, and takes some hours.
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
    /// How long a link works: `DOWNLOAD_URL_TTL_SECONDS`.
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
        let condition = lookup_limit::condition(scope);
        let open = scope::open(self.db, scope, condition.as_deref(), async |connection: &AsyncPgConnection| {
            access_record::record_link(&event, document, scope.companies(), connection).await
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
                // Dropping the transaction would close a connection at every attempt while the bucket is unavailable.
                open.roll_back();
                return Err(error.into());
            }
        };
        if open.commit_if_within(found.document_id, scope.companies()).await?.is_none() {
            self.deny(scope, actor, origin, document).await?;
            return Err(LinkError::NotFound);
        }
        let file_name = name_for(document, &found, key.extension());
        // A browser may run what is in a file of another type.
        let inline = purpose == Purpose::Preview && key.content_type() == content_type::PDF;
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

    /// Returns the key and whether its object is readable, if the storage has an object of the recorded size.
    async fn key_of_held(&self, found: &RecordedDocument) -> Result<Option<(ObjectKey, Readable)>, StorageError> {
        let Ok(key) = found.object_key.parse() else { return Ok(None) };
        let there = self.storage.head(&key).await?;
        let there = there.filter(|there| there.size == found.size_bytes.unsigned_abs());
        Ok(there.map(|there| (key, there.readable)))
    }

    /// Requests the restore of an archived object, unless a restore is in progress.
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
                access_record::record_link(&event, document, scope.companies(), connection).await
            });
            // A restore costs money, so it is recorded first, as a link is.
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
            access_record::record_link(&event, document, scope.companies(), connection).await.map(drop)
        })
        .await
    }

    async fn deny(&self, scope: &Scope, actor: Actor<'_>, origin: &Origin, document: DocumentRef<'_>) -> DbResult<()> {
        scope::record(self.db, scope, async |connection: &AsyncPgConnection| {
            access_record::deny(connection, scope, actor, origin, document).await
        })
        .await
    }
}

/// Returns the file name of a download: the BOL's number for its current PDF, or the name of the requested document.
/// The extension is that of the stored object, `.pdf` or a photo's, whatever the uploaded file was called (`invoice.hta`).
fn name_for(document: DocumentRef<'_>, found: &RecordedDocument, extension: &str) -> String {
    let ending = format!(".{extension}");
    match (document, &found.bol_number) {
        (DocumentRef::BolNumber(_) | DocumentRef::BolId(_), Some(number)) => format!("{number}.pdf"),
        (DocumentRef::Current { kind, .. }, Some(number)) => kind.file_name(number),
        _ if found.file_name.to_ascii_lowercase().ends_with(&ending) => found.file_name.clone(),
        _ => format!("{}{ending}", found.file_name),
    }
}
