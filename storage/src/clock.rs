//! Time, as the store needs it: passed in, so that a test can make it jump.
//!
//! *Invariant.* Nothing in this crate reads a clock but through this trait. Intervals are taken
//! from `monotonic_ns`, which no administrator can set back.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tacitus_model::Timestamp;

/// The time of day and the time that only moves forward.
pub trait Clock: Debug + Send + Sync {
    /// The time of day in UTC, as far as the machine knows it.
    fn now(&self) -> Timestamp;
    /// Nanoseconds since some fixed moment of this process; never goes back.
    fn monotonic_ns(&self) -> u64;
}

/// A clock that stands until it is told to move.
#[derive(Debug, Default)]
pub struct FixedClock {
    now_ns: AtomicI64,
    monotonic_ns: AtomicU64,
}

impl FixedClock {
    /// A clock that stands at this moment.
    pub fn at(now: Timestamp) -> Self {
        Self { now_ns: AtomicI64::new(now.nanos()), monotonic_ns: AtomicU64::new(0) }
    }

    /// Sets the time of day; the other one goes on as if nothing had happened.
    pub fn set(&self, now: Timestamp) {
        self.now_ns.store(now.nanos(), Ordering::Relaxed);
    }

    /// Moves both times forward.
    pub fn advance_ns(&self, by_ns: u32) {
        self.now_ns.fetch_add(i64::from(by_ns), Ordering::Relaxed);
        self.monotonic_ns.fetch_add(u64::from(by_ns), Ordering::Relaxed);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now_ns.load(Ordering::Relaxed))
    }

    fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns.load(Ordering::Relaxed)
    }
}
