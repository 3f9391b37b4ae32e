//! A ZIP with the PDFs of many BOLs, an index and checksums, streamed while it is made.
//!
//! Before its first byte, the user's access is checked again and the document is recorded. One task queries the database and the storage; a blocking thread
//! compresses. Bounded channels slow both down to the speed of the reader. A truncated ZIP lacks its directory at the
//! end, so that every program reports it as damaged.

pub mod archive;

use std::fs::File;
use std::sync::Arc;

use chrono::NaiveDate;
use diesel_async::AsyncPgConnection;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use super::Kind;
use super::access_record::DocumentRef;
use super::fetcher::{DocumentFetcher, FetchError, Fetched};
use crate::accounts::access::AccessError;
use crate::accounts::response_slots::ResponseSlot;
use crate::audit::{self, Action, Event, Outcome};
use crate::bols::search::{self, BolSummary, Selection};
use crate::db::DbResult;
use crate::db::scope::{self, Scope};
use crate::storage::spool::Spooled;
use crate::stream_writer::{ByteReceiver, StreamEnd, StreamLimits, StreamWriter, stream};

/// BOLs in one ZIP.
pub const MAX_BOLS: usize = 5000;
/// BOLs that one query reads.
const BATCH: usize = 200;
/// One permit for each ZIP that a process can create at a time. Each takes a thread, some 2 MB, and three PDFs in the
/// spool. [`ResponseSlot`] limits how many of them are one company's.
static TURNS: Semaphore = Semaphore::const_new(48);

pub struct BolZip {
    pub fetcher: DocumentFetcher,
    pub documents: DocumentChoice,
    /// Whether the index lists BOLs without such a document, with the reason.
    pub lists_missing: bool,
}

/// The documents of each BOL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentChoice {
    /// The current version of this kind.
    Kind(Kind),
    /// The current version of every kind, and for staff the photos of which PDFs were made.
    All,
}

impl DocumentChoice {
    /// Parses `all` or the name of a kind.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "all" { Some(Self::All) } else { name.parse().ok().map(Self::Kind) }
    }

    /// Returns those that the BOL has.
    fn of(self, row: &BolSummary) -> Vec<Kind> {
        let has = |kind: &Kind| row.document_kinds.iter().any(|known| known == kind.as_str());
        match self {
            Self::Kind(kind) => Some(kind).filter(has).into_iter().collect(),
            Self::All => Kind::ALL.into_iter().filter(has).collect(),
        }
    }

    /// Returns why the index has no file for a BOL.
    fn missing(self) -> String {
        match self {
            Self::Kind(kind) => format!("no {} is filed", kind.short_label()),
            Self::All => "no document is filed".into(),
        }
    }
}

/// A line of the index.
#[derive(Clone)]
struct ZipEntry {
    number: String,
    kind: Kind,
    date: NaiveDate,
    customer: String,
    product: String,
    net_lb: i32,
    is_void: bool,
    /// Why the PDF is missing; empty if it is there.
    problem: String,
}

enum ZipPart {
    Document {
        entry: ZipEntry,
        /// The name in the ZIP.
        name: String,
        file: Arc<File>,
        size: u64,
        sha256: [u8; 32],
    },
    Missing(ZipEntry),
    /// Completes the ZIP; without it the ZIP is truncated.
    End,
}

/// The process is already creating as many ZIPs as allowed.
#[derive(Debug, thiserror::Error)]
#[error("too many ZIPs are being created right now")]
pub struct Busy;

impl BolZip {
    /// Returns the bytes of the ZIP as the response reads them. An error ends the stream. `slot` is held until then.
    pub fn stream(self, selection: Selection, slot: ResponseSlot) -> Result<ByteReceiver, Busy> {
        let turn = TURNS.try_acquire().map_err(|_| Busy)?;
        let (parts, to_be_packed) = mpsc::channel(2);
        let (packed, bytes) = stream(StreamLimits::RESPONSE);
        let writer = StreamWriter::new(packed.clone());
        tokio::task::spawn_blocking(move || archive::pack(to_be_packed, writer));
        tokio::spawn(async move {
            let _slot = slot;
            let reason = match self.feed(selection, &parts, turn).await {
                Ok(()) => match packed.end() {
                    None | Some(StreamEnd::ReaderGone) => return,
                    Some(end) => end.to_string(),
                },
                Err(error) => error.to_string(),
            };
            packed.break_off();
            tracing::warn!(reason, "a ZIP was truncated");
            if let Err(error) = self.record_truncation(&reason).await {
                tracing::error!(%error, "can't record that a ZIP was truncated");
            }
        });
        Ok(bytes)
    }

    async fn record_truncation(&self, reason: &str) -> DbResult<()> {
        let event =
            Event::new(Action::BolsZipped, Outcome::Failed, self.fetcher.viewer().actor(), &self.fetcher.origin);
        let event = event.detail(serde_json::json!({"reason": reason}));
        scope::record(&self.fetcher.db, &self.fetcher.viewer().scope(), async |connection: &AsyncPgConnection| {
            audit::record(connection, &event).await
        })
        .await
    }

    async fn feed(
        &self,
        selection: Selection,
        to: &mpsc::Sender<ZipPart>,
        _turn: SemaphorePermit<'_>,
    ) -> Result<(), FetchError> {
        match selection {
            Selection::These(rows) => {
                for (row, owner) in rows {
                    if !self.send(row, &owner, to).await? {
                        return Ok(());
                    }
                }
            }
            Selection::Matching(mut search) => {
                let mut count = 0;
                loop {
                    let found = search::batch(&self.fetcher.db, &self.fetcher.viewer().scope(), &search, BATCH).await;
                    let found = found.map_err(AccessError::Db)?;
                    for row in found.rows {
                        count += 1;
                        let owner = row.owner(&found.owners, self.fetcher.viewer()).unwrap_or_default().to_owned();
                        if count > MAX_BOLS || !self.send(row, &owner, to).await? {
                            return Ok(());
                        }
                    }
                    match found.next {
                        Some(next) => search.after = Some(next),
                        None => break,
                    }
                }
            }
        }
        // The index is the last part.
        self.fetcher.access.check().await?;
        // Fails if the reader is gone, which needs no handling.
        let _ = to.send(ZipPart::End).await;
        Ok(())
    }

    /// Sends the documents of one BOL. Returns `false` if the reader is gone.
    async fn send(&self, row: BolSummary, owner: &str, to: &mpsc::Sender<ZipPart>) -> Result<bool, FetchError> {
        let entry = ZipEntry {
            kind: Kind::Bol,
            date: row.bol_date,
            customer: owner.to_owned(),
            product: row.product.clone(),
            net_lb: row.net_lb,
            is_void: row.voided_at.is_some(),
            problem: String::new(),
            number: row.number.clone(),
        };
        let kinds = self.documents.of(&row);
        if kinds.is_empty() {
            if !self.lists_missing {
                return Ok(!to.is_closed());
            }
            let missing = ZipPart::Missing(ZipEntry { problem: self.documents.missing(), ..entry });
            return Ok(to.send(missing).await.is_ok());
        }
        for kind in kinds {
            // Waits for room before recording the access, because the reader may still be reading earlier files.
            let Ok(place) = to.reserve().await else { return Ok(false) };
            let entry = ZipEntry { kind, ..entry.clone() };
            let wanted = DocumentRef::Current { number: &entry.number, kind };
            let (part, original) = self.fetch(&entry, wanted).await?;
            if let Some(part) = part {
                place.send(part);
            }
            let Some(photo) = original.filter(|_| self.has_photos()) else { continue };
            let Ok(place) = to.reserve().await else { return Ok(false) };
            let (part, _) = self.fetch(&entry, DocumentRef::Photo(photo)).await?;
            if let Some(part) = part {
                place.send(part);
            }
        }
        Ok(true)
    }

    /// Whether the ZIP has the photo of each PDF that was made of one. Customers get the PDF alone.
    fn has_photos(&self) -> bool {
        self.documents == DocumentChoice::All && self.fetcher.viewer().scope() == Scope::All
    }

    /// Records and fetches one document. Returns no part if it is no longer within the viewer's scope, and the id of its
    /// original, if it has one.
    async fn fetch(
        &self,
        entry: &ZipEntry,
        wanted: DocumentRef<'_>,
    ) -> Result<(Option<ZipPart>, Option<i64>), FetchError> {
        let entry = entry.clone();
        Ok(match self.fetcher.fetch(wanted).await? {
            None => (None, None),
            Some(Fetched::File(Spooled { file, size, sha256 }, recorded)) => {
                let pdf = entry.kind.file_name(&entry.number);
                let name = match (wanted, recorded.object_key.rsplit_once('.'), pdf.rsplit_once('.')) {
                    (DocumentRef::Photo(_), Some((_, extension)), Some((stem, _))) => {
                        format!("{stem}-photo.{extension}")
                    }
                    _ => pdf,
                };
                (Some(ZipPart::Document { entry, name, file, size, sha256 }), recorded.original_id)
            }
            Some(Fetched::Problem(problem)) => {
                (Some(ZipPart::Missing(ZipEntry { problem: problem.into(), ..entry })), None)
            }
        })
    }
}
