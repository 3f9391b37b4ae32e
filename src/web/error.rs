//! What can go wrong on the way to an answer. This file alone knows status codes.
//!
//! Domain modules return their own small errors; here each becomes one of these. A failure is logged once, where it is
//! turned into a page. A visitor learns what to do next, and nothing else.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::UrlencodedError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use askama::Template;

use super::flash::see_other;
use super::page::Layout;
use super::request::Origin;
use super::{Site, auth, limits, request};
use crate::accounts::Viewer;
use crate::db::DbError;
use crate::documents::LinkError;
use crate::issuing::IssueError;
use crate::storage::StorageError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("malformed request")]
    BadRequest,
    #[error("not logged in")]
    LoginRequired,
    #[error("not for this role")]
    Forbidden,
    #[error("only looks as a customer does")]
    ReadOnlyView,
    #[error("sent by another site")]
    CrossSite,
    #[error("not there, or not within reach")]
    NotFound,
    #[error("invalid: {0}")]
    Invalid(String),
    #[error("conflict: {0}")]
    Conflict(String),
    #[error("a link that isn't ours, or was altered")]
    BadLink,
    #[error("a link past its time")]
    LinkExpired,
    #[error("an invitation that was used, replaced, or is past its time")]
    InvitationGone,
    #[error("body too large")]
    TooLarge,
    #[error("compressed body")]
    Encoded,
    #[error("body too slow")]
    TooSlow,
    #[error("the form broke off, or isn't one")]
    Broken,
    /// The object of a document that the database has; the text is for the log.
    #[error("{0}")]
    FileMissing(String),
    /// It lies in an archive and comes back in some hours.
    #[error("{0}")]
    FileArchived(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Internal(String),
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        if error.is_unreachable() { Self::Unavailable(error.to_string()) } else { Self::Internal(error.to_string()) }
    }
}

crate::db::query_error_into!(Error);

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotFound => Self::NotFound,
            LinkError::ObjectMissing(_) => Self::FileMissing(error.to_string()),
            LinkError::BeingRestored(_) => Self::FileArchived(error.to_string()),
            LinkError::Storage(error) => error.into(),
            // Fail closed: if the record can't be written there is no link, whatever the reason.
            LinkError::Db(error) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<IssueError> for Error {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::NotFound => Self::NotFound,
            IssueError::Invalid(_) | IssueError::Unconfirmed(_) => Self::Invalid(error.to_string()),
            IssueError::KeyReused | IssueError::Refused(_) => Self::Conflict(error.to_string()),
            IssueError::Storage(error) => error.into(),
            IssueError::Print(error) => Self::Internal(error.to_string()),
            IssueError::Db(error) => error.into(),
        }
    }
}

impl From<UrlencodedError> for Error {
    fn from(error: UrlencodedError) -> Self {
        match error {
            UrlencodedError::Overflow { .. } => Self::TooLarge,
            UrlencodedError::Payload(error) if limits::is_too_slow(&error) => Self::TooSlow,
            _ => Self::BadRequest,
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest | Self::Broken => StatusCode::BAD_REQUEST,
            Self::LoginRequired => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::ReadOnlyView | Self::CrossSite | Self::BadLink | Self::LinkExpired => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::InvitationGone => StatusCode::GONE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::FileMissing(_) | Self::FileArchived(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Empty: [`render`] makes the page.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// What a visitor is told.
struct Explanation {
    title: &'static str,
    message: String,
}

fn explain(status: StatusCode, error: Option<&Error>) -> Explanation {
    let (title, message) = match (status, error) {
        (_, Some(Error::CrossSite)) => (
            "That came from another site",
            "Nothing was changed. Open this portal in your browser and do it from there.",
        ),
        (_, Some(Error::ReadOnlyView)) => (
            "You are looking as a customer",
            "A customer doesn't have this page, and nothing can be changed while you look. Stop looking as the customer \
             (above), and do it as yourself.",
        ),
        (_, Some(Error::FileMissing(_))) => (
            "The file can't be found",
            "This document is on record, but its file is missing in the storage. No link was issued. \
             The terminal office can put it back; please call them with the reference below.",
        ),
        (_, Some(Error::FileArchived(_))) => (
            "This document is being restored",
            "It is old, and was moved to an archive. We have asked for it; that takes three to twelve hours. \
             Download it again then: it stays at hand for a week. If it can't wait, please call the terminal office.",
        ),
        (_, Some(Error::BadLink)) => {
            ("This link doesn't work", "It is incomplete or was changed. Get a new one in the portal.")
        }
        (_, Some(Error::LinkExpired)) => (
            "This link has expired",
            "Links to documents work for a short time only. Open the bill of lading in the portal and download it again.",
        ),
        (_, Some(Error::InvitationGone)) => (
            "This link doesn't work any more",
            "It was used already, a newer one has replaced it, or its time is over. If you have set your password, log in \
             with it; otherwise get a new link with “Forgot your password?” on the login page.",
        ),
        (_, Some(Error::Invalid(what))) => {
            return Explanation { title: "Please correct the request", message: what.clone() };
        }
        (_, Some(Error::Conflict(what))) => {
            return Explanation { title: "That doesn't fit what is there", message: what.clone() };
        }
        (_, Some(Error::Broken)) => (
            "The upload broke off",
            "What had arrived whole is stored; the rest is not. Upload the same files again: what is here already is \
             recognised.",
        ),
        (StatusCode::BAD_REQUEST, _) => ("The request could not be read", "Go back and try again."),
        (StatusCode::UNAUTHORIZED, _) => ("Please log in", "You are not logged in, or your session has ended."),
        (StatusCode::FORBIDDEN, _) => (
            "This isn't part of your role",
            "Your login works, but this page is for others. If you need it, ask the terminal office.",
        ),
        (StatusCode::NOT_FOUND, _) => (
            "Nothing to see here",
            "There is no such page, or it isn't among your bills of lading. Check the number and try the search.",
        ),
        (StatusCode::METHOD_NOT_ALLOWED, _) => ("That doesn't work here", "Go back and use the buttons of the page."),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, _) => ("That can't be read", "Send the request without compressing it."),
        (StatusCode::REQUEST_TIMEOUT, _) => (
            "That took too long",
            "The connection was too slow to send the form. Nothing of what was under way was changed; please try again.",
        ),
        (StatusCode::PAYLOAD_TOO_LARGE, _) => {
            ("That is too large", "Less fits into this form. Shorten it and try again.")
        }
        (StatusCode::SERVICE_UNAVAILABLE, _) => (
            "Not available right now",
            "We can't reach what we need for this page. Nothing was lost; please try again in a minute.",
        ),
        _ if status.is_client_error() => ("The request could not be answered", "Go back and try again."),
        _ => (
            "Something went wrong",
            "The fault is ours. Please try again; if it stays, call us with the reference below.",
        ),
    };
    Explanation { title, message: message.into() }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    layout: Layout,
    status: String,
    title: &'static str,
    message: String,
    request_id: String,
}

/// Turns every error answer without a page of its own into one: HTML, or `application/problem+json` under `/api`.
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
        _ => None,
    };
    let rendered = match &unrecorded {
        Some(worse) => answer(response.request(), worse.status_code(), Some(worse)),
        None => answer(response.request(), status, error),
    };
    Ok(response.into_response(rendered).map_body(|_, body| EitherBody::right(body)))
}

/// A form shown again with its messages is a page already; what actix writes of its own accord is plain text.
fn is_ours<B>(response: &ServiceResponse<B>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.starts_with(b"text/html") || kind.starts_with(b"application/")
}

fn answer(request: &HttpRequest, status: StatusCode, error: Option<&Error>) -> HttpResponse {
    let request_id = request.extensions().get::<Origin>().map(|origin| origin.0.request_id.clone()).unwrap_or_default();
    match error {
        Some(Error::Internal(cause)) => tracing::error!(%cause, %request_id, path = request.path(), "internal error"),
        Some(Error::Unavailable(cause) | Error::FileMissing(cause)) => {
            tracing::warn!(%cause, %request_id, path = request.path(), "unavailable");
        }
        _ => {}
    }
    let api = request.path().starts_with("/api/") || request::wants_json(request);
    if matches!(error, Some(Error::LoginRequired)) && !api {
        return see_other(&auth::login_path(request), None);
    }
    let Explanation { title, message } = explain(status, error);
    // Not on a 404: somebody else's BOL and one that doesn't exist must be the same bytes.
    let shown_id = if status == StatusCode::NOT_FOUND { String::new() } else { request_id };
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let is_archived = matches!(error, Some(Error::FileArchived(_)));
        response.insert_header((RETRY_AFTER, if is_archived { "14400" } else { "30" }));
    }
    if api {
        let mut problem =
            serde_json::json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": message});
        if !shown_id.is_empty() {
            problem["requestId"] = shown_id.into();
        }
        return response.content_type("application/problem+json").body(problem.to_string());
    }
    let Some(site) = request.app_data::<Data<Site>>() else { return response.finish() };
    let viewer = request.extensions().get::<Viewer>().cloned();
    let page = ErrorPage {
        layout: Layout::new(site, viewer.as_ref(), ""),
        status: status.as_u16().to_string(),
        title,
        message,
        request_id: shown_id,
    };
    match page.render() {
        Ok(html) => response.content_type("text/html; charset=utf-8").body(html),
        Err(_) => response.content_type("text/plain; charset=utf-8").body(format!("{title}. {}", page.message)),
    }
}
