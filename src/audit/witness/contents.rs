//! What a witness holds: the sizes and roots of its checkpoints, and what is wrong with its files.

use std::fmt;
use std::io::{self, BufRead, Read};

use super::MAX_NOTE_BYTES;
use crate::audit::seal::{Checkpoint, Hash, NoteError};
use crate::config::SealKeys;

/// All checkpoints of a witness. Takes 40 bytes for each.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    pub place: String,
    /// Size and root, in ascending order of size.
    pub checkpoints: Vec<(u64, Hash)>,
    /// The checkpoint with the most events.
    pub newest: Option<Checkpoint>,
    /// The first faults.
    pub faults: Vec<Fault>,
    pub fault_count: u64,
    /// Files that aren't named like a checkpoint.
    pub foreign: u64,
}

/// A file that isn't what a witness should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of a file, or the number of a checkpoint in a file.
    pub name: String,
    pub kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    #[error("it is not a checkpoint of this log ({0}): it was changed or cut short, or it belongs to another log")]
    Note(#[from] NoteError),
    #[error("it holds the checkpoint of {0} events, which belongs under another name: files were exchanged")]
    WrongName(u64),
    #[error("it has {0} events, fewer than the checkpoint before it: the file was reordered")]
    OutOfOrder(u64),
    #[error("there are two checkpoints of {0} events with different roots: the log was rewritten")]
    TwoRoots(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in the witness is wrong: {}", self.name, self.kind)
    }
}

impl Contents {
    const MAX_FAULTS: usize = 20;

    pub(super) fn of(place: &str) -> Self {
        Self { place: place.into(), ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.checkpoints.is_empty() && self.fault_count == 0
    }

    /// Adds a note that is named by its size.
    pub(super) fn add_named(&mut self, name: &str, size: u64, note: &[u8], keys: &SealKeys) {
        match open(note, keys) {
            Ok(checkpoint) if checkpoint.size == size => self.push(checkpoint),
            Ok(checkpoint) => self.fault(name, FaultKind::WrongName(checkpoint.size)),
            Err(error) => self.fault(name, error.into()),
        }
    }

    /// Adds the notes of a file, one after the other, in ascending order of size. The same checkpoint may be repeated.
    pub(super) fn add_file(&mut self, from: impl BufRead, keys: &SealKeys) -> io::Result<()> {
        let mut before = 0;
        for (index, note) in Notes::new(from).enumerate() {
            let name = format!("checkpoint {}", index + 1);
            match open(&note?, keys) {
                Ok(checkpoint) => {
                    if checkpoint.size < before {
                        self.fault(&name, FaultKind::OutOfOrder(checkpoint.size));
                    }
                    before = checkpoint.size;
                    self.push(checkpoint);
                }
                Err(error) => self.fault(&name, error.into()),
            }
        }
        self.checkpoints.sort_unstable();
        self.checkpoints.dedup();
        let twice = self.checkpoints.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0);
        if let Some(size) = twice {
            self.fault("the file", FaultKind::TwoRoots(size));
        }
        Ok(())
    }

    fn push(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.push((checkpoint.size, checkpoint.root));
        if self.newest.as_ref().is_none_or(|newest| newest.size <= checkpoint.size) {
            self.newest = Some(checkpoint);
        }
    }

    fn fault(&mut self, name: &str, kind: FaultKind) {
        self.fault_count += 1;
        if self.faults.len() < Self::MAX_FAULTS {
            self.faults.push(Fault { name: name.into(), kind });
        }
    }
}

fn open(note: &[u8], keys: &SealKeys) -> Result<Checkpoint, NoteError> {
    Checkpoint::open(std::str::from_utf8(note).map_err(|_| NoteError::Malformed)?, keys)
}

/// Splits a file into notes. A note ends before the first line after its signatures that isn't another signature.
struct Notes<R> {
    from: R,
    /// The first line of the next note.
    next: Vec<u8>,
}

impl<R: BufRead> Notes<R> {
    fn new(from: R) -> Self {
        Self { from, next: Vec::new() }
    }

    /// Reads a line with its line feed, or a piece of a line that is too long for a note.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = std::mem::take(&mut self.next);
        if line.is_empty() {
            self.from.by_ref().take(MAX_NOTE_BYTES).read_until(b'\n', &mut line)?;
        }
        Ok(line)
    }

    /// Returns an empty note at the end.
    fn note(&mut self) -> io::Result<Vec<u8>> {
        let (mut note, mut is_signed) = (Vec::new(), false);
        loop {
            let line = self.line()?;
            let is_signature = line.starts_with("— ".as_bytes());
            match line.as_slice() {
                [] => return Ok(note),
                // Empty lines between notes.
                b"\n" if note.is_empty() => continue,
                b"\n" if !is_signed => is_signed = true,
                _ if is_signed && !is_signature => {
                    self.next = line;
                    return Ok(note);
                }
                _ => {}
            }
            note.extend(line);
            if note.len() as u64 > MAX_NOTE_BYTES {
                return Ok(note);
            }
        }
    }
}

impl<R: BufRead> Iterator for Notes<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.note() {
            Ok(note) if note.is_empty() => None,
            note => Some(note),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_split_after_signatures() {
        let notes = |text: &str| -> Vec<String> {
            Notes::new(text.as_bytes()).map(|note| String::from_utf8(note.expect("memory")).expect("text")).collect()
        };
        let (one, two) = ("log\n1\n\n— a x\n", "log\n2\n\n— a x\n— b y\n");
        assert_eq!(notes(&format!("{one}{two}")), [one, two]);
        assert_eq!(notes(&format!("\n{two}\n\n{one}\n")), [two, one]);
        assert_eq!(notes(""), [""; 0]);
        // What is cut or isn't a note at all comes back as it is, and can't be opened.
        assert_eq!(notes(&format!("{one}log\n2\n\n— a")), [one, "log\n2\n\n— a"]);
        assert_eq!(notes("<html>\n\n<body>"), ["<html>\n\n", "<body>"]);
        let long = "x".repeat(250_000);
        assert_eq!(notes(&long).concat(), long);
    }
}
