//! What a scrape reads instead of counting: the pools, and what the database says.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use super::PoolLabels;

/// The state of a pool of database connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Open connections, in use or idle.
    pub connections: usize,
    pub in_use: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// The most connections that the pool opens.
    pub max: usize,
}

/// What the database says about work that waits. All instances read the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Readings {
    /// Events without a seal, up to a limit.
    pub unsealed_events: i64,
    /// The age of the oldest of them in seconds, or 0.
    pub oldest_unsealed_seconds: f64,
    /// Checkpoints that wait to be put into the storage.
    pub unpublished_checkpoints: i64,
    /// Emails that wait, up to a limit.
    pub outbox_emails: i64,
    /// The age of the oldest of them in seconds, or 0.
    pub oldest_email_seconds: f64,
    /// Emails that were given up in the last 24 hours, up to a limit.
    pub given_up_emails: i64,
    /// Messages of webhooks that wait, up to a limit.
    pub webhook_messages: i64,
    /// The age of the oldest of them in seconds, or 0.
    pub oldest_webhook_message_seconds: f64,
    /// Webhooks whose last attempt failed.
    pub failing_webhooks: i64,
}

/// Registers the readings, or only that there are none.
pub(super) fn register(to: &mut Registry, readings: Option<&Readings>) {
    let up = ConstGauge::new(i64::from(readings.is_some()));
    to.register("database_up", "Whether the database answered this scrape in time", up);
    let Some(readings) = readings else { return };
    let mut count = |name, help, value| to.register(name, help, ConstGauge::<i64>::new(value));
    count("seal_unsealed_events", "Events of the access log without a seal", readings.unsealed_events);
    let help = "Checkpoints that wait to be put into the storage";
    count("seal_unpublished_checkpoints", help, readings.unpublished_checkpoints);
    count("outbox_emails", "Emails that wait to be sent", readings.outbox_emails);
    let help = "Emails that were given up in the last 24 hours";
    count("outbox_given_up_emails", help, readings.given_up_emails);
    count("webhook_messages", "Messages of webhooks that wait to be sent", readings.webhook_messages);
    count("webhook_failing_webhooks", "Webhooks whose last attempt failed", readings.failing_webhooks);
    let mut age = |name, help, value| to.register_with_unit(name, help, Unit::Seconds, ConstGauge::<f64>::new(value));
    age("seal_oldest_unsealed_age", "Age of the oldest event without a seal", readings.oldest_unsealed_seconds);
    age("outbox_oldest_email_age", "Age of the oldest email that waits", readings.oldest_email_seconds);
    let help = "Age of the oldest message of a webhook that waits";
    age("webhook_oldest_message_age", help, readings.oldest_webhook_message_seconds);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    pool: &'static str,
    state: &'static str,
}

/// Registers the pools, added up by name.
pub(super) fn register_pools(to: &mut Registry, pools: Vec<(&'static str, PoolState)>) {
    let mut sums: BTreeMap<&'static str, PoolState> = BTreeMap::new();
    for (name, state) in pools {
        let sum = sums.entry(name).or_default();
        sum.connections += state.connections;
        sum.in_use += state.in_use;
        sum.waiting += state.waiting;
        sum.max += state.max;
    }
    let connections = Family::<StateLabels, Gauge>::default();
    let (waiting, max) = (Family::<PoolLabels, Gauge>::default(), Family::<PoolLabels, Gauge>::default());
    for (pool, sum) in sums {
        let idle = sum.connections.saturating_sub(sum.in_use);
        for (state, value) in [("in_use", sum.in_use), ("idle", idle)] {
            connections.get_or_create(&StateLabels { pool, state }).set(value as i64);
        }
        waiting.get_or_create(&PoolLabels { pool }).set(sum.waiting as i64);
        max.get_or_create(&PoolLabels { pool }).set(sum.max as i64);
    }
    to.register("pool_connections", "Open database connections", connections);
    to.register("pool_waiting", "Callers that wait for a database connection", waiting);
    to.register("pool_connections_max", "The most connections that the pools open", max);
}
