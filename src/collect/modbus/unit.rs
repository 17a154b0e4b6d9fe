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
    /// Since when it is known that it does not answer.
    pub(super) silent: Option<Timestamp>,
    /// When it was asked what it answered last.
    pub(super) answered: Option<Timestamp>,
    wait: Duration,
    rests_until: Option<Instant>,
}

impl Unit {
    pub(super) fn new() -> Self {
        let [wait, _] = RETRY_WAITS;
        Self { items: Vec::new(), gap: None, silent: None, answered: None, wait, rests_until: None }
    }

    /// Whether it is not to be asked now.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// It answered what it was asked then.
    pub(super) fn answers(&mut self, at: Timestamp) {
        let [wait, _] = RETRY_WAITS;
        (self.wait, self.rests_until, self.answered) = (wait, None, Some(at));
        self.silent = None;
    }

    /// Whether it was known to be silent at a moment: the others wait for it now and then.
    pub(super) fn was_silent(&self, at: Timestamp) -> bool {
        self.silent.is_some_and(|since| since < at)
    }

    /// It did not.
    pub(super) fn fails(&mut self, now: Instant) {
        let [_, most] = RETRY_WAITS;
        self.rests_until = Some(now + self.wait);
        self.wait = (self.wait * 2).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line froze for a second: one unit was found silent, and what the other one had meanwhile
    /// stood nowhere, as that was taken for the pace of the line.
    #[test]
    fn a_unit_that_falls_silent_is_the_pace_of_its_line_only_from_then_on() {
        let at = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
        let mut unit = Unit::new();
        assert!(!unit.was_silent(at(100)));
        unit.silent = Some(at(1_100));
        assert!(!unit.was_silent(at(100)));
        assert!(unit.was_silent(at(1_200)));
        unit.answers(at(5_000));
        assert!(!unit.was_silent(at(6_000)));
    }
}
