//! Reads the sealed events of the log, and queues what each webhook is to be sent.
//!
//! The cursor moves in the transaction that queues the deliveries, so a crash neither skips an event nor queues it twice. While
//! there is no webhook, nothing is read: the first one moves the cursor to the end.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::max;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::WebhookEvent;
use super::message::{LoggedEvent, Message};
use crate::db::schema::{audit_events, audit_leaves, webhook_cursor, webhook_deliveries, webhooks};
use crate::db::{AdvisoryLock, Database, DbResult, try_alone};

/// Events read in one transaction.
const MAX_EVENTS: i64 = 10_000;
/// Rows of one INSERT.
const MAX_ROWS: usize = 500;
/// For how long a message is sent again.
pub(super) const RETRIED_FOR: TimeDelta = TimeDelta::days(3);

/// A webhook that is on.
#[derive(Queryable, Selectable)]
#[diesel(table_name = webhooks, check_for_backend(diesel::pg::Pg))]
struct Follower {
    id: i64,
    customer_id: Option<i64>,
    events: Vec<String>,
    follows_from: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = webhook_deliveries)]
pub(super) struct NewDelivery {
    pub webhook_id: i64,
    pub message_id: String,
    pub event: &'static str,
    pub event_id: Option<i64>,
    pub bol_id: Option<i64>,
    pub bol_number: String,
    pub document_id: Option<i64>,
    pub is_taken_away: bool,
    pub body: String,
    pub created_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub give_up_at: DateTime<Utc>,
    pub asked_at: Option<DateTime<Utc>>,
}

impl NewDelivery {
    pub fn new(webhook_id: i64, message: Message, now: DateTime<Utc>) -> Self {
        Self {
            webhook_id,
            message_id: message.id,
            event: message.event,
            event_id: None,
            bol_id: None,
            bol_number: String::new(),
            document_id: None,
            is_taken_away: message.is_taken_away,
            body: message.body,
            created_at: now,
            due_at: now,
            give_up_at: now + RETRIED_FOR,
            asked_at: None,
        }
    }

    /// Has it tried at once, and only once.
    pub fn asked(self, now: DateTime<Utc>) -> Self {
        Self { give_up_at: now, asked_at: Some(now), ..self }
    }

    fn about(self, event: &LoggedEvent) -> Self {
        Self {
            event_id: Some(event.id),
            bol_id: event.bol_id,
            bol_number: event.bol_number.clone().unwrap_or_default(),
            document_id: event.document_id,
            ..self
        }
    }
}

/// Queues deliveries about events that were sealed since the last time. Returns whether there are more events to read.
pub(super) async fn follow(db: &Database, now: DateTime<Utc>) -> DbResult<bool> {
    // Most portals have no webhook, and this query is all that they pay.
    let on = webhooks::table.filter(webhooks::stopped_at.is_null());
    if !diesel::select(diesel::dsl::exists(on)).get_result::<bool>(&mut *db.get().await?).await? {
        return Ok(false);
    }
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, AdvisoryLock::Webhooks).await? {
            return Ok(false);
        }
        Ok(read_on(connection, now).await?)
    })
    .await
}

async fn read_on(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<bool> {
    let after = lock_cursor(connection).await?;
    let last = last_position(connection).await?;
    if last <= after {
        return Ok(false);
    }
    let through = last.min(after + MAX_EVENTS);
    let followers: Vec<Follower> = webhooks::table
        .filter(webhooks::stopped_at.is_null())
        .order(webhooks::id)
        .select(Follower::as_select())
        .load(connection)
        .await?;
    let mut rows = Vec::new();
    for event in events(connection, (after, through), &followers).await? {
        let Some(kind) = event.webhook_event() else { continue };
        let id = Message::new_id();
        for follower in &followers {
            let is_chosen = follower.events.iter().any(|chosen| chosen == kind.as_str());
            if is_chosen && event.occurred_at >= follower.follows_from {
                let message = event.message(&id, follower.customer_id);
                rows.extend(message.map(|message| NewDelivery::new(follower.id, message, now).about(&event)));
            }
        }
    }
    for rows in rows.chunks(MAX_ROWS) {
        diesel::insert_into(webhook_deliveries::table)
            .values(rows)
            .on_conflict_do_nothing()
            .execute(connection)
            .await?;
    }
    diesel::update(webhook_cursor::table).set(webhook_cursor::position.eq(through)).execute(connection).await?;
    Ok(through < last)
}

/// Returns the events of these positions that a webhook chose, in the order of their ids.
///
/// The tree is in the order of transactions. Two transactions may change a BOL in the other order than they began; they get
/// the ids of its events while they hold the lock on it. Both are in one batch of the sealer, which waits for the older one.
async fn events(
    connection: &mut AsyncPgConnection,
    (after, through): (i64, i64),
    followers: &[Follower],
) -> QueryResult<Vec<LoggedEvent>> {
    let chosen = |event: &WebhookEvent| {
        followers.iter().any(|follower| follower.events.iter().any(|chosen| chosen == event.as_str()))
    };
    let actions = WebhookEvent::ALL.into_iter().filter(chosen).flat_map(WebhookEvent::actions);
    let actions: Vec<&str> = actions.map(|action| action.as_str()).collect();
    audit_leaves::table
        .inner_join(audit_events::table.on(audit_events::id.eq(audit_leaves::event_id)))
        .filter(audit_leaves::position.gt(after))
        .filter(audit_leaves::position.le(through))
        .filter(audit_events::action.eq_any(actions))
        .filter(audit_events::outcome.eq("success"))
        .order(audit_events::id)
        .select(LoggedEvent::as_select())
        .load(connection)
        .await
}

/// Moves the cursor to the end of the log, unless a webhook is on. The caller then makes one, or turns it on.
pub(super) async fn begin(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    let position = lock_cursor(connection).await?;
    let on = webhooks::table.filter(webhooks::stopped_at.is_null());
    if diesel::select(diesel::dsl::exists(on)).get_result(connection).await? {
        return Ok(());
    }
    let last = last_position(connection).await?.max(position);
    diesel::update(webhook_cursor::table).set(webhook_cursor::position.eq(last)).execute(connection).await.map(drop)
}

/// Locks the cursor until the end of the transaction, and returns its position.
async fn lock_cursor(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    webhook_cursor::table.select(webhook_cursor::position).for_update().first(connection).await
}

/// Returns the position of the last sealed event, or -1.
async fn last_position(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    let last: Option<i64> = audit_leaves::table.select(max(audit_leaves::position)).first(connection).await?;
    Ok(last.unwrap_or(-1))
}
