//! The folder that PDFs come from: read, and never written.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sha2::{Digest, Sha256};

use crate::storage::Content;

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
    pub fn content(&self) -> Content {
        Content::File { file: self.file.clone(), size: self.size }
    }
}

impl Source {
    pub fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self { dir: Arc::new(Dir::open_ambient_dir(folder, ambient_authority())?) })
    }

    /// The file at the first of these places where there is one. If there are several, they have to be the same.
    pub(super) async fn find(&self, places: &[String]) -> Result<Option<Local>, String> {
        let (dir, places) = (self.dir.clone(), places.to_vec());
        tokio::task::spawn_blocking(move || find(&dir, &places)).await.map_err(|error| error.to_string())?
    }
}

fn find(dir: &Dir, places: &[String]) -> Result<Option<Local>, String> {
    let mut first: Option<Local> = None;
    for place in places {
        let Some(local) = read(dir, place).map_err(|error| format!("{place}: {error}"))? else { continue };
        match &first {
            Some(first) if first.sha256 != local.sha256 => {
                return Err(format!("{} and {place} are different files; which is the right one?", first.place));
            }
            Some(_) => {}
            None => first = Some(local),
        }
    }
    Ok(first)
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
    let (mut hash, mut size, mut part) = (Sha256::new(), 0, vec![0; 128 * 1024]);
    loop {
        match file.read(&mut part)? {
            0 => break,
            read => {
                if size == 0 && !part[..read].starts_with(b"%PDF-") {
                    return broken("it isn't a PDF");
                }
                hash.update(&part[..read]);
                size += read as u64;
            }
        }
    }
    if size == 0 {
        return broken("it is empty");
    }
    // Moved all the same: what there is of it is kept.
    if !ends_as_a_pdf(&mut file, size)? {
        tracing::warn!(place, "it doesn't end as a PDF does; is it cut off?");
    }
    file.rewind()?;
    Ok(Some(Local { place: place.into(), sha256: hash.finalize().into(), size, file: Arc::new(file) }))
}
