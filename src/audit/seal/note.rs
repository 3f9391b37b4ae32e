//! [Signed notes](https://c2sp.org/signed-note): text, an empty line, and signatures.
//!
//! A checkpoint is a note of four lines. Every other statement of the portal has three: its kind, the name of the key,
//! and JSON. A kind has a space and the name of a key has none, so neither can be mistaken for the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{SealKey, SealKeys, Verifier};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("not a signed checkpoint")]
    Malformed,
    #[error("not signed with a trusted key")]
    UnknownKey,
    #[error("invalid signature")]
    WrongSignature,
}

/// Signs a text, which ends with a line feed.
pub(super) fn sign(text: &str, key: &SealKey) -> String {
    let mut signature = key.verifier().id().to_vec();
    signature.extend(key.sign(text.as_bytes()));
    format!("{text}\n— {} {}\n", key.verifier().name(), STANDARD.encode(signature))
}

/// Returns the text of a note without its last line feed, and the key that signed it. One of the known keys must have
/// signed it; signatures with other keys are ignored.
pub(super) fn open<'a>(note: &'a str, keys: &'a SealKeys) -> Result<(&'a str, &'a Verifier), NoteError> {
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
    Ok((text, signed_by.ok_or(NoteError::UnknownKey)?))
}

/// Signs a statement of a kind, such as `primetrade purge v1`.
pub fn sign_statement(kind: &str, statement: &impl Serialize, key: &SealKey) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(statement)?;
    Ok(sign(&format!("{kind}\n{}\n{json}\n", key.verifier().name()), key))
}

/// Reads a statement that a trusted key signed.
pub fn open_statement<T: DeserializeOwned>(kind: &str, note: &str, keys: &SealKeys) -> Result<T, NoteError> {
    let (text, signed_by) = open(note, keys)?;
    let mut lines = text.split('\n');
    match (lines.next(), lines.next(), lines.next(), lines.next()) {
        (Some(found), Some(name), Some(json), None) if found == kind && name == signed_by.name() => {
            serde_json::from_str(json).map_err(|_| NoteError::Malformed)
        }
        _ => Err(NoteError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::seal::Checkpoint;

    const KIND: &str = "primetrade test v1";

    fn keys() -> (SealKey, SealKeys) {
        let key = SealKey::from_seed("portal.example.com/log", &[7; 32]).expect("a name");
        let keys = SealKeys { trusted: vec![key.verifier().clone()], signs: Some(key.clone()) };
        (key, keys)
    }

    #[test]
    fn a_statement_reads_back_as_its_own_kind_only() {
        let (key, keys) = keys();
        let note = sign_statement(KIND, &vec![1, 2], &key).expect("numbers are JSON");
        assert_eq!(open_statement::<Vec<u8>>(KIND, &note, &keys), Ok(vec![1, 2]));
        assert_eq!(open_statement::<Vec<u8>>("primetrade other v1", &note, &keys), Err(NoteError::Malformed));
        assert_eq!(Checkpoint::open(&note, &keys), Err(NoteError::Malformed));
        assert_eq!(open_statement::<Vec<u8>>(KIND, &note, &SealKeys::default()), Err(NoteError::UnknownKey));
        let changed = note.replace("[1,2]", "[1,3]");
        assert_eq!(open_statement::<Vec<u8>>(KIND, &changed, &keys), Err(NoteError::WrongSignature));
    }
}
