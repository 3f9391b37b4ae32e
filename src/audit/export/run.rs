//! A download of the log, as an export or a pack. It is recorded before its first byte, and again with its result
//! before its last bytes.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::audit::{Action, Actor, Event, Origin, Outcome, TokenName, record};
use crate::db::{Database, DbError, DbResult};
use crate::stream_writer::{ChunkSender, StreamEnd, Unsent};

/// Limits the exports that run at the same time in one process, because each holds database connections while it is
/// read.
#[derive(Clone, Debug)]
pub struct ExportSlots(Arc<Semaphore>);

impl ExportSlots {
    const MAX_EXPORTS: usize = 4;

    /// Takes a slot for an export, or returns [`ExportError::Busy`]. Take it first: preparing an export costs time.
    pub fn acquire(&self) -> Result<ExportSlot, ExportError> {
        self.0.clone().try_acquire_owned().map(ExportSlot).map_err(|_| ExportError::Busy)
    }
}

impl Default for ExportSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Self::MAX_EXPORTS)))
    }
}

/// The right to run one export; dropping it frees the slot.
pub struct ExportSlot(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

/// An [`Actor`] that outlives the request.
pub struct OwnedActor {
    user_id: Option<i64>,
    email: String,
    role: Option<String>,
    seen_as: Option<String>,
    token: Option<(i64, String)>,
}

impl From<Actor<'_>> for OwnedActor {
    fn from(actor: Actor<'_>) -> Self {
        Self {
            user_id: actor.user_id,
            email: actor.email.into(),
            role: actor.role.map(Into::into),
            seen_as: actor.seen_as.map(Into::into),
            token: actor.token.map(|token| (token.id, token.name.into())),
        }
    }
}

impl OwnedActor {
    pub fn borrow(&self) -> Actor<'_> {
        Actor {
            user_id: self.user_id,
            email: &self.email,
            role: self.role.as_deref(),
            seen_as: self.seen_as.as_deref(),
            token: self.token.as_ref().map(|(id, name)| TokenName { id: *id, name }),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("too many exports are running; try again when one has finished")]
    Busy,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Checks again whether the user may still read the log.
pub type AccessCheck = Arc<dyn Fn() -> BoxFuture<'static, Result<(), ExportBroken>> + Send + Sync>;

/// Why an export is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum ExportBroken {
    /// The user's access was taken away. The text says how.
    #[error("{0}")]
    AccessEnded(String),
    #[error("{0}")]
    Other(String),
}

impl From<String> for ExportBroken {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

impl From<DbError> for ExportBroken {
    fn from(error: DbError) -> Self {
        Self::Other(error.to_string())
    }
}

impl ExportBroken {
    /// The reason in the log: what someone did, or `broken off` for failures of the connection or the server.
    fn reason(&self, end: Option<StreamEnd>) -> String {
        match (self, end) {
            (Self::AccessEnded(why), _) => why.clone(),
            (Self::Other(_), Some(end @ (StreamEnd::Paused | StreamEnd::TooSlow | StreamEnd::TooLong))) => {
                end.to_string()
            }
            (Self::Other(_), _) => "broken off".into(),
        }
    }
}

/// The result of writing a file, complete or not.
pub struct WrittenFile {
    /// The number of events.
    pub rows: u64,
    pub rest: io::Result<Unsent>,
}

/// An export that has begun and is recorded.
pub struct ExportRun {
    db: Database,
    id: String,
    format: &'static str,
    filter_json: Value,
    by: OwnedActor,
    origin: Origin,
    _slot: ExportSlot,
}

impl ExportRun {
    /// Records the beginning. `filter_json` is the filter as it was typed.
    pub async fn begin(
        db: Database,
        slot: ExportSlot,
        format: &'static str,
        filter_json: Value,
        (by, origin): (OwnedActor, Origin),
    ) -> Result<Self, ExportError> {
        let run = Self { db, id: Uuid::now_v7().to_string(), format, filter_json, by, origin, _slot: slot };
        run.record(Action::AuditExportBegun, Outcome::Success, run.detail(), None).await?;
        Ok(run)
    }

    fn detail(&self) -> Value {
        json!({"export": self.id, "format": self.format, "filter": self.filter_json})
    }

    /// Runs two workers: `feed` reads the log and sends it to `parts`, and `writing` turns the parts into bytes and
    /// sends them to `to`. `writing` runs on a thread that may block. Returns when the result is recorded.
    pub async fn run<P>(
        self,
        to: ChunkSender,
        parts: mpsc::Sender<P>,
        feed: impl Future<Output = Result<(), ExportBroken>>,
        writing: JoinHandle<WrittenFile>,
    ) {
        let fed = tokio::select! {
            biased;
            fed = feed => fed,
            // Dropping `feed` closes its database connection instead of reading the rest of the query.
            () = parts.closed() => Err(ExportBroken::Other("the reader has gone".into())),
            () = to.closed() => Err(ExportBroken::Other("the reader has gone".into())),
        };
        if fed.is_err() {
            to.break_off();
        }
        drop(parts);
        let (rows, rest) = match writing.await {
            Ok(WrittenFile { rows, rest }) => (rows, rest.map_err(|error| ExportBroken::Other(error.to_string()))),
            Err(error) => (0, Err(ExportBroken::Other(error.to_string()))),
        };
        self.finish(&to, rows, fed.and(rest)).await;
    }

    /// Records the result, then sends the last bytes. If either fails, the reader's transfer breaks off.
    async fn finish(self, to: &ChunkSender, rows: u64, result: Result<Unsent, ExportBroken>) {
        let mut detail = self.detail();
        detail["rows"] = rows.into();
        let recorded = match &result {
            Ok(rest) => {
                detail["bytes"] = rest.size.into();
                self.record(Action::AuditExported, Outcome::Success, detail, Some(&rest.sha256)).await
            }
            Err(why) => {
                tracing::warn!(%why, rows, "an export of the log is incomplete");
                detail["reason"] = why.reason(to.end()).into();
                self.record(Action::AuditExported, Outcome::Failed, detail, None).await
            }
        };
        if let Err(error) = &recorded {
            tracing::error!(%error, "can't record the end of an export, so the export is truncated");
        }
        let is_sent = match (result, recorded) {
            // Fails only if the reader has gone.
            (Ok(rest), Ok(())) => to.send(rest.bytes).await.is_ok(),
            _ => false,
        };
        if is_sent { to.complete() } else { to.break_off() }
    }

    async fn record(&self, action: Action, outcome: Outcome, detail: Value, sha256: Option<&[u8]>) -> DbResult<()> {
        let mut event = Event::new(action, outcome, self.by.borrow(), &self.origin).detail(detail);
        event.sha256 = sha256;
        Ok(record(&*self.db.get().await?, &event).await?)
    }
}
