//! A restore drill: restores the newest dump into a scratch database, and checks what came back.
//!
//! Reads the live database and the storage, and writes one event into the live log. The scratch database disappears in
//! any case.

mod checks;
mod contents;
mod dump_file;
mod report;
mod scratch;

use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use self::checks::Checks;
use self::contents::RestoredContents;
use self::dump_file::DumpFile;
use self::scratch::Scratch;
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::config::{DatabaseUrl, SealKeys};
use crate::db::dump::{RestoreError, restore};
use crate::db::{Database, DbError, DbResult, connect, guard, migrations};
use crate::storage::Storage;
use crate::storage::spool::Spool;

pub use dump_file::DumpFileError;
pub use report::{Check, DrillReport, DumpFacts, Restored};
pub use scratch::ScratchError;

/// What a drill uses, and what it accepts.
pub struct RestoreDrill<'a> {
    pub live: &'a Database,
    pub live_url: &'a DatabaseUrl,
    pub storage: &'a Storage,
    pub spool: &'a Spool,
    pub keys: &'a SealKeys,
    pub clock: &'a Clock,
    /// `AUDIT_RETENTION_YEARS`.
    pub retention: Option<u16>,
    /// A dump, or a folder of dumps.
    pub dump: &'a Path,
    pub scratch: ScratchPlace<'a>,
    /// The number of documents to fetch.
    pub downloads: usize,
    pub max_age: TimeDelta,
}

/// Where the dump is restored.
#[derive(Clone, Copy)]
pub enum ScratchPlace<'a> {
    /// A private cluster in a new folder below this one.
    Private(&'a Path),
    /// An empty database.
    Given(&'a DatabaseUrl),
}

/// What a drill does now, for a terminal.
#[derive(Clone, Copy, Debug)]
pub enum DrillProgress {
    Step(&'static str),
    /// Bytes of the dump that were read, of all.
    Restored(u64, u64),
}

#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    #[error(transparent)]
    Dump(#[from] DumpFileError),
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("the dump isn't one of a portal: it has no list of migrations")]
    NotThePortal,
    #[error("a newer version of the portal made the dump: this one lacks the migrations {0}; update primetrade here")]
    NewerSchema(String),
    #[error("the restored database can't be brought up to date: {0}")]
    Migrations(String),
    #[error("the dump changed while it was restored: a backup is still writing it, so run the drill after the backup")]
    Changed,
    #[error("the restored database can't be read: {0}")]
    Db(#[from] DbError),
    #[error("the drill was interrupted")]
    Interrupted,
}

crate::db::query_error_into!(DrillError);

impl From<diesel::ConnectionError> for DrillError {
    fn from(error: diesel::ConnectionError) -> Self {
        DbError::Unreachable(error.to_string()).into()
    }
}

impl RestoreDrill<'_> {
    /// Runs the drill until it ends or is interrupted, and removes the scratch database in both cases. What fails is part
    /// of the report.
    pub async fn run(&self, interrupted: impl Future<Output = ()>, progress: &dyn Fn(DrillProgress)) -> DrillReport {
        let started = Instant::now();
        let (mut report, mut scratch) = (DrillReport::default(), None);
        let ended = tokio::select! {
            ended = self.restore_and_check(&mut report, &mut scratch, progress) => ended,
            () = interrupted => Err(DrillError::Interrupted),
        };
        report.reason = ended.err().map(|error| error.to_string());
        if let Some(scratch) = scratch {
            progress(DrillProgress::Step("removing the scratch database"));
            if let Err(error) = scratch.remove().await {
                report.add_reason(&error.to_string());
            }
        }
        report.seconds = started.elapsed().as_secs();
        report
    }

    /// Leaves the scratch database to the caller, who removes it also after an error.
    async fn restore_and_check(
        &self,
        report: &mut DrillReport,
        slot: &mut Option<Scratch>,
        progress: &dyn Fn(DrillProgress),
    ) -> Result<(), DrillError> {
        let dump = DumpFile::open(self.dump)?;
        report.dump = Some(dump.facts(self.clock.now()));
        progress(DrillProgress::Step("preparing the scratch database"));
        let scratch = &*slot.insert(Scratch::open(self.scratch, self.live_url).await?);
        let url = scratch.url();
        guard::prepare_roles(url).await.map_err(migration)?;
        progress(DrillProgress::Step("restoring the dump"));
        let read = |position| progress(DrillProgress::Restored(position, dump.size));
        let left_out = restore(&dump.file, url, scratch.server(), read).await?;
        if dump.has_changed() {
            return Err(DrillError::Changed);
        }
        progress(DrillProgress::Step("applying migrations, and mending rights"));
        let applied = bring_up_to_date(url).await?;
        let contents = RestoredContents::read(url).await?;
        report.restored = Some(contents.restored(applied, left_out));
        let db = Database::new(url, 4);
        let checks = Checks { drill: self, db: &db, url, contents: &contents, as_of: contents.as_of(dump.modified_at) };
        report.checks.push(checks.age(&dump).await);
        progress(DrillProgress::Step("verifying the log"));
        report.checks.push(checks.log().await);
        progress(DrillProgress::Step("comparing the documents with the storage"));
        report.checks.push(checks.storage().await);
        progress(DrillProgress::Step("fetching documents"));
        report.checks.push(checks.downloads().await);
        Ok(())
    }

    /// Records the drill in the live log.
    pub async fn record(&self, report: &DrillReport) -> DbResult<()> {
        let outcome = if report.has_passed() { Outcome::Success } else { Outcome::Failed };
        let origin = Origin::command_line();
        let event = Event::new(Action::RestoreDrilled, outcome, Actor::COMMAND_LINE, &origin);
        Ok(audit::record(&*self.live.get().await?, &event.detail(serde_json::json!(report))).await?)
    }
}

fn migration(error: impl std::fmt::Display) -> DrillError {
    DrillError::Migrations(error.to_string())
}

/// Applies the migrations that the dump lacks, mends the rights as `migrate` does, and returns what was applied. Refuses
/// a dump of a newer program.
async fn bring_up_to_date(url: &DatabaseUrl) -> Result<Vec<String>, DrillError> {
    let unknown = migrations::unknown(&mut connect(url).await?).await.map_err(migration)?;
    match unknown.ok_or(DrillError::NotThePortal)? {
        unknown if unknown.is_empty() => {}
        unknown => return Err(DrillError::NewerSchema(unknown.join(", "))),
    }
    Ok(guard::set_up(url, url).await.map_err(migration)?.applied)
}

/// Returns whole hours, for people.
fn hours(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_hours()
}
