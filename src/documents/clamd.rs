//! The virus scanner, if there is one: clamd's INSTREAM (clamd(8), "COMMANDS").
//!
//! Fail closed: a file that couldn't be scanned is not taken.

use std::fs::File;
use std::io::{self, Seek};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::ClamdAddress;

/// Connecting, sending and the answer: 50 MB of packed archives take a while.
const PATIENCE: Duration = Duration::from_secs(90);
const CHUNK: usize = 64 * 1024;
const MOST_ANSWER: u64 = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    Clean,
    /// The name of the signature.
    Infected(String),
}

pub async fn scan(clamd: &ClamdAddress, file: &File) -> io::Result<Scan> {
    let scanning = async {
        match clamd {
            ClamdAddress::Tcp(address) => instream(TcpStream::connect(address).await?, file).await,
            ClamdAddress::Unix(path) => instream(UnixStream::connect(path).await?, file).await,
        }
    };
    match timeout(PATIENCE, scanning).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn instream(mut clamd: impl AsyncRead + AsyncWrite + Unpin, file: &File) -> io::Result<Scan> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut file = tokio::fs::File::from_std(file);
    clamd.write_all(b"zINSTREAM\0").await?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk).await?;
        // A length of zero ends the stream.
        let length = u32::try_from(read).map_err(io::Error::other)?;
        clamd.write_all(&length.to_be_bytes()).await?;
        if read == 0 {
            break;
        }
        clamd.write_all(&chunk[..read]).await?;
    }
    clamd.flush().await?;
    let mut answer = Vec::new();
    clamd.take(MOST_ANSWER).read_to_end(&mut answer).await?;
    verdict(&String::from_utf8_lossy(&answer))
}

/// `stream: OK` or `stream: Name-Of-Signature FOUND`; everything else is a failure to scan.
fn verdict(answer: &str) -> io::Result<Scan> {
    let answer = answer.trim_matches(['\0', '\n']);
    let said = answer.strip_prefix("stream: ").unwrap_or(answer);
    match said.strip_suffix(" FOUND") {
        Some(name) => Ok(Scan::Infected(name.chars().filter(|c| !c.is_control()).take(200).collect())),
        None if said == "OK" => Ok(Scan::Clean),
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
        for failure in ["", "\0", "INSTREAM size limit exceeded. ERROR\0", "stream: OK, or so", "UNKNOWN COMMAND\0"] {
            assert!(verdict(failure).is_err(), "{failure:?}");
        }
    }
}
