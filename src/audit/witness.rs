//! A witness: a second place for checkpoints, out of reach of someone who owns the database, the bucket and the key.
//!
//! Such a person can rewrite the log and sign it again. But a root commits to every event before it, so the checkpoints
//! in the witness then contradict the log. [`Witness::send`] sends checkpoints, and `verify` compares what
//! [`Witness::read`] returns. `docs/audit-format.md` specifies the files of a witness.

mod contents;
mod error;
mod file;
mod growth;
mod place;
mod send;
mod stored;
mod web;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use self::stored::Stored;
use self::web::{Listing, Web};
use crate::config::{S3Config, SealKeys, StorageConfig};
use crate::storage::Storage;

pub use contents::{Contents, Fault, FaultKind};
pub use error::WitnessError;
pub use place::{InvalidPlace, Place};
pub use send::Sent;

/// Longer than any valid checkpoint, in bytes.
const MAX_NOTE_BYTES: u64 = 100_000;

/// An opened place.
pub struct Witness {
    place: String,
    access: Access,
}

enum Access {
    /// A folder that may not be there yet.
    Folder(PathBuf, Stored),
    Bucket(Stored),
    /// A file with one checkpoint after the other, in ascending order of size.
    File(PathBuf),
    Web(Web),
}

impl Witness {
    /// Opens a place, and sends no request. `s3` says how its bucket is reached, if it is one.
    pub async fn open(place: &Place, s3: Option<S3Config>) -> Self {
        let name = place.to_string();
        let stored = async |config: StorageConfig, prefix: &str| {
            let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
            Stored { place: place.to_string(), storage: Storage::with_long_timeouts(&config).await, prefix }
        };
        let access = match (place, s3) {
            (Place::Path(path), _) if is_file(path) => Access::File(path.clone()),
            (Place::Bucket { prefix, .. }, Some(s3)) => Access::Bucket(stored(StorageConfig::S3(s3), prefix).await),
            (Place::Path(root), _) => {
                Access::Folder(root.clone(), stored(StorageConfig::Local { root: root.clone() }, "").await)
            }
            (Place::Bucket { .. }, None) => unreachable!("a bucket is opened with its configuration"),
            (Place::Web(url), _) => Access::Web(Web { place: name.clone(), url: url.clone() }),
        };
        Self { place: name, access }
    }

    /// Reads all checkpoints. An empty witness is an error, because comparing with it would prove nothing.
    pub async fn read(&self, keys: &SealKeys) -> Result<Contents, WitnessError> {
        let contents = match &self.access {
            Access::Folder(path, _) | Access::File(path) if !path.exists() => {
                return Err(WitnessError::Missing { place: self.place.clone() });
            }
            Access::Folder(_, stored) | Access::Bucket(stored) => stored.read(keys).await?,
            Access::File(path) => {
                let mut contents = Contents::of(&self.place);
                let added = File::open(path).and_then(|file| contents.add_file(BufReader::new(file), keys));
                added
                    .map_err(|error| WitnessError::Unreadable { place: self.place.clone(), why: error.to_string() })?;
                contents
            }
            Access::Web(web) => match web.get().await? {
                Listing::Notes(notes) => self.contents_of(&notes, keys)?,
                Listing::None(status) => {
                    return Err(WitnessError::Unlisted { place: self.place.clone(), status: status.as_u16() });
                }
            },
        };
        if contents.is_empty() { Err(WitnessError::Empty { place: self.place.clone() }) } else { Ok(contents) }
    }

    fn contents_of(&self, notes: &[u8], keys: &SealKeys) -> Result<Contents, WitnessError> {
        let mut contents = Contents::of(&self.place);
        let added = contents.add_file(notes, keys);
        added.map_err(|error| WitnessError::Unreadable { place: self.place.clone(), why: error.to_string() })?;
        Ok(contents)
    }
}

/// Whether a path names a file. One that isn't there yet is a file if its name ends with `.txt`, and a folder otherwise.
fn is_file(path: &Path) -> bool {
    path.is_file() || (!path.exists() && path.extension().is_some_and(|extension| extension == "txt"))
}
