//! When a machine is meant to run: shifts, and the stops that are planned in them.
//!
//! *Invariant.* Shifts do not overlap, and neither do planned stops: where two meet, the one that
//! began earlier counts.

use std::sync::Arc;

/// A span in which a shift works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Working {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) shift: Arc<str>,
    pub(crate) crew: Option<Arc<str>>,
    /// The production day, in days since 1970-01-01.
    pub(crate) day: i32,
}

/// A stop that is planned: a break, maintenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedStop {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) reason: Arc<str>,
}

/// When a machine is meant to run.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlannedTime {
    /// The shifts in their order; `None`: always.
    shifts: Option<Vec<Working>>,
    stops: Vec<PlannedStop>,
}

impl PlannedTime {
    /// Shifts that do not overlap, and stops that may.
    pub(crate) fn new(shifts: Option<Vec<Working>>, mut stops: Vec<PlannedStop>) -> Self {
        let shifts = shifts.map(|mut shifts| {
            shifts.sort_unstable_by_key(|own| own.from);
            shifts
        });
        stops.sort_by_key(|own| (own.from, own.to));
        let mut awake = i64::MIN;
        stops.retain_mut(|own| {
            own.from = own.from.max(awake);
            awake = awake.max(own.to);
            own.from < own.to
        });
        Self { shifts, stops }
    }

    /// The shifts in their order; `None`: always.
    pub(crate) fn shifts(&self) -> Option<&[Working]> {
        self.shifts.as_deref()
    }

    /// The planned stops in their order.
    pub(crate) fn stops(&self) -> &[PlannedStop] {
        &self.stops
    }

    /// Whether a moment is scheduled: within a shift, planned stops and all.
    pub(crate) fn is_scheduled(&self, moment: i64) -> bool {
        let Some(shifts) = &self.shifts else { return true };
        let at = shifts.partition_point(|own| own.to <= moment);
        shifts.get(at).is_some_and(|own| own.from <= moment)
    }
}
