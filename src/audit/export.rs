//! The log to take away: exactly the events that a filter shows, newest first, of one moment.
//!
//! One worker asks the database, another writes the file, off the async threads; whoever reads slowly slows both down, and
//! nothing piles up. An export is on record before its first byte, and again with its rows and its SHA-256 before its last
//! bytes are handed over. One that breaks off lacks its closing record (CSV, JSON Lines) or its directory (XLSX), and over
//! HTTP the end of its transfer.

mod text;
mod workbook;

use std::io;
use std::pin::pin;
use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::search::{self, Entry, Filter};
use super::{Action, Actor, Event, Origin, Outcome, record};
use crate::db::{Database, DbError, DbResult};
use crate::outlet::{Outlet, Pieces, Rest, hand_over};

/// Exports under way at the same time in one process: each has a connection of its own for as long as it is read.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Turns {
    const MOST: usize = 4;
}

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Self::MOST)))
    }
}

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
    pub told: Value,
    pub by: Exporter,
    pub origin: Origin,
}

/// An [`Actor`] that outlives the request.
pub struct Exporter {
    user_id: Option<i64>,
    email: String,
    role: Option<String>,
    seen_as: Option<String>,
}

impl From<Actor<'_>> for Exporter {
    fn from(actor: Actor<'_>) -> Self {
        Self {
            user_id: actor.user_id,
            email: actor.email.into(),
            role: actor.role.map(Into::into),
            seen_as: actor.seen_as.map(Into::into),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("too many exports are under way at the moment")]
    Busy,
    #[error(transparent)]
    Db(#[from] DbError),
}

pub type Bytes = mpsc::Receiver<io::Result<Vec<u8>>>;

enum Part {
    Lines(Vec<Entry>),
    /// All of them; without this the export is broken off.
    End,
}

/// What was written, whole or not.
struct Written {
    rows: u64,
    rest: io::Result<Rest>,
}

impl Export {
    /// On record, and then its bytes, as they are read; an error among them ends it. The task ends when its end is on record.
    pub async fn begin(self, db: Database, turns: &Turns) -> Result<(Bytes, JoinHandle<()>), ExportError> {
        let turn = turns.0.clone().try_acquire_owned().map_err(|_| ExportError::Busy)?;
        let id = Uuid::now_v7().to_string();
        let begun = json!({"export": id, "format": self.format.as_str(), "filter": self.told});
        self.record(&db, Action::AuditExportBegun, Outcome::Success, begun, None).await?;
        let (pieces, bytes) = mpsc::channel(4);
        Ok((bytes, tokio::spawn(self.run(db, id, pieces, turn))))
    }

    async fn run(self, db: Database, id: String, to: Pieces, _turn: OwnedSemaphorePermit) {
        let (lines, to_be_written) = mpsc::channel(4);
        let (format, outlet) = (self.format, Outlet::new(to.clone()));
        let writing = tokio::task::spawn_blocking(move || write(format, to_be_written, outlet));
        let apart = db.apart();
        let fed = tokio::select! {
            biased;
            fed = feed(&apart, &self.filter, &lines) => fed.map_err(|error| error.to_string()),
            // What the database still sends goes nowhere: its connection is closed, not read to the end.
            () = lines.closed() => Err("nobody reads any more".into()),
        };
        drop(lines);
        let (rows, rest) = match writing.await {
            Ok(Written { rows, rest }) => (rows, rest.map_err(|error| error.to_string())),
            Err(error) => (0, Err(error.to_string())),
        };
        let ended = fed.and(rest);
        let mut detail = json!({"export": id, "format": format.as_str(), "filter": self.told, "rows": rows});
        let recorded = match &ended {
            Ok(rest) => {
                detail["bytes"] = rest.size.into();
                self.record(&db, Action::AuditExported, Outcome::Success, detail, Some(&rest.sha256)).await
            }
            Err(why) => {
                tracing::warn!(why, rows, "an export of the log is broken off");
                detail["reason"] = "broken off".into();
                self.record(&db, Action::AuditExported, Outcome::Failed, detail, None).await
            }
        };
        if let Err(error) = &recorded {
            tracing::error!(%error, "the end of an export could not be put on record; it is broken off");
        }
        let last = match (ended, recorded) {
            (Ok(rest), Ok(())) => Ok(rest.bytes),
            _ => Err(io::Error::other("broken off")),
        };
        // If nobody takes it, nobody reads any more.
        let _ = hand_over(&to, last).await;
    }

    async fn record(
        &self,
        db: &Database,
        action: Action,
        outcome: Outcome,
        detail: Value,
        sha256: Option<&[u8]>,
    ) -> DbResult<()> {
        let Exporter { user_id, email, role, seen_as } = &self.by;
        let actor = Actor { user_id: *user_id, email, role: role.as_deref(), seen_as: seen_as.as_deref() };
        let mut event = Event::new(action, outcome, actor, &self.origin).detail(detail);
        event.sha256 = sha256;
        Ok(record(&mut *db.get().await?, &event).await?)
    }
}

async fn feed(db: &Database, filter: &Filter, to: &mpsc::Sender<Part>) -> DbResult<()> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let mut lines = pin!(search::all(connection, filter).await?);
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
fn write(format: Format, mut parts: mpsc::Receiver<Part>, outlet: Outlet) -> Written {
    let mut rows = 0;
    let mut lines = std::iter::from_fn(|| match parts.blocking_recv() {
        Some(Part::Lines(lines)) => Some(Ok(lines)),
        Some(Part::End) => None,
        None => Some(Err(io::Error::other("broken off"))),
    });
    let written = match format {
        Format::Csv => text::csv(&mut lines, outlet, &mut rows),
        Format::JsonLines => text::json_lines(&mut lines, outlet, &mut rows),
        Format::Xlsx => workbook::write(&mut lines, outlet, &mut rows),
    };
    Written { rows, rest: written.map(Outlet::end) }
}

/// What there is to write: events, or what broke off.
type Lines<'a> = &'a mut dyn Iterator<Item = io::Result<Vec<Entry>>>;
