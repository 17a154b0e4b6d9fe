//! Whether a server's queue of an item held all of a cut.
//!
//! A queue that overflows says so by a bit of the next value's status (Part 4, 7.39.1), but not every
//! server sets it. One that comes full after a cut may have dropped what was oldest.
//!
//! *Invariant.* A queue that comes with room left has dropped nothing, and one that comes full counts as
//! having: the ledger of gaps may say too much, and never too little.

use tacitus_model::Timestamp;

/// The queue of one item after a cut.
#[derive(Debug)]
pub(super) struct Bridge {
    /// The newest sample from before.
    since: Timestamp,
    /// Values that the server states after this moment of its clock did not wait for the cut's end.
    until: Timestamp,
    /// How many values it holds, how many came, and the time of the first.
    size: u32,
    came: u32,
    first: Option<Timestamp>,
}

/// What a value says of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crossing {
    /// More may come from it.
    UnderWay,
    /// All has come, and there was room for more.
    Over,
    /// It was full: what lies between these moments may be missing.
    Full(Timestamp, Timestamp),
}

impl Bridge {
    pub(super) fn new(since: Timestamp, until: Timestamp, size: u32) -> Self {
        // A queue of no length holds the newest value.
        Self { since, until, size: size.max(1), came: 0, first: None }
    }

    /// A value of this time came, which the server stated at that moment.
    pub(super) fn came(&mut self, ts: Timestamp, stated: Timestamp) -> Crossing {
        if stated > self.until {
            return Crossing::Over;
        }
        if ts <= self.since {
            return Crossing::UnderWay;
        }
        self.came += 1;
        let first = *self.first.get_or_insert(ts);
        if self.came < self.size {
            return Crossing::UnderWay;
        }
        Crossing::Full(self.since, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn last(size: u32, times: &[i64]) -> Crossing {
        let mut bridge = Bridge::new(at(10), at(20), size);
        let mut crossing = Crossing::UnderWay;
        for time in times {
            crossing = bridge.came(at(*time), at(*time));
        }
        crossing
    }

    #[test]
    fn a_queue_that_comes_full_may_have_dropped_what_was_oldest() {
        for (size, times, want) in [
            (3, &[17, 18][..], Crossing::UnderWay),
            (3, &[17, 18, 21], Crossing::Over),
            (3, &[17, 18, 19], Crossing::Full(at(10), at(17))),
            // What was sent before and is sent again did not lie in it.
            (3, &[9, 10, 17, 18], Crossing::UnderWay),
            (1, &[19], Crossing::Full(at(10), at(19))),
            (0, &[19], Crossing::Full(at(10), at(19))),
            (1, &[21], Crossing::Over),
        ] {
            assert_eq!(last(size, times), want, "{size} {times:?}");
        }
    }
}
