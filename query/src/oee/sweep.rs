//! The time of a machine in slices, each of exactly one class.
//!
//! ```text
//! shifts     ├──────────────────────────────┤
//! planned           ├─────┤
//! stretches  ├─run──┼──jam───┼──run─────────────
//! slices     ├──────┼─────┼──┼──────────────┤
//!             run    planned unplanned  run
//! ```
//! *Invariant.* Slices follow each other without a gap from the start of a sweep to its end; none
//! is empty.

use super::condition::{Condition, StopClass};
use super::planned::PlannedTime;
use super::stretch::Stretch;

/// What an instant counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nobody is meant to work.
    Unscheduled,
    /// A stop that the calendar, an event or its reason plans.
    Planned,
    /// Nobody knows.
    Unknown,
    Setup,
    Unplanned,
    /// An unplanned stop that is too short to count: part of the running time.
    Micro,
    Run,
}

impl Class {
    /// The word in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unscheduled => "unscheduled",
            Self::Planned => "planned",
            Self::Unknown => "unknown",
            Self::Setup => "setup",
            Self::Unplanned => "unplanned",
            Self::Micro => "micro",
            Self::Run => "run",
        }
    }
}

/// What is known of a machine's time.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) planned: PlannedTime,
    /// From when on nothing can be known yet.
    pub(crate) horizon: i64,
}

/// A span of one class; positions are those of the course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) class: Class,
    /// The stretch it is in, if the machine's condition was ever told.
    pub(crate) stretch: Option<usize>,
    /// The planned stop it is in.
    pub(crate) planned: Option<usize>,
    /// The shift it is in.
    pub(crate) shift: Option<usize>,
}

/// A walk through a course.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sweep {
    at: i64,
    to: i64,
    stretch: usize,
    planned: usize,
    shift: usize,
}

impl Sweep {
    /// A walk from one moment to another.
    pub(crate) fn new(from: i64, to: i64) -> Self {
        Self { at: from, to, stretch: 0, planned: 0, shift: 0 }
    }

    /// The next slice.
    pub(crate) fn next(&mut self, course: &Course) -> Option<Slice> {
        let from = self.at;
        if from >= self.to {
            return None;
        }
        let mut until = self.to;
        let mut within = |place: &mut usize, edges: &dyn Fn(usize) -> Option<(i64, i64)>| {
            while edges(*place).is_some_and(|(_, end)| end <= from) {
                *place += 1;
            }
            let (start, end) = edges(*place)?;
            until = until.min(if start > from { start } else { end });
            (start <= from).then_some(*place)
        };
        let planned = &course.planned;
        let shifts = planned.shifts();
        let shift = within(&mut self.shift, &|at| {
            shifts.and_then(|own| own.get(at)).map(|own| (own.from, own.to))
        });
        let stop =
            within(&mut self.planned, &|at| planned.stops().get(at).map(|own| (own.from, own.to)));
        let stretch =
            within(&mut self.stretch, &|at| course.stretches.get(at).map(|own| (own.from, own.to)));
        if from < course.horizon {
            until = until.min(course.horizon);
        }
        let is_scheduled = shifts.is_none() || shift.is_some();
        let known = stretch.filter(|_| from < course.horizon);
        let class = match known.and_then(|at| course.stretches.get(at)) {
            _ if !is_scheduled => Class::Unscheduled,
            _ if stop.is_some() => Class::Planned,
            None => Class::Unknown,
            Some(own) => match own.condition {
                Condition::Unknown => Class::Unknown,
                Condition::Run => Class::Run,
                Condition::Stop(StopClass::Planned, _) => Class::Planned,
                Condition::Stop(StopClass::Setup, _) => Class::Setup,
                Condition::Stop(StopClass::Unplanned, _) if own.is_micro => Class::Micro,
                Condition::Stop(StopClass::Unplanned, _) => Class::Unplanned,
            },
        };
        self.at = until;
        Some(Slice { from, to: until, class, stretch: known, planned: stop, shift })
    }
}
