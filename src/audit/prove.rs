//! That one event was sealed: a [tlog-proof](https://c2sp.org/tlog-proof) that anybody checks without the log.
//!
//! What has to be read for it is a [`Span`] of the tree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;
use std::pin::pin;

use super::EventRow;
use super::retention::Purged;
use super::seal::{Hash, Span, SpanError};
use crate::config::SealKeys;
use crate::db::schema::{audit_events, audit_leaves};
use crate::db::{Database, DbError};

/// What the text begins with.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("there is no event with this id")]
    NoSuchEvent,
    #[error("the event was purged: it is older than events are kept")]
    Purged,
    #[error("the event is missing, although it was sealed at position {0}: run primetrade audit verify")]
    Missing(i64),
    #[error("the event has no seal yet: it gets one within seconds while a server runs")]
    Waiting,
    #[error("the event is not what was sealed: run primetrade audit verify")]
    Changed,
    #[error(transparent)]
    Span(#[from] SpanError),
}

crate::db::query_error_into!(ProveError);

/// Where an event is in the tree; `None`: it waits for its seal.
pub async fn position(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<i64>> {
    let leaf = audit_leaves::table.filter(audit_leaves::event_id.eq(id)).select(audit_leaves::position);
    leaf.first(connection).await.optional()
}

/// The text of the proof, with the event's canonical bytes in it.
pub async fn prove(db: &Database, keys: &SealKeys, id: i64) -> Result<String, ProveError> {
    let mut snapshot = db.snapshot().await?;
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
            let purged = Purged::read(connection).await?;
            let is_purged = purged.has(position.cast_unsigned());
            return Err(if is_purged { ProveError::Purged } else { ProveError::Missing(position) });
        }
        (None, None) => return Err(ProveError::NoSuchEvent),
    };
    let mut line = Vec::new();
    if event.fields().leaf_hash(&mut line)[..] != hash[..] {
        return Err(ProveError::Changed);
    }
    let span = Span::around(connection, keys, (position, position)).await?;
    let mut leaves = pin!(span.leaves(&handle).await?);
    let Span { mut edge, note, checkpoint } = span;
    let mut proof: Vec<Hash> = Vec::new();
    while let Some((at, hash)) = leaves.try_next().await? {
        edge.push_marked(hash, at == position, |beside| proof.push(beside));
    }
    if edge.size() != checkpoint.size || edge.fold(|beside| proof.push(beside)) != checkpoint.root {
        return Err(SpanError::Changed.into());
    }
    let mut text = format!("{MAGIC}\nextra {}\nindex {position}\n", STANDARD.encode(line));
    proof.iter().for_each(|hash| text.extend([STANDARD.encode(hash).as_str(), "\n"]));
    Ok(format!("{text}\n{note}"))
}
