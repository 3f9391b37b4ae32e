//! A witness in a folder or a bucket: one file or object for each checkpoint.

use futures_util::stream::{self, StreamExt};
use sha2::{Digest, Sha256};

use super::error::explained;
use super::{Contents, MAX_NOTE_BYTES, WitnessError};
use crate::audit::seal::{checkpoint_key, size_of_name};
use crate::config::SealKeys;
use crate::storage::{ObjectKey, Storage, StorageError};

const MAX_CONCURRENT_REQUESTS: usize = 16;

pub(super) struct Stored {
    pub place: String,
    pub storage: Storage,
    /// Empty, or with a slash at the end.
    pub prefix: String,
}

/// Whether this run has sent a checkpoint, or another run had already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Sent,
    Present,
}

impl Stored {
    /// Lists the sizes of the checkpoints, in ascending order, and counts the files with other names.
    pub async fn sizes(&self) -> Result<(Vec<u64>, u64), WitnessError> {
        let (mut listing, mut sizes, mut foreign) = (self.storage.list(self.prefix.as_str()), Vec::new(), 0);
        while let Some(listed) = listing.recv().await {
            let listed = listed.map_err(|error| self.unreadable(&error))?;
            match listed.key.strip_prefix(&self.prefix).and_then(size_of_name) {
                Some(size) => sizes.push(size),
                None => foreign += 1,
            }
        }
        sizes.sort_unstable();
        Ok((sizes, foreign))
    }

    /// Reads all checkpoints.
    pub async fn read(&self, keys: &SealKeys) -> Result<Contents, WitnessError> {
        let (sizes, foreign) = self.sizes().await?;
        let mut contents = Contents { foreign, ..Contents::of(&self.place) };
        let mut reading = stream::iter(sizes)
            .map(|size| async move { (size, self.storage.read(&self.key(size), MAX_NOTE_BYTES).await) })
            .buffered(MAX_CONCURRENT_REQUESTS);
        while let Some((size, note)) = reading.next().await {
            let note = note.map_err(|error| self.unreadable(&error))?;
            contents.add_named(self.key(size).file_name(), size, &note, keys);
        }
        Ok(contents)
    }

    /// Reads one checkpoint.
    pub async fn read_one(&self, size: u64, keys: &SealKeys) -> Result<Contents, WitnessError> {
        let note = self.storage.read(&self.key(size), MAX_NOTE_BYTES).await.map_err(|error| self.unreadable(&error))?;
        let mut contents = Contents::of(&self.place);
        contents.add_named(self.key(size).file_name(), size, &note, keys);
        Ok(contents)
    }

    /// Creates the folder, and removes what interrupted runs left there.
    pub fn prepare(&self) -> Result<(), WitnessError> {
        match self.storage.local() {
            Some(store) => store.prepare().map_err(|error| self.unreadable(&StorageError::unavailable(error))),
            None => Ok(()),
        }
    }

    /// Writes a checkpoint under a name that must be new.
    pub async fn put(&self, size: u64, note: String) -> Result<Put, WitnessError> {
        let (key, bytes) = (self.key(size), note.into_bytes());
        let (length, sha256) = (bytes.len() as u64, Sha256::digest(&bytes).into());
        let Err(error) = self.storage.put(&key, bytes, sha256).await else { return Ok(Put::Sent) };
        // Another run has written it, or the answer to this one was lost.
        if matches!(self.storage.has_same(&key, length, sha256).await, Ok(true)) {
            return Ok(Put::Present);
        }
        let place = self.place.clone();
        Err(match error {
            StorageError::Exists(_) => WitnessError::Conflict { place, size },
            error => WitnessError::Unwritable { place, size, why: explained(&error) },
        })
    }

    fn key(&self, size: u64) -> ObjectKey {
        match format!("{}{}", self.prefix, checkpoint_key(size).file_name()).parse() {
            Ok(key) => key,
            Err(_) => unreachable!("the prefix was checked"),
        }
    }

    fn unreadable(&self, error: &StorageError) -> WitnessError {
        WitnessError::Unreadable { place: self.place.clone(), why: explained(error) }
    }
}
