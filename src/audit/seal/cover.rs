//! What of the tree has to be told beside some of its leaves, so that its root can be computed from both: the largest
//! subtrees that have none of those leaves, from the left. However many leaves are proved, each hash is told once.
//!
//! Whoever reads it keeps the subtrees that aren't joined yet in a stack, and joins the last two whenever they are equally
//! large.

use super::tree::{Edge, Hash, node};

/// In the order in which they lie in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// One of the leaves that are proved.
    Leaf,
    /// A subtree of 2^`level` others.
    Node { level: u32, hash: Hash },
}

/// What isn't told yet: subtrees that may still be joined with what comes.
#[derive(Clone, Debug)]
pub struct Cover {
    size: u64,
    waiting: Vec<(u32, Hash)>,
}

impl Cover {
    /// Nothing that is proved is left of this edge.
    pub fn from(edge: &Edge) -> Self {
        let levels = (0..u64::BITS).rev().filter(|level| edge.size() >> level & 1 == 1);
        Self { size: edge.size(), waiting: levels.zip(edge.hashes()).collect() }
    }

    pub fn push(&mut self, leaf: Hash, is_proved: bool, mut tell: impl FnMut(Told)) {
        let mut at = self.size;
        self.size += 1;
        if is_proved {
            // Each of them is beside a subtree with this leaf: none can grow any more.
            self.tell(&mut tell);
            return tell(Told::Leaf);
        }
        let (mut level, mut hash) = (0, leaf);
        while at & 1 == 1 {
            let Some((_, left)) = self.waiting.pop_if(|left| left.0 == level) else {
                // What is on its left has been told, since something of it is proved.
                self.waiting.push((level, hash));
                return self.tell(&mut tell);
            };
            hash = node(&left, &hash);
            level += 1;
            at >>= 1;
        }
        self.waiting.push((level, hash));
    }

    /// At the end of the tree.
    pub fn end(mut self, mut tell: impl FnMut(Told)) {
        self.tell(&mut tell);
    }

    fn tell(&mut self, tell: &mut impl FnMut(Told)) {
        self.waiting.drain(..).for_each(|(level, hash)| tell(Told::Node { level, hash }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::leaf;
    use super::*;

    /// As a reader does it.
    fn root(told: &[Told], mut proved: impl Iterator<Item = Hash>) -> (u64, Hash) {
        let (mut size, mut parts) = (0_u64, Vec::<(u32, Hash)>::new());
        for part in told {
            let (mut level, mut hash) = match *part {
                Told::Leaf => (0, proved.next().expect("a leaf")),
                Told::Node { level, hash } => (level, hash),
            };
            assert_eq!(size % (1 << level), 0, "{told:?}");
            size += 1 << level;
            while let Some((_, left)) = parts.pop_if(|left| left.0 == level) {
                hash = node(&left, &hash);
                level += 1;
            }
            parts.push((level, hash));
        }
        let mut whole = parts.pop().expect("a tree").1;
        while let Some((_, left)) = parts.pop() {
            whole = node(&left, &whole);
        }
        (size, whole)
    }

    #[test]
    fn whatever_is_proved_leads_to_the_root_and_no_hash_is_told_that_need_not_be() {
        let all: Vec<Hash> = (0..40_u64).map(|n| leaf(&n.to_be_bytes())).collect();
        for size in 1..=all.len() {
            let mut whole = Edge::default();
            all[..size].iter().for_each(|leaf| whole.push(*leaf));
            for pattern in 1..400_u64 {
                // Some few, many, and all.
                let is_proved =
                    |at: usize| (at as u64).wrapping_mul(pattern).wrapping_add(pattern >> 3) % 7 < pattern % 8;
                let Some(first) = (0..size).find(|at| is_proved(*at)) else { continue };
                let begins = first - first.min(pattern as usize % 5);
                let mut edge = Edge::default();
                all[..begins].iter().for_each(|leaf| edge.push(*leaf));
                let (mut cover, mut told) = (Cover::from(&edge), Vec::new());
                for (at, leaf) in all[..size].iter().enumerate().skip(begins) {
                    cover.push(*leaf, is_proved(at), |part| told.push(part));
                }
                cover.end(|part| told.push(part));
                let proved = || (0..size).filter(|at| is_proved(*at));
                assert_eq!(root(&told, proved().map(|at| all[at])), (size as u64, whole.root()));
                assert_eq!(told.iter().filter(|part| **part == Told::Leaf).count(), proved().count());
                // Two of one size that would be one, if nothing between them is proved.
                let mut at = 0_u64;
                let mut last = None;
                for part in &told {
                    let Told::Node { level, .. } = *part else {
                        (at, last) = (at + 1, None);
                        continue;
                    };
                    assert!(!(last == Some(level) && at >> level & 1 == 1), "{told:?}");
                    (at, last) = (at + (1 << level), Some(level));
                }
            }
        }
    }
}
