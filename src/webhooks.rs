//! Webhooks: addresses that are sent events about BOLs, signed as <https://www.standardwebhooks.com> says.
//!
//! The access log is the outbox: its event is recorded in the transaction of what a message tells of. [`follow`] reads the
//! sealed events, which no later event precedes, and queues deliveries. [`sender`] sends them: to
//! one webhook from one process at a time, each BOL's messages in order, until the receiver accepts them.

mod address;
mod backlog;
mod client;
mod event;
mod follow;
mod key;
mod list;
mod manage;
mod message;
mod outcome;
mod queue;
mod resend;
mod sender;
mod stop;

pub use address::Destinations;
pub use backlog::Backlog;
pub use event::WebhookEvent;
pub use key::{PublicKey, WebhookKeys};
pub use list::{
    Attempt, Delivery, DeliveryState, Stopped, Webhook, attempts, deliveries, delivery, find, made_by, webhooks,
};
pub use manage::{NewWebhook, WebhookError, WebhookManager, WebhookOffice};
pub use sender::Sender;
