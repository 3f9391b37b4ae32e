//! Where sealing stands: how far the log is sealed, and how far the database's transactions have got.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Checkpoint, CompactRange, SealError, Stated};
use crate::audit::EventRow;
use crate::config::SealKeys;
use crate::db::schema::{audit_checkpoints, audit_leaves};

/// An event that is dated this much earlier than events sealed before it was not written by the portal.
pub const MAX_BACKDATING: TimeDelta = TimeDelta::hours(1);

/// The progress of the database's transactions.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Horizon {
    /// All transactions before this one have ended.
    pub oldest: i64,
    /// This transaction and all later ones have not begun.
    pub next: i64,
    pub at: DateTime<Utc>,
}

impl Horizon {
    pub async fn read(connection: &mut AsyncPgConnection) -> QueryResult<Self> {
        let snapshot = sql::<(BigInt, BigInt, Timestamptz)>(
            "pg_snapshot_xmin(pg_current_snapshot()), pg_snapshot_xmax(pg_current_snapshot()), statement_timestamp()",
        );
        diesel::select(snapshot).get_result(connection).await
    }

    /// Whether the log was restored into another cluster, where transactions have lower numbers than those already
    /// sealed. Then transactions don't tell which events are new.
    pub fn is_of_another_cluster(&self, sealed: &SealState) -> bool {
        self.next.cast_unsigned() <= sealed.transaction
    }
}

/// How far the log is sealed.
#[derive(Clone, Debug, Default)]
pub struct SealState {
    pub tree: CompactRange,
    /// Every event with (transaction id, event id) ≤ (`transaction`, `event`) is sealed, as in [`Stated`].
    pub transaction: u64,
    pub event: i64,
    /// Every event committed before this time is sealed. `None` while sealing is behind.
    pub complete_at: Option<DateTime<Utc>>,
    pub sealed_at: Option<DateTime<Utc>>,
}

impl SealState {
    /// Reads the last checkpoint, and checks its signature, its tree and the number of leaves.
    pub async fn read(connection: &mut AsyncPgConnection, keys: &SealKeys) -> Result<Self, SealError> {
        let last: Option<(i64, String, Vec<u8>)> = audit_checkpoints::table
            .order(audit_checkpoints::size.desc())
            .select((audit_checkpoints::size, audit_checkpoints::note, audit_checkpoints::edge))
            .first(connection)
            .await
            .optional()?;
        let leaves: Option<i64> = audit_leaves::table.select(max(audit_leaves::position)).first(connection).await?;
        let leaves = leaves.map_or(0, |position| position + 1);
        let Some((size, note, edge)) = last else {
            if leaves > 0 {
                return Err(SealError::Broken { size: 0, why: format!("{leaves} leaves exist, but no checkpoint") });
            }
            return Ok(Self::default());
        };
        let size = size.cast_unsigned();
        let broken = |why: String| SealError::Broken { size, why };
        let checkpoint = Checkpoint::open(&note, keys).map_err(|error| broken(error.to_string()))?;
        let tree =
            CompactRange::from_bytes(size, &edge).ok_or_else(|| broken("its compact range is damaged".into()))?;
        if checkpoint.size != size || checkpoint.root != tree.root() {
            return Err(broken("its note belongs to a different tree".into()));
        }
        if leaves.cast_unsigned() != size {
            return Err(broken(format!("the database has {leaves} leaves")));
        }
        Ok(Self { tree, ..Self::from(&checkpoint.stated) })
    }

    /// Whether an event comes after everything that is sealed.
    pub fn is_before(&self, event: &EventRow) -> bool {
        (event.xact_id.0, event.id) > (self.transaction, self.event)
    }

    /// Whether an event is dated so much earlier than sealed ones that it can't have been written at that time.
    pub fn is_backdated(&self, event: &EventRow) -> bool {
        self.complete_at.is_some_and(|complete_at| event.occurred_at < complete_at - MAX_BACKDATING)
    }
}

/// Without the tree.
impl From<&Stated> for SealState {
    fn from(stated: &Stated) -> Self {
        let Stated { transaction, event, complete_at, sealed_at, .. } = *stated;
        Self { tree: CompactRange::default(), transaction, event, complete_at, sealed_at: Some(sealed_at) }
    }
}
