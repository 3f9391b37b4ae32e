//! One proof for many leaves: the hashes that a reader needs besides the proved leaves to compute the root.
//!
//! These are the largest subtrees without proved leaves, from the left; each hash occurs once, however many leaves are
//! proved. The reader keeps a stack of subtrees and joins the last two whenever they have the same size.

use super::compact_range::CompactRange;
use super::tree::{Hash, node_hash};

/// A part of the tree, in the order of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofNode {
    /// The next of the proved leaves.
    Leaf,
    /// A subtree of 2^`level` leaves that aren't proved.
    Subtree { level: u32, hash: Hash },
}

/// Writes a multiproof while the leaves are read.
#[derive(Clone, Debug)]
pub struct Multiproof {
    size: u64,
    /// Subtrees that may still be joined with what follows: level and hash each.
    waiting: Vec<(u32, Hash)>,
}

impl Multiproof {
    /// Begins after a compact range, in which no leaf is proved.
    pub fn after(range: &CompactRange) -> Self {
        let levels = (0..u64::BITS).rev().filter(|level| range.size() >> level & 1 == 1);
        Self { size: range.size(), waiting: levels.zip(range.hashes()).collect() }
    }

    /// Appends a leaf, and passes the nodes that are final by now to `emit`.
    pub fn push(&mut self, leaf: Hash, is_proved: bool, mut emit: impl FnMut(ProofNode)) {
        let mut position = self.size;
        self.size += 1;
        if is_proved {
            // Every waiting subtree is the sibling of one with this leaf: none can grow anymore.
            self.emit_waiting(&mut emit);
            return emit(ProofNode::Leaf);
        }
        let (mut level, mut hash) = (0, leaf);
        while position & 1 == 1 {
            let Some((_, left)) = self.waiting.pop_if(|left| left.0 == level) else {
                // Its left sibling has a proved leaf and was emitted.
                self.waiting.push((level, hash));
                return self.emit_waiting(&mut emit);
            };
            hash = node_hash(&left, &hash);
            level += 1;
            position >>= 1;
        }
        self.waiting.push((level, hash));
    }

    /// Ends the tree, and passes the remaining nodes to `emit`.
    pub fn finish(mut self, mut emit: impl FnMut(ProofNode)) {
        self.emit_waiting(&mut emit);
    }

    fn emit_waiting(&mut self, emit: &mut impl FnMut(ProofNode)) {
        self.waiting.drain(..).for_each(|(level, hash)| emit(ProofNode::Subtree { level, hash }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::leaf_hash;
    use super::*;

    /// Computes size and root as a reader does.
    fn root(nodes: &[ProofNode], mut proved: impl Iterator<Item = Hash>) -> (u64, Hash) {
        let (mut size, mut stack) = (0_u64, Vec::<(u32, Hash)>::new());
        for node in nodes {
            let (mut level, mut hash) = match *node {
                ProofNode::Leaf => (0, proved.next().expect("a leaf")),
                ProofNode::Subtree { level, hash } => (level, hash),
            };
            assert_eq!(size % (1 << level), 0, "{nodes:?}");
            size += 1 << level;
            while let Some((_, left)) = stack.pop_if(|left| left.0 == level) {
                hash = node_hash(&left, &hash);
                level += 1;
            }
            stack.push((level, hash));
        }
        let mut whole = stack.pop().expect("a tree").1;
        while let Some((_, left)) = stack.pop() {
            whole = node_hash(&left, &whole);
        }
        (size, whole)
    }

    /// Asserts that no two neighbors could be one larger subtree.
    fn assert_shortest(nodes: &[ProofNode]) {
        let (mut position, mut last) = (0_u64, None);
        for node in nodes {
            let ProofNode::Subtree { level, .. } = *node else {
                (position, last) = (position + 1, None);
                continue;
            };
            assert!(!(last == Some(level) && position >> level & 1 == 1), "{nodes:?}");
            (position, last) = (position + (1 << level), Some(level));
        }
    }

    #[test]
    fn any_leaves_lead_to_the_root_with_the_fewest_hashes() {
        let leaves: Vec<Hash> = (0..40_u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        for size in 1..=leaves.len() {
            let mut whole = CompactRange::default();
            leaves[..size].iter().for_each(|leaf| whole.push(*leaf));
            for pattern in 1..400_u64 {
                // Few, many, and all leaves.
                let is_proved =
                    |at: usize| (at as u64).wrapping_mul(pattern).wrapping_add(pattern >> 3) % 7 < pattern % 8;
                let Some(first) = (0..size).find(|at| is_proved(*at)) else { continue };
                let start = first - first.min(pattern as usize % 5);
                let mut range = CompactRange::default();
                leaves[..start].iter().for_each(|leaf| range.push(*leaf));
                let (mut multiproof, mut nodes) = (Multiproof::after(&range), Vec::new());
                for (at, leaf) in leaves[..size].iter().enumerate().skip(start) {
                    multiproof.push(*leaf, is_proved(at), |node| nodes.push(node));
                }
                multiproof.finish(|node| nodes.push(node));
                let proved = || (0..size).filter(|at| is_proved(*at));
                assert_eq!(root(&nodes, proved().map(|at| leaves[at])), (size as u64, whole.root()));
                assert_eq!(nodes.iter().filter(|node| **node == ProofNode::Leaf).count(), proved().count());
                assert_shortest(&nodes);
            }
        }
    }
}
