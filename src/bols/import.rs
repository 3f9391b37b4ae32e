//! Imports the BOLs of the previous system from a CSV file. If one line is wrong, nothing is imported.

mod columns;
mod companies;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use self::columns::{Columns, ImportedBol};
use self::companies::{CustomerError, Customers};
use super::bol::NewBol;
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::csv_file::{self, CsvFile};
use crate::db::schema::{bol_counters, bols};
use crate::db::{Database, DbError, DbResult};

/// Rows per INSERT: 40 columns each, and a statement has at most 65,535 parameters.
const BATCH: usize = 500;
/// Errors that the report lists.
const MAX_LISTED_ERRORS: usize = 200;

#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// Run the whole import, and roll it back.
    pub dry_run: bool,
    /// Create missing customers instead of reporting an error.
    pub create_customers: bool,
    /// Skip BOLs that exist already instead of reporting an error.
    pub skip_existing: bool,
}

/// A mistake in a line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    pub line: u64,
    pub message: String,
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub lines: u64,
    pub imported: u64,
    pub skipped: u64,
    /// Code and name of each customer that was created.
    pub created: Vec<(String, String)>,
    pub ignored_columns: Vec<String>,
    /// The first errors. If there is one, nothing was imported.
    pub errors: Vec<LineError>,
    pub error_count: u64,
    /// The highest running number of each year after the import. The counter continues from it.
    pub highest: Vec<(i32, i32)>,
}

impl Report {
    fn wrong(&mut self, line: u64, message: impl Into<String>) {
        self.error_count += 1;
        if self.errors.len() < MAX_LISTED_ERRORS {
            self.errors.push(LineError { line, message: message.into() });
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file can't be read, or its columns are wrong.
    #[error("{0}")]
    File(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Imports the file.
///
/// Reads the file twice: first outside of the transaction to check every line, because its writer may be slow, then
/// inside of it. `origin` names the caller in the access log.
pub async fn import<R: Read>(
    db: &Database,
    mut file: R,
    options: ImportOptions,
    (prefix, today): (&str, NaiveDate),
    origin: &Origin,
) -> Result<Report, ImportError> {
    // Some systems write BOLs in advance.
    let latest = today + TimeDelta::days(31);
    let unreadable = |error: io::Error| ImportError::File(error.to_string());
    let mut whole = tempfile::tempfile().map_err(unreadable)?;
    io::copy(&mut file, &mut whole).map_err(unreadable)?;
    let mut report = Report::default();
    let years = read(&whole, (prefix, latest), &mut report)?;
    let done = db
        .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
            // Suppresses emails to customers about BOLs that are years old.
            diesel::sql_query("SET LOCAL portal.quiet = 'on'").execute(connection).await?;
            // Locks the counters before the BOLs, as issuing does, so that no new BOL takes a number of the file.
            hold_counters(connection, &years).await?;
            let mut import = Importer {
                options,
                companies: Customers::load(connection).await?,
                batch: Vec::new(),
                report: &mut report,
            };
            let (columns, mut rows) = open(&whole, latest).map_err(|error| deserialization(&error))?;
            for (line, record) in rows.records() {
                // The first reading has reported what is wrong.
                let Ok(record) = record else { continue };
                if let Ok(bol) = columns.read(line, &record, prefix) {
                    import.add(connection, bol).await?;
                }
            }
            import.flush(connection).await?;
            import.finish(connection, origin, &years).await?;
            let keep = report.error_count == 0 && !options.dry_run;
            if keep { Ok(()) } else { Err(diesel::result::Error::RollbackTransaction.into()) }
        })
        .await;
    match done {
        Ok(()) | Err(DbError::Query(diesel::result::Error::RollbackTransaction)) => Ok(report),
        Err(error) => Err(error.into()),
    }
}

fn deserialization(error: &ImportError) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(error.to_string().into())
}

/// Returns the columns, and the rows below the header.
fn open(file: &File, latest: NaiveDate) -> Result<(Columns, CsvFile<impl Read>), ImportError> {
    let file = file.try_clone().map_err(|error| ImportError::File(error.to_string()))?;
    let rows = csv_file::open(file).map_err(|error| ImportError::File(format!("the first line: {error}")))?;
    let columns = Columns::new(&rows.header, rows.header_line, latest).map_err(ImportError::File)?;
    Ok((columns, rows))
}

/// Checks every line, and that no number occurs twice. Returns the highest running number of each year.
fn read(
    file: &File,
    (prefix, latest): (&str, NaiveDate),
    report: &mut Report,
) -> Result<BTreeMap<i32, i32>, ImportError> {
    let (columns, mut rows) = open(file, latest)?;
    report.ignored_columns = columns.ignored.clone();
    let (mut seen, mut years) = (HashSet::new(), BTreeMap::new());
    for (line, record) in rows.records() {
        let line = match record {
            Ok(record) => columns.read(line, &record, prefix),
            Err(error) => Err(vec![(line, error.to_string())]),
        };
        report.lines += 1;
        match line {
            Ok(ImportedBol { line: at, number, .. }) => {
                if !seen.insert((number.year(), number.seq())) {
                    report.wrong(at, format!("{number} is in the file twice"));
                }
                let highest = years.entry(number.year()).or_insert(number.seq());
                *highest = number.seq().max(*highest);
            }
            Err(wrong) => wrong.into_iter().for_each(|(line, message)| report.wrong(line, message)),
        }
    }
    Ok(years)
}

/// Raises the counters to the highest numbers of the file, and locks them until the transaction ends.
async fn hold_counters(connection: &mut AsyncPgConnection, years: &BTreeMap<i32, i32>) -> QueryResult<()> {
    let (years, highest): (Vec<i32>, Vec<i32>) = years.iter().unzip();
    diesel::sql_query(
        "INSERT INTO bol_counters AS c (year, last_seq) SELECT year, greatest(seq, (SELECT max(number_seq) FROM bols WHERE number_year = year)) \
         FROM unnest($1, $2) AS file (year, seq) ORDER BY year \
         ON CONFLICT (year) DO UPDATE SET last_seq = greatest(c.last_seq, excluded.last_seq)",
    )
    .bind::<Array<Integer>, _>(years)
    .bind::<Array<Integer>, _>(highest)
    .execute(connection)
    .await
    .map(drop)
}

struct Importer<'a> {
    options: ImportOptions,
    companies: Customers,
    /// BOLs to insert, each with its line.
    batch: Vec<(u64, NewBol)>,
    report: &'a mut Report,
}

impl Importer<'_> {
    async fn add(&mut self, connection: &mut AsyncPgConnection, bol: ImportedBol) -> QueryResult<()> {
        let ImportedBol { line: at, number, customer, mut printed, official_weight_lb, issued_by, void } = bol;
        let company = match self.companies.find(connection, &customer, self.options.create_customers).await {
            Ok(company) => company,
            Err(CustomerError::Refused(message)) => {
                self.report.wrong(at, message);
                return Ok(());
            }
            Err(CustomerError::Db(error)) => return Err(error),
        };
        if printed.customer_name.is_empty() {
            printed.customer_name = company.as_ref().map(|company| company.name.clone()).unwrap_or_default();
        }
        let on_the_day = noon(printed.bol_date);
        let (voided_at, void_reason) = void.map(|(day, reason)| (noon(day), reason)).unzip();
        let new = NewBol {
            number: number.to_string(),
            number_year: number.year(),
            number_seq: number.seq(),
            customer_id: company.map(|company| company.id),
            official_weight_lb,
            weighed_at: official_weight_lb.map(|_| on_the_day),
            issued_by,
            voided_at,
            void_reason: void_reason.unwrap_or_default(),
            changed_at: on_the_day,
            created_at: on_the_day,
            visible_since: Some(on_the_day),
            printed,
            ..NewBol::default()
        };
        self.batch.push((at, new));
        if self.batch.len() >= BATCH {
            self.flush(connection).await?;
        }
        Ok(())
    }

    /// Inserts the batch. After the first error it only checks the rest.
    async fn flush(&mut self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        let batch = std::mem::take(&mut self.batch);
        let here = present(connection, batch.iter().map(|(_, new)| (new.number_year, new.number_seq))).await?;
        let mut rows = Vec::with_capacity(batch.len());
        for (at, new) in batch {
            match here.iter().find(|(year, seq, _)| (*year, *seq) == (new.number_year, new.number_seq)) {
                None => rows.push(new),
                Some((.., number)) if self.options.skip_existing && *number == new.number => self.report.skipped += 1,
                Some((.., number)) if *number == new.number => {
                    self.report.wrong(at, format!("{number} exists already (--skip-existing skips it)"));
                }
                Some((.., number)) => {
                    self.report
                        .wrong(at, format!("{} has the running number of {number}, which exists already", new.number));
                }
            }
        }
        if self.report.error_count == 0 && !rows.is_empty() {
            self.report.imported += rows.len() as u64;
            diesel::insert_into(bols::table).values(rows).execute(connection).await?;
        }
        Ok(())
    }

    /// Completes the report and records the events.
    async fn finish(
        &mut self,
        connection: &mut AsyncPgConnection,
        origin: &Origin,
        years: &BTreeMap<i32, i32>,
    ) -> QueryResult<()> {
        self.report.created = self.companies.created();
        self.report.errors.sort_by_key(|wrong| wrong.line);
        if self.report.error_count > 0 {
            self.report.imported = 0;
            return Ok(());
        }
        self.report.highest = bol_counters::table
            .filter(bol_counters::year.eq_any(years.keys().copied().collect::<Vec<_>>()))
            .order(bol_counters::year)
            .select((bol_counters::year, bol_counters::last_seq))
            .load(connection)
            .await?;
        for (id, code, name) in self.companies.created_with_ids() {
            let event = Event::new(Action::CustomerCreated, Outcome::Success, Actor::COMMAND_LINE, origin);
            let event = event.with_customer(id, code).detail(json!({"code": code, "name": name, "by": "import"}));
            audit::record(connection, &event).await?;
        }
        let event = Event::new(Action::BolsImported, Outcome::Success, Actor::COMMAND_LINE, origin);
        let detail = json!({"lines": self.report.lines, "imported": self.report.imported, "skipped": self.report.skipped,
                            "customers_created": self.report.created.len()});
        audit::record(connection, &event.detail(detail)).await
    }
}

/// Returns the BOLs that have one of these running numbers.
async fn present(
    connection: &mut AsyncPgConnection,
    numbers: impl Iterator<Item = (i32, i32)>,
) -> QueryResult<Vec<(i32, i32, String)>> {
    #[derive(QueryableByName)]
    #[diesel(table_name = bols, check_for_backend(diesel::pg::Pg))]
    struct Present {
        number_year: i32,
        number_seq: i32,
        number: String,
    }
    let (years, seqs): (Vec<i32>, Vec<i32>) = numbers.unzip();
    let found: Vec<Present> = diesel::sql_query(
        "SELECT b.number_year, b.number_seq, b.number FROM unnest($1, $2) AS n (year, seq) \
         JOIN bols b ON b.number_year = n.year AND b.number_seq = n.seq",
    )
    .bind::<Array<Integer>, _>(years)
    .bind::<Array<Integer>, _>(seqs)
    .load(connection)
    .await?;
    Ok(found.into_iter().map(|found| (found.number_year, found.number_seq, found.number)).collect())
}

/// Returns a time that falls on this day everywhere in America.
fn noon(day: NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(17, 0, 0).unwrap_or_default().and_utc()
}
