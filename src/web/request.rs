//! The id and the origin of each request, and its line in the log.

use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT, HeaderName, HeaderValue, USER_AGENT};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use uuid::Uuid;

use super::counting::count_request;
use super::{Error, Site, client_address, token_request, traceparent};
use crate::accounts::api_tokens;
use crate::audit;

pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The origin of this request, for the log and the access log.
#[derive(Clone)]
pub struct Origin(pub audit::Origin);

impl Origin {
    pub fn of(request: &HttpRequest) -> Result<Self, Error> {
        let origin = request.extensions().get::<Self>().cloned();
        origin.ok_or_else(|| Error::Internal("request::describe isn't installed".into()))
    }
}

/// The outermost middleware: gives the request its id, and logs one line when the response is ready.
///
/// The line has the path without the query, which may hold a link's signature, and no headers. An API token in the path is hidden.
pub async fn describe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // The client has reset the connection. Without its address, no event could be recorded.
    let Some(peer) = request.peer_addr() else {
        return Ok(request.error_response(Error::BadRequest).map_body(|_, body| EitherBody::right(body)));
    };
    let started = Instant::now();
    let id = Uuid::now_v7().simple().to_string();
    let ip = match request.app_data::<Data<Site>>() {
        Some(site) => client_address::client(peer.ip(), request.headers(), &site.trusted_proxies),
        None => peer.ip().to_canonical(),
    };
    let agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let trace_id = traceparent::trace_id(request.headers());
    let origin = audit::Origin::new(Some(ip), agent.as_deref().unwrap_or_default(), id.clone());
    let origin = origin.with_trace(trace_id.clone());
    request.extensions_mut().insert(Origin(origin));

    let method = request.method().clone();
    let path = api_tokens::masked(request.path()).into_owned();
    let mut response = next.call(request).await?;
    let status = response.status().as_u16();
    let duration = started.elapsed();
    count_request(&response, &method, duration);
    let ms = duration.as_secs_f64() * 1000.0;
    let ip = ip.to_string();
    tracing::info!(%method, path = path.escape_debug().to_string(), status, ms = (ms * 10.0).round() / 10.0, ip, request_id = id, trace_id, "request");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    Ok(response.map_into_left_body())
}

/// Whether the client asks for JSON instead of pages. A program gets no pages, whatever it asks for.
pub fn wants_json(request: &HttpRequest) -> bool {
    if token_request::is_program(request) {
        return true;
    }
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json") || kind.eq_ignore_ascii_case("application/problem+json")
    })
}
