//! What a counter counted between its samples.
//!
//! *Invariant.* What is counted up to a sample is counted at that sample, so that buckets add up.

/// A counter on its way from sample to sample.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counter {
    /// The greatest value it shows before it begins at zero again.
    pub(crate) rollover_max: Option<f64>,
    before: Option<f64>,
}

impl Counter {
    /// A counter that showed `before`, if anything is known.
    pub(crate) fn new(rollover_max: Option<f64>, before: Option<f64>) -> Self {
        Self { rollover_max, before }
    }

    /// What was counted up to this value. The first one ever seen says nothing; a fall is a wrap where
    /// it is by more than half of what the counter can show, else a reset: what it shows was
    /// counted since.
    pub(crate) fn count(&mut self, value: f64) -> f64 {
        let Some(before) = self.before.replace(value) else { return 0.0 };
        if value >= before {
            return value - before;
        }
        match self.rollover_max {
            Some(most) if before - value > most / 2.0 => value + (most + 1.0) - before,
            _ => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rollover_max: Option<f64>, values: &[f64], want: &[f64]) {
        let mut counter = Counter::new(rollover_max, None);
        let counted: Vec<f64> = values.iter().map(|value| counter.count(*value)).collect();
        assert_eq!(counted, want);
    }

    #[test]
    fn the_first_value_says_nothing_and_the_others_what_came_since() {
        check(None, &[100.0, 100.0, 130.0], &[0.0, 0.0, 30.0]);
    }

    #[test]
    fn a_fall_is_a_reset_or_a_wrap() {
        check(None, &[65_530.0, 4.0, 9.0], &[0.0, 4.0, 5.0]);
        check(Some(65_535.0), &[65_530.0, 4.0, 9.0], &[0.0, 10.0, 5.0]);
        // A small fall is none that a wrap could make.
        check(Some(65_535.0), &[30_000.0, 20.0], &[0.0, 20.0]);
    }
}
