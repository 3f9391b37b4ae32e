//! `GET /files/…`: an object of the local storage, for the holder of a valid link. S3 serves its own links.
//!
//! The access log records each fetch with its link, like the access log of S3, and one refusal of a link a minute.

mod range;
mod recorder;
mod sent;

use actix_files::NamedFile;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::from_fn;
use actix_web::web::{Path, Query, ServiceConfig, get, resource};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use sha2::{Digest, Sha256};

pub use self::recorder::FetchRecorder;

use super::Error;
use super::context::PublicContext;
use crate::audit::fetched::{Fetch, Refusal, Source};
use crate::storage::local::{BadLink, LinkQuery};
use crate::storage::{LocalStore, ObjectKey, Presentation};

pub fn routes(app: &mut ServiceConfig) {
    let files = resource("/files/{key:.*}").wrap(from_fn(range::ignore_odd));
    app.service(files.route(get().to(serve)));
}

/// `sandbox` gives the file an opaque origin without scripts, so that a browser runs nothing in it.
const POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");

async fn serve(
    request: HttpRequest,
    context: PublicContext,
    key: Path<String>,
    query: Option<Query<LinkQuery>>,
) -> Result<HttpResponse, Error> {
    let store = context.site.storage.local().ok_or(Error::NotFound)?;
    let query = query.ok_or(Error::BadLink)?;
    let asked = request.uri().path_and_query().map_or("", |asked| asked.as_str());
    let refuse = |key: &ObjectKey, link: &Presentation, error: &Error| {
        let fetch = Fetch { status: error.status_code().as_u16(), ..fetch(&context, key, link) };
        let id = Sha256::digest(format!("{}\n{asked}", fetch.status)).into();
        context.site.fetches.refuse(Refusal { id, fetch });
    };
    let (key, link) = match store.check(&key, &query, asked, context.site.clock.now()) {
        Ok(good) => good,
        // Not recorded: the request proves no link.
        Err(BadLink::Altered) => return Err(Error::BadLink),
        Err(BadLink::Expired(key, link)) => {
            refuse(&key, &link, &Error::LinkExpired);
            return Err(Error::LinkExpired);
        }
    };
    let place = context.site.fetches.reserve().await?;
    match answer(&request, store, &key, &link).await {
        Ok((response, size)) => {
            let status = response.status().as_u16();
            let fetch = Fetch { status, size: Some(size), ..fetch(&context, &key, &link) };
            Ok(response.map_body(|_, body| sent::counting(place, fetch, body)))
        }
        Err(error) => {
            refuse(&key, &link, &error);
            Err(error)
        }
    }
}

/// Returns the response, and the size of the whole file.
async fn answer(
    request: &HttpRequest,
    store: &LocalStore,
    key: &ObjectKey,
    link: &Presentation,
) -> Result<(HttpResponse, i64), Error> {
    let file = store
        .open(key)
        .await?
        .ok_or_else(|| Error::FileMissing(format!("the object {key} is missing from the storage")))?;
    let file = NamedFile::from_file(file, "document.pdf").map_err(|error| Error::Internal(error.to_string()))?;
    let size = file.metadata().len().cast_signed();
    let mut response = file.use_last_modified(true).into_response(request);
    let headers = response.headers_mut();
    let disposition = HeaderValue::from_str(&link.content_disposition());
    headers.insert(CONTENT_DISPOSITION, disposition.map_err(|error| Error::Internal(error.to_string()))?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(key.content_type()));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok((response, size))
}

/// The record of the fetch, before anything is sent.
fn fetch(context: &PublicContext, key: &ObjectKey, link: &Presentation) -> Fetch {
    let PublicContext { site, origin, .. } = context;
    Fetch {
        key: key.to_string(),
        request: Some(link.request.clone()).filter(|request| !request.is_empty()),
        signed_at: None,
        fetched_at: site.clock.now(),
        status: 0,
        bytes: 0,
        size: None,
        ip: origin.ip,
        user_agent: origin.user_agent.clone(),
        source: Source::Local,
    }
}
