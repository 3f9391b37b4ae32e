//! Temporary files for uploads in progress. They have no name, so the space is freed however the process ends.

use std::fs::File;
use std::io::{self, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::{self as storage, Content, ObjectKey, Storage, StorageError};

/// The memory for each file in progress, in bytes.
const BUFFER: usize = 128 * 1024;

#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
}

/// A file that has arrived completely.
#[derive(Clone)]
pub struct Spooled {
    pub file: Arc<File>,
    /// In bytes.
    pub size: u64,
    pub sha256: [u8; 32],
}

impl Spooled {
    pub fn content(&self) -> Content {
        Content::File { file: self.file.clone(), size: self.size }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReceiveError<E> {
    /// The file exceeds the limit. Its full size is unknown.
    #[error("the file is too large")]
    TooLarge,
    /// The source failed midway.
    #[error("the upload was interrupted")]
    Source(E),
    #[error("the upload can't be written to disk: {0}")]
    Spool(#[from] io::Error),
}

impl Spool {
    /// The folder needs space for all uploads in progress.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Checks that files can be created in the folder.
    pub fn prepare(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        tempfile::tempfile_in(&self.folder).map(drop)
    }

    async fn file(&self) -> io::Result<File> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await.map_err(io::Error::other)?
    }

    /// Writes all chunks to a file, at most `most` bytes, and hashes them.
    pub async fn receive<B: AsRef<[u8]>, E>(
        &self,
        mut chunks: impl Stream<Item = Result<B, E>> + Unpin,
        most: u64,
    ) -> Result<Spooled, ReceiveError<E>> {
        let file = Arc::new(self.file().await?);
        let mut to = tokio::fs::File::from_std(file.try_clone()?);
        to.set_max_buf_size(BUFFER);
        let (mut hash, mut size) = (Sha256::new(), 0);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(ReceiveError::Source)?;
            let chunk = chunk.as_ref();
            size += chunk.len() as u64;
            if size > most {
                return Err(ReceiveError::TooLarge);
            }
            hash.update(chunk);
            to.write_all(chunk).await?;
        }
        to.flush().await?;
        Ok(Spooled { file, size, sha256: hash.finalize().into() })
    }

    /// Fetches an object of the storage with its size and hash.
    pub async fn fetch_hashed(&self, storage: &Storage, key: &ObjectKey) -> Result<Spooled, StorageError> {
        let file = self.fetch(storage, key).await?;
        let read = file.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            let mut file = read.try_clone()?;
            file.rewind()?;
            storage::digest(file)
        });
        let hashed: io::Result<(u64, [u8; 32])> = hashed.await.map_err(StorageError::unavailable)?;
        let (size, sha256) = hashed.map_err(StorageError::unavailable)?;
        Ok(Spooled { file, size, sha256 })
    }

    /// Fetches an object of the storage into a temporary file.
    pub async fn fetch(&self, storage: &Storage, key: &ObjectKey) -> Result<Arc<File>, StorageError> {
        let broken = |error: io::Error| StorageError::unavailable(error);
        let file = self.file().await.map_err(broken)?;
        storage.fetch(key, file.try_clone().map_err(broken)?).await?;
        Ok(Arc::new(file))
    }
}
