//! A checkpoint: the number of leaves and the root of the tree, signed. A [C2SP
//! tlog-checkpoint](https://c2sp.org/tlog-checkpoint) in a [signed note](https://c2sp.org/signed-note).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::note::{self, NoteError};
use super::tree::Hash;
use crate::config::{SealKey, SealKeys};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log, which is the name of the key that signed the checkpoint.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    pub root: Hash,
    pub stated: Stated,
}

/// What the log states besides size and root: the extension line, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    pub sealed_at: DateTime<Utc>,
    /// The size of the previous checkpoint, or 0.
    pub previous: u64,
    /// The size of the newest checkpoint in the storage, or 0.
    pub published: u64,
    /// Every event with (transaction id, event id) ≤ (`transaction`, `event`) is sealed. A restored database is an
    /// exception until its whole log is sealed, because it numbers transactions anew.
    pub transaction: u64,
    /// The id of an event, or the highest number if the whole transaction is sealed.
    pub event: i64,
    /// Every event committed before this time is in the tree. `None` while sealing is behind.
    pub complete_at: Option<DateTime<Utc>>,
    /// When the newest event of the batch occurred.
    pub newest: Option<DateTime<Utc>>,
    /// The number of events in the batch with a timestamp earlier than they can have been written.
    pub backdated: u64,
}

impl Checkpoint {
    /// Writes the checkpoint as a signed note.
    pub fn sign(&self, key: &SealKey) -> Result<String, serde_json::Error> {
        let Self { origin, size, root, stated } = self;
        let text = format!("{origin}\n{size}\n{}\n{}\n", STANDARD.encode(root), serde_json::to_string(stated)?);
        Ok(note::sign(&text, key))
    }

    /// Reads a signed note. One of the known keys must have signed it; signatures with other keys are ignored.
    pub fn open(signed: &str, keys: &SealKeys) -> Result<Self, NoteError> {
        let (text, signed_by) = note::open(signed, keys)?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(stated), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Malformed);
        };
        if origin != signed_by.name() {
            return Err(NoteError::UnknownKey);
        }
        Ok(Self {
            origin: origin.into(),
            size: parse_size(size).ok_or(NoteError::Malformed)?,
            root: STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or(NoteError::Malformed)?,
            stated: serde_json::from_str(stated).map_err(|_| NoteError::Malformed)?,
        })
    }
}

/// Reads a size as the log writes it: decimal digits without a sign or leading zeros, below 2^63.
fn parse_size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size <= i64::MAX.unsigned_abs() && size.to_string() == text).then_some(size)
}
