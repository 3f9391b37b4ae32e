//! What waits for a seal, for the metrics.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Double};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::MAX_COUNTED;

/// The unsealed end of the log, as the last checkpoint states it.
///
/// Cheap enough to be read every few seconds: one row of the checkpoints, and as many events as wait, in the order of
/// the index. The signature is not checked, which [`Overview`](super::Overview) does. While a restored log is sealed anew,
/// its transactions have other numbers, and the figures mean nothing.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Backlog {
    /// At most [`MAX_COUNTED`].
    #[diesel(sql_type = BigInt)]
    pub events: i64,
    /// The age of the oldest of them in seconds, or 0.
    #[diesel(sql_type = Double)]
    pub oldest_seconds: f64,
    /// Checkpoints that wait to be put into the storage.
    #[diesel(sql_type = BigInt)]
    pub unpublished: i64,
}

const STATEMENT: &str = r#"
WITH last AS MATERIALIZED (
    SELECT substring(note FROM '"transaction":([0-9]+)')::xid8 AS transaction,
           substring(note FROM '"event":(-?[0-9]+)')::bigint AS event
    FROM audit_checkpoints ORDER BY size DESC LIMIT 1)
SELECT count(*) AS events,
       coalesce(extract(epoch FROM statement_timestamp() - min(occurred_at)), 0)::float8 AS oldest_seconds,
       (SELECT count(*) FROM audit_checkpoints WHERE publish_at IS NOT NULL AND NOT is_published) AS unpublished
FROM (SELECT occurred_at FROM audit_events
      WHERE (xact_id, id) > (coalesce((SELECT transaction FROM last), '0'::xid8), coalesce((SELECT event FROM last), 0))
      ORDER BY xact_id, id LIMIT $1) AS unsealed"#;

impl Backlog {
    pub async fn read(mut connection: &AsyncPgConnection) -> QueryResult<Self> {
        diesel::sql_query(STATEMENT).bind::<BigInt, _>(MAX_COUNTED).get_result(&mut connection).await
    }
}
