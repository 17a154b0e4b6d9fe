//! The worst quality of an interval.
//!
//! *Source.* OPC 10000-13, 5.4.3: of the worst severity, the status code that was there first.
//! More than one is told by the bit *MultiValue*; of good ones, as in its tables, it is not.

use tacitus_model::Quality;

use super::point::Class;

/// The worst so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Worst {
    /// The code, and how often its severity occurred.
    pub(crate) found: Option<(Quality, u64)>,
}

impl Worst {
    /// Takes so many qualities of one code into account.
    pub(crate) fn add(&mut self, quality: Quality, times: u64) {
        match &mut self.found {
            Some((worst, count)) if Class::of(quality) == Class::of(*worst) => *count += times,
            Some((worst, _)) if Class::of(quality) < Class::of(*worst) => {}
            found => *found = Some((quality, times)),
        }
    }

    /// Takes later qualities into account.
    pub(crate) fn later(&mut self, other: &Self) {
        if let Some((quality, times)) = other.found {
            self.add(quality, times);
        }
    }
}
