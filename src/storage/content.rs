//! The content of an object to store: bytes in memory, or a file on disk that may be too large for memory.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::sync::Arc;

use sha2::{Digest, Sha256};

#[derive(Clone)]
pub enum Content {
    Bytes(Arc<[u8]>),
    /// The bytes of one object. A file is read from its beginning, by one reader at a time.
    File {
        file: Arc<File>,
        size: u64,
    },
}

impl Content {
    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }

    pub(super) fn reader(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes.clone())),
            Self::File { file, .. } => Box::new(rewound(file)?),
        })
    }
}

/// Returns the number of bytes and their SHA-256.
pub fn digest(from: impl Read) -> io::Result<(u64, [u8; 32])> {
    copy(from, io::sink())
}

/// Copies, and returns the number of bytes and their SHA-256.
pub(super) fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<(u64, [u8; 32])> {
    let (mut hash, mut size, mut part) = (Sha256::new(), 0, vec![0; 128 * 1024]);
    loop {
        match from.read(&mut part)? {
            0 => return Ok((size, hash.finalize().into())),
            read => {
                hash.update(&part[..read]);
                size += read as u64;
                to.write_all(&part[..read])?;
            }
        }
    }
}

pub(super) fn rewound(file: &File) -> io::Result<File> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    Ok(file)
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}
