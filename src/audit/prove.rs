//! That one event was sealed: a [tlog-proof](https://c2sp.org/tlog-proof) that anybody checks without the log.
//!
//! It is one against the first checkpoint behind the event that is in the storage, so that it can be held against that one,
//! and begins at the last checkpoint before the event, whose edge is kept: what lies between is all there is to read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;
use std::pin::pin;

use super::seal::{Checkpoint, Edge, Hash, NoteError, Row, copied};
use crate::config::SealKeys;
use crate::db::schema::{audit_checkpoints, audit_events, audit_leaves};
use crate::db::{Database, DbError};

/// What the text begins with.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("there is no event with this id")]
    NoSuchEvent,
    #[error("the event is missing, although it was sealed at position {0}: run primetrade audit verify")]
    Missing(i64),
    #[error("the event has no seal yet: it gets one within seconds while a server runs")]
    Waiting,
    #[error("the event is not what was sealed: run primetrade audit verify")]
    Changed,
    #[error("the checkpoint it would be proved with can't be opened: {0}")]
    Note(#[from] NoteError),
}

impl From<diesel::result::Error> for ProveError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Where an event is in the tree; `None`: it waits for its seal.
pub async fn place(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<i64>> {
    let leaf = audit_leaves::table.filter(audit_leaves::event_id.eq(id)).select(audit_leaves::position);
    leaf.first(connection).await.optional()
}

/// Checkpoints whose trees have this leaf, the smallest first.
#[diesel::dsl::auto_type(no_type_alias)]
fn behind(position: i64) -> _ {
    audit_checkpoints::table.filter(audit_checkpoints::size.gt(position)).order(audit_checkpoints::size)
}

/// The text of the proof, with the event's canonical bytes in it.
pub async fn prove(db: &Database, keys: &SealKeys, id: i64) -> Result<String, ProveError> {
    let mut moment = db.moment().await?;
    let snapshot = moment.snapshot();
    let connection = moment.held();
    let event: Option<Row> = audit_events::table
        .filter(audit_events::id.eq(id))
        .select(Row::as_select())
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
        (None, Some((position, _))) => return Err(ProveError::Missing(position)),
        (None, None) => return Err(ProveError::NoSuchEvent),
    };
    let mut line = Vec::new();
    if event.fields().hash(&mut line)[..] != hash[..] {
        return Err(ProveError::Changed);
    }
    let published = behind(position).filter(audit_checkpoints::is_published).select(audit_checkpoints::note);
    let note: String = match published.first(connection).await.optional()? {
        Some(note) => note,
        None => behind(position)
            .select(audit_checkpoints::note)
            .first(connection)
            .await
            .optional()?
            .ok_or(ProveError::Waiting)?,
    };
    let checkpoint = Checkpoint::open(&note, keys)?;
    let before: Option<(i64, Vec<u8>)> = audit_checkpoints::table
        .filter(audit_checkpoints::size.le(position))
        .order(audit_checkpoints::size.desc())
        .select((audit_checkpoints::size, audit_checkpoints::edge))
        .first(connection)
        .await
        .optional()?;
    let mut edge = match before {
        Some((size, edge)) => Edge::from_bytes(size.cast_unsigned(), &edge).ok_or(ProveError::Changed)?,
        None => Edge::default(),
    };
    let mut proof: Vec<Hash> = Vec::new();
    let (from, to) = (edge.size(), checkpoint.size);
    let select = format!("{} WHERE position >= {from} AND position < {to} ORDER BY position", copied::LEAVES);
    let mut leaves = pin!(snapshot.copy(&select).await?);
    while let Some(piece) = leaves.try_next().await? {
        let Some(row) = copied::row(piece.as_ref()) else { continue };
        let (at, _, hash) = copied::leaf(row).ok_or(ProveError::Changed)?;
        edge.push_marked(hash, at == position, |beside| proof.push(beside));
    }
    if edge.size() != to || edge.fold(|beside| proof.push(beside)) != checkpoint.root {
        return Err(ProveError::Changed);
    }
    let mut text = format!("{MAGIC}\nextra {}\nindex {position}\n", STANDARD.encode(line));
    proof.iter().for_each(|hash| text.extend([STANDARD.encode(hash).as_str(), "\n"]));
    Ok(format!("{text}\n{note}"))
}
