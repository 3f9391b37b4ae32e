//! Limits the long responses that one login, and one company, has running at a time on all instances together.
//!
//! Each process can run only so many ZIPs and exports. Without a limit for each login, one login that reads none of its
//! ZIPs would keep everyone else from theirs.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use uuid::Uuid;

use super::Viewer;
use crate::clock::Clock;
use crate::db::schema::response_slots;
use crate::db::{Database, DbError, DbResult};

const MAX_ZIPS_PER_LOGIN: i32 = 3;
const MAX_ZIPS_PER_COMPANY: i32 = 6;
const MAX_LISTS_PER_LOGIN: i32 = 2;
/// Exports of the log and packs. Fewer than a process can run, so that another auditor gets one too.
const MAX_EXPORTS_PER_LOGIN: i32 = 2;
/// Requests that wait for the next event of the log.
const MAX_FOLLOWERS_PER_LOGIN: i32 = 5;
/// A slot that isn't renewed for this long is free.
const SLOT_LIFE: TimeDelta = TimeDelta::seconds(90);
const RENEW_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    Zip,
    /// An export of the list of BOLs.
    List,
    /// An export of the log, or a pack.
    Export,
    /// A request that waits for the next event of the log.
    Follow,
}

#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The login or its company has as many running as allowed.
    #[error("{0}")]
    Taken(&'static str),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(SlotError);

impl ResponseKind {
    /// Returns what is limited, and to how many.
    fn holders(self, viewer: &Viewer) -> Vec<(String, i32)> {
        let user = viewer.user_id;
        match (self, viewer.seeing_from, viewer.companies.as_slice()) {
            // A login of several companies must not use up the slots of each.
            (Self::Zip, None, [company]) => vec![
                (format!("zip user {user}"), MAX_ZIPS_PER_LOGIN),
                (format!("zip company {}", company.id), MAX_ZIPS_PER_COMPANY),
            ],
            (Self::Zip, ..) => vec![(format!("zip user {user}"), MAX_ZIPS_PER_LOGIN)],
            (Self::List, ..) => vec![(format!("list user {user}"), MAX_LISTS_PER_LOGIN)],
            (Self::Follow, ..) => vec![(format!("follow user {user}"), MAX_FOLLOWERS_PER_LOGIN)],
            (Self::Export, ..) => vec![(format!("export user {user}"), MAX_EXPORTS_PER_LOGIN)],
        }
    }

    fn refusal(self) -> &'static str {
        match self {
            Self::Zip => {
                "You or your company have several ZIPs running already. Finish or cancel one of those downloads, then \
                 try again."
            }
            Self::List => {
                "You have two exports of the list running already. Finish or cancel one of those downloads, then try again."
            }
            Self::Follow => "Five requests of yours wait for the log already. Try again when one has ended.",
            Self::Export => {
                "You have two exports of the log running already. Finish or cancel one of those downloads, then try \
                 again."
            }
        }
    }
}

/// The slots of one response. Dropping it frees them.
pub struct ResponseSlot {
    db: Database,
    id: String,
    renewing: JoinHandle<()>,
}

impl ResponseSlot {
    pub async fn take(db: &Database, clock: &Clock, viewer: &Viewer, kind: ResponseKind) -> Result<Self, SlotError> {
        let id = Uuid::now_v7().to_string();
        let now = clock.now();
        db.transaction(async |connection: &mut AsyncPgConnection| {
            for (holder, most) in kind.holders(viewer) {
                if !take(connection, &holder, most, &id, now).await? {
                    return Err(SlotError::Taken(kind.refusal()));
                }
            }
            Ok(())
        })
        .await?;
        let renewing = tokio::spawn(renew(db.clone(), clock.clone(), id.clone()));
        Ok(Self { db: db.clone(), id, renewing })
    }
}

impl Drop for ResponseSlot {
    fn drop(&mut self) {
        self.renewing.abort();
        // A server that stops leaves its slots, which expire.
        let Ok(runtime) = Handle::try_current() else { return };
        let (db, id) = (self.db.clone(), std::mem::take(&mut self.id));
        runtime.spawn(async move {
            let freed: DbResult<_> = async {
                let rows = response_slots::table.filter(response_slots::taken_by.eq(&id));
                Ok(diesel::delete(rows).execute(&mut *db.get().await?).await?)
            }
            .await;
            if let Err(error) = freed {
                tracing::warn!(%error, "can't free the slot of a response; it expires");
            }
        });
    }
}

/// Takes a free slot. Returns `false` if there is none.
async fn take(
    connection: &mut AsyncPgConnection,
    holder: &str,
    most: i32,
    id: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    // Two responses of one holder take their slots one after the other.
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind::<Text, _>(holder)
        .execute(connection)
        .await?;
    let taken = diesel::sql_query(
        "INSERT INTO response_slots (holder, slot, taken_by, renewed_at) \
         SELECT $1, slot, $3, $4 FROM generate_series(1, $2) AS slot \
         WHERE NOT EXISTS (SELECT FROM response_slots t WHERE t.holder = $1 AND t.slot = slot.slot AND t.renewed_at > $5) \
         ORDER BY slot LIMIT 1 \
         ON CONFLICT (holder, slot) DO UPDATE SET taken_by = excluded.taken_by, renewed_at = excluded.renewed_at",
    )
    .bind::<Text, _>(holder)
    .bind::<Integer, _>(most)
    .bind::<Text, _>(id)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now - SLOT_LIFE)
    .execute(connection)
    .await?;
    Ok(taken > 0)
}

async fn renew(db: Database, clock: Clock, id: String) {
    loop {
        sleep(RENEW_INTERVAL).await;
        let renewed: DbResult<_> = async {
            let rows = response_slots::table.filter(response_slots::taken_by.eq(&id));
            let renewed = diesel::update(rows).set(response_slots::renewed_at.eq(clock.now()));
            Ok(renewed.execute(&mut *db.get().await?).await?)
        }
        .await;
        if let Err(error) = renewed {
            tracing::warn!(%error, "can't renew the slot of a response");
        }
    }
}
