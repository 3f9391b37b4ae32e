//! Carries bytes from a blocking thread to an asynchronous reader, in hashed chunks and constant memory.
//!
//! The channel bounds the memory: a slow reader makes the writer wait, within [`StreamLimits`]. A stream that its writer
//! drops before [`ChunkSender::complete`] ends with an error, so that a truncated file never looks whole.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

const CHUNK_BYTES: usize = 128 * 1024;
/// Chunks that wait for the reader.
const MAX_WAITING_CHUNKS: usize = 4;

/// What a reader may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// The longest time without a read.
    pub pause: Duration,
    /// The time that a reader may take before the minimum rate applies.
    pub grace: Duration,
    /// The minimum rate, counted over the time that the writer waits for the reader.
    pub bytes_per_second: u64,
    /// The longest time of the whole stream.
    pub total: Duration,
}

impl StreamLimits {
    /// For responses. A reader slower than 64 kB/s holds a slot that others wait for. 5,000 scans of 300 kB take 20
    /// minutes at 10 Mbit/s.
    pub const RESPONSE: Self = Self {
        pause: Duration::from_secs(60),
        grace: Duration::from_secs(60),
        bytes_per_second: 64_000,
        total: Duration::from_secs(2 * 60 * 60),
    };
    /// For commands, whose reader is a file or a pipe of the operator.
    pub const COMMAND: Self =
        Self { pause: Duration::MAX, grace: Duration::MAX, bytes_per_second: 0, total: Duration::MAX };
}

/// Why a stream ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamEnd {
    #[error("the reader has gone")]
    ReaderGone,
    #[error("nothing was read for too long")]
    Paused,
    #[error("it was read too slowly")]
    TooSlow,
    #[error("it took too long")]
    TooLong,
}

impl From<StreamEnd> for io::Error {
    fn from(end: StreamEnd) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, end)
    }
}

/// The writing end of a stream. Its clones belong to the same stream.
#[derive(Clone)]
pub struct ChunkSender {
    to: mpsc::Sender<Vec<u8>>,
    shared: Arc<Shared>,
}

/// The reading end of a stream.
pub struct ByteReceiver {
    chunks: mpsc::Receiver<Vec<u8>>,
    shared: Arc<Shared>,
}

struct Shared {
    limits: StreamLimits,
    begun: Instant,
    progress: Mutex<Progress>,
    is_broken: AtomicBool,
    is_complete: AtomicBool,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    sent: u64,
    /// The time that the writer has waited for the reader.
    waited: Duration,
    /// Why the writer gave up.
    end: Option<StreamEnd>,
}

/// Opens a stream.
pub fn stream(limits: StreamLimits) -> (ChunkSender, ByteReceiver) {
    let (to, chunks) = mpsc::channel(MAX_WAITING_CHUNKS);
    let shared = Arc::new(Shared {
        limits,
        begun: Instant::now(),
        progress: Mutex::default(),
        is_broken: AtomicBool::new(false),
        is_complete: AtomicBool::new(false),
    });
    (ChunkSender { to, shared: shared.clone() }, ByteReceiver { chunks, shared })
}

impl ByteReceiver {
    /// Returns the next chunk, `None` after the last one, or an error if the stream is incomplete.
    pub async fn recv(&mut self) -> Option<io::Result<Vec<u8>>> {
        let incomplete = || Some(Err(io::Error::other("the stream is incomplete")));
        if self.shared.is_broken.load(Ordering::Acquire) {
            return incomplete();
        }
        match self.chunks.recv().await {
            _ if self.shared.is_broken.load(Ordering::Acquire) => incomplete(),
            Some(chunk) => Some(Ok(chunk)),
            None if self.shared.is_complete.load(Ordering::Acquire) => None,
            None => incomplete(),
        }
    }
}

impl ChunkSender {
    /// Sends a chunk as soon as the channel has room, or gives up on the reader.
    pub async fn send(&self, chunk: Vec<u8>) -> Result<(), StreamEnd> {
        let (length, asked) = (chunk.len() as u64, Instant::now());
        let (patience, end) = self.shared.patience();
        let sent = timeout(patience, self.to.send(chunk)).await;
        let mut progress = self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.waited += asked.elapsed();
        let end = match sent {
            Ok(Ok(())) => {
                progress.sent += length;
                return Ok(());
            }
            Ok(Err(_)) => StreamEnd::ReaderGone,
            Err(_) => end,
        };
        progress.end = Some(end);
        Err(end)
    }

    /// Returns why the writer gave up on the reader, if it did.
    pub fn end(&self) -> Option<StreamEnd> {
        self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner).end
    }

    /// Marks the stream as whole, after its last chunk.
    pub fn complete(&self) {
        self.shared.is_complete.store(true, Ordering::Release);
    }

    /// Ends the stream with an error, ahead of the chunks that still wait.
    pub fn break_off(&self) {
        self.shared.is_broken.store(true, Ordering::Release);
    }

    /// Waits until the reader has gone.
    pub async fn closed(&self) {
        self.to.closed().await;
    }
}

impl Shared {
    /// Returns how long the writer waits for the reader now, and what it means if that is in vain.
    fn patience(&self) -> (Duration, StreamEnd) {
        let Progress { sent, waited, .. } = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let StreamLimits { pause, grace, bytes_per_second, total } = self.limits;
        let earned = Duration::from_millis((sent * 1000).checked_div(bytes_per_second).unwrap_or_default());
        [
            (grace.saturating_add(earned).saturating_sub(waited), StreamEnd::TooSlow),
            (pause, StreamEnd::Paused),
            (total.saturating_sub(self.begun.elapsed()), StreamEnd::TooLong),
        ]
        .into_iter()
        .min_by_key(|(patience, _)| *patience)
        .unwrap_or((pause, StreamEnd::Paused))
    }
}

/// A blocking writer that sends chunks to a stream. Fails with `BrokenPipe` once the reader is gone.
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

    /// Sends what is left, and marks the stream as whole.
    pub fn finish(mut self) -> io::Result<()> {
        self.send()?;
        self.to.complete();
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.waiting, Vec::with_capacity(CHUNK_BYTES));
        self.sent += chunk.len() as u64;
        Ok(self.runtime.block_on(self.to.send(chunk))?)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const LIMITS: StreamLimits =
        StreamLimits { pause: LONG, grace: Duration::from_millis(300), bytes_per_second: 1_000_000, total: LONG };

    /// Sends up to `chunks` while a reader takes one every `pause`.
    async fn read_every(pause: Duration, limits: StreamLimits, chunks: usize) -> Result<(), StreamEnd> {
        let (to, mut bytes) = stream(limits);
        let reader = tokio::spawn(async move {
            while let Some(Ok(_)) = bytes.recv().await {
                tokio::time::sleep(pause).await;
            }
        });
        let mut result = Ok(());
        for _ in 0..chunks {
            result = to.send(vec![0; CHUNK_BYTES]).await;
            if result.is_err() {
                break;
            }
        }
        reader.abort();
        result
    }

    #[tokio::test]
    async fn a_reader_has_a_pace_to_keep() {
        let ms = Duration::from_millis;
        assert_eq!(read_every(LONG, LIMITS, 100).await, Err(StreamEnd::TooSlow), "nothing is read");
        assert_eq!(read_every(ms(400), LIMITS, 100).await, Err(StreamEnd::TooSlow), "330 kB/s");
        assert_eq!(read_every(ms(20), LIMITS, 100).await, Ok(()), "6 MB/s");
        let hurried = StreamLimits { total: ms(200), ..LIMITS };
        assert_eq!(read_every(ms(20), hurried, 100).await, Err(StreamEnd::TooLong));
        let impatient = StreamLimits { pause: ms(100), grace: LONG, ..LIMITS };
        assert_eq!(read_every(ms(400), impatient, 100).await, Err(StreamEnd::Paused));
        assert_eq!(read_every(ms(400), StreamLimits::COMMAND, 8).await, Ok(()), "an operator's pipe");
    }

    #[test]
    fn what_was_read_earns_time() {
        let (to, _bytes) = stream(StreamLimits::RESPONSE);
        let patience = |sent, waited| {
            *to.shared.progress.lock().expect("no panic") =
                Progress { sent, waited: Duration::from_secs(waited), end: None };
            to.shared.patience()
        };
        assert_eq!(patience(0, 0), (Duration::from_secs(60), StreamEnd::TooSlow));
        assert_eq!(patience(6_400_000, 100), (Duration::from_secs(60), StreamEnd::TooSlow));
        assert_eq!(patience(6_400_000, 160), (Duration::ZERO, StreamEnd::TooSlow));
        assert_eq!(patience(1_000_000_000, 0), (StreamLimits::RESPONSE.pause, StreamEnd::Paused));
    }

    #[tokio::test]
    async fn only_a_completed_stream_ends_well() {
        for is_complete in [true, false] {
            let (to, mut bytes) = stream(StreamLimits::COMMAND);
            to.send(vec![1]).await.expect("room");
            if is_complete {
                to.complete();
            }
            drop(to);
            assert_eq!(bytes.recv().await.expect("a chunk").expect("whole"), [1]);
            assert_eq!(bytes.recv().await.is_none(), is_complete);
        }
        let (to, mut bytes) = stream(StreamLimits::COMMAND);
        to.send(vec![1]).await.expect("room");
        to.break_off();
        assert!(bytes.recv().await.expect("an end").is_err(), "ahead of what waits");
    }
}
