//! What can go wrong while a request is handled. This file alone maps errors to status codes.
//!
//! Domain modules return their own small errors; here each becomes one of these. `error_page` renders them.

use std::time::Duration;

use actix_web::error::{PayloadError, UrlencodedError};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use crate::accounts::api_tokens::NotAllowed;
use crate::db::DbError;
use crate::documents::{LinkError, lookup_limit};
use crate::field_errors::FieldErrors;
use crate::issuing::{IssueError, Warning};
use crate::storage::StorageError;

const LOOKUPS_LIMITED: &str = "You asked for many bills of lading that don’t exist or aren’t yours, so the portal shows you none \
                               for five minutes. Use the list, which has all of yours. If you need help, call the terminal \
                               office.";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("malformed request")]
    BadRequest,
    #[error("not logged in")]
    LoginRequired,
    #[error("not allowed for this role")]
    Forbidden,
    /// The user has to prove who they are again ([`super::confirm`]).
    #[error("needs a fresh proof of who the user is")]
    ProofRequired,
    #[error("not allowed while viewing as a customer")]
    ReadOnlyView,
    #[error("the access was taken away during the request")]
    AccessEnded,
    #[error("sent by another site")]
    CrossSite,
    /// The form was opened under another address than the portal's, which this holds.
    #[error("sent from another address than {0}")]
    OtherAddress(String),
    #[error("not found, or outside of the user's scope")]
    NotFound,
    #[error("invalid: {0}")]
    Invalid(String),
    /// Fields of a request to the API are wrong.
    #[error("invalid: {}", .0.summary())]
    Fields(FieldErrors),
    /// Warnings that a request to the API has not confirmed.
    #[error("to be confirmed")]
    Unconfirmed(Vec<Warning>),
    #[error("the body isn't JSON")]
    NotJson,
    #[error("conflict: {0}")]
    Conflict(String),
    #[error("the link's signature is invalid")]
    BadLink,
    #[error("the link has expired")]
    LinkExpired,
    #[error("the invitation was used or replaced, or has expired")]
    InvitationGone,
    /// The user has too many of these running, or asks too often.
    #[error("too many: {0}")]
    TooMany(String),
    /// A program's `Authorization` header was refused ([`super::bearer`]).
    #[error("the token was refused: {0:?}")]
    Token(TokenProblem),
    /// Too many requests of a program. It may go on after this.
    #[error("too many requests; wait {0:?}")]
    RateLimited(Duration),
    #[error("body too large")]
    TooLarge,
    #[error("compressed body")]
    Encoded,
    #[error("body too slow")]
    TooSlow,
    #[error("the upload was interrupted")]
    Broken,
    /// The database has the document, but its object is missing. The text is for the log.
    #[error("{0}")]
    FileMissing(String),
    /// The object is in an archive and will be restored within hours. The text is for the log.
    #[error("{0}")]
    FileArchived(String),
    /// The database, the storage or another service can't be reached. The text is for the log.
    #[error("{0}")]
    Unavailable(String),
    /// A bug or a broken installation. The text is for the log.
    #[error("{0}")]
    Internal(String),
}

/// What is wrong with a program's `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenProblem {
    Malformed,
    /// Unknown, expired, revoked, not allowed from this address, or its owner may not act.
    Invalid,
    /// It was in the URL, and is revoked now.
    InUrl,
    NotAllowed(NotAllowed),
}

impl TokenProblem {
    fn status_code(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Invalid | Self::InUrl => StatusCode::UNAUTHORIZED,
            Self::NotAllowed(_) => StatusCode::FORBIDDEN,
        }
    }

    /// The header `WWW-Authenticate` of the answer
    /// ([RFC 6750, section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    pub fn challenge(self) -> String {
        match self {
            Self::Malformed => r#"Bearer error="invalid_request""#.into(),
            Self::Invalid | Self::InUrl => r#"Bearer error="invalid_token""#.into(),
            Self::NotAllowed(NotAllowed::Scope(scope)) => {
                format!(r#"Bearer error="insufficient_scope", scope="{}""#, scope.as_str())
            }
            Self::NotAllowed(NotAllowed::AnyToken) => r#"Bearer error="insufficient_scope""#.into(),
        }
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        if lookup_limit::is_reached(&error) {
            return Self::TooMany(LOOKUPS_LIMITED.into());
        }
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
            // Fail closed: without a record in the access log there is no link.
            LinkError::Db(error) if lookup_limit::is_reached(&error) => error.into(),
            LinkError::Db(error) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<IssueError> for Error {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::NotFound => Self::NotFound,
            IssueError::Invalid(errors) => Self::Fields(errors),
            IssueError::Unconfirmed(warnings) => Self::Unconfirmed(warnings),
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
            UrlencodedError::Payload(error) if is_too_slow(&error) => Self::TooSlow,
            _ => Self::BadRequest,
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest | Self::NotJson | Self::Broken => StatusCode::BAD_REQUEST,
            Self::LoginRequired => StatusCode::UNAUTHORIZED,
            Self::Forbidden
            | Self::ProofRequired
            | Self::ReadOnlyView
            | Self::AccessEnded
            | Self::CrossSite
            | Self::OtherAddress(_)
            | Self::BadLink
            | Self::LinkExpired => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::InvitationGone => StatusCode::GONE,
            Self::Invalid(_) | Self::Fields(_) | Self::Unconfirmed(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Token(problem) => problem.status_code(),
            Self::TooMany(_) | Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::FileMissing(_) | Self::FileArchived(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// An empty response; the middleware `error_page::render` fills it.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// Whether a body ended because it took too long ([`super::limits`]).
pub fn is_too_slow(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}
