//! Lines of whatever can be read, one at a time, in flat memory: what is too long for a line is passed over.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// In bytes. A request's head at S3 has 8 KB at the most.
pub(super) const MOST: usize = 64 * 1024;

pub(super) struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    /// Of the line that was read last, from 1.
    pub(super) number: u64,
}

/// What stands between two ends of lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text<'a> {
    Line(&'a [u8]),
    TooLong,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from: BufReader::with_capacity(MOST, from), line: Vec::new(), number: 0 }
    }

    /// The last one needs no end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Text<'_>>> {
        self.line.clear();
        let mut is_too_long = false;
        loop {
            let piece = self.from.fill_buf().await?;
            if piece.is_empty() && self.line.is_empty() && !is_too_long {
                return Ok(None);
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let part = &piece[..end.unwrap_or(piece.len())];
            if self.line.len() + part.len() > MOST {
                is_too_long = true;
                self.line.clear();
            } else if !is_too_long {
                self.line.extend_from_slice(part);
            }
            let (is_over, read) = (piece.is_empty() || end.is_some(), part.len() + usize::from(end.is_some()));
            self.from.consume(read);
            if is_over {
                self.number += 1;
                return Ok(Some(if is_too_long { Text::TooLong } else { Text::Line(&self.line) }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Vec<Option<String>> {
        let (mut lines, mut read) = (Lines::new(bytes), Vec::new());
        while let Some(text) = lines.next().await.expect("readable") {
            read.push(match text {
                Text::Line(line) => Some(String::from_utf8_lossy(line).into_owned()),
                Text::TooLong => None,
            });
        }
        assert_eq!(lines.number, read.len() as u64);
        read
    }

    #[tokio::test]
    async fn lines_are_read_with_or_without_an_end_and_long_ones_are_passed_over() {
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(read(b"").await, []);
        assert_eq!(read(b"a\nb\n").await, [line("a"), line("b")]);
        assert_eq!(read(b"a\n\nb").await, [line("a"), line(""), line("b")]);
        let long = vec![b'x'; MOST];
        assert_eq!(read(&long).await, [line(&"x".repeat(MOST))]);
        let mut bytes = vec![b'x'; 1_000_000];
        bytes.extend_from_slice(b"\nshort\n");
        assert_eq!(read(&bytes).await, [None, line("short")]);
        assert_eq!(read(&bytes[..900_000]).await, [None]);
    }
}
