//! Limits on requests: their size, and the time that they may take to arrive.
//!
//! What a connection may hold open is limited in [`super::connection`]. The time that a response may take is limited
//! elsewhere: database connections and statements in [`crate::db`], requests
//! to the bucket in [`crate::storage`]. Login attempts are limited in [`crate::accounts::throttle`].

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

/// Paths that take uploads.
const UPLOADS: [&str; 2] = ["/office/upload", "/api/v1/documents"];

/// Whether a path takes uploads, which may be large and take long.
pub fn takes_uploads(path: &str) -> bool {
    UPLOADS.contains(&path)
}

/// Largest form or JSON body. A BOL with every field full of Chinese characters, percent-encoded, fits. Uploads have their
/// own limit.
pub const MAX_FORM_BYTES: usize = 128 * 1024;
/// Largest form whose text is kept when the form is refused as too large ([`super::drafts`]).
pub const MAX_DRAFT_BYTES: usize = 1024 * 1024;
/// Maximum time for the headers of a request.
pub const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for the body of a form, which has a few kilobytes.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Maximum time for a client to close after the server has.
pub const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time for open requests to finish when the server stops.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum time between two chunks of an upload.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(20);
/// Minimum rate: this many bytes in this much waiting time, about 4 kbit/s.
const MIN_PACE: (u64, Duration) = (16 * 1024, Duration::from_secs(30));

pub type PayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// Refuses compressed bodies, and ends bodies that arrive too slowly, so that no client can hold handlers open.
pub async fn limit_body(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // A compressed form could be a thousand times as large once it is unpacked.
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !request.headers().get_all(CONTENT_ENCODING).all(is_plain) {
        return Ok(request.error_response(Error::Encoded).map_body(|_, body| EitherBody::right(body)));
    }
    let body = request.take_payload();
    let payload: PayloadStream = if takes_uploads(request.path()) {
        Box::pin(with_min_pace(body).fuse())
    } else {
        Box::pin(with_deadline(body, Instant::now() + BODY_TIMEOUT).fuse())
    };
    let payload = Payload::Stream { payload };
    request.set_payload(payload);
    Ok(next.call(request).await?.map_into_left_body())
}

fn with_deadline(body: Payload, deadline: Instant) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match timeout_at(deadline, body.next()).await {
            Ok(chunk) => Some((chunk?, Some(body))),
            Err(_) => Some((Err(PayloadError::Io(io::ErrorKind::TimedOut.into())), None)),
        }
    })
}

/// For uploads: any duration, as long as data keeps coming at [`MIN_PACE`].
fn with_min_pace(body: Payload) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    let begun = (Some(body), 0, Duration::ZERO);
    stream::unfold(begun, move |(body, mut bytes, mut waited)| async move {
        let mut body = body?;
        let asked = Instant::now();
        let chunk = timeout_at(asked + CHUNK_TIMEOUT, body.next()).await;
        waited += asked.elapsed();
        let too_slow = (Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))), (None, 0, Duration::ZERO));
        let (item, next) = match chunk {
            Ok(Some(Ok(chunk))) => {
                bytes += chunk.len() as u64;
                match (bytes >= MIN_PACE.0, waited >= MIN_PACE.1) {
                    (true, _) => (Some(Ok(chunk)), (Some(body), 0, Duration::ZERO)),
                    (false, true) => too_slow,
                    (false, false) => (Some(Ok(chunk)), (Some(body), bytes, waited)),
                }
            }
            Ok(end) => (end, (Some(body), bytes, waited)),
            Err(_) => too_slow,
        };
        item.map(|item| (item, next))
    })
}
