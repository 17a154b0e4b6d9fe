//! Randomness, as the store needs it: passed in, so that a seed replays a run.
//!
//! *Invariant.* Only identities (of a store) are drawn from it; no decision about data is.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers.
pub trait Chance: Debug + Send + Sync {
    /// The next number, evenly distributed.
    fn next_u64(&self) -> u64;
}

/// Numbers that follow from a seed (SplitMix64, Steele, Lea and Flood, OOPSLA 2014).
#[derive(Debug)]
pub struct SeededChance(AtomicU64);

impl SeededChance {
    /// The sequence of numbers that belongs to this seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Chance for SeededChance {
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
