//! Intake of an uploaded file: examine it, match it with its BOL, and store it there or in the inbox.
//!
//! [`evidence`] decides which BOL the file names. [`claim`] compares that with the database, and
//! [`crate::documents::lifecycle`] stores the document. [`journal`] keeps the outcome of each file. The user's access is
//! checked again with each file.

mod claim;
pub mod clamd;
mod evidence;
pub mod examine;
pub mod inbox;
pub mod journal;
mod name;
mod photo;
mod place;
mod screening;
mod upload_list;

use diesel::result::QueryResult;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use self::claim::{Claim, Claimed};
use self::examine::Findings;
use crate::accounts::Viewer;
use crate::accounts::access::{AccessError, assert_access};
use crate::audit::{self, Action, Event, Origin, Outcome as EventOutcome};
use crate::clock::Clock;
use crate::db::{Database, DbError, DbResult};
use crate::documents::Kind;
use crate::documents::lifecycle::{self, DocumentStore, Finished};
use crate::storage::spool::{Spool, Spooled};
use crate::storage::{Storage, StorageError};

use self::evidence::{Evidence, Verdict};
pub use name::FileName;
pub use photo::{Photo, photo_format};
pub use screening::{Examined, Screening};
pub use upload_list::UploadList;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The document is filed with its BOL.
    Stored,
    /// The portal has the file already; nothing was changed.
    Duplicate,
    /// The document waits in the inbox.
    NeedsReview,
    /// The file was not kept.
    Rejected,
}

impl Outcome {
    pub const ALL: [Self; 4] = [Self::Stored, Self::Duplicate, Self::NeedsReview, Self::Rejected];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::NeedsReview => "needs_review",
            Self::Rejected => "rejected",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Stored => "Stored",
            Self::Duplicate => "Duplicate",
            Self::NeedsReview => "In the inbox",
            Self::Rejected => "Rejected",
        }
    }
}

/// The outcome of one file.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub file_name: String,
    pub outcome: Outcome,
    pub bol_number: Option<String>,
    pub document_id: Option<i64>,
    pub reason: String,
    #[serde(skip)]
    pub size: u64,
    /// The file shows no number, so a list may still match it.
    #[serde(skip)]
    pub found_nothing: bool,
}

impl Receipt {
    pub fn rejected(name: &FileName, size: u64, reason: impl Into<String>) -> Self {
        Self {
            file_name: name.as_str().into(),
            outcome: Outcome::Rejected,
            bol_number: None,
            document_id: None,
            reason: reason.into(),
            size,
            found_nothing: false,
        }
    }
}

/// An uploaded file that arrived completely.
pub struct Arrival {
    pub name: FileName,
    /// The PDF: the uploaded one, or the one that was made of a photo.
    pub spooled: Spooled,
    /// The photo of which the PDF was made.
    pub photo: Option<Photo>,
}

impl Arrival {
    pub fn new(name: FileName, spooled: Spooled) -> Self {
        Self { name, spooled, photo: None }
    }

    /// Returns the number of open files: a photo and its PDF are two.
    pub fn file_count(&self) -> usize {
        1 + usize::from(self.photo.is_some())
    }

    /// Returns the file as it was uploaded.
    pub fn uploaded(&self) -> &Spooled {
        self.photo.as_ref().map_or(&self.spooled, |photo| &photo.spooled)
    }
}

/// What the uploading user or system states about a file.
#[derive(Clone, Copy, Default)]
pub struct UploadOptions<'a> {
    pub kind: Option<Kind>,
    /// Code of the customer who should own the BOL.
    pub customer: Option<&'a str>,
    pub list: Option<&'a UploadList>,
    /// The same upload has already settled the file, without the list.
    pub is_again: bool,
}

/// A failure that the file did not cause. A later upload of the same file can succeed.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("the file can't be examined: {0}")]
    Unavailable(String),
    #[error("clamd: {0}")]
    Scanner(String),
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The uploading user's access was taken away, or can't be looked up.
    #[error(transparent)]
    Access(AccessError),
}

impl From<DbError> for IntakeError {
    fn from(error: DbError) -> Self {
        Self::Access(error.into())
    }
}

crate::db::query_error_into!(IntakeError);
lifecycle::store_error_into!(IntakeError);

/// The context of an upload.
pub struct Intake<'a> {
    pub db: &'a Database,
    pub storage: &'a Storage,
    pub clock: &'a Clock,
    pub screening: Screening<'a>,
    pub spool: &'a Spool,
    pub viewer: &'a Viewer,
    pub origin: &'a Origin,
    /// Identifies the upload, whose outcomes can be read again later.
    pub batch: &'a str,
}

/// Serializes transactions over files with the same bytes, until the transaction ends.
pub(super) async fn take_turns(connection: &mut AsyncPgConnection, sha256: &[u8; 32]) -> QueryResult<()> {
    let turn = i64::from_be_bytes(sha256[..8].try_into().unwrap_or_default());
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<BigInt, _>(turn).execute(connection).await.map(drop)
}

impl Intake<'_> {
    /// Examines an uploaded file. A photo becomes a PDF first.
    pub async fn examine(&self, arrival: &mut Arrival) -> Result<Examined, IntakeError> {
        self.screening.screen_arrival(arrival, self.spool).await
    }

    /// Stores an examined file with its BOL or in the inbox, or records why it is rejected.
    pub async fn settle(
        &self,
        arrival: &Arrival,
        examined: Examined,
        options: UploadOptions<'_>,
    ) -> Result<Receipt, IntakeError> {
        let Arrival { name, spooled, photo } = arrival;
        let findings = match examined {
            Ok(findings) => findings,
            Err(reason) => {
                let uploaded = arrival.uploaded();
                return self.reject(name, uploaded.size, Some(uploaded.sha256), &reason).await;
            }
        };
        let row = options.list.and_then(|list| list.row(name));
        let Screening { prefix, codes, .. } = self.screening;
        let evidence = Evidence::new(&findings, name, row.as_ref(), prefix, codes);
        let stated = row.as_ref().and_then(|row| row.kind).or(options.kind);
        let of_row = row.as_ref().map(|row| row.customer.as_str()).filter(|code| !code.is_empty());
        let claim = Claim {
            intake: self,
            name,
            spooled,
            photo: photo.as_ref(),
            findings: &findings,
            evidence: &evidence,
            kind: stated.unwrap_or_else(|| evidence.kind(name, prefix, photo.is_some())),
            is_kind_stated: stated.is_some(),
            customer: of_row.or(options.customer),
            is_again: options.is_again,
        };
        let claimed = self.db.transaction(async |connection| -> DbResult<_> {
            assert_access(connection, self.viewer, self.clock.now()).await?;
            Ok(claim.take(connection).await?)
        });
        match claimed.await? {
            Claimed::Settled(receipt) => Ok(receipt),
            Claimed::Pending(taken) => self.store(&claim, taken).await,
        }
    }

    async fn store(&self, claim: &Claim<'_>, taken: claim::Taken) -> Result<Receipt, IntakeError> {
        let (db, storage, clock) = (self.db, self.storage, self.clock);
        let store = DocumentStore { db, storage, clock, actor: self.viewer.actor(), origin: self.origin };
        let content = claim.spooled.content();
        let photo = taken.photo.as_ref().zip(claim.photo);
        let original = photo.map(|(pending, photo)| (pending, photo.spooled.content()));
        let original = original.as_ref().map(|(pending, content)| (*pending, content));
        let receipt = store.store_with(original, &taken.pending, &content, async |connection, finished| {
            let (subject, diverted) = match finished {
                Finished::Stored(subject) => (subject, None),
                Finished::Diverted { subject, reason } => (subject, Some(reason)),
                // The same file was uploaded twice at once, and the other upload was first.
                Finished::AlreadyStored { number } => {
                    let receipt = claim.duplicate(taken.pending.id, number);
                    return Ok(Some(journal::write(connection, self, receipt).await?));
                }
                Finished::Superseded => return Ok(None),
            };
            let is_filed = taken.was_waiting && subject.bol_id.is_some();
            let action = if is_filed { Action::DocumentFiled } else { Action::DocumentUploaded };
            let receipt = claim.receipt(&taken, diverted);
            let inbox = (receipt.outcome == Outcome::NeedsReview).then_some(&receipt.reason);
            let mut detail = json!({"file": claim.name.as_str(), "found": claim.evidence.to_json(), "inbox": inbox});
            if let Some((pending, photo)) = photo {
                detail["photo"] = photo.to_json(pending);
            }
            let Findings { concerns, preamble, .. } = claim.findings;
            if !concerns.is_empty() {
                detail["concerns"] = json!(concerns);
            }
            if let Some(preamble) = preamble {
                detail["preamble"] = json!(preamble);
            }
            audit::record(connection, &subject.event(action, self.viewer.actor(), self.origin).detail(detail)).await?;
            Ok(Some(journal::write(connection, self, receipt).await?))
        });
        let superseded = || IntakeError::Unavailable("another upload of the same file is in progress".into());
        receipt.await?.ok_or_else(superseded)
    }

    /// Records the rejection of a file.
    pub async fn reject(
        &self,
        name: &FileName,
        size: u64,
        sha256: Option<[u8; 32]>,
        reason: &str,
    ) -> Result<Receipt, IntakeError> {
        let receipt = self.db.transaction(async |connection| {
            assert_access(connection, self.viewer, self.clock.now()).await?;
            let mut event =
                Event::new(Action::DocumentRejected, EventOutcome::Failed, self.viewer.actor(), self.origin);
            (event.file_name, event.sha256) = (Some(name.as_str()), sha256.as_ref().map(<[u8; 32]>::as_slice));
            audit::record(connection, &event.detail(json!({"reason": reason, "size_bytes": size}))).await?;
            Ok(journal::write(connection, self, Receipt::rejected(name, size, reason)).await?)
        });
        receipt.await
    }

    /// Records that a file was not taken because the user's access was taken away during the upload.
    pub async fn record_access_ended(&self, name: &FileName, reason: &str) -> DbResult<()> {
        let mut event = Event::new(Action::DocumentRejected, EventOutcome::Failed, self.viewer.actor(), self.origin);
        event.file_name = Some(name.as_str());
        Ok(audit::record(&*self.db.get().await?, &event.detail(json!({"reason": reason}))).await?)
    }
}
