//! A local folder as the store, with links that the program signs itself.
//!
//! A link names the object, the expiry, the file name, how to present it, and the request that issued it. It carries
//! an HMAC-SHA256 over all of that, so a changed link is refused. `web::files` serves what [`LocalStore::open`]
//! returns.

mod list;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRngCore as _;
use sha2::Sha256;
use url::Url;

use super::content::{copy, digest};
use super::{Content, ObjectKey, Presentation, StorageError};
use crate::config::SecretKey;

/// The folder for objects that are being written.
const INCOMING: &str = ".incoming";
/// Longer than any upload takes.
const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone)]
pub struct LocalStore {
    root: PathBuf,
    key: Arc<[u8; 32]>,
    /// The `http://HOST:PORT` that every link begins with.
    origin: String,
}

/// The query of a link, as received.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct LinkQuery {
    expires: i64,
    name: String,
    disposition: Disposition,
    /// Empty for links signed by earlier versions.
    #[serde(default)]
    request: String,
    signature: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Disposition {
    Inline,
    Attachment,
}

impl Disposition {
    fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Attachment => "attachment",
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadLink {
    #[error("the signature is invalid")]
    Altered,
    /// The signature is valid.
    #[error("the link has expired")]
    Expired(ObjectKey, Presentation),
}

impl LocalStore {
    pub fn new(root: &Path, secret: &SecretKey, origin: String) -> Self {
        Self { root: root.to_owned(), key: Arc::new(secret.derive("primetrade local link v1")), origin }
    }

    /// Creates the folder once, at startup: an unmounted file system must not look like an empty store. Also
    /// removes what interrupted uploads left.
    pub fn prepare(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.root)?;
        let incoming = match self.dir()?.read_dir(INCOMING) {
            Ok(incoming) => incoming,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in incoming {
            let entry = entry?;
            let age = entry.metadata()?.modified()?.into_std().elapsed().unwrap_or_default();
            if age > LEFTOVER_AGE {
                entry.remove_file()?;
            }
        }
        Ok(())
    }

    /// Opens the folder as a capability: nothing opened through it can be outside of it, even through symbolic links.
    fn dir(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.root, ambient_authority())
    }

    pub(super) async fn put(&self, key: &ObjectKey, content: Content, sha256: [u8; 32]) -> Result<(), StorageError> {
        let (store, key) = (self.clone(), key.clone());
        blocking(move || {
            store.write_new(&key, &content, sha256).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => StorageError::Exists(key),
                _ => StorageError::unavailable(error),
            })
        })
        .await
    }

    /// Writes to a temporary name, syncs, and links it to its own name. A crash leaves all or nothing.
    fn write_new(&self, key: &ObjectKey, content: &Content, sha256: [u8; 32]) -> io::Result<()> {
        std::fs::create_dir_all(&self.root)?;
        let dir = self.dir()?;
        let parent = Path::new(key.as_str()).parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            dir.create_dir_all(parent)?;
        }
        let mut random = [0; 8];
        rand::rngs::OsRng.try_fill_bytes(&mut random).map_err(io::Error::other)?;
        dir.create_dir_all(INCOMING)?;
        let incoming = format!("{INCOMING}/{}", hex::encode(random));
        let mut file = dir.open_with(&incoming, OpenOptions::new().write(true).create_new(true))?;
        let written = content
            .reader()
            .and_then(|reader| copy(reader, &mut file))
            .and_then(
                |(_, written)| if written == sha256 { Ok(()) } else { Err(io::Error::other("the checksum differs")) },
            )
            .and_then(|()| file.sync_all())
            .and_then(|()| dir.hard_link(&incoming, &dir, key.as_str()));
        dir.remove_file(&incoming)?;
        written?;
        // Syncs the folder too, so that the new name survives a power cut.
        match parent {
            Some(parent) => dir.open(parent)?.sync_all(),
            None => dir.open(".")?.sync_all(),
        }
    }

    pub(super) async fn fetch(&self, key: &ObjectKey, mut into: File) -> Result<(), StorageError> {
        let mut file = self.open(key).await?.ok_or_else(|| StorageError::Missing(key.clone()))?;
        blocking(move || match io::copy(&mut file, &mut into) {
            Ok(_) => Ok(()),
            Err(error) => Err(StorageError::unavailable(error)),
        })
        .await
    }

    /// Reads an object. Fails if it has more than `max_bytes`.
    pub(super) async fn read(&self, key: &ObjectKey, max_bytes: u64) -> Result<Vec<u8>, StorageError> {
        let file = self.open(key).await?.ok_or_else(|| StorageError::Missing(key.clone()))?;
        let key = key.clone();
        blocking(move || {
            let mut bytes = Vec::new();
            io::Read::take(file, max_bytes.saturating_add(1))
                .read_to_end(&mut bytes)
                .map_err(StorageError::unavailable)?;
            match bytes.len() as u64 > max_bytes {
                true => Err(StorageError::unavailable(format!("{key} has more than {max_bytes} bytes"))),
                false => Ok(bytes),
            }
        })
        .await
    }

    pub(super) async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        let (store, key) = (self.clone(), key.clone());
        blocking(move || match store.dir().and_then(|dir| dir.metadata(key.as_str())) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::unavailable(error)),
        })
        .await
    }

    /// Reads an object and hashes it.
    pub(super) async fn hash(&self, key: &ObjectKey) -> Result<[u8; 32], StorageError> {
        let mut file = self.open(key).await?.ok_or_else(|| StorageError::Missing(key.clone()))?;
        blocking(move || digest(&mut file).map(|(_, sha256)| sha256).map_err(StorageError::unavailable)).await
    }

    pub(super) async fn remove(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let (store, key) = (self.clone(), key.clone());
        let removed = move || store.dir().and_then(|dir| dir.remove_file(key.as_str()));
        blocking(move || removed().map_err(StorageError::unavailable)).await
    }

    pub(super) async fn has_same(&self, key: &ObjectKey, size: u64, sha256: [u8; 32]) -> Result<bool, StorageError> {
        let Some(mut file) = self.open(key).await? else { return Ok(false) };
        blocking(move || {
            let hashed = file
                .metadata()
                .and_then(|found| if found.len() == size { digest(&mut file).map(Some) } else { Ok(None) });
            match hashed {
                Ok(found) => Ok(found == Some((size, sha256))),
                Err(error) => Err(StorageError::unavailable(error)),
            }
        })
        .await
    }

    pub(super) async fn ready(&self) -> Result<(), StorageError> {
        let store = self.clone();
        blocking(move || {
            let listed = store.dir().and_then(|dir| dir.entries().map(drop));
            listed.map_err(StorageError::unavailable)
        })
        .await
    }

    pub(super) fn link(
        &self,
        key: &ObjectKey,
        presentation: &Presentation,
        now: DateTime<Utc>,
        life: Duration,
    ) -> Result<Url, StorageError> {
        self.write_link(key, presentation, now.timestamp().saturating_add_unsigned(life.as_secs()))
    }

    fn write_link(&self, key: &ObjectKey, presentation: &Presentation, expires: i64) -> Result<Url, StorageError> {
        let disposition = if presentation.inline { Disposition::Inline } else { Disposition::Attachment };
        let mac = self.mac(key.as_str(), expires, disposition, presentation);
        let mut url = Url::parse(&format!("{}/files/{key}", self.origin)).map_err(StorageError::unavailable)?;
        let mut query = url.query_pairs_mut();
        query
            .append_pair("expires", &expires.to_string())
            .append_pair("disposition", disposition.as_str())
            .append_pair("name", &presentation.file_name);
        if !presentation.request.is_empty() {
            query.append_pair("request", &presentation.request);
        }
        query.append_pair("signature", &hex::encode(mac.finalize().into_bytes()));
        drop(query);
        Ok(url)
    }

    /// Checks the signature and the expiry of a link, and returns its object and presentation. `asked` is the path
    /// and query as received: an equivalent but different spelling is rejected.
    pub fn check(
        &self,
        path: &str,
        query: &LinkQuery,
        asked: &str,
        now: DateTime<Utc>,
    ) -> Result<(ObjectKey, Presentation), BadLink> {
        let signature = hex::decode(&query.signature).map_err(|_| BadLink::Altered)?;
        let inline = query.disposition == Disposition::Inline;
        let presentation = Presentation { file_name: query.name.clone(), inline, request: query.request.clone() };
        let mac = self.mac(path, query.expires, query.disposition, &presentation);
        mac.verify_slice(&signature).map_err(|_| BadLink::Altered)?;
        let key = path.parse().map_err(|_| BadLink::Altered)?;
        let written = self.write_link(&key, &presentation, query.expires).map_err(|_| BadLink::Altered)?;
        if written[url::Position::BeforePath..] != *asked {
            return Err(BadLink::Altered);
        }
        if now.timestamp() >= query.expires {
            return Err(BadLink::Expired(key, presentation));
        }
        Ok((key, presentation))
    }

    /// Opens an object for reading. Returns `None` if there is none.
    pub async fn open(&self, key: &ObjectKey) -> Result<Option<File>, StorageError> {
        let (store, key) = (self.clone(), key.clone());
        blocking(move || match store.dir().and_then(|dir| dir.open(key.as_str())) {
            Ok(file) => match file.metadata() {
                Ok(found) if found.is_file() => Ok(Some(file.into_std())),
                Ok(_) => Ok(None),
                Err(error) => Err(StorageError::unavailable(error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::unavailable(error)),
        })
        .await
    }

    /// Signs every part with its length, so that no two links sign the same text.
    fn mac(&self, key: &str, expires: i64, disposition: Disposition, presentation: &Presentation) -> Hmac<Sha256> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.key) else {
            unreachable!("HMAC takes keys of any length")
        };
        let expires = expires.to_string();
        let request = Some(presentation.request.as_str()).filter(|request| !request.is_empty());
        let parts = [key, &expires, disposition.as_str(), &presentation.file_name];
        for part in parts.into_iter().chain(request) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StorageError::unavailable(error)),
    }
}
