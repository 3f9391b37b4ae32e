//! The folder from which PDFs are migrated. It is only read.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::storage::{Content, digest};

/// Upper limit for the size of a checkpoint.
const MAX_CHECKPOINT_BYTES: u64 = 100_000;

/// The folder, opened as a capability, so that symbolic links can't lead outside.
pub struct Source {
    dir: Arc<Dir>,
}

/// A PDF in the folder.
pub(super) struct Local {
    /// Path within the folder.
    pub place: String,
    pub sha256: [u8; 32],
    /// In bytes.
    pub size: u64,
    file: Arc<File>,
}

impl Local {
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub fn content(&self) -> Content {
        Content::File { file: self.file.clone(), size: self.size }
    }
}

impl Source {
    pub fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self { dir: Arc::new(Dir::open_ambient_dir(folder, ambient_authority())?) })
    }

    /// Returns the file at the first of these places. If several exist, returns the one with the `expected` SHA-256, or
    /// fails if they differ.
    pub(super) async fn find(&self, places: &[String], expected: Option<&[u8]>) -> Result<Option<Local>, String> {
        let (dir, places, expected) = (self.dir.clone(), places.to_vec(), expected.map(<[u8]>::to_vec));
        let found = tokio::task::spawn_blocking(move || find(&dir, &places, expected.as_deref()));
        found.await.map_err(|error| error.to_string())?
    }

    /// Returns the sorted names in a subfolder; none if it doesn't exist.
    pub(super) async fn names(&self, folder: &'static str) -> Result<Vec<String>, String> {
        let dir = self.dir.clone();
        let names = tokio::task::spawn_blocking(move || {
            let entries = match dir.read_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let mut names = entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<Vec<String>>>()?;
            names.sort_unstable();
            Ok(names)
        });
        names.await.map_err(|error| error.to_string())?.map_err(|error: io::Error| error.to_string())
    }

    /// Reads a checkpoint.
    pub(super) async fn note(&self, place: &str) -> Result<Vec<u8>, String> {
        let (dir, place) = (self.dir.clone(), place.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            if !dir.metadata(&place)?.is_file() {
                return Err(io::Error::other("not a regular file"));
            }
            let mut bytes = Vec::new();
            dir.open(&place)?.take(MAX_CHECKPOINT_BYTES + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MAX_CHECKPOINT_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
        });
        read.await.map_err(|error| error.to_string())?.map_err(|error: io::Error| error.to_string())
    }
}

fn find(dir: &Dir, places: &[String], expected: Option<&[u8]>) -> Result<Option<Local>, String> {
    let mut first: Option<Local> = None;
    let mut differs = None;
    for place in places {
        let Some(local) = read(dir, place).map_err(|error| format!("{place}: {error}"))? else { continue };
        if expected == Some(&local.sha256[..]) {
            return Ok(Some(local));
        }
        match &first {
            Some(first) if first.sha256 != local.sha256 => differs = differs.or(Some(place)),
            Some(_) => {}
            None => first = Some(local),
        }
    }
    match (first, differs) {
        (Some(first), Some(place)) => {
            Err(format!("{} and {place} are different files; which is the right one?", first.place))
        }
        (first, _) => Ok(first),
    }
}

/// Whether `%%EOF` is near the end. ISO 32000-1, 7.5.5 has it in the last line, but programs append to files.
fn ends_as_a_pdf(file: &mut File, size: u64) -> io::Result<bool> {
    let mut end = Vec::new();
    file.seek(io::SeekFrom::Start(size.saturating_sub(1024)))?;
    file.take(1024).read_to_end(&mut end)?;
    Ok(end.windows(5).any(|part| part == b"%%EOF"))
}

fn read(dir: &Dir, place: &str) -> io::Result<Option<Local>> {
    let broken = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why.to_owned()));
    // Opening a pipe would block.
    match dir.metadata(place) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return broken("not a regular file"),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    let mut file = dir.open(place)?.into_std();
    let mut first = [0; 5];
    match file.read_exact(&mut first) {
        Ok(()) if first == *b"%PDF-" => {}
        Err(_) if file.metadata()?.len() == 0 => return broken("the file is empty"),
        _ => return broken("not a PDF"),
    }
    file.rewind()?;
    let (size, sha256) = digest(&mut file)?;
    // A truncated file is moved too: part of a document is better than nothing.
    if !ends_as_a_pdf(&mut file, size)? {
        tracing::warn!(place, "the file doesn't end like a PDF; it may be truncated");
    }
    file.rewind()?;
    Ok(Some(Local { place: place.into(), sha256, size, file: Arc::new(file) }))
}
