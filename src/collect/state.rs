//! What a collector is doing, for the status page and the metrics.
//!
//! *Invariant.* Counters only grow. Reading a state never waits for the collector.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tacitus_model::Timestamp;

use super::limits::FAILURES_SHOWN_MAX;

/// Where a collector is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// It reaches out to its device.
    #[default]
    Connecting,
    /// It receives values.
    Connected,
    /// The connection was lost; the device may still hold values for it.
    Reconnecting,
    /// It waits before it tries again.
    Waiting,
    /// It has stopped.
    Stopped,
}

impl Phase {
    /// The word for status pages and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}

/// An item that cannot be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The item's name on the device.
    pub node: String,
    /// The tag it would fill.
    pub tag: String,
    /// What the device said.
    pub reason: String,
}

/// One look at a collector.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Its name in the configuration.
    pub name: String,
    /// The address of its device.
    pub endpoint: String,
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when it is connected, in this connection.
    pub connected_since: Option<Timestamp>,
    /// Items that are watched.
    pub items_good: usize,
    /// Items that are not, and are retried.
    pub items_failed: usize,
    /// The first of them.
    pub failures: Vec<Failure>,
    /// The last thing that went wrong, and when.
    pub last_error: Option<(Timestamp, String)>,
    /// Values received.
    pub values_total: u64,
    /// Values that cannot be stored, for what they are.
    pub values_refused_total: u64,
    /// Values dropped because the store was slower than the device for too long.
    pub values_dropped_total: u64,
    /// Values the device marked as following lost ones (the overflow bit).
    pub overflows_total: u64,
    /// Connections that came about.
    pub connections_total: u64,
    /// Interruptions that were written into the tags' histories.
    pub gaps_total: u64,
    /// Subscriptions that fell silent and were created again.
    pub silences_total: u64,
}

/// The state of a collector. The collector writes it, anyone reads it.
#[derive(Debug, Default)]
pub struct State {
    shown: Mutex<Status>,
    pub(super) values: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) overflows: AtomicU64,
}

impl State {
    pub(super) fn new(name: &str, endpoint: &str) -> Self {
        let shown =
            Status { name: name.to_owned(), endpoint: endpoint.to_owned(), ..Status::default() };
        Self { shown: Mutex::new(shown), ..Self::default() }
    }

    /// What there is to see.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = self.shown().clone();
        status.values_total = self.values.load(Ordering::Relaxed);
        status.values_refused_total = self.refused.load(Ordering::Relaxed);
        status.values_dropped_total = self.dropped.load(Ordering::Relaxed);
        status.overflows_total = self.overflows.load(Ordering::Relaxed);
        status
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.shown());
    }

    pub(super) fn error(&self, at: Timestamp, text: String) {
        self.change(|status| status.last_error = Some((at, text)));
    }

    pub(super) fn items(&self, good: usize, failures: Vec<Failure>) {
        self.change(|status| {
            status.items_good = good;
            status.items_failed = failures.len();
            status.failures = failures.into_iter().take(FAILURES_SHOWN_MAX).collect();
        });
    }

    /// A panic while the lock was held cannot leave a half-written status behind that matters.
    fn shown(&self) -> MutexGuard<'_, Status> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
