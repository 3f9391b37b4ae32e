//! BOLs of the system before this one, from a CSV file: all of them, or, if a line is wrong, none.

mod columns;
mod companies;

use std::collections::HashSet;
use std::io::Read;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use self::columns::{Columns, Line};
use self::companies::Companies;
use super::bol::NewBol;
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::csv_file;
use crate::db::schema::bols;
use crate::db::{Database, DbError};

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

/// `origin` is who asks, on the log.
pub async fn import<R: Read>(
    db: &Database,
    file: R,
    wishes: Wishes,
    prefix: &str,
    origin: &Origin,
) -> Result<Report, ImportError> {
    let mut reader = csv_file::reader(file).map_err(|error| ImportError::File(error.to_string()))?;
    let header = reader.headers().map_err(|error| ImportError::File(error.to_string()))?.clone();
    let (columns, ignored_columns) = Columns::new(&header).map_err(ImportError::File)?;
    let mut report = Report { ignored_columns, ..Report::default() };
    let done = db
        .transaction(async |connection: &mut AsyncPgConnection| {
            // Nobody is mailed about what is years old.
            diesel::sql_query("SET LOCAL portal.quiet = 'on'").execute(connection).await?;
            let mut import = Import {
                wishes,
                companies: Companies::load(connection).await?,
                seen: HashSet::new(),
                batch: Vec::new(),
                report: &mut report,
            };
            for record in reader.records() {
                let line = match record {
                    Ok(record) if record.iter().all(str::is_empty) => continue,
                    Ok(record) => columns.read(&record, prefix),
                    Err(error) => {
                        let line = error.position().map_or(0, csv::Position::line);
                        import.report.lines += 1;
                        import.report.wrong(line, told(&error));
                        continue;
                    }
                };
                import.report.lines += 1;
                import.line(connection, line).await?;
            }
            import.flush(connection).await?;
            import.finish(connection, origin).await?;
            let keep = report.error_count == 0 && !wishes.dry_run;
            if keep { Ok(()) } else { Err(diesel::result::Error::RollbackTransaction) }
        })
        .await;
    match done {
        Ok(()) | Err(DbError::Query(diesel::result::Error::RollbackTransaction)) => Ok(report),
        Err(error) => Err(error.into()),
    }
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
    /// Year and running number of each BOL in the file.
    seen: HashSet<(i32, i32)>,
    /// With the line of each.
    batch: Vec<(u64, NewBol)>,
    report: &'a mut Report,
}

impl Import<'_> {
    async fn line(
        &mut self,
        connection: &mut AsyncPgConnection,
        line: Result<Line, Vec<(u64, String)>>,
    ) -> QueryResult<()> {
        let line = match line {
            Ok(line) => line,
            Err(wrong) => {
                wrong.into_iter().for_each(|(line, message)| self.report.wrong(line, message));
                return Ok(());
            }
        };
        let Line { at, number, customer, mut printed, official_weight_lb, issued_by, void, .. } = line;
        if !self.seen.insert((number.year(), number.seq())) {
            self.report.wrong(at, format!("{number} is in the file twice"));
            return Ok(());
        }
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

    /// The counters, and the event.
    async fn finish(&mut self, connection: &mut AsyncPgConnection, origin: &Origin) -> QueryResult<()> {
        self.report.created = self.companies.created();
        self.report.errors.sort_by_key(|wrong| wrong.line);
        if self.report.error_count > 0 {
            self.report.imported = 0;
            return Ok(());
        }
        let years: HashSet<i32> = self.seen.iter().map(|(year, _)| *year).collect();
        let highest: Vec<Highest> = diesel::sql_query(
            "INSERT INTO bol_counters AS c (year, last_seq) \
             SELECT number_year, max(number_seq) FROM bols WHERE number_year = ANY ($1) GROUP BY number_year \
             ON CONFLICT (year) DO UPDATE SET last_seq = greatest(c.last_seq, excluded.last_seq) RETURNING year, last_seq",
        )
        .bind::<Array<Integer>, _>(years.into_iter().collect::<Vec<_>>())
        .load(connection)
        .await?;
        self.report.highest = highest.into_iter().map(|highest| (highest.year, highest.last_seq)).collect();
        self.report.highest.sort_unstable();
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

#[derive(QueryableByName)]
struct Highest {
    #[diesel(sql_type = Integer)]
    year: i32,
    #[diesel(sql_type = Integer)]
    last_seq: i32,
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
