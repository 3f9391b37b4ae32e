//! Checks that a log has only grown since its newest checkpoint in the witness.

use std::collections::VecDeque;
use std::pin::pin;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;

use super::WitnessError;
use crate::audit::binary_copy;
use crate::audit::seal::{Checkpoint, CompactRange, Leaf};
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;
use crate::db::snapshot::Snapshot;

/// Checkpoints of one query.
pub(super) const PAGE: usize = 500;

/// The checkpoints to check, against the leaves of the log.
pub(super) struct Growth<'a> {
    pub place: &'a str,
    pub keys: &'a SealKeys,
    /// The newest checkpoint in the witness.
    pub witnessed: Option<&'a Checkpoint>,
    /// Sizes of the checkpoints to send, in ascending order.
    pub to_send: &'a [u64],
}

impl Growth<'_> {
    /// Computes the root at the size of each checkpoint from the leaves, and compares it. The tree begins at a compact range
    /// of the database, which needs no trust: the roots of the checkpoints confirm it.
    ///
    /// Returns the newest of the checkpoints to send.
    pub async fn check(&self, snapshot: &mut Snapshot) -> Result<Option<Checkpoint>, WitnessError> {
        let sizes = self.sizes();
        let (Some(first), Some(last)) = (sizes.front().copied(), sizes.back().copied()) else { return Ok(None) };
        let start = compact_range_before(snapshot.connection(), first).await?;
        let select =
            format!("{} WHERE position >= {} AND position < {last} ORDER BY position", Leaf::SELECT, start.size());
        let mut leaves = pin!(snapshot.handle().copy(&select).await?);
        let notes = Notes { to_send: self.to_send, loaded: VecDeque::new() };
        let mut walk = Walk { growth: self, tree: start, sizes, notes, newest: None };
        walk.compare(snapshot.connection()).await?;
        while let Some(piece) = leaves.try_next().await? {
            let Some(row) = binary_copy::row(piece.as_ref()) else { continue };
            match Leaf::from_copy(row) {
                Some(leaf) if leaf.position.cast_unsigned() == walk.tree.size() => walk.tree.push(leaf.hash),
                // A leaf is missing or can't be read.
                _ => break,
            }
            walk.compare(snapshot.connection()).await?;
        }
        match (walk.sizes.front().copied(), self.witnessed) {
            (None, _) => Ok(walk.newest),
            (Some(_), Some(witnessed)) if witnessed.size > walk.tree.size() => {
                Err(WitnessError::CutOff { place: self.place.into(), size: witnessed.size, leaves: walk.tree.size() })
            }
            (Some(size), _) => {
                Err(WitnessError::Changed { size, why: format!("leaf {} is missing", walk.tree.size()) })
            }
        }
    }

    /// Returns the sizes of all checkpoints to compare, in ascending order.
    fn sizes(&self) -> VecDeque<u64> {
        let mut sizes = self.to_send.to_vec();
        if let Some(witnessed) = self.witnessed
            && let Err(at) = sizes.binary_search(&witnessed.size)
        {
            sizes.insert(at, witnessed.size);
        }
        sizes.into()
    }
}

struct Walk<'a> {
    growth: &'a Growth<'a>,
    tree: CompactRange,
    /// Sizes that the tree hasn't reached yet.
    sizes: VecDeque<u64>,
    notes: Notes<'a>,
    newest: Option<Checkpoint>,
}

impl Walk<'_> {
    /// Compares the checkpoint of the tree's size, if there is one.
    async fn compare(&mut self, connection: &mut AsyncPgConnection) -> Result<(), WitnessError> {
        let Some(size) = self.sizes.pop_front_if(|size| *size == self.tree.size()) else { return Ok(()) };
        let Growth { place, keys, witnessed, to_send } = self.growth;
        if witnessed.is_some_and(|witnessed| witnessed.size == size && witnessed.root != self.tree.root()) {
            return Err(WitnessError::Forked { place: (*place).into(), size });
        }
        if to_send.binary_search(&size).is_ok() {
            let note = self.notes.next(connection).await?;
            let checkpoint = Checkpoint::open(&note, keys).map_err(|error| WitnessError::changed(size, error))?;
            if checkpoint.size != size || checkpoint.root != self.tree.root() {
                let why = "its root isn't that of the leaves".into();
                return Err(WitnessError::Changed { size, why });
            }
            self.newest = Some(checkpoint);
        }
        Ok(())
    }
}

/// The notes of the checkpoints to send, in order, loaded page by page.
struct Notes<'a> {
    to_send: &'a [u64],
    loaded: VecDeque<String>,
}

impl Notes<'_> {
    async fn next(&mut self, connection: &mut AsyncPgConnection) -> QueryResult<String> {
        if self.loaded.is_empty() {
            let (page, rest) = self.to_send.split_at(PAGE.min(self.to_send.len()));
            self.loaded = notes(connection, page).await?.into_iter().map(|(_, note)| note).collect();
            self.to_send = rest;
        }
        self.loaded.pop_front().ok_or(diesel::result::Error::NotFound)
    }
}

/// Loads checkpoints of the database: size and note, in ascending order.
pub(super) async fn notes(connection: &mut AsyncPgConnection, sizes: &[u64]) -> QueryResult<Vec<(i64, String)>> {
    let sizes: Vec<i64> = sizes.iter().map(|size| size.cast_signed()).collect();
    audit_checkpoints::table
        .filter(audit_checkpoints::size.eq_any(sizes))
        .order(audit_checkpoints::size)
        .select((audit_checkpoints::size, audit_checkpoints::note))
        .load(connection)
        .await
}

/// Returns the tree of the largest checkpoint with at most so many leaves.
async fn compact_range_before(connection: &mut AsyncPgConnection, size: u64) -> Result<CompactRange, WitnessError> {
    let found: Option<(i64, Vec<u8>)> = audit_checkpoints::table
        .filter(audit_checkpoints::size.le(size.cast_signed()))
        .order(audit_checkpoints::size.desc())
        .select((audit_checkpoints::size, audit_checkpoints::edge))
        .first(connection)
        .await
        .optional()?;
    let Some((size, edge)) = found else { return Ok(CompactRange::default()) };
    let size = size.cast_unsigned();
    CompactRange::from_bytes(size, &edge)
        .ok_or_else(|| WitnessError::Changed { size, why: "its compact range can't be read".into() })
}
