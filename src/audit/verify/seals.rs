//! Leaves and checkpoints, in the order of the tree: every root is computed again, every signature checked.

use std::pin::pin;
use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::TryStreamExt;

use super::sums::{Buckets, Sums};
use super::{Difference, Differences, Expected, Progress, VerifyError};
use crate::audit::binary_copy;
use crate::audit::seal::{Checkpoint, CompactRange, Hash, Leaf};
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;
use crate::db::snapshot::SnapshotHandle;

pub struct Seals {
    pub leaves: u64,
    pub purged: u64,
    pub backdated: u64,
    pub checkpoints: u64,
    pub sums: Sums,
    /// The last one whose signature counts.
    pub last: Option<Checkpoint>,
    /// Sizes of those that are in the storage, as later ones say, or the database does. In order.
    pub published: Vec<u64>,
    pub differences: Differences,
}

/// Size, note, edge, whether it is published.
type Kept = (i64, String, Vec<u8>, bool);

pub async fn add_up(
    snapshot: SnapshotHandle,
    (buckets, expected, keys): (Buckets, Arc<Expected>, SealKeys),
    progress: Progress,
) -> Result<Seals, VerifyError> {
    let mut connection = snapshot.connection().await?;
    let checkpoints = audit_checkpoints::table
        .order(audit_checkpoints::size)
        .select((
            audit_checkpoints::size,
            audit_checkpoints::note,
            audit_checkpoints::edge,
            audit_checkpoints::is_published,
        ))
        .load_stream::<Kept>(&mut connection)
        .await?;
    let leaves = snapshot.copy(&format!("{} ORDER BY position", Leaf::SELECT)).await?;
    let (mut checkpoints, mut leaves) = (pin!(checkpoints), pin!(leaves));
    let mut walk = Walk::new(buckets, expected, keys);
    let mut next = checkpoints.try_next().await?;
    while let Some(piece) = leaves.try_next().await? {
        let Some(row) = binary_copy::row(piece.as_ref()) else { continue };
        let leaf = Leaf::from_copy(row).unwrap_or(Leaf { position: walk.next, event_id: -1, hash: Hash::default() });
        // Those that end before it.
        while let Some(kept) = next.take_if(|kept| kept.0 <= leaf.position) {
            walk.checkpoint(kept);
            next = checkpoints.try_next().await?;
        }
        walk.leaf(leaf);
        progress.add(1);
    }
    while let Some(kept) = next {
        if kept.0 <= walk.next {
            walk.checkpoint(kept)
        } else {
            walk.without_leaves(kept.0)
        }
        next = checkpoints.try_next().await?;
    }
    walk.end();
    Ok(walk.seals)
}

struct Walk {
    expected: Arc<Expected>,
    keys: SealKeys,
    tree: CompactRange,
    /// The position that comes next.
    next: i64,
    /// The size of the last checkpoint that was met.
    met: u64,
    seals: Seals,
}

impl Walk {
    fn new(buckets: Buckets, expected: Arc<Expected>, keys: SealKeys) -> Self {
        let seals = Seals {
            leaves: 0,
            purged: 0,
            backdated: 0,
            checkpoints: 0,
            sums: buckets.empty(),
            last: None,
            published: Vec::new(),
            differences: Differences::default(),
        };
        Self { expected, keys, tree: CompactRange::default(), next: 0, met: 0, seals }
    }

    fn end(&mut self) {
        if self.met < self.next.cast_unsigned() {
            self.differ(Difference::LeavesWithoutCheckpoint { from: self.met });
        }
        self.seals.published.sort_unstable();
        self.seals.published.dedup();
    }

    fn without_leaves(&mut self, size: i64) {
        // That is told of here, and not of its end.
        self.met = size.cast_unsigned();
        let leaves = self.next.cast_unsigned();
        self.differ(Difference::LeavesCutOff { size: self.met, leaves });
    }

    fn differ(&mut self, difference: Difference) {
        self.seals.differences.add(difference);
    }

    fn leaf(&mut self, Leaf { position, event_id, hash }: Leaf) {
        if position != self.next {
            self.differ(Difference::LeafMissing { expected: self.next, found: position });
        }
        self.next = position.saturating_add(1);
        self.seals.leaves += 1;
        if self.expected.purged.has(position.cast_unsigned()) {
            self.seals.purged += 1;
        } else {
            self.seals.sums.add(event_id, &hash);
        }
        self.tree.push(hash);
    }

    fn checkpoint(&mut self, (size, note, edge, is_published): Kept) {
        self.seals.checkpoints += 1;
        if is_published {
            self.seals.published.push(size.cast_unsigned());
        }
        let (before, size) = (std::mem::replace(&mut self.met, size.cast_unsigned()), size.cast_unsigned());
        let checkpoint = match Checkpoint::open(&note, &self.keys) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return self.differ(Difference::Checkpoint { size: size.cast_signed(), error }),
        };
        if checkpoint.size != size {
            return self.differ(Difference::CheckpointSize { size: size.cast_signed(), said: checkpoint.size });
        }
        let said = checkpoint.stated.previous;
        if said > before {
            self.differ(Difference::CheckpointMissing { missing: said, size });
        } else if said < before {
            self.differ(Difference::CheckpointOrder { size, said });
        }
        if checkpoint.root != self.tree.root() {
            self.differ(Difference::Leaves { from: before, to: size });
            // What comes behind is held against what was signed here: only this batch is told of.
            if let Some(signed) = CompactRange::from_bytes(size, &edge).filter(|tree| tree.root() == checkpoint.root) {
                self.tree = signed;
            }
        } else if self.tree.to_bytes() != edge {
            self.differ(Difference::CompactRange { size });
        }
        if checkpoint.stated.published > 0 && self.seals.published.last() != Some(&checkpoint.stated.published) {
            self.seals.published.push(checkpoint.stated.published);
        }
        self.seals.backdated += checkpoint.stated.backdated;
        self.purged(&checkpoint);
        self.seals.last = Some(checkpoint);
    }

    /// Were its events old enough to be purged?
    fn purged(&mut self, checkpoint: &Checkpoint) {
        let (from, to) = (checkpoint.stated.previous, checkpoint.size);
        let is_newer = |before| checkpoint.stated.newest.is_none_or(|newest| newest >= before);
        let early = self.expected.purged.overlapping(from, to).find(|purge| is_newer(purge.before));
        if let Some(before) = early.map(|purge| purge.before) {
            self.differ(Difference::PurgedTooEarly { size: to, before });
        } else if self.expected.purged.overlapping(from, to).next().is_some()
            && !self.expected.purged.is_whole(from, to)
        {
            self.differ(Difference::PurgedInPart { size: to });
        }
    }
}
