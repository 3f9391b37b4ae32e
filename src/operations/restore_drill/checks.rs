//! The checks of a restored database. Each one is made, whatever the others find.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::contents::{RestoredContents, RestoredDocument, random_documents};
use super::dump_file::DumpFile;
use super::report::{Check, MAX_FINDINGS};
use super::{RestoreDrill, hours};
use crate::audit::seal::Checkpoint;
use crate::audit::verify::{ExpectedRetention, Progress, Verification};
use crate::bols::weight::grouped;
use crate::clock::Clock;
use crate::config::DatabaseUrl;
use crate::db::schema::audit_checkpoints;
use crate::db::{Database, DbResult};
use crate::operations::reconcile::{Comparison, Depth, Difference};
use crate::storage::{ObjectKey, StorageError};

const AGE: &str = "age";
const LOG: &str = "log";
const STORAGE: &str = "storage";
const DOWNLOADS: &str = "downloads";
/// Documents that are looked at for each download, because some may be archived.
const CANDIDATES: usize = 10;
/// The name of the live log's checkpoint in a finding.
const LIVE_CHECKPOINT: &str = "the checkpoint of the live log";

pub struct Checks<'a> {
    pub drill: &'a RestoreDrill<'a>,
    /// The restored database.
    pub db: &'a Database,
    pub url: &'a DatabaseUrl,
    pub contents: &'a RestoredContents,
    /// Everything before this time is in the dump.
    pub as_of: DateTime<Utc>,
}

impl Checks<'_> {
    /// Checks that the dump is recent: the file, and what is in it. A copy of an old dump is a new file.
    pub async fn age(&self, dump: &DumpFile) -> Check {
        let now = self.drill.clock.now();
        let is_old = |at: &DateTime<Utc>| now - *at > self.drill.max_age;
        let limit = self.drill.max_age.num_hours();
        let mut findings = Vec::new();
        if is_old(&dump.modified_at) {
            let age = hours(dump.modified_at, now);
            findings.push(format!("the file is {age} hours old, and {limit} are allowed; look at the backup job"));
        }
        match self.first_missing().await {
            Ok(missing) => {
                if let Some(since) = missing.filter(is_old) {
                    findings.push(format!(
                        "the dump lacks everything since {}, {} hours ago, and {limit} are allowed; look at the backup job",
                        since.format("%Y-%m-%d %H:%M UTC"),
                        hours(since, now)
                    ));
                }
            }
            Err(error) => return Check::broken(AGE, error),
        }
        let newest = self.as_of.format("%Y-%m-%d %H:%M UTC");
        Check::new(AGE, format!("the newest event in the dump is of {newest}"), findings)
    }

    /// Returns when the live log sealed the first events that the dump lacks, or `None` if it lacks none.
    async fn first_missing(&self) -> DbResult<Option<DateTime<Utc>>> {
        let note: Option<String> = audit_checkpoints::table
            .filter(audit_checkpoints::size.gt(self.contents.sealed))
            .order(audit_checkpoints::size)
            .select(audit_checkpoints::note)
            .first(&mut *self.drill.live.get().await?)
            .await
            .optional()?;
        // A damaged checkpoint of the live log is for `audit verify` there.
        Ok(note.and_then(|note| Checkpoint::open(&note, self.drill.keys).ok()).map(|open| open.stated.sealed_at))
    }

    /// Verifies the restored log, as `audit verify --database-only` does, and that it is a beginning of the live one.
    pub async fn log(&self) -> Check {
        let live = match self.live_checkpoint().await {
            Ok(note) => note,
            Err(error) => return Check::broken(LOG, error),
        };
        let mut findings = Vec::new();
        if live.is_none() && self.contents.sealed > 0 {
            let sealed = grouped(self.contents.sealed);
            findings.push(format!(
                "the live log has no checkpoint of {sealed} events, so the dump is of another portal, or the live log was cut"
            ));
        }
        let retention = ExpectedRetention { configured: self.drill.retention, required: None };
        let kept = live.map(|note| (LIVE_CHECKPOINT.to_owned(), note)).into_iter().collect();
        let (keys, progress) = (self.drill.keys, Progress::default());
        let verification = Verification { db: self.db, keys, storage: None, kept, witness: None, retention, progress };
        let report = match verification.run().await {
            Ok(report) => report,
            Err(error) => return Check::broken(LOG, error),
        };
        findings.extend(report.differences);
        let [events, sealed] = [report.events, report.sealed].map(|count| grouped(count.cast_signed()));
        Check::new(LOG, format!("{events} events and {sealed} seals compared"), findings)
    }

    /// Returns the live log's checkpoint of the size of the restored log.
    async fn live_checkpoint(&self) -> DbResult<Option<String>> {
        let note = audit_checkpoints::table.find(self.contents.sealed).select(audit_checkpoints::note);
        Ok(note.first(&mut *self.drill.live.get().await?).await.optional()?)
    }

    /// Compares the restored rows with the storage, as `storage reconcile --sizes` would have done when the dump was
    /// made: the clock stands at that time. Younger objects count as uploads in progress.
    pub async fn storage(&self) -> Check {
        let clock = Clock::stopped(self.as_of);
        let comparison = Comparison { db: self.db, storage: self.drill.storage, clock: &clock, depth: Depth::Sizes };
        let mut findings = Vec::new();
        let report = |difference: Difference| {
            if findings.len() < MAX_FINDINGS {
                findings.push(format!("{} {}", difference.word(), difference.key()));
            }
        };
        match comparison.run(report, |_| {}).await {
            Ok(compared) => {
                let count = |count: u64| grouped(count.cast_signed());
                let detail = format!(
                    "{} keys and {} objects compared by size, {} of them newer than the dump or in progress, {} differences",
                    count(compared.expected),
                    count(compared.listed - compared.others),
                    count(compared.under_way),
                    count(compared.differences)
                );
                Check::new(STORAGE, detail, findings)
            }
            Err(error) => Check::broken(STORAGE, error),
        }
    }

    /// Fetches random documents, and compares their bytes with the restored rows. Archived documents can't be read for
    /// hours, so others take their place.
    pub async fn downloads(&self) -> Check {
        let wanted = self.drill.downloads;
        let documents = match random_documents(self.url, wanted.saturating_mul(CANDIDATES)).await {
            Ok(documents) => documents,
            Err(error) => return Check::broken(DOWNLOADS, error),
        };
        let (mut fetched, mut archived, mut findings) = (0, 0, Vec::new());
        for document in &documents {
            if fetched + findings.len() == wanted {
                break;
            }
            match self.fetch(document).await {
                Ok(()) => fetched += 1,
                Err(Mismatch::Archived) => archived += 1,
                Err(Mismatch::Other(why)) => findings.push(format!("{}: {why}", document.object_key)),
            }
        }
        if fetched == 0 && findings.is_empty() && archived > 0 {
            findings.push("every document that was tried is archived, so none could be fetched".into());
        }
        let tried = fetched + findings.len();
        findings.truncate(MAX_FINDINGS);
        let skipped = if archived > 0 { format!(", {archived} archived ones left out") } else { String::new() };
        Check::new(DOWNLOADS, format!("{fetched} of {tried} documents fetched as recorded{skipped}"), findings)
    }

    async fn fetch(&self, document: &RestoredDocument) -> Result<(), Mismatch> {
        let key: ObjectKey = document.object_key.parse().map_err(|_| Mismatch::other("not a key of the portal"))?;
        match self.drill.spool.fetch_hashed(self.drill.storage, &key).await {
            Ok(found) if i64::try_from(found.size) != Ok(document.size_bytes) => {
                Err(Mismatch::Other(format!("{} bytes, but {} are recorded", found.size, document.size_bytes)))
            }
            Ok(found) if found.sha256[..] != document.sha256 => {
                Err(Mismatch::other("the bytes differ from the recorded SHA-256"))
            }
            Ok(_) => Ok(()),
            Err(StorageError::Missing(_)) => Err(Mismatch::other("the object is missing")),
            Err(StorageError::Archived(_)) => Err(Mismatch::Archived),
            Err(error) => Err(Mismatch::Other(error.to_string())),
        }
    }
}

/// Why a document could not be fetched as recorded.
enum Mismatch {
    Archived,
    Other(String),
}

impl Mismatch {
    fn other(why: &str) -> Self {
        Self::Other(why.into())
    }
}
