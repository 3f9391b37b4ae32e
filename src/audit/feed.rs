//! The sealed events in the order of the tree, for programs that follow the log.
//!
//! Transactions commit in another order than their events get ids, so a program that asks for ids above the last one it
//! has can miss events. The tree only grows at its end ([`super::seal`]): an event never gets a position below one that
//! was read.

use std::collections::HashMap;
use std::io::{self, Write};

use diesel::dsl::min;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::export::write_members;
use super::{Action, EventRow};
use crate::db::schema::{audit_events, audit_leaves};

/// Most events of one reading.
pub const MAX_EVENTS: usize = 5_000;
/// The member of the detail by which an event says that the feed was read.
pub const DETAIL: &str = "feed";

/// A sealed event.
pub struct SealedEvent {
    pub position: i64,
    leaf_hash: Vec<u8>,
    event: EventRow,
}

impl SealedEvent {
    /// Whether it says that the feed was read.
    ///
    /// Reading nothing but such events is not recorded. Otherwise two programs that follow the log would make each other
    /// record something for ever.
    pub fn is_of_feed(&self) -> bool {
        let detail: Option<serde_json::Value> = serde_json::from_str(&self.event.detail.0).ok();
        self.event.action == Action::AuditViewed.as_str() && detail.is_some_and(|detail| detail.get(DETAIL).is_some())
    }

    /// Appends the event as one line of JSON: its position, the hash of its leaf, and the columns of an export.
    pub fn write_line(&self, text: &mut Vec<u8>) -> io::Result<()> {
        write!(text, "{{\"position\":{},\"leaf_hash\":\"{}\",", self.position, hex::encode(&self.leaf_hash))?;
        write_members(&self.event, text)?;
        text.extend_from_slice(b"}\n");
        Ok(())
    }
}

/// Returns up to `limit` events after a position, in order. Fewer only if there are no more yet.
///
/// Events that the retention has removed are passed over. Most of them come first, and cost one query.
pub async fn after(
    connection: &mut AsyncPgConnection,
    mut position: i64,
    limit: usize,
) -> QueryResult<Vec<SealedEvent>> {
    let (mut found, mut step) = (Vec::new(), limit);
    while found.len() < limit {
        let leaves: Vec<(i64, i64, Vec<u8>)> = audit_leaves::table
            .filter(audit_leaves::position.gt(position))
            .order(audit_leaves::position)
            .limit(step as i64)
            .select((audit_leaves::position, audit_leaves::event_id, audit_leaves::hash))
            .load(connection)
            .await?;
        let Some((last, ..)) = leaves.last() else { break };
        position = *last;
        let (ids, expected): (Vec<i64>, usize) =
            (leaves.iter().map(|(_, id, _)| *id).collect(), found.len() + leaves.len());
        let events: Vec<EventRow> = audit_events::table
            .filter(audit_events::id.eq_any(ids))
            .select(EventRow::as_select())
            .load(connection)
            .await?;
        let mut events: HashMap<i64, EventRow> = events.into_iter().map(|event| (event.id, event)).collect();
        found.extend(leaves.into_iter().filter_map(|(position, id, leaf_hash)| {
            Some(SealedEvent { position, leaf_hash, event: events.remove(&id)? })
        }));
        if found.len() < expected {
            step = MAX_EVENTS;
            let Some(first) = first_left(connection, position).await? else { break };
            position = position.max(first - 1);
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Returns the first position after this one whose event may still exist. Events are removed oldest first.
async fn first_left(connection: &mut AsyncPgConnection, position: i64) -> QueryResult<Option<i64>> {
    let oldest = audit_events::table.select(min(audit_events::id)).single_value();
    audit_leaves::table
        .filter(audit_leaves::position.gt(position))
        .filter(audit_leaves::event_id.nullable().ge(oldest))
        .select(min(audit_leaves::position))
        .first(connection)
        .await
}
