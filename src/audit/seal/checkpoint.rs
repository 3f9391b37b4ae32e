//! A checkpoint: the number of leaves and the root of the tree, signed. A [C2SP
//! tlog-checkpoint](https://c2sp.org/tlog-checkpoint) in a [signed note](https://c2sp.org/signed-note).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("not a signed checkpoint")]
    Malformed,
    #[error("not signed with a trusted key")]
    UnknownKey,
    #[error("invalid signature")]
    WrongSignature,
}

impl Checkpoint {
    /// Writes the checkpoint as a signed note.
    pub fn sign(&self, key: &SealKey) -> Result<String, serde_json::Error> {
        let Self { origin, size, root, stated } = self;
        let text = format!("{origin}\n{size}\n{}\n{}\n", STANDARD.encode(root), serde_json::to_string(stated)?);
        let mut signature = key.verifier().id().to_vec();
        signature.extend(key.sign(text.as_bytes()));
        Ok(format!("{text}\n— {} {}\n", key.verifier().name(), STANDARD.encode(signature)))
    }

    /// Reads a signed note. One of the known keys must have signed it; signatures with other keys are ignored.
    pub fn open(note: &str, keys: &SealKeys) -> Result<Self, NoteError> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let signatures = signatures.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let signed = &note.as_bytes()[..=text.len()];
        let mut signed_by = None;
        for line in signatures.split('\n') {
            let (name, signature) =
                line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(NoteError::Malformed)?;
            let signature = STANDARD.decode(signature).map_err(|_| NoteError::Malformed)?;
            let (id, signature) = signature.split_first_chunk::<4>().ok_or(NoteError::Malformed)?;
            let Some(verifier) = keys.find(name, id) else { continue };
            if !verifier.verifies(signed, signature) {
                return Err(NoteError::WrongSignature);
            }
            signed_by = Some(verifier);
        }
        let signed_by = signed_by.ok_or(NoteError::UnknownKey)?;
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
