//! Removes what is on record as purged: whole months at once where nothing else is in them, row by row elsewhere.
//!
//! No writer waits for it: a month is dropped only if its lock is to be had at once, and where rows are deleted nobody writes any
//! more. Each step is a transaction of its own; an interrupted purge goes on where it was.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde::Serialize;

use super::Purged;
use crate::db::{Database, DbResult};

/// Rows that are deleted at once.
const BATCH: usize = 20_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    pub events: u64,
    /// Months that went as a whole.
    pub months: u64,
    /// Those that somebody was reading; they go the next time.
    pub waiting: Vec<String>,
}

#[derive(QueryableByName)]
struct Partition {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_month: bool,
}

#[derive(QueryableByName)]
struct Share {
    #[diesel(sql_type = BigInt)]
    purged: i64,
    #[diesel(sql_type = Bool)]
    has_others: bool,
}

pub(super) async fn remove(db: &Database, purged: &Purged) -> DbResult<Removed> {
    let mut removed = Removed::default();
    let Some(before) = purged.before() else { return Ok(removed) };
    let gone = Gone { before, positions: purged.positions() };
    for Partition { name, is_month } in partitions(db).await? {
        let Share { purged, has_others } = gone.share(db, &name).await?;
        if purged > 0 && is_month && !has_others {
            match drop_month(db, &name).await {
                Ok(()) => {
                    removed.months += 1;
                    removed.events += purged.unsigned_abs();
                }
                Err(error) => {
                    tracing::info!(%error, name, "a month of the log is in use; it goes the next time");
                    removed.waiting.push(name);
                }
            }
        } else if purged > 0 {
            removed.events += gone.delete(db, &name).await?;
        }
    }
    Ok(removed)
}

/// Of the log, by their names as SQL wants them.
async fn partitions(db: &Database) -> DbResult<Vec<Partition>> {
    let partitions = diesel::sql_query(
        "SELECT quote_ident(c.relname) AS name, pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' AS is_month \
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'audit_events'::regclass ORDER BY 1",
    );
    Ok(partitions.load(&mut *db.get().await?).await?)
}

async fn drop_month(db: &Database, name: &str) -> DbResult<()> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        // Whoever reads or writes the log would queue behind us if we had to wait for the lock.
        connection.batch_execute(&format!("SET LOCAL lock_timeout = '300ms'; DROP TABLE {name}")).await
    })
    .await
}

/// What may go.
struct Gone {
    before: DateTime<Utc>,
    positions: String,
}

impl Gone {
    async fn share(&self, db: &Database, name: &str) -> DbResult<Share> {
        // Only where something is old at all: an index knows.
        let share = format!(
            "WITH old AS (SELECT EXISTS (SELECT 1 FROM {name} WHERE occurred_at < $1) AS there), \
             gone AS (SELECT count(*) AS count FROM {name} e JOIN audit_leaves l ON l.event_id = e.id \
                 WHERE (SELECT there FROM old) AND e.occurred_at < $1 AND l.position <@ $2::int8multirange) \
             SELECT count AS purged, count > 0 AND (SELECT count(*) FROM {name}) > count AS has_others FROM gone"
        );
        db.transaction(async |connection: &mut AsyncPgConnection| {
            connection.batch_execute("SET LOCAL statement_timeout = 0").await?;
            diesel::sql_query(&share)
                .bind::<Timestamptz, _>(self.before)
                .bind::<Text, _>(&self.positions)
                .get_result(connection)
                .await
        })
        .await
    }

    async fn delete(&self, db: &Database, name: &str) -> DbResult<u64> {
        let delete = format!(
            "DELETE FROM {name} WHERE ctid = ANY (ARRAY(SELECT e.ctid FROM {name} e JOIN audit_leaves l ON l.event_id = e.id \
                 WHERE e.occurred_at < $1 AND l.position <@ $2::int8multirange LIMIT $3))"
        );
        let mut all = 0;
        loop {
            let rows = db.transaction(async |connection: &mut AsyncPgConnection| {
                // The owner has taken that right away from itself; it gets it back for this transaction alone.
                let allow = format!(
                    "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5s'; GRANT DELETE ON {name} TO CURRENT_USER; \
                     ALTER TABLE {name} DISABLE TRIGGER audit_events_no_change"
                );
                connection.batch_execute(&allow).await?;
                let rows = diesel::sql_query(&delete)
                    .bind::<Timestamptz, _>(self.before)
                    .bind::<Text, _>(&self.positions)
                    .bind::<BigInt, _>(BATCH as i64)
                    .execute(connection)
                    .await?;
                let forbid = format!(
                    "ALTER TABLE {name} ENABLE TRIGGER audit_events_no_change; REVOKE DELETE ON {name} FROM CURRENT_USER"
                );
                connection.batch_execute(&forbid).await?;
                Ok(rows)
            });
            let rows = rows.await?;
            all += rows as u64;
            if rows < BATCH {
                return Ok(all);
            }
        }
    }
}
