//! Reads the events of an hour in one pass, oldest first.

use std::pin::pin;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Inet, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;
use ipnet::IpNet;

/// What the look needs of an event.
#[derive(Clone, Debug, QueryableByName)]
pub(super) struct LogEntry {
    #[diesel(sql_type = Timestamptz)]
    pub occurred_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub action: String,
    #[diesel(sql_type = Text)]
    pub outcome: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub user_id: Option<i64>,
    /// In lower case.
    #[diesel(sql_type = Nullable<Text>)]
    pub user_email: Option<String>,
    #[diesel(sql_type = Nullable<Inet>)]
    pub ip: Option<IpNet>,
    /// The id of the document, or a number of its own for an event that names none.
    #[diesel(sql_type = BigInt)]
    pub document: i64,
    /// The API token of the program that acted.
    #[diesel(sql_type = Nullable<Text>)]
    pub token_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub token_name: Option<String>,
}

/// The limits on `occurred_at` let Postgres read the partitions of this hour alone.
const ENTRIES: &str = "SELECT occurred_at, action, outcome, user_id, lower(user_email) AS user_email, ip, \
        coalesce(document_id, -id) AS document, detail->'token'->>'id' AS token_id, detail->'token'->>'name' AS token_name \
    FROM audit_events WHERE occurred_at >= $1 AND occurred_at < $3 AND (occurred_at >= $2 OR detail->'token' IS NOT NULL) \
        AND (user_id IS NOT NULL OR ip IS NOT NULL) \
    ORDER BY occurred_at, id";

/// A time of the log. Before `from`, only what programs did is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub programs_from: DateTime<Utc>,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Calls `each` for every event, in constant memory.
pub(super) async fn read(
    connection: &mut AsyncPgConnection,
    period: Period,
    mut each: impl FnMut(LogEntry),
) -> QueryResult<()> {
    let query = diesel::sql_query(ENTRIES)
        .bind::<Timestamptz, _>(period.programs_from)
        .bind::<Timestamptz, _>(period.from)
        .bind::<Timestamptz, _>(period.until);
    let mut entries = pin!(query.load_stream::<LogEntry>(connection).await?);
    while let Some(entry) = entries.try_next().await? {
        each(entry);
    }
    Ok(())
}
