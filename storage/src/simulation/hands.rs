//! A clock whose time of day can be wrong.
//!
//! *Invariant.* Only the time of day jumps; the monotonic time goes on with the true time.

use std::sync::atomic::{AtomicI64, Ordering};

use tacitus_model::Timestamp;

use crate::clock::Clock;

/// True time at which every simulation begins.
pub(super) const BEGIN_NS: i64 = 1_700_000_000_000_000_000;

/// The clock, and how wrong it is.
#[derive(Debug)]
pub(super) struct Hands {
    truth_ns: AtomicI64,
    offset_ns: AtomicI64,
}

impl Hands {
    pub(super) fn new() -> Self {
        Self { truth_ns: AtomicI64::new(BEGIN_NS), offset_ns: AtomicI64::new(0) }
    }

    pub(super) fn advance(&self, by_ns: i64) {
        self.truth_ns.fetch_add(by_ns, Ordering::Relaxed);
    }

    /// The true time, which the store is never told.
    pub(super) fn truth_ns(&self) -> i64 {
        self.truth_ns.load(Ordering::Relaxed)
    }

    pub(super) fn set_offset(&self, offset_ns: i64) {
        self.offset_ns.store(offset_ns, Ordering::Relaxed);
    }

    pub(super) fn offset_ns(&self) -> i64 {
        self.offset_ns.load(Ordering::Relaxed)
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.truth_ns().saturating_add(self.offset_ns()))
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.truth_ns() - BEGIN_NS).unwrap_or_default() + 1
    }
}
