//! A witness in one file: the notes one after the other, which are only appended to.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Seek, Write};
use std::path::Path;

use super::Contents;
use crate::config::SealKeys;

/// The file, locked against other runs until it is dropped.
pub(super) struct NoteFile(File);

impl NoteFile {
    /// Opens the file for appending, and creates it if it is missing. Waits for another run that has it open.
    pub fn lock(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.lock()?;
        Ok(Self(file))
    }

    pub fn read(&mut self, place: &str, keys: &SealKeys) -> io::Result<Contents> {
        self.0.rewind()?;
        let mut contents = Contents::of(place);
        contents.add_file(BufReader::new(&self.0), keys)?;
        Ok(contents)
    }

    /// Appends notes, and returns when they are on the disk.
    pub fn append(&mut self, notes: impl Iterator<Item = String>) -> io::Result<u64> {
        let notes: Vec<String> = notes.collect();
        self.0.write_all(notes.concat().as_bytes())?;
        self.0.sync_all()?;
        Ok(notes.len() as u64)
    }
}
