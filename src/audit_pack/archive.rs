//! The ZIP itself: what comes piece by piece goes into it, and its checksum into SHA256SUMS, the last file of it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{Receiver, Sender};
use zip::ZipWriter;

use crate::audit::export::WrittenFile;
use crate::documents::zip::archive::plain;
use crate::stream_writer::StreamWriter;

/// Handed over at once.
const PIECE: usize = 64 * 1024;

pub(super) enum Piece {
    /// A file of it.
    Begin(String),
    Bytes(Vec<u8>),
    Content(Arc<File>),
    /// All of them, with so many events; without this the ZIP is broken off.
    End(u64),
}

/// A file on its way into the ZIP.
pub(super) struct Member<'a> {
    to: &'a Sender<Piece>,
    waiting: Vec<u8>,
}

impl<'a> Member<'a> {
    pub async fn begin(to: &'a Sender<Piece>, name: &str) -> Result<Self, String> {
        to.send(Piece::Begin(name.into())).await.map_err(|error| error.to_string())?;
        Ok(Self { to, waiting: Vec::with_capacity(PIECE) })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() < PIECE { Ok(()) } else { self.send().await }
    }

    pub async fn end(mut self) -> Result<(), String> {
        self.send().await
    }

    async fn send(&mut self) -> Result<(), String> {
        let piece = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE));
        self.to.send(Piece::Bytes(piece)).await.map_err(|error| error.to_string())
    }
}

/// Blocks.
pub(super) fn pack(mut pieces: Receiver<Piece>, writer: StreamWriter) -> WrittenFile {
    let mut rows = 0;
    let rest = write(&mut pieces, writer, &mut rows).map(StreamWriter::into_unsent);
    WrittenFile { rows, rest }
}

fn write(pieces: &mut Receiver<Piece>, writer: StreamWriter, rows: &mut u64) -> io::Result<StreamWriter> {
    let mut zip = ZipWriter::new_stream(writer);
    // Of ten million events it may be larger than four gigabytes.
    let options = plain().large_file(true);
    let mut sums = String::new();
    let mut open: Option<(String, Sha256)> = None;
    let mut buffer = vec![0; PIECE];
    loop {
        let piece = pieces.blocking_recv().ok_or_else(|| io::Error::other("broken off"))?;
        if matches!(piece, Piece::Begin(_) | Piece::End(_))
            && let Some((name, hash)) = open.take()
        {
            sums.push_str(&format!("{}  {name}\n", hex::encode(hash.finalize())));
        }
        match (piece, &mut open) {
            (Piece::Begin(name), _) => {
                zip.start_file(&name, options).map_err(io::Error::other)?;
                open = Some((name, Sha256::new()));
            }
            (Piece::Bytes(bytes), Some((_, hash))) => {
                hash.update(&bytes);
                zip.write_all(&bytes)?;
            }
            (Piece::Content(file), Some((_, hash))) => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                loop {
                    let read = file.read(&mut buffer)?;
                    if read == 0 {
                        break;
                    }
                    hash.update(&buffer[..read]);
                    zip.write_all(&buffer[..read])?;
                }
            }
            (Piece::End(count), _) => {
                *rows = count;
                break;
            }
            (_, None) => return Err(io::Error::other("bytes of no file")),
        }
    }
    zip.start_file("SHA256SUMS", options).map_err(io::Error::other)?;
    zip.write_all(sums.as_bytes())?;
    Ok(zip.finish().map_err(io::Error::other)?.into_inner())
}
