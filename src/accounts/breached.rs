//! An optional list of breached passwords, as [Have I Been Pwned](https://haveibeenpwned.com/Passwords) offers it: SHA-1
//! hashes in hex, with or without a count.
//!
//! Either one file with a hash a line (`5BAA61E4…:9545824`), sorted, or a folder with a file for each prefix of five
//! characters (`5BAA6.txt`, lines `1E4…:9545824`), the form of the k-anonymity API. Nothing is loaded: the file is
//! searched in place, and of the folder one small file is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

const HASH_CHARS: usize = 40;
const PREFIX_CHARS: usize = 5;
/// A line has the hash, a count, and a line ending.
const MAX_LINE_BYTES: u64 = 80;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreachList {
    path: PathBuf,
    is_folder: bool,
}

impl BreachList {
    /// Checks that the list is there, and that it is one.
    pub fn open(path: &Path) -> io::Result<Self> {
        let list = Self { path: path.to_owned(), is_folder: std::fs::metadata(path)?.is_dir() };
        if list.is_folder {
            list.read_prefix("00000")?;
        } else {
            let mut line = String::new();
            BufReader::new(File::open(path)?).take(MAX_LINE_BYTES).read_line(&mut line)?;
            hash_of(&line).ok_or_else(|| not_a_list(&line))?;
        }
        Ok(list)
    }

    /// Whether the password is on the list. Blocks.
    pub fn contains(&self, password: &str) -> io::Result<bool> {
        let hash = hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()));
        if self.is_folder {
            let (prefix, suffix) = hash.split_at(PREFIX_CHARS);
            let lines = self.read_prefix(prefix)?;
            return Ok(lines
                .lines()
                .any(|line| line.get(..suffix.len()).is_some_and(|own| own.eq_ignore_ascii_case(suffix))));
        }
        search(&mut File::open(&self.path)?, &hash)
    }

    fn read_prefix(&self, prefix: &str) -> io::Result<String> {
        let with_ending = self.path.join(format!("{prefix}.txt"));
        let text = std::fs::read_to_string(if with_ending.exists() { with_ending } else { self.path.join(prefix) })?;
        let suffix = |line: &str| line.len() >= HASH_CHARS - PREFIX_CHARS && line.is_ascii();
        match text.lines().find(|line| !suffix(line)) {
            Some(line) => Err(not_a_list(line)),
            None => Ok(text),
        }
    }
}

/// The hash at the beginning of a line.
fn hash_of(line: &str) -> Option<&str> {
    let hash = line.get(..HASH_CHARS)?;
    let ends = line[HASH_CHARS..].trim_end();
    (hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && (ends.is_empty() || ends.starts_with(':'))).then_some(hash)
}

fn not_a_list(line: &str) -> io::Error {
    let shown: String = line.trim_end().chars().take(20).collect();
    io::Error::new(io::ErrorKind::InvalidData, format!("no list of SHA-1 hashes: a line begins with {shown:?}"))
}

/// Binary search for a line that begins with the hash, in a sorted file whose lines may differ in length.
fn search(file: &mut File, hash: &str) -> io::Result<bool> {
    // The line that begins with the hash, if there is one, begins in this range of bytes.
    let (mut low, mut high) = (0, file.metadata()?.len());
    while low < high {
        let middle = low.midpoint(high);
        let Some((start, line)) = line_after(file, middle)? else {
            high = middle;
            continue;
        };
        let found = hash_of(&line).ok_or_else(|| not_a_list(&line))?.to_ascii_uppercase();
        match found.as_str().cmp(hash) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = start + line.len() as u64,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(false)
}

/// Returns the first line that begins at this byte or after it, and where it begins.
fn line_after(file: &mut File, at: u64) -> io::Result<Option<(u64, String)>> {
    let mut start = at;
    // A line begins here if the byte before ends one.
    file.seek(SeekFrom::Start(at.saturating_sub(1)))?;
    let mut reader = BufReader::with_capacity(256, file.take(4 * MAX_LINE_BYTES));
    if at > 0 {
        let mut rest = Vec::new();
        reader.read_until(b'\n', &mut rest)?;
        start = at - 1 + rest.len() as u64;
    }
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok((!line.trim_end().is_empty()).then_some((start, line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(count: usize) -> Vec<String> {
        let hash = |n: usize| hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("password {n}").as_bytes()));
        let mut hashes: Vec<String> = (0..count).map(hash).collect();
        hashes.sort();
        hashes
    }

    #[test]
    fn every_line_of_a_sorted_file_is_found_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        for (count, ending) in [(0, "\n"), (1, "\n"), (2, "\r\n"), (3, "\n"), (500, "\r\n")] {
            let path = folder.path().join(format!("{count}.txt"));
            // Counts make lines of different lengths; the last line may have no ending.
            let lines: Vec<String> = hashes(count)
                .iter()
                .enumerate()
                .map(|(n, hash)| format!("{hash}:{}", 7_usize.pow(n as u32 % 8)))
                .collect();
            std::fs::write(&path, lines.join(ending)).expect("written");
            if count == 0 {
                assert!(BreachList::open(&path).is_err(), "an empty file is no list");
                continue;
            }
            let list = BreachList::open(&path).expect("a list");
            for n in 0..count {
                assert!(list.contains(&format!("password {n}")).expect("readable"), "{n} of {count}");
            }
            for n in count..count + 50 {
                assert!(!list.contains(&format!("password {n}")).expect("readable"), "{n} of {count}");
            }
        }
    }

    #[test]
    fn a_folder_has_a_file_for_each_prefix() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("00000.txt"), "0005AD76BD555C1D6D771DE417A4B87E4B4:10\r\n").expect("written");
        std::fs::write(folder.path().join("5BAA6.txt"), "1E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824\r\n")
            .expect("written");
        let list = BreachList::open(folder.path()).expect("a list");
        assert!(list.contains("password").expect("readable"));
        assert!(list.contains("something else").is_err(), "a file that is missing is no answer");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.txt");
        assert!(BreachList::open(&path).is_err());
        for text in ["password\n123456\n", "<html>", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8x\n"] {
            std::fs::write(&path, text).expect("written");
            assert!(BreachList::open(&path).is_err(), "{text}");
        }
    }
}
