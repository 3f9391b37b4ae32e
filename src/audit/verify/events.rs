//! Events: reads all of them once, then compares those of the ids where something differs.

use std::pin::pin;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;

use super::sums::{Buckets, Sums};
use super::{Difference, Differences, Expected, Progress, VerifyError};
use crate::audit::binary_copy;
use crate::audit::columns::{EventRef, EventRow, select_all};
use crate::db::schema::{audit_events, audit_leaves};
use crate::db::snapshot::SnapshotHandle;

/// The result of reading all events.
pub struct Events {
    pub count: u64,
    pub sums: Sums,
    /// At least one event can't be read, so the sums are incomplete.
    pub is_unreadable: bool,
}

/// Reads and hashes all events.
pub async fn read_all(snapshot: SnapshotHandle, buckets: Buckets, progress: Progress) -> Result<Events, VerifyError> {
    // Without an order, Postgres reads the table as it is on disk.
    let mut rows = pin!(snapshot.copy(&select_all()).await?);
    let mut events = Events { count: 0, sums: buckets.empty(), is_unreadable: false };
    let mut line = Vec::new();
    while let Some(piece) = rows.try_next().await? {
        let Some(row) = binary_copy::row(piece.as_ref()) else { continue };
        match EventRef::from_copy(row) {
            Some(event) => events.sums.add(event.id, &event.leaf_hash(&mut line)),
            None => events.is_unreadable = true,
        }
        events.count += 1;
        progress.add(1);
    }
    Ok(events)
}

/// Adds the differences of events that can't be read.
pub async fn name_unreadable(
    connection: &mut AsyncPgConnection,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    let undated: Vec<(i64, String)> = audit_events::table
        .filter(sql::<diesel::sql_types::Bool>("NOT (occurred_at >= '1900-01-01Z' AND occurred_at < '10000-01-01Z')"))
        .order(audit_events::id)
        .limit(20)
        .select((audit_events::id, sql::<Text>("occurred_at::text")))
        .load(connection)
        .await?;
    if undated.is_empty() {
        differences.add(Difference::EventUnreadable("invalid value".into()));
    }
    undated.into_iter().for_each(|(id, at)| differences.add(Difference::EventUndated { id, at }));
    Ok(())
}

struct StoredLeaf {
    position: i64,
    event_id: i64,
    hash: Vec<u8>,
}

/// Compares the events of a range of ids with their leaves, one by one. Returns how many are only too new to be sealed.
pub async fn compare(
    events: &mut AsyncPgConnection,
    leaves: &mut AsyncPgConnection,
    (from, to): (i64, i64),
    expected: &Expected,
    differences: &mut Differences,
) -> Result<u64, VerifyError> {
    let events = audit_events::table
        .filter(audit_events::id.between(from, to))
        .order((audit_events::id, audit_events::occurred_at))
        .select(EventRow::as_select())
        .load_stream::<EventRow>(events)
        .await?;
    let leaves = audit_leaves::table
        .filter(audit_leaves::event_id.between(from, to))
        .order((audit_leaves::event_id, audit_leaves::position))
        .select((audit_leaves::position, audit_leaves::event_id, audit_leaves::hash))
        .load_stream::<(i64, i64, Vec<u8>)>(leaves)
        .await?
        .map_ok(|(position, event_id, hash)| StoredLeaf { position, event_id, hash });
    let (mut events, mut leaves) = (pin!(events), pin!(leaves));
    let (mut event, mut leaf) = (events.try_next().await?, leaves.try_next().await?);
    let (mut line, mut waiting) = (Vec::new(), 0);
    let (mut last_event, mut last_leaf) = (None, None);
    loop {
        match (&event, &leaf) {
            (None, None) => return Ok(waiting),
            (Some(row), Some(StoredLeaf { position, event_id, hash })) if row.id == *event_id => {
                if row.fields().leaf_hash(&mut line)[..] != hash[..] {
                    differences.add(Difference::EventChanged { id: *event_id, position: *position });
                }
                (last_event, last_leaf) = (Some(row.id), Some(*event_id));
                (event, leaf) = (events.try_next().await?, leaves.try_next().await?);
            }
            (Some(row), other) if other.as_ref().is_none_or(|leaf| row.id < leaf.event_id) => {
                let id = row.id;
                let why =
                    if last_event == Some(id) { Some(Difference::EventTwice { id }) } else { unsealed(row, expected) };
                match why {
                    Some(difference) => differences.add(difference),
                    None => waiting += 1,
                }
                last_event = Some(id);
                event = events.try_next().await?;
            }
            (_, Some(StoredLeaf { position, event_id, .. })) => {
                let id = *event_id;
                if last_leaf == Some(id) {
                    differences.add(Difference::LeafTwice { id });
                } else if !expected.purged.has(position.cast_unsigned()) {
                    differences.add(Difference::EventMissing { id, position: *position });
                }
                last_leaf = Some(id);
                leaf = leaves.try_next().await?;
            }
            (Some(_), None) => unreachable!("the arm before takes events without a later leaf"),
        }
    }
}

/// Returns why an event without a leaf is a difference, or `None` if it is only too new to be sealed.
fn unsealed(row: &EventRow, expected: &Expected) -> Option<Difference> {
    let id = row.id;
    if expected.is_restored {
        return None;
    }
    if !expected.sealed.is_before(row) {
        return Some(Difference::EventUnsealed { id });
    }
    if row.xact_id.0 >= expected.next_transaction {
        return Some(Difference::EventOfNoTransaction { id });
    }
    expected.sealed.is_backdated(row).then_some(Difference::EventBackdated { id, at: row.occurred_at })
}
