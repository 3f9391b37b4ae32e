//! Refuses requests that another site made a browser send (cross-site request forgery), and asks before a download that
//! another site leads to.
//!
//! Every current browser reports the sender in `Sec-Fetch-Site`. Where that header is missing (plain http on a host other
//! than localhost, old browsers), `Origin` must be ours. Clients without either header are no browsers, and no site can
//! misuse their cookies. Requests with a token have no cookies that could be misused.

use actix_web::HttpResponse;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY};
use actix_web::middleware::Next;
use actix_web::web::Data;
use askama::Template;
use url::form_urlencoded;

use super::page::{Layout, html};
use super::{Error, Site, token_request};
use crate::bols::BolNumber;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whole paths of downloads, besides those that end with [`DOWNLOADS`].
const DOWNLOAD_PATHS: [&str; 4] = ["/bols/download.zip", "/bols/export", "/audit/export", "/audit/pack"];
const DOWNLOADS: [&str; 3] = ["/download", "/proof", "/preview"];

/// Asks whether the user wants the file to which another site leads.
#[derive(Template)]
#[template(path = "portal/ask_download.html")]
struct AskPage {
    layout: Layout,
    question: String,
    path: String,
    fields: Vec<(String, String)>,
}

/// Answers a download to which another site leads with a question. Its button repeats the request from this site.
///
/// Otherwise any site could put downloads into the log in the name of its visitors. Typed addresses, bookmarks and clients
/// without the header get the file.
pub async fn ask(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    match question(&request) {
        Some(page) => Ok(request.into_response(page).map_body(|_, body| EitherBody::right(body))),
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

fn question(request: &ServiceRequest) -> Option<HttpResponse> {
    let is_foreign = request.headers().get_all(&SEC_FETCH_SITE).any(|site| !is_own(site));
    // The path as it is matched with the routes.
    let path = request.match_info().as_str().trim_end_matches('/');
    let is_download = DOWNLOAD_PATHS.contains(&path) || DOWNLOADS.iter().any(|end| path.ends_with(end));
    if !is_foreign || !is_download || !request.method().is_safe() || token_request::is_program(request.request()) {
        return None;
    }
    let number = path.split('/').nth(2).and_then(|number| number.parse::<BolNumber>().ok());
    let what = number.map_or_else(|| "this file".to_owned(), |number| number.to_string());
    let page = AskPage {
        layout: Layout::new(request.app_data::<Data<Site>>()?, None, ""),
        question: format!("Download {what}?"),
        path: request.path().to_owned(),
        fields: form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect(),
    };
    let mut response = html(&page);
    response.headers_mut().append(VARY, HeaderValue::from_name(SEC_FETCH_SITE.clone()));
    Some(response)
}

/// From this site, or from the user.
fn is_own(site: &HeaderValue) -> bool {
    matches!(site.as_bytes(), b"same-origin" | b"none")
}

pub async fn refuse(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let ours = request.app_data::<Data<Site>>().map(|site| site.public_url.origin()).unwrap_or_default();
    // A browser sends no `Authorization` header for another site.
    let is_harmless = request.method().is_safe() || token_request::is_program(request.request());
    let sender = if is_harmless { Sender::Portal } else { sender(request.headers(), &ours) };
    let error = match sender {
        Sender::Portal => return Ok(next.call(request).await?.map_into_left_body()),
        Sender::OtherAddress => Error::OtherAddress(ours),
        Sender::OtherSite => Error::CrossSite,
    };
    Ok(request.error_response(error).map_body(|_, body| EitherBody::right(body)))
}

/// Whose page sent a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Portal,
    /// A page of this server, opened under another address than `PUBLIC_URL`. Its cookie would not be kept there, or
    /// the address is a stranger's, who passes everything on.
    OtherAddress,
    OtherSite,
}

fn sender(headers: &HeaderMap, ours: &str) -> Sender {
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    let is_ours = origin.is_none_or(|origin| origin == ours.as_bytes());
    match headers.get(&SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        Some(b"none") => Sender::Portal,
        // Without https in `PUBLIC_URL`, cookies work under every name of this machine.
        Some(b"same-origin") if is_ours || !ours.starts_with("https:") => Sender::Portal,
        Some(b"same-origin") => Sender::OtherAddress,
        Some(_) => Sender::OtherSite,
        None if is_ours => Sender::Portal,
        None => {
            let host = headers.get(HOST).map(HeaderValue::as_bytes);
            let sender = origin.and_then(|origin| origin.splitn(2, |byte| *byte == b'/').nth(1)?.strip_prefix(b"/"));
            if sender.is_some() && sender == host { Sender::OtherAddress } else { Sender::OtherSite }
        }
    }
}
