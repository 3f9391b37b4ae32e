//! All versions of objects: what a versioned bucket keeps when an object is overwritten or deleted.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::primitives::DateTime as AwsDateTime;
use aws_sdk_s3::types::{ChecksumMode, EncodingType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc::Sender;

use super::error::unavailable;
use super::genuine::not_s3;
use super::{S3Store, decoded};
use crate::storage::{Cause, StorageError, StorageFailure};

/// One version of an object, or a delete marker. Other programs may have written it, so its key is arbitrary text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedVersion {
    pub key: String,
    /// The ID of the version. `null` if versioning was off.
    pub id: String,
    pub is_latest: bool,
    pub is_delete_marker: bool,
    pub modified: DateTime<Utc>,
    /// In bytes. 0 for a delete marker.
    pub size: u64,
    /// Empty for a delete marker.
    pub etag: String,
}

impl S3Store {
    pub(in crate::storage) async fn list_versions(
        &self,
        folder: &str,
        to: &Sender<Result<ListedVersion, StorageError>>,
    ) {
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let list =
                self.client.list_object_versions().bucket(&self.bucket).prefix(folder).encoding_type(EncodingType::Url);
            let list = list.set_key_marker(key_marker.take()).set_version_id_marker(id_marker.take());
            let page = match list.send().await {
                Ok(page) => page,
                Err(error) => {
                    let error = if is_plain_listing(&error) { not_offered() } else { unavailable(error) };
                    return drop(to.send(Err(error)).await);
                }
            };
            if page.name().is_none() && page.is_truncated().is_none() {
                let failure = not_s3("the answer to a listing of versions is not one");
                return drop(to.send(Err(StorageError::Unavailable(failure))).await);
            }
            for version in versions_of(&page) {
                if to.send(Ok(version)).await.is_err() {
                    return;
                }
            }
            if !page.is_truncated().unwrap_or_default() {
                return;
            }
            key_marker = page.next_key_marker().map(|key| plain(&page, key));
            id_marker = page.next_version_id_marker().map(Into::into);
            if key_marker.is_none() {
                let broken = "the listing of versions is incomplete: the store announced more keys but sent no marker";
                return drop(to.send(Err(StorageError::unavailable(broken))).await);
            }
        }
    }

    pub(in crate::storage) async fn version_sha256(
        &self,
        version: &ListedVersion,
    ) -> Result<Option<[u8; 32]>, StorageError> {
        let head = self.client.head_object().bucket(&self.bucket).key(&version.key).version_id(&version.id);
        let head = head.checksum_mode(ChecksumMode::Enabled).send().await.map_err(unavailable)?;
        Ok(head.checksum_sha256().and_then(|text| STANDARD.decode(text).ok()?.try_into().ok()))
    }
}

/// Whether the server ignored the parameter `versions`, and listed the objects.
fn is_plain_listing<E>(error: &SdkError<E, HttpResponse>) -> bool {
    const ROOT: &[u8] = b"<ListBucketResult";
    let body = error.raw_response().and_then(|response| response.body().bytes());
    body.is_some_and(|body| body.windows(ROOT.len()).any(|part| part == ROOT))
}

fn not_offered() -> StorageError {
    let detail = "it lists objects when it is asked for versions".into();
    StorageError::Unavailable(StorageFailure { cause: Cause::NotOffered, detail })
}

/// Returns the versions and delete markers of a page, ordered by key. S3 lists them separately.
fn versions_of(page: &ListObjectVersionsOutput) -> Vec<ListedVersion> {
    let versions = page.versions().iter().map(|version| ListedVersion {
        key: plain(page, version.key().unwrap_or_default()),
        id: version.version_id().unwrap_or("null").into(),
        is_latest: version.is_latest().unwrap_or_default(),
        is_delete_marker: false,
        modified: modified(version.last_modified()),
        size: version.size().unwrap_or_default().unsigned_abs(),
        etag: version.e_tag().unwrap_or_default().into(),
    });
    let markers = page.delete_markers().iter().map(|marker| ListedVersion {
        key: plain(page, marker.key().unwrap_or_default()),
        id: marker.version_id().unwrap_or("null").into(),
        is_latest: marker.is_latest().unwrap_or_default(),
        is_delete_marker: true,
        modified: modified(marker.last_modified()),
        size: 0,
        etag: String::new(),
    });
    let mut all: Vec<_> = versions.chain(markers).collect();
    all.sort_by(|one, two| one.key.cmp(&two.key));
    all
}

fn plain(page: &ListObjectVersionsOutput, key: &str) -> String {
    if page.encoding_type().is_some() { decoded(key) } else { key.to_owned() }
}

fn modified(at: Option<&AwsDateTime>) -> DateTime<Utc> {
    at.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos())).unwrap_or_default()
}
