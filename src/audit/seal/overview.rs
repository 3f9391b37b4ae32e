//! The state of sealing, as the integrity page shows it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{SealError, SealState};
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;

/// Counting of unsealed events stops here.
pub const MAX_COUNTED: i64 = 10_000;

pub struct Overview {
    /// How far the log is sealed, or why sealing has stopped.
    pub state: Result<SealState, String>,
    pub unsealed: Unsealed,
    /// The size of the newest checkpoint in the storage, and when it was chosen for it.
    pub published: Option<(i64, Option<DateTime<Utc>>)>,
    /// The number of checkpoints that wait to be put into the storage.
    pub unpublished: i64,
}

/// Events without a seal.
#[derive(QueryableByName)]
pub struct Unsealed {
    /// At most [`MAX_COUNTED`].
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub oldest: Option<DateTime<Utc>>,
}

impl Overview {
    pub async fn read(connection: &mut AsyncPgConnection, keys: &SealKeys) -> QueryResult<Self> {
        let state = match SealState::read(connection, keys).await {
            Ok(state) => Ok(state),
            Err(SealError::Db(crate::db::DbError::Query(error))) => return Err(error),
            Err(error) => Err(error.to_string()),
        };
        let (transaction, event) = state.as_ref().map_or((0, 0), |state| (state.transaction, state.event));
        let unsealed = diesel::sql_query(
            "SELECT count(*) AS count, min(occurred_at) AS oldest FROM \
             (SELECT occurred_at FROM audit_events WHERE (xact_id, id) > ($1::xid8, $2) ORDER BY xact_id, id LIMIT $3) e",
        )
        .bind::<Text, _>(transaction.to_string())
        .bind::<BigInt, _>(event)
        .bind::<BigInt, _>(MAX_COUNTED)
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
        Ok(Self { state, unsealed, published, unpublished })
    }
}
