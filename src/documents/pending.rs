//! Between the row and its bytes: a document is `pending` while its object is put into the storage, and nobody sees it.
//!
//! 1. A transaction inserts the row as pending, or makes a waiting one pending for its place at a BOL.
//! 2. The object is put, with its SHA-256, under a key that must be new. No connection waits meanwhile.
//! 3. A transaction marks the row stored and writes the event.
//!
//! What ends a process in between leaves a pending row. Whoever brings the same file again takes it over; otherwise the
//! sweeper settles it: stored if the object is there, back in the inbox if it came from there, gone if nothing arrived.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::sleep;

use super::store::place;
use super::{Kind, key_for};
use crate::accounts::Viewer;
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::bols::BolNumber;
use crate::clock::Clock;
use crate::db::schema::{bols, customers, documents, users};
use crate::db::{Database, DbError, DbResult};
use crate::storage::{Content, ObjectKey, Storage, StorageError};

/// Longer than the longest upload takes with all its attempts.
const GIVEN_UP: TimeDelta = TimeDelta::minutes(15);
const SWEEP: Duration = Duration::from_secs(60);
const AT_ONCE: i64 = 50;
/// Pauses between attempts: the SDK can't repeat a body that it has read from a file.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// A row that waits for its object.
#[derive(Clone, Debug)]
pub struct Pending {
    pub id: i64,
    pub bol_id: Option<i64>,
    pub key: ObjectKey,
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
            (Err(StorageError::Unavailable(cause)), Some(pause)) => {
                tracing::warn!(cause, %key, "putting an object is tried again");
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

/// Marks it stored; `None`: somebody else has settled it meanwhile, or it is gone.
pub async fn finish(
    connection: &mut AsyncPgConnection,
    pending: &Pending,
    stored_under: &ObjectKey,
    now: DateTime<Utc>,
) -> QueryResult<Option<Subject>> {
    lock_bol(connection, pending.bol_id).await?;
    let changed = diesel::update(documents::table.find(pending.id))
        .filter(documents::state.eq("pending"))
        .filter(documents::object_key.eq(pending.key.as_str()))
        .set((
            documents::state.eq("stored"),
            documents::stored_at.eq(now),
            documents::pending_at.eq(None::<DateTime<Utc>>),
            documents::object_key.eq(stored_under.as_str()),
        ))
        .execute(connection)
        .await?;
    if changed == 0 { Ok(None) } else { Subject::find(connection, pending.id).await.map(Some) }
}

/// It could not be stored: back where it was, in the inbox or nowhere.
pub async fn take_back(connection: &mut AsyncPgConnection, pending: &Pending, now: DateTime<Utc>) -> QueryResult<()> {
    lock_bol(connection, pending.bol_id).await?;
    let row = documents::table.find(pending.id).filter(documents::state.eq("pending"));
    let arrived: Option<(Option<String>, String)> =
        row.select((documents::arrived_key, documents::arrived_as)).for_update().first(connection).await.optional()?;
    match arrived {
        None => Ok(()),
        Some((None, _)) => diesel::delete(documents::table.find(pending.id)).execute(connection).await.map(drop),
        Some((Some(key), name)) => diesel::update(documents::table.find(pending.id))
            .set((
                documents::bol_id.eq(None::<i64>),
                documents::version.eq(1),
                documents::object_key.eq(key),
                documents::file_name.eq(name),
                documents::arrived_key.eq(None::<String>),
                documents::state.eq("stored"),
                documents::stored_at.eq(now),
                documents::pending_at.eq(None::<DateTime<Utc>>),
            ))
            .execute(connection)
            .await
            .map(drop),
    }
}

/// Settles what others left behind, again and again, for as long as it is polled. Any number of processes may do so.
pub async fn sweep(db: Database, storage: Storage, clock: Clock) {
    loop {
        sleep(SWEEP).await;
        match sweep_once(&db, &storage, &clock).await {
            Ok(0) => {}
            Ok(settled) => tracing::info!(settled, "uploads that were interrupted are settled"),
            Err(error) => tracing::warn!(%error, "interrupted uploads could not be settled"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<diesel::result::Error> for SweepError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// How many were settled.
pub async fn sweep_once(db: &Database, storage: &Storage, clock: &Clock) -> Result<usize, SweepError> {
    let before = clock.now() - GIVEN_UP;
    let old: Vec<Id> = {
        let mut connection = db.get().await?;
        diesel::sql_query(
            "SELECT id FROM documents WHERE state = 'pending' AND pending_at < $1 ORDER BY pending_at LIMIT $2",
        )
        .bind::<diesel::sql_types::Timestamptz, _>(before)
        .bind::<BigInt, _>(AT_ONCE)
        .load(&mut connection)
        .await?
    };
    let mut settled = 0;
    for Id { id } in old {
        settled += usize::from(settle(db, storage, clock, id).await?);
    }
    Ok(settled)
}

async fn settle(db: &Database, storage: &Storage, clock: &Clock, id: i64) -> Result<bool, SweepError> {
    let find = async |connection: &mut AsyncPgConnection| {
        documents::table
            .find(id)
            .filter(documents::state.eq("pending"))
            .filter(documents::pending_at.lt(clock.now() - GIVEN_UP))
            .select((documents::bol_id, documents::object_key, documents::size_bytes, documents::sha256))
            .first::<(Option<i64>, String, i64, Vec<u8>)>(connection)
            .await
            .optional()
    };
    let Some((bol_id, key, size, sha256)) = find(&mut *db.get().await?).await? else { return Ok(false) };
    let (Ok(key), Ok(sha256)) = (key.parse::<ObjectKey>(), <[u8; 32]>::try_from(sha256)) else { return Ok(false) };
    let there = storage.has_same(&key, size.unsigned_abs(), sha256).await?;
    let pending = Pending { id, bol_id, key: key.clone() };
    let done: DbResult<bool> = db
        .transaction(async |connection: &mut AsyncPgConnection| {
            lock_bol(connection, bol_id).await?;
            // Somebody may have taken it over while we looked.
            if find(connection).await?.is_none_or(|found| found.1 != key.as_str()) {
                return Ok(false);
            }
            if !there {
                take_back(connection, &pending, clock.now()).await?;
                return Ok(true);
            }
            let Some(subject) = finish(connection, &pending, &key, clock.now()).await? else { return Ok(false) };
            let by: Option<(i64, String, String)> = documents::table
                .inner_join(users::table.on(documents::uploaded_by.eq(users::id.nullable())))
                .filter(documents::id.eq(id))
                .select((users::id, users::email, users::role))
                .first(connection)
                .await
                .optional()?;
            let (user_id, email, role) = by.map(|(id, email, role)| (Some(id), email, Some(role))).unwrap_or_default();
            let actor = Actor { user_id, email: &email, role: role.as_deref() };
            let origin = Origin { user_agent: "settled after an interruption".into(), ..Origin::default() };
            let event = subject.event(Action::DocumentUploaded, actor, &origin);
            audit::record(connection, &event.detail(serde_json::json!({"settled": "after an interruption"}))).await?;
            Ok(true)
        })
        .await;
    Ok(done?)
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
    by: &Viewer,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let lies = case_when(documents::state.eq("stored"), documents::object_key.nullable());
    diesel::update(documents::table.find(id).filter(documents::bol_id.is_null()))
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
            documents::pending_at.eq(now),
            documents::waits_for.eq(""),
            documents::discarded_at.eq(None::<DateTime<Utc>>),
            documents::discarded_by.eq(""),
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
