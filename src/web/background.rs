//! What a server does besides answering: settling interrupted uploads, sending mail, telling customers what is new,
//! sealing the log, and purging what it needn't keep any longer.
//!
//! Every server does all of it; rows and locks in the database see to it that each thing is done once.

use chrono_tz::Tz;

use crate::audit::retention;
use crate::audit::seal::{publish, seal};
use crate::clock::Clock;
use crate::config::SealKeys;
use crate::db::Database;
use crate::documents::sweep::sweep;
use crate::mail::Mailer;
use crate::notices;
use crate::storage::Storage;

pub struct Background {
    /// Connections of its own, so that no page waits for it.
    pub db: Database,
    pub storage: Storage,
    pub clock: Clock,
    pub zone: Tz,
    pub mailer: Mailer,
    pub seals: SealKeys,
    /// Years that events are kept.
    pub retention: Option<u16>,
}

impl Background {
    pub const CONNECTIONS: usize = 5;

    /// For as long as it is polled.
    pub async fn run(self) {
        let Self { db, storage, clock, zone, mailer, seals, retention } = self;
        tokio::join!(
            sweep(db.clone(), storage.clone(), clock.clone()),
            mailer.run(),
            seal(db.clone(), seals.clone()),
            publish(db.clone(), storage),
            retention::run(db.clone(), seals.clone(), retention, clock.clone()),
            notices::run(db, clock, zone),
        );
    }
}
