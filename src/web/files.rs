//! `GET /files/…`: an object of the local store, for whoever holds a link that is good. S3 does this itself.

use actix_files::NamedFile;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Path, Query, ServiceConfig, get, resource};
use actix_web::{HttpRequest, HttpResponse};

use super::{Error, Site};
use crate::storage::Storage;
use crate::storage::local::{BadLink, LinkQuery};

pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/files/{key:.*}").route(get().to(serve)));
}

/// Whatever is in the file, a browser must not run it: `sandbox` puts it into an origin of its own without scripts.
const POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");

async fn serve(
    request: HttpRequest,
    site: Data<Site>,
    key: Path<String>,
    query: Option<Query<LinkQuery>>,
) -> Result<HttpResponse, Error> {
    let Storage::Local(store) = &site.storage else { return Err(Error::NotFound) };
    let query = query.ok_or(Error::BadLink)?;
    let asked = request.uri().path_and_query().map_or("", |asked| asked.as_str());
    let (key, presentation) = store.check(&key, &query, asked, site.clock.now()).map_err(|error| match error {
        BadLink::Altered => Error::BadLink,
        BadLink::Expired => Error::LinkExpired,
    })?;
    let file = store
        .open(&key)
        .await?
        .ok_or_else(|| Error::FileMissing(format!("the object {key} is missing in the storage")))?;
    let file = NamedFile::from_file(file, "document.pdf").map_err(|error| Error::Internal(error.to_string()))?;
    let mut response = file.use_last_modified(true).into_response(&request);
    let headers = response.headers_mut();
    let disposition = HeaderValue::from_str(&presentation.content_disposition());
    headers.insert(CONTENT_DISPOSITION, disposition.map_err(|error| Error::Internal(error.to_string()))?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/pdf"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}
