//! How a unit behind the connection fares: whether it answers, and since when not.
//!
//! *Invariant.* One that does not answer is asked ever more rarely, so that it does not stall the
//! others on its line; its first answer ends that.

use std::time::Duration;

use tacitus_model::Timestamp;
use tokio::time::Instant;

use crate::collect::limits::RETRY_WAITS;

/// One unit.
#[derive(Debug)]
pub(super) struct Unit {
    /// Places of its items.
    pub(super) items: Vec<usize>,
    /// The entry of the ledger while it does not answer.
    pub(super) gap: Option<u64>,
    /// When it was asked what it answered last.
    pub(super) answered: Option<Timestamp>,
    wait: Duration,
    rests_until: Option<Instant>,
}

impl Unit {
    pub(super) fn new() -> Self {
        let [wait, _] = RETRY_WAITS;
        Self { items: Vec::new(), gap: None, answered: None, wait, rests_until: None }
    }

    /// Whether it is not to be asked now.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// It answered what it was asked then.
    pub(super) fn answers(&mut self, at: Timestamp) {
        let [wait, _] = RETRY_WAITS;
        (self.wait, self.rests_until, self.answered) = (wait, None, Some(at));
    }

    /// It did not.
    pub(super) fn fails(&mut self, now: Instant) {
        let [_, most] = RETRY_WAITS;
        self.rests_until = Some(now + self.wait);
        self.wait = (self.wait * 2).min(most);
    }
}
