//! The list of BOLs as a file: CSV, or a workbook whose dates and weights a spreadsheet can filter and add up.
//!
//! The columns of the list come first, then every other field that a BOL prints, its official weight, and what became of it.
//!
//! The access log records it first. One task reads batches of the list, another writes the file on a blocking thread. A slow reader slows both down.

use std::collections::HashMap;
use std::io;

use chrono::SubsecRound as _;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::fields::{self, FIELDS, Field, Kind};
use super::search::{self, BolSummary, Selection, Total};
use super::weight::Pounds;
use super::{Bol, DocumentKind};
use crate::accounts::access::{Access, AccessError};
use crate::accounts::response_slots::ResponseSlot;
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::csv_file::escape_formula;
use crate::db::schema::bols;
use crate::db::{Database, DbResult, scope};
use crate::stream_writer::{ByteReceiver, StreamLimits, StreamWriter, stream};
use crate::workbook::{Cell, Column, MAX_SHEET_ROWS, Workbook};

/// BOLs that one query reads.
const BATCH: usize = 500;
/// Name in CSV, title and width in a workbook.
type Heading = (&'static str, &'static str, u8);
/// The columns of the list.
const FIRST: [Heading; 15] = [
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
/// After the other fields that a BOL prints.
const LAST: [Heading; 4] = [
    ("official_weight_lb", "Official weight lb", 16),
    ("voided_at", "Voided (UTC)", 18),
    ("void_reason", "Reason", 30),
    ("reissue_of", "Reissue of", 16),
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

/// A BOL, the name of its customer, and the number of the void BOL that it replaces.
struct Line {
    listed: BolSummary,
    bol: Bol,
    customer: String,
    reissue_of: Option<String>,
}

enum Part {
    Lines(Vec<Line>),
    /// Completes the file; without it the file is truncated.
    End,
}

impl ListExport {
    /// Records the export, and begins it. No byte leaves without the record.
    pub async fn begin(self, selection: Selection, total: Total, slot: ResponseSlot) -> DbResult<ByteReceiver> {
        let mut detail = json!({"format": self.format.as_str(), "rows": rows(total)});
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
                let lines = self.lines(rows).await?;
                self.send(Part::Lines(lines), to).await?;
            }
            Selection::Matching(mut search) => loop {
                let found = search::batch(&self.db, &self.access.viewer().scope(), &search, BATCH).await?;
                let customer =
                    |bol: &BolSummary| bol.owner(&found.owners, self.access.viewer()).unwrap_or_default().to_owned();
                let rows = found.rows.into_iter().map(|bol| (customer(&bol), bol)).map(|(name, bol)| (bol, name));
                let lines = self.lines(rows.collect()).await?;
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

    /// Reads the other fields of these BOLs. Leaves out those that the user has lost since.
    async fn lines(&self, rows: Vec<(BolSummary, String)>) -> DbResult<Vec<Line>> {
        let ids: Vec<i64> = rows.iter().map(|(bol, _)| bol.id).collect();
        let (mut whole, replaced) =
            scope::read(&self.db, &self.access.viewer().scope(), async |mut connection: &AsyncPgConnection| {
                let these = bols::table.filter(bols::id.eq_any(ids)).select(Bol::as_select());
                let these: Vec<Bol> = these.load(&mut connection).await?;
                let replaced: Vec<i64> = these.iter().filter_map(|bol| bol.reissue_of).collect();
                let replaced = match replaced.is_empty() {
                    true => Vec::new(),
                    false => {
                        let numbers = bols::table.filter(bols::id.eq_any(replaced)).select((bols::id, bols::number));
                        numbers.load(&mut connection).await?
                    }
                };
                let whole: HashMap<i64, Bol> = these.into_iter().map(|bol| (bol.id, bol)).collect();
                Ok((whole, replaced.into_iter().collect::<HashMap<i64, String>>()))
            })
            .await?;
        let line = |(listed, customer): (BolSummary, String)| {
            let bol = whole.remove(&listed.id)?;
            let reissue_of = bol.reissue_of.and_then(|id| replaced.get(&id).cloned());
            Some(Line { listed, bol, customer, reissue_of })
        };
        Ok(rows.into_iter().filter_map(line).collect())
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

/// The number of rows for the log, as far as they were counted.
fn rows(total: Total) -> Value {
    match total {
        Total::Exactly(count) => count.into(),
        Total::MoreThan(count) => format!("more than {count}").into(),
    }
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
    let heading = |(_, title, width): Heading| Column { title: title.into(), width };
    let others = others().map(|field| Column { title: title(field), width: width(field.kind) });
    let columns = FIRST.into_iter().map(heading).chain(others).chain(LAST.into_iter().map(heading));
    let mut workbook = Workbook::begin(writer, "BOLs", columns.collect(), MAX_SHEET_ROWS)?;
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
    let others = others().map(|field| field.name);
    file.write_record(FIRST.iter().map(|(name, ..)| *name).chain(others).chain(LAST.iter().map(|(name, ..)| *name)))?;
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

/// The fields that a BOL prints and the list doesn't show.
fn others() -> impl Iterator<Item = &'static Field> {
    let is_listed = |field: &Field| field.name == "bol_date" || FIRST.iter().any(|(name, ..)| *name == field.name);
    FIELDS.iter().filter(move |field| !is_listed(field))
}

fn title(field: &Field) -> String {
    if field.kind == Kind::Pounds { format!("{} lb", field.label) } else { field.label.into() }
}

fn width(kind: Kind) -> u8 {
    match kind {
        Kind::Lines { .. } | Kind::Seals => 40,
        Kind::Line { max_chars } if max_chars > 100 => 26,
        _ => 14,
    }
}

impl Line {
    /// "Bill of lading, Scale ticket"
    fn documents(&self) -> String {
        let has = |kind: &DocumentKind| self.listed.document_kinds.iter().any(|known| known == kind.as_str());
        let labels: Vec<&str> = DocumentKind::ALL.into_iter().filter(has).map(DocumentKind::label).collect();
        labels.join(", ")
    }

    fn cells<'a>(&'a self, documents: &'a str) -> impl Iterator<Item = Cell<'a>> {
        let bol = &self.bol;
        let first: [Cell<'a>; FIRST.len()] = [
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
        ];
        let last: [Cell<'a>; LAST.len()] = [
            bol.official_weight_lb.map_or(Cell::Empty, |lb| Cell::Number(lb.into())),
            bol.voided_at.map_or(Cell::Empty, |at| Cell::Time(at.naive_utc().trunc_subsecs(0))),
            Cell::Text(&bol.void_reason),
            self.reissue_of.as_deref().map_or(Cell::Empty, Cell::Text),
        ];
        first.into_iter().chain(others().map(|field| cell(field, bol))).chain(last)
    }
}

fn cell<'a>(field: &Field, bol: &'a Bol) -> Cell<'a> {
    match field.column {
        fields::Column::Text(get, _) => Cell::Text(get(&bol.printed)),
        fields::Column::Number(get, _) => get(&bol.printed).map_or(Cell::Empty, |number| Cell::Number(number.into())),
        fields::Column::Date(get, _) => Cell::Date(get(&bol.printed)),
    }
}
