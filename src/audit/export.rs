//! Exports: the events that a filter selects, newest first, of one snapshot.
//!
//! One worker reads the database, another writes the file on a blocking thread. A slow reader slows both down, so
//! memory stays constant. An export is recorded before its first byte, and again with its rows and its SHA-256 before
//! its last bytes. An incomplete one lacks its closing record (CSV, JSON Lines) or its directory (XLSX), and over HTTP
//! the end of its transfer.

mod run;
mod text;
mod workbook;

use std::io;
use std::pin::pin;

use chrono_tz::Tz;
use diesel_async::AsyncPgConnection;
use futures_util::TryStreamExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::text::write_members;
pub use run::{AccessCheck, ExportBroken, ExportError, ExportRun, ExportSlot, ExportSlots, OwnedActor, WrittenFile};

use super::search::{self, Filter};
use super::{EventRow, Origin};
use crate::db::replica::WHOLE_LOG;
use crate::db::{Database, DbError};
use crate::stream_writer::{ByteReceiver, StreamLimits, StreamWriter, stream};

/// Events that one worker sends to the other at once.
const BATCH_EVENTS: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
    Xlsx,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Csv, Self::JsonLines, Self::Xlsx];

    /// The name in addresses and flags, and the extension of files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Xlsx => "xlsx",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::JsonLines => "application/x-ndjson",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|format| format.as_str() == name).ok_or(())
    }
}

/// A request for an export.
pub struct Export {
    pub filter: Filter,
    pub format: Format,
    /// The zone of the dates in a workbook.
    pub zone: Tz,
    /// The filter as it was typed, for the log.
    pub filter_json: Value,
    pub by: OwnedActor,
    pub origin: Origin,
    /// Checked again before each batch. `None` for the command line, which no one can take away from the operator.
    pub access: Option<AccessCheck>,
}

/// What the reading worker sends to the writing one.
enum Part {
    Events(Vec<EventRow>),
    /// There are no more events. Without this part, the export is incomplete.
    End,
}

impl Export {
    /// Records the export and starts it. Returns its bytes, which end with an error if it fails, and a task that ends
    /// when the result is recorded.
    pub async fn begin(self, db: Database, slots: &ExportSlots) -> Result<(ByteReceiver, JoinHandle<()>), ExportError> {
        let Self { filter, format, zone, filter_json, by, origin, access } = self;
        let limits = if access.is_some() { StreamLimits::RESPONSE } else { StreamLimits::COMMAND };
        let run = ExportRun::begin(db.clone(), slots.acquire()?, format.as_str(), filter_json, (by, origin)).await?;
        let (to, bytes) = stream(limits);
        let (parts, to_write) = mpsc::channel(4);
        let writer = StreamWriter::new(to.clone());
        let writing = tokio::task::spawn_blocking(move || write(format, zone, to_write, writer));
        let feed = {
            let parts = parts.clone();
            async move { feed(&db.reader(WHOLE_LOG).await.apart(), &filter, access.as_ref(), &parts).await }
        };
        Ok((bytes, tokio::spawn(run.run(to, parts, feed, writing))))
    }
}

/// Reads the events and sends them in batches, each after another check of the access. A failed send is ignored:
/// [`ExportRun::run`] notices that the reader has gone.
async fn feed(
    db: &Database,
    filter: &Filter,
    access: Option<&AccessCheck>,
    to: &mpsc::Sender<Part>,
) -> Result<(), ExportBroken> {
    db.transaction(async |connection: &mut AsyncPgConnection| -> Result<(), ExportBroken> {
        let mut events = pin!(search::stream_all(connection, filter).await.map_err(DbError::from)?);
        let mut batch = Vec::with_capacity(BATCH_EVENTS);
        while let Some(event) = events.try_next().await.map_err(DbError::from)? {
            batch.push(event);
            if batch.len() == BATCH_EVENTS {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_EVENTS));
                send(Part::Events(full), access, to).await?;
            }
        }
        send(Part::Events(batch), access, to).await
    })
    .await?;
    send(Part::End, access, to).await
}

/// Waits for room first, because the reader may be slow, then checks the access.
async fn send(part: Part, access: Option<&AccessCheck>, to: &mpsc::Sender<Part>) -> Result<(), ExportBroken> {
    let Ok(place) = to.reserve().await else { return Ok(()) };
    if let Some(check) = access {
        check().await?;
    }
    place.send(part);
    Ok(())
}

/// Writes the file. Blocks while there is nothing to write, or while the reader is slow.
fn write(format: Format, zone: Tz, mut parts: mpsc::Receiver<Part>, writer: StreamWriter) -> WrittenFile {
    let mut rows = 0;
    let mut batches = std::iter::from_fn(|| match parts.blocking_recv() {
        Some(Part::Events(events)) => Some(Ok(events)),
        Some(Part::End) => None,
        None => Some(Err(io::Error::other("the log was not read to its end"))),
    });
    let written = match format {
        Format::Csv => text::csv(&mut batches, writer, &mut rows),
        Format::JsonLines => text::json_lines(&mut batches, writer, &mut rows),
        Format::Xlsx => workbook::write(&mut batches, writer, &mut rows, zone),
    };
    WrittenFile { rows, rest: written.map(StreamWriter::into_unsent) }
}

/// Batches of events; an error ends an incomplete export.
type Batches<'a> = &'a mut dyn Iterator<Item = io::Result<Vec<EventRow>>>;
