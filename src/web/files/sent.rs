//! Records how much of a local file was sent, when its transfer completes or fails.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::audit::fetched::{self, Fetch};
use crate::db::{Database, DbResult};

/// A fetch in progress. [`Sent::end`] records it.
pub struct Sent {
    db: Database,
    fetch: Fetch,
}

impl Sent {
    pub fn new(db: &Database, fetch: Fetch) -> Self {
        Self { db: db.clone(), fetch }
    }

    /// Writes the record in a separate task. A failure to write it doesn't fail the response.
    fn end(self, status: u16, bytes: i64) -> Option<JoinHandle<()>> {
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!(key = self.fetch.key, "the server is stopping; a fetch was not recorded");
            return None;
        };
        let Self { db, fetch } = self;
        let fetch = Fetch { status, bytes, ..fetch };
        Some(runtime.spawn(async move {
            let recorded = async { Ok(fetched::record(&mut *db.get().await?, std::slice::from_ref(&fetch)).await?) };
            let recorded: DbResult<_> = recorded.await;
            if let Err(error) = recorded {
                tracing::error!(%error, key = fetch.key, status, bytes, "can't record a fetch");
            }
        }))
    }

    /// Only an error page was sent.
    pub fn refused(self, status: u16) {
        drop(self.end(status, 0));
    }

    /// Counts the bytes that pass.
    pub fn counting(self, status: u16, body: BoxBody) -> BoxBody {
        Counted { body, bytes: 0, sent: Some((self, status)), recording: None }.boxed()
    }
}

struct Counted {
    body: BoxBody,
    bytes: i64,
    sent: Option<(Sent, u16)>,
    recording: Option<JoinHandle<()>>,
}

impl Counted {
    fn end(&mut self) {
        if let Some((sent, status)) = self.sent.take() {
            self.recording = sent.end(status, self.bytes);
        }
    }
}

impl MessageBody for Counted {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.sent.is_some() {
            let piece = ready!(Pin::new(&mut self.body).poll_next(context));
            if let Some(Ok(piece)) = &piece {
                self.bytes += piece.len() as i64;
            }
            if piece.is_some() {
                return Poll::Ready(piece);
            }
            self.end();
        }
        // The connection has every byte, and ends after the record is written. A server that stops waits for it.
        if let Some(recording) = &mut self.recording {
            let _ = ready!(Pin::new(recording).poll(context));
            self.recording = None;
        }
        Poll::Ready(None)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end();
    }
}
