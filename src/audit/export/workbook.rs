//! An Excel workbook (ECMA-376), written while it is sent.
//!
//! Libraries for workbooks need the last row before they send the first byte, and compress a temporary file. With ten
//! million events, the reader would wait for minutes. This module needs little of the format: text, whole numbers, and
//! sheets that end at Excel's limit. The names of the sheets come last, when their number is known.

use std::fmt::Write as _;
use std::io::{self, Write};

use zip::write::{SimpleFileOptions, StreamWriter as ZipStreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::Batches;
use crate::audit::{COLUMNS, Cell};
use crate::csv_file::escape_formula;
use crate::stream_writer::StreamWriter;

/// Excel's limit for the rows of a sheet, with the header.
const MAX_SHEET_ROWS: u64 = 1_048_576;
/// Excel's limit for the characters of a cell, in UTF-16 code units.
const MAX_CELL_UTF16: usize = 32_767;
const CUT_NOTICE: &str = " … [cut: Excel's limit of a cell; whole in CSV and JSON Lines]";

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const TYPES: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

type Zip = ZipWriter<ZipStreamWriter<StreamWriter>>;

pub(super) fn write(batches: Batches<'_>, writer: StreamWriter, rows: &mut u64) -> io::Result<StreamWriter> {
    write_sheets(batches, writer, rows, MAX_SHEET_ROWS)
}

fn write_sheets(batches: Batches<'_>, writer: StreamWriter, rows: &mut u64, max_rows: u64) -> io::Result<StreamWriter> {
    let mut workbook = Workbook { zip: ZipWriter::new_stream(writer), names: Vec::new(), text: String::new(), row: 0 };
    workbook.begin_events()?;
    for batch in batches {
        for event in batch? {
            if workbook.row == max_rows {
                workbook.end_sheet()?;
                workbook.begin_events()?;
            }
            workbook.write_row(event.cells())?;
            *rows += 1;
        }
    }
    workbook.end_sheet()?;
    // A workbook without this sheet is incomplete.
    workbook.begin_sheet("Complete".into())?;
    let count = i64::try_from(*rows).map_err(io::Error::other)?;
    workbook.write_row([Cell::Text("rows"), Cell::Number(count)])?;
    workbook.end_sheet()?;
    workbook.end()
}

struct Workbook {
    zip: Zip,
    names: Vec<String>,
    text: String,
    /// Rows written to the current sheet.
    row: u64,
}

impl Workbook {
    fn begin_events(&mut self) -> io::Result<()> {
        self.begin_sheet(format!("Events {}", self.names.len() + 1))?;
        self.write_row(COLUMNS.map(Cell::Text))
    }

    fn begin_sheet(&mut self, name: String) -> io::Result<()> {
        self.names.push(name);
        begin_file(&mut self.zip, &format!("xl/worksheets/sheet{}.xml", self.names.len()))?;
        self.row = 0;
        // Keeps the header visible while scrolling.
        let pane = "<sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews>";
        write!(self.zip, "{XML}<worksheet xmlns=\"{MAIN}\">{pane}<sheetData>")
    }

    fn write_row<const N: usize>(&mut self, cells: [Cell<'_>; N]) -> io::Result<()> {
        let text = &mut self.text;
        text.clear();
        text.push_str("<row>");
        for cell in cells {
            match cell {
                Cell::Empty => text.push_str("<c/>"),
                Cell::Number(number) => {
                    let _ = write!(text, "<c><v>{number}</v></c>");
                }
                Cell::Plain(plain) => {
                    let _ = write!(text, "<c t=\"inlineStr\"><is><t>{plain}</t></is></c>");
                }
                Cell::Text(value) | Cell::Json(value) => {
                    text.push_str("<c t=\"inlineStr\"><is><t xml:space=\"preserve\">");
                    push_text(text, &fit_cell(&escape_formula(value)));
                    text.push_str("</t></is></c>");
                }
            }
        }
        text.push_str("</row>");
        self.row += 1;
        self.zip.write_all(text.as_bytes())
    }

    fn end_sheet(&mut self) -> io::Result<()> {
        self.zip.write_all(b"</sheetData></worksheet>")
    }

    fn end(mut self) -> io::Result<StreamWriter> {
        let (mut sheets, mut relations, mut types) = (String::new(), String::new(), String::new());
        for (at, name) in (1..).zip(&self.names) {
            let _ = write!(sheets, "<sheet name=\"{name}\" sheetId=\"{at}\" r:id=\"rId{at}\"/>");
            let _ = write!(
                relations,
                "<Relationship Id=\"rId{at}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{at}.xml\"/>"
            );
            let _ = write!(
                types,
                "<Override PartName=\"/xl/worksheets/sheet{at}.xml\" ContentType=\"{TYPES}.worksheet+xml\"/>"
            );
        }
        let root = format!("<Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/>");
        let parts = [
            (
                "xl/workbook.xml",
                format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{sheets}</sheets></workbook>"),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                format!("<Relationships xmlns=\"{PACKAGE}/relationships\">{relations}</Relationships>"),
            ),
            ("_rels/.rels", format!("<Relationships xmlns=\"{PACKAGE}/relationships\">{root}</Relationships>")),
            (
                "[Content_Types].xml",
                format!(
                    "<Types xmlns=\"{PACKAGE}/content-types\">\
                     <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
                     <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
                     <Override PartName=\"/xl/workbook.xml\" ContentType=\"{TYPES}.sheet.main+xml\"/>{types}</Types>"
                ),
            ),
        ];
        for (name, text) in parts {
            begin_file(&mut self.zip, name)?;
            self.zip.write_all(XML.as_bytes())?;
            self.zip.write_all(text.as_bytes())?;
        }
        Ok(self.zip.finish().map_err(io::Error::other)?.into_inner())
    }
}

/// Begins a file of the ZIP, always with the same date, so that the same events give the same bytes.
fn begin_file(zip: &mut Zip, name: &str) -> io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .last_modified_time(zip::DateTime::default())
        .large_file(true);
    zip.start_file(name, options).map_err(io::Error::other)
}

/// Cuts text that is longer than a cell may be.
fn fit_cell(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= MAX_CELL_UTF16 || text.encode_utf16().count() <= MAX_CELL_UTF16 {
        return text.into();
    }
    let (mut room, mut kept) = (MAX_CELL_UTF16 - CUT_NOTICE.encode_utf16().count(), String::new());
    for c in text.chars() {
        match room.checked_sub(c.len_utf16()) {
            Some(left) => room = left,
            None => break,
        }
        kept.push(c);
    }
    kept.push_str(CUT_NOTICE);
    kept.into()
}

/// Appends text, escaped for XML. ECMA-376 writes control characters, which XML can't hold, as `_x0008_`, and escapes
/// the underscore of text that looks like that.
fn push_text(out: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' => out.push(c),
            // An XML parser would change a bare one to a line feed.
            '\r' => out.push_str("&#13;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "_x{:04X}_", u32::from(c));
            }
            '_' if looks_escaped(&text.as_bytes()[at..]) => out.push_str("_x005F_"),
            c => out.push(c),
        }
    }
}

fn looks_escaped(text: &[u8]) -> bool {
    text.len() >= 7 && text[1] == b'x' && text[6] == b'_' && text[2..6].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;
    use crate::audit::columns::{EventRow, Json};
    use crate::stream_writer::{StreamLimits, stream};

    fn event(id: i64) -> EventRow {
        EventRow {
            id,
            action: "LOGOUT".into(),
            outcome: "success".into(),
            detail: Json("{}".into()),
            ..EventRow::default()
        }
    }

    /// With a smaller limit than Excel's.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_sheet_is_followed_by_another() {
        let (to, mut pieces) = stream(StreamLimits::COMMAND);
        let writer = StreamWriter::new(to);
        let writing = tokio::task::spawn_blocking(move || {
            let (mut lines, mut rows) = (std::iter::once(Ok((1..=7).map(event).collect())), 0);
            let writer = write_sheets(&mut lines, writer, &mut rows, 4).expect("it writes");
            writer.finish().expect("it is read");
            rows
        });
        let mut file = Vec::new();
        while let Some(piece) = pieces.recv().await {
            file.extend(piece.expect("a piece"));
        }
        assert_eq!(writing.await.expect("it ends"), 7);
        let mut zip = zip::ZipArchive::new(Cursor::new(file)).expect("a ZIP");
        let mut read = |name: &str| {
            let mut text = String::new();
            zip.by_name(name).expect(name).read_to_string(&mut text).expect("text");
            text
        };
        for (sheet, ids) in [(1, 1..=3), (2, 4..=6), (3, 7..=7)] {
            let text = read(&format!("xl/worksheets/sheet{sheet}.xml"));
            assert_eq!(text.matches("<row>").count(), 1 + ids.clone().count(), "with its header");
            assert!(ids.into_iter().all(|id| text.contains(&format!("<c><v>{id}</v></c>"))));
        }
        assert!(read("xl/worksheets/sheet4.xml").contains("<v>7</v>"));
        assert!(
            read("xl/workbook.xml").contains("name=\"Events 3\"")
                && read("xl/workbook.xml").contains("name=\"Complete\"")
        );
    }

    #[test]
    fn any_text_fits_into_a_cell() {
        let mut out = String::new();
        push_text(&mut out, "a<b>&\r\n\u{8}_x0041_ _x00 é\u{202e}");
        assert_eq!(out, "a&lt;b&gt;&amp;&#13;\n_x0008__x005F_x0041_ _x00 é\u{202e}");
        let long = "é😀".repeat(20_000);
        // A surrogate pair is not cut in two.
        assert!((MAX_CELL_UTF16 - 1..=MAX_CELL_UTF16).contains(&fit_cell(&long).encode_utf16().count()));
        assert!(fit_cell(&long).ends_with(CUT_NOTICE));
        assert_eq!(fit_cell(&"é".repeat(MAX_CELL_UTF16)), "é".repeat(MAX_CELL_UTF16));
    }
}
