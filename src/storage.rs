//! Where the bytes of documents are: an S3 bucket, or a local folder with the same keys.
//!
//! Objects are written once and never overwritten or deleted. Who may see one is decided before anybody asks here.

mod content;
mod key;
pub mod local;
mod s3;

use std::fs::File;
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use crate::config::{SecretKey, StorageConfig};

pub use content::Content;
pub use key::{InvalidKey, ObjectKey};
pub use local::LocalStore;
pub use s3::S3Store;

/// One enum instead of a trait: there are two of them, and both are known here.
#[derive(Clone)]
pub enum Storage {
    S3(S3Store),
    Local(LocalStore),
}

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Something is there under this key already; it was left as it is.
    #[error("an object with the key {0} exists already")]
    Exists(ObjectKey),
    #[error("there is no object with the key {0}")]
    Missing(ObjectKey),
    /// The store doesn't answer, or refuses; the cause is for the log.
    #[error("the storage can't be used: {0}")]
    Unavailable(String),
}

/// What a link gives: a file name, and whether a browser should show it or save it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    pub file_name: String,
    pub inline: bool,
}

impl Presentation {
    /// A `Content-Disposition` value (RFC 6266): the name in ASCII for everybody, and in full for those who can.
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
    /// `origin` is what links to local files begin with. Asks nobody yet.
    pub async fn new(config: &StorageConfig, secret: &SecretKey, origin: String) -> Self {
        match config {
            StorageConfig::S3(s3) => Self::S3(S3Store::new(s3).await),
            StorageConfig::Local { root } => Self::Local(LocalStore::new(root, secret, origin)),
        }
    }

    /// The origins that links may lead to, other than the portal's own: for the content security policy.
    pub fn link_origins(&self) -> Vec<String> {
        match self {
            Self::S3(store) => store.link_origins(),
            Self::Local(_) => Vec::new(),
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

    /// Copies an object to the end of a file; [`StorageError::Missing`]: there is none.
    pub async fn fetch(&self, key: &ObjectKey, into: File) -> Result<(), StorageError> {
        match self {
            Self::S3(store) => store.fetch(key, into).await,
            Self::Local(store) => store.fetch(key, into).await,
        }
    }

    /// Is there an object of this size under the key? Costs one HEAD (S3) or one stat (local).
    pub async fn holds(&self, key: &ObjectKey, size: u64) -> Result<bool, StorageError> {
        let found = match self {
            Self::S3(store) => store.size(key).await?,
            Self::Local(store) => store.size(key).await?,
        };
        Ok(found == Some(size))
    }

    /// Is exactly this already under the key? The store's own word for its checksum counts (S3), or the file is read.
    pub async fn has_same(&self, key: &ObjectKey, size: u64, sha256: [u8; 32]) -> Result<bool, StorageError> {
        match self {
            Self::S3(store) => store.has_same(key, size, sha256).await,
            Self::Local(store) => store.has_same(key, size, sha256).await,
        }
    }

    /// A link to this one object, good from now for `life`. Signs, and asks nobody.
    pub async fn link(
        &self,
        key: &ObjectKey,
        presentation: &Presentation,
        now: DateTime<Utc>,
        life: Duration,
    ) -> Result<Url, StorageError> {
        match self {
            Self::S3(store) => store.link(key, presentation, life).await,
            Self::Local(store) => store.link(key, presentation, now, life),
        }
    }

    /// Does the store answer, and let us in?
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
        let show = |name: &str, inline| Presentation { file_name: name.into(), inline }.content_disposition();
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
