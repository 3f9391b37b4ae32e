//! The end of an attempt: the document is stored, or back where it was.

use chrono::{DateTime, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::begin::Pending;
use crate::audit::{Actor, Origin};
use crate::bols::assign;
use crate::db::schema::{bols, documents};
use crate::documents::subject::DocumentSubject;
use crate::storage::ObjectKey;

/// How an attempt ended.
pub enum Finished {
    /// The document is stored with its BOL, or in the inbox, as intended.
    Stored(DocumentSubject),
    /// The document is in the inbox, because the BOL was given to another customer during the attempt.
    Diverted { subject: DocumentSubject, reason: String },
    /// Another attempt stored the document first, with this BOL.
    AlreadyStored { number: Option<String> },
    /// Another attempt is in progress or has failed. The state of the document is unknown.
    Superseded,
}

/// Locks the row of a BOL. Every transaction locks the BOL before its documents, which rules out deadlocks.
pub async fn lock_bol(connection: &mut AsyncPgConnection, bol_id: Option<i64>) -> QueryResult<()> {
    if let Some(bol_id) = bol_id {
        let row = bols::table.find(bol_id).select(bols::id).for_no_key_update();
        row.first::<i64>(connection).await?;
    }
    Ok(())
}

/// Marks a document stored, and gives a BOL without an owner to the customer that the attempt named.
pub async fn finish(
    connection: &mut AsyncPgConnection,
    pending: &Pending,
    stored_under: &ObjectKey,
    (actor, origin): (Actor<'_>, &Origin),
    now: DateTime<Utc>,
) -> QueryResult<Finished> {
    lock_bol(connection, pending.bol_id).await?;
    let row = documents::table
        .find(pending.id)
        .filter(documents::state.eq("pending"))
        .filter(documents::object_key.eq(pending.key.as_str()));
    let customer: Option<Option<i64>> =
        row.select(documents::pending_customer).for_update().first(connection).await.optional()?;
    let Some(customer) = customer else { return after_another_attempt(connection, pending.id).await };
    let owner = match (pending.bol_id, customer) {
        (Some(bol), Some(customer)) => assign::give_if_unowned(connection, bol, customer, actor, origin).await?,
        _ => None,
    };
    if let Some(owner) = owner {
        let number = DocumentSubject::find(connection, pending.id).await?.bol_number.unwrap_or_default();
        let reason = format!("{number} was assigned to {owner} during the upload.");
        move_to_inbox(connection, pending.id, stored_under.as_str(), &reason, now).await?;
        settle_original(connection, pending.id, now).await?;
        let subject = DocumentSubject::find(connection, pending.id).await?;
        return Ok(Finished::Diverted { subject, reason });
    }
    // Only a document in the inbox keeps the reason why it waits.
    let in_inbox = documents::bol_id.is_null();
    diesel::update(documents::table.find(pending.id))
        .set((
            documents::state.eq("stored"),
            documents::stored_at.eq(now),
            documents::object_key.eq(stored_under.as_str()),
            documents::waits_for.eq(case_when(in_inbox, documents::waits_for).otherwise("")),
            documents::pending_at.eq(None::<DateTime<Utc>>),
            documents::pending_by.eq(None::<i64>),
            documents::pending_token.eq(None::<i64>),
            documents::pending_customer.eq(None::<i64>),
        ))
        .execute(connection)
        .await?;
    settle_original(connection, pending.id, now).await?;
    DocumentSubject::find(connection, pending.id).await.map(Finished::Stored)
}

/// Takes the original of a cleaned copy, or the photo of a PDF, out of the inbox or the bin.
async fn settle_original(connection: &mut AsyncPgConnection, copy: i64, now: DateTime<Utc>) -> QueryResult<()> {
    let original: Option<i64> = documents::table.find(copy).select(documents::original_id).first(connection).await?;
    if let Some(original) = original {
        diesel::update(documents::table.find(original))
            .set((documents::cleaned_at.eq(now), documents::discarded_at.eq(None::<DateTime<Utc>>)))
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn after_another_attempt(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Finished> {
    let stored = documents::table.find(id).filter(documents::state.eq("stored")).select(documents::id);
    match stored.first::<i64>(connection).await.optional()? {
        Some(_) => Ok(Finished::AlreadyStored { number: DocumentSubject::find(connection, id).await?.bol_number }),
        None => Ok(Finished::Superseded),
    }
}

async fn move_to_inbox(
    connection: &mut AsyncPgConnection,
    id: i64,
    key: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(documents::table.find(id))
        .set((
            documents::bol_id.eq(None::<i64>),
            documents::released_by.eq(""),
            documents::version.eq(1),
            documents::object_key.eq(key),
            documents::file_name.eq(documents::arrived_as),
            documents::waits_for.eq(reason),
            documents::state.eq("stored"),
            documents::stored_at.eq(now),
            documents::pending_at.eq(None::<DateTime<Utc>>),
            documents::pending_by.eq(None::<i64>),
            documents::pending_token.eq(None::<i64>),
            documents::pending_customer.eq(None::<i64>),
        ))
        .execute(connection)
        .await
        .map(drop)
}

/// Undoes an attempt: moves the document back to the inbox if it came from there, and deletes it otherwise. Does
/// nothing if another attempt has taken over.
pub async fn abort(connection: &mut AsyncPgConnection, pending: &Pending, now: DateTime<Utc>) -> QueryResult<()> {
    lock_bol(connection, pending.bol_id).await?;
    let row = documents::table
        .find(pending.id)
        .filter(documents::state.eq("pending"))
        .filter(documents::object_key.eq(pending.key.as_str()))
        .filter(documents::pending_at.eq(pending.since));
    let arrived: Option<(Option<String>, String)> =
        row.select((documents::arrived_key, documents::waits_for)).for_update().first(connection).await.optional()?;
    let Some((key, reason)) = arrived else { return Ok(()) };
    if let Some(key) = key {
        // Another upload of the same bytes may have taken its place in the inbox.
        let others = documents::table.filter(documents::object_key.eq(&key)).filter(documents::id.ne(pending.id));
        if !diesel::select(diesel::dsl::exists(others)).get_result::<bool>(connection).await? {
            move_to_inbox(connection, pending.id, &key, &reason, now).await?;
            return diesel::update(documents::table.find(pending.id))
                .set(documents::arrived_key.eq(None::<String>))
                .execute(connection)
                .await
                .map(drop);
        }
    }
    diesel::delete(documents::table.find(pending.id)).execute(connection).await.map(drop)
}

/// Moves an uploaded document from its BOL to the inbox. `reason` makes the reason from the BOL's number.
/// Returns the document as it was with its BOL. `None`: it is not an uploaded, stored document of a BOL.
pub async fn unfile(
    connection: &mut AsyncPgConnection,
    id: i64,
    reason: impl FnOnce(&str) -> String,
) -> QueryResult<Option<DocumentSubject>> {
    let uploaded = documents::table
        .find(id)
        .filter(documents::state.eq("stored"))
        .filter(documents::arrived_as.ne(""))
        .filter(documents::bol_id.is_not_null())
        .select(documents::bol_id.assume_not_null());
    let Some(bol_id) = uploaded.first(connection).await.optional()? else { return Ok(None) };
    lock_bol(connection, Some(bol_id)).await?;
    let subject = DocumentSubject::find(connection, id).await?;
    let Some(number) = subject.bol_number.as_deref().filter(|_| subject.bol_id == Some(bol_id)) else {
        return Ok(None);
    };
    let changed = diesel::update(documents::table.find(id).filter(documents::state.eq("stored")))
        .set((
            documents::bol_id.eq(None::<i64>),
            documents::released_by.eq(""),
            documents::version.eq(1),
            documents::file_name.eq(documents::arrived_as),
            documents::waits_for.eq(reason(number)),
        ))
        .execute(connection)
        .await?;
    Ok((changed > 0).then_some(subject))
}
