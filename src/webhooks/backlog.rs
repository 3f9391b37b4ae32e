//! What waits to be sent, for the metrics.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Double, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// The messages of webhooks that are on.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Backlog {
    /// At most [`Backlog::MAX_COUNTED`].
    #[diesel(sql_type = BigInt)]
    pub messages: i64,
    /// The age of the oldest of them in seconds, or 0.
    #[diesel(sql_type = Double)]
    pub oldest_seconds: f64,
    /// Webhooks whose last attempt failed.
    #[diesel(sql_type = BigInt)]
    pub failing: i64,
}

impl Backlog {
    pub const MAX_COUNTED: i64 = 10_000;

    /// Reads as many rows as messages wait, by an index that has no others.
    pub async fn read(mut connection: &AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Self> {
        diesel::sql_query(
            "SELECT count(*) AS messages, coalesce(greatest(extract(epoch FROM $1 - min(created_at)), 0), 0)::float8 AS oldest_seconds, \
             (SELECT count(*) FROM webhooks WHERE stopped_at IS NULL AND failures > 0) AS failing \
             FROM (SELECT d.created_at FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id AND d.state = 'waiting' \
                   WHERE w.stopped_at IS NULL LIMIT $2) AS waiting",
        )
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(Self::MAX_COUNTED)
        .get_result(&mut connection)
        .await
    }
}
