//! Proof that one event was sealed: a [tlog-proof](https://c2sp.org/tlog-proof), which anyone can check without the
//! log.

use std::pin::pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;

use super::EventRow;
use super::retention::Purged;
use super::seal::{Hash, RangeProof, RangeProofError};
use crate::config::SealKeys;
use crate::db::replica::PAGE;
use crate::db::schema::{audit_events, audit_leaves};
use crate::db::snapshot::SnapshotHandle;
use crate::db::{Database, DbError};

/// The first line of a proof.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("no event has this id")]
    NoSuchEvent,
    #[error("the event was purged: it was older than the retention period")]
    Purged,
    #[error("the event is missing, although it was sealed at position {0}: run primetrade audit verify")]
    Missing(i64),
    #[error("the event has no seal yet: a running server seals it within seconds")]
    Waiting,
    #[error("the event differs from what was sealed: run primetrade audit verify")]
    Changed,
    #[error(transparent)]
    Proof(#[from] RangeProofError),
}

crate::db::query_error_into!(ProveError);

/// The position of an event in the tree, or `None` if the event isn't sealed yet.
pub async fn position(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<i64>> {
    let leaf = audit_leaves::table.filter(audit_leaves::event_id.eq(id)).select(audit_leaves::position);
    leaf.first(connection).await.optional()
}

/// Returns the text of the proof, which contains the canonical bytes of the event.
pub async fn prove(db: &Database, keys: &SealKeys, id: i64) -> Result<String, ProveError> {
    let mut snapshot = db.reader(PAGE).await.snapshot().await?;
    let handle = snapshot.handle();
    let connection = snapshot.connection();
    let event: Option<EventRow> = audit_events::table
        .filter(audit_events::id.eq(id))
        .select(EventRow::as_select())
        .first(connection)
        .await
        .optional()?;
    let leaf: Option<(i64, Vec<u8>)> = audit_leaves::table
        .filter(audit_leaves::event_id.eq(id))
        .select((audit_leaves::position, audit_leaves::hash))
        .first(connection)
        .await
        .optional()?;
    let (event, (position, hash)) = match (event, leaf) {
        (Some(event), Some(leaf)) => (event, leaf),
        (Some(_), None) => return Err(ProveError::Waiting),
        (None, Some((position, _))) => {
            let purged = Purged::read(connection, keys).await?;
            let is_purged = purged.has(position.cast_unsigned());
            return Err(if is_purged { ProveError::Purged } else { ProveError::Missing(position) });
        }
        (None, None) => return Err(ProveError::NoSuchEvent),
    };
    let mut line = Vec::new();
    if event.fields().leaf_hash(&mut line)[..] != hash[..] {
        return Err(ProveError::Changed);
    }
    let range = RangeProof::find(connection, keys, (position, position)).await?;
    let path = inclusion_path(&range, &handle, position).await?;
    let mut text = format!("{MAGIC}\nextra {}\nindex {position}\n", STANDARD.encode(line));
    path.iter().for_each(|hash| text.extend([STANDARD.encode(hash).as_str(), "\n"]));
    Ok(format!("{text}\n{}", range.note))
}

/// Computes the hashes from a leaf to the root, and compares the root with the checkpoint.
async fn inclusion_path(
    range: &RangeProof,
    snapshot: &SnapshotHandle,
    position: i64,
) -> Result<Vec<Hash>, RangeProofError> {
    let mut leaves = pin!(range.leaves(snapshot).await?);
    let (mut tree, mut path) = (range.start.clone(), Vec::new());
    while let Some((at, hash)) = leaves.try_next().await? {
        tree.push_marked(hash, at == position, |sibling| path.push(sibling));
    }
    if tree.size() != range.checkpoint.size || tree.fold(|sibling| path.push(sibling)) != range.checkpoint.root {
        return Err(RangeProofError::Changed);
    }
    Ok(path)
}
