//! Sends checkpoints to a witness: every one in the storage, and the newest one, that the witness doesn't have.
//!
//! Checks first that the log has only grown, so that a witness never holds two histories. Only reads the database.

use chrono::{DateTime, Utc};
use diesel::dsl::max;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::file::NoteFile;
use super::growth::{Growth, PAGE, notes};
use super::stored::{Put, Stored};
use super::web::{Listing, Web};
use super::{Access, Contents, Witness, WitnessError};
use crate::audit::seal::Checkpoint;
use crate::config::SealKeys;
use crate::db::Database;
use crate::db::schema::audit_checkpoints;

const MAX_CONCURRENT_REQUESTS: usize = 16;

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    pub place: String,
    /// Checkpoints that this run has sent.
    pub sent: u64,
    /// Checkpoints in the witness now. `None` if it can't be listed.
    pub present: Option<u64>,
    /// Events of the newest checkpoint in the witness.
    pub events: Option<u64>,
    pub sealed_at: Option<DateTime<Utc>>,
}

/// What the witness had before.
struct Known {
    /// In ascending order. `None` if it can't be listed.
    sizes: Option<Vec<u64>>,
    newest: Option<Checkpoint>,
}

impl From<Contents> for Known {
    fn from(contents: Contents) -> Self {
        let sizes = contents.checkpoints.iter().map(|(size, _)| *size).collect();
        Self { sizes: Some(sizes), newest: contents.newest }
    }
}

impl Witness {
    /// Sends what is missing. Sends nothing if the log isn't a continuation of what the witness has.
    pub async fn send(&self, db: &Database, keys: &SealKeys) -> Result<Sent, WitnessError> {
        // Listed before the snapshot is taken: the database then has every checkpoint that the witness has.
        let mut file = self.locked_file()?;
        let known = self.known(keys, file.as_mut()).await?;
        let mut snapshot = db.snapshot().await?;
        let mut to_send = to_send(snapshot.connection(), known.sizes.as_deref()).await?;
        if file.is_some() {
            // Nothing can be inserted.
            to_send.retain(|size| known.newest.as_ref().is_none_or(|newest| *size > newest.size));
        }
        let growth = Growth { place: &self.place, keys, witnessed: known.newest.as_ref(), to_send: &to_send };
        let newest = growth.check(&mut snapshot).await?;
        let mut sent = 0;
        for page in to_send.chunks(PAGE) {
            let page = notes(snapshot.connection(), page).await?;
            let page = page.into_iter().map(|(size, note)| (size.cast_unsigned(), note));
            sent += match (&self.access, &mut file) {
                (Access::Folder(_, stored) | Access::Bucket(stored), _) => put_all(stored, page).await?,
                (Access::Web(web), _) => post_all(web, page).await?,
                (Access::File(_), None) => unreachable!("the file is locked above"),
                (Access::File(_), Some(file)) => {
                    file.append(page.map(|(_, note)| note)).map_err(|error| self.unreadable(&error))?
                }
            };
        }
        let newest = newest.into_iter().chain(known.newest).max_by_key(|checkpoint| checkpoint.size);
        Ok(Sent {
            place: self.place.clone(),
            sent,
            present: known.sizes.map(|sizes| (sizes.len() + to_send.len()) as u64),
            events: newest.as_ref().map(|newest| newest.size),
            sealed_at: newest.map(|newest| newest.stated.sealed_at),
        })
    }

    fn locked_file(&self) -> Result<Option<NoteFile>, WitnessError> {
        let Access::File(path) = &self.access else { return Ok(None) };
        NoteFile::lock(path).map(Some).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &std::io::Error) -> WitnessError {
        WitnessError::Unreadable { place: self.place.clone(), why: error.to_string() }
    }

    async fn known(&self, keys: &SealKeys, file: Option<&mut NoteFile>) -> Result<Known, WitnessError> {
        if let Some(file) = file {
            let contents = file.read(&self.place, keys).map_err(|error| self.unreadable(&error))?;
            return Ok(self.sound(contents)?.into());
        }
        match &self.access {
            Access::File(_) => unreachable!("the file is locked before"),
            Access::Folder(_, stored) | Access::Bucket(stored) => {
                stored.prepare()?;
                let (sizes, _) = stored.sizes().await?;
                let newest = match sizes.last() {
                    Some(size) => self.sound(stored.read_one(*size, keys).await?)?.newest,
                    None => None,
                };
                Ok(Known { sizes: Some(sizes), newest })
            }
            Access::Web(web) => match web.get().await? {
                Listing::None(_) => Ok(Known { sizes: None, newest: None }),
                Listing::Notes(notes) => Ok(self.sound(self.contents_of(&notes, keys)?)?.into()),
            },
        }
    }

    /// Returns the contents, or the first fault in them.
    fn sound(&self, mut contents: Contents) -> Result<Contents, WitnessError> {
        if contents.faults.is_empty() {
            return Ok(contents);
        }
        Err(WitnessError::Faulty { place: self.place.clone(), fault: contents.faults.swap_remove(0) })
    }
}

/// Returns the sizes of the checkpoints to send, in ascending order. To a witness without a listing, only the newest.
async fn to_send(connection: &mut AsyncPgConnection, known: Option<&[u64]>) -> Result<Vec<u64>, WitnessError> {
    let newest: Option<i64> = audit_checkpoints::table.select(max(audit_checkpoints::size)).first(connection).await?;
    let newest = newest.map(i64::cast_unsigned);
    let Some(known) = known else { return Ok(newest.into_iter().collect()) };
    let published: Vec<i64> = audit_checkpoints::table
        .filter(audit_checkpoints::is_published)
        .order(audit_checkpoints::size)
        .select(audit_checkpoints::size)
        .load(connection)
        .await?;
    let mut sizes: Vec<u64> = published.into_iter().map(i64::cast_unsigned).collect();
    if sizes.last() != newest.as_ref() {
        sizes.extend(newest);
    }
    sizes.retain(|size| known.binary_search(size).is_err());
    Ok(sizes)
}

/// Returns how many of these were sent. Another run can have sent the others at the same time.
async fn put_all(stored: &Stored, page: impl Iterator<Item = (u64, String)>) -> Result<u64, WitnessError> {
    let puts = stream::iter(page.map(|(size, note)| stored.put(size, note)));
    let puts = puts.buffered(MAX_CONCURRENT_REQUESTS);
    puts.try_fold(0, |sent, put| async move { Ok(sent + u64::from(put == Put::Sent)) }).await
}

/// Sends one after the other, so that the service gets them in their order.
async fn post_all(web: &Web, page: impl Iterator<Item = (u64, String)>) -> Result<u64, WitnessError> {
    let mut sent = 0;
    for (size, note) in page {
        web.post(size, note).await?;
        sent += 1;
    }
    Ok(sent)
}
