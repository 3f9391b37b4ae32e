//! Stores documents in an S3 bucket. Only this module and its submodules use the AWS SDK.

pub mod archive;
pub mod bucket;
mod credentials;
pub mod desired;
mod error;
mod foreign;
mod genuine;
pub mod object_lock;
pub mod policy;
mod small;
pub mod versions;

use std::fs::File;
use std::time::{Duration, SystemTime};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::config::{Credentials, IdentityCache, SharedCredentialsProvider};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{EncodingType, GlacierJobParameters, ObjectLockMode, RestoreRequest, StorageClass, Tier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;
use url::Url;

use self::credentials::Renewed;
use self::error::{no_credentials, reading, unavailable};
use self::genuine::{not_s3, require_etag, require_listing};
use super::content::rewound;
use super::{
    Cause, Content, ListedObject, ObjectInfo, ObjectKey, Presentation, Readable, StorageError, StorageFailure,
};
use crate::config::S3Config;

/// Timeouts while a person waits for a page: three attempts of two seconds, then an error.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(7);
/// The timeout of a request in a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(12);
/// An upload of 50 MB on a slow line takes longer than other requests.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// The read buffer for files, in bytes.
const BUFFER: usize = 128 * 1024;
/// Days for which a restored object can be read.
const RESTORED_DAYS: i32 = 7;
/// The parameter of a link that names the request in which it was issued. S3 ignores those that begin with `x-`, and
/// writes them into the bucket's access log:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html#LogFormatCustom>
pub const LINK_REQUEST: &str = "x-request";

#[derive(Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    region: String,
    endpoint: Option<Url>,
    /// `None`: the provider chain found none.
    credentials: Option<Renewed>,
}

impl S3Store {
    /// Opens the bucket for requests that a person waits for.
    pub async fn new(config: &S3Config) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(100));
        Self::with(config, timeouts, retries).await
    }

    /// Opens the bucket for commands, which prefer waiting to failing.
    pub async fn with_long_timeouts(config: &S3Config) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(COMMAND_TIMEOUT)
            .build();
        Self::with(config, timeouts, RetryConfig::standard().with_max_attempts(5)).await
    }

    async fn with(config: &S3Config, timeouts: TimeoutConfig, retries: RetryConfig) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .retry_config(retries)
            .timeout_config(timeouts);
        if let Some(found) = &config.credentials {
            let token = found.session_token.as_ref().map(|token| token.0.clone());
            let secret = found.secret_access_key.0.clone();
            let end = found.expiration.map(Into::into);
            let credentials = Credentials::new(&found.access_key_id, secret, token, end, "environment");
            loader = loader.credentials_provider(credentials);
        }
        if let Some(profile) = &config.profile {
            // Not the default chain, which would prefer the portal's own keys in the process environment.
            let profile = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
            loader = loader.credentials_provider(profile);
        }
        let shared = loader.load().await;
        let credentials = shared.credentials_provider().map(Renewed::new);
        let mut builder = aws_sdk_s3::config::Builder::from(&shared);
        if let Some(renewed) = &credentials {
            // Links use the cache of `Renewed`, so the client must not keep another one.
            builder = builder
                .credentials_provider(SharedCredentialsProvider::new(renewed.clone()))
                .identity_cache(IdentityCache::no_cache());
        }
        if config.is_apart {
            builder.set_endpoint_url(None);
        }
        if let Some(endpoint) = &config.endpoint {
            builder = builder.endpoint_url(endpoint.as_str().trim_end_matches('/')).force_path_style(true);
        }
        Self {
            client: Client::from_conf(builder.build()),
            bucket: config.bucket.clone(),
            region: config.region.clone(),
            endpoint: config.endpoint.clone(),
            credentials,
        }
    }

    /// Returns the URL that every link to an object begins with, with a slash at the end. The bucket is in the host name,
    /// or in the path of a server of one's own. It is in the path of AWS too if its name has dots: a wildcard
    /// certificate covers one name below the server's, not two.
    pub(super) fn link_place(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{}/{}/", endpoint.origin().ascii_serialization(), self.bucket),
            None if self.bucket.contains('.') => format!("https://s3.{}.amazonaws.com/{}/", self.region, self.bucket),
            None => format!("https://{}.s3.{}.amazonaws.com/", self.bucket, self.region),
        }
    }

    pub(super) async fn put(&self, key: &ObjectKey, content: Content, sha256: [u8; 32]) -> Result<(), StorageError> {
        self.put_until(key, content, sha256, None).await
    }

    /// Stores an object, with an Object Lock in compliance mode until a time if there is one.
    pub(super) async fn put_until(
        &self,
        key: &ObjectKey,
        content: Content,
        sha256: [u8; 32],
        until: Option<DateTime<Utc>>,
    ) -> Result<(), StorageError> {
        let size = content.size();
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(key.content_type())
            .checksum_sha256(STANDARD.encode(sha256))
            .if_none_match("*")
            .set_object_lock_mode(until.map(|_| ObjectLockMode::Compliance))
            .set_object_lock_retain_until_date(until.map(|until| SystemTime::from(until).into()))
            .body(body(&content).await?)
            .customize()
            .config_override(aws_sdk_s3::config::Config::builder().timeout_config(slow()))
            .send()
            .await;
        match put {
            Ok(stored) => {
                require_etag(stored.e_tag(), "PUT")?;
                self.require_stored(key, size, sha256, stored.checksum_sha256()).await
            }
            Err(error) if error.code() == Some("PreconditionFailed") => Err(StorageError::Exists(key.clone())),
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(super) async fn fetch(&self, key: &ObjectKey, into: File) -> Result<(), StorageError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key.as_str());
        let slow = aws_sdk_s3::config::Config::builder().timeout_config(slow());
        let found = get.customize().config_override(slow).send().await.map_err(|error| reading(key, error))?;
        require_etag(found.e_tag(), "GET")?;
        let (mut body, mut into) = (found.body.into_async_read(), tokio::fs::File::from_std(into));
        let copied = async { tokio::io::copy(&mut body, &mut into).await.and(into.flush().await) };
        match timeout(UPLOAD_TIMEOUT, copied).await {
            Ok(copied) => copied.map(drop).map_err(|error| {
                StorageError::Unavailable(StorageFailure {
                    cause: Cause::Unreachable,
                    detail: format!("the transfer of {key} failed midway: {error}"),
                })
            }),
            Err(_) => Err(StorageError::unavailable(format!("the transfer of {key} timed out"))),
        }
    }

    pub(super) async fn restore(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let parameters = GlacierJobParameters::builder().tier(Tier::Standard).build();
        let parameters = parameters.map_err(StorageError::unavailable)?;
        let request = RestoreRequest::builder().days(RESTORED_DAYS).glacier_job_parameters(parameters).build();
        let restore = self.client.restore_object().bucket(&self.bucket).key(key.as_str()).restore_request(request);
        match restore.send().await {
            Ok(_) => Ok(()),
            // A restore was requested before.
            Err(error) if error.code() == Some("RestoreAlreadyInProgress") => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(super) async fn remove(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let remove = self.client.delete_object().bucket(&self.bucket).key(key.as_str());
        remove.send().await.map(drop).map_err(unavailable)
    }

    pub(super) async fn list(&self, folder: &str, to: &Sender<Result<ListedObject, StorageError>>) {
        let mut token = None;
        loop {
            // Foreign keys may contain characters that XML can't.
            let list =
                self.client.list_objects_v2().bucket(&self.bucket).prefix(folder).encoding_type(EncodingType::Url);
            let page = match list.set_continuation_token(token.take()).send().await {
                Ok(page) => page,
                Err(error) => return drop(to.send(Err(unavailable(error))).await),
            };
            if let Err(failure) = require_listing(&page) {
                return drop(to.send(Err(StorageError::Unavailable(failure))).await);
            }
            for object in page.contents() {
                let key = object.key().unwrap_or_default();
                let key = if page.encoding_type().is_some() { decoded(key) } else { key.to_owned() };
                let modified =
                    object.last_modified().and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()));
                let size = object.size().unwrap_or_default().unsigned_abs();
                if to.send(Ok(ListedObject { key, size, modified: modified.unwrap_or_default() })).await.is_err() {
                    return;
                }
            }
            if !page.is_truncated().unwrap_or_default() {
                return;
            }
            token = page.next_continuation_token().map(Into::into);
            if token.is_none() {
                let broken = StorageError::unavailable(
                    "the listing is incomplete: the store announced more keys but sent no continuation token",
                );
                return drop(to.send(Err(broken)).await);
            }
        }
    }

    pub(super) async fn has_same(&self, key: &ObjectKey, size: u64, sha256: [u8; 32]) -> Result<bool, StorageError> {
        match self.head(key).await? {
            Some(found) if found.size == size => match found.sha256 {
                Some(checksum) => Ok(checksum == sha256),
                // A store without checksums: read the bytes.
                None => Ok(self.hash(key).await? == sha256),
            },
            _ => Ok(false),
        }
    }

    pub(super) async fn hash(&self, key: &ObjectKey) -> Result<[u8; 32], StorageError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key.as_str());
        let slow = aws_sdk_s3::config::Config::builder().timeout_config(slow());
        let found = get.customize().config_override(slow).send().await.map_err(|error| reading(key, error))?;
        require_etag(found.e_tag(), "GET")?;
        let (mut body, mut hash) = (found.body, Sha256::new());
        while let Some(part) = body.try_next().await.map_err(StorageError::unavailable)? {
            hash.update(&part);
        }
        Ok(hash.finalize().into())
    }

    pub(super) async fn link(
        &self,
        key: &ObjectKey,
        presentation: &Presentation,
        life: Duration,
    ) -> Result<(Url, Duration), StorageError> {
        let Some(renewed) = &self.credentials else { return Err(no_credentials()) };
        // The signer uses the credentials known here, or newer ones.
        let credentials = renewed.get().await.map_err(StorageError::Unavailable)?;
        // S3 rejects a link whose credentials have expired, whatever expiry the link states.
        let left = credentials.expiry().map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        let life = Duration::from_secs(left.map_or(life, |left| left.min(life)).as_secs());
        if life.is_zero() {
            let cause = Cause::ExpiredCredentials;
            return Err(StorageError::Unavailable(StorageFailure { cause, detail: String::new() }));
        }
        let presigning = PresigningConfig::expires_in(life).map_err(StorageError::unavailable)?;
        let get = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .response_content_type(key.content_type())
            .response_content_disposition(presentation.content_disposition());
        let issued_in = presentation.request.clone();
        // Added before signing, so that the signature covers it.
        let name_request = move |request: &mut HttpRequest| {
            let joint = if request.uri().contains('?') { '&' } else { '?' };
            let named = format!("{}{joint}{LINK_REQUEST}={issued_in}", request.uri());
            if !issued_in.is_empty() && request.set_uri(named).is_err() {
                tracing::warn!("can't add the request id to a link");
            }
        };
        let request = get.customize().mutate_request(name_request).presigned(presigning).await.map_err(unavailable)?;
        Ok((Url::parse(request.uri()).map_err(StorageError::unavailable)?, life))
    }
}

/// Decodes a key of a listing: S3 encodes a space as `+`, and other characters by their bytes.
fn decoded(key: &str) -> String {
    url::form_urlencoded::parse(format!("={key}").as_bytes())
        .next()
        .map(|(_, key)| key.into_owned())
        .unwrap_or_default()
}

/// Timeouts for transfers of documents.
fn slow() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(UPLOAD_TIMEOUT).operation_timeout(UPLOAD_TIMEOUT).build()
}

fn found(head: &HeadObjectOutput) -> Result<ObjectInfo, StorageError> {
    let sha256 = head.checksum_sha256().and_then(|text| STANDARD.decode(text).ok()).and_then(|sum| sum.try_into().ok());
    // `ongoing-request="true"`, or `ongoing-request="false", expiry-date="…"` after the restore.
    let readable = match (head.storage_class(), head.restore()) {
        (Some(StorageClass::Glacier | StorageClass::DeepArchive), None) => Readable::Archived,
        (Some(StorageClass::Glacier | StorageClass::DeepArchive), Some(restore)) => {
            if restore.contains("ongoing-request=\"true\"") { Readable::Restoring } else { Readable::Now }
        }
        _ => Readable::Now,
    };
    let size = head.content_length().and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| StorageError::Unavailable(not_s3("the answer to a HEAD has no size")))?;
    Ok(ObjectInfo { size, sha256, readable })
}

async fn body(content: &Content) -> Result<ByteStream, StorageError> {
    let (file, size) = match content {
        Content::Bytes(bytes) => return Ok(ByteStream::from(bytes.to_vec())),
        Content::File { file, size } => (rewound(file), *size),
    };
    let file = file.map_err(StorageError::unavailable)?;
    let reading = ByteStream::read_from()
        .file(tokio::fs::File::from_std(file))
        .length(Length::Exact(size))
        .buffer_size(BUFFER)
        .build();
    reading.await.map_err(StorageError::unavailable)
}
