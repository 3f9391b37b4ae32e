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

use super::access_record::{self, DocumentRef};
use super::fetcher::{DocumentFetcher, FetchError, Fetched};
use super::lookup_limit;
use crate::accounts::access::AccessError;
use crate::accounts::response_slots::ResponseSlot;
use crate::audit::{self, Action, Event, Outcome};
use crate::bols::BolNumber;
use crate::bols::search::{self, BolSummary, Meaning, Search, Term};
use crate::db::DbResult;
use crate::db::scope;
use crate::storage::spool::Spooled;
use crate::stream_writer::{ByteReceiver, StreamEnd, StreamLimits, StreamWriter, stream};

/// BOLs in one ZIP.
pub const MAX_BOLS: usize = 5000;
/// BOLs that one request names.
pub const MAX_NUMBERS: usize = 500;
/// One permit for each ZIP that a process can create at a time. Each takes a thread, some 2 MB, and three PDFs in the
/// spool. [`ResponseSlot`] limits how many of them are one company's.
static TURNS: Semaphore = Semaphore::const_new(48);

pub struct BolZip(pub DocumentFetcher);

/// The BOLs of a ZIP.
pub enum Selection {
    Matching(Box<Search>),
    /// BOLs within the viewer's scope.
    These(Vec<BolSummary>),
}

/// A line of the index.
struct ZipEntry {
    number: String,
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
    /// Returns the BOLs with these numbers. Returns `None`, and records the refusal, if one is not within the scope or
    /// isn't a number.
    pub async fn find(&self, numbers: &[String]) -> DbResult<Option<Vec<BolSummary>>> {
        let scope = self.0.viewer().scope();
        let condition = lookup_limit::condition(&scope);
        scope::record_if(&self.0.db, &scope, condition.as_deref(), async |_: &AsyncPgConnection| Ok(())).await?;
        let mut rows = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Ok(wanted) = number.parse::<BolNumber>() else {
                scope::record(&self.0.db, &scope, async |connection: &AsyncPgConnection| {
                    access_record::deny_text(connection, self.0.viewer().actor(), &self.0.origin, number).await
                })
                .await?;
                return Ok(None);
            };
            let term = Term { typed: number.clone(), meaning: Meaning::Number(wanted) };
            let by_number = Search { terms: vec![term], ..Search::default() };
            let found = search::search(&self.0.db, &scope, &by_number).await?.rows;
            match found.into_iter().map(|(row, _)| row).find(|row| row.number == *number) {
                Some(row) => rows.push(row),
                None => {
                    scope::record(&self.0.db, &scope, async |connection: &AsyncPgConnection| {
                        access_record::deny(
                            connection,
                            &scope,
                            self.0.viewer().actor(),
                            &self.0.origin,
                            DocumentRef::BolNumber(number),
                        )
                        .await
                    })
                    .await?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(rows))
    }

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
        let event = Event::new(Action::BolsZipped, Outcome::Failed, self.0.viewer().actor(), &self.0.origin);
        let event = event.detail(serde_json::json!({"reason": reason}));
        scope::record(&self.0.db, &self.0.viewer().scope(), async |connection: &AsyncPgConnection| {
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
                for row in rows {
                    if !self.send(row, "", to).await? {
                        return Ok(());
                    }
                }
            }
            Selection::Matching(mut search) => {
                let mut count = 0;
                loop {
                    let found = search::search(&self.0.db, &self.0.viewer().scope(), &search).await;
                    let found = found.map_err(AccessError::Db)?;
                    for (row, _) in found.rows {
                        count += 1;
                        let owner = row.owner(&found.owners, self.0.viewer()).unwrap_or_default().to_owned();
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
        self.0.access.check().await?;
        // Fails if the reader is gone, which needs no handling.
        let _ = to.send(ZipPart::End).await;
        Ok(())
    }

    /// Sends one BOL. Returns `false` if the reader is gone.
    async fn send(&self, row: BolSummary, owner: &str, to: &mpsc::Sender<ZipPart>) -> Result<bool, FetchError> {
        if !row.document_kinds.iter().any(|kind| kind == "bol") {
            return Ok(!to.is_closed());
        }
        // Waits for room before recording the access, because the reader may still be reading earlier files.
        let Ok(place) = to.reserve().await else { return Ok(false) };
        let entry = ZipEntry {
            number: row.number,
            date: row.bol_date,
            customer: owner.to_owned(),
            product: row.product,
            net_lb: row.net_lb,
            is_void: row.voided_at.is_some(),
            problem: String::new(),
        };
        if let Some(part) = self.fetch(entry).await? {
            place.send(part);
        }
        Ok(true)
    }

    /// Records and fetches one PDF. Returns `None` if it is no longer within the viewer's scope.
    async fn fetch(&self, entry: ZipEntry) -> Result<Option<ZipPart>, FetchError> {
        Ok(match self.0.fetch(DocumentRef::BolNumber(&entry.number)).await? {
            None => None,
            Some(Fetched::File(Spooled { file, size, sha256 })) => {
                Some(ZipPart::Document { entry, file, size, sha256 })
            }
            Some(Fetched::Problem(problem)) => Some(ZipPart::Missing(ZipEntry { problem: problem.into(), ..entry })),
        })
    }
}
