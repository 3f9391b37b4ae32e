//! The folder that PDFs come from: read, and never written.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::storage::{Content, digest};

/// Of a checkpoint, in bytes: far more than it needs.
const MAX_CHECKPOINT_BYTES: u64 = 100_000;

/// Opened as a capability: whatever links lie in it, nothing outside of it is read.
pub struct Source {
    dir: Arc<Dir>,
}

/// A PDF in the folder.
pub(super) struct Local {
    /// Within the folder.
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

    /// The file at the first of these places where there is one. If there are several, it is the one that was `expected`
    /// (SHA-256), or they have to be the same.
    pub(super) async fn find(&self, places: &[String], expected: Option<&[u8]>) -> Result<Option<Local>, String> {
        let (dir, places, expected) = (self.dir.clone(), places.to_vec(), expected.map(<[u8]>::to_vec));
        let found = tokio::task::spawn_blocking(move || find(&dir, &places, expected.as_deref()));
        found.await.map_err(|error| error.to_string())?
    }

    /// What lies in a folder of it, in order; nothing if there is no such folder.
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

    /// A small text.
    pub(super) async fn note(&self, place: &str) -> Result<Vec<u8>, String> {
        let (dir, place) = (self.dir.clone(), place.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            if !dir.metadata(&place)?.is_file() {
                return Err(io::Error::other("it isn't a file"));
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

/// ISO 32000-1, 7.5.5: the last line is `%%EOF`; writers add to it.
fn ends_as_a_pdf(file: &mut File, size: u64) -> io::Result<bool> {
    let mut end = Vec::new();
    file.seek(io::SeekFrom::Start(size.saturating_sub(1024)))?;
    file.take(1024).read_to_end(&mut end)?;
    Ok(end.windows(5).any(|part| part == b"%%EOF"))
}

fn read(dir: &Dir, place: &str) -> io::Result<Option<Local>> {
    let broken = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why.to_owned()));
    // A pipe would be waited for.
    match dir.metadata(place) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return broken("it isn't a file"),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    let mut file = dir.open(place)?.into_std();
    let mut first = [0; 5];
    match file.read_exact(&mut first) {
        Ok(()) if first == *b"%PDF-" => {}
        Err(_) if file.metadata()?.len() == 0 => return broken("it is empty"),
        _ => return broken("it isn't a PDF"),
    }
    file.rewind()?;
    let (size, sha256) = digest(&mut file)?;
    // Moved all the same: what there is of it is kept.
    if !ends_as_a_pdf(&mut file, size)? {
        tracing::warn!(place, "it doesn't end as a PDF does; is it cut off?");
    }
    file.rewind()?;
    Ok(Some(Local { place: place.into(), sha256, size, file: Arc::new(file) }))
}
