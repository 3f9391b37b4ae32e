//! Reads the CSV files that spreadsheets write, with or without a byte order mark, separated by commas, semicolons or
//! tabs. Also makes cells safe for spreadsheets.

use std::borrow::Cow;
use std::io::{self, Read};

/// Bytes that are searched for the separator.
const SNIFFED_BYTES: usize = 8 * 1024;

/// Returns a reader of trimmed records below a header. Detects the separator: the most frequent one in the first line.
pub fn reader<R: Read>(input: R) -> io::Result<csv::Reader<impl Read>> {
    let mut input = LineFeeds { from: input, after_return: false };
    let mut first = Vec::with_capacity(SNIFFED_BYTES);
    input.by_ref().take(SNIFFED_BYTES as u64).read_to_end(&mut first)?;
    if first.starts_with("\u{feff}".as_bytes()) {
        first.drain(..3);
    }
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |separator: &u8| line.iter().filter(|byte| *byte == separator).count();
    // Of equally frequent separators, the first wins.
    let separator = [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',');
    Ok(csv::ReaderBuilder::new()
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(io::Cursor::new(first).chain(input)))
}

/// Prefixes an apostrophe to text that a spreadsheet would take for a formula. Text that begins with an apostrophe
/// gets one too, so that removing one apostrophe always restores the text.
pub fn escape_formula(text: &str) -> Cow<'_, str> {
    // The full-width signs begin formulas in Japanese spreadsheets.
    const FORMULA_STARTS: [char; 12] =
        ['=', '+', '-', '@', '\t', '\r', '\n', '\'', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if text.starts_with(FORMULA_STARTS) { format!("'{text}").into() } else { text.into() }
}

/// Converts line endings to a line feed. The parser would count the second character of a two-character ending to the
/// next line, and report wrong line numbers.
struct LineFeeds<R> {
    from: R,
    after_return: bool,
}

impl<R: Read> Read for LineFeeds<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.from.read(into)?;
            let mut kept = 0;
            for at in 0..read {
                let byte = into[at];
                if !(byte == b'\n' && self.after_return) {
                    into[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.after_return = byte == b'\r';
            }
            // Zero bytes kept is not the end of the file.
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_marks_are_recognized() {
        for text in ["a,b\n1,2\n", "\u{feff}a;b\r\n 1 ;2\r\n", "a\tb\n1\t\"2\"", "a,b\n\"1\",2", "a,b\r1,2\r"] {
            let mut reader = reader(text.as_bytes()).expect("reads");
            assert_eq!(reader.headers().expect("a header"), vec!["a", "b"], "{text:?}");
            let record = reader.records().next().expect("a line").expect("a record");
            assert_eq!(record, vec!["1", "2"], "{text:?}");
            assert_eq!(record.position().map(csv::Position::line), Some(2), "{text:?}");
        }
    }
}
