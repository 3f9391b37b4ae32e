//! What time it is. Everything that depends on the time takes a [`Clock`]; tests move theirs.
//!
//! Two times are not ours: an audit event's `occurred_at` is the database's word, and a presigned S3 link is
//! dated by the SDK, because S3 checks it against its own clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Seconds by which a test has moved this clock; `None` is the real time.
    moved: Option<Arc<AtomicI64>>,
}

impl Clock {
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that [`Clock::advance`] can move; clones move together.
    pub fn movable() -> Self {
        Self { moved: Some(Arc::default()) }
    }

    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> DateTime<Utc> {
        let moved = self.moved.as_ref().map_or(0, |seconds| seconds.load(Ordering::Relaxed));
        Utc::now() + TimeDelta::seconds(moved)
    }

    /// Moves a movable clock; the system's clock can't be moved and ignores it.
    pub fn advance(&self, by: TimeDelta) {
        if let Some(seconds) = &self.moved {
            seconds.fetch_add(by.num_seconds(), Ordering::Relaxed);
        }
    }
}
