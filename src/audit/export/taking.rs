//! What is taken away of the log is on record before its first byte, and before its last ones with what it came to.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::audit::{Action, Actor, Event, Origin, Outcome, record};
use crate::db::{Database, DbError, DbResult};
use crate::stream_writer::{ChunkSender, Unsent, send_chunk};

/// What is taken away at the same time from one process: each has connections of its own for as long as it is read.
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

/// One of them. To be had first of all: what it is for costs something.
pub struct Turn(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Turns {
    pub fn take(&self) -> Result<Turn, ExportError> {
        self.0.clone().try_acquire_owned().map(Turn).map_err(|_| ExportError::Busy)
    }
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

/// What was written, whole or not.
pub struct Written {
    /// Events.
    pub rows: u64,
    pub rest: io::Result<Unsent>,
}

/// One that has begun.
pub struct Taking {
    db: Database,
    id: String,
    format: &'static str,
    told: Value,
    by: Exporter,
    origin: Origin,
    _turn: Turn,
}

impl Taking {
    /// `told`: what was asked for, as it was typed.
    pub async fn begin(
        db: Database,
        turn: Turn,
        format: &'static str,
        told: Value,
        (by, origin): (Exporter, Origin),
    ) -> Result<Self, ExportError> {
        let taking = Self { db, id: Uuid::now_v7().to_string(), format, told, by, origin, _turn: turn };
        taking.record(Action::AuditExportBegun, Outcome::Success, taking.detail(), None).await?;
        Ok(taking)
    }

    fn detail(&self) -> Value {
        json!({"export": self.id, "format": self.format, "filter": self.told})
    }

    /// One worker finds out what there is (`feed`) and hands it to another (`pieces`), off the async threads, that makes bytes
    /// of it for whoever reads (`to`). Ends when the end is on record.
    pub async fn run<P>(
        self,
        to: ChunkSender,
        pieces: mpsc::Sender<P>,
        feed: impl Future<Output = Result<(), String>>,
        writing: JoinHandle<Written>,
    ) {
        let fed = tokio::select! {
            biased;
            fed = feed => fed,
            // What the database still sends goes nowhere: its connection is closed, not read to the end.
            () = pieces.closed() => Err("nobody reads any more".into()),
            () = to.closed() => Err("nobody reads any more".into()),
        };
        drop(pieces);
        let (rows, rest) = match writing.await {
            Ok(Written { rows, rest }) => (rows, rest.map_err(|error| error.to_string())),
            Err(error) => (0, Err(error.to_string())),
        };
        self.end(&to, rows, fed.and(rest)).await;
    }

    /// Hands over the last bytes once the end is on record, or breaks off.
    async fn end(self, to: &ChunkSender, rows: u64, ended: Result<Unsent, String>) {
        let mut detail = self.detail();
        detail["rows"] = rows.into();
        let recorded = match &ended {
            Ok(rest) => {
                detail["bytes"] = rest.size.into();
                self.record(Action::AuditExported, Outcome::Success, detail, Some(&rest.sha256)).await
            }
            Err(why) => {
                tracing::warn!(why, rows, "an export of the log is broken off");
                detail["reason"] = "broken off".into();
                self.record(Action::AuditExported, Outcome::Failed, detail, None).await
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
        let _ = send_chunk(to, last).await;
    }

    async fn record(&self, action: Action, outcome: Outcome, detail: Value, sha256: Option<&[u8]>) -> DbResult<()> {
        let Exporter { user_id, email, role, seen_as } = &self.by;
        let actor = Actor { user_id: *user_id, email, role: role.as_deref(), seen_as: seen_as.as_deref() };
        let mut event = Event::new(action, outcome, actor, &self.origin).detail(detail);
        event.sha256 = sha256;
        Ok(record(&mut *self.db.get().await?, &event).await?)
    }
}
