//! Imports the access log of the bucket, file by file: each GET with a link becomes one event.
//!
//! S3 delivers lines late, in any order, and sometimes twice. The transaction that records a fetch also claims S3's id
//! of the request, so no request is recorded twice. Files can be imported again, or by two processes at once, and an
//! interrupted import can be repeated.

use std::collections::{BTreeMap, HashSet};
use std::io;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use tokio::io::AsyncRead;

use super::line_reader::{LineBytes, LineReader};
use super::s3_log::{self, LineError, LogLine};
use super::{Fetch, Tally, matching};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::schema::link_fetches;
use crate::db::{Database, DbError, DbResult};

/// Fetches of one transaction.
const BATCH: usize = 500;
/// Files and unreadable lines that the report names.
const MAX_NAMES: usize = 10;
const MAX_REQUESTERS: usize = 100;
const MAX_NAME_CHARS: usize = 300;

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The rest of this file can't be read. Other files can still be imported.
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What an import found and recorded.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    pub files: u64,
    pub lines: u64,
    /// GETs of objects of this bucket with a link.
    pub gets: u64,
    /// Of these, newly recorded, or to be recorded in a dry run.
    #[serde(flatten)]
    pub new: Tally,
    /// Of these, recorded by an earlier import.
    pub already: u64,
    /// GETs of `storage check`.
    pub checks: u64,
    /// GETs without a link.
    pub without_link: u64,
    pub requesters: BTreeMap<String, Requester>,
    pub unreadable: u64,
    /// The first unreadable lines.
    pub first_unreadable: Vec<UnreadableLine>,
}

#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Requester {
    pub gets: u64,
    pub bytes: i64,
}

/// A line that can't be parsed.
#[derive(Clone, Debug, serde::Serialize)]
pub struct UnreadableLine {
    pub file: String,
    pub line: u64,
    pub reason: &'static str,
}

pub struct Import<'a> {
    db: &'a Database,
    bucket: &'a str,
    /// Matches and counts fetches, but records nothing.
    is_dry: bool,
    waiting: Vec<Fetch>,
    names: Vec<String>,
    pub report: Report,
}

impl<'a> Import<'a> {
    /// Creates an import of the fetches from one bucket.
    pub fn new(db: &'a Database, bucket: &'a str, is_dry: bool) -> Self {
        let (waiting, names, report) = (Vec::with_capacity(BATCH), Vec::new(), Report::default());
        Self { db, bucket, is_dry, waiting, names, report }
    }

    /// Imports one file. Small files share a transaction, so a later call may record the last lines.
    pub async fn read(&mut self, name: &str, from: impl AsyncRead + Unpin) -> Result<(), ImportError> {
        self.report.files += 1;
        let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
        if self.names.len() < MAX_NAMES {
            self.names.push(name.clone());
        }
        let mut lines = LineReader::new(from);
        loop {
            let read = match lines.next().await? {
                None => return Ok(()),
                Some(LineBytes::Complete(line)) if line.trim_ascii().is_empty() => continue,
                Some(LineBytes::Complete(line)) => s3_log::parse(line, self.bucket),
                Some(LineBytes::TooLong) => Err(LineError("longer than any line of S3")),
            };
            self.report.lines += 1;
            match read {
                Ok(read) => self.count(read),
                Err(LineError(reason)) => self.add_unreadable(&name, lines.number, reason),
            }
            if self.waiting.len() >= BATCH {
                self.flush().await?;
            }
        }
    }

    /// Records the remaining fetches, and the import itself if it recorded any. `problems` is the number of files that
    /// couldn't be read to their end.
    pub async fn finish(mut self, actor: Actor<'_>, origin: &Origin, problems: u64) -> DbResult<Report> {
        self.flush().await?;
        if self.report.new.all() > 0 && !self.is_dry {
            let outcome = if problems == 0 && self.report.unreadable == 0 { Outcome::Success } else { Outcome::Failed };
            let event = Event::new(Action::AccessLogImported, outcome, actor, origin);
            let Report { files, lines, gets, new, already, unreadable, .. } = self.report;
            let detail = json!({
                "bucket": self.bucket, "files": files, "names": self.names, "lines": lines, "gets": gets, "new": new,
                "already": already, "unreadable": unreadable, "unread_files": problems,
            });
            audit::record(&*self.db.get().await?, &event.detail(detail)).await?;
        }
        Ok(self.report)
    }

    fn count(&mut self, line: LogLine) {
        match line {
            LogLine::Link(fetch) => {
                self.report.gets += 1;
                self.waiting.push(*fetch);
            }
            LogLine::NoLink { requester, bytes } => {
                self.report.without_link += 1;
                let requesters = &mut self.report.requesters;
                let name: String = match requester.as_str() {
                    "-" => "anonymous (without credentials)".into(),
                    known if requesters.len() < MAX_REQUESTERS || requesters.contains_key(known) => {
                        known.chars().take(MAX_NAME_CHARS).collect()
                    }
                    _ => "others".into(),
                };
                let requester = requesters.entry(name).or_default();
                requester.gets += 1;
                requester.bytes = requester.bytes.saturating_add(bytes);
            }
            LogLine::Check => self.report.checks += 1,
            LogLine::Other => {}
        }
    }

    fn add_unreadable(&mut self, file: &str, line: u64, reason: &'static str) {
        self.report.unreadable += 1;
        if self.report.first_unreadable.len() < MAX_NAMES {
            self.report.first_unreadable.push(UnreadableLine { file: file.into(), line, reason });
        }
    }

    async fn flush(&mut self) -> DbResult<()> {
        let mut batch = std::mem::take(&mut self.waiting);
        let read = batch.len() as u64;
        // Ignores repeated lines.
        let mut seen = HashSet::new();
        batch.retain(|fetch| fetch.s3_request().is_some_and(|request| seen.insert(request.to_owned())));
        let is_dry = self.is_dry;
        let tally = self
            .db
            .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<Tally> {
                if is_dry {
                    let new = keep(batch, &unrecorded(connection, &seen).await?);
                    return Ok(Tally::count(&matching::find(connection, &new).await?));
                }
                let new = keep(batch.clone(), &claim(connection, &batch).await?);
                Ok(if new.is_empty() { Tally::default() } else { super::record(connection, &new).await? })
            })
            .await?;
        self.report.new.add(tally);
        self.report.already += read - tally.all();
        Ok(())
    }
}

fn keep(mut batch: Vec<Fetch>, new: &HashSet<String>) -> Vec<Fetch> {
    batch.retain(|fetch| fetch.s3_request().is_some_and(|request| new.contains(request)));
    batch
}

/// Claims the requests of a batch for this transaction, and returns those that were not claimed before. Another import
/// of the same lines waits for this transaction; the order of the rows avoids deadlocks.
async fn claim(connection: &mut AsyncPgConnection, batch: &[Fetch]) -> QueryResult<HashSet<String>> {
    #[derive(QueryableByName)]
    struct Claimed {
        #[diesel(sql_type = Text)]
        s3_request: String,
    }
    let requests: Vec<&str> = batch.iter().filter_map(Fetch::s3_request).collect();
    let times: Vec<DateTime<Utc>> = batch.iter().map(|fetch| fetch.fetched_at).collect();
    let claimed: Vec<Claimed> = diesel::sql_query(
        "INSERT INTO link_fetches (s3_request, fetched_at) SELECT * FROM unnest($1, $2) AS f (request, at) ORDER BY request \
         ON CONFLICT DO NOTHING RETURNING s3_request",
    )
    .bind::<Array<Text>, _>(requests)
    .bind::<Array<Timestamptz>, _>(times)
    .load(connection)
    .await?;
    Ok(claimed.into_iter().map(|claimed| claimed.s3_request).collect())
}

/// Returns the requests that are not recorded yet.
async fn unrecorded(connection: &mut AsyncPgConnection, requests: &HashSet<String>) -> QueryResult<HashSet<String>> {
    let known: Vec<String> = link_fetches::table
        .filter(link_fetches::s3_request.eq_any(requests))
        .select(link_fetches::s3_request)
        .load(connection)
        .await?;
    let known: HashSet<String> = known.into_iter().collect();
    Ok(requests.difference(&known).cloned().collect())
}
