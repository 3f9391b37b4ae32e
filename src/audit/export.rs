//! The log to take away: exactly the events that a filter shows, newest first, of one moment.
//!
//! One worker asks the database, another writes the file, off the async threads; whoever reads slowly slows both down, and
//! nothing piles up. An export is on record before its first byte, and again with its rows and its SHA-256 before its last
//! bytes are handed over. One that breaks off lacks its closing record (CSV, JSON Lines) or its directory (XLSX), and over
//! HTTP the end of its transfer.

mod taking;
mod text;
mod workbook;

use std::io;
use std::pin::pin;

use diesel_async::AsyncPgConnection;
use futures_util::TryStreamExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use taking::{Bytes, ExportError, Exporter, Taking, Turns, Written};

use super::search::{self, Filter};
use super::{EventRow, Origin};
use crate::db::{Database, DbResult};
use crate::stream_writer::StreamWriter;

/// Events that are handed from one worker to the other at once.
const BATCH: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
    Xlsx,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Csv, Self::JsonLines, Self::Xlsx];

    /// As it stands in addresses, and as files end.
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

/// What is to be exported, and for whom.
pub struct Export {
    pub filter: Filter,
    pub format: Format,
    /// The filter as it was typed, for the log.
    pub filter_json: Value,
    pub by: Exporter,
    pub origin: Origin,
}

enum Part {
    Lines(Vec<EventRow>),
    /// All of them; without this the export is broken off.
    End,
}

impl Export {
    /// On record, and then its bytes, as they are read; an error among them ends it. The task ends when its end is on record.
    pub async fn begin(self, db: Database, turns: &Turns) -> Result<(Bytes, JoinHandle<()>), ExportError> {
        let Self { filter, format, filter_json, by, origin } = self;
        let taking = Taking::begin(db.clone(), turns.take()?, format.as_str(), filter_json, (by, origin)).await?;
        let (to, bytes) = mpsc::channel(4);
        let (parts, to_be_written) = mpsc::channel(4);
        let writer = StreamWriter::new(to.clone());
        let writing = tokio::task::spawn_blocking(move || write(format, to_be_written, writer));
        let fed = {
            let parts = parts.clone();
            async move { feed(&db.apart(), &filter, &parts).await.map_err(|error| error.to_string()) }
        };
        Ok((bytes, tokio::spawn(taking.run(to, parts, fed, writing))))
    }
}

async fn feed(db: &Database, filter: &Filter, to: &mpsc::Sender<Part>) -> DbResult<()> {
    db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
        let mut lines = pin!(search::stream_all(connection, filter).await?);
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(line) = lines.try_next().await? {
            batch.push(line);
            if batch.len() == BATCH {
                // If nobody takes it, this is given up by whoever waits for it.
                let _ = to.send(Part::Lines(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))).await;
            }
        }
        let _ = to.send(Part::Lines(batch)).await;
        Ok(())
    })
    .await?;
    let _ = to.send(Part::End).await;
    Ok(())
}

/// Blocks.
fn write(format: Format, mut parts: mpsc::Receiver<Part>, writer: StreamWriter) -> Written {
    let mut rows = 0;
    let mut lines = std::iter::from_fn(|| match parts.blocking_recv() {
        Some(Part::Lines(lines)) => Some(Ok(lines)),
        Some(Part::End) => None,
        None => Some(Err(io::Error::other("broken off"))),
    });
    let written = match format {
        Format::Csv => text::csv(&mut lines, writer, &mut rows),
        Format::JsonLines => text::json_lines(&mut lines, writer, &mut rows),
        Format::Xlsx => workbook::write(&mut lines, writer, &mut rows),
    };
    Written { rows, rest: written.map(StreamWriter::into_unsent) }
}

/// What there is to write: events, or what broke off.
type Lines<'a> = &'a mut dyn Iterator<Item = io::Result<Vec<EventRow>>>;
