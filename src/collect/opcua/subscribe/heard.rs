//! When a server, or a subscription, was last heard.
//!
//! *Invariant.* How long ago it was is told by a clock that nobody sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tacitus_model::Timestamp;
use tacitus_storage::Clock;
use tokio::time::Instant;

use super::millis;

/// When something was last heard.
pub(in crate::collect::opcua) struct Heard {
    clock: Arc<dyn Clock>,
    started: Instant,
    at_nanos: AtomicI64,
    after_ms: AtomicU64,
}

impl Heard {
    pub(in crate::collect::opcua) fn new(clock: Arc<dyn Clock>) -> Self {
        let at_nanos = AtomicI64::new(clock.now().nanos());
        Self { clock, started: Instant::now(), at_nanos, after_ms: AtomicU64::new(0) }
    }

    /// It is heard now.
    pub(in crate::collect::opcua) fn now(&self) {
        self.at_nanos.store(self.clock.now().nanos(), Ordering::Relaxed);
        self.after_ms.store(millis(self.started.elapsed()), Ordering::Relaxed);
    }

    /// The clock by which times are told.
    pub(in crate::collect::opcua) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// When it was, by the clock.
    pub(in crate::collect::opcua) fn at(&self) -> Timestamp {
        Timestamp::from_nanos(self.at_nanos.load(Ordering::Relaxed))
    }

    /// How long ago it was.
    pub(in crate::collect::opcua) fn ago(&self) -> Duration {
        let last = Duration::from_millis(self.after_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Heard({:?} ago)", self.ago())
    }
}
