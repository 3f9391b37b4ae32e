//! Leaves and checkpoints, in the order of the tree: computes every root again and checks every signature.

use std::pin::pin;
use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::TryStreamExt;

use super::sums::{Buckets, Sums};
use super::witness::Comparison;
use super::{Difference, Differences, Expected, Progress, VerifyError};
use crate::audit::binary_copy;
use crate::audit::seal::{Checkpoint, CompactRange, Hash, Leaf};
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;
use crate::db::snapshot::SnapshotHandle;

/// The result of reading all leaves and checkpoints.
pub struct Seals {
    pub leaves: u64,
    pub purged: u64,
    pub backdated: u64,
    pub checkpoints: u64,
    pub sums: Sums,
    /// The last checkpoint with a valid signature.
    pub last: Option<Checkpoint>,
    /// Sizes of the checkpoints that should be in the storage, as later checkpoints or the database say. In order.
    pub published: Vec<u64>,
    pub differences: Differences,
}

/// Size, note, compact range, and whether it is published.
type CheckpointRow = (i64, String, Vec<u8>, bool);

/// Reads all leaves and checkpoints.
pub async fn read_all(
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
        .load_stream::<CheckpointRow>(&mut connection)
        .await?;
    let leaves = snapshot.copy(&format!("{} ORDER BY position", Leaf::SELECT)).await?;
    let (mut checkpoints, mut leaves) = (pin!(checkpoints), pin!(leaves));
    let mut walk = Walk::new(buckets, expected, keys);
    let mut next = checkpoints.try_next().await?;
    while let Some(piece) = leaves.try_next().await? {
        let Some(row) = binary_copy::row(piece.as_ref()) else { continue };
        let leaf = Leaf::from_copy(row).unwrap_or(Leaf { position: walk.next, event_id: -1, hash: Hash::default() });
        // Checkpoints over the leaves before this one.
        while let Some(checkpoint) = next.take_if(|(size, ..)| *size <= leaf.position) {
            walk.checkpoint(checkpoint);
            next = checkpoints.try_next().await?;
        }
        walk.compare_witnessed(leaf.position.cast_unsigned());
        walk.leaf(leaf);
        progress.add(1);
    }
    while let Some(checkpoint) = next {
        if checkpoint.0 <= walk.next {
            walk.checkpoint(checkpoint)
        } else {
            walk.checkpoint_without_leaves(checkpoint.0)
        }
        next = checkpoints.try_next().await?;
    }
    walk.finish();
    Ok(walk.seals)
}

struct Walk {
    expected: Arc<Expected>,
    keys: SealKeys,
    tree: CompactRange,
    /// The position of the next leaf.
    next: i64,
    /// The size of the last checkpoint that was read.
    last_size: u64,
    witnessed: Comparison,
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
        Self {
            expected,
            keys,
            tree: CompactRange::default(),
            next: 0,
            last_size: 0,
            witnessed: Comparison::default(),
            seals,
        }
    }

    /// Compares the checkpoints in the witness that have as many leaves as the tree.
    fn compare_witnessed(&mut self, size: u64) {
        if let Some(contents) = &self.expected.witnessed {
            self.witnessed.reach(contents, size, || self.tree.root());
        }
    }

    fn finish(&mut self) {
        if self.last_size < self.next.cast_unsigned() {
            self.differ(Difference::LeavesWithoutCheckpoint { from: self.last_size });
        }
        let leaves = self.next.cast_unsigned();
        self.compare_witnessed(leaves);
        if let Some(contents) = &self.expected.witnessed {
            self.witnessed.finish(contents, leaves, &mut self.seals.differences);
        }
        self.seals.published.sort_unstable();
        self.seals.published.dedup();
    }

    fn checkpoint_without_leaves(&mut self, size: i64) {
        // Reported here, so `finish` doesn't report the same leaves.
        self.last_size = size.cast_unsigned();
        let leaves = self.next.cast_unsigned();
        self.differ(Difference::LeavesCutOff { size: self.last_size, leaves });
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

    fn checkpoint(&mut self, (size, note, edge, is_published): CheckpointRow) {
        self.seals.checkpoints += 1;
        if is_published {
            self.seals.published.push(size.cast_unsigned());
        }
        let (before, size) = (std::mem::replace(&mut self.last_size, size.cast_unsigned()), size.cast_unsigned());
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
            // Continues from the signed tree, so that only the leaves of this batch are reported.
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
        self.check_purged(&checkpoint);
        self.seals.last = Some(checkpoint);
    }

    /// Checks that purged events of a checkpoint were old enough, and that all of its events were purged.
    fn check_purged(&mut self, checkpoint: &Checkpoint) {
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
