//! The events of an export as an Excel workbook.

use std::io;

use chrono_tz::Tz;

use super::Batches;
use crate::audit::{self, COLUMNS, EventRow};
use crate::local_time;
use crate::stream_writer::StreamWriter;
use crate::workbook::{Cell, Column, MAX_SHEET_ROWS, Workbook};

/// The width of the first column, in characters.
const TIME_WIDTH: u8 = 24;

/// Writes the workbook. `zone` is that of the dates in the first column; `occurred_at` stays in UTC, as in the other
/// formats.
pub(super) fn write(batches: Batches<'_>, writer: StreamWriter, rows: &mut u64, zone: Tz) -> io::Result<StreamWriter> {
    write_sheets(batches, begin(writer, zone, MAX_SHEET_ROWS)?, rows, zone)
}

fn begin(writer: StreamWriter, zone: Tz, max_sheet_rows: u64) -> io::Result<Workbook> {
    let time = Column { title: format!("Time ({})", zone.name()), width: TIME_WIDTH };
    let columns = COLUMNS.map(|name| Column { title: name.into(), width: width(name) });
    Workbook::begin(writer, "Events", std::iter::once(time).chain(columns).collect(), max_sheet_rows)
}

fn write_sheets(batches: Batches<'_>, mut workbook: Workbook, rows: &mut u64, zone: Tz) -> io::Result<StreamWriter> {
    for batch in batches {
        for event in batch? {
            write_event(&mut workbook, &event, zone)?;
            *rows += 1;
        }
    }
    workbook.finish()
}

fn write_event(workbook: &mut Workbook, event: &EventRow, zone: Tz) -> io::Result<()> {
    let cells = event.cells();
    let cells = cells.iter().map(|cell| match cell {
        audit::Cell::Empty => Cell::Empty,
        audit::Cell::Number(number) => Cell::Number(*number),
        audit::Cell::Plain(plain) => Cell::Plain(plain),
        audit::Cell::Text(text) | audit::Cell::Json(text) => Cell::Text(text),
    });
    let time = Cell::Time(local_time::wall_clock(event.occurred_at, zone));
    workbook.write(std::iter::once(time).chain(cells))
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
            let workbook = begin(writer, chrono_tz::UTC, 4).expect("it begins");
            let writer = write_sheets(&mut lines, workbook, &mut rows, chrono_tz::UTC).expect("it writes");
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
}
