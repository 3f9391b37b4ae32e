//! The bytes of the ZIP. Its last file, SHA256SUMS, has the checksums of all others.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{Receiver, Sender};
use zip::ZipWriter;

use crate::accounts::access::Access;
use crate::audit::export::{ExportBroken, WrittenFile};
use crate::documents::zip::archive::plain;
use crate::stream_writer::StreamWriter;

/// Bytes of one part.
const PART_BYTES: usize = 64 * 1024;

pub(super) enum PackPart {
    /// Begins a file of this name.
    Begin(String),
    Bytes(Vec<u8>),
    Content(Arc<File>),
    /// Completes the ZIP, with the number of events; without it the ZIP is truncated.
    End(u64),
}

/// Where the parts of a pack go, each after another check of the auditor's access.
pub(super) struct Parts {
    pub to: Sender<PackPart>,
    pub access: Access,
}

impl Parts {
    pub async fn send(&self, part: PackPart) -> Result<(), ExportBroken> {
        // Waits for room first, because the reader may be slow.
        let place = self.to.reserve().await.map_err(|error| error.to_string())?;
        self.access.check().await?;
        place.send(part);
        Ok(())
    }
}

/// A file of the ZIP that is being written.
pub(super) struct PackFile<'a> {
    to: &'a Parts,
    waiting: Vec<u8>,
}

impl<'a> PackFile<'a> {
    pub async fn begin(to: &'a Parts, name: &str) -> Result<Self, ExportBroken> {
        to.send(PackPart::Begin(name.into())).await?;
        Ok(Self { to, waiting: Vec::with_capacity(PART_BYTES) })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ExportBroken> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() < PART_BYTES { Ok(()) } else { self.send().await }
    }

    pub async fn end(mut self) -> Result<(), ExportBroken> {
        self.send().await
    }

    async fn send(&mut self) -> Result<(), ExportBroken> {
        let part = std::mem::replace(&mut self.waiting, Vec::with_capacity(PART_BYTES));
        self.to.send(PackPart::Bytes(part)).await
    }
}

/// Writes the ZIP. Blocks.
pub(super) fn pack(mut parts: Receiver<PackPart>, writer: StreamWriter) -> WrittenFile {
    let mut rows = 0;
    let rest = write(&mut parts, writer, &mut rows).map(StreamWriter::into_unsent);
    WrittenFile { rows, rest }
}

fn write(parts: &mut Receiver<PackPart>, writer: StreamWriter, rows: &mut u64) -> io::Result<StreamWriter> {
    let mut zip = ZipWriter::new_stream(writer);
    // With ten million events a file can exceed four gigabytes.
    let options = plain().large_file(true);
    let mut sums = String::new();
    let mut open: Option<(String, Sha256)> = None;
    let mut buffer = vec![0; PART_BYTES];
    loop {
        let part = parts.blocking_recv().ok_or_else(|| io::Error::other("the pack is incomplete"))?;
        if matches!(part, PackPart::Begin(_) | PackPart::End(_))
            && let Some((name, hash)) = open.take()
        {
            sums.push_str(&format!("{}  {name}\n", hex::encode(hash.finalize())));
        }
        match (part, &mut open) {
            (PackPart::Begin(name), _) => {
                zip.start_file(&name, options).map_err(io::Error::other)?;
                open = Some((name, Sha256::new()));
            }
            (PackPart::Bytes(bytes), Some((_, hash))) => {
                hash.update(&bytes);
                zip.write_all(&bytes)?;
            }
            (PackPart::Content(file), Some((_, hash))) => {
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
            (PackPart::End(count), _) => {
                *rows = count;
                break;
            }
            (_, None) => return Err(io::Error::other("bytes without a file")),
        }
    }
    zip.start_file("SHA256SUMS", options).map_err(io::Error::other)?;
    zip.write_all(sums.as_bytes())?;
    Ok(zip.finish().map_err(io::Error::other)?.into_inner())
}
