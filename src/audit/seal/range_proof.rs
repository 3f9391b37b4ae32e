//! Finds and reads the part of the tree that a proof needs.
//!
//! The part begins at the last checkpoint before the proved leaves, whose compact range is stored. It ends at the first
//! checkpoint after them that is in the storage, so that the proof can be compared with that one. If no later
//! checkpoint is in the storage yet, it ends at the first checkpoint after them in the database.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{Stream, TryStreamExt};

use super::{Checkpoint, CompactRange, Hash, Leaf, NoteError};
use crate::audit::binary_copy;
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;
use crate::db::snapshot::SnapshotHandle;
use crate::db::{DbError, DbResult};

/// Start and end of the part of the tree that proves a range of leaves.
pub struct RangeProof {
    pub start: CompactRange,
    /// The signed note of the checkpoint at the end.
    pub note: String,
    pub checkpoint: Checkpoint,
}

#[derive(Debug, thiserror::Error)]
pub enum RangeProofError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(
        "no checkpoint covers it yet: a running server signs one within seconds. If that takes minutes, see \
         /audit/integrity"
    )]
    Waiting,
    #[error("the leaves differ from what was sealed: run primetrade audit verify")]
    Changed,
    #[error("the checkpoint that would prove it can't be opened: {0}")]
    Note(#[from] NoteError),
}

crate::db::query_error_into!(RangeProofError);

impl RangeProof {
    /// Finds the checkpoints around the leaves from position `first` to `last`, both included.
    pub async fn find(
        connection: &mut AsyncPgConnection,
        keys: &SealKeys,
        (first, last): (i64, i64),
    ) -> Result<Self, RangeProofError> {
        let published = checkpoints_after(last).filter(audit_checkpoints::is_published).select(audit_checkpoints::note);
        let note: String = match published.first(connection).await.optional()? {
            Some(note) => note,
            None => checkpoints_after(last)
                .select(audit_checkpoints::note)
                .first(connection)
                .await
                .optional()?
                .ok_or(RangeProofError::Waiting)?,
        };
        let checkpoint = Checkpoint::open(&note, keys)?;
        let before: Option<(i64, Vec<u8>)> = audit_checkpoints::table
            .filter(audit_checkpoints::size.le(first))
            .order(audit_checkpoints::size.desc())
            .select((audit_checkpoints::size, audit_checkpoints::edge))
            .first(connection)
            .await
            .optional()?;
        let start = match before {
            Some((size, edge)) => {
                CompactRange::from_bytes(size.cast_unsigned(), &edge).ok_or(RangeProofError::Changed)?
            }
            None => CompactRange::default(),
        };
        Ok(Self { start, note, checkpoint })
    }

    /// Streams position and hash of each leaf between start and end, from the left.
    pub async fn leaves(
        &self,
        snapshot: &SnapshotHandle,
    ) -> DbResult<impl Stream<Item = Result<(i64, Hash), RangeProofError>> + use<>> {
        let (from, to) = (self.start.size(), self.checkpoint.size);
        let select = format!("{} WHERE position >= {from} AND position < {to} ORDER BY position", Leaf::SELECT);
        let rows = snapshot.copy(&select).await?.map_err(RangeProofError::from);
        Ok(rows.try_filter_map(|chunk| {
            let leaf = binary_copy::row(chunk.as_ref())
                .map(|row| Leaf::from_copy(row).ok_or(RangeProofError::Changed))
                .transpose();
            std::future::ready(leaf.map(|leaf| leaf.map(|leaf| (leaf.position, leaf.hash))))
        }))
    }

    /// Streams size and note of the checkpoints in the storage that contain a position, the smallest first, up to the
    /// end of this part.
    pub async fn published<'a>(
        &self,
        connection: &'a mut AsyncPgConnection,
        position: i64,
    ) -> QueryResult<impl Stream<Item = QueryResult<(i64, String)>> + use<'a>> {
        checkpoints_after(position)
            .filter(audit_checkpoints::is_published)
            .filter(audit_checkpoints::size.le(self.checkpoint.size.cast_signed()))
            .select((audit_checkpoints::size, audit_checkpoints::note))
            .load_stream(connection)
            .await
    }
}

/// Checkpoints whose tree contains the leaf at this position, the smallest first.
#[diesel::dsl::auto_type(no_type_alias)]
fn checkpoints_after(position: i64) -> _ {
    audit_checkpoints::table.filter(audit_checkpoints::size.gt(position)).order(audit_checkpoints::size)
}
