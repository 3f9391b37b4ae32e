//! JSON with an entity tag: a client that has the same contents already gets 304 without a body.

use actix_web::http::header::{CACHE_CONTROL, ETag, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::web::Error;

/// Answers with a value as JSON, or with 304 if `If-None-Match` names its tag.
///
/// The tag is a hash of the JSON. It is weak, because the response may be compressed on its way
/// ([RFC 9110, section 8.8.3.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.3)).
pub fn json(request: &HttpRequest, value: &impl Serialize) -> Result<HttpResponse, Error> {
    let body = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
    let tag = EntityTag::new_weak(hex::encode(&Sha256::digest(&body)[..16]));
    let is_known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // The browser may keep it for this user, but asks each time.
    response.insert_header(ETag(tag)).insert_header((CACHE_CONTROL, "private, no-cache"));
    Ok(if is_known { response.finish() } else { response.content_type("application/json").body(body) })
}
