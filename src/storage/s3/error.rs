//! Converts the errors of the AWS SDK into those of the storage.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::storage::{Cause, ObjectKey, StorageError, StorageFailure};

/// The maximum length of an error text, in characters.
const MAX_ERROR_CHARS: usize = 400;

/// Converts the error of a request for an object's bytes.
pub(super) fn reading<E>(key: &ObjectKey, error: SdkError<E, HttpResponse>) -> StorageError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error.code() {
        Some("NoSuchKey") => StorageError::Missing(key.clone()),
        Some("InvalidObjectState") => StorageError::Archived(key.clone()),
        _ => unavailable(error),
    }
}

pub(super) fn no_credentials() -> StorageError {
    StorageError::Unavailable(StorageFailure { cause: Cause::NoCredentials, detail: String::new() })
}

pub(super) fn unavailable<E>(error: SdkError<E, HttpResponse>) -> StorageError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    StorageError::Unavailable(failure(&error))
}

/// Returns the messages of an error and its sources, without the body of the response.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        behind = error.source();
    }
    text.chars().take(MAX_ERROR_CHARS).collect()
}

/// Converts a request-builder error, a bug of this program.
pub(super) fn unbuildable(error: aws_sdk_s3::error::BuildError) -> StorageFailure {
    StorageFailure { cause: Cause::Other, detail: error.to_string() }
}

/// Returns the cause and the detail of a failed request, with or without a response.
pub(super) fn failure<E>(error: &SdkError<E, HttpResponse>) -> StorageFailure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let context = error_chain(error);
    let cause = match error {
        SdkError::ServiceError(_) | SdkError::ResponseError(_) => {
            Cause::of(error.code(), error.message().unwrap_or_default(), status)
        }
        SdkError::TimeoutError(_) => Cause::Unreachable,
        _ if is_without_credentials(error) => Cause::NoCredentials,
        SdkError::DispatchFailure(_) => Cause::Unreachable,
        _ => Cause::Other,
    };
    // Prefers the message of the store.
    let detail = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => context,
    };
    let other_region = error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region"));
    match other_region.filter(|_| cause == Cause::WrongRegion) {
        Some(region) => StorageFailure { cause, detail: format!("the bucket is in {region} ({detail})") },
        None => StorageFailure { cause, detail },
    }
}

/// Returns whether a request failed because no credentials could be loaded.
fn is_without_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<CredentialsError>())
}
