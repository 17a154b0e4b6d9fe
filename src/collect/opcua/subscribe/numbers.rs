//! The numbers of notifications, and which of them were missed.
//!
//! *Invariant.* A number that was left out is listed once, with the time from which on its values may be
//! missing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use tacitus_model::Timestamp;

use crate::collect::limits::{MISSED_LISTED_MAX, MISSED_MAX};

/// The numbers of a subscription's notifications: they count up, so that a client sees what it
/// missed (Part 4, 5.14.1.1).
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) last: AtomicU32,
    /// With the time of the last sign of life before.
    missed: Mutex<Vec<(u32, Timestamp)>>,
}

impl Numbers {
    /// A notification came; an empty one bears the number of the one to come.
    pub(super) fn came(&self, number: u32, empty: bool, before: Timestamp) {
        let last = self.last.load(Ordering::Relaxed);
        let newest = if empty { preceding(number) } else { number };
        let distance = newest.wrapping_sub(last);
        if last != 0 && distance > u32::MAX / 2 {
            return;
        }
        self.last.store(newest, Ordering::Relaxed);
        // LIMIT: a server that jumps by more than it can keep has nothing to fetch.
        if last == 0 || distance > MISSED_MAX {
            return;
        }
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = following(last);
        while next != following(newest) {
            if (empty || next != number) && missed.len() < MISSED_LISTED_MAX {
                missed.push((next, before));
            }
            next = following(next);
        }
    }

    pub(super) fn take_missed(&self) -> Vec<(u32, Timestamp)> {
        std::mem::take(&mut self.missed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The number of the notification after this one: 0 is never used (Part 4, 7.9).
pub(super) fn following(number: u32) -> u32 {
    number.checked_add(1).unwrap_or(1)
}

/// The number of the notification before this one.
fn preceding(number: u32) -> u32 {
    if number > 1 { number - 1 } else { u32::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_left_out_is_fetched_later() {
        // Pairs of number and whether the notification was empty; then what is missed.
        for (came, missed) in [
            (vec![(1, false), (2, false)], vec![]),
            (vec![(1, false), (4, false)], vec![2, 3]),
            (vec![(1, false), (2, true), (2, false)], vec![]),
            (vec![(1, false), (4, true), (4, false)], vec![2, 3]),
            (vec![(1, true), (1, false)], vec![]),
            (vec![(5, false), (7, false), (8, false)], vec![6]),
            (vec![(u32::MAX - 1, false), (1, false)], vec![u32::MAX]),
            (vec![(3, false), (2, false), (4, false)], vec![]),
            (vec![(3, false), (900_000, false), (900_001, false)], vec![]),
        ] {
            let numbers = Numbers::default();
            for (number, empty) in &came {
                numbers.came(*number, *empty, Timestamp::from_nanos(0));
            }
            let found: Vec<u32> = numbers.take_missed().iter().map(|(number, _)| *number).collect();
            assert_eq!(found, missed, "{came:?}");
        }
    }
}
