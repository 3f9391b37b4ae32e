//! The deliveries that wait: which webhook is sent to next, and which of its messages.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::schema::{webhook_deliveries, webhooks};

/// Messages of different BOLs that are sent to a webhook at the same time.
const MAX_AT_ONCE: i64 = 8;
/// How long an ended delivery stays in the list.
const KEPT: TimeDelta = TimeDelta::days(30);
/// Deliveries that one statement deletes.
const MAX_CLEARED: i64 = 2000;

/// A webhook that this process sends to, until the lease ends. Leases run on the clock of the database, and the time when one
/// ends tells whose it is.
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
    pub paused_until: DateTime<Utc>,
    pub leased_until: DateTime<Utc>,
}

/// The columns of [`Claimed`].
const COLUMNS: &str = "id, customer_id, made_by, url, key_salt, public_key, former_salt, former_until, failures, paused_until, leased_until";

/// A message to be sent now.
#[derive(Clone, Debug, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = webhook_deliveries, check_for_backend(diesel::pg::Pg))]
pub(super) struct Queued {
    pub id: i64,
    pub message_id: String,
    pub body: String,
    pub attempts: i32,
    pub give_up_at: DateTime<Utc>,
    pub asked_at: Option<DateTime<Utc>>,
}

/// Whether no earlier message about the same BOL waits, so that each BOL's messages arrive in order.
const IS_FIRST: &str = "NOT EXISTS (SELECT FROM webhook_deliveries e WHERE e.webhook_id = d.webhook_id AND e.bol_id = d.bol_id \
     AND e.state = 'waiting' AND e.asked_at IS NULL AND e.id < d.id)";

/// Leases a webhook that has something to send. `None`: there is none for this process.
pub(super) async fn claim(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Option<Claimed>> {
    diesel::sql_query(format!(
        "UPDATE webhooks SET leased_until = clock_timestamp() + interval '60 seconds' WHERE id = ( \
             SELECT w.id FROM webhooks w WHERE w.stopped_at IS NULL AND w.leased_until <= now() AND ( \
                 EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'waiting' AND d.asked_at IS NOT NULL) \
                 OR w.paused_until <= $1 AND EXISTS (SELECT FROM webhook_deliveries d \
                     WHERE d.webhook_id = w.id AND d.state = 'waiting' AND d.due_at <= $1 AND {IS_FIRST})) \
             ORDER BY w.leased_until, w.id LIMIT 1 FOR UPDATE SKIP LOCKED) \
         RETURNING {COLUMNS}"
    ))
    .bind::<Timestamptz, _>(now)
    .get_result(connection)
    .await
    .optional()
}

/// Locks the webhook until the end of the transaction, and returns it as it is now, on or off. `None`: it was removed.
pub(super) async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<(Claimed, bool)>> {
    let is_on = webhooks::stopped_at.is_null();
    webhooks::table
        .find(id)
        .select((Claimed::as_select(), is_on))
        .for_no_key_update()
        .first(connection)
        .await
        .optional()
}

/// Renews the lease of a webhook whose row is locked.
pub(super) async fn renew(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Claimed> {
    diesel::sql_query(format!(
        "UPDATE webhooks SET leased_until = clock_timestamp() + interval '60 seconds' WHERE id = $1 RETURNING {COLUMNS}"
    ))
    .bind::<BigInt, _>(id)
    .get_result(connection)
    .await
}

/// Returns the webhook to the others, unless another process has it already.
pub(super) async fn release(connection: &mut AsyncPgConnection, webhook: &Claimed) -> QueryResult<()> {
    let own = webhooks::table.find(webhook.id).filter(webhooks::leased_until.eq(webhook.leased_until));
    diesel::update(own).set(webhooks::leased_until.eq(diesel::dsl::now)).execute(connection).await.map(drop)
}

/// Returns what is to be sent next: what a user asks for, or else the oldest due message of each BOL. After a failure that is
/// one, otherwise several.
pub(super) async fn batch(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    webhook: &Claimed,
) -> QueryResult<Vec<Queued>> {
    const QUEUED: &str = "SELECT d.id, d.message_id, d.body, d.attempts, d.give_up_at, d.asked_at FROM webhook_deliveries d \
         WHERE d.webhook_id = $1 AND d.state = 'waiting'";
    let asked = diesel::sql_query(format!("{QUEUED} AND d.asked_at IS NOT NULL ORDER BY d.asked_at LIMIT $2"));
    let mut batch: Vec<Queued> =
        asked.bind::<BigInt, _>(webhook.id).bind::<BigInt, _>(MAX_AT_ONCE).load(connection).await?;
    if batch.is_empty() && webhook.paused_until <= now {
        let most = if webhook.failures > 0 { 1 } else { MAX_AT_ONCE };
        batch = diesel::sql_query(format!("{QUEUED} AND d.due_at <= $2 AND {IS_FIRST} ORDER BY d.id LIMIT $3"))
            .bind::<BigInt, _>(webhook.id)
            .bind::<Timestamptz, _>(now)
            .bind::<BigInt, _>(most)
            .load(connection)
            .await?;
    }
    let Some(company) = webhook.customer_id else { return Ok(batch) };
    let withheld = withhold(connection, now, company, &batch).await?;
    Ok(batch.into_iter().filter(|queued| !withheld.contains(&queued.id)).collect())
}

/// Ends deliveries about BOLs and documents that the company no longer has, and clears what they say.
///
/// That the company no longer has a BOL is sent, unless it never learned that it had it.
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
        "UPDATE webhook_deliveries d SET state = 'withheld', ended_at = $1, body = '', bol_number = '' \
         WHERE d.id = ANY ($2) AND d.state = 'waiting' AND d.bol_id IS NOT NULL AND NOT ( \
             EXISTS (SELECT FROM customers c WHERE c.id = $3 AND c.active) AND CASE WHEN d.is_taken_away \
             THEN NOT EXISTS (SELECT FROM webhook_deliveries e WHERE e.webhook_id = d.webhook_id AND e.bol_id = d.bol_id AND e.id < d.id \
                              AND e.state = 'withheld') \
                  OR EXISTS (SELECT FROM webhook_deliveries e WHERE e.webhook_id = d.webhook_id AND e.bol_id = d.bol_id AND e.id < d.id \
                             AND e.state = 'delivered') \
             ELSE EXISTS (SELECT FROM bols b WHERE b.id = d.bol_id AND b.customer_id = $3 \
                  AND (d.document_id IS NULL OR EXISTS (SELECT FROM documents x \
                       WHERE x.id = d.document_id AND x.bol_id = b.id AND x.state = 'stored'))) END) \
         RETURNING d.id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<BigInt>, _>(ids)
    .bind::<BigInt, _>(company)
    .load(connection)
    .await?;
    Ok(withheld.into_iter().map(|one| one.id).collect())
}

/// Makes everything that waits due at once. The messages that are too old are given up.
pub(super) async fn resume(connection: &mut AsyncPgConnection, now: DateTime<Utc>, id: i64) -> QueryResult<()> {
    let change = (webhooks::failures.eq(0), webhooks::paused_until.eq(now));
    diesel::update(webhooks::table.find(id)).set(change).execute(connection).await?;
    let waiting = || {
        webhook_deliveries::table
            .filter(webhook_deliveries::webhook_id.eq(id))
            .filter(webhook_deliveries::state.eq("waiting"))
    };
    let given_up = (webhook_deliveries::state.eq("failed"), webhook_deliveries::ended_at.eq(now));
    diesel::update(waiting().filter(webhook_deliveries::give_up_at.le(now))).set(given_up).execute(connection).await?;
    diesel::update(waiting()).set(webhook_deliveries::due_at.eq(now)).execute(connection).await.map(drop)
}

/// Deletes some old deliveries. Returns whether there may be more.
pub(super) async fn clear(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<bool> {
    let deleted = diesel::sql_query(
        "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE ended_at < $1 LIMIT $2)",
    )
    .bind::<Timestamptz, _>(now - KEPT)
    .bind::<BigInt, _>(MAX_CLEARED)
    .execute(connection)
    .await?;
    Ok(usize::try_from(MAX_CLEARED).is_ok_and(|most| deleted >= most))
}
