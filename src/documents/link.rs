//! Promise 2: no link without a record.
//!
//! 1. Find the document within reach (scoped, read only).
//! 2. Ask the storage whether the object is there: one stat, or one HEAD of some 10 ms and $0.0000004. Outside of any
//!    transaction, so that a slow bucket doesn't hold database connections.
//! 3. In one transaction and one statement, select the document again within reach and insert the event. Commit.
//! 4. Only now sign the link. If any of this fails, there is none.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use url::Url;

use super::document::{self, Document, Wanted};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::scope::{self, Reach};
use crate::db::{Database, DbError};
use crate::storage::{ObjectKey, Presentation, Storage, StorageError};

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
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Everything a link needs besides the document.
pub struct Desk<'a> {
    pub db: &'a Database,
    pub storage: &'a Storage,
    pub clock: &'a Clock,
    pub life: Duration,
}

impl Desk<'_> {
    pub async fn issue(
        &self,
        reach: &Reach,
        actor: Actor<'_>,
        origin: &Origin,
        wanted: Wanted<'_>,
        purpose: Purpose,
    ) -> Result<Issued, LinkError> {
        let found = scope::read(self.db, reach, async |connection: &AsyncPgConnection| {
            document::find(connection, reach, wanted).await
        });
        let Some((found, bol_number)) = found.await? else {
            self.deny(reach, actor, origin, wanted).await?;
            return Err(LinkError::NotFound);
        };
        let key: ObjectKey =
            found.object_key.parse().map_err(|_| LinkError::ObjectMissing(found.object_key.clone()))?;
        let there = self.storage.holds(&key, found.size_bytes.unsigned_abs()).await?;
        let outcome = if there { Outcome::Success } else { Outcome::Failed };
        let mut event = Event::new(purpose.action(), outcome, actor, origin);
        if !there {
            event = event.detail(serde_json::json!({"reason": "object missing in storage"}));
        }
        if !self.record(reach, event, &found).await? {
            // Taken away from under us: reassigned since the first look.
            self.deny(reach, actor, origin, wanted).await?;
            return Err(LinkError::NotFound);
        }
        if !there {
            return Err(LinkError::ObjectMissing(found.object_key));
        }
        let presentation = Presentation { file_name: found.file_name, inline: purpose == Purpose::Preview };
        let url = self.storage.link(&key, &presentation, self.clock.now(), self.life).await?;
        Ok(Issued { url, file_name: presentation.file_name, bol_number, life: self.life })
    }

    /// Commits the event, if the document is still within reach.
    async fn record(&self, reach: &Reach, event: Event<'_>, document: &Document) -> Result<bool, DbError> {
        let access = audit::Access::to_document(event, document.id, reach.companies());
        scope::record(self.db, reach, async |connection: &AsyncPgConnection| access.record(connection).await).await
    }

    async fn deny(&self, reach: &Reach, actor: Actor<'_>, origin: &Origin, wanted: Wanted<'_>) -> Result<(), DbError> {
        let asked = match wanted {
            Wanted::PdfOf(number) => audit::Asked::Number(number.as_str()),
            Wanted::PdfOfId(id) => audit::Asked::BolId(id),
            Wanted::Document(id) => audit::Asked::Document(id),
        };
        scope::record(self.db, reach, async |connection: &AsyncPgConnection| {
            audit::deny(connection, actor, origin, asked).await
        })
        .await
    }
}
