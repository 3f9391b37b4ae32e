//! Webhooks and what they were sent, for the users in charge of them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::PublicKey;
use crate::accounts::people::Authority;
use crate::db::schema::{webhook_attempts, webhook_deliveries, webhooks as webhooks_of};

/// Most webhooks that a list shows.
const MAX_LISTED: i64 = 500;
/// Most attempts that the page of a delivery shows.
const MAX_ATTEMPTS: i64 = 50;

/// A webhook in a list, or on its page.
#[derive(Clone, Debug, QueryableByName)]
pub struct Webhook {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// `None`: all BOLs.
    #[diesel(sql_type = Nullable<diesel::sql_types::Text>)]
    pub company: Option<String>,
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub url: String,
    #[diesel(sql_type = Array<diesel::sql_types::Text>)]
    pub events: Vec<String>,
    #[diesel(sql_type = diesel::sql_types::Binary)]
    public_key: Vec<u8>,
    #[diesel(sql_type = diesel::sql_types::Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// The address of its maker.
    #[diesel(sql_type = Nullable<diesel::sql_types::Text>)]
    pub made_by: Option<String>,
    /// The same, if the maker is of the company that it is about.
    #[diesel(sql_type = Nullable<diesel::sql_types::Text>)]
    pub made_by_member: Option<String>,
    #[diesel(sql_type = Nullable<diesel::sql_types::Timestamptz>)]
    pub stopped_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = diesel::sql_types::Text)]
    stopped_for: String,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    pub failures: i32,
    #[diesel(sql_type = diesel::sql_types::Timestamptz)]
    pub paused_until: DateTime<Utc>,
    /// Whether something waits to be sent.
    #[diesel(sql_type = Bool)]
    pub has_waiting: bool,
    #[diesel(sql_type = Nullable<diesel::sql_types::Timestamptz>)]
    pub last_delivered_at: Option<DateTime<Utc>>,
}

/// Why a webhook is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    ByUser,
    /// Its receiver answered 410.
    Gone,
    Failures,
}

impl Webhook {
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.public_key.clone())
    }

    /// Returns why it is off. `None`: it is on.
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped_at?;
        Some(match self.stopped_for.as_str() {
            "gone" => Stopped::Gone,
            "failures" => Stopped::Failures,
            _ => Stopped::ByUser,
        })
    }
}

/// Returns the webhooks in the charge of users with this authority, newest first.
pub async fn webhooks(connection: &mut AsyncPgConnection, authority: &Authority) -> QueryResult<Vec<Webhook>> {
    load(connection, authority, None).await
}

/// Returns one of them.
pub async fn find(connection: &mut AsyncPgConnection, authority: &Authority, id: i64) -> QueryResult<Option<Webhook>> {
    Ok(load(connection, authority, Some(id)).await?.pop())
}

async fn load(connection: &mut AsyncPgConnection, authority: &Authority, id: Option<i64>) -> QueryResult<Vec<Webhook>> {
    let companies = match authority {
        Authority::Companies(ids) => Some(ids),
        Authority::Everybody | Authority::Customers => None,
    };
    diesel::sql_query(
        "SELECT w.id, c.name AS company, w.url, w.events, w.public_key, w.created_at, u.email AS made_by, \
         CASE WHEN EXISTS (SELECT FROM memberships m WHERE m.user_id = w.made_by AND m.customer_id = w.customer_id) THEN u.email END \
             AS made_by_member, w.stopped_at, w.stopped_for, w.failures, w.paused_until, \
         EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'waiting') AS has_waiting, \
         (SELECT d.ended_at FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'delivered' ORDER BY d.id DESC LIMIT 1) \
             AS last_delivered_at \
         FROM webhooks w LEFT JOIN customers c ON c.id = w.customer_id LEFT JOIN users u ON u.id = w.made_by \
         WHERE ($1::bigint[] IS NULL OR w.customer_id = ANY ($1)) AND ($2::bigint IS NULL OR w.id = $2) ORDER BY w.id DESC LIMIT $3",
    )
    .bind::<Nullable<Array<BigInt>>, _>(companies)
    .bind::<Nullable<BigInt>, _>(id)
    .bind::<BigInt, _>(MAX_LISTED)
    .load(connection)
    .await
}

/// Returns how many webhooks of a company a user has added. They stay when the user leaves.
pub async fn made_by(connection: &mut AsyncPgConnection, user_id: i64, company: i64) -> QueryResult<i64> {
    let theirs =
        webhooks_of::table.filter(webhooks_of::made_by.eq(user_id)).filter(webhooks_of::customer_id.eq(company));
    theirs.count().get_result(connection).await
}

/// A message of a webhook.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries, check_for_backend(diesel::pg::Pg))]
pub struct Delivery {
    pub id: i64,
    pub message_id: String,
    pub event: String,
    pub bol_number: String,
    pub body: String,
    pub created_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub attempts: i32,
    state: String,
    pub ended_at: Option<DateTime<Utc>>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    Waiting,
    Delivered,
    /// Given up after three days, or after the one attempt that a user asked for.
    Failed,
    /// The company no longer had the BOL or the document.
    Withheld,
}

impl Delivery {
    pub fn state(&self) -> DeliveryState {
        match self.state.as_str() {
            "delivered" => DeliveryState::Delivered,
            "failed" => DeliveryState::Failed,
            "withheld" => DeliveryState::Withheld,
            _ => DeliveryState::Waiting,
        }
    }
}

/// Returns up to `limit` deliveries of a webhook before one, newest first. The caller has checked who asks.
pub async fn deliveries(
    connection: &mut AsyncPgConnection,
    webhook: i64,
    before: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<Delivery>> {
    webhook_deliveries::table
        .filter(webhook_deliveries::webhook_id.eq(webhook))
        .filter(webhook_deliveries::id.lt(before.unwrap_or(i64::MAX)))
        .order(webhook_deliveries::id.desc())
        .limit(limit)
        .select(Delivery::as_select())
        .load(connection)
        .await
}

/// Returns one delivery of a webhook.
pub async fn delivery(connection: &mut AsyncPgConnection, webhook: i64, id: i64) -> QueryResult<Option<Delivery>> {
    let row = webhook_deliveries::table.find(id).filter(webhook_deliveries::webhook_id.eq(webhook));
    row.select(Delivery::as_select()).first(connection).await.optional()
}

/// An attempt to deliver a message.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = webhook_attempts, check_for_backend(diesel::pg::Pg))]
pub struct Attempt {
    pub at: DateTime<Utc>,
    pub milliseconds: i32,
    pub url: String,
    pub signature: String,
    pub status: Option<i32>,
    pub answer: String,
    pub error: String,
}

/// Returns the attempts of a delivery, newest first.
pub async fn attempts(connection: &mut AsyncPgConnection, delivery: i64) -> QueryResult<Vec<Attempt>> {
    webhook_attempts::table
        .filter(webhook_attempts::delivery_id.eq(delivery))
        .order(webhook_attempts::id.desc())
        .limit(MAX_ATTEMPTS)
        .select(Attempt::as_select())
        .load(connection)
        .await
}
