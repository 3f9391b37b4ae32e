//! Removes recorded purges: drops a month's partition if all of its events are purged, and deletes rows elsewhere.
//!
//! A record is not enough: the signed checkpoint of each batch must confirm that its events are old enough. A month is dropped
//! only if its locks are free, so that no one waits for the purge. Each step is a transaction, so an interrupted purge
//! continues where it stopped.

use std::pin::pin;

use chrono::{DateTime, Utc};
use diesel::dsl::min;
use diesel::prelude::*;
use diesel::result::Error as QueryError;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;
use serde::Serialize;

use super::{PurgeError, Purged};
use crate::audit::seal::{Checkpoint, NoteError};
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;
use crate::db::{Database, DbError, DbResult};

/// Rows of one deletion. Writers of the same partition wait for it.
const MAX_DELETED_ROWS: usize = 5_000;

/// The constraint that an error names when a partition is in use.
const IN_USE: &str = "audit_partition_in_use";

const NO_TIMEOUT: &str = "SET LOCAL statement_timeout = 0";

/// What a purge removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    pub events: u64,
    /// Months whose partition was dropped.
    pub months: u64,
    /// Partitions that were in use, to be dropped by the next purge.
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
    /// The first and the last position of the purged events.
    #[diesel(sql_type = Nullable<BigInt>)]
    first: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
}

/// Removes the purged events that are older than `before`.
pub(super) async fn remove(
    db: &Database,
    purged: &Purged,
    (before, keys): (DateTime<Utc>, &SealKeys),
) -> Result<Removed, PurgeError> {
    let mut removed = Removed::default();
    let recorded = Purgeable { before, positions: range(&purged.positions()) };
    for Partition { name, is_month } in partitions(db).await? {
        let share = recorded.share(db, &name).await?;
        let (Some(first), Some(last)) = (share.first, share.last) else { continue };
        let agreed = agreed(db, purged, (before, keys), (first, last)).await?;
        let gone = Purgeable { before, positions: range(&agreed) };
        let is_agreed =
            matches!(agreed[..], [(from, to)] if from <= first.cast_unsigned() && last.cast_unsigned() < to);
        let Share { purged, has_others, .. } = if is_agreed { share } else { gone.share(db, &name).await? };
        if purged > 0 && is_month && !has_others {
            match gone.drop_month(db, &name).await {
                Ok(true) => {
                    removed.months += 1;
                    removed.events += purged.unsigned_abs();
                }
                Ok(false) => removed.waiting.push(name),
                Err(error) if is_in_use(&error) => removed.waiting.push(name),
                Err(error) => return Err(error.into()),
            }
        } else if purged > 0 {
            removed.events += gone.delete(db, &name).await?;
        }
    }
    Ok(removed)
}

/// Formats positions as a Postgres `int8multirange`.
fn range(positions: &[(u64, u64)]) -> String {
    let ranges = positions.iter().map(|(from, to)| format!("[{from},{to})"));
    format!("{{{}}}", ranges.collect::<Vec<_>>().join(","))
}

/// Returns a statement that fails with the constraint [`IN_USE`] if it waits for a lock longer than `lock_timeout`.
///
/// diesel passes on the constraint of an error, but not its SQLSTATE.
fn naming_lock_timeout(statement: &str) -> String {
    format!(
        "DO $purge$ BEGIN {statement}; \
         EXCEPTION WHEN lock_not_available THEN RAISE lock_not_available USING CONSTRAINT = '{IN_USE}'; END $purge$"
    )
}

fn is_in_use(error: &DbError) -> bool {
    matches!(error, DbError::Query(QueryError::DatabaseError(_, info)) if info.constraint_name() == Some(IN_USE))
}

/// Returns the batches between two positions that are recorded as purged and whose signed checkpoints agree.
async fn agreed(
    db: &Database,
    purged: &Purged,
    (before, keys): (DateTime<Utc>, &SealKeys),
    (first, last): (i64, i64),
) -> Result<Vec<(u64, u64)>, PurgeError> {
    let mut connection = db.get().await?;
    // The batch of the last position ends here.
    let end: Option<i64> = audit_checkpoints::table
        .filter(audit_checkpoints::size.gt(last))
        .select(min(audit_checkpoints::size))
        .first(&mut connection)
        .await?;
    let mut batches = pin!(
        audit_checkpoints::table
            .filter(audit_checkpoints::size.gt(first).and(audit_checkpoints::size.le(end.unwrap_or(last))))
            .order(audit_checkpoints::size)
            .select((audit_checkpoints::size, audit_checkpoints::note))
            .load_stream::<(i64, String)>(&mut connection)
            .await?
    );
    let mut agreed: Vec<(u64, u64)> = Vec::new();
    while let Some((size, note)) = batches.try_next().await? {
        let checkpoint = Checkpoint::open(&note, keys).map_err(|error| PurgeError::Checkpoint { size, error })?;
        let (from, to) = (checkpoint.stated.previous, checkpoint.size);
        if to.cast_signed() != size {
            return Err(PurgeError::Checkpoint { size, error: NoteError::Malformed });
        }
        let is_older = |than| checkpoint.stated.newest.is_some_and(|newest| newest < than);
        let is_recorded = purged.is_whole(from, to) && purged.overlapping(from, to).all(|purge| is_older(purge.before));
        if is_recorded && is_older(before) {
            match agreed.last_mut() {
                Some((_, end)) if *end == from => *end = to,
                _ => agreed.push((from, to)),
            }
        }
    }
    Ok(agreed)
}

/// Lists the partitions of the log. Their names are quoted for SQL.
async fn partitions(db: &Database) -> DbResult<Vec<Partition>> {
    let partitions = diesel::sql_query(
        "SELECT quote_ident(c.relname) AS name, pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' AS is_month \
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'audit_events'::regclass ORDER BY 1",
    );
    Ok(partitions.load(&mut *db.get().await?).await?)
}

/// Events that may be removed.
struct Purgeable {
    before: DateTime<Utc>,
    positions: String,
}

impl Purgeable {
    /// Counts the purgeable events of a partition.
    async fn share(&self, db: &Database, name: &str) -> DbResult<Share> {
        db.transaction(async |connection: &mut AsyncPgConnection| {
            connection.batch_execute(NO_TIMEOUT).await?;
            Ok(self.share_now(connection, name).await?)
        })
        .await
    }

    async fn share_now(&self, connection: &mut AsyncPgConnection, name: &str) -> QueryResult<Share> {
        // An index tells whether the partition has old events at all. Only the leaves of its range of ids are read.
        diesel::sql_query(format!(
            "WITH old AS (SELECT EXISTS (SELECT 1 FROM {name} WHERE occurred_at < $1) AS there), \
             gone AS (SELECT count(*) AS count, min(l.position) AS first, max(l.position) AS last \
                 FROM {name} e JOIN audit_leaves l ON l.event_id = e.id \
                 AND l.event_id BETWEEN (SELECT min(id) FROM {name}) AND (SELECT max(id) FROM {name}) \
                 WHERE (SELECT there FROM old) AND e.occurred_at < $1 AND l.position <@ $2::int8multirange) \
             SELECT count AS purged, first, last, count > 0 AND (SELECT count(*) FROM {name}) > count AS has_others FROM gone"
        ))
        .bind::<Timestamptz, _>(self.before)
        .bind::<Text, _>(&self.positions)
        .get_result(connection)
        .await
    }

    /// Drops the partition of a month. Returns `false` if other events were added to it.
    async fn drop_month(&self, db: &Database, name: &str) -> DbResult<bool> {
        db.transaction(async |connection: &mut AsyncPgConnection| {
            // The portal no longer writes into such a month; a manual insert waits until this transaction ends. The short
            // lock timeout keeps readers and writers of other months from queueing behind this transaction.
            let lock = naming_lock_timeout(&format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"));
            connection.batch_execute(&format!("{NO_TIMEOUT}; SET LOCAL lock_timeout = '100ms'; {lock}")).await?;
            if self.share_now(connection, name).await?.has_others {
                return Ok(false);
            }
            connection.batch_execute(&naming_lock_timeout(&format!("DROP TABLE {name}"))).await?;
            Ok(true)
        })
        .await
    }

    /// Deletes the purgeable events of a partition.
    async fn delete(&self, db: &Database, name: &str) -> DbResult<u64> {
        let delete = format!(
            "DELETE FROM {name} WHERE ctid = ANY (ARRAY(SELECT e.ctid FROM {name} e JOIN audit_leaves l ON l.event_id = e.id \
                 WHERE e.occurred_at < $1 AND l.position <@ $2::int8multirange LIMIT $3))"
        );
        let mut all = 0;
        loop {
            let rows = db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<usize> {
                // The owner revoked its own right to delete, and grants it for this transaction only.
                let allow = format!(
                    "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5s'; GRANT DELETE ON {name} TO CURRENT_USER; \
                     ALTER TABLE {name} DISABLE TRIGGER audit_events_no_change"
                );
                connection.batch_execute(&allow).await?;
                let rows = diesel::sql_query(&delete)
                    .bind::<Timestamptz, _>(self.before)
                    .bind::<Text, _>(&self.positions)
                    .bind::<BigInt, _>(MAX_DELETED_ROWS as i64)
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
            if rows < MAX_DELETED_ROWS {
                return Ok(all);
            }
        }
    }
}
