//! Sends what is queued. Every instance runs it; a lease gives each webhook to one of them at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use futures_util::future::{join_all, ready};
use tokio::sync::OnceCell;
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
/// The time after which a webhook makes room for others, when its batch has ended.
const MAX_TURN: Duration = Duration::from_secs(10);
/// Searches after which old deliveries are deleted: every hour.
const CLEAR_EVERY: u64 = 7200;

const UNKNOWN_KEY: &str = "SECRET_KEY was changed, so the signing key can’t be derived. Make a new signing key.";

/// Queues and sends messages.
#[derive(Clone)]
pub struct Sender {
    pub db: Database,
    pub clock: Clock,
    pub keys: WebhookKeys,
    pub destinations: Destinations,
}

/// A sender with the client that it needs only once there is something to send.
struct Running {
    sender: Sender,
    client: OnceCell<Client>,
}

impl Sender {
    /// Queues and sends until the future is dropped.
    pub async fn run(self) {
        let running = Arc::new(Running { sender: self, client: OnceCell::new() });
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
            while queue::clear(&mut *db.get().await?, clock.now()).await? {}
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

    /// Sends a webhook what is due, batch by batch, until there is nothing more, the receiver refuses, or its turn is over.
    async fn send_all(&self, mut webhook: Claimed) -> DbResult<()> {
        let Sender { db, clock, destinations, .. } = &self.sender;
        let since = Instant::now();
        let made = self.client.get_or_try_init(|| ready(Client::new(destinations.clone()))).await;
        let client = match made {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(error, "can't make the HTTP client of webhooks");
                return Ok(());
            }
        };
        while since.elapsed() < MAX_TURN {
            let batch = queue::batch(&mut *db.get().await?, clock.now(), &webhook).await?;
            if batch.is_empty() {
                break;
            }
            let tried = join_all(batch.into_iter().map(|queued| self.send(client, &webhook, queued))).await;
            let recorded = db.transaction(async |connection: &mut AsyncPgConnection| {
                DbResult::Ok(record(connection, clock.now(), &webhook, &tried).await?)
            });
            match recorded.await? {
                Some(renewed) => webhook = renewed,
                None => break,
            }
        }
        Ok(queue::release(&mut *db.get().await?, &webhook).await?)
    }

    async fn send(&self, client: &Client, webhook: &Claimed, queued: Queued) -> Tried {
        let at = self.sender.clock.now();
        let mut request = Request {
            url: webhook.url.clone(),
            message_id: queued.message_id.clone(),
            timestamp: at.timestamp(),
            signature: String::new(),
            body: queued.body.clone(),
        };
        let answer = match self.sign(webhook, &request, at) {
            None => Answer { error: UNKNOWN_KEY.into(), ..Answer::default() },
            Some(signature) => {
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
