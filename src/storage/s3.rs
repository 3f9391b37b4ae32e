//! An S3 bucket as the store. Nothing outside of this file knows the AWS SDK.

use std::fs::File;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError, Length};
use aws_sdk_s3::types::ChecksumMode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use url::Url;

use super::content::rewound;
use super::{Content, ObjectKey, Presentation, StorageError};
use crate::config::S3Config;

/// A person waits for the page: three tries, each of two seconds, and then a clear "try again".
const CONNECT: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_secs(2);
const OPERATION: Duration = Duration::from_secs(7);
/// An upload of 50 MB on a slow line takes longer.
const UPLOAD: Duration = Duration::from_secs(120);
/// Read from a file at once, in bytes.
const BUFFER: usize = 128 * 1024;

#[derive(Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    region: String,
    endpoint: Option<Url>,
}

impl S3Store {
    pub async fn new(config: &S3Config) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(100)))
            .timeout_config(timeouts);
        if let Some(found) = &config.credentials {
            let token = found.session_token.as_ref().map(|token| token.0.clone());
            let secret = found.secret_access_key.0.clone();
            let credentials = Credentials::new(&found.access_key_id, secret, token, None, "environment");
            loader = loader.credentials_provider(credentials);
        }
        let shared = loader.load().await;
        let mut builder = aws_sdk_s3::config::Builder::from(&shared);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.endpoint_url(endpoint.as_str().trim_end_matches('/')).force_path_style(true);
        }
        Self {
            client: Client::from_conf(builder.build()),
            bucket: config.bucket.clone(),
            region: config.region.clone(),
            endpoint: config.endpoint.clone(),
        }
    }

    /// With the bucket in the host name, or, when its name has dots, in the path.
    pub(super) fn link_origins(&self) -> Vec<String> {
        match &self.endpoint {
            Some(endpoint) => vec![endpoint.origin().ascii_serialization()],
            None => {
                let regional = format!("s3.{}.amazonaws.com", self.region);
                vec![format!("https://{}.{regional}", self.bucket), format!("https://{regional}")]
            }
        }
    }

    pub(super) async fn put(&self, key: &ObjectKey, content: Content, sha256: [u8; 32]) -> Result<(), StorageError> {
        let upload = TimeoutConfig::builder().operation_attempt_timeout(UPLOAD).operation_timeout(UPLOAD).build();
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type("application/pdf")
            .checksum_sha256(STANDARD.encode(sha256))
            .if_none_match("*")
            .body(body(&content).await?)
            .customize()
            .config_override(aws_sdk_s3::config::Config::builder().timeout_config(upload))
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("PreconditionFailed") => Err(StorageError::Exists(key.clone())),
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(super) async fn fetch(&self, key: &ObjectKey, into: File) -> Result<(), StorageError> {
        let slow = TimeoutConfig::builder().operation_attempt_timeout(UPLOAD).operation_timeout(UPLOAD).build();
        let get = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .customize()
            .config_override(aws_sdk_s3::config::Config::builder().timeout_config(slow))
            .send()
            .await;
        let found = match get {
            Ok(found) => found,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {
                return Err(StorageError::Missing(key.clone()));
            }
            Err(error) => return Err(unavailable(error)),
        };
        let broken = |error: std::io::Error| StorageError::Unavailable(error.to_string());
        let (mut body, mut into) = (found.body.into_async_read(), tokio::fs::File::from_std(into));
        let copied = async { tokio::io::copy(&mut body, &mut into).await.and(into.flush().await) };
        match timeout(UPLOAD, copied).await {
            Ok(copied) => copied.map_err(broken),
            Err(_) => Err(StorageError::Unavailable(format!("{key} didn't arrive in time"))),
        }
    }

    pub(super) async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        match self.client.head_object().bucket(&self.bucket).key(key.as_str()).send().await {
            Ok(found) => Ok(found.content_length().and_then(|length| length.try_into().ok())),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(super) async fn has_same(&self, key: &ObjectKey, size: u64, sha256: [u8; 32]) -> Result<bool, StorageError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key.as_str());
        match head.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(found) if found.content_length().and_then(|length| length.try_into().ok()) != Some(size) => Ok(false),
            Ok(found) => match found.checksum_sha256() {
                Some(checksum) => Ok(checksum == STANDARD.encode(sha256)),
                // A store that doesn't say: the bytes do.
                None => Ok(self.hash(key).await? == sha256),
            },
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn hash(&self, key: &ObjectKey) -> Result<[u8; 32], StorageError> {
        let found =
            self.client.get_object().bucket(&self.bucket).key(key.as_str()).send().await.map_err(unavailable)?;
        let (mut body, mut hash) = (found.body, Sha256::new());
        let broken = |error: ByteStreamError| StorageError::Unavailable(error.to_string());
        while let Some(part) = body.try_next().await.map_err(broken)? {
            hash.update(&part);
        }
        Ok(hash.finalize().into())
    }

    pub(super) async fn ready(&self) -> Result<(), StorageError> {
        self.client.head_bucket().bucket(&self.bucket).send().await.map(drop).map_err(unavailable)
    }

    pub(super) async fn link(
        &self,
        key: &ObjectKey,
        presentation: &Presentation,
        life: Duration,
    ) -> Result<Url, StorageError> {
        let life = PresigningConfig::expires_in(life).map_err(|error| StorageError::Unavailable(error.to_string()))?;
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .response_content_type("application/pdf")
            .response_content_disposition(presentation.content_disposition())
            .presigned(life)
            .await
            .map_err(unavailable)?;
        Url::parse(request.uri()).map_err(|error| StorageError::Unavailable(error.to_string()))
    }
}

async fn body(content: &Content) -> Result<ByteStream, StorageError> {
    let (file, size) = match content {
        Content::Bytes(bytes) => return Ok(ByteStream::from(bytes.to_vec())),
        Content::File { file, size } => (rewound(file), *size),
    };
    let file = file.map_err(|error| StorageError::Unavailable(error.to_string()))?;
    let reading = ByteStream::read_from()
        .file(tokio::fs::File::from_std(file))
        .length(Length::Exact(size))
        .buffer_size(BUFFER)
        .build();
    reading.await.map_err(|error| StorageError::Unavailable(error.to_string()))
}

fn unavailable<E, R>(error: SdkError<E, R>) -> StorageError
where
    E: std::error::Error + 'static,
    R: std::fmt::Debug,
{
    StorageError::Unavailable(DisplayErrorContext(&error).to_string())
}
