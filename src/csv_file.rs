//! Reads the CSV files that spreadsheets and people write, and makes cells safe for spreadsheets.
//!
//! Understands commas, semicolons and tabs, `sep=;` as Excel's first line, a title above the header, rows that Excel
//! cut short, byte order marks, UTF-16, and Windows-1252 where the bytes are no UTF-8.

use std::borrow::Cow;
use std::io::{self, BufReader, Read, Seek};

use csv::StringRecord;
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

/// Bytes that are searched for the separator.
const SNIFFED_BYTES: usize = 8 * 1024;
/// Rows above the header, such as a title and a blank row.
const MAX_ROWS_ABOVE: usize = 5;
/// Candidates for the separator. Of equally frequent ones, the last wins.
const SEPARATORS: [u8; 3] = [b'\t', b';', b','];

/// A CSV file below its header.
pub struct CsvFile<R> {
    pub header: StringRecord,
    /// The line of the header in the file.
    pub header_line: u64,
    reader: csv::Reader<R>,
    /// Lines that were read before the parser began to count: `sep=;`.
    lines_before: u64,
}

/// Opens a CSV file. Reads it once to learn its encoding, and then from the beginning.
pub fn open<R: Read + Seek>(mut input: R) -> csv::Result<CsvFile<impl Read>> {
    input.rewind()?;
    let is_utf8 = is_utf8(&mut input)?;
    input.rewind()?;
    let fallback = if is_utf8 { encoding_rs::UTF_8 } else { encoding_rs::WINDOWS_1252 };
    let decoded: DecodeReaderBytes<_, Vec<u8>> =
        DecodeReaderBytesBuilder::new().encoding(Some(fallback)).bom_override(true).build(input);
    let mut input = BufReader::new(LineFeeds { from: decoded, after_return: false });
    let mut first = Vec::with_capacity(SNIFFED_BYTES);
    input.by_ref().take(SNIFFED_BYTES as u64).read_to_end(&mut first)?;
    let stated = stated_separator(&first);
    if let Some((_, length)) = stated {
        first.drain(..length);
    }
    let separator = stated.map_or_else(|| frequent_separator(&first), |(separator, _)| separator);
    // With a line feed at the end of every row, the parser's position tells where the row began.
    let reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(io::Cursor::new(first).chain(input).chain(&b"\n"[..]));
    let lines_before = u64::from(stated.is_some());
    let mut rows = CsvFile { header: StringRecord::new(), header_line: 1, reader, lines_before };
    for _ in 0..=MAX_ROWS_ABOVE {
        let Some((line, header)) = rows.next_row()? else { break };
        (rows.header_line, rows.header) = (line, header);
        if rows.header.iter().filter(|cell| !cell.is_empty()).count() > 1 {
            break;
        }
    }
    Ok(rows)
}

impl<R: Read> CsvFile<R> {
    /// Returns the records below the header that have any text, each with its line. Cells are trimmed. A record has all
    /// columns of the header; those that the row lacks are empty. Ends with the first error.
    pub fn records(&mut self) -> impl Iterator<Item = (u64, csv::Result<StringRecord>)> + '_ {
        let (columns, mut has_failed) = (self.header.len(), false);
        std::iter::from_fn(move || {
            while !has_failed {
                match self.next_row() {
                    Ok(None) => return None,
                    Ok(Some((line, mut record))) if record.iter().any(|cell| !cell.is_empty()) => {
                        (record.len()..columns).for_each(|_| record.push_field(""));
                        return Some((line, Ok(record)));
                    }
                    Ok(Some(_)) => {}
                    Err(error) => {
                        has_failed = true;
                        return Some((self.reader.position().line() + self.lines_before, Err(error)));
                    }
                }
            }
            None
        })
    }

    /// Returns the next row that isn't blank, with its line.
    fn next_row(&mut self) -> csv::Result<Option<(u64, StringRecord)>> {
        let mut record = StringRecord::new();
        if !self.reader.read_record(&mut record)? {
            return Ok(None);
        }
        // The parser's own position of a record is that of blank lines above it.
        let inside = record.iter().flat_map(str::bytes).filter(|byte| *byte == b'\n').count() as u64;
        let line = (self.reader.position().line() + self.lines_before).saturating_sub(inside + 1);
        Ok(Some((line, record.iter().map(str::trim).collect())))
    }
}

/// Returns whether a record has text beyond the columns of the header: a comma without quotes, as a rule.
pub fn has_extra_cells(record: &StringRecord, columns: usize) -> bool {
    record.iter().skip(columns).any(|cell| !cell.is_empty())
}

/// Returns the separator of a first line `sep=;`, and the length of that line.
fn stated_separator(first: &[u8]) -> Option<(u8, usize)> {
    let length = first.iter().position(|byte| *byte == b'\n')? + 1;
    let line = first[..length].trim_ascii_end();
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] => Some((*separator, length)),
        // A tab, trimmed away above.
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] if first[..length].contains(&b'\t') => Some((b'\t', length)),
        _ => None,
    }
}

/// Returns the most frequent separator of the first line that has one.
fn frequent_separator(first: &[u8]) -> u8 {
    let lines = first.split(|byte| *byte == b'\n');
    let line = lines.into_iter().find(|line| line.iter().any(|byte| SEPARATORS.contains(byte))).unwrap_or_default();
    let count = |separator: &u8| line.iter().filter(|byte| *byte == separator).count();
    SEPARATORS.into_iter().max_by_key(count).unwrap_or(b',')
}

/// Returns whether all bytes are UTF-8.
fn is_utf8(mut input: impl Read) -> io::Result<bool> {
    let (mut unread, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let read = input.read(&mut part)?;
        unread.extend_from_slice(&part[..read]);
        let valid = match std::str::from_utf8(&unread) {
            Ok(_) => unread.len(),
            // A character may continue in the next part.
            Err(error) if error.error_len().is_none() && read > 0 => error.valid_up_to(),
            Err(_) => return Ok(false),
        };
        unread.drain(..valid);
        if read == 0 {
            return Ok(true);
        }
    }
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

    /// A row with its line.
    type Row = (u64, Vec<String>);

    /// The line of the header, the header, and the rows below it.
    fn rows(bytes: &[u8]) -> (u64, Vec<String>, Vec<Row>) {
        let mut file = open(io::Cursor::new(bytes.to_vec())).expect("a CSV file");
        let cells = |record: &StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
        let header = cells(&file.header);
        let records = file.records().map(|(line, record)| (line, cells(&record.expect("a record")))).collect();
        (file.header_line, header, records)
    }

    #[test]
    fn separators_and_marks_are_recognized() {
        for text in ["a,b\n1,2\n", "\u{feff}a;b\r\n 1 ;2\r\n", "a\tb\n1\t\"2\"", "a,b\n\"1\",2", "a,b\r1,2\r"] {
            let (line, header, records) = rows(text.as_bytes());
            assert_eq!((line, header), (1, vec!["a".into(), "b".into()]), "{text:?}");
            assert_eq!(records, [(2, vec!["1".into(), "2".into()])], "{text:?}");
        }
    }

    #[test]
    fn rows_are_read_as_people_write_them() {
        for (text, header_line, line) in [
            ("sep=;\r\na;b\r\n1;2\r\n", 2, 3),
            ("\"sep=,\"\na,b\n1,2\n", 2, 3),
            ("Register 2019,,\na,b,\n1,2,\n", 2, 3),
            ("Register 2019\n\na;b\n1;2\n", 3, 4),
            ("a,b\n\n,\n1,2\n", 1, 4),
            ("a,b\n\n\n1,2", 1, 4),
            ("\na,b\n\n\n1,2", 2, 5),
            ("a,\"b\"\n\n1,\"2\"\n", 1, 3),
        ] {
            let (found, header, records) = rows(text.as_bytes());
            assert_eq!((found, &header[..2]), (header_line, &["a".to_owned(), "b".into()][..]), "{text:?}");
            assert_eq!((records[0].0, &records[0].1[..2]), (line, &["1".to_owned(), "2".into()][..]), "{text:?}");
        }
        // A cell with a line break counts its lines.
        assert_eq!(rows(b"a,b\n\"1\n2\",3\n4,5\n").2.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
        // Excel drops empty columns at the end of a row.
        assert_eq!(rows(b"a,b,c\n1\n").2, [(2, vec!["1".to_owned(), "".into(), "".into()])]);
    }

    #[test]
    fn other_encodings_are_recognized() {
        assert_eq!(rows(b"a,b\nM\xfcller,2\n").2[0].1[0], "Müller");
        let utf16: Vec<u8> = "\u{feff}a,b\nMüller,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(rows(&utf16).2[0].1[0], "Müller");
        // One wrong byte far behind the beginning counts too.
        let long = [b"a,b\n".as_slice(), "é,2\n".repeat(40_000).as_bytes()].concat();
        assert_eq!(rows(&long).2[39_999].1[0], "é");
        assert_eq!(rows(&[long.as_slice(), b"\xe9,2\n"].concat()).2[0].1[0], "Ã©");
    }
}
