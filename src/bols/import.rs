//! BOLs of the system before this one, from a CSV file: all of them, or, if a line is wrong, none.

mod columns;
mod companies;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use self::columns::{Columns, Line};
use self::companies::Companies;
use super::bol::NewBol;
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::csv_file;
use crate::db::schema::{bol_counters, bols};
use crate::db::{Database, DbError, DbResult};

/// Rows an INSERT: 40 columns each, and a statement has at most 65,535 parameters.
const BATCH: usize = 500;
/// Errors that are told one by one.
const MOST_TOLD: usize = 200;

#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Everything is tried, and nothing kept.
    pub dry_run: bool,
    /// A customer that isn't here yet is created, instead of being an error.
    pub create_customers: bool,
    /// A BOL that is here already is passed over, instead of being an error.
    pub skip_existing: bool,
}

/// What is wrong with a line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub line: u64,
    pub message: String,
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub lines: u64,
    pub imported: u64,
    pub skipped: u64,
    /// Customers that were created: code and name.
    pub created: Vec<(String, String)>,
    pub ignored_columns: Vec<String>,
    /// The first of them; if there is one, nothing was imported.
    pub errors: Vec<Wrong>,
    pub error_count: u64,
    /// The year's highest number afterwards: the counter goes on behind it.
    pub highest: Vec<(i32, i32)>,
}

impl Report {
    fn wrong(&mut self, line: u64, message: impl Into<String>) {
        self.error_count += 1;
        if self.errors.len() < MOST_TOLD {
            self.errors.push(Wrong { line, message: message.into() });
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file as a whole.
    #[error("{0}")]
    File(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The file is read twice: once to see whether every line is right, which waits for whoever writes it; and once more, at
/// once, inside the transaction. `origin` is who asks, on the log.
pub async fn import<R: Read>(
    db: &Database,
    mut file: R,
    wishes: Wishes,
    (prefix, today): (&str, NaiveDate),
    origin: &Origin,
) -> Result<Report, ImportError> {
    // A truck may be loaded tomorrow, somewhere.
    let latest = today + TimeDelta::days(31);
    let unreadable = |error: io::Error| ImportError::File(error.to_string());
    let mut whole = tempfile::tempfile().map_err(unreadable)?;
    io::copy(&mut file, &mut whole).map_err(unreadable)?;
    let mut report = Report::default();
    let years = read(&whole, (prefix, latest), &mut report)?;
    let done = db
        .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
            // Nobody is mailed about what is years old.
            diesel::sql_query("SET LOCAL portal.quiet = 'on'").execute(connection).await?;
            // The counters before the BOLs, as everybody who issues one: nobody takes a number of the file meanwhile.
            hold_counters(connection, &years).await?;
            let mut import = Import {
                wishes,
                companies: Companies::load(connection).await?,
                batch: Vec::new(),
                report: &mut report,
            };
            let (columns, mut reader) = open(&whole, latest).map_err(|error| deserialization(&error))?;
            for record in reader.records() {
                // What is wrong was said.
                let Ok(record) = record else { continue };
                if !record.iter().all(str::is_empty)
                    && let Ok(line) = columns.read(&record, prefix)
                {
                    import.line(connection, line).await?;
                }
            }
            import.flush(connection).await?;
            import.finish(connection, origin, &years).await?;
            let keep = report.error_count == 0 && !wishes.dry_run;
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

/// From the beginning.
fn open(file: &File, latest: NaiveDate) -> Result<(Columns, csv::Reader<impl Read>), ImportError> {
    let unreadable = |error: io::Error| ImportError::File(error.to_string());
    let mut file = file.try_clone().map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let mut reader = csv_file::reader(io::BufReader::new(file)).map_err(unreadable)?;
    let header =
        reader.headers().map_err(|error| ImportError::File(format!("the first line: {}", told(&error))))?.clone();
    let columns = Columns::new(&header, latest).map_err(ImportError::File)?;
    Ok((columns, reader))
}

/// Every line by itself, and all together: no number twice. Gives the years, with the highest number of each.
fn read(
    file: &File,
    (prefix, latest): (&str, NaiveDate),
    report: &mut Report,
) -> Result<BTreeMap<i32, i32>, ImportError> {
    let (columns, mut reader) = open(file, latest)?;
    report.ignored_columns = columns.ignored.clone();
    let (mut seen, mut years) = (HashSet::new(), BTreeMap::new());
    for record in reader.records() {
        let line = match record {
            Ok(record) if record.iter().all(str::is_empty) => continue,
            Ok(record) => columns.read(&record, prefix),
            Err(error) => Err(vec![(error.position().map_or(0, csv::Position::line), told(&error))]),
        };
        report.lines += 1;
        match line {
            Ok(Line { at, number, .. }) => {
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

/// At least as far as the file goes; locked until the transaction ends.
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

/// The reader's words are about bytes.
fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it isn't UTF-8 text; save the file as CSV UTF-8".into(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} columns, and the first line has {expected_len}; is a comma not in quotes?")
        }
        _ => error.to_string(),
    }
}

struct Import<'a> {
    wishes: Wishes,
    companies: Companies,
    /// With the line of each.
    batch: Vec<(u64, NewBol)>,
    report: &'a mut Report,
}

impl Import<'_> {
    async fn line(&mut self, connection: &mut AsyncPgConnection, line: Line) -> QueryResult<()> {
        let Line { at, number, customer, mut printed, official_weight_lb, issued_by, void } = line;
        let company = match self.companies.find(connection, &customer, self.wishes.create_customers).await? {
            Ok(company) => company,
            Err(message) => {
                self.report.wrong(at, message);
                return Ok(());
            }
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

    /// Inserts what has been read, as long as nothing was wrong: then the rest is only looked through.
    async fn flush(&mut self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        let batch = std::mem::take(&mut self.batch);
        let here = present(connection, batch.iter().map(|(_, new)| (new.number_year, new.number_seq))).await?;
        let mut rows = Vec::with_capacity(batch.len());
        for (at, new) in batch {
            match here.iter().find(|(year, seq, _)| (*year, *seq) == (new.number_year, new.number_seq)) {
                None => rows.push(new),
                Some((.., number)) if self.wishes.skip_existing && *number == new.number => self.report.skipped += 1,
                Some((.., number)) if *number == new.number => {
                    self.report.wrong(at, format!("{number} is here already (--skip-existing passes it over)"));
                }
                Some((.., number)) => {
                    self.report.wrong(at, format!("{} has the running number of {number}, which is here", new.number));
                }
            }
        }
        if self.report.error_count == 0 && !rows.is_empty() {
            self.report.imported += rows.len() as u64;
            diesel::insert_into(bols::table).values(rows).execute(connection).await?;
        }
        Ok(())
    }

    /// Where the counters stand, and the events.
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
            let event = event.about(id, code).detail(json!({"code": code, "name": name, "by": "import"}));
            audit::record(connection, &event).await?;
        }
        let event = Event::new(Action::BolsImported, Outcome::Success, Actor::COMMAND_LINE, origin);
        let detail = json!({"lines": self.report.lines, "imported": self.report.imported, "skipped": self.report.skipped,
                            "customers_created": self.report.created.len()});
        audit::record(connection, &event.detail(detail)).await
    }
}

/// Which of these running numbers are taken, and by which BOL.
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

/// A day as a time that is that day everywhere in America.
fn noon(day: NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(17, 0, 0).unwrap_or_default().and_utc()
}
