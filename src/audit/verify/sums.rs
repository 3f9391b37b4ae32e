//! Compares two sets without sorting them: each bucket of ids has the sum of a keyed hash of its members.
//!
//! Without the key, no one can construct two different sets with the same sums. By chance, sums agree once in 2^64 times.

use std::hash::{BuildHasher, RandomState};

use crate::audit::seal::Hash;

const MAX_BUCKETS: u64 = 1 << 16;

/// Assigns ids to buckets, and holds the key.
#[derive(Clone, Debug)]
pub struct Buckets {
    low: i64,
    high: i64,
    width: u64,
    key: RandomState,
}

impl Buckets {
    /// Buckets for the ids from the lowest to the highest, both included.
    pub fn covering((low, high): (i64, i64)) -> Self {
        let high = high.max(low);
        let width = high.abs_diff(low) / MAX_BUCKETS + 1;
        Self { low, high, width, key: RandomState::new() }
    }

    fn bucket(&self, id: i64) -> usize {
        (id.abs_diff(self.low) / self.width) as usize
    }

    pub fn empty(self) -> Sums {
        let count = self.bucket(self.high) + 1;
        Sums { buckets: self, sums: vec![0; count] }
    }
}

#[derive(Clone, Debug)]
pub struct Sums {
    buckets: Buckets,
    sums: Vec<u64>,
}

impl Sums {
    pub fn add(&mut self, id: i64, hash: &Hash) {
        let bucket = self.buckets.bucket(id);
        if let Some(sum) = self.sums.get_mut(bucket) {
            *sum = sum.wrapping_add(self.buckets.key.hash_one((id, hash)));
        }
    }

    /// Returns the ranges of ids, both ends included, where the sums differ. Adjacent ranges are joined.
    pub fn differing(&self, other: &Self) -> Vec<(i64, i64)> {
        let Buckets { low, high, width, .. } = self.buckets;
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for (bucket, (one, two)) in self.sums.iter().zip(&other.sums).enumerate() {
            if one == two {
                continue;
            }
            let from = low.saturating_add_unsigned(bucket as u64 * width);
            let to = from.saturating_add_unsigned(width - 1).min(high);
            match ranges.last_mut() {
                Some(last) if last.1.checked_add(1) == Some(from) => last.1 = to,
                _ => ranges.push((from, to)),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found_wherever_they_are() {
        for (low, high) in [(1, 10), (1, 1_000_000), (i64::MIN, i64::MAX), (-5, i64::MAX), (7, 7)] {
            let buckets = Buckets::covering((low, high));
            let (mut one, mut two) = (buckets.clone().empty(), buckets.empty());
            for id in [low, high, low / 2 + high / 2] {
                one.add(id, &[1; 32]);
            }
            for id in [high, low / 2 + high / 2, low] {
                two.add(id, &[1; 32]);
            }
            assert!(one.differing(&two).is_empty());
            for id in [low, high] {
                let mut two = two.clone();
                two.add(id, &[2; 32]);
                let found = one.differing(&two);
                assert!(
                    matches!(found.as_slice(), [(from, to)] if (*from..=*to).contains(&id)),
                    "{low} {high} {found:?}"
                );
            }
        }
    }

    #[test]
    fn neighbors_are_one_range() {
        let buckets = Buckets::covering((1, 10));
        let (mut one, two) = (buckets.clone().empty(), buckets.empty());
        [3, 4, 8].iter().for_each(|id| one.add(*id, &[0; 32]));
        assert_eq!(one.differing(&two), [(3, 4), (8, 8)]);
    }
}
