//! How an upload ends before its end.

use actix_multipart::MultipartError;
use actix_web::error::PayloadError;

use crate::web::Error;
use crate::web::error::is_too_slow;

pub const PUT_OFF: &str = "The file could not be stored: the storage, the database or the virus scanner can't be reached. \
                       Upload it again in a minute. The portal recognizes files that it has.";

/// Why the form could not be read to its end.
pub enum Broken {
    /// The body isn't a form with files.
    NoForm,
    /// The body broke off, or part of it can't be read.
    Form,
    TooSlow,
    TooMany,
    /// The user's access was taken away.
    AccessEnded,
    Field(&'static str),
    Unavailable(String),
}

impl Broken {
    /// The message above the outcomes of the files that arrived before.
    pub fn message(&self) -> &'static str {
        match self {
            Self::NoForm | Self::Form => {
                "The upload was interrupted here, or the next file's name is malformed. The rest did not arrive. \
                 Upload it again. The portal recognizes files that it has."
            }
            Self::TooSlow => "The connection was too slow from here on. Upload the same files again.",
            Self::TooMany => "This is too much for one upload. Send the rest separately.",
            Self::AccessEnded => {
                "Your access changed during the upload, so the rest was not stored. Log in again, or ask an administrator."
            }
            Self::Field(message) => message,
            Self::Unavailable(_) => PUT_OFF,
        }
    }

    pub fn to_error(&self) -> Error {
        match self {
            Self::NoForm => Error::BadRequest,
            Self::Form => Error::Broken,
            Self::TooSlow => Error::TooSlow,
            Self::TooMany => Error::TooLarge,
            Self::AccessEnded => Error::AccessEnded,
            Self::Field(message) => Error::Invalid((*message).into()),
            Self::Unavailable(cause) => Error::Unavailable(cause.clone()),
        }
    }
}

impl From<MultipartError> for Broken {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::Payload(error) if is_too_slow(&error) => Self::TooSlow,
            MultipartError::Payload(PayloadError::Overflow) => Self::TooMany,
            error => {
                tracing::info!(%error, "an upload was interrupted");
                Self::Form
            }
        }
    }
}
