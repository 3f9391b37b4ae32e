//! CSV (RFC 4180, UTF-8) and JSON Lines. Both end with a closing record: the number of events, and the SHA-256 of all
//! bytes before that record.

use std::io::{self, Write};

use super::Batches;
use crate::audit::{COLUMNS, Cell, EventRow};
use crate::csv_file::escape_formula;
use crate::stream_writer::StreamWriter;

pub(super) fn csv(batches: Batches<'_>, writer: StreamWriter, rows: &mut u64) -> io::Result<StreamWriter> {
    let mut file = csv::Writer::from_writer(writer);
    file.write_record(COLUMNS)?;
    for batch in batches {
        for event in batch? {
            for cell in event.cells() {
                match cell {
                    Cell::Empty => file.write_field(b"")?,
                    Cell::Number(number) => file.write_field(number.to_string())?,
                    Cell::Plain(text) => file.write_field(text)?,
                    Cell::Text(text) | Cell::Json(text) => file.write_field(escape_formula(text).as_bytes())?,
                }
            }
            file.write_record(None::<&[u8]>)?;
            *rows += 1;
        }
    }
    file.flush()?;
    let sum = hex::encode(file.get_ref().sha256());
    let detail = format!("{{\"rows\": {rows}, \"sha256\": \"{sum}\"}}");
    file.write_record(COLUMNS.map(|column| match column {
        "id" => "END",
        "action" => "EXPORT_COMPLETE",
        "detail" => &detail,
        _ => "",
    }))?;
    file.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

/// Appends the exported columns of an event as members of a JSON object, without its braces.
pub fn write_members(event: &EventRow, text: &mut Vec<u8>) -> io::Result<()> {
    for (index, (name, cell)) in COLUMNS.into_iter().zip(event.cells()).enumerate() {
        write!(text, "{}\"{name}\":", if index == 0 { "" } else { "," })?;
        match cell {
            Cell::Empty => text.extend_from_slice(b"null"),
            Cell::Number(number) => write!(text, "{number}")?,
            Cell::Plain(plain) => write!(text, "\"{plain}\"")?,
            Cell::Text(value) => serde_json::to_writer(&mut *text, value)?,
            Cell::Json(json) => text.extend_from_slice(json.as_bytes()),
        }
    }
    Ok(())
}

pub(super) fn json_lines(batches: Batches<'_>, mut writer: StreamWriter, rows: &mut u64) -> io::Result<StreamWriter> {
    let mut text = Vec::with_capacity(2048);
    for batch in batches {
        for event in batch? {
            text.clear();
            text.push(b'{');
            write_members(&event, &mut text)?;
            text.extend_from_slice(b"}\n");
            writer.write_all(&text)?;
            *rows += 1;
        }
    }
    let sum = hex::encode(writer.sha256());
    writeln!(writer, "{{\"end\":{{\"rows\":{rows},\"sha256\":\"{sum}\"}}}}")?;
    Ok(writer)
}
