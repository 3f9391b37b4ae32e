//! Sends what is queued. Every instance runs it; a lease gives each webhook to one of them at a time.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::client::{Answer, Client, Request};
use super::follow::follow;
use super::key::PublicKey;
use super::outcome::{Tried, record};
use super::queue::{self, Claimed, Queued};
use super::{Destinations, WebhookKeys};
use crate::clock::Clock;
use crate::db::{Database, DbResult};

const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The pause after a failure of the database.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// Webhooks that one instance sends to at the same time. A slow receiver takes one of these places, and no connection of
/// the database.
const MAX_WEBHOOKS: usize = 64;
/// Batches after which a webhook makes room for others.
const MAX_BATCHES: usize = 50;
/// Searches after which old deliveries are deleted: every hour.
const CLEAR_EVERY: u64 = 7200;

/// Queues and sends messages.
#[derive(Clone)]
pub struct Sender {
    pub db: Database,
    pub clock: Clock,
    pub keys: WebhookKeys,
    pub destinations: Destinations,
}

/// A sender with the clients that it needs only once there is something to send.
struct Running {
    sender: Sender,
    client: std::sync::OnceLock<Result<Client, String>>,
}

impl Sender {
    /// Queues and sends until the future is dropped.
    pub async fn run(self) {
        let running = Arc::new(Running { sender: self, client: std::sync::OnceLock::new() });
        let mut tasks = JoinSet::new();
        for round in 0_u64.. {
            sleep(POLL_INTERVAL).await;
            while tasks.try_join_next().is_some() {}
            if let Err(error) = running.round(&mut tasks, round).await {
                tracing::warn!(%error, "can't queue or send webhooks");
                sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

impl Running {
    /// Queues what is new, and begins to send to every webhook that has something due.
    async fn round(self: &Arc<Self>, tasks: &mut JoinSet<()>, round: u64) -> DbResult<()> {
        let Sender { db, clock, .. } = &self.sender;
        while follow(db, clock.now()).await? {}
        if round.is_multiple_of(CLEAR_EVERY) {
            queue::clear(&mut *db.get().await?, clock.now()).await?;
        }
        while tasks.len() < MAX_WEBHOOKS {
            let claimed = queue::claim(&mut *db.get().await?, clock.now()).await?;
            let Some(webhook) = claimed else { break };
            let running = self.clone();
            tasks.spawn(async move {
                let id = webhook.id;
                if let Err(error) = running.send_all(webhook).await {
                    // Another process takes over after the lease.
                    tracing::warn!(webhook = id, %error, "can't send to a webhook");
                }
            });
        }
        Ok(())
    }

    /// Sends a webhook what is due, batch by batch, until there is nothing more or the receiver refuses.
    async fn send_all(&self, mut webhook: Claimed) -> DbResult<()> {
        let Sender { db, clock, .. } = &self.sender;
        let id = webhook.id;
        for _ in 0..MAX_BATCHES {
            let batch = queue::batch(&mut *db.get().await?, clock.now(), &webhook).await?;
            if batch.is_empty() {
                break;
            }
            let tried = join_all(batch.into_iter().map(|queued| self.send(&webhook, queued))).await;
            let renewed = db.transaction(async |connection: &mut AsyncPgConnection| {
                let now = clock.now();
                if !record(connection, now, &webhook, &tried).await? {
                    return Ok(None);
                }
                DbResult::Ok(queue::renew(connection, now, id).await?)
            });
            match renewed.await? {
                Some(renewed) => webhook = renewed,
                None => break,
            }
        }
        Ok(queue::release(&mut *db.get().await?, clock.now(), id).await?)
    }

    async fn send(&self, webhook: &Claimed, queued: Queued) -> Tried {
        let at = self.sender.clock.now();
        let mut request = Request {
            url: webhook.url.clone(),
            message_id: queued.message_id.clone(),
            timestamp: at.timestamp(),
            signature: String::new(),
            body: queued.body.clone(),
        };
        let failed = |error: String| Answer { error, ..Answer::default() };
        let client = self.client.get_or_init(|| Client::new(self.sender.destinations.clone()));
        let answer = match (self.sign(webhook, &request, at), client) {
            (None, _) => {
                failed("SECRET_KEY was changed, so the signing key can’t be derived. Make a new signing key.".into())
            }
            (_, Err(error)) => failed(format!("The portal can’t open connections: {error}")),
            (Some(signature), Ok(client)) => {
                request.signature = signature;
                client.send(&request).await
            }
        };
        Tried { queued, request, answer, at }
    }

    /// Signs with the key, and for a day with the one before it. `None` if the key is not the one that the receiver knows.
    fn sign(&self, webhook: &Claimed, request: &Request, now: DateTime<Utc>) -> Option<String> {
        let keys = self.sender.keys.of(&webhook.key_salt);
        if keys.public() != PublicKey(webhook.public_key.clone()) {
            return None;
        }
        let sign = |keys: super::key::SigningKeys| keys.sign(&request.message_id, request.timestamp, &request.body);
        let former = webhook.former_salt.as_ref().filter(|_| webhook.former_until.is_some_and(|until| now < until));
        let signatures = [Some(sign(keys)), former.map(|salt| sign(self.sender.keys.of(salt)))];
        Some(signatures.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}
