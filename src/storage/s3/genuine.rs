//! Tells S3's answers from those of something in between: a captive portal, a proxy, or a gateway.
//!
//! Such a thing answers any request with a status such as 200 or 404 and a page of its own. An answer counts only if it
//! has what S3 puts into every answer of its kind.

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::ChecksumMode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::{reading, unavailable};
use super::{S3Store, found};
use crate::storage::{Cause, ObjectInfo, ObjectKey, StorageError, StorageFailure};

/// Returns the error of an answer that lacks what S3's has.
pub(super) fn not_s3(what: &str) -> StorageFailure {
    StorageFailure { cause: Cause::NotS3, detail: what.into() }
}

/// Checks that an answer about an object has an entity tag, which S3 never omits.
pub(super) fn require_etag(etag: Option<&str>, request: &str) -> Result<(), StorageError> {
    match etag {
        Some(etag) if !etag.is_empty() => Ok(()),
        _ => Err(StorageError::Unavailable(not_s3(&format!("the answer to a {request} has no ETag")))),
    }
}

/// Checks that a page of a listing has at least one element of a listing.
pub(super) fn require_listing(page: &ListObjectsV2Output) -> Result<(), StorageFailure> {
    let is_listing = page.name().is_some() || page.key_count().is_some() || page.is_truncated().is_some();
    if is_listing { Ok(()) } else { Err(not_s3("the answer to a listing is not a listing")) }
}

impl S3Store {
    /// Returns the object, or `None` if the store says that it isn't there.
    pub(in crate::storage) async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, StorageError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key.as_str());
        match head.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(head) => {
                require_etag(head.e_tag(), "HEAD")?;
                found(&head).map(Some)
            }
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => {
                match error.request_id() {
                    Some(_) => Ok(None),
                    None => self.confirm_missing(key).await,
                }
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Asks again with GET: a 404 to HEAD has no body that could tell whose it is.
    async fn confirm_missing(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, StorageError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key.as_str()).range("bytes=0-0");
        match get.send().await.map_err(|error| reading(key, error)) {
            Err(StorageError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(_) => Err(StorageError::Unavailable(not_s3("the store answers HEAD and GET differently"))),
        }
    }

    /// Checks that the store keeps what was put: its answer had the checksum, or it says so when asked.
    pub(super) async fn require_stored(
        &self,
        key: &ObjectKey,
        size: u64,
        sha256: [u8; 32],
        checksum: Option<&str>,
    ) -> Result<(), StorageError> {
        let is_stored = match checksum {
            Some(checksum) => checksum == STANDARD.encode(sha256),
            None => self.has_same(key, size, sha256).await?,
        };
        let detail = format!("{key} was answered as stored, but isn't there as it was sent");
        if is_stored { Ok(()) } else { Err(StorageError::Unavailable(not_s3(&detail))) }
    }

    /// Checks that the bucket can be reached, with a request that costs next to nothing.
    pub(in crate::storage) async fn ready(&self) -> Result<(), StorageError> {
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(head) if head.request_id().is_some() || head.bucket_region().is_some() => Ok(()),
            // An answer to HEAD has no body, so only another request tells the reason.
            Err(error) if error.raw_response().is_none() => Err(unavailable(error)),
            Ok(_) | Err(_) => self.can_list().await.map_err(StorageError::Unavailable),
        }
    }
}
