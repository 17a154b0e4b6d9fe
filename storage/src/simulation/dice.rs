//! Every choice of a simulation, drawn from its seed.
//!
//! *Invariant.* Nothing else decides anything: two runs of one seed draw the same numbers.

use crate::chance::{Chance, SeededChance};

/// Numbers that follow from a seed.
#[derive(Debug)]
pub(super) struct Dice(SeededChance);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(SeededChance::new(seed))
    }

    pub(super) fn bits(&self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to before `end`; 0 where there is none.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.bits() % end.max(1)
    }

    pub(super) fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    /// A number from `first` to `last`, both included.
    pub(super) fn between(&self, first: i64, last: i64) -> i64 {
        first + i64::try_from(self.below(first.abs_diff(last) + 1)).unwrap()
    }

    pub(super) fn one_in(&self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub(super) fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }
}
