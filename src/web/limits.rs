//! How much a request may bring, and how long it may take over it.
//!
//! What an answer may take is bounded where it waits: for a connection and for a statement in [`crate::db`], for the
//! bucket in [`crate::storage`].

use std::io;
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, HeaderValue};
use actix_web::middleware::Next;
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::Error;

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
    let deadline = Instant::now() + BODY_WITHIN;
    let body = request.take_payload();
    request.set_payload(Payload::Stream { payload: Box::pin(until(body, deadline)) });
    Ok(next.call(request).await?.map_into_left_body())
}

fn until(body: Payload, deadline: Instant) -> impl stream::Stream<Item = Result<actix_web::web::Bytes, PayloadError>> {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match timeout_at(deadline, body.next()).await {
            Ok(chunk) => Some((chunk?, Some(body))),
            Err(_) => Some((Err(PayloadError::Io(io::ErrorKind::TimedOut.into())), None)),
        }
    })
}

/// Did this body end because it took too long?
pub fn is_too_slow(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}
