//! Carries bytes from a blocking thread to an asynchronous reader, in hashed chunks and constant memory.
//!
//! The channel bounds the memory: a slow reader makes the writer wait.

use std::io::{self, Write};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

const CHUNK_BYTES: usize = 128 * 1024;
/// The time without a read after which the reader counts as gone, even if its connection is still open.
const STALL_TIMEOUT: Duration = Duration::from_secs(600);

pub type ChunkSender = Sender<io::Result<Vec<u8>>>;

/// A blocking writer that sends chunks to a channel. Fails with `BrokenPipe` once the reader is gone.
pub struct StreamWriter {
    to: ChunkSender,
    runtime: Handle,
    waiting: Vec<u8>,
    sent: u64,
    hash: Sha256,
}

/// The end of a stream that is not sent yet, so that its owner can still abort the transfer.
pub struct Unsent {
    pub bytes: Vec<u8>,
    /// Bytes of the whole stream, including the unsent ones.
    pub size: u64,
    /// The hash of the whole stream.
    pub sha256: [u8; 32],
}

impl StreamWriter {
    /// Must be called within a runtime; the writer itself belongs on a thread that may block.
    pub fn new(to: ChunkSender) -> Self {
        Self { to, runtime: Handle::current(), waiting: Vec::with_capacity(CHUNK_BYTES), sent: 0, hash: Sha256::new() }
    }

    /// Returns the hash of everything written so far.
    pub fn sha256(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    pub fn into_unsent(self) -> Unsent {
        Unsent { size: self.sent + self.waiting.len() as u64, bytes: self.waiting, sha256: self.hash.finalize().into() }
    }

    /// Sends what is left.
    pub fn finish(mut self) -> io::Result<()> {
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.waiting, Vec::with_capacity(CHUNK_BYTES));
        self.sent += chunk.len() as u64;
        self.runtime.block_on(send_chunk(&self.to, Ok(chunk)))
    }
}

/// Sends a chunk as soon as the channel has room, and gives up on a stalled reader. An error aborts the transfer.
pub async fn send_chunk(to: &ChunkSender, chunk: io::Result<Vec<u8>>) -> io::Result<()> {
    let why = match timeout(STALL_TIMEOUT, to.send(chunk)).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(_)) => "the reader is gone",
        Err(_) => "nothing was read for too long",
    };
    Err(io::Error::new(io::ErrorKind::BrokenPipe, why))
}

impl Write for StreamWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.len() + bytes.len() > CHUNK_BYTES && !self.waiting.is_empty() {
            self.send()?;
        }
        self.hash.update(bytes);
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: only full chunks are sent.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
