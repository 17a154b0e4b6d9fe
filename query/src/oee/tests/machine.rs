//! A machine with all that is known of it in memory, worked out as one in the store is.

use std::sync::Arc;

use super::super::*;

pub(super) const SECOND: i64 = 1_000_000_000;

/// What is known of a machine. Times are nanoseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) micro_stop_ns: i64,
    pub(super) setup_is_no_loss: bool,
    pub(super) shifts: Option<Vec<(i64, i64)>>,
    pub(super) planned: Vec<(i64, i64)>,
    pub(super) states: Vec<(i64, Condition)>,
    /// What is made from when on, and its ideal cycle in seconds.
    pub(super) products: Vec<(i64, &'static str, f64)>,
    pub(super) counters: Vec<Counts>,
    /// From when on nothing can be known.
    pub(super) horizon: Option<i64>,
}

/// The samples of a counter, or of corrections.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) to_total: f64,
    pub(super) to_good: f64,
    pub(super) rollover_max: Option<f64>,
    pub(super) counts_up: bool,
    pub(super) samples: Vec<(i64, f64)>,
}

impl Machine {
    pub(super) fn course(&self) -> Course {
        let mut states = Timeline::default();
        self.states.iter().for_each(|(at, state)| states.push(*at, *state));
        let working = |(from, to): &(i64, i64)| Working {
            from: *from,
            to: *to,
            shift: "shift".into(),
            crew: None,
            day: 0,
        };
        let shifts = self.shifts.as_ref().map(|shifts| shifts.iter().map(working).collect());
        let stop = |(from, to): &(i64, i64)| {
            let reason = "break".into();
            PlannedStop { from: *from, to: *to, reason }
        };
        let stops = self.planned.iter().map(stop).collect();
        Course {
            stretches: stretches(&states, self.micro_stop_ns),
            planned: PlannedTime::new(shifts, stops),
            horizon: self.horizon.unwrap_or(i64::MAX),
        }
    }

    /// Adds the machine to a sheet, as far as it lies within a window.
    pub(super) fn add_to(&self, sheet: &mut Sheet, from: i64, to: i64) {
        let course = self.course();
        let (mut products, mut cycles) = (Timeline::default(), Timeline::default());
        for (at, product, cycle_s) in &self.products {
            products.push(*at, Some(Arc::<str>::from(*product)));
            cycles.push(*at, Some(*cycle_s));
        }
        let window = Window { from, to, products: &products };
        let causes = Causes::default();
        sheet.add_course(&course, &causes, &window, !self.setup_is_no_loss).unwrap();
        for counts in &self.counters {
            let (before, after): (Vec<_>, Vec<_>) =
                counts.samples.iter().partition(|(at, _)| *at < from);
            let before = before.last().map(|(_, value)| *value);
            let mut counter = Counter::new(counts.rollover_max, before);
            for (at, value) in after.into_iter().filter(|(at, _)| *at < to) {
                let pieces = if counts.counts_up { counter.count(value) } else { value };
                let counted = Counted {
                    total: counts.to_total * pieces,
                    good: counts.to_good * pieces,
                    is_scheduled: course.planned.is_scheduled(at),
                    cycle_s: cycles.at(at).0.copied().flatten(),
                };
                sheet.add_count(at, &window, counted).unwrap();
            }
        }
    }

    /// The parts of one bucket.
    pub(super) fn parts(&self, from: i64, to: i64) -> Parts {
        parts_of(std::slice::from_ref(self), from, to)
    }
}

/// The parts of several machines in one bucket.
pub(super) fn parts_of(machines: &[Machine], from: i64, to: i64) -> Parts {
    let mut sheet = Sheet::by_time(vec![Bucket { from, to, ..Bucket::default() }]);
    machines.iter().for_each(|machine| machine.add_to(&mut sheet, from, to));
    let (_, parts, _) = sheet.rows().next().unwrap();
    parts
}

/// A counter of all pieces, good as long as nobody says otherwise.
pub(super) fn total(samples: Vec<(i64, f64)>) -> Counts {
    Counts { to_total: 1.0, to_good: 1.0, counts_up: true, samples, rollover_max: None }
}

/// A counter of rejected pieces.
pub(super) fn reject(samples: Vec<(i64, f64)>) -> Counts {
    Counts { to_good: -1.0, to_total: 0.0, ..total(samples) }
}
