//! The bucket's access log, file by file, into the log: each GET with a link becomes an event, once.
//!
//! S3 delivers lines late, in no order, and now and then twice. Its id of a request decides, in the transaction that writes the
//! event, whether it has been one before; so files may be read again, or by two at a time, and a run that broke off is run again.

use std::collections::{BTreeMap, HashSet};
use std::io;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use tokio::io::AsyncRead;

use super::line::{self, Line, Unreadable};
use super::lines::{Lines, Text as Piece};
use super::{Fetch, Tally, matching};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::schema::link_fetches;
use crate::db::{Database, DbError, DbResult};

/// Fetches of one transaction.
const BATCH: usize = 500;
/// Names that are kept, of whatever they are.
const MOST_NAMED: usize = 10;
const MOST_REQUESTERS: usize = 100;
/// Characters of a name.
const MOST_NAME: usize = 300;

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// This file can't be read any further; the next one may be.
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What the files held, and what became of it.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    pub files: u64,
    pub lines: u64,
    /// GETs of objects of this bucket with a link.
    pub gets: u64,
    /// Of these, events now (or would be, when nothing is to be kept).
    #[serde(flatten)]
    pub new: Tally,
    /// Events from before.
    pub already: u64,
    /// Of `storage check`.
    pub checks: u64,
    /// GETs without a link, and who asked for them.
    pub without_link: u64,
    pub requesters: BTreeMap<String, Requester>,
    pub unreadable: u64,
    /// The first of them.
    pub first_unreadable: Vec<Wrong>,
}

#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Requester {
    pub gets: u64,
    pub bytes: i64,
}

/// A line that can't be read.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Wrong {
    pub file: String,
    pub line: u64,
    pub reason: &'static str,
}

pub struct Import<'a> {
    db: &'a Database,
    bucket: &'a str,
    /// Tries everything, keeps nothing.
    is_dry: bool,
    waiting: Vec<Fetch>,
    names: Vec<String>,
    pub report: Report,
}

impl<'a> Import<'a> {
    /// Of what this bucket has handed out.
    pub fn new(db: &'a Database, bucket: &'a str, is_dry: bool) -> Self {
        let (waiting, names, report) = (Vec::with_capacity(BATCH), Vec::new(), Report::default());
        Self { db, bucket, is_dry, waiting, names, report }
    }

    /// Reads one file to its end. Many small ones share a transaction: some of it may be kept by a later call only.
    pub async fn read(&mut self, name: &str, from: impl AsyncRead + Unpin) -> Result<(), ImportError> {
        self.report.files += 1;
        let name: String = name.chars().filter(|c| !c.is_control()).take(MOST_NAME).collect();
        if self.names.len() < MOST_NAMED {
            self.names.push(name.clone());
        }
        let mut lines = Lines::new(from);
        loop {
            let read = match lines.next().await? {
                None => return Ok(()),
                Some(Piece::Line(line)) if line.trim_ascii().is_empty() => continue,
                Some(Piece::Line(line)) => line::read(line, self.bucket),
                Some(Piece::TooLong) => Err(Unreadable("it is longer than any line of S3's")),
            };
            self.report.lines += 1;
            match read {
                Ok(read) => self.take(read),
                Err(Unreadable(reason)) => self.wrong(&name, lines.number, reason),
            }
            if self.waiting.len() >= BATCH {
                self.flush().await?;
            }
        }
    }

    /// The rest of it, and the run itself, unless it has changed nothing.
    pub async fn finish(mut self, actor: Actor<'_>, origin: &Origin, problems: u64) -> DbResult<Report> {
        self.flush().await?;
        if self.report.new.all() > 0 && !self.is_dry {
            let outcome = if problems == 0 && self.report.unreadable == 0 { Outcome::Success } else { Outcome::Failed };
            let event = Event::new(Action::AccessLogImported, outcome, actor, origin);
            let Report { files, lines, gets, new, already, unreadable, .. } = self.report;
            let told = json!({
                "bucket": self.bucket, "files": files, "names": self.names, "lines": lines, "gets": gets, "new": new,
                "already": already, "unreadable": unreadable, "unread_files": problems,
            });
            audit::record(&mut *self.db.get().await?, &event.detail(told)).await?;
        }
        Ok(self.report)
    }

    fn take(&mut self, read: Line) {
        match read {
            Line::Link(fetch) => {
                self.report.gets += 1;
                self.waiting.push(*fetch);
            }
            Line::NoLink { requester, bytes } => {
                self.report.without_link += 1;
                let requesters = &mut self.report.requesters;
                let name: String = match requester.as_str() {
                    "-" => "nobody (without credentials)".into(),
                    known if requesters.len() < MOST_REQUESTERS || requesters.contains_key(known) => {
                        known.chars().take(MOST_NAME).collect()
                    }
                    _ => "others".into(),
                };
                let requester = requesters.entry(name).or_default();
                requester.gets += 1;
                requester.bytes = requester.bytes.saturating_add(bytes);
            }
            Line::Check => self.report.checks += 1,
            Line::Other => {}
        }
    }

    fn wrong(&mut self, file: &str, line: u64, reason: &'static str) {
        self.report.unreadable += 1;
        if self.report.first_unreadable.len() < MOST_NAMED {
            self.report.first_unreadable.push(Wrong { file: file.into(), line, reason });
        }
    }

    async fn flush(&mut self) -> DbResult<()> {
        let mut batch = std::mem::take(&mut self.waiting);
        let read = batch.len() as u64;
        // The same line twice: the first counts.
        let mut seen = HashSet::new();
        batch.retain(|fetch| fetch.s3_request().is_some_and(|request| seen.insert(request.to_owned())));
        let is_dry = self.is_dry;
        let tally = self
            .db
            .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<Tally> {
                if is_dry {
                    let new = keep(batch, &unknown(connection, &seen).await?);
                    return Ok(Tally::of(&matching::find(connection, &new).await?));
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

/// Those that are events of nobody's yet, and are this transaction's now. Whoever reads the same file at the same time waits
/// for its end; in one order, so that no two wait for each other.
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

/// Those that are no events yet.
async fn unknown(connection: &mut AsyncPgConnection, requests: &HashSet<String>) -> QueryResult<HashSet<String>> {
    let known: Vec<String> = link_fetches::table
        .filter(link_fetches::s3_request.eq_any(requests))
        .select(link_fetches::s3_request)
        .load(connection)
        .await?;
    let known: HashSet<String> = known.into_iter().collect();
    Ok(requests.difference(&known).cloned().collect())
}
