//! Finds the dump: a file, or the newest one in a folder.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::hours;
use super::report::DumpFacts;

/// The first bytes of a dump of `pg_dump -Fc`.
const MAGIC: &[u8] = b"PGDMP";
/// Endings of the names of files that a backup has not finished.
const UNFINISHED: [&str; 3] = ["partial", "part", "tmp"];

#[derive(Debug, thiserror::Error)]
pub enum DumpFileError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{} has no dump: none of its files begins like one of pg_dump -Fc; look at the backup job", .0.display())]
    NoDump(PathBuf),
    #[error("{0} is the newest dump, and it isn't finished; look at the backup job, or run the drill after it")]
    Unfinished(String),
    #[error("{0} is not a dump of pg_dump -Fc; make dumps with: pg_dump -Fc")]
    NotADump(String),
}

/// An open dump.
pub struct DumpFile {
    pub file: File,
    /// Without the folder.
    pub name: String,
    pub modified_at: DateTime<Utc>,
    /// In bytes.
    pub size: u64,
}

impl DumpFile {
    /// Opens a dump, or the newest one of a folder.
    pub fn open(place: &Path) -> Result<Self, DumpFileError> {
        let io = |error| DumpFileError::Io { path: place.to_owned(), error };
        if !place.metadata().map_err(io)?.is_dir() {
            return Self::open_file(place);
        }
        let mut newest: Option<(DateTime<Utc>, PathBuf)> = None;
        for entry in std::fs::read_dir(place).map_err(io)? {
            let path = entry.map_err(io)?.path();
            // A file that is gone again was not the newest dump.
            let Ok(found) = path.metadata() else { continue };
            let Ok(modified_at) = found.modified().map(DateTime::from) else { continue };
            let is_newer = newest.as_ref().is_none_or(|(at, _)| modified_at > *at);
            if is_newer && is_candidate(&path, &found).map_err(io)? {
                newest = Some((modified_at, path));
            }
        }
        let (_, path) = newest.ok_or_else(|| DumpFileError::NoDump(place.to_owned()))?;
        Self::open_file(&path)
    }

    fn open_file(path: &Path) -> Result<Self, DumpFileError> {
        let io = |error| DumpFileError::Io { path: path.to_owned(), error };
        let file = File::open(path).map_err(io)?;
        let found = file.metadata().map_err(io)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if found.len() == 0 || is_unfinished(path) {
            return Err(DumpFileError::Unfinished(name));
        }
        if !has_magic(path).map_err(io)? {
            return Err(DumpFileError::NotADump(name));
        }
        let modified_at = found.modified().map_err(io)?.into();
        Ok(Self { file, name, modified_at, size: found.len() })
    }

    /// Returns what the report says about the file.
    pub fn facts(&self, now: DateTime<Utc>) -> DumpFacts {
        let Self { name, modified_at, size, .. } = self;
        let age_hours = hours(*modified_at, now);
        DumpFacts { file: name.clone(), modified_at: *modified_at, age_hours, bytes: *size }
    }

    /// Whether the file has been written to since it was opened.
    pub fn has_changed(&self) -> bool {
        let same = |found: Metadata| {
            found.len() == self.size && found.modified().is_ok_and(|at| DateTime::<Utc>::from(at) == self.modified_at)
        };
        !self.file.metadata().is_ok_and(same)
    }
}

/// Whether a file of the folder is a dump, or will be one. Others may lie beside them, such as checksums.
fn is_candidate(path: &Path, found: &Metadata) -> io::Result<bool> {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    Ok(found.is_file() && !is_hidden && (found.len() == 0 || is_unfinished(path) || has_magic(path)?))
}

fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| UNFINISHED.iter().any(|unfinished| extension == *unfinished))
}

fn has_magic(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut begin)?;
    Ok(begin == MAGIC)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn write(folder: &Path, name: &str, bytes: &[u8], hours_ago: u64) {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a file");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 - hours_ago * 3600);
        File::options().append(true).open(path).expect("the file").set_modified(at).expect("a time");
    }

    /// The name of the dump, or the error.
    fn found(place: &Path) -> String {
        DumpFile::open(place).map_or_else(|error| error.to_string(), |dump| dump.name)
    }

    #[test]
    fn the_newest_dump_of_a_folder_is_taken_if_it_is_finished() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let place = folder.path();
        assert!(found(place).contains("has no dump: none of its files begins like one of pg_dump -Fc"));
        write(place, "notes.txt", b"PG_DUMP it is not", 0);
        assert!(found(place).contains("has no dump"));
        for (name, hours_ago) in [("old.dump", 48), ("last-night.dump", 8), (".hidden.dump", 1)] {
            write(place, name, b"PGDMP and more", hours_ago);
        }
        write(place, "old.dump.partial", b"PGDMP", 24);
        write(place, "last-night.dump.sha256", b"0123", 7);
        assert_eq!(found(place), "last-night.dump");
        write(place, "tonight.dump.partial", b"PGDMP", 2);
        assert!(found(place).starts_with("tonight.dump.partial is the newest dump, and it isn't finished"));
        write(place, "tonight.dump", b"", 1);
        assert!(found(place).starts_with("tonight.dump is the newest dump, and it isn't finished"));
        assert!(found(&place.join("notes.txt")).starts_with("notes.txt is not a dump of pg_dump -Fc"));
        assert_eq!(found(&place.join("old.dump")), "old.dump");
        assert!(found(&place.join("none")).contains("No such file"));
    }

    #[test]
    fn a_file_that_is_written_to_is_noticed() {
        let folder = tempfile::TempDir::new().expect("a folder");
        write(folder.path(), "a.dump", b"PGDMP", 1);
        let dump = DumpFile::open(folder.path()).expect("a dump");
        assert!(!dump.has_changed());
        write(folder.path(), "a.dump", b"PGDMP and more", 1);
        assert!(dump.has_changed());
    }
}
