//! Stores the bytes of documents in an S3 bucket, or in a local folder with the same keys.
//!
//! Documents and checkpoints are never overwritten or deleted. Callers check permissions before they use the storage.

mod content;
mod failure;
mod key;
pub mod local;
pub mod s3;
pub mod spool;

use std::fmt;
use std::fs::File;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use url::Url;

use crate::config::{SecretKey, StorageConfig};

pub use content::{Content, digest};
pub use failure::{Cause, StorageFailure};
pub use key::{InvalidKey, ObjectKey, content_type};
pub use local::LocalStore;
pub use s3::object_lock::CheckpointLock;
pub use s3::versions::ListedVersion;
pub use s3::{LINK_REQUEST, S3Store};

/// Prefix of the test objects that checks write. The portal deletes no other objects.
pub const CHECKS: &str = "storage-check/";
/// Objects that a listing reads ahead.
const LIST_BUFFER: usize = 1000;

/// The configured store. An enum, because there are exactly two.
#[derive(Clone)]
pub enum Storage {
    S3(S3Store),
    Local(LocalStore),
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

/// How a link presents the file: its name, and whether a browser shows or saves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presentation {
    pub file_name: String,
    pub inline: bool,
    /// The id of the request that issues the link, or empty. The signed link carries it, so that the access log of the
    /// bucket can be matched with the link.
    pub request: String,
}

impl Presentation {
    /// Returns a `Content-Disposition` value (RFC 6266): the name in ASCII, and in full for clients that support it.
    pub fn content_disposition(&self) -> String {
        let kind = if self.inline { "inline" } else { "attachment" };
        let clean: String = self.file_name.chars().filter(|c| !c.is_control() && !matches!(c, '/' | '\\')).collect();
        let plain: String =
            clean.chars().map(|c| if c.is_ascii() && !matches!(c, '"' | '%') { c } else { '_' }).collect();
        if plain == clean {
            return format!("{kind}; filename=\"{plain}\"");
        }
        let mut extended = String::new();
        for byte in clean.bytes() {
            // attr-char of RFC 8187
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                extended.push(byte.into());
            } else {
                extended.push_str(&format!("%{byte:02X}"));
            }
        }
        format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{extended}")
    }
}

impl Storage {
    /// Opens the store, and sends it no request. Links to local files begin with `origin`.
    pub async fn new(config: &StorageConfig, secret: &SecretKey, origin: String) -> Self {
        match config {
            StorageConfig::S3(s3) => Self::S3(S3Store::new(s3).await),
            StorageConfig::Local { root } => Self::Local(LocalStore::new(root, secret, origin)),
        }
    }

    /// Opens the store for commands, which prefer waiting to failing and sign no links.
    pub async fn with_long_timeouts(config: &StorageConfig) -> Self {
        match config {
            StorageConfig::S3(s3) => Self::S3(S3Store::with_long_timeouts(s3).await),
            StorageConfig::Local { root } => {
                Self::Local(LocalStore::new(root, &SecretKey::from_bytes(Vec::new()), String::new()))
            }
        }
    }

    /// Returns the foreign places of links, for the content security policy.
    pub fn link_places(&self) -> Vec<String> {
        match self {
            Self::S3(store) => vec![store.link_place()],
            Self::Local(_) => Vec::new(),
        }
    }

    /// Returns a sentence for people about where the store is.
    pub fn place(&self) -> String {
        match self {
            Self::S3(store) => format!("The bucket {} in {}.", store.bucket(), store.region()),
            Self::Local(_) => "A folder of the server. For production, use a bucket.".into(),
        }
    }

    /// Stores an object under a key that must be new, and has the store check the SHA-256.
    pub async fn put(
        &self,
        key: &ObjectKey,
        content: impl Into<Content>,
        sha256: [u8; 32],
    ) -> Result<(), StorageError> {
        match self {
            Self::S3(store) => store.put(key, content.into(), sha256).await,
            Self::Local(store) => store.put(key, content.into(), sha256).await,
        }
    }

    /// Stores an object like [`Storage::put`]. Nothing can delete it before a time, not even the owner of the bucket.
    pub async fn put_locked(
        &self,
        key: &ObjectKey,
        content: impl Into<Content>,
        sha256: [u8; 32],
        until: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        match self {
            Self::S3(store) => store.put_until(key, content.into(), sha256, Some(until)).await,
            Self::Local(_) => Err(StorageError::unavailable("a folder can't lock its files")),
        }
    }

    /// Returns for how long checkpoints are locked, as `storage setup --lock-checkpoints` has set it.
    pub async fn checkpoint_lock(&self) -> Result<Option<CheckpointLock>, StorageError> {
        match self {
            Self::S3(store) => store.checkpoint_lock().await,
            Self::Local(_) => Ok(None),
        }
    }

    /// Reads a small object into memory. Fails if it has more than `max_bytes`.
    pub async fn read(&self, key: &ObjectKey, max_bytes: u64) -> Result<Vec<u8>, StorageError> {
        match self {
            Self::S3(store) => store.read(key, max_bytes).await,
            Self::Local(store) => store.read(key, max_bytes).await,
        }
    }

    /// Appends an object to a file.
    pub async fn fetch(&self, key: &ObjectKey, into: File) -> Result<(), StorageError> {
        match self {
            Self::S3(store) => store.fetch(key, into).await,
            Self::Local(store) => store.fetch(key, into).await,
        }
    }

    /// Returns what is stored under a key. Costs one HEAD (S3) or one stat (local).
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, StorageError> {
        match self {
            Self::S3(store) => store.head(key).await,
            Self::Local(store) => {
                let size = store.size(key).await?;
                Ok(size.map(|size| ObjectInfo { size, sha256: None, readable: Readable::Now }))
            }
        }
    }

    /// Requests a restore of an archived object, for a week.
    pub async fn restore(&self, key: &ObjectKey) -> Result<(), StorageError> {
        match self {
            Self::S3(store) => store.restore(key).await,
            Self::Local(_) => Ok(()),
        }
    }

    /// Lists the objects of a folder such as `audit/`, or all of them for an empty name, ordered by the bytes of
    /// their keys. The listing ends with the first error.
    pub fn list(&self, folder: impl Into<String>) -> mpsc::Receiver<Result<ListedObject, StorageError>> {
        let (sender, receiver) = mpsc::channel(LIST_BUFFER);
        let folder = folder.into();
        match self.clone() {
            Self::S3(store) => drop(tokio::spawn(async move { store.list(&folder, &sender).await })),
            Self::Local(store) => drop(tokio::task::spawn_blocking(move || store.list(&folder, &sender))),
        }
        receiver
    }

    /// Lists all versions and delete markers of the objects of a folder, ordered by the bytes of their keys. The listing
    /// ends with the first error. Returns `None` for a local folder, which keeps no versions.
    pub fn versions(&self, folder: &'static str) -> Option<mpsc::Receiver<Result<ListedVersion, StorageError>>> {
        let Self::S3(store) = self else { return None };
        let (sender, receiver) = mpsc::channel(LIST_BUFFER);
        let store = store.clone();
        tokio::spawn(async move { store.list_versions(folder, &sender).await });
        Some(receiver)
    }

    /// Returns the SHA-256 that the store keeps of one version, or `None` if it keeps none.
    pub async fn version_sha256(&self, version: &ListedVersion) -> Result<Option<[u8; 32]>, StorageError> {
        match self {
            Self::S3(store) => store.version_sha256(version).await,
            Self::Local(_) => Ok(None),
        }
    }

    /// Reads an object and returns its SHA-256.
    pub async fn hash(&self, key: &ObjectKey) -> Result<[u8; 32], StorageError> {
        match self {
            Self::S3(store) => store.hash(key).await,
            Self::Local(store) => store.hash(key).await,
        }
    }

    /// Returns whether an object of this size and hash is stored under the key. Uses the checksum of S3, or reads the
    /// file.
    pub async fn has_same(&self, key: &ObjectKey, size: u64, sha256: [u8; 32]) -> Result<bool, StorageError> {
        match self {
            Self::S3(store) => store.has_same(key, size, sha256).await,
            Self::Local(store) => store.has_same(key, size, sha256).await,
        }
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
        match self {
            Self::S3(store) => store.link(key, presentation, life).await,
            Self::Local(store) => store.link(key, presentation, now, life).map(|url| (url, life)),
        }
    }

    /// Removes an object that a check wrote, below [`CHECKS`]. Refuses to remove a document.
    pub async fn remove_check(&self, key: &ObjectKey) -> Result<(), StorageError> {
        if !key.as_str().starts_with(CHECKS) {
            return Err(StorageError::unavailable(format!("{key} was not written by a check, so it is not removed")));
        }
        match self {
            Self::S3(store) => store.remove(key).await,
            Self::Local(store) => store.remove(key).await,
        }
    }

    /// Checks that the store responds and accepts the credentials.
    pub async fn ready(&self) -> Result<(), StorageError> {
        match self {
            Self::S3(store) => store.ready().await,
            Self::Local(store) => store.ready().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_disposition_is_one_clean_line() {
        let show = |name: &str, inline| {
            Presentation { file_name: name.into(), inline, ..Presentation::default() }.content_disposition()
        };
        assert_eq!(show("PRT-2025-0002.pdf", false), "attachment; filename=\"PRT-2025-0002.pdf\"");
        assert_eq!(show("PRT-2025-0002.pdf", true), "inline; filename=\"PRT-2025-0002.pdf\"");
        assert_eq!(
            show("a\"b\r\nSet-Cookie: x\\..\\/c.pdf", false),
            "attachment; filename=\"a_bSet-Cookie: x..c.pdf\"; filename*=UTF-8''a%22bSet-Cookie%3A%20x..c.pdf"
        );
        assert_eq!(
            show("Łódź.pdf", false),
            "attachment; filename=\"__d_.pdf\"; filename*=UTF-8''%C5%81%C3%B3d%C5%BA.pdf"
        );
    }
}
