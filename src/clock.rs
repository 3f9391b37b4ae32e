//! The current time. Code that depends on the time takes a [`Clock`], which tests can move.
//!
//! Two times have other sources. The database sets `occurred_at` of audit events, and the SDK dates presigned S3
//! links, because S3 checks them against its own clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Returns the processor time that this process has used, in all its threads.
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Seconds by which a test has moved this clock. `None` is the real time.
    moved: Option<Arc<AtomicI64>>,
    /// The time at which this clock stands still.
    stopped: Option<DateTime<Utc>>,
}

impl Clock {
    pub fn system() -> Self {
        Self::default()
    }

    /// Returns a clock that [`Clock::advance`] can move. Its clones move together.
    pub fn movable() -> Self {
        Self { moved: Some(Arc::default()), stopped: None }
    }

    /// Returns a clock that stands still, for work that looks at the data of an earlier time.
    pub fn stopped(at: DateTime<Utc>) -> Self {
        Self { moved: None, stopped: Some(at) }
    }

    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> DateTime<Utc> {
        if let Some(at) = self.stopped {
            return at;
        }
        let moved = self.moved.as_ref().map_or(0, |seconds| seconds.load(Ordering::Relaxed));
        Utc::now() + TimeDelta::seconds(moved)
    }

    /// Moves a movable clock. Does nothing to the system's clock.
    pub fn advance(&self, by: TimeDelta) {
        if let Some(seconds) = &self.moved {
            seconds.fetch_add(by.num_seconds(), Ordering::Relaxed);
        }
    }
}
