//! Request keys: a form or a request of the API that is sent twice is carried out once.
//!
//! The keys of all operations share one name space for each user, so a key that another operation has used is refused.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};

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

/// The key of a request, and a hash of what it asks for.
#[derive(Clone, Copy, Debug)]
pub struct RequestKey<'a> {
    key: &'a str,
    digest: [u8; 32],
}

impl<'a> RequestKey<'a> {
    /// The key of a new BOL.
    pub(super) fn of_draft(key: &'a str, draft: &Draft) -> Self {
        Self { key, digest: draft.digest() }
    }

    /// The key of an operation on a BOL. `parts` are what it asks for, without confirmations.
    pub fn of_operation(key: &'a str, operation: &str, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in [operation].iter().chain(parts) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self { key, digest: hash.finalize().into() }
    }
}

/// Takes the key for this request, or returns the BOL of the earlier request with it.
///
/// A second request with the same key waits here until the transaction of the first one has ended.
pub async fn claim(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    RequestKey { key, digest }: RequestKey<'_>,
) -> Result<Option<Issued>, IssueError> {
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
pub async fn settle(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    key: RequestKey<'_>,
    bol_id: i64,
) -> QueryResult<()> {
    diesel::update(bol_requests::table.find((user_id, key.key)))
        .set(bol_requests::bol_id.eq(bol_id))
        .execute(connection)
        .await
        .map(drop)
}
