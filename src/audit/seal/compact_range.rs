//! The right edge of the Merkle tree, which is all that appending leaves and computing roots needs.

use super::tree::{Hash, empty_root, node_hash};

/// A complete subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subtree {
    hash: Hash,
    /// It contains the leaf whose inclusion proof is being collected.
    is_marked: bool,
}

impl Subtree {
    /// Joins this subtree with its right sibling. If one of them is marked, passes the other's hash to `add_sibling`.
    fn join(self, right: Self, mut add_sibling: impl FnMut(Hash)) -> Self {
        match (self.is_marked, right.is_marked) {
            (true, false) => add_sibling(right.hash),
            (false, true) => add_sibling(self.hash),
            _ => {}
        }
        Self { hash: node_hash(&self.hash, &right.hash), is_marked: self.is_marked || right.is_marked }
    }
}

/// A tree of which only the largest complete subtrees are kept, from the left: one for each bit of its size.
///
/// Certificate Transparency calls this a [compact range](https://transparency.dev/articles/compact-ranges/) from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    subtrees: Vec<Subtree>,
}

impl CompactRange {
    /// Reads the bytes that [`CompactRange::to_bytes`] wrote. Returns `None` if their number doesn't fit the size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && hashes.len() == size.count_ones() as usize;
        let subtrees = hashes.iter().map(|hash| Subtree { hash: *hash, is_marked: false });
        fits.then(|| Self { size, subtrees: subtrees.collect() })
    }

    /// The hashes of the subtrees, from the left, 32 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes().flatten().collect()
    }

    /// The hashes of the subtrees, from the left.
    pub fn hashes(&self) -> impl Iterator<Item = Hash> {
        self.subtrees.iter().map(|subtree| subtree.hash)
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, leaf: Hash) {
        self.append(Subtree { hash: leaf, is_marked: false }, |_| {});
    }

    /// Appends a leaf and collects an inclusion proof: passes the hash of each sibling of a subtree with the marked
    /// leaf to `add_sibling`, from the leaf upward. [`CompactRange::fold`] passes the rest.
    pub fn push_marked(&mut self, leaf: Hash, is_marked: bool, add_sibling: impl FnMut(Hash)) {
        self.append(Subtree { hash: leaf, is_marked }, add_sibling);
    }

    fn append(&mut self, mut subtree: Subtree, mut add_sibling: impl FnMut(Hash)) {
        let mut full = self.size;
        while full & 1 == 1 {
            let Some(left) = self.subtrees.pop() else { break };
            subtree = left.join(subtree, &mut add_sibling);
            full >>= 1;
        }
        self.subtrees.push(subtree);
        self.size += 1;
    }

    pub fn root(&self) -> Hash {
        self.fold(|_| {})
    }

    /// Computes the root, and passes the end of the marked leaf's inclusion proof to `add_sibling`.
    pub fn fold(&self, mut add_sibling: impl FnMut(Hash)) -> Hash {
        let Some((last, others)) = self.subtrees.split_last() else { return empty_root() };
        let mut root = *last;
        for left in others.iter().rev() {
            root = left.join(root, &mut add_sibling);
        }
        root.hash
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::leaf_hash;
    use super::*;

    /// `MTH` as RFC 6962 defines it.
    fn merkle_tree_hash(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            leaves => {
                let half = leaves.len().next_power_of_two() / 2;
                node_hash(&merkle_tree_hash(&leaves[..half]), &merkle_tree_hash(&leaves[half..]))
            }
        }
    }

    /// `PATH` as RFC 6962 defines it.
    fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let half = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(half);
        let (mut path, other) =
            if index < half { (path(index, left), right) } else { (path(index - half, right), left) };
        path.push(merkle_tree_hash(other));
        path
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    #[test]
    fn roots_are_those_of_the_rfc() {
        let leaves = leaves(300);
        let mut range = CompactRange::default();
        for size in 0..=leaves.len() {
            assert_eq!(range.root(), merkle_tree_hash(&leaves[..size]), "{size}");
            assert_eq!(CompactRange::from_bytes(size as u64, &range.to_bytes()), Some(range.clone()));
            if let Some(next) = leaves.get(size) {
                range.push(*next);
            }
        }
        assert_eq!(CompactRange::from_bytes(3, &[0; 32]), None);
        assert_eq!(CompactRange::from_bytes(1, &[0; 33]), None);
    }

    #[test]
    fn proofs_are_those_of_the_rfc_from_any_earlier_range() {
        let leaves = leaves(70);
        for size in 1..=leaves.len() {
            for proved in 0..size {
                let start = proved / 3;
                let mut range = CompactRange::default();
                leaves[..start].iter().for_each(|leaf| range.push(*leaf));
                let mut proof = Vec::new();
                for (position, leaf) in leaves[..size].iter().enumerate().skip(start) {
                    range.push_marked(*leaf, position == proved, |hash| proof.push(hash));
                }
                assert_eq!(range.fold(|hash| proof.push(hash)), merkle_tree_hash(&leaves[..size]));
                assert_eq!(proof, path(proved, &leaves[..size]), "{proved} of {size}");
            }
        }
    }
}
