//! What a server keeps of an item between two notifications.
//!
//! A queue that overflows says so by a bit of the next value's status (Part 4, 7.39.1), but not every
//! server sets it: asyncua does not.
//!
//! *Invariant.* A queue that comes full after more time than it can hold counts as overflown: the
//! ledger of gaps may say too much, and does not say too little.
//!
//! *Known limit.* A server that divides one queue among notifications has to set the bit.

use std::time::Duration;

/// The queue of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Queue {
    /// Values that it holds.
    size: u32,
    /// For how long they last, with the patience of one notification.
    span: Duration,
}

impl Queue {
    /// Of so many values, one each time the server looks, in milliseconds, and sent so often.
    pub(in super::super) fn new(size: u32, looks_ms: f64, sends: Duration) -> Self {
        // A queue of no length holds the newest value.
        let size = size.max(1);
        let looks = Duration::try_from_secs_f64(looks_ms / 1_000.0).unwrap_or_default();
        Self { size, span: looks.saturating_mul(size).saturating_add(sends) }
    }

    /// Whether it may have dropped values, if so many came so long after the notification before.
    pub(super) fn overran(self, came: u32, after: Duration) -> bool {
        came >= self.size && after > self.span
    }
}

impl Default for Queue {
    /// One that is not known drops nothing.
    fn default() -> Self {
        Self { size: u32::MAX, span: Duration::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_comes_full_after_its_time_may_have_dropped_what_was_oldest() {
        let second = Duration::from_secs(1);
        for (size, looks_ms, came, after_ms, want) in [
            // It holds 2 s, and a second is that of the notification.
            (4, 500.0, 4, 3_500, true),
            (4, 500.0, 3, 3_500, false),
            (4, 500.0, 4, 2_900, false),
            // Every change is one value: nobody knows for how long it lasts.
            (4, 0.0, 4, 1_100, true),
            (0, 500.0, 1, 9_000, true),
            (4, -1.0, 4, 9_000, true),
        ] {
            let queue = Queue::new(size, looks_ms, second);
            let after = Duration::from_millis(after_ms);
            assert_eq!(queue.overran(came, after), want, "{size} {looks_ms} {came} {after_ms}");
        }
        assert!(!Queue::default().overran(9, second));
    }
}
