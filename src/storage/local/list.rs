//! Lists the objects of the folder in the order of their keys.

use std::io;
use std::path::Path;

use cap_std::fs::Dir;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc::Sender;

use super::LocalStore;
use crate::storage::{ListedObject, StorageError};

type Listing = Sender<Result<ListedObject, StorageError>>;

impl LocalStore {
    /// Lists recursively; blocks. Memory holds the names of one folder and of those above it.
    pub(in crate::storage) fn list(&self, folder: &str, to: &Listing) {
        let dir = self.dir().and_then(|dir| if folder.is_empty() { Ok(dir) } else { dir.open_dir(folder) });
        match dir.and_then(|dir| walk(&dir, folder, to)) {
            // Nothing is stored yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_empty() => {}
            Err(error) => drop(to.blocking_send(Err(StorageError::unavailable(error)))),
            Ok(_) => {}
        }
    }
}

/// Returns `false` once the receiver is gone.
fn walk(dir: &Dir, prefix: &str, to: &Listing) -> io::Result<bool> {
    // A folder sorts as its keys do: `a.pdf` is before `a/b.pdf`, since `.` is before `/`.
    let mut names: Vec<(String, bool)> = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        let (name, kind) = (entry.file_name().to_string_lossy().into_owned(), entry.file_type()?);
        // Skips uploads in progress, and files that aren't objects.
        if !name.starts_with('.') && (kind.is_dir() || kind.is_file()) {
            names.push(if kind.is_dir() { (format!("{name}/"), true) } else { (name, false) });
        }
    }
    names.sort_unstable();
    for (name, is_dir) in names {
        let key = format!("{prefix}{name}");
        if is_dir {
            if !walk(&dir.open_dir(Path::new(&name))?, &key, to)? {
                return Ok(false);
            }
        } else {
            let found = match dir.metadata(&name) {
                Ok(found) => found,
                // The file disappeared since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let modified = found.modified().map(|at| DateTime::<Utc>::from(at.into_std()))?;
            if to.blocking_send(Ok(ListedObject { key, size: found.len(), modified })).is_err() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
