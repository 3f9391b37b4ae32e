//! The row of a document, inserted as pending or, for an object that is already in the storage, as stored.

use chrono::{DateTime, SubsecRound, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::version::Slot;
use crate::accounts::Viewer;
use crate::bols::DocumentKind as Kind;
use crate::clock::Clock;
use crate::db::schema::documents;
use crate::storage::ObjectKey;

/// SHA-256 and size of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileDigest {
    pub sha256: [u8; 32],
    /// In bytes.
    pub size: u64,
}

/// A document to be inserted.
#[derive(Clone, Debug)]
pub struct NewDocument {
    /// `None`: the document waits in the inbox.
    pub bol_id: Option<i64>,
    pub kind: Kind,
    pub version: i32,
    pub key: ObjectKey,
    pub file_name: String,
    pub digest: FileDigest,
    pub uploaded_by: Option<i64>,
    /// The name of the person who stores it; empty if that is unknown.
    pub stored_by: String,
    /// The name of the uploaded file; empty for a PDF that the portal printed.
    pub arrived_as: String,
    pub pages: Option<usize>,
    /// The BOL numbers found in the file, by source.
    pub found: Option<serde_json::Value>,
    /// Why it waits in the inbox.
    pub waits_for: String,
    /// Why only the office may open it; empty for a file that only shows pages.
    pub quarantine: String,
    /// The quarantined document of which it is a cleaned copy, or the photo of which it was made.
    pub original_id: Option<i64>,
}

impl NewDocument {
    /// A version of a BOL's document.
    pub fn at_bol(slot: Slot, digest: FileDigest) -> Self {
        let Slot { bol_id, kind, version, key } = slot;
        Self { bol_id: Some(bol_id), version, ..Self::in_inbox(key, kind, digest) }
    }

    /// A document that waits in the inbox.
    pub fn in_inbox(key: ObjectKey, kind: Kind, digest: FileDigest) -> Self {
        Self {
            bol_id: None,
            kind,
            version: 1,
            file_name: key.file_name().to_owned(),
            key,
            digest,
            uploaded_by: None,
            stored_by: String::new(),
            arrived_as: String::new(),
            pages: None,
            found: None,
            waits_for: String::new(),
            quarantine: String::new(),
            original_id: None,
        }
    }

    fn row<'a>(&'a self, state: &'static str) -> DocumentRow<'a> {
        DocumentRow {
            bol_id: self.bol_id,
            kind: self.kind.as_str(),
            version: self.version,
            object_key: self.key.as_str(),
            file_name: &self.file_name,
            content_type: self.key.content_type(),
            sha256: &self.digest.sha256,
            size_bytes: i64::try_from(self.digest.size).unwrap_or(i64::MAX),
            state,
            uploaded_by: self.uploaded_by,
            stored_by: &self.stored_by,
            arrived_as: &self.arrived_as,
            pages: self.pages.and_then(|pages| pages.try_into().ok()),
            found: self.found.as_ref(),
            waits_for: &self.waits_for,
            quarantine: &self.quarantine,
            original_id: self.original_id,
            stored_at: None,
            pending_at: None,
            pending_by: None,
            pending_token: None,
            pending_customer: None,
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = documents)]
struct DocumentRow<'a> {
    bol_id: Option<i64>,
    kind: &'static str,
    version: i32,
    object_key: &'a str,
    file_name: &'a str,
    content_type: &'static str,
    sha256: &'a [u8],
    size_bytes: i64,
    state: &'static str,
    uploaded_by: Option<i64>,
    stored_by: &'a str,
    arrived_as: &'a str,
    pages: Option<i32>,
    found: Option<&'a serde_json::Value>,
    waits_for: &'a str,
    quarantine: &'a str,
    original_id: Option<i64>,
    stored_at: Option<DateTime<Utc>>,
    pending_at: Option<DateTime<Utc>>,
    pending_by: Option<i64>,
    pending_token: Option<i64>,
    pending_customer: Option<i64>,
}

/// An attempt at storing a document: by whom, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    by: &'a Viewer,
    pub since: DateTime<Utc>,
}

impl<'a> Attempt<'a> {
    pub fn new(by: &'a Viewer, clock: &Clock) -> Self {
        // Postgres keeps microseconds.
        Self { by, since: clock.now().trunc_subsecs(6) }
    }

    fn token(&self) -> Option<i64> {
        self.by.token().map(|token| token.id)
    }
}

/// A document that waits for its object.
#[derive(Clone, Debug)]
pub struct Pending {
    pub id: i64,
    pub bol_id: Option<i64>,
    pub key: ObjectKey,
    pub sha256: [u8; 32],
    /// Identifies the attempt: another attempt at the same document has another time.
    pub since: DateTime<Utc>,
}

/// Inserts a pending document. `customer` becomes the owner of its BOL if the BOL has none when the document is stored.
pub async fn begin(
    connection: &mut AsyncPgConnection,
    new: &NewDocument,
    customer: Option<i64>,
    attempt: Attempt<'_>,
) -> QueryResult<Pending> {
    let row = DocumentRow {
        pending_at: Some(attempt.since),
        pending_by: Some(attempt.by.user_id),
        pending_token: attempt.token(),
        pending_customer: customer,
        ..new.row("pending")
    };
    let id = insert(connection, row).await?;
    Ok(Pending { id, bol_id: new.bol_id, key: new.key.clone(), sha256: new.digest.sha256, since: attempt.since })
}

/// Makes a document of the inbox pending for its place at a BOL, whose row the caller has locked. The object in the
/// inbox stays where it is. `None`: the document is no longer in the inbox.
pub async fn begin_filing(
    connection: &mut AsyncPgConnection,
    (id, sha256): (i64, [u8; 32]),
    slot: Slot,
    customer: Option<i64>,
    attempt: Attempt<'_>,
) -> QueryResult<Option<Pending>> {
    let Slot { bol_id, kind, version, key } = slot;
    let object_in_inbox = case_when(documents::state.eq("stored"), documents::object_key.nullable());
    let changed = diesel::update(documents::table.find(id))
        .filter(documents::bol_id.is_null())
        .filter(documents::discarded_at.is_null())
        .filter(documents::cleaned_at.is_null())
        .set((
            documents::arrived_key.eq(object_in_inbox),
            documents::bol_id.eq(bol_id),
            documents::kind.eq(kind.as_str()),
            documents::version.eq(version),
            documents::object_key.eq(key.as_str()),
            documents::file_name.eq(key.file_name()),
            documents::state.eq("pending"),
            documents::stored_at.eq(None::<DateTime<Utc>>),
            documents::stored_by.eq(&attempt.by.name),
            documents::pending_at.eq(attempt.since),
            documents::pending_by.eq(attempt.by.user_id),
            documents::pending_token.eq(attempt.token()),
            documents::pending_customer.eq(customer),
        ))
        .execute(connection)
        .await?;
    Ok((changed > 0).then_some(Pending { id, bol_id: Some(bol_id), key, sha256, since: attempt.since }))
}

/// Lets a quarantined document of the inbox be filed as it is, until it returns to the inbox.
pub async fn release(connection: &mut AsyncPgConnection, id: i64, by: &Viewer) -> QueryResult<()> {
    let quarantined = documents::table.find(id).filter(documents::quarantine.ne(""));
    diesel::update(quarantined).set(documents::released_by.eq(&by.name)).execute(connection).await.map(drop)
}

/// Takes over a pending document whose earlier attempt was interrupted or is slower.
pub async fn resume(
    connection: &mut AsyncPgConnection,
    earlier: Pending,
    attempt: Attempt<'_>,
) -> QueryResult<Pending> {
    diesel::update(documents::table.find(earlier.id).filter(documents::state.eq("pending")))
        .set((
            documents::pending_at.eq(attempt.since),
            documents::pending_by.eq(attempt.by.user_id),
            documents::pending_token.eq(attempt.token()),
        ))
        .execute(connection)
        .await?;
    Ok(Pending { since: attempt.since, ..earlier })
}

/// Inserts the document of an object that is already in the storage, and returns its id.
pub async fn register(
    connection: &mut AsyncPgConnection,
    new: &NewDocument,
    stored_at: Option<DateTime<Utc>>,
) -> QueryResult<i64> {
    insert(connection, DocumentRow { stored_at, ..new.row("stored") }).await
}

/// Does the same for many objects. Postgres takes at most 65,535 parameters, 22 for each.
pub async fn register_all(
    connection: &mut AsyncPgConnection,
    new: &[(NewDocument, DateTime<Utc>)],
) -> QueryResult<usize> {
    let rows: Vec<_> =
        new.iter().map(|(new, stored_at)| DocumentRow { stored_at: Some(*stored_at), ..new.row("stored") }).collect();
    diesel::insert_into(documents::table).values(rows).execute(connection).await
}

async fn insert(connection: &mut AsyncPgConnection, row: DocumentRow<'_>) -> QueryResult<i64> {
    diesel::insert_into(documents::table).values(row).returning(documents::id).get_result(connection).await
}
