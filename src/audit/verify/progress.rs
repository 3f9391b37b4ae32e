//! The progress of a verification, for a progress bar.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    all: AtomicU64,
}

impl Progress {
    /// Returns the number of events and leaves read so far, and an estimate of their total.
    pub fn get(&self) -> (u64, u64) {
        (self.0.done.load(Ordering::Relaxed), self.0.all.load(Ordering::Relaxed))
    }

    pub(super) fn add(&self, done: usize) {
        self.0.done.fetch_add(done as u64, Ordering::Relaxed);
    }

    pub(super) fn expect(&self, all: u64) {
        self.0.all.store(all, Ordering::Relaxed);
    }
}
