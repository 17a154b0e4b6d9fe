//! A sample as aggregates see it, and a run of samples as statistics know it.
//!
//! *Invariant.* A number that is not finite is no value: its sample counts as bad, whatever its
//! quality says.

use tacitus_model::Quality;

use super::configuration::Configuration;
use super::extreme::Extreme;

/// A sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    /// Nanoseconds since 1970.
    pub(crate) ts: i64,
    /// Its number; NaN where it has none.
    pub(crate) number: f64,
    pub(crate) quality: Quality,
}

/// How far a value can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Good,
    Uncertain,
    Bad,
}

impl Class {
    /// The severity of a status code.
    pub(crate) fn of(quality: Quality) -> Self {
        if quality.is_good() {
            Self::Good
        } else if quality.is_uncertain() {
            Self::Uncertain
        } else {
            Self::Bad
        }
    }
}

impl Point {
    /// How far its number can be trusted.
    pub(crate) fn class(&self) -> Class {
        if self.number.is_finite() { Class::of(self.quality) } else { Class::Bad }
    }

    /// Whether it only says that there is no data.
    pub(crate) fn is_mark(&self) -> bool {
        const CODE: u32 = 0xFFFF_0000;
        self.quality.0 & CODE == Quality::BAD_NO_DATA.0 && !self.number.is_finite()
    }

    /// Whether its number is used at all.
    pub(crate) fn is_usable(&self, configuration: &Configuration) -> bool {
        match self.class() {
            Class::Good => true,
            Class::Uncertain => !configuration.treat_uncertain_as_bad,
            Class::Bad => false,
        }
    }
}

/// Samples in time order that are all good and have finite numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// How many; at least one.
    pub(crate) rows: u64,
    pub(crate) first: Point,
    pub(crate) last: Point,
    pub(crate) min: Extreme,
    pub(crate) max: Extreme,
    /// The sum of the numbers.
    pub(crate) sum: f64,
    /// The sum of the squares of their distances from their mean.
    pub(crate) m2: f64,
    /// Value · seconds from the first to the last, moving as the tag does.
    pub(crate) integral: f64,
    /// How often the number changed between the first and the last sample, where that is asked for.
    pub(crate) changes: u64,
    /// How long it was zero between them, where that is asked for.
    pub(crate) zero_ns: u64,
}

/// Nanoseconds from one time to a later one.
pub(crate) fn span(from: i64, to: i64) -> u64 {
    to.wrapping_sub(from).cast_unsigned()
}

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "104 days are exact to the nanosecond")]
pub(crate) fn seconds(span_ns: u64) -> f64 {
    span_ns as f64 / 1e9
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "a store has fewer than 2^53 samples")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
