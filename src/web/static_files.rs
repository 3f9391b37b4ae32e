//! `GET /static/…`: the embedded assets.

use actix_web::guard::{Any, Get, Head};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use actix_web::web::{Data, Path, ServiceConfig, resource, route};
use actix_web::{HttpRequest, HttpResponse};

use super::compression::takes_gzip;
use super::{Error, Site};

pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/static/{path:.*}").route(route().guard(Any(Get()).or(Head())).to(serve)));
}

/// A hashed name may be cached forever, a plain one for a day.
async fn serve(request: HttpRequest, site: Data<Site>, path: Path<String>) -> Result<HttpResponse, Error> {
    let asset = site.assets.get(path.as_str()).ok_or(Error::NotFound)?;
    let is_plain = site.assets.is_plain(path.as_str());
    let mut response = HttpResponse::Ok();
    response
        .insert_header((
            CACHE_CONTROL,
            if is_plain { "public, max-age=86400" } else { "public, max-age=31536000, immutable" },
        ))
        .insert_header((ETAG, asset.etag.as_str()))
        .insert_header((VARY, "Accept-Encoding"));
    if request.headers().get(IF_NONE_MATCH).is_some_and(|etag| etag.as_bytes() == asset.etag.as_bytes()) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    response.insert_header((CONTENT_TYPE, asset.content_type.as_str()));
    Ok(match &asset.gzipped {
        Some(gzipped) if takes_gzip(request.headers()) => {
            response.insert_header((CONTENT_ENCODING, "gzip")).body(gzipped.clone())
        }
        _ => response.body(asset.bytes.clone()),
    })
}
