//! One batch: the next events that no open transaction can precede become leaves, and a checkpoint is signed over them.

use std::pin::pin;

use chrono::{DateTime, Utc};
use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;

use super::{Checkpoint, Horizon, SealError, SealState, Sealed, Stated};
use crate::audit::EventRow;
use crate::config::SealKeys;
use crate::db::schema::{audit_checkpoints, audit_events};

const MAX_EVENTS: usize = 10_000;

/// The events of a batch, in the order of their leaves.
#[derive(Default)]
struct Batch {
    events: Vec<i64>,
    hashes: Vec<Vec<u8>>,
    /// Transaction and id of the last event.
    last: (u64, i64),
    /// When the newest event occurred.
    newest: Option<DateTime<Utc>>,
    backdated: u64,
}

/// Seals one batch in the connection's transaction. The caller holds the lock that lets one process seal at a time.
pub(super) async fn seal_batch(connection: &mut AsyncPgConnection, keys: &SealKeys) -> Result<Sealed, SealError> {
    let mut state = SealState::read(connection, keys).await?;
    let horizon = Horizon::read(connection).await?;
    let is_restored = horizon.is_of_another_cluster(&state);
    let batch = Batch::read(connection, &mut state, is_restored).await?;
    let is_behind = batch.events.len() == MAX_EVENTS;
    if batch.events.is_empty() {
        return Ok(if is_restored { Sealed::Searched } else { Sealed::Some { events: 0, is_behind } });
    }
    let (transaction, event) = sealed_up_to(&batch, &state, &horizon);
    let previous = state.tree.size() - batch.events.len() as u64;
    let stated = Stated {
        sealed_at: horizon.at,
        previous,
        published: last_published(connection).await?,
        transaction,
        event,
        complete_at: if is_behind { state.complete_at } else { Some(horizon.at) },
        newest: batch.newest,
        backdated: batch.backdated,
    };
    batch.write(connection, previous).await?;
    let Some(key) = &keys.signs else { return Ok(Sealed::Skipped) };
    let origin = key.verifier().name().to_owned();
    let checkpoint = Checkpoint { origin, size: state.tree.size(), root: state.tree.root(), stated };
    diesel::insert_into(audit_checkpoints::table)
        .values((
            audit_checkpoints::size.eq(state.tree.size().cast_signed()),
            audit_checkpoints::note.eq(checkpoint.sign(key)?),
            audit_checkpoints::edge.eq(state.tree.to_bytes()),
        ))
        .execute(connection)
        .await?;
    if batch.backdated > 0 {
        let (events, size) = (batch.backdated, checkpoint.size);
        tracing::warn!(events, size, "sealed events with dates earlier than they can have been written");
    }
    Ok(Sealed::Some { events: batch.events.len() as u64, is_behind })
}

/// The last transaction, and its last event, that are sealed after this batch.
fn sealed_up_to(batch: &Batch, before: &SealState, horizon: &Horizon) -> (u64, i64) {
    let is_restored = horizon.is_of_another_cluster(before);
    let is_behind = batch.events.len() == MAX_EVENTS;
    let ended = horizon.oldest.cast_unsigned() - 1;
    match batch.last {
        // The whole restored log is in the tree, so transactions can be compared again.
        _ if is_restored && !is_behind => (ended, i64::MAX),
        _ if is_restored => (before.transaction, before.event),
        last if is_behind => last,
        // All events of all transactions that have ended: none can be added to them.
        (transaction, _) => (transaction.max(ended), i64::MAX),
    }
}

/// The size of the newest checkpoint in the storage, or 0.
async fn last_published(connection: &mut AsyncPgConnection) -> QueryResult<u64> {
    let published: Option<i64> = audit_checkpoints::table
        .filter(audit_checkpoints::is_published)
        .select(max(audit_checkpoints::size))
        .first(connection)
        .await?;
    Ok(published.unwrap_or_default().cast_unsigned())
}

impl Batch {
    /// Reads the next events and appends their leaves to the tree of `state`.
    ///
    /// In a restored log, transaction ids don't tell which events are new, so the query searches the whole log for
    /// events without a leaf.
    async fn read(connection: &mut AsyncPgConnection, state: &mut SealState, is_restored: bool) -> QueryResult<Self> {
        const UNSEALED: &str = "NOT EXISTS (SELECT 1 FROM audit_leaves l WHERE l.event_id = audit_events.id)";
        let mut query = audit_events::table.filter(sql::<Bool>(UNSEALED)).into_boxed();
        query = if is_restored {
            connection.batch_execute("SET LOCAL statement_timeout = 0").await?;
            query.filter(sql::<Bool>(
                "(xact_id < pg_snapshot_xmin(pg_current_snapshot()) OR xact_id >= pg_snapshot_xmax(pg_current_snapshot()))",
            ))
        } else {
            // An index has the order, and only the leaves of this batch need to be looked up.
            connection
                .batch_execute(
                    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_sort = off",
                )
                .await?;
            let last = sql::<Bool>("(xact_id, id) > (").bind::<Text, _>(state.transaction.to_string()).sql("::xid8, ");
            query.filter(
                last.bind::<BigInt, _>(state.event).sql(") AND xact_id < pg_snapshot_xmin(pg_current_snapshot())"),
            )
        };
        let rows = query
            .order((sql::<Text>("xact_id"), audit_events::id))
            .limit(MAX_EVENTS as i64)
            .select(EventRow::as_select())
            .load_stream::<EventRow>(connection)
            .await?;
        let (mut rows, mut batch, mut line) = (pin!(rows), Self::default(), Vec::new());
        while let Some(event) = rows.try_next().await? {
            let hash = event.fields().leaf_hash(&mut line);
            state.tree.push(hash);
            batch.backdated += u64::from(state.is_backdated(&event));
            batch.newest = batch.newest.max(Some(event.occurred_at));
            batch.last = (event.xact_id.0, event.id);
            batch.events.push(event.id);
            batch.hashes.push(hash.to_vec());
        }
        Ok(batch)
    }

    /// Inserts the leaves, the first at position `first`.
    async fn write(&self, connection: &mut AsyncPgConnection, first: u64) -> QueryResult<()> {
        diesel::sql_query(
            "INSERT INTO audit_leaves (position, event_id, hash) \
             SELECT $1 + n - 1, event_id, hash FROM unnest($2, $3) WITH ORDINALITY AS leaves (event_id, hash, n)",
        )
        .bind::<BigInt, _>(first.cast_signed())
        .bind::<Array<BigInt>, _>(&self.events)
        .bind::<Array<Binary>, _>(&self.hashes)
        .execute(connection)
        .await
        .map(drop)
    }
}
