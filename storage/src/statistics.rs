//! What is known of a run of samples without reading them: the unit of downsampling.
//!
//! A page carries one such record, the pyramid above the pages the merged ones. Merging two
//! records of neighbouring runs gives the record of both, so any window is whole pages and two
//! edges.
//!
//! Populations: `rows`, `good` and `bad` count all samples; everything numeric is of the
//! *values*, the samples with good quality and a finite number (bool as 0 and 1, state by index).
//! The second moment is centred and merged by Chan, Golub and LeVeque, *Updating Formulae and a
//! Pairwise Algorithm for Computing Sample Variances* (1979), so that it does not cancel.
//!
//! *Invariant.* `of` over a run equals the merge of `of` over its parts, up to the rounding of
//! `sum`, `m2` and `integral`. All times are of samples in the run.

mod numbers;

use std::hint::select_unpredictable;

use tacitus_model::{Kind, Quality, TimeRange, Timestamp};

pub(crate) use numbers::{Numbers, Times};

/// Integers up to here are binary64 exactly.
const INTEGER_MAX: u64 = 1 << 53;

/// Statistics of consecutive samples of one tag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Samples, whatever their quality.
    pub rows: u64,
    /// Samples whose severity is good.
    pub good: u64,
    /// Samples whose severity is bad; the rest is uncertain.
    pub bad: u64,
    /// Good samples with a finite number: what the fields below are of.
    pub values: u64,
    /// The time of the first sample, in nanoseconds since 1970; `i64::MAX` without any.
    pub first_ns: i64,
    /// The time of the last sample; `i64::MIN` without any.
    pub last_ns: i64,
    /// The number of the first sample; NaN where it is not one of the values.
    pub first: f64,
    /// The number of the last sample; NaN where it is not one of the values.
    pub last: f64,
    /// The smallest value; infinite without any.
    pub min: f64,
    /// The largest value; minus infinite without any.
    pub max: f64,
    /// When the smallest value was there first.
    pub min_ns: i64,
    /// When the largest value was there first.
    pub max_ns: i64,
    /// The sum of the values.
    pub sum: f64,
    /// The integral over time of the values, in value · seconds, between consecutive samples:
    /// each held to the next (step), or joined by a line (linear).
    pub integral: f64,
    /// The time that the integral is over, in nanoseconds.
    pub good_ns: i64,
    /// The sum of the squares of the values' distances from their mean. (Not beside `sum`: the
    /// two would share a register, and every sum wait for the division of a moment.)
    pub m2: f64,
    /// An integer beyond ±2^53 was rounded to the nearest float.
    pub rounded: bool,
}

/// Rows as the statistics see them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) kind: Kind,
    /// Whether a value holds until the next.
    pub(crate) step: bool,
    pub(crate) times: &'a [i64],
    pub(crate) bits: &'a [u64],
    pub(crate) nulls: Option<&'a [bool]>,
    pub(crate) qualities: Option<&'a [u32]>,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            rows: 0,
            good: 0,
            bad: 0,
            values: 0,
            first_ns: i64::MAX,
            last_ns: i64::MIN,
            first: f64::NAN,
            last: f64::NAN,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            min_ns: 0,
            max_ns: 0,
            sum: 0.0,
            m2: 0.0,
            integral: 0.0,
            good_ns: 0,
            rounded: false,
        }
    }
}

impl Statistics {
    /// The statistics of rows in time order.
    pub(crate) fn of(run: Run<'_>) -> Self {
        let (Some(first_ns), Some(last_ns)) = (run.times.first(), run.times.last()) else {
            return Self::default();
        };
        let mut numbers = [0.0; CHUNK];
        let mut whole = Self { first_ns: *first_ns, last_ns: *last_ns, ..Self::default() };
        let mut from = 0;
        while from < run.times.len() {
            let to = (from + CHUNK).min(run.times.len());
            let part = run.part(from..to);
            let numbers = numbers.get_mut(..to - from).unwrap_or_default();
            let next = part.measure(numbers);
            if from == 0 {
                whole = next;
            } else {
                whole.absorb(&next, run.step);
            }
            from = to;
        }
        whole
    }

    /// Whether every sample is one of the values: then the figures are those of all samples.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        self.values == self.rows
    }

    /// The times from the first to the last sample.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        let (first, last) = (self.first_ns, self.last_ns);
        TimeRange { first: Timestamp::from_nanos(first), last: Timestamp::from_nanos(last) }
    }

    /// The mean of the values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.values > 0).then(|| self.sum / count(self.values))
    }

    /// Takes the statistics of the samples that follow into account; `step` says how the value
    /// moves between the last sample of the one and the first of the other.
    #[inline]
    pub fn absorb(&mut self, next: &Self, step: bool) {
        if next.rows == 0 {
            return;
        }
        if self.rows == 0 {
            *self = *next;
            return;
        }
        self.bridge(next, step);
        self.merge_values(next);
        self.rows += next.rows;
        self.good += next.good;
        self.bad += next.bad;
        // Statistics that outlived their rows may end after what came later.
        if next.last_ns >= self.last_ns {
            (self.last_ns, self.last) = (next.last_ns, next.last);
        }
        self.rounded |= next.rounded;
        self.integral += next.integral;
        self.good_ns = self.good_ns.saturating_add(next.good_ns);
    }

    /// The stretch between the two runs.
    #[inline]
    fn bridge(&mut self, next: &Self, step: bool) {
        let span_ns = next.first_ns.saturating_sub(self.last_ns).max(0);
        let height = if step { self.last } else { 0.5 * self.last + 0.5 * next.first };
        if height.is_finite() {
            self.integral += height * seconds(span_ns);
            self.good_ns = self.good_ns.saturating_add(span_ns);
        }
    }

    #[inline]
    fn merge_values(&mut self, next: &Self) {
        if next.values == 0 {
            return;
        }
        let (lower, higher) = (next.min < self.min, next.max > self.max);
        self.min_ns = select_unpredictable(lower, next.min_ns, self.min_ns);
        self.max_ns = select_unpredictable(higher, next.max_ns, self.max_ns);
        self.min = select_unpredictable(lower, next.min, self.min);
        self.max = select_unpredictable(higher, next.max, self.max);
        if self.values == 0 {
            self.m2 = next.m2;
        } else {
            let (a, b) = (count(self.values), count(next.values));
            // (mean_b − mean_a)² · a·b / (a + b), with one division.
            let apart = next.sum * a - self.sum * b;
            self.m2 += next.m2 + apart * apart / (a * b * (a + b));
        }
        self.sum += next.sum;
        self.values += next.values;
    }
}

/// Rows measured at a time: their numbers stay in the first-level cache.
const CHUNK: usize = 1024;

impl<'a> Run<'a> {
    fn part(&self, rows: std::ops::Range<usize>) -> Run<'a> {
        Run {
            kind: self.kind,
            step: self.step,
            times: self.times.get(rows.clone()).unwrap_or_default(),
            bits: self.bits.get(rows.clone()).unwrap_or_default(),
            nulls: self.nulls.and_then(|nulls| nulls.get(rows.clone())),
            qualities: self.qualities.and_then(|qualities| qualities.get(rows)),
        }
    }

    /// Statistics of at most [`CHUNK`] rows; `numbers` is as long as they are.
    fn measure(&self, numbers: &mut [f64]) -> Statistics {
        let rounded = numbers_of(self.kind, self.bits, numbers);
        let (good, bad) = self.severities();
        let flawed = self.nulls.is_some() || good < self.times.len();
        if flawed {
            self.blank(numbers);
        }
        let numbers = Numbers {
            step: self.step,
            digits: numbers,
            divisor: 1.0,
            times: Times::Each(self.times),
        };
        Statistics { good: good as u64, bad: bad as u64, rounded, ..numbers.statistics() }
    }

    fn severities(&self) -> (usize, usize) {
        let Some(qualities) = self.qualities else { return (self.times.len(), 0) };
        let good = qualities.iter().filter(|quality| Quality(**quality).is_good()).count();
        let bad = qualities.iter().filter(|quality| Quality(**quality).is_bad()).count();
        (good, bad)
    }

    /// Makes every number that is no value a NaN.
    fn blank(&self, numbers: &mut [f64]) {
        for (row, number) in numbers.iter_mut().enumerate() {
            let null = self.nulls.and_then(|nulls| nulls.get(row)).copied().unwrap_or(false);
            let quality = self.qualities.and_then(|qualities| qualities.get(row));
            if null || quality.is_some_and(|quality| !Quality(*quality).is_good()) {
                *number = f64::NAN;
            }
        }
    }
}

/// The lanes of a kind as numbers; whether one had to be rounded. Text has none: NaN.
pub(crate) fn numbers_of(kind: Kind, bits: &[u64], numbers: &mut [f64]) -> bool {
    let pairs = numbers.iter_mut().zip(bits);
    match kind {
        Kind::Float => pairs.for_each(|(number, lane)| *number = f64::from_bits(*lane)),
        Kind::Text => pairs.for_each(|(number, _)| *number = f64::NAN),
        Kind::Int | Kind::Bool | Kind::State => {
            pairs.for_each(|(number, lane)| *number = of_integer(lane.cast_signed()));
            let beyond = |lane: &u64| lane.cast_signed().unsigned_abs() > INTEGER_MAX;
            return bits.iter().any(beyond);
        }
    }
    false
}

#[expect(clippy::cast_precision_loss, reason = "rounding is reported beside it")]
fn of_integer(number: i64) -> f64 {
    number as f64
}

/// Signed, because that conversion is one instruction.
#[expect(clippy::cast_precision_loss, reason = "a store has fewer than 2^53 samples")]
fn count(rows: u64) -> f64 {
    rows.cast_signed() as f64
}

fn seconds(span_ns: i64) -> f64 {
    float_of(span_ns) / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "a span of 104 days is exact to the nanosecond")]
fn float_of(span_ns: i64) -> f64 {
    span_ns as f64
}

#[cfg(test)]
mod tests;
