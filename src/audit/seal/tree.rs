//! The Merkle tree of [RFC 6962](https://www.rfc-editor.org/rfc/rfc6962#section-2.1), as far as appending and proving need
//! it: its right edge.

use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

/// Of a leaf with these bytes.
pub fn leaf(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A subtree, and whether what is to be proved is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    hash: Hash,
    is_marked: bool,
}

impl Part {
    /// With the one on its right. If what is to be proved is in one of them, the hash of the other goes to `beside`.
    fn join(self, right: Self, mut beside: impl FnMut(Hash)) -> Self {
        match (self.is_marked, right.is_marked) {
            (true, false) => beside(right.hash),
            (false, true) => beside(self.hash),
            _ => {}
        }
        Self { hash: node(&self.hash, &right.hash), is_marked: self.is_marked || right.is_marked }
    }
}

/// A tree of which only the largest complete subtrees are kept, from the left: one for each bit of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    parts: Vec<Part>,
}

impl Edge {
    /// `None`: so many bytes aren't the edge of a tree of that size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && hashes.len() == size.count_ones() as usize;
        fits.then(|| Self { size, parts: hashes.iter().map(|hash| Part { hash: *hash, is_marked: false }).collect() })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes().flatten().collect()
    }

    /// Of its subtrees, from the left.
    pub fn hashes(&self) -> impl Iterator<Item = Hash> {
        self.parts.iter().map(|part| part.hash)
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, leaf: Hash) {
        self.append(Part { hash: leaf, is_marked: false }, |_| {});
    }

    /// The same, for a proof: the hash of whatever is beside a subtree with the marked leaf goes to `beside`.
    pub fn push_marked(&mut self, leaf: Hash, is_marked: bool, beside: impl FnMut(Hash)) {
        self.append(Part { hash: leaf, is_marked }, beside);
    }

    fn append(&mut self, mut part: Part, mut beside: impl FnMut(Hash)) {
        let mut subtrees = self.size;
        while subtrees & 1 == 1 {
            let Some(left) = self.parts.pop() else { break };
            part = left.join(part, &mut beside);
            subtrees >>= 1;
        }
        self.parts.push(part);
        self.size += 1;
    }

    pub fn root(&self) -> Hash {
        self.fold(|_| {})
    }

    /// The root; what is beside the subtree with the one marked leaf, from below, goes to `beside`: the end of its proof.
    pub fn fold(&self, mut beside: impl FnMut(Hash)) -> Hash {
        let Some((last, others)) = self.parts.split_last() else { return Sha256::digest([]).into() };
        let mut whole = *last;
        for left in others.iter().rev() {
            whole = left.join(whole, &mut beside);
        }
        whole.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MTH of RFC 6962, as it stands there.
    fn by_the_book(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            many => {
                let half = many.len().next_power_of_two() / 2;
                node(&by_the_book(&many[..half]), &by_the_book(&many[half..]))
            }
        }
    }

    /// PATH of RFC 6962.
    fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let half = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(half);
        let (mut path, other) =
            if index < half { (path(index, left), right) } else { (path(index - half, right), left) };
        path.push(by_the_book(other));
        path
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf(&n.to_be_bytes())).collect()
    }

    #[test]
    fn roots_are_those_of_the_rfc() {
        let all = leaves(300);
        let mut edge = Edge::default();
        for size in 0..=all.len() {
            assert_eq!(edge.root(), by_the_book(&all[..size]), "{size}");
            assert_eq!(Edge::from_bytes(size as u64, &edge.to_bytes()), Some(edge.clone()));
            if let Some(next) = all.get(size) {
                edge.push(*next);
            }
        }
        assert_eq!(Edge::from_bytes(3, &[0; 32]), None);
        assert_eq!(Edge::from_bytes(1, &[0; 33]), None);
    }

    #[test]
    fn proofs_are_those_of_the_rfc_wherever_they_begin() {
        let all = leaves(70);
        for size in 1..=all.len() {
            for wanted in 0..size {
                let begins = wanted / 3;
                let mut edge = Edge::default();
                all[..begins].iter().for_each(|leaf| edge.push(*leaf));
                let mut proof = Vec::new();
                for (position, leaf) in all[..size].iter().enumerate().skip(begins) {
                    edge.push_marked(*leaf, position == wanted, |hash| proof.push(hash));
                }
                assert_eq!(edge.fold(|hash| proof.push(hash)), by_the_book(&all[..size]));
                assert_eq!(proof, path(wanted, &all[..size]), "{wanted} of {size}");
            }
        }
    }
}
