//! The part of the tree that has to be read to prove something: from the last checkpoint before it, whose edge is kept, to
//! the first one behind it that is in the storage, so that the proof can be held against that one. If none is there yet, to
//! the first one behind it.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{Stream, TryStreamExt};

use super::{Checkpoint, Edge, Hash, Leaf, NoteError};
use crate::audit::binary_copy;
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;
use crate::db::snapshot::SnapshotHandle;
use crate::db::{DbError, DbResult};

/// Where it begins and ends.
pub struct Span {
    pub edge: Edge,
    /// What it is proved against, signed.
    pub note: String,
    pub checkpoint: Checkpoint,
}

#[derive(Debug, thiserror::Error)]
pub enum SpanError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("there is no checkpoint behind it yet: there is one within seconds while a server runs")]
    Waiting,
    #[error("the leaves are not what was sealed: run primetrade audit verify")]
    Changed,
    #[error("the checkpoint it would be proved with can't be opened: {0}")]
    Note(#[from] NoteError),
}

crate::db::query_error_into!(SpanError);

impl Span {
    /// Around the leaves from `first` to `last`.
    pub async fn around(
        connection: &mut AsyncPgConnection,
        keys: &SealKeys,
        (first, last): (i64, i64),
    ) -> Result<Self, SpanError> {
        let published = behind(last).filter(audit_checkpoints::is_published).select(audit_checkpoints::note);
        let note: String = match published.first(connection).await.optional()? {
            Some(note) => note,
            None => behind(last)
                .select(audit_checkpoints::note)
                .first(connection)
                .await
                .optional()?
                .ok_or(SpanError::Waiting)?,
        };
        let checkpoint = Checkpoint::open(&note, keys)?;
        let before: Option<(i64, Vec<u8>)> = audit_checkpoints::table
            .filter(audit_checkpoints::size.le(first))
            .order(audit_checkpoints::size.desc())
            .select((audit_checkpoints::size, audit_checkpoints::edge))
            .first(connection)
            .await
            .optional()?;
        let edge = match before {
            Some((size, edge)) => Edge::from_bytes(size.cast_unsigned(), &edge).ok_or(SpanError::Changed)?,
            None => Edge::default(),
        };
        Ok(Self { edge, note, checkpoint })
    }

    /// Its leaves, with their positions, from the left.
    pub async fn leaves(
        &self,
        snapshot: &SnapshotHandle,
    ) -> DbResult<impl Stream<Item = Result<(i64, Hash), SpanError>> + use<>> {
        let (from, to) = (self.edge.size(), self.checkpoint.size);
        let select = format!("{} WHERE position >= {from} AND position < {to} ORDER BY position", Leaf::SELECT);
        let rows = snapshot.copy(&select).await?.map_err(SpanError::from);
        Ok(rows.try_filter_map(|piece| {
            let leaf =
                binary_copy::row(piece.as_ref()).map(|row| Leaf::from_copy(row).ok_or(SpanError::Changed)).transpose();
            std::future::ready(leaf.map(|leaf| leaf.map(|leaf| (leaf.position, leaf.hash))))
        }))
    }

    /// The notes that are in the storage behind a position, the smallest first, up to the one that it is proved against.
    pub async fn published<'a>(
        &self,
        connection: &'a mut AsyncPgConnection,
        position: i64,
    ) -> QueryResult<impl Stream<Item = QueryResult<(i64, String)>> + use<'a>> {
        behind(position)
            .filter(audit_checkpoints::is_published)
            .filter(audit_checkpoints::size.le(self.checkpoint.size.cast_signed()))
            .select((audit_checkpoints::size, audit_checkpoints::note))
            .load_stream(connection)
            .await
    }
}

/// Checkpoints whose trees have this leaf, the smallest first.
#[diesel::dsl::auto_type(no_type_alias)]
fn behind(position: i64) -> _ {
    audit_checkpoints::table.filter(audit_checkpoints::size.gt(position)).order(audit_checkpoints::size)
}
