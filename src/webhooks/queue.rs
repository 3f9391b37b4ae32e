//! The deliveries that wait: which webhook is sent to next, and which of its messages.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::schema::{webhook_deliveries, webhooks};

/// For how long one process has a webhook for itself. Longer than a batch takes.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Messages of different BOLs that are sent to a webhook at the same time.
const MAX_AT_ONCE: i64 = 8;
/// Waiting deliveries of a webhook that are looked at for the next batch.
const MAX_LOOKED_AT: i64 = 1000;

/// A webhook that this process sends to.
#[derive(Clone, Debug, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = webhooks, check_for_backend(diesel::pg::Pg))]
pub(super) struct Claimed {
    pub id: i64,
    pub customer_id: Option<i64>,
    pub made_by: Option<i64>,
    pub url: String,
    pub key_salt: Vec<u8>,
    pub public_key: Vec<u8>,
    pub former_salt: Option<Vec<u8>>,
    pub former_until: Option<DateTime<Utc>>,
    pub failures: i32,
}

/// A message to be sent now.
#[derive(Clone, Debug, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = webhook_deliveries, check_for_backend(diesel::pg::Pg))]
pub(super) struct Queued {
    pub id: i64,
    pub message_id: String,
    pub body: String,
    pub attempts: i32,
    pub give_up_at: DateTime<Utc>,
}

/// Leases a webhook that has something to send. `None`: there is none for this process.
pub(super) async fn claim(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Option<Claimed>> {
    diesel::sql_query(
        "UPDATE webhooks SET leased_until = $1 WHERE id = ( \
             SELECT w.id FROM webhooks w WHERE w.stopped_at IS NULL AND w.leased_until <= $2 AND w.paused_until <= $2 \
                 AND EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'waiting' AND d.due_at <= $2) \
             ORDER BY w.leased_until, w.id LIMIT 1 FOR UPDATE SKIP LOCKED) \
         RETURNING id, customer_id, made_by, url, key_salt, public_key, former_salt, former_until, failures",
    )
    .bind::<Timestamptz, _>(now + LEASE)
    .bind::<Timestamptz, _>(now)
    .get_result(connection)
    .await
    .optional()
}

/// Returns the webhook to the others.
pub(super) async fn release(connection: &mut AsyncPgConnection, now: DateTime<Utc>, id: i64) -> QueryResult<()> {
    diesel::update(webhooks::table.find(id)).set(webhooks::leased_until.eq(now)).execute(connection).await.map(drop)
}

/// Renews the lease. Returns the webhook as it is now, unless it is off, paused or removed.
pub(super) async fn renew(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    id: i64,
) -> QueryResult<Option<Claimed>> {
    let on = webhooks::table.find(id).filter(webhooks::stopped_at.is_null()).filter(webhooks::paused_until.le(now));
    diesel::update(on)
        .set(webhooks::leased_until.eq(now + LEASE))
        .returning(Claimed::as_returning())
        .get_result(connection)
        .await
        .optional()
}

/// Returns the oldest due message of each BOL: after a failure one, otherwise several.
///
/// The next message of a BOL waits until the one before has been accepted or given up, so each BOL's messages arrive in
/// order.
pub(super) async fn batch(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    webhook: &Claimed,
) -> QueryResult<Vec<Queued>> {
    let most = if webhook.failures > 0 { 1 } else { MAX_AT_ONCE };
    let batch: Vec<Queued> = diesel::sql_query(
        "SELECT id, message_id, body, attempts, give_up_at FROM ( \
             SELECT DISTINCT ON (coalesce(bol_id, -id)) id, message_id, body, attempts, give_up_at, due_at FROM ( \
                 SELECT * FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'waiting' ORDER BY id LIMIT $2) AS oldest \
             ORDER BY coalesce(bol_id, -id), id) AS first \
         WHERE due_at <= $3 ORDER BY id LIMIT $4",
    )
    .bind::<BigInt, _>(webhook.id)
    .bind::<BigInt, _>(MAX_LOOKED_AT)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(most)
    .load(connection)
    .await?;
    let Some(company) = webhook.customer_id else { return Ok(batch) };
    let withheld = withhold(connection, now, company, &batch).await?;
    Ok(batch.into_iter().filter(|queued| !withheld.contains(&queued.id)).collect())
}

/// Ends deliveries about BOLs and documents that the company no longer has. They may say less than the company knows, but
/// the portal doesn't send anything about the BOLs of others.
async fn withhold(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    company: i64,
    batch: &[Queued],
) -> QueryResult<Vec<i64>> {
    #[derive(QueryableByName)]
    struct Withheld {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let ids: Vec<i64> = batch.iter().map(|queued| queued.id).collect();
    let withheld: Vec<Withheld> = diesel::sql_query(
        "UPDATE webhook_deliveries d SET state = 'withheld', ended_at = $1 \
         WHERE d.id = ANY ($2) AND d.state = 'waiting' AND d.bol_id IS NOT NULL AND NOT ( \
             EXISTS (SELECT FROM customers c WHERE c.id = $3 AND c.active) \
             AND (d.is_taken_away OR EXISTS (SELECT FROM bols b WHERE b.id = d.bol_id AND b.customer_id = $3 \
                  AND (d.document_id IS NULL OR EXISTS (SELECT FROM documents x \
                       WHERE x.id = d.document_id AND x.bol_id = b.id AND x.state = 'stored'))))) \
         RETURNING d.id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<BigInt>, _>(ids)
    .bind::<BigInt, _>(company)
    .load(connection)
    .await?;
    Ok(withheld.into_iter().map(|one| one.id).collect())
}

/// How long an ended delivery stays in the list.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Deletes old deliveries.
pub(super) async fn clear(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(webhook_deliveries::table.filter(webhook_deliveries::ended_at.lt(now - KEPT)))
        .execute(connection)
        .await
}
