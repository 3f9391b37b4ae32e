//! CSV files as spreadsheets write them, with a mark of their encoding or without, and with commas, semicolons or tabs; and
//! cells as they can take them.

use std::borrow::Cow;
use std::io::{self, Read};

/// What is looked at to find out what separates the columns.
const FIRST: usize = 8 * 1024;

/// Trimmed records behind a header. The first line says which separator it is: the one that is most often in it.
pub fn reader<R: Read>(input: R) -> io::Result<csv::Reader<impl Read>> {
    let mut input = LineFeeds { from: input, after_return: false };
    let mut first = Vec::with_capacity(FIRST);
    input.by_ref().take(FIRST as u64).read_to_end(&mut first)?;
    if first.starts_with("\u{feff}".as_bytes()) {
        first.drain(..3);
    }
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |separator: &u8| line.iter().filter(|byte| *byte == separator).count();
    // The first of those that are equally often there.
    let separator = [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',');
    Ok(csv::ReaderBuilder::new()
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(io::Cursor::new(first).chain(input)))
}

/// What a spreadsheet would take for a formula is text with an apostrophe before it. So is what begins with an apostrophe
/// itself: whoever takes one away from the beginning of a cell has the text again, whatever it was.
pub fn harmless(text: &str) -> Cow<'_, str> {
    // The wide ones are formulas where people write Japanese.
    const BEGIN: [char; 12] =
        ['=', '+', '-', '@', '\t', '\r', '\n', '\'', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if text.starts_with(BEGIN) { format!("'{text}").into() } else { text.into() }
}

/// Lines end with a line feed alone, however they ended: of those that end with two characters the parser counts the second
/// to the next line, and names the wrong ones.
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
            // Nothing kept isn't the end.
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
    fn separators_and_marks_are_recognised() {
        for text in ["a,b\n1,2\n", "\u{feff}a;b\r\n 1 ;2\r\n", "a\tb\n1\t\"2\"", "a,b\n\"1\",2", "a,b\r1,2\r"] {
            let mut reader = reader(text.as_bytes()).expect("reads");
            assert_eq!(reader.headers().expect("a header"), vec!["a", "b"], "{text:?}");
            let record = reader.records().next().expect("a line").expect("a record");
            assert_eq!(record, vec!["1", "2"], "{text:?}");
            assert_eq!(record.position().map(csv::Position::line), Some(2), "{text:?}");
        }
    }
}
