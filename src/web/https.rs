//! Redirects plain http to https, if `PUBLIC_URL` is https.
//!
//! TLS ends at a proxy, and only a trusted one may report the client's scheme (`X-Forwarded-Proto`). The redirect leads
//! to `PUBLIC_URL`, never to the request's Host header.

use actix_web::HttpResponse;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::LOCATION;
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::{Site, request};

pub async fn require(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let Some(target) = request.app_data::<Data<Site>>().and_then(|site| https_address(&request, site)) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let redirect = HttpResponse::PermanentRedirect().insert_header((LOCATION, target)).finish();
    Ok(request.into_response(redirect.map_body(|_, body| EitherBody::right(body))))
}

/// The https address of the request, if it came by plain http.
fn https_address(request: &ServiceRequest, site: &Site) -> Option<String> {
    let proto = request.headers().get("x-forwarded-proto")?;
    let peer = request.peer_addr()?.ip();
    let plain = site.public_url.is_https()
        && proto.as_bytes().eq_ignore_ascii_case(b"http")
        && request::is_trusted(peer, &site.trusted_proxies);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    plain.then(|| format!("{}{path}", site.public_url.origin()))
}
