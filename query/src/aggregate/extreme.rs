//! The least and the greatest of some values, when it was first there, and whether it came again.

use super::bound::Bound;
use super::point::{Point, Run};

/// A value that no other goes beyond.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extreme {
    pub(crate) value: f64,
    /// When it was first there.
    pub(crate) ts: i64,
    /// It was there more than once.
    pub(crate) repeated: bool,
    /// Where in the interval it was first.
    pub(crate) place: Place,
}

/// Where in an interval a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A sample.
    Sample,
    /// The value at the earlier edge, where no sample lies.
    Low,
    /// A sample at the earlier edge.
    LowSample,
    /// The value at the later edge, where no sample lies.
    High,
    /// A sample at the later edge.
    HighSample,
}

impl Extreme {
    /// The extreme of one sample.
    pub(crate) fn of(value: f64, ts: i64) -> Self {
        Self { value, ts, repeated: false, place: Place::Sample }
    }

    #[expect(clippy::float_cmp, reason = "the same value again")]
    fn meet(&mut self, other: &Self, beyond: bool) {
        if beyond {
            *self = *other;
        } else if self.value == other.value {
            self.repeated = true;
        }
    }
}

/// Both extremes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extremes {
    pub(crate) both: Option<(Extreme, Extreme)>,
}

impl Extremes {
    pub(crate) fn point(&mut self, point: &Point) {
        let one = Extreme::of(point.number, point.ts);
        self.meet(&one, &one);
    }

    pub(crate) fn run(&mut self, run: &Run) {
        self.meet(&run.min, &run.max);
    }

    /// Takes a value at an edge into account.
    pub(crate) fn bound(&mut self, bound: &Bound, ts: i64, place: Place) {
        if let Some(value) = bound.value {
            let one = Extreme { place, ..Extreme::of(value, ts) };
            self.meet(&one, &one);
        }
    }

    /// Takes later extremes into account.
    pub(crate) fn later(&mut self, other: &Self) {
        if let Some((min, max)) = &other.both {
            self.meet(min, max);
        }
    }

    fn meet(&mut self, min: &Extreme, max: &Extreme) {
        match &mut self.both {
            None => self.both = Some((*min, *max)),
            Some((least, greatest)) => {
                least.meet(min, min.value < least.value);
                greatest.meet(max, max.value > greatest.value);
            }
        }
    }
}
