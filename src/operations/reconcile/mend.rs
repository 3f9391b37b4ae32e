//! Repairs that can't lose a byte.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::{Expected, ReconcileError};
use crate::audit::{self, Action, Actor, Origin};
use crate::clock::Clock;
use crate::db::Database;
use crate::db::schema::documents;
use crate::documents::lifecycle::{self, FileDigest, NewDocument};
use crate::documents::{DocumentSubject, Kind};
use crate::intake::{self, FileName, Screening};
use crate::storage::spool::{Spool, Spooled};
use crate::storage::{ObjectKey, Storage, StorageError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mended {
    /// The same bytes were under this key, and were copied back.
    From(String),
    /// No other object has these bytes.
    Nowhere,
}

/// Restores a missing object from another object with the same bytes.
pub async fn mend(
    db: &Database,
    storage: &Storage,
    spool: &Spool,
    missing: &Expected,
) -> Result<Mended, ReconcileError> {
    let copies: Vec<(String, Option<String>)> = documents::table
        .filter(documents::sha256.eq(&missing.sha256))
        .filter(documents::state.eq("stored"))
        .order(documents::id)
        .limit(20)
        .select((documents::object_key, documents::arrived_key))
        .load(&mut *db.get().await?)
        .await?;
    let (Ok(key), Ok(sha256)) = (missing.key.parse::<ObjectKey>(), <[u8; 32]>::try_from(&missing.sha256[..])) else {
        return Ok(Mended::Nowhere);
    };
    let others = copies.into_iter().flat_map(|(object, arrived)| [Some(object), arrived]).flatten();
    for other in others.filter(|other| *other != missing.key) {
        let Ok(from) = other.parse::<ObjectKey>() else { continue };
        if !storage.has_same(&from, missing.size, sha256).await? {
            continue;
        }
        let spooled = spool.fetch_hashed(storage, &from).await?;
        if spooled.sha256 == sha256 {
            let copy = FoundCopy { document: missing.document, key: &key, spooled: &spooled, from: &other };
            copy.put_back(db, storage).await?;
            return Ok(Mended::From(other));
        }
    }
    Ok(Mended::Nowhere)
}

/// The bytes of a document whose object is missing.
struct FoundCopy<'a> {
    document: i64,
    /// The document's own key.
    key: &'a ObjectKey,
    spooled: &'a Spooled,
    /// Where the bytes were found, for the event.
    from: &'a str,
}

impl FoundCopy<'_> {
    /// Puts the bytes under the document's own key, unless another object is there, and records that.
    async fn put_back(&self, db: &Database, storage: &Storage) -> Result<(), ReconcileError> {
        let Self { document, key, spooled, from } = *self;
        match storage.put(key, spooled.content(), spooled.sha256).await {
            Ok(()) => {}
            Err(StorageError::Exists(_)) if storage.has_same(key, spooled.size, spooled.sha256).await? => {}
            Err(error) => return Err(error.into()),
        }
        let recorded = db.transaction(async |connection: &mut AsyncPgConnection| {
            let (subject, origin) = (DocumentSubject::find(connection, document).await?, Origin::command_line());
            let event = subject.event(Action::DocumentMended, Actor::COMMAND_LINE, &origin);
            Ok(audit::record(connection, &event.detail(json!({"put_back_under": key.as_str(), "from": from}))).await?)
        });
        recorded.await
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// The object is now this document in the inbox.
    Document(i64),
    /// The object had the missing bytes of this document, which has them back.
    PutBack(i64),
    /// This document has the same bytes and its own object, so that the found object is not needed.
    SameAs(i64),
    /// The object is not an acceptable document, for this reason. It stays where it is.
    Unfit(String),
}

/// Adopts objects without a document into the inbox.
pub struct Adopter<'a> {
    pub db: &'a Database,
    pub storage: &'a Storage,
    pub clock: &'a Clock,
    pub spool: &'a Spool,
    pub screening: Screening<'a>,
    /// In bytes.
    pub max_bytes: u64,
}

impl Adopter<'_> {
    /// Registers the object as a document. The object stays where it is.
    pub async fn adopt(&self, key: &str, size: u64) -> Result<Adopted, ReconcileError> {
        let Ok(object) = key.parse::<ObjectKey>() else {
            return Ok(Adopted::Unfit("its key has characters that the portal doesn't use".into()));
        };
        if size == 0 || size > self.max_bytes {
            return Ok(Adopted::Unfit(format!("its size is {size} bytes")));
        }
        let spooled = self.spool.fetch_hashed(self.storage, &object).await?;
        if spooled.size != size {
            return Ok(Adopted::Unfit(format!("it was replaced during the run, and now has {} bytes", spooled.size)));
        }
        if let Some(known) = self.known(&spooled).await? {
            return Ok(known);
        }
        if let Some(format) = intake::photo_format(&spooled).await.map_err(StorageError::unavailable)? {
            return Ok(Adopted::Unfit(format!("it is a photo ({}). Upload it instead", format.label())));
        }
        // An adopted object is examined like an upload.
        let findings = match self.screening.screen(&spooled).await {
            Ok(Ok(findings)) => findings,
            Ok(Err(reason)) => return Ok(Adopted::Unfit(reason)),
            Err(error) => return Err(StorageError::unavailable(error).into()),
        };
        let name = FileName::cleaned(object.file_name());
        let digest = FileDigest { sha256: spooled.sha256, size };
        let new = NewDocument {
            file_name: name.as_str().into(),
            arrived_as: name.as_str().into(),
            stored_by: "Found in the storage".into(),
            waits_for: [format!("Found in the storage, without a document, as {key}.")]
                .into_iter()
                .chain(findings.quarantine())
                .collect::<Vec<_>>()
                .join(" "),
            quarantine: findings.quarantine().unwrap_or_default(),
            pages: findings.known_pages(),
            found: Some(self.screening.numbers_in(&findings, &name)),
            ..NewDocument::in_inbox(object, Kind::Other, digest)
        };
        self.insert(new).await
    }

    /// Finds a document with the same bytes, and restores its object if that is missing.
    async fn known(&self, spooled: &Spooled) -> Result<Option<Adopted>, ReconcileError> {
        let known: Vec<(i64, String)> = documents::table
            .filter(documents::sha256.eq(&spooled.sha256[..]))
            .filter(documents::state.eq("stored"))
            .order(documents::id)
            .select((documents::id, documents::object_key))
            .load(&mut *self.db.get().await?)
            .await?;
        let mut same = None;
        for (id, key) in known {
            let Ok(object) = key.parse::<ObjectKey>() else { continue };
            if self.storage.head(&object).await?.is_none() {
                let copy = FoundCopy { document: id, key: &object, spooled, from: "an object without a document" };
                copy.put_back(self.db, self.storage).await?;
                return Ok(Some(Adopted::PutBack(id)));
            }
            same = same.or(Some(Adopted::SameAs(id)));
        }
        Ok(same)
    }

    async fn insert(&self, new: NewDocument) -> Result<Adopted, ReconcileError> {
        let adopted = self.db.transaction(async |connection: &mut AsyncPgConnection| {
            // Someone may be uploading the same file now.
            let sha256 = &new.digest.sha256;
            intake::take_turns(connection, sha256).await?;
            let known = documents::table.filter(documents::sha256.eq(&sha256[..])).select(documents::id);
            if let Some(known) = known.first(connection).await.optional()? {
                return Ok(Adopted::SameAs(known));
            }
            let id = lifecycle::register(connection, &new, Some(self.clock.now())).await?;
            let (subject, origin) = (DocumentSubject::find(connection, id).await?, Origin::command_line());
            let event = subject.event(Action::DocumentAdopted, Actor::COMMAND_LINE, &origin);
            let mut detail = json!({"found_as": new.key.as_str()});
            if !new.quarantine.is_empty() {
                detail["quarantine"] = json!(new.quarantine);
            }
            audit::record(connection, &event.detail(detail)).await?;
            Ok(Adopted::Document(id))
        });
        adopted.await
    }
}
