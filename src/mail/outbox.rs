//! The outbox: emails to be sent, and those that the mailer gave up on.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::EmailTemplate;
use super::email_template::Office;
use crate::db::lower;
use crate::db::schema::{mails, settings};

/// How long an email is kept after the mailer sent it or gave up on it.
const KEPT: TimeDelta = TimeDelta::days(30);
/// The lease of a process. After it, the emails of a dead process are due again.
const LEASE: TimeDelta = TimeDelta::minutes(3);

/// The recipient of an email.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    pub address: &'a str,
    /// `None`: an address without a login.
    pub user_id: Option<i64>,
    /// The user who caused the email, if there is one.
    pub caused_by: Option<i64>,
}

impl<'a> To<'a> {
    pub fn new(address: &'a str, user_id: Option<i64>) -> Self {
        Self { address, user_id, caused_by: None }
    }
}

#[derive(Insertable)]
#[diesel(table_name = mails)]
struct NewMail<'a> {
    to_address: &'a str,
    user_id: Option<i64>,
    caused_by: Option<i64>,
    purpose: &'static str,
    letter: serde_json::Value,
    created_at: DateTime<Utc>,
    due_at: DateTime<Utc>,
}

/// An email to be sent now.
#[derive(Clone, Debug, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = mails, check_for_backend(diesel::pg::Pg))]
pub(super) struct Mail {
    pub id: i64,
    pub to_address: String,
    pub user_id: Option<i64>,
    pub letter: serde_json::Value,
    pub created_at: DateTime<Utc>,
    pub attempts: i32,
}

/// An email that the mailer gave up on.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = mails, check_for_backend(diesel::pg::Pg))]
pub struct Failed {
    pub to_address: String,
    pub purpose: String,
    pub last_error: String,
    pub failed_at: Option<DateTime<Utc>>,
}

/// Puts an email into the outbox. It is sent after the connection's transaction commits, or never.
pub async fn post(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    to: To<'_>,
    template: &EmailTemplate,
) -> QueryResult<()> {
    let purpose = template.purpose();
    let letter =
        serde_json::to_value(template).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    let To { address: to_address, user_id, caused_by } = to;
    let row = NewMail { to_address, user_id, caused_by, purpose, letter, created_at: now, due_at: now };
    diesel::insert_into(mails::table).values(row).execute(connection).await.map(drop)
}

/// Returns how many emails of these purposes were queued for the address after `since`.
pub async fn written(
    connection: &mut AsyncPgConnection,
    address: &str,
    purposes: &[&str],
    since: DateTime<Utc>,
) -> QueryResult<i64> {
    mails::table
        .filter(mails::purpose.eq_any(purposes))
        .filter(lower(mails::to_address).eq(address.to_lowercase()))
        .filter(mails::created_at.gt(since))
        .count()
        .get_result(connection)
        .await
}

/// Returns how many emails the user caused after `since`.
pub async fn caused(connection: &mut AsyncPgConnection, user_id: i64, since: DateTime<Utc>) -> QueryResult<i64> {
    let since = mails::table.filter(mails::caused_by.eq(user_id)).filter(mails::created_at.gt(since));
    since.count().get_result(connection).await
}

/// Withdraws the user's waiting emails, of one purpose or of all. An email that is being sent may still arrive.
pub async fn withdraw(connection: &mut AsyncPgConnection, user_id: i64, purpose: Option<&str>) -> QueryResult<()> {
    let waiting = mails::table
        .filter(mails::user_id.eq(user_id))
        .filter(mails::sent_at.is_null())
        .filter(mails::failed_at.is_null());
    match purpose {
        Some(purpose) => diesel::delete(waiting.filter(mails::purpose.eq(purpose))).execute(connection).await.map(drop),
        None => diesel::delete(waiting).execute(connection).await.map(drop),
    }
}

/// Returns the newest emails that the mailer gave up on after `since`.
pub async fn failed(connection: &mut AsyncPgConnection, since: DateTime<Utc>, limit: i64) -> QueryResult<Vec<Failed>> {
    mails::table
        .filter(mails::failed_at.gt(since))
        .order(mails::failed_at.desc())
        .limit(limit)
        .select(Failed::as_select())
        .load(connection)
        .await
}

/// Returns how to reach the terminal's office, as the settings say.
pub(super) async fn office(connection: &mut AsyncPgConnection) -> QueryResult<Office> {
    let contact = settings::table.select((settings::company_phone, settings::company_email));
    let (phone, email): (String, String) = contact.first(connection).await?;
    Ok(Office { phone, email: Some(email).filter(|email| super::is_address(email)) })
}

/// Leases due emails: password and invitation links first, then oldest first. No other process gets them during
/// the lease.
pub(super) async fn take(connection: &mut AsyncPgConnection, now: DateTime<Utc>, most: i64) -> QueryResult<Vec<Mail>> {
    diesel::sql_query(
        "UPDATE mails SET due_at = $1, attempts = attempts + 1 WHERE id IN ( \
             SELECT id FROM mails WHERE due_at <= $2 AND sent_at IS NULL AND failed_at IS NULL \
             ORDER BY purpose NOT IN ('reset', 'invitation'), due_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
         RETURNING id, to_address, user_id, letter, created_at, attempts",
    )
    .bind::<Timestamptz, _>(now + LEASE)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(most)
    .load(connection)
    .await
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = BigInt)]
    customer_id: i64,
    #[diesel(sql_type = BigInt)]
    bol_id: i64,
}

/// Returns which of these BOLs the recipient may still see. Memberships may have changed since the email was queued.
pub(super) async fn still_theirs(
    connection: &mut AsyncPgConnection,
    mail: &Mail,
    named: &[(i64, i64)],
) -> QueryResult<HashSet<(i64, i64)>> {
    let (companies, bols): (Vec<i64>, Vec<i64>) = named.iter().copied().unzip();
    let found: Vec<Named> = diesel::sql_query(
        "SELECT named.customer_id, named.bol_id FROM unnest($1, $2) AS named (customer_id, bol_id) \
         JOIN bols b ON b.id = named.bol_id AND b.customer_id = named.customer_id \
         JOIN customers c ON c.id = named.customer_id AND c.active WHERE CASE WHEN $3 IS NULL \
             THEN EXISTS (SELECT FROM notice_addresses a WHERE a.customer_id = c.id AND lower(a.email) = lower($4)) \
             ELSE EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id \
                          WHERE m.customer_id = c.id AND m.user_id = $3 AND u.active) END",
    )
    .bind::<Array<BigInt>, _>(companies)
    .bind::<Array<BigInt>, _>(bols)
    .bind::<Nullable<BigInt>, _>(mail.user_id)
    .bind::<Text, _>(&mail.to_address)
    .load(connection)
    .await?;
    Ok(found.into_iter().map(|named| (named.customer_id, named.bol_id)).collect())
}

/// Deletes an email that has nothing left to say.
pub(super) async fn forget(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(mails::table.find(id)).execute(connection).await.map(drop)
}

pub(super) async fn sent(connection: &mut AsyncPgConnection, id: i64, now: DateTime<Utc>) -> QueryResult<()> {
    let change = (mails::sent_at.eq(now), mails::last_error.eq(""));
    diesel::update(mails::table.find(id)).set(change).execute(connection).await.map(drop)
}

pub(super) async fn try_again(
    connection: &mut AsyncPgConnection,
    id: i64,
    due_at: DateTime<Utc>,
    why: &str,
) -> QueryResult<()> {
    let change = (mails::due_at.eq(due_at), mails::last_error.eq(why));
    diesel::update(mails::table.find(id)).set(change).execute(connection).await.map(drop)
}

pub(super) async fn give_up(
    connection: &mut AsyncPgConnection,
    id: i64,
    now: DateTime<Utc>,
    why: &str,
) -> QueryResult<()> {
    let change = (mails::failed_at.eq(now), mails::last_error.eq(why));
    diesel::update(mails::table.find(id)).set(change).execute(connection).await.map(drop)
}

/// The emails that wait, for the metrics.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Backlog {
    /// At most [`Backlog::MAX_COUNTED`].
    #[diesel(sql_type = BigInt)]
    pub emails: i64,
    /// The age of the oldest of them in seconds, or 0.
    #[diesel(sql_type = Double)]
    pub oldest_seconds: f64,
    /// Emails that were given up in the last 24 hours, at most [`Backlog::MAX_COUNTED`].
    #[diesel(sql_type = BigInt)]
    pub given_up: i64,
}

impl Backlog {
    pub const MAX_COUNTED: i64 = 10_000;

    /// Reads as many rows as emails wait, in the order of an index that has no others.
    pub async fn read(mut connection: &AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Self> {
        diesel::sql_query(
            "SELECT count(*) AS emails, coalesce(greatest(extract(epoch FROM $1 - min(created_at)), 0), 0)::float8 AS oldest_seconds, \
             (SELECT count(*) FROM (SELECT FROM mails WHERE failed_at > $1 - interval '1 day' LIMIT $2) AS failed) AS given_up \
             FROM (SELECT created_at FROM mails WHERE sent_at IS NULL AND failed_at IS NULL ORDER BY due_at LIMIT $2) AS waiting",
        )
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(Self::MAX_COUNTED)
        .get_result(&mut connection)
        .await
    }
}

/// Deletes old emails that the mailer sent or gave up on.
pub async fn clear(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM mails WHERE coalesce(sent_at, failed_at) < $1 AND (sent_at IS NOT NULL OR failed_at IS NOT NULL)",
    )
    .bind::<Timestamptz, _>(now - KEPT)
    .execute(connection)
    .await
}
