//! Stores the bytes of documents in an S3 bucket, or in a local folder with the same keys.
//!
//! Documents and checkpoints are never overwritten or deleted. Callers check permissions before they use the storage.

mod content;
mod failure;
mod key;
pub mod local;
mod presentation;
pub mod s3;
pub mod spool;

use std::fmt;
use std::fs::File;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use url::Url;

use crate::config::{SecretKey, StorageConfig};
use crate::metrics::Metrics;

pub use content::{Content, digest};
pub use failure::{Cause, StorageFailure};
pub use key::{InvalidKey, ObjectKey, content_type};
pub use local::LocalStore;
pub use presentation::Presentation;
pub use s3::object_lock::CheckpointLock;
pub use s3::versions::ListedVersion;
pub use s3::{LINK_REQUEST, S3Store};

/// Prefix of the test objects that checks write. The portal deletes no other objects.
pub const CHECKS: &str = "storage-check/";
/// Objects that a listing reads ahead.
const LIST_BUFFER: usize = 1000;

/// The configured store.
#[derive(Clone)]
pub struct Storage {
    store: Store,
    /// `None`: calls are not counted.
    metrics: Option<Metrics>,
}

/// An enum, because there are exactly two.
#[derive(Clone)]
enum Store {
    S3(S3Store),
    Local(LocalStore),
}

impl From<S3Store> for Storage {
    fn from(store: S3Store) -> Self {
        Self { store: Store::S3(store), metrics: None }
    }
}

impl From<LocalStore> for Storage {
    fn from(store: LocalStore) -> Self {
        Self { store: Store::Local(store), metrics: None }
    }
}

/// Counts a call when it ends, also when the caller stops waiting for it.
struct CountedCall<'a> {
    metrics: &'a Metrics,
    operation: &'static str,
    outcome: &'static str,
    started: Instant,
}

impl Drop for CountedCall<'_> {
    fn drop(&mut self) {
        self.metrics.storage_call(self.operation, self.outcome, self.started.elapsed());
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The key is taken. The existing object was left as it is.
    #[error("an object with the key {0} exists already")]
    Exists(ObjectKey),
    #[error("there is no object with the key {0}")]
    Missing(ObjectKey),
    /// The object must be restored before it can be read.
    #[error("{0} is archived")]
    Archived(ObjectKey),
    /// The store doesn't respond, or rejects the request. The cause is for the log.
    #[error("{0}")]
    Unavailable(StorageFailure),
}

impl StorageError {
    pub fn unavailable(detail: impl fmt::Display) -> Self {
        Self::Unavailable(StorageFailure { cause: Cause::Other, detail: detail.to_string() })
    }

    /// The outcome in the metrics.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Exists(_) => "exists",
            Self::Missing(_) => "missing",
            Self::Archived(_) => "archived",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// What the store reports about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// In bytes.
    pub size: u64,
    /// `None`: the store keeps no checksum, so the bytes must be read.
    pub sha256: Option<[u8; 32]>,
    pub readable: Readable,
}

/// Whether a link to an object works now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    Now,
    /// Archived in a class that needs a restore, which takes hours.
    Archived,
    /// A restore was requested.
    Restoring,
}

/// An object in a listing. Other programs may have written it, so its key is arbitrary text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub size: u64,
    pub modified: DateTime<Utc>,
}

impl Storage {
    /// Opens the store, and sends it no request. Links to local files begin with `origin`.
    pub async fn new(config: &StorageConfig, secret: &SecretKey, origin: String) -> Self {
        match config {
            StorageConfig::S3(s3) => S3Store::new(s3).await.into(),
            StorageConfig::Local { root } => LocalStore::new(root, secret, origin).into(),
        }
    }

    /// Opens the store for commands, which prefer waiting to failing and sign no links.
    pub async fn with_long_timeouts(config: &StorageConfig) -> Self {
        match config {
            StorageConfig::S3(s3) => S3Store::with_long_timeouts(s3).await.into(),
            StorageConfig::Local { root } => {
                LocalStore::new(root, &SecretKey::from_bytes(Vec::new()), String::new()).into()
            }
        }
    }

    /// Has the calls to the store counted. `None` counts nothing.
    pub fn measured(self, metrics: Option<&Metrics>) -> Self {
        Self { metrics: metrics.cloned(), ..self }
    }

    /// Returns the folder, if documents are in one.
    pub fn local(&self) -> Option<&LocalStore> {
        match &self.store {
            Store::S3(_) => None,
            Store::Local(store) => Some(store),
        }
    }

    /// Counts a call and its time.
    async fn count<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let Some(metrics) = &self.metrics else { return call.await };
        let mut counted = CountedCall { metrics, operation, outcome: "canceled", started: Instant::now() };
        let result = call.await;
        counted.outcome = result.as_ref().map_or_else(StorageError::outcome, |_| "ok");
        result
    }

    /// Returns the foreign places of links, for the content security policy.
    pub fn link_places(&self) -> Vec<String> {
        match &self.store {
            Store::S3(store) => vec![store.link_place()],
            Store::Local(_) => Vec::new(),
        }
    }

    /// Returns a sentence for people about where the store is.
    pub fn place(&self) -> String {
        match &self.store {
            Store::S3(store) => format!("The bucket {} in {}.", store.bucket(), store.region()),
            Store::Local(_) => "A folder of the server. For production, use a bucket.".into(),
        }
    }

    /// Stores an object under a key that must be new, and has the store check the SHA-256.
    pub async fn put(
        &self,
        key: &ObjectKey,
        content: impl Into<Content>,
        sha256: [u8; 32],
    ) -> Result<(), StorageError> {
        let content = content.into();
        self.count("put", async {
            match &self.store {
                Store::S3(store) => store.put(key, content, sha256).await,
                Store::Local(store) => store.put(key, content, sha256).await,
            }
        })
        .await
    }

    /// Stores an object like [`Storage::put`]. Nothing can delete it before a time, not even the owner of the bucket.
    pub async fn put_locked(
        &self,
        key: &ObjectKey,
        content: impl Into<Content>,
        sha256: [u8; 32],
        until: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let content = content.into();
        self.count("put_locked", async {
            match &self.store {
                Store::S3(store) => store.put_until(key, content, sha256, Some(until)).await,
                Store::Local(_) => Err(StorageError::unavailable("a folder can't lock its files")),
            }
        })
        .await
    }

    /// Returns for how long checkpoints are locked, as `storage setup --lock-checkpoints` has set it.
    pub async fn checkpoint_lock(&self) -> Result<Option<CheckpointLock>, StorageError> {
        self.count("checkpoint_lock", async {
            match &self.store {
                Store::S3(store) => store.checkpoint_lock().await,
                Store::Local(_) => Ok(None),
            }
        })
        .await
    }

    /// Reads a small object into memory. Fails if it has more than `max_bytes`.
    pub async fn read(&self, key: &ObjectKey, max_bytes: u64) -> Result<Vec<u8>, StorageError> {
        self.count("read", async {
            match &self.store {
                Store::S3(store) => store.read(key, max_bytes).await,
                Store::Local(store) => store.read(key, max_bytes).await,
            }
        })
        .await
    }

    /// Appends an object to a file.
    pub async fn fetch(&self, key: &ObjectKey, into: File) -> Result<(), StorageError> {
        self.count("fetch", async {
            match &self.store {
                Store::S3(store) => store.fetch(key, into).await,
                Store::Local(store) => store.fetch(key, into).await,
            }
        })
        .await
    }

    /// Returns what is stored under a key. Costs one HEAD (S3) or one stat (local).
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, StorageError> {
        self.count("head", async {
            match &self.store {
                Store::S3(store) => store.head(key).await,
                Store::Local(store) => {
                    let size = store.size(key).await?;
                    Ok(size.map(|size| ObjectInfo { size, sha256: None, readable: Readable::Now }))
                }
            }
        })
        .await
    }

    /// Requests a restore of an archived object, for a week.
    pub async fn restore(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.count("restore", async {
            match &self.store {
                Store::S3(store) => store.restore(key).await,
                Store::Local(_) => Ok(()),
            }
        })
        .await
    }

    /// Lists the objects of a folder such as `audit/`, or all of them for an empty name, ordered by the bytes of
    /// their keys. The listing ends with the first error.
    pub fn list(&self, folder: impl Into<String>) -> mpsc::Receiver<Result<ListedObject, StorageError>> {
        let (sender, receiver) = mpsc::channel(LIST_BUFFER);
        let folder = folder.into();
        match self.store.clone() {
            Store::S3(store) => drop(tokio::spawn(async move { store.list(&folder, &sender).await })),
            Store::Local(store) => drop(tokio::task::spawn_blocking(move || store.list(&folder, &sender))),
        }
        receiver
    }

    /// Lists all versions and delete markers of the objects of a folder, ordered by the bytes of their keys. The listing
    /// ends with the first error. Returns `None` for a local folder, which keeps no versions.
    pub fn versions(&self, folder: &'static str) -> Option<mpsc::Receiver<Result<ListedVersion, StorageError>>> {
        let Store::S3(store) = &self.store else { return None };
        let (sender, receiver) = mpsc::channel(LIST_BUFFER);
        let store = store.clone();
        tokio::spawn(async move { store.list_versions(folder, &sender).await });
        Some(receiver)
    }

    /// Returns the SHA-256 that the store keeps of one version, or `None` if it keeps none.
    pub async fn version_sha256(&self, version: &ListedVersion) -> Result<Option<[u8; 32]>, StorageError> {
        match &self.store {
            Store::S3(store) => store.version_sha256(version).await,
            Store::Local(_) => Ok(None),
        }
    }

    /// Reads an object and returns its SHA-256.
    pub async fn hash(&self, key: &ObjectKey) -> Result<[u8; 32], StorageError> {
        self.count("hash", async {
            match &self.store {
                Store::S3(store) => store.hash(key).await,
                Store::Local(store) => store.hash(key).await,
            }
        })
        .await
    }

    /// Returns whether an object of this size and hash is stored under the key. Uses the checksum of S3, or reads the
    /// file.
    pub async fn has_same(&self, key: &ObjectKey, size: u64, sha256: [u8; 32]) -> Result<bool, StorageError> {
        self.count("has_same", async {
            match &self.store {
                Store::S3(store) => store.has_same(key, size, sha256).await,
                Store::Local(store) => store.has_same(key, size, sha256).await,
            }
        })
        .await
    }

    /// Signs a link to one object, without a request. Returns the link and its lifetime: `life`, or less if the
    /// credentials expire earlier.
    pub async fn link(
        &self,
        key: &ObjectKey,
        presentation: &Presentation,
        now: DateTime<Utc>,
        life: Duration,
    ) -> Result<(Url, Duration), StorageError> {
        match &self.store {
            Store::S3(store) => store.link(key, presentation, life).await,
            Store::Local(store) => store.link(key, presentation, now, life).map(|url| (url, life)),
        }
    }

    /// Removes an object that a check wrote, below [`CHECKS`]. Refuses to remove a document.
    pub async fn remove_check(&self, key: &ObjectKey) -> Result<(), StorageError> {
        if !key.as_str().starts_with(CHECKS) {
            return Err(StorageError::unavailable(format!("{key} was not written by a check, so it is not removed")));
        }
        match &self.store {
            Store::S3(store) => store.remove(key).await,
            Store::Local(store) => store.remove(key).await,
        }
    }

    /// Checks that the store responds and accepts the credentials.
    pub async fn ready(&self) -> Result<(), StorageError> {
        self.count("ready", async {
            match &self.store {
                Store::S3(store) => store.ready().await,
                Store::Local(store) => store.ready().await,
            }
        })
        .await
    }
}
