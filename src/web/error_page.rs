//! Error pages: every error response without a body of its own becomes a page, or `application/problem+json` for the
//! API.
//!
//! A failure is logged once, here. The page says what happened and what to do next; details stay in the log.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use url::form_urlencoded::byte_serialize;

use super::api::openapi;
use super::drafts::{Draft, Reason, accepts_html};
use super::error::TokenProblem;
use super::flash::{see_other, start};
use super::form_address::FormAddress;
use super::limits::{MAX_FORM_BYTES, takes_uploads};
use super::login_page::LoginPage;
use super::page::{Layout, non_empty};
use super::problem_details::ProblemDetails;
use super::request::Origin;
use super::wait::whole_seconds;
use super::{Error, Site, auth, confirm as confirm_page, request};
use crate::accounts::Viewer;
use crate::accounts::api_tokens::{self, NotAllowed};

/// What an error page says: what happened, then what to do.
struct Explanation {
    title: &'static str,
    message: String,
}

fn explain(request: &HttpRequest, status: StatusCode, error: Option<&Error>, is_office: bool) -> Explanation {
    if let Some(Error::OtherAddress(address)) = error {
        let message = format!("Nothing was changed. Open {address} in your browser, and log in there.");
        return Explanation { title: "This is not the portal’s address", message };
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Explanation { title: "The request is too large", message: too_large(request) };
    }
    if let Some(Error::Fields(errors)) = error {
        return Explanation { title: "Please correct the request", message: errors.summary() };
    }
    let (title, message) = match error {
        Some(Error::Invalid(message)) => ("Please correct the request", message.as_str()),
        Some(Error::TooMany(message)) => ("Too many at once", message.as_str()),
        Some(Error::Conflict(message)) => ("This conflicts with existing data", message.as_str()),
        Some(error) => explain_error(error).unwrap_or_else(|| explain_status(status)),
        None => explain_status(status),
    };
    let advice = advice(status, error, is_office).unwrap_or_default();
    Explanation { title, message: format!("{message} {advice}").trim_end().into() }
}

/// Whom to turn to. Pages of the office itself leave it out.
fn advice(status: StatusCode, error: Option<&Error>, is_office: bool) -> Option<&'static str> {
    let (outside, office) = match error {
        Some(Error::FileMissing(_)) => (
            "Call the terminal office with the reference below; the office can restore the file.",
            "Give an administrator the reference below; the file can be restored.",
        ),
        Some(Error::FileArchived(_)) => ("If you need it sooner, call the terminal office.", ""),
        Some(error) if explain_error(error).is_some() => return None,
        _ if status == StatusCode::FORBIDDEN => {
            ("If you need it, ask the terminal office.", "If you need it, ask an administrator.")
        }
        _ if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE => (
            "If it happens again, call the terminal office with the reference below.",
            "If it happens again, give an administrator the reference below.",
        ),
        _ => return None,
    };
    Some(if is_office { office } else { outside })
}

/// The title and the message of errors that need words of their own.
fn explain_error(error: &Error) -> Option<(&'static str, &'static str)> {
    Some(match error {
        Error::CrossSite => (
            "The request came from another site",
            "Nothing was changed. Open the portal in your browser and try again there.",
        ),
        Error::ProofRequired => (
            "Confirm that it’s you",
            "Nothing was changed. This needs a proof of who you are from the last ten minutes: open the portal in a browser, \
             or log in again.",
        ),
        Error::ReadOnlyView => (
            "You are viewing as a customer",
            "Customers don’t have this page, and you can’t change anything in this view. Select Stop above, then try \
             again as yourself.",
        ),
        Error::Token(problem) => explain_token(*problem),
        Error::RateLimited(_) => {
            ("Too many requests", "Wait for as many seconds as Retry-After says, then send the request again.")
        }
        Error::AccessEnded => (
            "Your access has changed",
            "It was taken away while this request ran, so the rest of it was not carried out. Log in again, or ask an \
             administrator.",
        ),
        Error::FileMissing(_) => (
            "The file can't be found",
            "The portal knows this document, but its file is missing from the storage. No link was issued.",
        ),
        Error::FileArchived(_) => (
            "This document is being restored",
            "Old documents are kept in an archive. The portal has requested this one; that takes three to twelve hours. \
             Download it again then. It stays available for a week.",
        ),
        Error::BadLink => ("This link doesn't work", "It is incomplete or was changed. Get a new link in the portal."),
        Error::LinkExpired => (
            "This link has expired",
            "Links to documents work for a short time only. Open the bill of lading in the portal and download it again.",
        ),
        Error::InvitationGone => (
            "This link no longer works",
            "It was used, replaced by a newer one, or has expired. If you have set your password, log in with it. \
             Otherwise get a new link with “Forgot your password?” on the login page.",
        ),
        Error::Unconfirmed(_) => (
            "Please check the request",
            "Nothing was changed, because this is unlikely. If it is right, send the request again, with the codes of the \
             warnings in confirm.",
        ),
        Error::NotJson => ("The body is not JSON", "Nothing was changed. Send a JSON object."),
        Error::Broken => (
            "The upload was interrupted",
            "Files that arrived completely are stored; the others are not. Upload the same files again: the portal \
             recognizes those that it has.",
        ),
        _ => return None,
    })
}

/// What a program's developer reads.
fn explain_token(problem: TokenProblem) -> (&'static str, &'static str) {
    match problem {
        TokenProblem::Malformed => (
            "The Authorization header can't be read",
            "Send one header Authorization with the word Bearer, a space and the token.",
        ),
        TokenProblem::Invalid => (
            "The token is not valid",
            "It is mistyped, has expired or was revoked, is not allowed from this address, or its user can't act any more. \
             See Account, API tokens, or make a new one.",
        ),
        TokenProblem::InUrl => (
            "The token was in the URL, and is revoked",
            "URLs are kept in many places. Make a new token, and send it in the header Authorization only.",
        ),
        TokenProblem::NotAllowed(NotAllowed::Scope(_)) => (
            "The token lacks a scope",
            "Nothing was done. The header WWW-Authenticate names the scope. Make a token that has it.",
        ),
        TokenProblem::NotAllowed(NotAllowed::AnyToken) => {
            ("No token may do this", "Nothing was done. Log in with a browser for this.")
        }
    }
}

fn explain_status(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => ("The request could not be read", "Go back and try again."),
        StatusCode::UNAUTHORIZED => ("Please log in", "You are not logged in, or your session has ended."),
        StatusCode::FORBIDDEN => {
            ("Your role doesn't include this page", "You are logged in, but this page is for other users.")
        }
        StatusCode::NOT_FOUND => (
            "Page not found",
            "This page doesn't exist, or the bill of lading isn't yours. Check the number, or search for it.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("This page doesn't support that request", "Go back and use the buttons on the page.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("The request is compressed", "Send it again without compression."),
        StatusCode::REQUEST_TIMEOUT => (
            "The request took too long",
            "The connection was too slow to send the form. Nothing was changed; please try again.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Not available right now",
            "The portal can't reach a system that it needs for this page. Nothing was lost; try again in a minute.",
        ),
        _ if status.is_client_error() => ("The request could not be answered", "Go back and try again."),
        _ => ("Something went wrong", "The fault is ours. Please try again."),
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    layout: Layout,
    status: String,
    title: &'static str,
    message: String,
    request_id: Option<String>,
    back: Back,
}

/// The button of an error page.
enum Back {
    /// Shows the form again, with what was typed.
    Form {
        draft: Draft,
        action: String,
    },
    /// The page with the form that was sent.
    Page(String),
    Start,
}

impl Back {
    fn of(request: &HttpRequest, status: StatusCode) -> Self {
        // Repeating the request would not help.
        let is_refused = matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
        if is_refused || request.method().is_safe() {
            return Self::Start;
        }
        if let Some(draft) = Draft::of(request) {
            return Self::Form { action: draft.href(Reason::of_status(status)), draft };
        }
        FormAddress::of(request.path()).map_or(Self::Start, |address| Self::Page(address.page(request.path())))
    }
}

/// How large a request may be.
fn too_large(request: &HttpRequest) -> String {
    let upload = request.app_data::<Data<Site>>().filter(|_| takes_uploads(request.path()));
    match upload {
        Some(site) => format!(
            "A file can have at most {} MB. Choose the files again, without those that are larger.",
            site.max_upload_bytes / (1024 * 1024)
        ),
        None => {
            format!(
                "The form has more than {} KB, so nothing was saved. Shorten the longest text.",
                MAX_FORM_BYTES / 1024
            )
        }
    }
}

/// The answer to a user who has to log in: a redirect to the login page, or the page itself with a typed form.
fn login(request: &HttpRequest, error: Option<&Error>) -> Option<HttpResponse> {
    let site = request.app_data::<Data<Site>>()?;
    let viewer = request.extensions().get::<Viewer>().cloned();
    let status = match error? {
        Error::LoginRequired => StatusCode::UNAUTHORIZED,
        Error::Forbidden => StatusCode::FORBIDDEN,
        _ => return None,
    };
    match Draft::of(request) {
        Some(draft) => {
            let name = viewer.as_ref().map(|viewer| viewer.name.as_str());
            Some(LoginPage::for_draft(site, draft, name).answer(status))
        }
        None if status == StatusCode::UNAUTHORIZED => Some(see_other(&login_path(request), None)),
        None => None,
    }
}

/// Asks a browser for a fresh proof. Programs get the error.
async fn confirm(request: &HttpRequest) -> Option<HttpResponse> {
    let viewer = request.extensions().get::<Viewer>().cloned()?;
    if !accepts_html(request) || request::wants_json(request) {
        return None;
    }
    let asked = confirm_page::ask(request, &viewer).await;
    Some(asked.unwrap_or_else(|error| build(request, error.status_code(), Some(&error))))
}

/// The login page, which leads a browser back to the page of the form that it has sent. That page says that nothing was
/// done.
fn login_path(request: &HttpRequest) -> String {
    let form = FormAddress::of(request.path()).filter(|_| !request.method().is_safe() && accepts_html(request));
    match form.map(|form| form.page(request.path())) {
        Some(page) if page != "/" => {
            let next = format!("{page}?done={}", start::NOT_DONE.word);
            format!("/login?next={}", byte_serialize(next.as_bytes()).collect::<String>())
        }
        _ => auth::login_path(request),
    }
}

/// Gives every error response without a body its page. `/api` and clients that ask for JSON get problem JSON.
pub async fn render(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let response = next.call(request).await?;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error())
        || response.headers().contains_key(CONTENT_TYPE) && is_ours(&response)
    {
        return Ok(response.map_into_left_body());
    }
    let error = response.response().error().and_then(|error| error.as_error::<Error>());
    let unrecorded = match error {
        Some(Error::Forbidden | Error::ReadOnlyView) => auth::record_refusal(response.request()).await.err(),
        Some(Error::Token(TokenProblem::NotAllowed(what))) => {
            auth::record_token_refusal(response.request(), *what).await.err()
        }
        _ => None,
    };
    let asked = match error {
        Some(Error::ProofRequired) => confirm(response.request()).await,
        _ => None,
    };
    let rendered = match (&unrecorded, asked) {
        (_, Some(page)) => page,
        (Some(worse), None) => build(response.request(), worse.status_code(), Some(worse)),
        (None, None) => build(response.request(), status, error),
    };
    Ok(response.into_response(rendered).map_body(|_, body| EitherBody::right(body)))
}

/// Whether the response has a body of ours. actix writes plain text; a form shown again is HTML.
fn is_ours<B>(response: &ServiceResponse<B>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.starts_with(b"text/html") || kind.starts_with(b"application/")
}

fn build(request: &HttpRequest, status: StatusCode, error: Option<&Error>) -> HttpResponse {
    let request_id = request.extensions().get::<Origin>().map(|origin| origin.0.request_id.clone()).unwrap_or_default();
    let path = &*api_tokens::masked(request.path());
    match error {
        Some(Error::Internal(cause)) => tracing::error!(%cause, %request_id, path, "internal error"),
        Some(Error::Unavailable(cause) | Error::FileMissing(cause)) => {
            tracing::warn!(%cause, %request_id, path, "unavailable");
        }
        _ => {}
    }
    let api = request.path().starts_with("/api/") || request::wants_json(request);
    if !api && let Some(login) = login(request, error) {
        return login;
    }
    let viewer = request.extensions().get::<Viewer>().cloned();
    let is_office = viewer.as_ref().is_some_and(Viewer::can_issue);
    let Explanation { title, message } = explain(request, status, error, is_office);
    // A 404 shows no reference: another customer's BOL must get the same bytes as one that doesn't exist.
    let shown_id = non_empty(request_id).filter(|_| status != StatusCode::NOT_FOUND);
    let mut response = HttpResponse::build(status);
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        let seconds = match error {
            Some(Error::FileArchived(_)) => 14_400,
            Some(Error::RateLimited(wait)) => whole_seconds(*wait),
            _ => 30,
        };
        response.insert_header((RETRY_AFTER, seconds));
    }
    match error {
        Some(Error::Token(problem)) => {
            response.insert_header((WWW_AUTHENTICATE, problem.challenge()));
        }
        // RFC 9110, 15.5.2: a 401 says how to log in.
        Some(Error::LoginRequired) => {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        _ => {}
    }
    // RFC 9110, 15.5.6.
    let allowed = openapi::allowed_methods(request.path()).filter(|_| status == StatusCode::METHOD_NOT_ALLOWED);
    if let Some(methods) = allowed {
        response.insert_header((ALLOW, methods));
    }
    if api {
        let problem = ProblemDetails { request_id: shown_id, ..ProblemDetails::new(status, title, message) };
        let problem = match error {
            Some(Error::Fields(errors)) => problem.fields(errors),
            Some(Error::Unconfirmed(warnings)) => problem.warnings(warnings),
            _ => problem,
        };
        return problem.respond(&mut response);
    }
    let Some(site) = request.app_data::<Data<Site>>() else { return response.finish() };
    let page = ErrorPage {
        layout: Layout::new(site, viewer.as_ref(), ""),
        status: status.as_u16().to_string(),
        title,
        message,
        request_id: shown_id,
        back: Back::of(request, status),
    };
    match page.render() {
        Ok(html) => response.content_type("text/html; charset=utf-8").body(html),
        Err(_) => response.content_type("text/plain; charset=utf-8").body(format!("{title}. {}", page.message)),
    }
}
