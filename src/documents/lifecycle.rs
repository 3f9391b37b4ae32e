//! Between the row and its bytes: a document is `pending` while its object is put into the storage, and nobody sees it.
//!
//! 1. A transaction inserts the row as pending, or makes a waiting one pending for its place at a BOL.
//! 2. The object is put, with its SHA-256, under a key that must be new. No connection waits meanwhile.
//! 3. A transaction marks the row stored and writes the event.
//!
//! What ends a process in between leaves a pending row. Whoever brings the same file again takes it over; otherwise
//! [`super::sweep`] settles it.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::sleep;

use super::store::place;
use super::{Kind, key_for};
use crate::accounts::Viewer;
use crate::audit::{Action, Actor, Event, Origin, Outcome};
use crate::bols::{BolNumber, assign};
use crate::clock::Clock;
use crate::db::schema::{bols, customers, documents};
use crate::storage::{Content, ObjectKey, Storage, StorageError};

/// Pauses between attempts: the SDK can't repeat a body that it has read from a file.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// A row that waits for its object: this attempt of it.
#[derive(Clone, Debug)]
pub struct Pending {
    pub id: i64,
    pub bol_id: Option<i64>,
    pub key: ObjectKey,
    /// As in the row; another attempt has another.
    pub since: DateTime<Utc>,
}

/// The time of an attempt, as exactly as Postgres keeps it.
pub fn attempt(clock: &Clock) -> DateTime<Utc> {
    clock.now().trunc_subsecs(6)
}

/// How an attempt ended.
pub enum Finished {
    /// With its BOL, or in the inbox, as was meant.
    Stored(Subject),
    /// In the inbox: the BOL has become another customer's meanwhile. With the reason.
    Diverted(Subject, String),
    /// Another attempt was faster.
    Overtaken { number: Option<String> },
    /// Another attempt is under way, or has failed: nothing can be said of the document.
    Lost,
}

/// Puts the object; gives the key under which it is, which is another one if something else lies under its own.
pub async fn put(
    storage: &Storage,
    key: &ObjectKey,
    content: &Content,
    sha256: [u8; 32],
) -> Result<ObjectKey, StorageError> {
    let mut pauses = PAUSES.iter();
    loop {
        match (place(storage, key, content, sha256).await, pauses.next()) {
            (Ok((key, _)), _) => return Ok(key),
            (Err(StorageError::Unavailable(trouble)), Some(pause)) => {
                tracing::warn!(%trouble, %key, "putting an object is tried again");
                sleep(*pause).await;
            }
            (Err(error), _) => return Err(error),
        }
    }
}

/// The BOL before its documents, always, so that nobody waits for each other.
pub async fn lock_bol(connection: &mut AsyncPgConnection, bol_id: Option<i64>) -> QueryResult<()> {
    if let Some(bol_id) = bol_id {
        let row = bols::table.find(bol_id).select(bols::id).for_no_key_update();
        row.first::<i64>(connection).await?;
    }
    Ok(())
}

/// A document as the log has it.
#[derive(Clone, Debug, Queryable)]
pub struct Subject {
    pub id: i64,
    pub kind: String,
    pub file_name: String,
    pub object_key: String,
    pub sha256: Vec<u8>,
    pub bol_id: Option<i64>,
    pub bol_number: Option<String>,
    pub customer_id: Option<i64>,
    pub customer_code: Option<String>,
}

impl Subject {
    pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Self> {
        documents::table
            .left_join(bols::table)
            .left_join(customers::table.on(documents::customer_id.eq(customers::id.nullable())))
            .filter(documents::id.eq(id))
            .select((
                documents::id,
                documents::kind,
                documents::file_name,
                documents::object_key,
                documents::sha256,
                documents::bol_id,
                bols::number.nullable(),
                documents::customer_id,
                customers::code.nullable(),
            ))
            .first(connection)
            .await
    }

    pub fn event<'a>(&'a self, action: Action, actor: Actor<'a>, origin: &'a Origin) -> Event<'a> {
        let mut event = Event::new(action, Outcome::Success, actor, origin);
        (event.document_id, event.document_kind) = (Some(self.id), Some(self.kind.as_str()));
        (event.file_name, event.object_key) = (Some(self.file_name.as_str()), Some(self.object_key.as_str()));
        event.sha256 = Some(&self.sha256);
        (event.bol_id, event.bol_number) = (self.bol_id, self.bol_number.as_deref());
        (event.customer_id, event.customer_code) = (self.customer_id, self.customer_code.as_deref());
        event
    }
}

/// Marks it stored, and gives the BOL to the customer whose it is to be.
pub async fn finish(
    connection: &mut AsyncPgConnection,
    pending: &Pending,
    stored_under: &ObjectKey,
    (actor, origin): (Actor<'_>, &Origin),
    now: DateTime<Utc>,
) -> QueryResult<Finished> {
    lock_bol(connection, pending.bol_id).await?;
    let this = documents::table
        .find(pending.id)
        .filter(documents::state.eq("pending"))
        .filter(documents::object_key.eq(pending.key.as_str()));
    let wanted: Option<Option<i64>> =
        this.select(documents::pending_customer).for_update().first(connection).await.optional()?;
    let Some(wanted) = wanted else { return overtaken(connection, pending.id).await };
    let owner = match (pending.bol_id, wanted) {
        (Some(bol), Some(customer)) => assign::give_if_unowned(connection, bol, customer, actor, origin).await?,
        _ => None,
    };
    if let Some(owner) = owner {
        let number = Subject::find(connection, pending.id).await?.bol_number.unwrap_or_default();
        let reason = format!("{number} has become {owner}'s meanwhile.");
        back_to_inbox(connection, pending.id, stored_under.as_str(), &reason, now).await?;
        return Ok(Finished::Diverted(Subject::find(connection, pending.id).await?, reason));
    }
    // At a BOL nothing waits any more; in the inbox it still does.
    let waits = documents::bol_id.is_null();
    diesel::update(documents::table.find(pending.id))
        .set((
            documents::state.eq("stored"),
            documents::stored_at.eq(now),
            documents::object_key.eq(stored_under.as_str()),
            documents::waits_for.eq(case_when(waits, documents::waits_for).otherwise("")),
            documents::pending_at.eq(None::<DateTime<Utc>>),
            documents::pending_by.eq(None::<i64>),
            documents::pending_customer.eq(None::<i64>),
        ))
        .execute(connection)
        .await?;
    Subject::find(connection, pending.id).await.map(Finished::Stored)
}

async fn overtaken(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Finished> {
    let stored = documents::table.find(id).filter(documents::state.eq("stored")).select(documents::id);
    match stored.first::<i64>(connection).await.optional()? {
        Some(_) => Ok(Finished::Overtaken { number: Subject::find(connection, id).await?.bol_number }),
        None => Ok(Finished::Lost),
    }
}

async fn back_to_inbox(
    connection: &mut AsyncPgConnection,
    id: i64,
    key: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(documents::table.find(id))
        .set((
            documents::bol_id.eq(None::<i64>),
            documents::version.eq(1),
            documents::object_key.eq(key),
            documents::file_name.eq(documents::arrived_as),
            documents::waits_for.eq(reason),
            documents::state.eq("stored"),
            documents::stored_at.eq(now),
            documents::pending_at.eq(None::<DateTime<Utc>>),
            documents::pending_by.eq(None::<i64>),
            documents::pending_customer.eq(None::<i64>),
        ))
        .execute(connection)
        .await
        .map(drop)
}

/// It could not be stored: back where it was, in the inbox or nowhere; unless another attempt has taken over.
pub async fn take_back(connection: &mut AsyncPgConnection, pending: &Pending, now: DateTime<Utc>) -> QueryResult<()> {
    lock_bol(connection, pending.bol_id).await?;
    let this = documents::table
        .find(pending.id)
        .filter(documents::state.eq("pending"))
        .filter(documents::object_key.eq(pending.key.as_str()))
        .filter(documents::pending_at.eq(pending.since));
    let arrived: Option<(Option<String>, String)> =
        this.select((documents::arrived_key, documents::waits_for)).for_update().first(connection).await.optional()?;
    let Some((key, reason)) = arrived else { return Ok(()) };
    if let Some(key) = key {
        // The same bytes may wait there by themselves meanwhile.
        let others = documents::table.filter(documents::object_key.eq(&key)).filter(documents::id.ne(pending.id));
        if !diesel::select(diesel::dsl::exists(others)).get_result::<bool>(connection).await? {
            back_to_inbox(connection, pending.id, &key, &reason, now).await?;
            let there =
                diesel::update(documents::table.find(pending.id)).set(documents::arrived_key.eq(None::<String>));
            return there.execute(connection).await.map(drop);
        }
    }
    diesel::delete(documents::table.find(pending.id)).execute(connection).await.map(drop)
}

/// The next version of this kind at a BOL, whose row the caller holds, and its key. Pending ones count, and so do keys of
/// documents that were with this BOL once.
pub async fn next_version(
    connection: &mut AsyncPgConnection,
    (bol_id, number): (i64, &BolNumber),
    kind: Kind,
) -> QueryResult<(i32, ObjectKey)> {
    let last: Option<i32> = documents::table
        .filter(documents::bol_id.eq(bol_id))
        .filter(documents::kind.eq(kind.as_str()))
        .select(diesel::dsl::max(documents::version))
        .first(connection)
        .await?;
    let mut version = last.unwrap_or(0);
    loop {
        version += 1;
        let key = key_for(number, kind, version)
            .map_err(|_| diesel::result::Error::QueryBuilderError(format!("{number} makes no object key").into()))?;
        let is_it =
            documents::object_key.eq(key.as_str()).or(documents::arrived_key.eq(key.as_str()).assume_not_null());
        let taken = documents::table.filter(is_it);
        if !diesel::select(diesel::dsl::exists(taken)).get_result::<bool>(connection).await? {
            return Ok((version, key));
        }
    }
}

/// Makes a waiting document pending for its place at a BOL, whose row the caller holds. The object in the inbox stays where
/// it is.
pub async fn move_to(
    connection: &mut AsyncPgConnection,
    id: i64,
    (bol_id, kind, version): (i64, Kind, i32),
    key: &ObjectKey,
    customer: Option<i64>,
    by: &Viewer,
    since: DateTime<Utc>,
) -> QueryResult<usize> {
    let lies = case_when(documents::state.eq("stored"), documents::object_key.nullable());
    diesel::update(documents::table.find(id))
        .filter(documents::bol_id.is_null())
        .filter(documents::discarded_at.is_null())
        .set((
            documents::arrived_key.eq(lies),
            documents::bol_id.eq(bol_id),
            documents::kind.eq(kind.as_str()),
            documents::version.eq(version),
            documents::object_key.eq(key.as_str()),
            documents::file_name.eq(key.file_name()),
            documents::state.eq("pending"),
            documents::stored_at.eq(None::<DateTime<Utc>>),
            documents::stored_by.eq(&by.name),
            documents::pending_at.eq(since),
            documents::pending_by.eq(by.user_id),
            documents::pending_customer.eq(customer),
        ))
        .execute(connection)
        .await
}

/// A BOL as far as filing needs it, locked.
#[derive(Clone, Debug, Queryable)]
pub struct Place {
    pub id: i64,
    pub customer_id: Option<i64>,
    pub is_void: bool,
}

pub async fn locked_place(connection: &mut AsyncPgConnection, number: &BolNumber) -> QueryResult<Option<Place>> {
    bols::table
        .filter(bols::number.eq(number.as_str()))
        .select((bols::id, bols::customer_id, bols::voided_at.is_not_null()))
        .for_no_key_update()
        .first(connection)
        .await
        .optional()
}
