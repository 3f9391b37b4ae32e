//! Migration of PDFs from a local folder to the bucket: every BOL's PDF, and every other document that the portal
//! stored.
//!
//! The migration only reads local files. It puts each object under a key that must be new, verifies its checksum, and
//! only then inserts its row. After any interruption, the next run continues.

mod checkpoints;
mod rows;
mod source;
mod tally;

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error::DatabaseError;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

use self::rows::{Bol, StoredObject};
use self::source::Local;
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::bols::BolNumber;
use crate::clock::Clock;
use crate::config::ClamdAddress;
use crate::db::schema::bols;
use crate::db::{Database, DbError, DbResult};
use crate::documents::lifecycle::version::{Slot, key_for};
use crate::documents::lifecycle::{self, FileDigest, NewDocument};
use crate::documents::{DocumentSubject, Kind};
use crate::intake::clamd;
use crate::storage::{ObjectInfo, ObjectKey, Storage, StorageError};

pub use self::source::Source;
pub use self::tally::{Fate, Moved, Tally};

/// Files moved at a time.
const MAX_AT_ONCE: usize = 8;
/// Pauses between attempts at one request.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15)];

pub struct Migration<'a> {
    pub db: &'a Database,
    pub bucket: &'a Storage,
    pub clock: &'a Clock,
    pub source: &'a Source,
    pub dry_run: bool,
    /// Trust an existing object of the same size. Compare its checksum only if the bucket keeps one.
    pub skip_existing: bool,
    pub clamd: Option<&'a ClamdAddress>,
}

/// An object to move: its key, the places where the file may be, and its recorded checksum.
struct MoveTarget<'a> {
    key: ObjectKey,
    places: Vec<String>,
    recorded: Option<&'a StoredObject>,
}

/// Retries a request while its failure may be temporary.
async fn with_retries<T>(mut request: impl AsyncFnMut() -> Result<T, StorageError>) -> Result<T, String> {
    let mut pauses = PAUSES.iter();
    loop {
        let error = match request().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let is_passing = matches!(&error, StorageError::Unavailable(failure) if failure.cause.is_passing());
        let Some(pause) = pauses.next().filter(|_| is_passing) else { return Err(error.to_string()) };
        tracing::warn!(%error, "retrying in {} s", pause.as_secs_f32());
        sleep(*pause).await;
    }
}

/// The properties of moved bytes, for the row and the event.
#[derive(Clone, Copy)]
struct MovedBytes<'a> {
    sha256: [u8; 32],
    size: u64,
    from: &'a str,
}

impl Migration<'_> {
    pub async fn bol_count(&self) -> DbResult<i64> {
        Ok(bols::table.count().get_result(&mut *self.db.get().await?).await?)
    }

    /// Moves the PDF of every BOL in the order of numbers, then every other document.
    pub async fn run(&self, mut report: impl FnMut(Moved)) -> DbResult<(Tally, Tally)> {
        let (mut of_bols, mut of_others) = (Tally::default(), Tally::default());
        let mut after = (0, 0);
        loop {
            let page = rows::bols(self.db, after).await?;
            let Some(last) = page.last() else { break };
            after = (last.year, last.seq);
            let mut moving = stream::iter(&page).map(|bol| self.bol(bol)).buffered(MAX_AT_ONCE);
            while let Some(moved) = moving.next().await {
                of_bols.count(&moved.fate);
                report(moved);
            }
        }
        for is_arrived in [false, true] {
            let mut after = 0;
            loop {
                let page = match is_arrived {
                    false => rows::others(self.db, after).await?,
                    true => rows::arrived(self.db, after).await?,
                };
                let Some(last) = page.last() else { break };
                after = last.id;
                let mut moving = stream::iter(&page).map(|recorded| self.other(recorded)).buffered(MAX_AT_ONCE);
                while let Some(moved) = moving.next().await {
                    of_others.count(&moved.fate);
                    report(moved);
                }
            }
        }
        if !self.dry_run {
            self.record_run(of_bols, of_others).await?;
        }
        Ok((of_bols, of_others))
    }

    async fn bol(&self, bol: &Bol) -> Moved {
        let moved = |key: String, fate| Moved { name: bol.number.clone(), key, fate, is_other: false };
        let Ok(number) = bol.number.parse::<BolNumber>() else {
            return moved(
                String::new(),
                Fate::Failed("the BOL number contains characters that an object key can't".into()),
            );
        };
        let key = match &bol.recorded {
            Some(recorded) => recorded.object_key.parse(),
            None => key_for(&number, Kind::Bol, 1),
        };
        let key: ObjectKey = match key {
            Ok(key) => key,
            Err(error) => return moved(String::new(), Fate::Failed(error.to_string())),
        };
        let target =
            MoveTarget { key: key.clone(), places: bol.places(&number, &key), recorded: bol.recorded.as_ref() };
        moved(key.to_string(), self.moved_or_failed(&target, Some(bol)).await)
    }

    async fn other(&self, recorded: &StoredObject) -> Moved {
        let moved = |fate| {
            let name = recorded.object_key.rsplit('/').next().unwrap_or_default().to_owned();
            Moved { name, key: recorded.object_key.clone(), fate, is_other: true }
        };
        let Ok(key) = recorded.object_key.parse::<ObjectKey>() else {
            return moved(Fate::Failed("its key is not one of the portal's".into()));
        };
        let places = vec![recorded.object_key.clone()];
        moved(self.moved_or_failed(&MoveTarget { key, places, recorded: Some(recorded) }, None).await)
    }

    async fn moved_or_failed(&self, target: &MoveTarget<'_>, bol: Option<&Bol>) -> Fate {
        match self.move_object(target, bol).await {
            Ok(fate) => fate,
            Err(why) => Fate::Failed(why),
        }
    }

    async fn move_object(&self, target: &MoveTarget<'_>, bol: Option<&Bol>) -> Result<Fate, String> {
        let there = with_retries(async || self.bucket.head(&target.key).await).await?;
        let expected = target.recorded.map(|recorded| recorded.sha256.as_slice());
        let Some(local) = self.source.find(&target.places, expected).await? else {
            return match there {
                Some(there) => self.only_there(target, there, bol).await,
                None => Ok(Fate::Missing),
            };
        };
        if let Some(recorded) = target.recorded.filter(|recorded| recorded.sha256 != local.sha256) {
            return Err(format!("{} differs from document {} as it was stored (SHA-256)", local.place, recorded.id));
        }
        let fate = match there {
            Some(there) if self.is_same(target, &local, there).await? => Fate::Exists,
            Some(there) => {
                return Err(format!(
                    "{} exists already with different content and was left as it is ({} bytes there, {} here)",
                    target.key, there.size, local.size
                ));
            }
            None if self.dry_run => return Ok(Fate::WouldUpload),
            None => {
                self.scan(&local).await?;
                self.upload(target, &local).await?
            }
        };
        if !self.dry_run {
            let bytes = MovedBytes { sha256: local.sha256, size: local.size, from: &local.place };
            self.note(target, bytes, bol, &fate).await.map_err(|error| error.to_string())?;
        }
        Ok(fate)
    }

    /// Handles an object that only the bucket has. An earlier run moved it, or the old system put it there; the latter
    /// has no row yet.
    async fn only_there(&self, target: &MoveTarget<'_>, there: ObjectInfo, bol: Option<&Bol>) -> Result<Fate, String> {
        match target.recorded {
            Some(recorded) if there.size != recorded.size_bytes.unsigned_abs() => {
                return Err(format!(
                    "{} has {} bytes in the bucket, but {} are recorded",
                    target.key, there.size, recorded.size_bytes
                ));
            }
            Some(_) => {}
            None if there.size == 0 => return Err(format!("{} is empty in the bucket", target.key)),
            None if self.dry_run => {}
            None => {
                let sha256 = match there.sha256 {
                    Some(sha256) => sha256,
                    None => with_retries(async || self.bucket.hash(&target.key).await).await?,
                };
                let bytes = MovedBytes { sha256, size: there.size, from: "the bucket" };
                self.note(target, bytes, bol, &Fate::OnlyThere).await.map_err(|error| error.to_string())?;
            }
        }
        Ok(Fate::OnlyThere)
    }

    async fn is_same(&self, target: &MoveTarget<'_>, local: &Local, there: ObjectInfo) -> Result<bool, String> {
        match there.sha256 {
            _ if there.size != local.size => Ok(false),
            Some(sha256) => Ok(sha256 == local.sha256),
            // An object without a row needs its checksum for the row.
            None if self.skip_existing && target.recorded.is_some() => Ok(true),
            None => Ok(with_retries(async || self.bucket.hash(&target.key).await).await? == local.sha256),
        }
    }

    /// Scans the file for viruses, if a scanner is configured.
    async fn scan(&self, local: &Local) -> Result<(), String> {
        let Some(address) = self.clamd else { return Ok(()) };
        match clamd::scan(address, local.file()).await {
            Ok(clamd::Scan::Clean) => Ok(()),
            Ok(clamd::Scan::Infected(name)) => Err(format!("{}: the virus scanner found {name} in it", local.place)),
            Ok(clamd::Scan::TooLarge) => Err(format!("{}: larger than the virus scanner accepts", local.place)),
            Err(error) => Err(format!("clamd: {error}")),
        }
    }

    async fn upload(&self, target: &MoveTarget<'_>, local: &Local) -> Result<Fate, String> {
        let is_there = with_retries(async || {
            match self.bucket.put(&target.key, local.content(), local.sha256).await {
                // Another run has just put it, or the response to this request was lost. The checksum decides.
                Ok(()) | Err(StorageError::Exists(_)) => {
                    self.bucket.has_same(&target.key, local.size, local.sha256).await
                }
                Err(error) => Err(error),
            }
        });
        match is_there.await? {
            true => Ok(Fate::Uploaded),
            false => Err(format!("{} differs from what was uploaded (SHA-256)", target.key)),
        }
    }

    /// Registers a PDF that has no row, and records the event.
    async fn note(
        &self,
        target: &MoveTarget<'_>,
        bytes: MovedBytes<'_>,
        bol: Option<&Bol>,
        fate: &Fate,
    ) -> DbResult<()> {
        let is_new = target.recorded.is_none();
        if !is_new && *fate != Fate::Uploaded {
            return Ok(());
        }
        let noted = self
            .db
            .transaction(async |connection: &mut AsyncPgConnection| {
                // Suppresses notices to customers, because these documents are old.
                diesel::sql_query("SET LOCAL portal.quiet = 'on'").execute(connection).await?;
                let id = match (target.recorded, bol) {
                    (Some(recorded), _) => recorded.id,
                    (None, Some(bol)) => self.insert(connection, target, bytes, bol).await?,
                    (None, None) => return Ok(()),
                };
                let (subject, origin) = (DocumentSubject::find(connection, id).await?, Origin::command_line());
                let event = subject.event(Action::PdfsMigrated, Actor::COMMAND_LINE, &origin);
                let detail = json!({"from": bytes.from, "found_there": *fate != Fate::Uploaded});
                Ok(audit::record(connection, &event.detail(detail)).await?)
            })
            .await;
        match noted {
            // Another run of this command was first.
            Err(DbError::Query(DatabaseError(UniqueViolation, _))) => Ok(()),
            noted => noted,
        }
    }

    async fn insert(
        &self,
        connection: &mut AsyncPgConnection,
        target: &MoveTarget<'_>,
        bytes: MovedBytes<'_>,
        bol: &Bol,
    ) -> QueryResult<i64> {
        let slot = Slot { bol_id: bol.id, kind: Kind::Bol, version: 1, key: target.key.clone() };
        let new = NewDocument::at_bol(slot, FileDigest { sha256: bytes.sha256, size: bytes.size });
        // The best guess: the document was stored when the truck left.
        let stored_at = bol.bol_date.and_hms_opt(12, 0, 0).map(|noon| noon.and_utc());
        lifecycle::register(connection, &new, stored_at).await
    }

    /// Records the run and its totals.
    async fn record_run(&self, of_bols: Tally, of_others: Tally) -> DbResult<()> {
        let counts = |tally: Tally| {
            json!({"total": tally.total, "found": tally.found, "missing": tally.missing, "only_in_bucket": tally.only_there,
                   "uploaded": tally.uploaded, "skipped": tally.skipped, "errors": tally.errors})
        };
        let origin = Origin::command_line();
        let event = Event::new(Action::PdfsMigrated, Outcome::Success, Actor::COMMAND_LINE, &origin)
            .detail(json!({"bols": counts(of_bols), "other_documents": counts(of_others), "at": self.clock.now()}));
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| Ok(audit::record(connection, &event).await?))
            .await
    }
}
