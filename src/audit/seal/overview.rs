//! How the sealing is getting on, at a glance.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{SealError, Tail};
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;

/// More aren't counted.
pub const MOST_WAITING: i64 = 10_000;

pub struct Overview {
    /// Or why nothing more is sealed.
    pub tail: Result<Tail, String>,
    pub waiting: Waiting,
    /// The size of the newest checkpoint in the storage, and when it was chosen for it.
    pub published: Option<(i64, Option<DateTime<Utc>>)>,
    /// Checkpoints that should be in the storage and aren't yet.
    pub unpublished: i64,
}

/// Events without a seal.
#[derive(QueryableByName)]
pub struct Waiting {
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub oldest: Option<DateTime<Utc>>,
}

impl Overview {
    pub async fn read(connection: &mut AsyncPgConnection, keys: &SealKeys) -> QueryResult<Self> {
        let tail = match Tail::of(connection, keys).await {
            Ok(tail) => Ok(tail),
            Err(SealError::Db(crate::db::DbError::Query(error))) => return Err(error),
            Err(error) => Err(error.to_string()),
        };
        let (transaction, event) = tail.as_ref().map_or((0, 0), |tail| (tail.transaction, tail.event));
        let waiting = diesel::sql_query(
            "SELECT count(*) AS count, min(occurred_at) AS oldest FROM \
             (SELECT occurred_at FROM audit_events WHERE (xact_id, id) > ($1::xid8, $2) ORDER BY xact_id, id LIMIT $3) e",
        )
        .bind::<Text, _>(transaction.to_string())
        .bind::<BigInt, _>(event)
        .bind::<BigInt, _>(MOST_WAITING)
        .get_result(connection)
        .await?;
        let published = audit_checkpoints::table
            .filter(audit_checkpoints::is_published)
            .order(audit_checkpoints::size.desc())
            .select((audit_checkpoints::size, audit_checkpoints::publish_at))
            .first(connection)
            .await
            .optional()?;
        let unpublished = audit_checkpoints::table
            .filter(audit_checkpoints::publish_at.is_not_null())
            .filter(diesel::dsl::not(audit_checkpoints::is_published))
            .count()
            .get_result(connection)
            .await?;
        Ok(Self { tail, waiting, published, unpublished })
    }
}
