//! Reads lines one at a time, in constant memory: skips the contents of lines that are too long.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// S3 limits the head of a request to 8 KB, so its log lines are shorter than this.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

pub(super) struct LineReader<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    /// The number of the line that was read last, from 1.
    pub(super) number: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineBytes<'a> {
    /// Without the end of line.
    Complete(&'a [u8]),
    TooLong,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from: BufReader::with_capacity(MAX_LINE_BYTES, from), line: Vec::new(), number: 0 }
    }

    /// Reads the next line. The last line needs no end of line.
    pub(super) async fn next(&mut self) -> io::Result<Option<LineBytes<'_>>> {
        self.line.clear();
        let mut is_too_long = false;
        loop {
            let chunk = self.from.fill_buf().await?;
            if chunk.is_empty() && self.line.is_empty() && !is_too_long {
                return Ok(None);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            if self.line.len() + part.len() > MAX_LINE_BYTES {
                is_too_long = true;
                self.line.clear();
            } else if !is_too_long {
                self.line.extend_from_slice(part);
            }
            let (is_complete, read) = (chunk.is_empty() || end.is_some(), part.len() + usize::from(end.is_some()));
            self.from.consume(read);
            if is_complete {
                self.number += 1;
                return Ok(Some(if is_too_long { LineBytes::TooLong } else { LineBytes::Complete(&self.line) }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Vec<Option<String>> {
        let (mut lines, mut read) = (LineReader::new(bytes), Vec::new());
        while let Some(line) = lines.next().await.expect("readable") {
            read.push(match line {
                LineBytes::Complete(line) => Some(String::from_utf8_lossy(line).into_owned()),
                LineBytes::TooLong => None,
            });
        }
        assert_eq!(lines.number, read.len() as u64);
        read
    }

    #[tokio::test]
    async fn lines_are_read_with_or_without_an_end_and_long_ones_are_skipped() {
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(read(b"").await, []);
        assert_eq!(read(b"a\nb\n").await, [line("a"), line("b")]);
        assert_eq!(read(b"a\n\nb").await, [line("a"), line(""), line("b")]);
        let long = vec![b'x'; MAX_LINE_BYTES];
        assert_eq!(read(&long).await, [line(&"x".repeat(MAX_LINE_BYTES))]);
        let mut bytes = vec![b'x'; 1_000_000];
        bytes.extend_from_slice(b"\nshort\n");
        assert_eq!(read(&bytes).await, [None, line("short")]);
        assert_eq!(read(&bytes[..900_000]).await, [None]);
    }
}
