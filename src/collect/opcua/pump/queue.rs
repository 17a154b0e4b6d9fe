//! What a server keeps of an item between two notifications.
//!
//! A queue that overflows says so by a bit of the next value's status (Part 4, 7.39.1), but not every
//! server sets it: asyncua does not.
//!
//! *Invariant.* A queue that comes full, and late, counts as overflown: the ledger of gaps may say too much,
//! and does not say too little.
//!
//! *Known limit.* A server that divides one queue among notifications has to set the bit. Of a queue of one
//! value nobody can tell: who asks for it wants the newest.

use std::time::Duration;

use tacitus_model::Timestamp;

/// The queue of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Queue {
    /// Values that it holds.
    size: u32,
    /// How long a value waits in it where all is well.
    wait: Duration,
}

impl Queue {
    /// Of so many values, which are sent so often.
    pub(in super::super) fn new(size: u32, sends: Duration) -> Self {
        Self { size, wait: sends * 3 / 2 }
    }

    /// Whether it may have dropped values before these, so many, of which the first was there at the
    /// one moment and was sent at the other.
    pub(super) fn overran(self, came: u32, first: Timestamp, sent: Timestamp) -> bool {
        let waited = u64::try_from(sent.nanos().saturating_sub(first.nanos())).unwrap_or_default();
        self.size > 1 && came >= self.size && Duration::from_nanos(waited) > self.wait
    }
}

impl Default for Queue {
    /// One that is not known drops nothing.
    fn default() -> Self {
        Self { size: u32::MAX, wait: Duration::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_comes_full_and_late_may_have_dropped_what_was_oldest() {
        let at = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
        for (size, came, waited_ms, want) in [
            (4, 4, 5_000, true),
            (4, 3, 5_000, false),
            // Full, as it is each time where it is as long as the interval.
            (4, 4, 1_000, false),
            (1, 1, 5_000, false),
            (4, 4, -5_000, false),
        ] {
            let queue = Queue::new(size, Duration::from_secs(1));
            assert_eq!(
                queue.overran(came, at(0), at(waited_ms)),
                want,
                "{size} {came} {waited_ms}"
            );
        }
        assert!(!Queue::default().overran(9, at(0), at(9_000)));
    }
}
