//! The list of BOLs as a file: CSV, or a workbook whose dates and weights a spreadsheet can filter and add up.
//!
//! The access log records it first. One task reads batches of the list, another writes the file on a blocking thread. A slow reader slows both down.

use std::io;

use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::DocumentKind;
use super::search::{self, BolSummary, COUNTED, Selection};
use super::weight::Pounds;
use crate::accounts::access::{Access, AccessError};
use crate::accounts::response_slots::ResponseSlot;
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::csv_file::escape_formula;
use crate::db::{Database, DbResult, scope};
use crate::stream_writer::{ByteReceiver, StreamLimits, StreamWriter, stream};
use crate::workbook::{Cell, Column, MAX_SHEET_ROWS, Workbook};

/// BOLs that one query reads.
const BATCH: usize = 500;
/// Name in CSV, title and width in a workbook.
const COLUMNS: [(&str, &str, u8); 15] = [
    ("number", "BOL", 16),
    ("date", "Date", 12),
    ("customer", "Customer", 30),
    ("product", "Product", 24),
    ("lot", "Lot", 14),
    ("customer_po", "PO", 16),
    ("release_number", "Release", 14),
    ("carrier", "Carrier", 26),
    ("truck_number", "Truck", 10),
    ("trailer_number", "Trailer", 10),
    ("ship_to", "Ship to", 40),
    ("net_lb", "Net lb", 10),
    ("net_tons", "Net tons", 10),
    ("status", "Status", 10),
    ("documents", "Documents", 34),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFormat {
    Csv,
    Xlsx,
}

impl ListFormat {
    pub const ALL: [Self; 2] = [Self::Csv, Self::Xlsx];

    /// Returns the name in addresses, and the extension of files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

pub struct ListExport {
    pub db: Database,
    /// Checked again before each batch.
    pub access: Access,
    pub origin: Origin,
    pub format: ListFormat,
    /// The filter as it was typed, for the log.
    pub filter: Value,
}

/// A BOL, and the name of its customer.
struct Line {
    bol: BolSummary,
    customer: String,
}

enum Part {
    Lines(Vec<Line>),
    /// Completes the file; without it the file is truncated.
    End,
}

impl ListExport {
    /// Records the export, and begins it. No byte leaves without the record.
    pub async fn begin(self, selection: Selection, count: i64, slot: ResponseSlot) -> DbResult<ByteReceiver> {
        let mut detail = json!({"format": self.format.as_str(), "rows": rows(count)});
        match &selection {
            Selection::Matching(_) => detail["filter"] = self.filter.clone(),
            Selection::These(bols) => detail["numbers"] = bols.iter().map(|(bol, _)| bol.number.as_str()).collect(),
        }
        let viewer = self.access.viewer();
        scope::record(&self.db, &viewer.scope(), async |connection: &AsyncPgConnection| {
            let mut event = Event::new(Action::BolsExported, Outcome::Success, viewer.actor(), &self.origin);
            if let [company] = &viewer.companies[..] {
                (event.customer_id, event.customer_code) = (Some(company.id), Some(&*company.code));
            }
            audit::record(connection, &event.detail(detail)).await
        })
        .await?;
        Ok(self.stream(selection, slot))
    }

    /// Returns the bytes of the file as the response reads them. An error ends the stream. `slot` is held until then.
    fn stream(self, selection: Selection, slot: ResponseSlot) -> ByteReceiver {
        let (parts, to_be_written) = mpsc::channel(2);
        let (to, bytes) = stream(StreamLimits::RESPONSE);
        let (writer, format) = (StreamWriter::new(to.clone()), self.format);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = write(format, to_be_written, writer).and_then(StreamWriter::finish) {
                tracing::info!(%error, "an export of the list is incomplete");
            }
        });
        tokio::spawn(async move {
            let _slot = slot;
            if let Err(error) = self.feed(selection, &parts).await {
                to.break_off();
                tracing::warn!(%error, "an export of the list was truncated");
            }
        });
        bytes
    }

    async fn feed(&self, selection: Selection, to: &mpsc::Sender<Part>) -> Result<(), AccessError> {
        match selection {
            Selection::These(rows) => {
                let lines = rows.into_iter().map(|(bol, customer)| Line { bol, customer });
                self.send(Part::Lines(lines.collect()), to).await?;
            }
            Selection::Matching(mut search) => loop {
                let found = search::batch(&self.db, &self.access.viewer().scope(), &search, BATCH).await?;
                let customer =
                    |bol: &BolSummary| bol.owner(&found.owners, self.access.viewer()).unwrap_or_default().to_owned();
                let lines = found.rows.into_iter().map(|bol| Line { customer: customer(&bol), bol }).collect();
                self.send(Part::Lines(lines), to).await?;
                match found.next {
                    Some(next) if !to.is_closed() => search.after = Some(next),
                    Some(_) => return Ok(()),
                    None => break,
                }
            },
        }
        self.send(Part::End, to).await
    }

    /// Waits for room first, because the reader may be slow, then checks the access.
    async fn send(&self, part: Part, to: &mpsc::Sender<Part>) -> Result<(), AccessError> {
        // Fails if the reader is gone, which the writer reports.
        let Ok(place) = to.reserve().await else { return Ok(()) };
        self.access.check().await?;
        place.send(part);
        Ok(())
    }
}

/// The number of rows for the log, which are counted up to [`COUNTED`].
fn rows(count: i64) -> Value {
    if count > COUNTED { format!("more than {COUNTED}").into() } else { count.into() }
}

fn write(format: ListFormat, mut parts: mpsc::Receiver<Part>, writer: StreamWriter) -> io::Result<StreamWriter> {
    let mut lines = std::iter::from_fn(|| match parts.blocking_recv() {
        Some(Part::Lines(lines)) => Some(Ok(lines)),
        Some(Part::End) => None,
        None => Some(Err(io::Error::other("the list was not read to its end"))),
    });
    match format {
        ListFormat::Csv => write_csv(&mut lines, writer),
        ListFormat::Xlsx => write_workbook(&mut lines, writer),
    }
}

type Batches<'a> = &'a mut dyn Iterator<Item = io::Result<Vec<Line>>>;

fn write_workbook(batches: Batches<'_>, writer: StreamWriter) -> io::Result<StreamWriter> {
    let columns = COLUMNS.map(|(_, title, width)| Column { title: title.into(), width });
    let mut workbook = Workbook::begin(writer, "BOLs", columns.into(), MAX_SHEET_ROWS)?;
    for batch in batches {
        for line in batch? {
            let documents = line.documents();
            workbook.write(line.cells(&documents))?;
        }
    }
    workbook.finish()
}

fn write_csv(batches: Batches<'_>, writer: StreamWriter) -> io::Result<StreamWriter> {
    let mut file = csv::Writer::from_writer(writer);
    file.write_record(COLUMNS.map(|(name, ..)| name))?;
    for batch in batches {
        for line in batch? {
            let documents = line.documents();
            for cell in line.cells(&documents) {
                match cell {
                    Cell::Empty => file.write_field(b"")?,
                    Cell::Number(number) => file.write_field(number.to_string())?,
                    Cell::Hundredths(hundredths) => {
                        file.write_field(format!("{}.{:02}", hundredths / 100, hundredths % 100))?;
                    }
                    Cell::Text(text) => file.write_field(escape_formula(text).as_bytes())?,
                    Cell::Plain(text) => file.write_field(text)?,
                    Cell::Date(day) => file.write_field(day.to_string())?,
                    Cell::Time(time) => file.write_field(time.to_string())?,
                }
            }
            file.write_record(None::<&[u8]>)?;
        }
    }
    file.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

impl Line {
    /// "Bill of lading, Scale ticket"
    fn documents(&self) -> String {
        let has = |kind: &DocumentKind| self.bol.document_kinds.iter().any(|known| known == kind.as_str());
        let labels: Vec<&str> = DocumentKind::ALL.into_iter().filter(has).map(DocumentKind::label).collect();
        labels.join(", ")
    }

    fn cells<'a>(&'a self, documents: &'a str) -> [Cell<'a>; COLUMNS.len()] {
        let bol = &self.bol;
        [
            Cell::Text(&bol.number),
            Cell::Date(bol.bol_date),
            Cell::Text(&self.customer),
            Cell::Text(&bol.product),
            Cell::Text(&bol.lot),
            Cell::Text(&bol.customer_po),
            Cell::Text(&bol.release_number),
            Cell::Text(&bol.carrier),
            Cell::Text(&bol.truck_number),
            Cell::Text(&bol.trailer_number),
            Cell::Text(&bol.ship_to),
            Cell::Number(bol.net_lb.into()),
            Cell::Hundredths(Pounds(bol.net_lb).hundredths()),
            Cell::Plain(if bol.voided_at.is_some() { "void" } else { "issued" }),
            Cell::Text(documents),
        ]
    }
}
