//! Removes what is on record as purged: whole months at once where nothing else is in them, row by row elsewhere.
//!
//! A record is not enough: only whole batches go whose checkpoints are signed and say that they are as old as the record and the
//! retention want it. Nobody waits for long: a month goes only if its locks are to be had within a moment. Each step is a
//! transaction of its own; an interrupted purge goes on where it was.

use std::pin::pin;

use chrono::{DateTime, Utc};
use diesel::dsl::min;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;
use serde::Serialize;

use super::{PurgeError, Purged};
use crate::audit::seal::{Checkpoint, NoteError};
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;
use crate::db::{Database, DbError, DbResult};

/// Rows that are deleted at once: whoever writes among them waits so long.
const BATCH: usize = 5_000;

const PATIENT: &str = "SET LOCAL statement_timeout = 0";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    pub events: u64,
    /// Months that went as a whole.
    pub months: u64,
    /// Those that did not, because somebody was reading the log; they go the next time.
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
    /// Of those that are purged, in the tree.
    #[diesel(sql_type = Nullable<BigInt>)]
    first: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
}

/// What is older than `before`.
pub(super) async fn remove(
    db: &Database,
    purged: &Purged,
    (before, keys): (DateTime<Utc>, &SealKeys),
) -> Result<Removed, PurgeError> {
    let mut removed = Removed::default();
    let said = Gone { before, positions: range(&purged.positions()) };
    for Partition { name, is_month } in partitions(db).await? {
        let share = said.share(db, &name).await?;
        let (Some(first), Some(last)) = (share.first, share.last) else { continue };
        let agreed = agreed(db, purged, (before, keys), (first, last)).await?;
        let gone = Gone { before, positions: range(&agreed) };
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
                Err(error) if is_locked(&error) => removed.waiting.push(name),
                Err(error) => return Err(error.into()),
            }
        } else if purged > 0 {
            removed.events += gone.delete(db, &name).await?;
        }
    }
    Ok(removed)
}

/// As Postgres writes an `int8multirange`.
fn range(positions: &[(u64, u64)]) -> String {
    let ranges = positions.iter().map(|(from, to)| format!("[{from},{to})"));
    format!("{{{}}}", ranges.collect::<Vec<_>>().join(","))
}

fn is_locked(error: &DbError) -> bool {
    matches!(error, DbError::Query(error) if error.to_string().contains("lock timeout"))
}

/// Between these positions, batches that are on record as a whole and whose signed checkpoints agree.
async fn agreed(
    db: &Database,
    purged: &Purged,
    (before, keys): (DateTime<Utc>, &SealKeys),
    (first, last): (i64, i64),
) -> Result<Vec<(u64, u64)>, PurgeError> {
    let mut connection = db.get().await?;
    // The batch of the last one ends here.
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
        let is_on_record =
            purged.is_whole(from, to) && purged.overlapping(from, to).all(|purge| is_older(purge.before));
        if is_on_record && is_older(before) {
            match agreed.last_mut() {
                Some((_, end)) if *end == from => *end = to,
                _ => agreed.push((from, to)),
            }
        }
    }
    Ok(agreed)
}

/// Of the log, by their names as SQL wants them.
async fn partitions(db: &Database) -> DbResult<Vec<Partition>> {
    let partitions = diesel::sql_query(
        "SELECT quote_ident(c.relname) AS name, pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' AS is_month \
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'audit_events'::regclass ORDER BY 1",
    );
    Ok(partitions.load(&mut *db.get().await?).await?)
}

/// What may go.
struct Gone {
    before: DateTime<Utc>,
    positions: String,
}

impl Gone {
    async fn share(&self, db: &Database, name: &str) -> DbResult<Share> {
        db.transaction(async |connection: &mut AsyncPgConnection| {
            connection.batch_execute(PATIENT).await?;
            Ok(self.share_now(connection, name).await?)
        })
        .await
    }

    async fn share_now(&self, connection: &mut AsyncPgConnection, name: &str) -> QueryResult<Share> {
        // Only where something is old at all: an index knows. Of leaves, however many, only those of its ids are read.
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

    /// `false`: something else is in it by now.
    async fn drop_month(&self, db: &Database, name: &str) -> DbResult<bool> {
        db.transaction(async |connection: &mut AsyncPgConnection| {
            // Nobody writes into such a month any more; whoever does it by hand waits while it is looked through again. Whoever
            // reads or writes the log anywhere else would queue behind us if we had to wait for the last lock.
            let lock =
                format!("{PATIENT}; SET LOCAL lock_timeout = '100ms'; LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE");
            connection.batch_execute(&lock).await?;
            if self.share_now(connection, name).await?.has_others {
                return Ok(false);
            }
            connection.batch_execute(&format!("DROP TABLE {name}")).await?;
            Ok(true)
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
            let rows = db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<usize> {
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
