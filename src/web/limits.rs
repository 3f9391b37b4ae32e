//! How much a request may bring, and how long it may take over it.
//!
//! What an answer may take is bounded where it waits: for a connection and for a statement in [`crate::db`], for the
//! bucket in [`crate::storage`].

use std::io;
use std::pin::Pin;
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::Error;

/// Where files are sent to.
pub const UPLOADS: &str = "/office/upload";
/// Largest form or JSON body: a BOL with every field full of Chinese, percent-encoded, fits. Uploads have a limit of
/// their own.
pub const MOST_FORM: usize = 128 * 1024;
/// A client that dawdles over its headers is let go.
pub const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// A form is a few kilobytes at the most.
const BODY_WITHIN: Duration = Duration::from_secs(20);
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long requests under way may take to finish when the server stops.
pub const FINISH_WITHIN: Duration = Duration::from_secs(30);

/// Between two pieces of an upload.
const PIECE_WITHIN: Duration = Duration::from_secs(20);
/// Of an upload, so much has to come in so much time of waiting for it: 4 kbit/s is slower than any line.
const PACE: (u64, Duration) = (16 * 1024, Duration::from_secs(30));

type PayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// Refuses a compressed body, and ends one that doesn't arrive in time, so that nobody can hold handlers open by sending
/// a byte a minute.
pub async fn hurry(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // A form is small; one that comes compressed could be a thousand times as large once it is unpacked.
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !request.headers().get_all(CONTENT_ENCODING).all(is_plain) {
        return Ok(request.error_response(Error::Encoded).map_body(|_, body| EitherBody::right(body)));
    }
    let body = request.take_payload();
    let payload: PayloadStream = match request.path() {
        UPLOADS => Box::pin(steadily(body).fuse()),
        _ => Box::pin(until(body, Instant::now() + BODY_WITHIN).fuse()),
    };
    let payload = Payload::Stream { payload };
    request.set_payload(payload);
    Ok(next.call(request).await?.map_into_left_body())
}

fn until(body: Payload, deadline: Instant) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match timeout_at(deadline, body.next()).await {
            Ok(chunk) => Some((chunk?, Some(body))),
            Err(_) => Some((Err(PayloadError::Io(io::ErrorKind::TimedOut.into())), None)),
        }
    })
}

/// For uploads: however long it takes, but it has to go on.
fn steadily(body: Payload) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    let begun = (Some(body), 0, Duration::ZERO);
    stream::unfold(begun, move |(body, mut bytes, mut waited)| async move {
        let mut body = body?;
        let asked = Instant::now();
        let piece = timeout_at(asked + PIECE_WITHIN, body.next()).await;
        waited += asked.elapsed();
        let too_slow = (Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))), (None, 0, Duration::ZERO));
        let (item, next) = match piece {
            Ok(Some(Ok(piece))) => {
                bytes += piece.len() as u64;
                match (bytes >= PACE.0, waited >= PACE.1) {
                    (true, _) => (Some(Ok(piece)), (Some(body), 0, Duration::ZERO)),
                    (false, true) => too_slow,
                    (false, false) => (Some(Ok(piece)), (Some(body), bytes, waited)),
                }
            }
            Ok(end) => (end, (Some(body), bytes, waited)),
            Err(_) => too_slow,
        };
        item.map(|item| (item, next))
    })
}

/// Did this body end because it took too long?
pub fn is_too_slow(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}
