//! A moment: nanoseconds since 1970-01-01T00:00:00 UTC, and a span between two of them.
//!
//! *Invariant.* Only moments from 1677-09-21T00:12:43.145224192Z to
//! 2262-04-11T23:47:16.854775807Z exist; arithmetic that would leave them says so.

/// A moment in UTC, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment.
    pub const MAX: Self = Self(i64::MAX);

    /// The moment this many nanoseconds after 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The moment `count` units of `unit_ns` nanoseconds after 1970, or `None` outside the range.
    #[must_use]
    pub const fn from_units(count: i64, unit_ns: i64) -> Option<Self> {
        match count.checked_mul(unit_ns) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// This moment cut down to a multiple of `quantum_ns` (towards the past, also before 1970).
    /// A quantum of 1 or less changes nothing, nor does a cut that would leave the range.
    #[must_use]
    pub const fn quantised(self, quantum_ns: i64) -> Self {
        if quantum_ns <= 1 {
            return self;
        }
        match self.0.checked_sub(self.0.rem_euclid(quantum_ns)) {
            Some(nanos) => Self(nanos),
            None => self,
        }
    }
}

/// A span of time; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment inside.
    pub first: Timestamp,
    /// The last moment inside.
    pub last: Timestamp,
}

impl TimeRange {
    /// All moments there are.
    pub const ALL: Self = Self { first: Timestamp::MIN, last: Timestamp::MAX };

    /// Whether no moment is inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first > self.last
    }

    /// Whether a moment is inside.
    #[must_use]
    pub fn contains(&self, ts: Timestamp) -> bool {
        self.first <= ts && ts <= self.last
    }

    /// Whether the two spans share a moment.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// What both spans share; empty where they share nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantum_cuts_towards_the_past_on_both_sides_of_1970() {
        for (nanos, quantum, want) in [
            (1_999_999, 1_000_000, 1_000_000),
            (-1, 1_000_000, -1_000_000),
            (7, 1, 7),
            (7, 0, 7),
            (i64::MIN, 1_000_000, i64::MIN),
        ] {
            assert_eq!(Timestamp::from_nanos(nanos).quantised(quantum).nanos(), want, "{nanos}");
        }
    }

    #[test]
    fn units_outside_1677_to_2262_are_refused() {
        assert_eq!(Timestamp::from_units(9_223_372_037, 1_000_000_000), None);
        assert_eq!(Timestamp::from_units(-9_223_372_037, 1_000_000_000), None);
        assert!(Timestamp::from_units(9_223_372_036, 1_000_000_000).is_some());
    }
}
