//! An Excel workbook (ECMA-376), written while it is sent.
//!
//! Libraries for workbooks need the last row before they send the first byte, and compress a temporary file. With ten
//! million events of the access log, the reader would wait for minutes. This module needs little of the format: text,
//! numbers, dates, and sheets that end at Excel's limit. The names of the sheets come last, when their number is known.

mod package;
mod text;

use std::fmt::Write as _;
use std::io::{self, Write};

use chrono::{NaiveDate, NaiveDateTime};
use zip::write::{SimpleFileOptions, StreamWriter as ZipStreamWriter};
use zip::{CompressionMethod, ZipWriter};

use self::package::{DAY_STYLE, HEADER_STYLE, HUNDREDTHS_STYLE, PLAIN_STYLE, TIME_STYLE};
use self::text::{fit_cell, push_text};
use crate::csv_file::escape_formula;
use crate::stream_writer::StreamWriter;

/// Excel's limit for the rows of a sheet, with the header.
pub const MAX_SHEET_ROWS: u64 = 1_048_576;
/// Keeps the header visible while scrolling.
const FROZEN_HEADER: &str = "<sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews>";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

type Zip = ZipWriter<ZipStreamWriter<StreamWriter>>;

/// A column of the table.
pub struct Column {
    pub title: String,
    /// In characters.
    pub width: u8,
}

/// The value of a cell.
pub enum Cell<'a> {
    Empty,
    Number(i64),
    /// Hundredths, shown with two decimals.
    Hundredths(i64),
    /// May hold anything that a person typed.
    Text(&'a str),
    /// Plain ASCII that needs no escapes in XML.
    Plain(&'a str),
    Date(NaiveDate),
    Time(NaiveDateTime),
}

/// A workbook with one table, on as many sheets as it needs, and a last sheet with the number of its rows. A file
/// without that sheet is truncated.
pub struct Workbook {
    zip: Zip,
    /// The name of the table's sheets, followed by their number.
    name: &'static str,
    columns: Vec<Column>,
    max_sheet_rows: u64,
    sheets: Vec<Sheet>,
    text: String,
    /// Rows written to the current sheet.
    sheet_rows: u64,
    /// Rows of the table, without headers.
    rows: u64,
}

/// A sheet that was begun.
struct Sheet {
    name: String,
    /// The last column and row of the table that Excel filters.
    filtered_to: Option<(String, u64)>,
}

impl Workbook {
    /// Begins the table. Sheets end at `max_sheet_rows`: [`MAX_SHEET_ROWS`], except in tests.
    pub fn begin(
        writer: StreamWriter,
        name: &'static str,
        columns: Vec<Column>,
        max_sheet_rows: u64,
    ) -> io::Result<Self> {
        let (sheets, text) = (Vec::new(), String::new());
        let zip = ZipWriter::new_stream(writer);
        let mut workbook = Self { zip, name, columns, max_sheet_rows, sheets, text, sheet_rows: 0, rows: 0 };
        workbook.begin_table()?;
        Ok(workbook)
    }

    /// Writes one row of the table.
    pub fn write<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) -> io::Result<()> {
        if self.sheet_rows == self.max_sheet_rows {
            self.end_table()?;
            self.begin_table()?;
        }
        self.rows += 1;
        self.write_row(cells.into_iter().map(|cell| (cell, PLAIN_STYLE)))
    }

    /// Writes what completes the file.
    pub fn finish(mut self) -> io::Result<StreamWriter> {
        self.end_table()?;
        let count = i64::try_from(self.rows).map_err(io::Error::other)?;
        self.begin_sheet("Complete".into(), "")?;
        self.write_row([(Cell::Text("rows"), HEADER_STYLE), (Cell::Number(count), PLAIN_STYLE)])?;
        self.zip.write_all(b"</sheetData></worksheet>")?;
        for (name, text) in package::parts(&self.sheets) {
            begin_file(&mut self.zip, name)?;
            self.zip.write_all(XML.as_bytes())?;
            self.zip.write_all(text.as_bytes())?;
        }
        Ok(self.zip.finish().map_err(io::Error::other)?.into_inner())
    }

    fn begin_table(&mut self) -> io::Result<()> {
        let mut head = String::from(FROZEN_HEADER);
        head.push_str("<cols>");
        for (at, Column { width, .. }) in (1..).zip(&self.columns) {
            let _ = write!(head, "<col min=\"{at}\" max=\"{at}\" width=\"{width}\" customWidth=\"1\"/>");
        }
        head.push_str("</cols>");
        self.begin_sheet(format!("{} {}", self.name, self.sheets.len() + 1), &head)?;
        let columns = std::mem::take(&mut self.columns);
        let written = self.write_row(columns.iter().map(|column| (Cell::Text(&column.title), HEADER_STYLE)));
        self.columns = columns;
        written
    }

    fn end_table(&mut self) -> io::Result<()> {
        let (column, rows) = (column_name(self.columns.len()), self.sheet_rows);
        write!(self.zip, "</sheetData><autoFilter ref=\"A1:{column}{rows}\"/></worksheet>")?;
        if let Some(sheet) = self.sheets.last_mut() {
            sheet.filtered_to = Some((column, rows));
        }
        Ok(())
    }

    fn begin_sheet(&mut self, name: String, head: &str) -> io::Result<()> {
        self.sheets.push(Sheet { name, filtered_to: None });
        begin_file(&mut self.zip, &format!("xl/worksheets/sheet{}.xml", self.sheets.len()))?;
        self.sheet_rows = 0;
        write!(self.zip, "{XML}<worksheet xmlns=\"{MAIN}\">{head}<sheetData>")
    }

    fn write_row<'a>(&mut self, cells: impl IntoIterator<Item = (Cell<'a>, u8)>) -> io::Result<()> {
        self.text.clear();
        self.text.push_str("<row>");
        for (cell, style) in cells {
            push_cell(&mut self.text, &cell, style);
        }
        self.text.push_str("</row>");
        self.sheet_rows += 1;
        self.zip.write_all(self.text.as_bytes())
    }
}

fn push_cell(text: &mut String, cell: &Cell<'_>, style: u8) {
    let _ = match cell {
        Cell::Empty => write!(text, "<c/>"),
        Cell::Number(number) => write!(text, "<c><v>{number}</v></c>"),
        Cell::Hundredths(hundredths) => {
            let (sign, hundredths) = (if *hundredths < 0 { "-" } else { "" }, hundredths.unsigned_abs());
            let (whole, rest) = (hundredths / 100, hundredths % 100);
            write!(text, "<c s=\"{HUNDREDTHS_STYLE}\"><v>{sign}{whole}.{rest:02}</v></c>")
        }
        Cell::Plain(plain) => write!(text, "<c t=\"inlineStr\"><is><t>{plain}</t></is></c>"),
        Cell::Date(day) => push_date(text, (*day).into(), DAY_STYLE),
        Cell::Time(time) => push_date(text, *time, TIME_STYLE),
        Cell::Text(value) => {
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

fn push_date(text: &mut String, at: NaiveDateTime, style: u8) -> std::fmt::Result {
    match serial(at) {
        Some(serial) => write!(text, "<c s=\"{style}\"><v>{serial}</v></c>"),
        None => write!(text, "<c/>"),
    }
}

/// Returns the name of the column with this number: A, B … Z, AA.
fn column_name(mut number: usize) -> String {
    let mut letters = Vec::new();
    while number > 0 {
        letters.push(char::from(b'A' + ((number - 1) % 26) as u8));
        number = (number - 1) / 26;
    }
    letters.into_iter().rev().collect()
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
    use super::*;

    #[test]
    fn columns_have_the_names_that_excel_gives() {
        assert_eq!([1, 18, 26, 27, 52, 53, 702, 703].map(column_name), ["A", "R", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
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
