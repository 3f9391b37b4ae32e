//! Finds BOLs that their customer has not fetched, and reminds the customer.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::load::Load;
use super::{Morning, Recipient, recipients};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::bols::search::VisibleBetween;
use crate::bols::settings;
use crate::db::schema::customers;
use crate::db::{AdvisoryLock, Database, DbResult, try_alone};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, Item, News};

/// The age above which reminders skip a BOL.
pub const LOOK_BACK: TimeDelta = TimeDelta::days(90);
/// Customers reminded automatically in one transaction.
const AT_ONCE: i64 = 50;
/// BOLs of one customer in a reminder.
const MAX_BOLS: i64 = 500;
/// A second click within this time sends nothing.
const AGAIN_AFTER: TimeDelta = TimeDelta::hours(1);

/// Returns when BOLs became visible that their customers should have fetched by now, after this many days.
pub fn overdue(now: DateTime<Utc>, days: i32) -> VisibleBetween {
    VisibleBetween { after: now - LOOK_BACK, until: now - TimeDelta::days(days.into()) }
}

/// A BOL whose PDF its customer has not fetched.
#[derive(Clone, Debug, QueryableByName)]
pub struct Uncollected {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    pub customer_id: i64,
    #[diesel(sql_type = Text)]
    pub number: String,
    #[diesel(sql_type = Date)]
    pub bol_date: chrono::NaiveDate,
    #[diesel(embed)]
    load: Load,
    #[diesel(sql_type = Timestamptz)]
    pub visible_since: DateTime<Utc>,
}

/// SQL condition: the BOL `b` is not void, became visible to its customer between `$1` and `$2`, and has a PDF that no
/// user of that customer has fetched.
const UNCOLLECTED: &str = "b.voided_at IS NULL AND b.visible_since > $1 AND b.visible_since <= $2 AND b.document_kinds @> '{bol}' \
     AND NOT EXISTS (SELECT FROM bol_opens o WHERE o.bol_id = b.id AND o.fetched_for = b.customer_id)";

/// Returns BOLs that became visible to their customers at least `days` ago and within [`LOOK_BACK`], oldest first. Skips
/// inactive customers.
pub async fn uncollected(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    days: i32,
    limit: i64,
) -> QueryResult<Vec<Uncollected>> {
    let overdue = overdue(now, days);
    diesel::sql_query(format!(
        "SELECT b.id, b.customer_id, b.number, b.bol_date, b.visible_since, {} FROM bols b \
         JOIN customers c ON c.id = b.customer_id AND c.active WHERE {UNCOLLECTED} ORDER BY b.visible_since, b.id LIMIT $3",
        Load::COLUMNS
    ))
    .bind::<Timestamptz, _>(overdue.after)
    .bind::<Timestamptz, _>(overdue.until)
    .bind::<BigInt, _>(limit)
    .load(connection)
    .await
}

/// Like [`uncollected`], for one active customer, and at most [`MAX_BOLS`].
async fn uncollected_by(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    days: i32,
    customer: i64,
) -> QueryResult<Vec<Uncollected>> {
    let overdue = overdue(now, days);
    diesel::sql_query(format!(
        "SELECT b.id, b.customer_id, b.number, b.bol_date, b.visible_since, {} FROM bols b \
         WHERE b.customer_id = $3 AND {UNCOLLECTED} ORDER BY b.visible_since, b.id LIMIT $4",
        Load::COLUMNS
    ))
    .bind::<Timestamptz, _>(overdue.after)
    .bind::<Timestamptz, _>(overdue.until)
    .bind::<BigInt, _>(customer)
    .bind::<BigInt, _>(MAX_BOLS)
    .load(connection)
    .await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reminded {
    /// The number of recipients.
    Sent(usize),
    /// Reminded within the last hour.
    Already,
    /// The customer has fetched everything.
    Nothing,
    /// The customer has neither a login nor an address.
    Nobody,
    /// There is no such customer, or it is inactive.
    NoCustomer,
}

/// What a reminder to a customer would say, and to how many.
pub struct Due {
    pub name: String,
    pub bols: usize,
    pub recipients: usize,
    pub reminded_at: Option<DateTime<Utc>>,
}

/// Returns what [`remind`] would send to this active customer.
pub async fn due(db: &Database, now: DateTime<Utc>, code: &str) -> DbResult<Option<Due>> {
    let mut connection = db.get().await?;
    let found: Option<(i64, String, Option<DateTime<Utc>>)> = customers::table
        .filter(customers::code.eq(code))
        .filter(customers::active)
        .select((customers::id, customers::name, customers::reminded_at))
        .first(&mut connection)
        .await
        .optional()?;
    let Some((id, name, reminded_at)) = found else { return Ok(None) };
    let days = settings::reminder_thresholds(&mut connection).await?.collect_days;
    let bols = uncollected_by(&mut connection, now, days, id).await?.len();
    let recipients = people(&mut connection, id).await?.len();
    Ok(Some(Due { name, bols, recipients, reminded_at }))
}

/// Returns the recipients of a reminder by address, except those who want no email.
async fn people(connection: &mut AsyncPgConnection, customer: i64) -> QueryResult<BTreeMap<String, Recipient>> {
    let mut people = BTreeMap::new();
    for recipient in recipients(connection, &[customer], &["immediately", "daily"]).await? {
        people.entry(recipient.email.to_lowercase()).or_insert(recipient);
    }
    Ok(people)
}

/// Emails every recipient of the customer, except those who want no email.
pub async fn remind(
    db: &Database,
    now: DateTime<Utc>,
    code: &str,
    actor: Actor<'_>,
    origin: &Origin,
) -> DbResult<Reminded> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let found: Option<(Customer, Option<DateTime<Utc>>)> = customers::table
            .filter(customers::code.eq(code))
            .filter(customers::active)
            .select(((customers::id, customers::code, customers::name), customers::reminded_at))
            .for_no_key_update()
            .first(connection)
            .await
            .optional()?;
        let Some((customer, reminded_at)) = found else { return Ok(Reminded::NoCustomer) };
        if reminded_at.is_some_and(|at| at > now - AGAIN_AFTER) {
            return Ok(Reminded::Already);
        }
        let days = settings::reminder_thresholds(connection).await?.collect_days;
        Ok(Reminder { now, days, actor, origin }.send(connection, &customer).await?)
    })
    .await
}

/// A customer to remind.
#[derive(Queryable, QueryableByName)]
struct Customer {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    code: String,
    #[diesel(sql_type = Text)]
    name: String,
}

/// What all reminders of one run share.
struct Reminder<'a> {
    now: DateTime<Utc>,
    /// Minimum age of a BOL, in days since it became visible.
    days: i32,
    actor: Actor<'a>,
    origin: &'a Origin,
}

impl Reminder<'_> {
    /// Emails the recipients of one customer, and records that.
    async fn send(&self, connection: &mut AsyncPgConnection, customer: &Customer) -> QueryResult<Reminded> {
        let Self { now, days, actor, origin } = *self;
        let Customer { id, code, name } = customer;
        let bols = uncollected_by(connection, now, days, *id).await?;
        if bols.is_empty() {
            return Ok(Reminded::Nothing);
        }
        let people = people(connection, *id).await?;
        if people.is_empty() {
            return Ok(Reminded::Nobody);
        }
        let item = |bol: &Uncollected| Item {
            bol_id: bol.id,
            number: bol.number.clone(),
            what: bol.bol_date.format("%b %-d, %Y").to_string(),
            load: bol.load.line(),
        };
        let news = News { customer_id: *id, company: name.clone(), items: bols.iter().map(item).collect() };
        for person in people.values() {
            let template = EmailTemplate::Reminder {
                name: person.name.clone(),
                news: news.clone(),
                has_login: person.user_id.is_some(),
            };
            outbox::post(connection, now, To::new(&person.email, person.user_id), &template).await?;
        }
        diesel::update(customers::table.find(id)).set(customers::reminded_at.eq(now)).execute(connection).await?;
        let numbers: Vec<&str> = bols.iter().take(50).map(|bol| bol.number.as_str()).collect();
        let detail = json!({"bols": bols.len(), "numbers": numbers, "to": people.keys().collect::<Vec<_>>()});
        let event =
            Event::new(Action::ReminderSent, Outcome::Success, actor, origin).with_customer(*id, code).detail(detail);
        audit::record(connection, &event).await?;
        Ok(Reminded::Sent(people.len()))
    }
}

/// Each morning, reminds customers that opted in, at most once every `collect_days`.
pub(super) async fn remind_when_due(db: &Database, now: DateTime<Utc>, morning: Morning) -> DbResult<()> {
    while remind_some(db, now, morning).await? == AT_ONCE as usize {}
    Ok(())
}

/// Returns how many were reminded, at most [`AT_ONCE`].
async fn remind_some(db: &Database, now: DateTime<Utc>, morning: Morning) -> DbResult<usize> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, AdvisoryLock::Notices).await? {
            return Ok(0);
        }
        let days = settings::reminder_thresholds(connection).await?.collect_days;
        // As of that morning: a BOL that becomes due during the day waits for the next morning.
        let due: Vec<Customer> = diesel::sql_query(format!(
            "SELECT c.id, c.code, c.name FROM customers c \
             WHERE c.remind AND c.active AND (c.reminded_at IS NULL OR c.reminded_at < $3) \
               AND EXISTS (SELECT FROM bols b WHERE b.customer_id = c.id AND {UNCOLLECTED}) \
               AND (EXISTS (SELECT FROM notice_addresses a WHERE a.customer_id = c.id) \
                    OR EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.customer_id = c.id AND u.active \
                               AND u.role = 'customer' AND u.password_hash IS NOT NULL AND u.notify <> 'never')) \
             ORDER BY c.id LIMIT $4 FOR NO KEY UPDATE OF c SKIP LOCKED"
        ))
        .bind::<Timestamptz, _>(now - LOOK_BACK)
        .bind::<Timestamptz, _>(morning.days_before(days))
        .bind::<Timestamptz, _>(morning.days_before(days - 1))
        .bind::<BigInt, _>(AT_ONCE)
        .load(connection)
        .await?;
        let mut reminded = 0;
        let origin = Origin::default();
        let reminder = Reminder { now, days, actor: Actor::PORTAL, origin: &origin };
        for customer in &due {
            let sent = reminder.send(connection, customer).await?;
            reminded += usize::from(matches!(sent, Reminded::Sent(_)));
        }
        Ok(reminded)
    })
    .await
}
