//! Sends a message again, and sends a test.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::WebhookError;
use super::follow::NewDelivery;
use super::manage::{Locked, WebhookManager};
use super::message::Message;
use super::stop::origin_of;
use crate::audit::Action;
use crate::db::schema::webhook_deliveries;

/// Messages that users can ask for within [`WINDOW`], of one webhook, so that a receiver is not flooded from here.
const MAX_ASKED: i64 = 20;
const WINDOW: TimeDelta = TimeDelta::minutes(10);

impl WebhookManager<'_> {
    /// Queues a test, and returns the id of its delivery. It is tried once.
    pub async fn test(&self, id: i64) -> Result<i64, WebhookError> {
        let now = self.user.clock.now();
        self.with_webhook(id, async |connection, webhook| {
            check_limits(connection, now, id, webhook).await?;
            let row = NewDelivery::new(id, Message::test(now), now).asked(now);
            let queued: i64 = diesel::insert_into(webhook_deliveries::table)
                .values(row)
                .returning(webhook_deliveries::id)
                .get_result(connection)
                .await?;
            let detail = json!({"webhook": id, "address": origin_of(&webhook.url), "test": true});
            self.record_about(connection, Action::WebhookSent, webhook, detail).await?;
            Ok(queued)
        })
        .await
    }

    /// Sends a delivery once more, with the same message id. One that had ended is tried once. One that waits is tried at once,
    /// and keeps waiting if that fails.
    pub async fn resend(&self, id: i64, delivery: i64) -> Result<(), WebhookError> {
        let now = self.user.clock.now();
        self.with_webhook(id, async |connection, webhook| {
            check_limits(connection, now, id, webhook).await?;
            let row = || {
                webhook_deliveries::table
                    .find(delivery)
                    .filter(webhook_deliveries::webhook_id.eq(id))
                    .filter(webhook_deliveries::state.ne("withheld"))
            };
            let asked = webhook_deliveries::asked_at.eq(now);
            let waiting = row().filter(webhook_deliveries::state.eq("waiting"));
            let ended = (
                asked,
                webhook_deliveries::state.eq("waiting"),
                webhook_deliveries::ended_at.eq(None::<DateTime<Utc>>),
                webhook_deliveries::give_up_at.eq(now),
            );
            let is_found = diesel::update(waiting).set(asked).execute(connection).await? > 0
                || diesel::update(row()).set(ended).execute(connection).await? > 0;
            if !is_found {
                return Err(WebhookError::NotFound);
            }
            let message: String = row().select(webhook_deliveries::message_id).first(connection).await?;
            let detail = json!({"webhook": id, "address": origin_of(&webhook.url), "message": message});
            self.record_about(connection, Action::WebhookSent, webhook, detail).await
        })
        .await
    }
}

/// Refuses while the webhook is off, while what was asked for before waits, and after many.
async fn check_limits(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    id: i64,
    webhook: &Locked,
) -> Result<(), WebhookError> {
    let refused = |why: &str| Err(WebhookError::Refused(why.into()));
    if webhook.is_stopped {
        return refused("The webhook is off. Turn it on first.");
    }
    let asked = || {
        webhook_deliveries::table
            .filter(webhook_deliveries::webhook_id.eq(id))
            .filter(webhook_deliveries::asked_at.is_not_null())
    };
    let waiting = asked().filter(webhook_deliveries::state.eq("waiting"));
    if diesel::select(diesel::dsl::exists(waiting)).get_result(connection).await? {
        return refused("The message before is still being sent. Wait a moment, then send this one.");
    }
    let recent = asked().filter(webhook_deliveries::asked_at.gt(now - WINDOW)).count();
    if recent.get_result::<i64>(connection).await? >= MAX_ASKED {
        return refused("Many messages were sent from here in the last ten minutes. Wait a few minutes.");
    }
    Ok(())
}
