//! Bytes that a blocking thread makes and somebody reads elsewhere: in pieces, hashed on the way, and never more of them in
//! memory than a few pieces, however slowly they are read.

use std::io::{self, Write};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

/// Sent at once.
const PIECE: usize = 128 * 1024;
/// Whoever takes nothing for so long has gone, whatever the connection says.
const STALLED: Duration = Duration::from_secs(600);

pub type Pieces = Sender<io::Result<Vec<u8>>>;

/// Blocks while nobody reads; an error of the kind `BrokenPipe` says that nobody does any more.
pub struct Outlet {
    to: Pieces,
    runtime: Handle,
    waiting: Vec<u8>,
    sent: u64,
    hash: Sha256,
}

/// What [`Outlet::end`] leaves.
pub struct Rest {
    /// The last bytes: not sent yet, so that whoever holds them can still break off.
    pub bytes: Vec<u8>,
    /// Of everything, with the rest.
    pub size: u64,
    pub sha256: [u8; 32],
}

impl Outlet {
    /// To be made within a runtime, and written to from a thread that may block.
    pub fn new(to: Pieces) -> Self {
        Self { to, runtime: Handle::current(), waiting: Vec::with_capacity(PIECE), sent: 0, hash: Sha256::new() }
    }

    /// Of everything so far.
    pub fn sha256(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    pub fn end(self) -> Rest {
        Rest { size: self.sent + self.waiting.len() as u64, bytes: self.waiting, sha256: self.hash.finalize().into() }
    }

    /// Sends the last of it.
    pub fn finish(mut self) -> io::Result<()> {
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE));
        self.sent += piece.len() as u64;
        self.runtime.block_on(hand_over(&self.to, Ok(piece)))
    }
}

/// Waits until there is room for it, but not for ever; an error that is handed over breaks the reader's transfer.
pub async fn hand_over(to: &Pieces, piece: io::Result<Vec<u8>>) -> io::Result<()> {
    let why = match timeout(STALLED, to.send(piece)).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(_)) => "nobody reads",
        Err(_) => "nothing was read for too long",
    };
    Err(io::Error::new(io::ErrorKind::BrokenPipe, why))
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.len() + bytes.len() > PIECE && !self.waiting.is_empty() {
            self.send()?;
        }
        self.hash.update(bytes);
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Pieces go when they are full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
