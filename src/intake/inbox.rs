//! The office's inbox: documents without a certain BOL. A clerk files them, or discards them into the bin and can
//! restore them from there.

mod cleaned;
mod moved;
mod objection;

use chrono::{DateTime, Utc};
use diesel::dsl::count;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::examine::{ExamineError, Examiner};
use super::place::locked_place;
use crate::accounts::Viewer;
use crate::audit::{self, Action, Origin};
use crate::bols::{BolNumber, settings};
use crate::clock::Clock;
use crate::db::schema::{documents, users};
use crate::db::{Database, DbError, DbResult};
use crate::documents::lifecycle::{self, Attempt, DocumentStore, Finished, Pending, version};
use crate::documents::{DocumentSubject, Kind};
use crate::storage::spool::Spool;
use crate::storage::{Content, ObjectKey, Storage, StorageError, content_type};

pub use self::moved::{Moved, moved, shelf_of};

/// Longest reason for filing a quarantined document as it is.
const MAX_REASON_CHARS: usize = 500;
/// Entries on a page.
pub const PAGE: usize = 25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    Inbox,
    Bin,
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = documents, check_for_backend(diesel::pg::Pg))]
pub struct InboxEntry {
    pub id: i64,
    pub kind: String,
    pub arrived_as: String,
    pub size_bytes: i64,
    pub pages: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub found: serde_json::Value,
    pub waits_for: String,
    pub quarantine: String,
    pub discarded_at: Option<DateTime<Utc>>,
    pub discarded_by: String,
    pub content_type: String,
    pub original_id: Option<i64>,
}

impl InboxEntry {
    /// Whether this is a photo that was left without a PDF.
    pub fn is_photo(&self) -> bool {
        self.content_type != content_type::PDF
    }
}

pub struct Page {
    /// Each with the name of the user who uploaded it, oldest first.
    pub rows: Vec<(InboxEntry, Option<String>)>,
    pub next: Option<i64>,
    pub waiting: i64,
    pub discarded: i64,
}

/// Returns the page of the inbox or the bin that follows the id `after`.
pub async fn page(db: &Database, shelf: Shelf, after: Option<i64>) -> DbResult<Page> {
    let mut connection = db.get().await?;
    let mut query = documents::table
        .left_join(users::table.on(documents::uploaded_by.eq(users::id.nullable())))
        .filter(documents::bol_id.is_null())
        .filter(documents::state.eq("stored"))
        .filter(documents::discarded_at.is_not_null().eq(shelf == Shelf::Bin))
        .filter(documents::cleaned_at.is_null())
        .order(documents::id)
        .limit(PAGE as i64 + 1)
        .select((InboxEntry::as_select(), users::name.nullable()))
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(documents::id.gt(after));
    }
    let mut rows: Vec<(InboxEntry, Option<String>)> = query.load(&mut connection).await?;
    let next = (rows.len() > PAGE).then(|| rows[PAGE - 1].0.id);
    rows.truncate(PAGE);
    let of = |is_discarded: bool| {
        count(documents::id).aggregate_filter(documents::discarded_at.is_not_null().eq(is_discarded))
    };
    let (waiting, discarded) = documents::table
        .filter(documents::bol_id.is_null())
        .filter(documents::state.eq("stored"))
        .filter(documents::cleaned_at.is_null())
        .select((of(false), of(true)))
        .first(&mut connection)
        .await?;
    Ok(Page { rows, next, waiting, discarded })
}

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the document isn't in the inbox")]
    Gone,
    /// Another clerk has filed it with this BOL.
    #[error("Another user has filed this document with {0}.")]
    Filed(String),
    #[error("BOL {0} doesn't exist.")]
    NoBol(BolNumber),
    #[error("The same file is already filed with {0}. Discard this one.")]
    Double(BolNumber),
    /// Customers never get the file as it arrived.
    #[error("{0}")]
    Quarantined(String),
    /// Only the PDF of a photo is ever filed.
    #[error("A photo can't be filed as it is. File it as a PDF.")]
    Photo,
    #[error("Enter why the customer should get the file as it arrived.")]
    NoReason,
    #[error(
        "Filing such a file as it is isn't allowed. File a cleaned copy, or ask an administrator to allow it under Settings."
    )]
    NotAllowed,
    /// No copy can be made, or the copy still does more than show pages.
    #[error("The portal can't make a cleaned copy of this file. Print it to a new PDF, and upload that.")]
    Unclean,
    #[error("Another user is filing this document. Look again in a minute.")]
    UnderWay,
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(FileError);
lifecycle::store_error_into!(FileError);

/// A clerk's work on the inbox.
pub struct Inbox<'a> {
    pub db: &'a Database,
    pub storage: &'a Storage,
    pub clock: &'a Clock,
    pub spool: &'a Spool,
    pub viewer: &'a Viewer,
    pub origin: &'a Origin,
}

/// A document of the inbox.
#[derive(Queryable)]
struct WaitingFile {
    object_key: String,
    size_bytes: i64,
    sha256: Vec<u8>,
    found: serde_json::Value,
    arrived_as: String,
    quarantine: String,
    pages: Option<i32>,
    content_type: String,
}

impl WaitingFile {
    fn is_photo(&self) -> bool {
        self.content_type != content_type::PDF
    }
}

impl Inbox<'_> {
    /// Files a document with a BOL, as the next version of its kind there.
    pub async fn file(&self, id: i64, number: &BolNumber, kind: Kind) -> Result<(), FileError> {
        let found = self.find(id).await?;
        if !found.quarantine.is_empty() {
            return Err(FileError::Quarantined(found.quarantine));
        }
        self.file_found(id, found, number, kind, None).await
    }

    /// Files a quarantined document as it is, if an administrator allows that. Records `why`.
    pub async fn release(&self, id: i64, number: &BolNumber, kind: Kind, why: &str) -> Result<(), FileError> {
        let found = self.find(id).await?;
        if found.is_photo() {
            return Err(FileError::Photo);
        }
        let why: String = why.trim().chars().filter(|c| *c != '\0').take(MAX_REASON_CHARS).collect();
        if why.is_empty() {
            return Err(FileError::NoReason);
        }
        self.file_found(id, found, number, kind, Some(&why)).await
    }

    /// `released`: why a quarantined document is filed as it is.
    async fn file_found(
        &self,
        id: i64,
        found: WaitingFile,
        number: &BolNumber,
        kind: Kind,
        released: Option<&str>,
    ) -> Result<(), FileError> {
        let key: ObjectKey = found.object_key.parse().map_err(|_| FileError::Gone)?;
        // Fetches before locking anything, because it may take long.
        let file = self.spool.fetch(self.storage, &key).await?;
        let content = Content::File { file, size: found.size_bytes.unsigned_abs() };
        let begun = self.db.transaction(async |connection| {
            if released.is_some() {
                if !settings::releases_originals(connection).await? {
                    return Err(FileError::NotAllowed);
                }
                lifecycle::release(connection, id, self.viewer).await?;
            }
            self.begin(connection, id, &found, number, kind).await
        });
        let pending = match begun.await {
            Ok(pending) => pending,
            // Another clerk was first. Finds the BOL with which it was filed.
            Err(FileError::Gone) => return Err(self.find(id).await.err().unwrap_or(FileError::Gone)),
            Err(error) => return Err(error),
        };
        let mut detail = json!({"file": found.arrived_as, "found": found.found});
        if let Some(why) = released {
            detail["released"] = json!({"quarantine": found.quarantine, "why": why});
        }
        let filed = self.store_filed(&pending, &content, detail).await?;
        if filed { Ok(()) } else { Err(self.find(id).await.err().unwrap_or(FileError::Gone)) }
    }

    /// Puts a document that was filed, and records that. Returns `false` if another request did so first.
    async fn store_filed(
        &self,
        pending: &Pending,
        content: &Content,
        detail: serde_json::Value,
    ) -> Result<bool, FileError> {
        let (db, storage, clock, actor) = (self.db, self.storage, self.clock, self.viewer.actor());
        let store = DocumentStore { db, storage, clock, actor, origin: self.origin };
        let filed = store.store(pending, content, async |connection, finished| match finished {
            Finished::Stored(subject) | Finished::Diverted { subject, .. } => {
                let event = subject.event(Action::DocumentFiled, actor, self.origin);
                audit::record(connection, &event.detail(detail)).await.map(|()| true)
            }
            Finished::AlreadyStored { .. } | Finished::Superseded => Ok(false),
        });
        Ok(filed.await?)
    }

    async fn find(&self, id: i64) -> Result<WaitingFile, FileError> {
        self.find_for(id, false).await
    }

    /// Finds a document of the inbox and, if it is only to be viewed, of the bin.
    async fn find_for(&self, id: i64, for_looking: bool) -> Result<WaitingFile, FileError> {
        let mut connection = self.db.get().await?;
        let found = documents::table
            .find(id)
            .filter(documents::bol_id.is_null())
            .filter(documents::state.eq("stored"))
            .filter(documents::discarded_at.is_null().or(for_looking.into_sql::<Bool>()))
            .filter(documents::cleaned_at.is_null().or(for_looking.into_sql::<Bool>()))
            .select((
                documents::object_key,
                documents::size_bytes,
                documents::sha256,
                documents::found,
                documents::arrived_as,
                documents::quarantine,
                documents::pages,
                documents::content_type,
            ))
            .first(&mut connection)
            .await
            .optional()
            .map_err(DbError::from)?;
        match found {
            Some(found) => Ok(found),
            None => match DocumentSubject::find(&mut connection, id).await.optional().map_err(DbError::from)? {
                Some(DocumentSubject { bol_number: Some(number), .. }) => Err(FileError::Filed(number)),
                _ => Err(FileError::Gone),
            },
        }
    }

    async fn begin(
        &self,
        connection: &mut AsyncPgConnection,
        id: i64,
        found: &WaitingFile,
        number: &BolNumber,
        kind: Kind,
    ) -> Result<Pending, FileError> {
        let Some(place) = locked_place(connection, number).await? else {
            return Err(FileError::NoBol(number.clone()));
        };
        let twin: Option<i64> = documents::table
            .filter(documents::bol_id.eq(place.id))
            .filter(documents::sha256.eq(&found.sha256))
            .filter(documents::id.ne(id))
            .select(documents::id)
            .first(connection)
            .await
            .optional()?;
        if twin.is_some() {
            return Err(FileError::Double(number.clone()));
        }
        let Ok(sha256) = found.sha256[..].try_into() else { return Err(FileError::Gone) };
        let slot = version::next(connection, (place.id, number), kind).await?;
        let attempt = Attempt::new(self.viewer, self.clock);
        let pending = lifecycle::begin_filing(connection, (id, sha256), slot, None, attempt).await?;
        pending.ok_or(FileError::Gone)
    }

    /// Moves an uploaded document from the wrong BOL into the inbox, where only the office sees it. Returns the number
    /// of the BOL.
    pub async fn unfile(&self, id: i64) -> Result<String, FileError> {
        let unfiled = self.db.transaction(async |connection| -> DbResult<Option<String>> {
            let reason = |number: &str| format!("{} moved it back from {number}.", self.viewer.name);
            let Some(subject) = lifecycle::unfile(connection, id, reason).await? else { return Ok(None) };
            let event = subject.event(Action::DocumentUnfiled, self.viewer.actor(), self.origin);
            audit::record(connection, &event).await?;
            Ok(subject.bol_number)
        });
        unfiled.await?.ok_or(FileError::Gone)
    }

    /// Moves documents from the inbox into the bin, and returns how many. Skips those that have left the inbox.
    pub async fn discard(&self, ids: &[i64]) -> DbResult<usize> {
        self.put_on(ids, Shelf::Bin).await
    }

    pub async fn restore(&self, ids: &[i64]) -> DbResult<usize> {
        self.put_on(ids, Shelf::Inbox).await
    }

    async fn put_on(&self, ids: &[i64], shelf: Shelf) -> DbResult<usize> {
        let (at, by, action) = match shelf {
            Shelf::Bin => (Some(self.clock.now()), self.viewer.name.as_str(), Action::DocumentDiscarded),
            Shelf::Inbox => (None, "", Action::DocumentRestored),
        };
        self.db
            .transaction(async |connection| {
                // Locks in the order of ids, so that overlapping selections don't deadlock.
                let there: Vec<i64> = documents::table
                    .filter(documents::id.eq_any(ids))
                    .filter(documents::bol_id.is_null())
                    .filter(documents::state.eq("stored"))
                    .filter(documents::discarded_at.is_null().eq(shelf == Shelf::Bin))
                    .filter(documents::cleaned_at.is_null())
                    .order(documents::id)
                    .select(documents::id)
                    .for_update()
                    .load(connection)
                    .await?;
                let moved: Vec<i64> = diesel::update(documents::table)
                    .filter(documents::id.eq_any(there))
                    .set((documents::discarded_at.eq(at), documents::discarded_by.eq(by)))
                    .returning(documents::id)
                    .get_results(connection)
                    .await?;
                for id in &moved {
                    let subject = DocumentSubject::find(connection, *id).await?;
                    audit::record(connection, &subject.event(action, self.viewer.actor(), self.origin)).await?;
                }
                Ok(moved.len())
            })
            .await
    }

    /// Returns the first page of a document as PNG, or `None` if it can't be drawn. Records the view before it returns
    /// the picture.
    pub async fn preview(&self, id: i64, examiner: &Examiner) -> Result<Option<Vec<u8>>, FileError> {
        let found = self.find_for(id, true).await?;
        let key: ObjectKey = found.object_key.parse().map_err(|_| FileError::Gone)?;
        let mut file = self.spool.fetch(self.storage, &key).await?;
        if found.is_photo() {
            match examiner.photo_pdf(&file, self.spool).await {
                Ok((pdf, _)) => file = pdf.file,
                Err(ExamineError::Fault(_)) => return Ok(None),
                Err(ExamineError::Unavailable(error)) => return Err(StorageError::unavailable(error).into()),
            }
        }
        let picture = match examiner.preview(&file).await {
            Ok(Some(picture)) => picture,
            Ok(None) | Err(ExamineError::Fault(_)) => return Ok(None),
            Err(ExamineError::Unavailable(error)) => return Err(StorageError::unavailable(error).into()),
        };
        self.db
            .transaction(async |connection| -> DbResult<()> {
                let subject = DocumentSubject::find(connection, id).await?;
                let event = subject.event(Action::BolPreviewed, self.viewer.actor(), self.origin);
                Ok(audit::record(connection, &event.detail(json!({"pages": [1], "in": "inbox"}))).await?)
            })
            .await?;
        Ok(Some(picture))
    }
}
