//! The id and the origin of each request, and its line in the log.

use std::net::IpAddr;
use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT, HeaderName, HeaderValue, USER_AGENT};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use ipnet::IpNet;
use uuid::Uuid;

use super::{Error, Site};
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
/// The line has the path without the query, which may hold a link's signature, and no headers.
pub async fn describe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // The client has reset the connection. Without its address, no event could be recorded.
    if request.peer_addr().is_none() {
        return Ok(request.error_response(Error::BadRequest).map_body(|_, body| EitherBody::right(body)));
    }
    let started = Instant::now();
    let id = Uuid::now_v7().simple().to_string();
    let trusted = request.app_data::<Data<Site>>().map_or(&[][..], |site| &site.trusted_proxies);
    let forwarded = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let ip = client(request.peer_addr().map(|peer| peer.ip()), forwarded, trusted);
    let agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let origin = audit::Origin::new(ip, agent.as_deref().unwrap_or_default(), id.clone());
    request.extensions_mut().insert(Origin(origin));

    let method = request.method().clone();
    let path = request.path().to_owned();
    let mut response = next.call(request).await?;
    let status = response.status().as_u16();
    let ms = started.elapsed().as_secs_f64() * 1000.0;
    let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
    tracing::info!(%method, path = path.escape_debug().to_string(), status, ms = (ms * 10.0).round() / 10.0, ip, request_id = id, "request");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    Ok(response.map_into_left_body())
}

/// The client's address: the peer, or behind a trusted proxy the last untrusted address of `X-Forwarded-For`.
///
/// The client may have made up every address before that one.
fn client<'a>(peer: Option<IpAddr>, forwarded: impl Iterator<Item = &'a str>, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut client = peer?.to_canonical();
    let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
    for hop in hops.iter().rev() {
        if !is_trusted(client, trusted) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(ip) => client = ip.to_canonical(),
            Err(_) => break,
        }
    }
    Some(client)
}

/// Whether the client asks for JSON instead of pages.
pub fn wants_json(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json") || kind.eq_ignore_ascii_case("application/problem+json")
    })
}

pub fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&peer.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_may_name_the_client() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
        let find = |peer, forwarded: &[&str]| client(Some(ip(peer)), forwarded.iter().copied(), &trusted);
        assert_eq!(find("203.0.113.9", &["198.51.100.1"]), Some(ip("203.0.113.9")));
        assert_eq!(find("10.0.0.1", &["198.51.100.1"]), Some(ip("198.51.100.1")));
        assert_eq!(find("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.2.3.4"]), Some(ip("198.51.100.1")));
        assert_eq!(find("10.0.0.1", &["1.1.1.1", "198.51.100.1"]), Some(ip("198.51.100.1")));
        assert_eq!(find("10.0.0.1", &["nonsense"]), Some(ip("10.0.0.1")));
        assert_eq!(find("10.0.0.1", &[]), Some(ip("10.0.0.1")));
        assert_eq!(find("::ffff:10.0.0.1", &["198.51.100.1"]), Some(ip("198.51.100.1")));
    }
}
