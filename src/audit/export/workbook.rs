//! An Excel workbook (ECMA-376), written while it is sent.
//!
//! Libraries for workbooks need the last row before they send the first byte, and compress a temporary file. With ten
//! million events, the reader would wait for minutes. This module needs little of the format: text, whole numbers,
//! dates, and sheets that end at Excel's limit. The names of the sheets come last, when their number is known.

mod package;
mod text;

use std::fmt::Write as _;
use std::io::{self, Write};

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use zip::write::{SimpleFileOptions, StreamWriter as ZipStreamWriter};
use zip::{CompressionMethod, ZipWriter};

use self::package::{DATE_STYLE, HEADER_STYLE, PLAIN_STYLE};
use self::text::{fit_cell, push_text};
use super::Batches;
use crate::audit::{COLUMNS, Cell, EventRow};
use crate::csv_file::escape_formula;
use crate::local_time;
use crate::stream_writer::StreamWriter;

/// Excel's limit for the rows of a sheet, with the header.
const MAX_SHEET_ROWS: u64 = 1_048_576;
/// The last column of events: one more than [`COLUMNS`] has.
const LAST_COLUMN: char = (b'A' + COLUMNS.len() as u8) as char;
/// The width of the first column, in characters.
const TIME_WIDTH: u8 = 24;
/// Keeps the header visible while scrolling.
const FROZEN_HEADER: &str = "<sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews>";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

type Zip = ZipWriter<ZipStreamWriter<StreamWriter>>;

/// Writes the workbook. `zone` is that of the dates in the first column; `occurred_at` stays in UTC, as in the other formats.
pub(super) fn write(batches: Batches<'_>, writer: StreamWriter, rows: &mut u64, zone: Tz) -> io::Result<StreamWriter> {
    write_sheets(batches, Workbook::new(writer, zone), rows, MAX_SHEET_ROWS)
}

fn write_sheets(
    batches: Batches<'_>,
    mut workbook: Workbook,
    rows: &mut u64,
    max_rows: u64,
) -> io::Result<StreamWriter> {
    workbook.begin_events()?;
    for batch in batches {
        for event in batch? {
            if workbook.row == max_rows {
                workbook.end_events()?;
                workbook.begin_events()?;
            }
            workbook.write_event(&event)?;
            *rows += 1;
        }
    }
    workbook.end_events()?;
    // A workbook without this sheet is incomplete.
    workbook.write_complete(*rows)?;
    workbook.end()
}

struct Workbook {
    zip: Zip,
    zone: Tz,
    sheets: Vec<Sheet>,
    text: String,
    /// Rows written to the current sheet.
    row: u64,
}

/// A sheet that was begun.
struct Sheet {
    name: String,
    /// The last column and row of the table that Excel filters.
    filtered_to: Option<(char, u64)>,
}

impl Workbook {
    fn new(writer: StreamWriter, zone: Tz) -> Self {
        Self { zip: ZipWriter::new_stream(writer), zone, sheets: Vec::new(), text: String::new(), row: 0 }
    }

    fn begin_events(&mut self) -> io::Result<()> {
        let mut head = String::from(FROZEN_HEADER);
        head.push_str("<cols>");
        for (at, width) in (1..).zip(std::iter::once(TIME_WIDTH).chain(COLUMNS.map(width))) {
            let _ = write!(head, "<col min=\"{at}\" max=\"{at}\" width=\"{width}\" customWidth=\"1\"/>");
        }
        head.push_str("</cols>");
        self.begin_sheet(format!("Events {}", self.sheets.len() + 1), &head)?;
        let time = format!("Time ({})", self.zone.name());
        self.write_row(|text| {
            for name in std::iter::once(time.as_str()).chain(COLUMNS) {
                push_cell(text, Cell::Text(name), HEADER_STYLE);
            }
        })
    }

    fn begin_sheet(&mut self, name: String, head: &str) -> io::Result<()> {
        self.sheets.push(Sheet { name, filtered_to: None });
        begin_file(&mut self.zip, &format!("xl/worksheets/sheet{}.xml", self.sheets.len()))?;
        self.row = 0;
        write!(self.zip, "{XML}<worksheet xmlns=\"{MAIN}\">{head}<sheetData>")
    }

    fn write_event(&mut self, event: &EventRow) -> io::Result<()> {
        let time = serial(local_time::wall_clock(event.occurred_at, self.zone));
        self.write_row(|text| {
            match time {
                Some(time) => {
                    let _ = write!(text, "<c s=\"{DATE_STYLE}\"><v>{time}</v></c>");
                }
                None => push_cell(text, Cell::Empty, PLAIN_STYLE),
            }
            for cell in event.cells() {
                push_cell(text, cell, PLAIN_STYLE);
            }
        })
    }

    fn write_row(&mut self, push_cells: impl FnOnce(&mut String)) -> io::Result<()> {
        self.text.clear();
        self.text.push_str("<row>");
        push_cells(&mut self.text);
        self.text.push_str("</row>");
        self.row += 1;
        self.zip.write_all(self.text.as_bytes())
    }

    fn end_events(&mut self) -> io::Result<()> {
        write!(self.zip, "</sheetData><autoFilter ref=\"A1:{LAST_COLUMN}{}\"/></worksheet>", self.row)?;
        if let Some(sheet) = self.sheets.last_mut() {
            sheet.filtered_to = Some((LAST_COLUMN, self.row));
        }
        Ok(())
    }

    fn write_complete(&mut self, rows: u64) -> io::Result<()> {
        let count = i64::try_from(rows).map_err(io::Error::other)?;
        self.begin_sheet("Complete".into(), "")?;
        self.write_row(|text| {
            push_cell(text, Cell::Text("rows"), HEADER_STYLE);
            push_cell(text, Cell::Number(count), PLAIN_STYLE);
        })?;
        self.zip.write_all(b"</sheetData></worksheet>")
    }

    fn end(mut self) -> io::Result<StreamWriter> {
        for (name, text) in package::parts(&self.sheets) {
            begin_file(&mut self.zip, name)?;
            self.zip.write_all(XML.as_bytes())?;
            self.zip.write_all(text.as_bytes())?;
        }
        Ok(self.zip.finish().map_err(io::Error::other)?.into_inner())
    }
}

fn push_cell(text: &mut String, cell: Cell<'_>, style: u8) {
    let _ = match cell {
        Cell::Empty => write!(text, "<c/>"),
        Cell::Number(number) => write!(text, "<c><v>{number}</v></c>"),
        Cell::Plain(plain) => write!(text, "<c t=\"inlineStr\"><is><t>{plain}</t></is></c>"),
        Cell::Text(value) | Cell::Json(value) => {
            let _ = match style {
                PLAIN_STYLE => write!(text, "<c t=\"inlineStr\">"),
                style => write!(text, "<c s=\"{style}\" t=\"inlineStr\">"),
            };
            text.push_str("<is><t xml:space=\"preserve\">");
            push_text(text, &fit_cell(&escape_formula(value)));
            write!(text, "</t></is></c>")
        }
    };
}

/// Returns the width of a column, in characters.
fn width(column: &str) -> u8 {
    match column {
        "id" | "outcome" | "user_role" | "document_id" => 12,
        "customer_code" | "bol_number" | "ip" => 17,
        "document_kind" => 22,
        "occurred_at" | "action" | "sha256" => 28,
        "user_email" | "file_name" => 34,
        _ => 40,
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

/// Returns the number that Excel keeps for a time: days since the end of 1899, to the second. Excel has no times before
/// 1900 and after 9999.
fn serial(at: NaiveDateTime) -> Option<String> {
    const DAY_SECONDS: i64 = 86_400;
    // Excel counts a February 29, 1900, so its days match from March on.
    let (epoch, first) = (NaiveDate::from_ymd_opt(1899, 12, 30)?, NaiveDate::from_ymd_opt(1900, 3, 1)?);
    let last = NaiveDate::from_ymd_opt(9999, 12, 31)?;
    let seconds = (at - epoch.and_hms_opt(0, 0, 0)?).num_seconds();
    let (day, second) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    // A second has 1.2e-5 days; rounded to 1e-9, it is exact to a ten-thousandth of itself.
    let billionths = (second * 1_000_000_000 + DAY_SECONDS / 2) / DAY_SECONDS;
    (first..=last).contains(&at.date()).then(|| format!("{day}.{billionths:09}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;
    use crate::audit::columns::Json;
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
            let workbook = Workbook::new(writer, chrono_tz::UTC);
            let writer = write_sheets(&mut lines, workbook, &mut rows, 4).expect("it writes");
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
            let count = 1 + ids.clone().count();
            assert_eq!(text.matches("<row>").count(), count, "with its header");
            assert!(text.contains(&format!("<autoFilter ref=\"A1:R{count}\"/>")));
            assert!(ids.into_iter().all(|id| text.contains(&format!("<c><v>{id}</v></c>"))));
        }
        assert!(read("xl/worksheets/sheet4.xml").contains("<v>7</v>"));
        assert!(
            read("xl/workbook.xml").contains("name=\"Events 3\"")
                && read("xl/workbook.xml").contains("name=\"Complete\"")
        );
    }

    #[test]
    fn dates_are_those_of_excel() {
        let serial = |text: &str| serial(text.parse().expect("a time"));
        assert_eq!(serial("2026-11-30T15:04:59.999999").as_deref(), Some("46356.628460648"));
        assert_eq!(serial("1900-03-01T00:00:00").as_deref(), Some("61.000000000"));
        assert_eq!(serial("2026-11-30T23:59:59").as_deref(), Some("46356.999988426"));
        assert_eq!((serial("1900-02-28T12:00:00"), serial("+10000-01-01T00:00:00")), (None, None));
    }
}
