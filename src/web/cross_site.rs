//! Refuses requests that another site made a browser send (cross-site request forgery).
//!
//! Every current browser reports the sender in `Sec-Fetch-Site`. Where that header is missing (plain http on a host other
//! than localhost, old browsers), `Origin` must be ours. Clients without either header are no browsers, and no site can
//! misuse their cookies.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, ORIGIN};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::{Error, Site};

pub async fn refuse(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let ours = request.app_data::<Data<Site>>().map(|site| site.public_url.origin()).unwrap_or_default();
    if request.method().is_safe() || same_site(request.headers(), &ours) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    Ok(request.error_response(Error::CrossSite).map_body(|_, body| EitherBody::right(body)))
}

fn same_site(headers: &HeaderMap, ours: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    headers.get(ORIGIN).is_none_or(|origin| origin.as_bytes() == ours.as_bytes())
}
