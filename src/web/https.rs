//! Redirects plain http to https, if `PUBLIC_URL` is https.
//!
//! TLS ends at a proxy, and only a trusted one may report the client's scheme. The redirect leads
//! to `PUBLIC_URL`, never to the request's Host header.

use actix_web::HttpResponse;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::LOCATION;
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::{Site, client_address};

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
    let peer = request.peer_addr()?.ip();
    let is_plain =
        site.public_url.is_https() && client_address::is_plain_http(peer, request.headers(), &site.trusted_proxies);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    is_plain.then(|| format!("{}{path}", site.public_url.origin()))
}
