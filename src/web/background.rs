//! Background tasks of a server: settling interrupted uploads, sending email and webhooks, notifying customers, sealing the
//! access log, looking in it for unusual activity, preparing its partitions, purging old events, and
//! adding up the numbers of BOLs.
//!
//! Every instance runs all tasks; rows and locks in the database make sure that each piece of work is done once.

use chrono_tz::Tz;

use crate::audit::months;
use crate::audit::retention;
use crate::audit::seal::{publish, seal};
use crate::bols::counts;
use crate::clock::Clock;
use crate::config::SealKeys;
use crate::db::Database;
use crate::documents::sweep::sweep;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::notices;
use crate::storage::Storage;
use crate::unusual;
use crate::webhooks::Sender;

pub struct Background {
    /// Its own connections, so that no page waits for a background task.
    pub db: Database,
    pub storage: Storage,
    pub clock: Clock,
    pub zone: Tz,
    pub mailer: Mailer,
    pub webhooks: Sender,
    pub seals: SealKeys,
    /// Years for which events are kept; `None`: forever.
    pub retention: Option<u16>,
    /// `None`: nothing is counted.
    pub metrics: Option<Metrics>,
}

impl Background {
    pub const CONNECTIONS: usize = 6;

    /// Runs all tasks until the future is dropped.
    pub async fn run(self) {
        let Self { db, storage, clock, zone, mailer, webhooks, seals, retention, metrics } = self;
        tokio::join!(
            sweep(db.clone(), storage.clone(), clock.clone(), metrics),
            mailer.run(),
            webhooks.run(),
            seal(db.clone(), seals.clone()),
            publish(db.clone(), storage),
            months::run(db.clone()),
            retention::run(db.clone(), seals.clone(), retention, clock.clone()),
            counts::run(db.clone()),
            notices::run(db.clone(), clock.clone(), zone),
            unusual::run(db, clock, zone),
        );
    }
}
