//! Records how much of a local file was sent, when its transfer completes or fails.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use tokio::time::timeout;

use super::recorder::Place;
use crate::audit::fetched::Fetch;

/// How long the end of a response waits for its record. The record is written in any case.
const RECORD_TIMEOUT: Duration = Duration::from_secs(5);

/// Counts the bytes of `body` that pass, and records the fetch when it ends.
pub fn counting(place: Place, fetch: Fetch, body: BoxBody) -> BoxBody {
    Counted { body, bytes: 0, sent: Some((place, fetch)), recording: None }.boxed()
}

struct Counted {
    body: BoxBody,
    bytes: i64,
    sent: Option<(Place, Fetch)>,
    recording: Option<BoxFuture<'static, ()>>,
}

impl Counted {
    fn end(&mut self) {
        if let Some((place, fetch)) = self.sent.take() {
            let recorded = place.record(Fetch { bytes: self.bytes, ..fetch });
            self.recording = Some(timeout(RECORD_TIMEOUT, recorded).map(drop).boxed());
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
            ready!(recording.poll_unpin(context));
            self.recording = None;
        }
        Poll::Ready(None)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some((place, fetch)) = self.sent.take() {
            drop(place.record(Fetch { bytes: self.bytes, ..fetch }));
        }
    }
}
