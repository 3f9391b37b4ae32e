//! Sends a message again, and sends a test.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::WebhookError;
use super::follow::{NewDelivery, RETRIED_FOR};
use super::manage::WebhookManager;
use super::message::Message;
use crate::db::schema::{webhook_deliveries, webhooks};

const OFF: &str = "The webhook is off. Turn it on first.";

impl WebhookManager<'_> {
    /// Queues a test, and returns the id of its delivery.
    pub async fn test(&self, id: i64) -> Result<i64, WebhookError> {
        let now = self.user.clock.now();
        self.with_webhook(id, async |connection, webhook| {
            if webhook.is_stopped {
                return Err(WebhookError::Refused(OFF.into()));
            }
            let row = NewDelivery::new(id, Message::test(now), now);
            let queued: i64 = diesel::insert_into(webhook_deliveries::table)
                .values(row)
                .returning(webhook_deliveries::id)
                .get_result(connection)
                .await?;
            self.skip_pause(connection, id).await?;
            Ok(queued)
        })
        .await
    }

    /// Queues a delivery once more, with the same message id. Does nothing to one that waits, except that it is due at once.
    pub async fn resend(&self, id: i64, delivery: i64) -> Result<(), WebhookError> {
        let now = self.user.clock.now();
        self.with_webhook(id, async |connection, webhook| {
            if webhook.is_stopped {
                return Err(WebhookError::Refused(OFF.into()));
            }
            let row = webhook_deliveries::table.find(delivery).filter(webhook_deliveries::webhook_id.eq(id));
            let change = (
                webhook_deliveries::state.eq("waiting"),
                webhook_deliveries::ended_at.eq(None::<chrono::DateTime<chrono::Utc>>),
                webhook_deliveries::attempts.eq(0),
                webhook_deliveries::due_at.eq(now),
                webhook_deliveries::give_up_at.eq(now + RETRIED_FOR),
            );
            if diesel::update(row).set(change).execute(connection).await? == 0 {
                return Err(WebhookError::NotFound);
            }
            self.skip_pause(connection, id).await
        })
        .await
    }

    async fn skip_pause(&self, connection: &mut AsyncPgConnection, id: i64) -> Result<(), WebhookError> {
        let paused = webhooks::paused_until.eq(self.user.clock.now());
        diesel::update(webhooks::table.find(id)).set(paused).execute(connection).await?;
        Ok(())
    }
}
