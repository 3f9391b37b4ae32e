//! Request keys: sending a form or an API request twice issues one BOL.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::IssueError;
use crate::bols::Draft;
use crate::db::schema::{bol_requests, bols};

/// The BOL that a request issued.
pub struct Issued {
    pub id: i64,
    pub number: String,
    /// Whether an earlier request with the same key issued it.
    pub repeated: bool,
}

/// Takes the key for this request, or returns the BOL that an earlier request issued with it.
///
/// A second request with the same key waits here until the transaction of the first one has ended.
pub async fn claim(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    key: &str,
    draft: &Draft,
) -> Result<Option<Issued>, IssueError> {
    let digest = draft.digest();
    let row = (bol_requests::user_id.eq(user_id), bol_requests::key.eq(key), bol_requests::digest.eq(&digest[..]));
    let claimed = diesel::insert_into(bol_requests::table).values(row).on_conflict_do_nothing().execute(connection);
    if claimed.await? == 1 {
        return Ok(None);
    }
    let (earlier, id, number): (Vec<u8>, i64, String) = bol_requests::table
        .inner_join(bols::table.on(bol_requests::bol_id.eq(bols::id.nullable())))
        .filter(bol_requests::user_id.eq(user_id))
        .filter(bol_requests::key.eq(key))
        .select((bol_requests::digest, bols::id, bols::number))
        .first(connection)
        .await?;
    if earlier == digest { Ok(Some(Issued { id, number, repeated: true })) } else { Err(IssueError::KeyReused) }
}

/// Stores which BOL the key stands for.
pub async fn settle(connection: &mut AsyncPgConnection, user_id: i64, key: &str, bol_id: i64) -> QueryResult<()> {
    diesel::update(bol_requests::table.find((user_id, key)))
        .set(bol_requests::bol_id.eq(bol_id))
        .execute(connection)
        .await
        .map(drop)
}
