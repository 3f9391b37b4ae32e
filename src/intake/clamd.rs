//! The optional virus scanner, over clamd's INSTREAM command (clamd(8), "COMMANDS").
//!
//! It fails closed: the portal accepts no file that it could not scan.

use std::fs::File;
use std::io::{self, Seek};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::ClamdAddress;

/// Time for the whole scan: 50 MB of packed archives take long.
const SCAN_TIMEOUT: Duration = Duration::from_secs(90);
const CHUNK_BYTES: usize = 64 * 1024;
const MAX_ANSWER_BYTES: u64 = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    Clean,
    /// The name of the signature.
    Infected(String),
    /// Larger than clamd's `StreamMaxLength`.
    TooLarge,
}

pub async fn scan(clamd: &ClamdAddress, file: &File) -> io::Result<Scan> {
    let scanning = async {
        match clamd {
            ClamdAddress::Tcp(address) => instream(TcpStream::connect(address).await?, file).await,
            ClamdAddress::Unix(path) => instream(UnixStream::connect(path).await?, file).await,
        }
    };
    match timeout(SCAN_TIMEOUT, scanning).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn instream(mut clamd: impl AsyncRead + AsyncWrite + Unpin, file: &File) -> io::Result<Scan> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut file = tokio::fs::File::from_std(file);
    let sent = send(&mut clamd, &mut file).await;
    // For a file beyond its limit, clamd answers and closes the connection early.
    let mut answer = Vec::new();
    let heard = clamd.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await;
    if answer.is_empty() {
        sent?;
        heard?;
    }
    verdict(&String::from_utf8_lossy(&answer))
}

async fn send(clamd: &mut (impl AsyncWrite + Unpin), file: &mut tokio::fs::File) -> io::Result<()> {
    clamd.write_all(b"zINSTREAM\0").await?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk).await?;
        // A length of zero ends the stream.
        let length = u32::try_from(read).map_err(io::Error::other)?;
        clamd.write_all(&length.to_be_bytes()).await?;
        if read == 0 {
            return clamd.flush().await;
        }
        clamd.write_all(&chunk[..read]).await?;
    }
}

/// `stream: OK` or `stream: Name-Of-Signature FOUND`; everything else is a failure to scan.
fn verdict(answer: &str) -> io::Result<Scan> {
    let answer = answer.trim_matches(['\0', '\n']);
    let said = answer.strip_prefix("stream: ").unwrap_or(answer);
    match said.strip_suffix(" FOUND") {
        Some(name) => Ok(Scan::Infected(name.chars().filter(|c| !c.is_control()).take(200).collect())),
        None if said == "OK" => Ok(Scan::Clean),
        None if said.contains("size limit exceeded") => Ok(Scan::TooLarge),
        None => Err(io::Error::other(format!("clamd answered {answer:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ok_is_clean() {
        assert_eq!(verdict("stream: OK\0").ok(), Some(Scan::Clean));
        assert_eq!(verdict("stream: Eicar-Test FOUND\0").ok(), Some(Scan::Infected("Eicar-Test".into())));
        assert_eq!(verdict("INSTREAM size limit exceeded. ERROR\0").ok(), Some(Scan::TooLarge));
        for failure in ["", "\0", "stream: OK, or so", "UNKNOWN COMMAND\0"] {
            assert!(verdict(failure).is_err(), "{failure:?}");
        }
    }
}
