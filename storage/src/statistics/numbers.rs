//! Statistics of numbers that lie side by side, by loops that a processor runs in wide registers.
//!
//! The numbers of a page of decimals are their digits, and the divisor is a power of ten: extremes
//! and sums are found of the digits and divided once.
//!
//! *Invariant.* The figures are those of the quotients, up to the rounding of sums; the sum of
//! digits is rounded once. A number that is not finite is no value.

use std::ops::Range;

use crate::statistics::{Statistics, count, float_of, seconds};

/// When the rows of a run are; they rise.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Times<'a> {
    /// Each for itself.
    Each(&'a [i64]),
    /// One `step_ns` after the other; the last one is known to be a time.
    Steady { first_ns: i64, step_ns: u64 },
}

/// Numbers in time order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers<'a> {
    /// Whether a value holds until the next.
    pub(crate) step: bool,
    pub(crate) digits: &'a [f64],
    /// What they are divided by.
    pub(crate) divisor: f64,
    pub(crate) times: Times<'a>,
}

impl Times<'_> {
    /// The time of a row.
    #[inline]
    pub(crate) fn at(&self, row: usize) -> i64 {
        match self {
            Self::Each(times) => times.get(row).copied().unwrap_or(i64::MAX),
            Self::Steady { first_ns, step_ns } => {
                first_ns.wrapping_add_unsigned(step_ns.wrapping_mul(row as u64))
            }
        }
    }

    /// How many of so many rows are before a time.
    pub(crate) fn before(&self, ts: i64, rows: usize) -> usize {
        match self {
            Self::Each(times) => times.partition_point(|own| *own < ts).min(rows),
            Self::Steady { first_ns, .. } if ts <= *first_ns => 0,
            Self::Steady { first_ns, step_ns } => {
                let count = ts.abs_diff(*first_ns).div_ceil((*step_ns).max(1));
                usize::try_from(count).unwrap_or(rows).min(rows)
            }
        }
    }

    fn part(&self, rows: Range<usize>) -> Self {
        match self {
            Self::Each(times) => Self::Each(times.get(rows).unwrap_or_default()),
            Self::Steady { step_ns, .. } => {
                Self::Steady { first_ns: self.at(rows.start), step_ns: *step_ns }
            }
        }
    }
}

impl Numbers<'_> {
    /// Some of the rows.
    pub(crate) fn part(&self, rows: Range<usize>) -> Self {
        let times = self.times.part(rows.clone());
        Self { digits: self.digits.get(rows).unwrap_or_default(), times, ..*self }
    }

    /// Their statistics, all of them being good.
    pub(crate) fn statistics(&self) -> Statistics {
        let ([first, ..], [held @ .., last]) = (self.digits, self.digits) else {
            return Statistics::default();
        };
        let rows = self.digits.len() as u64;
        let (first_ns, last_ns) = (self.times.at(0), self.times.at(held.len()));
        let number = |number: &f64| {
            let number = number / self.divisor;
            if number.is_finite() { number } else { f64::NAN }
        };
        let (first, last) = (number(first), number(last));
        let mut found = Statistics {
            rows,
            good: rows,
            first_ns,
            last_ns,
            first,
            last,
            ..Statistics::default()
        };
        let survey = survey(held);
        let spans = last_ns.checked_sub(first_ns).is_some();
        if (survey.sum + last).is_finite() && spans {
            // Every number is finite: a NaN or an infinity would have shown in the sum. (A sum of
            // finite numbers that overflows takes the slow way too.)
            self.whole(survey, held, &mut found);
        } else {
            self.holed(&mut found);
        }
        found
    }

    /// All numbers count.
    fn whole(&self, survey: Survey, held: &[f64], found: &mut Statistics) {
        let last = self.digits.last().copied().unwrap_or_default();
        let (least, most) = (lesser(survey.least, last), greater(survey.most, last));
        let sum = survey.sum + last;
        let divisor = self.divisor;
        found.values = found.rows;
        found.sum = sum / divisor;
        (found.min, found.max) = (least / divisor, most / divisor);
        found.min_ns = self.times.at(position(self.digits, least));
        found.max_ns = self.times.at(position(self.digits, most));
        // Divided twice: the square of a divisor may be too large, or too small.
        found.m2 = moment(self.digits, sum / count(found.values)) / divisor / divisor;
        found.good_ns = found.last_ns.saturating_sub(found.first_ns);
        // Half of each end: what is held counts wholly where the tag steps.
        let (own, next) = if self.step { (1.0, 0.0) } else { (0.5, 0.5) };
        found.integral = match self.times {
            Times::Steady { step_ns, .. } => {
                let heights = survey.sum / divisor - next * found.first + next * found.last;
                heights * seconds(step_ns.cast_signed())
            }
            Times::Each(times) => {
                let begun = times.get(..held.len()).unwrap_or_default();
                let ended = times.get(1..).unwrap_or_default();
                let after = self.digits.get(1..).unwrap_or_default();
                integral(begun, ended, held, after, own, next) / divisor / 1e9
            }
        };
    }

    /// Some numbers do not count.
    fn holed(&self, found: &mut Statistics) {
        let mut before: Option<(i64, f64)> = None;
        for (row, number) in self.digits.iter().enumerate() {
            let (ts, number) = (self.times.at(row), number / self.divisor);
            let holds = number.is_finite();
            if let Some((at, held)) = before
                && (holds || self.step)
            {
                let span_ns = ts.saturating_sub(at);
                let height = if self.step { held } else { 0.5 * held + 0.5 * number };
                found.integral += height * seconds(span_ns);
                found.good_ns = found.good_ns.saturating_add(span_ns);
            }
            before = holds.then_some((ts, number));
            if holds {
                found.merge_values(&Statistics {
                    values: 1,
                    min: number,
                    max: number,
                    min_ns: ts,
                    max_ns: ts,
                    sum: number,
                    ..Statistics::default()
                });
            }
        }
    }
}

/// Running figures, which the compiler keeps in vector registers: more than one register each, so
/// that an operation need not wait for the one before.
const LANES: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Survey {
    sum: f64,
    least: f64,
    most: f64,
}

// Comparisons, not `f64::min`: these are one instruction each.
fn lesser(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

fn greater(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}

#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
/// The sum, the least and the most of numbers; what is not finite shows in the sum.
fn survey(numbers: &[f64]) -> Survey {
    let (parts, rest) = numbers.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    let mut least = [f64::INFINITY; LANES];
    let mut most = [f64::NEG_INFINITY; LANES];
    for part in parts {
        for lane in 0..LANES {
            sums[lane] += part[lane];
            least[lane] = lesser(least[lane], part[lane]);
            most[lane] = greater(most[lane], part[lane]);
        }
    }
    for (lane, number) in rest.iter().enumerate() {
        sums[lane] += number;
        least[lane] = lesser(least[lane], *number);
        most[lane] = greater(most[lane], *number);
    }
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
            least[lane] = lesser(least[lane], least[lane + width]);
            most[lane] = greater(most[lane], most[lane + width]);
        }
    }
    Survey { sum: sums[0], least: least[0], most: most[0] }
}

#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
#[expect(clippy::float_cmp, reason = "the number is one of them")]
/// The first row that has this number.
fn position(numbers: &[f64], number: f64) -> usize {
    let (parts, rest) = numbers.as_chunks::<LANES>();
    let is_in = |part: &[f64; LANES]| {
        part.iter().map(|own| u8::from(*own == number)).fold(0, |found, own| found | own) != 0
    };
    let part = parts.iter().position(is_in);
    let from = part.unwrap_or(parts.len());
    let within = parts.get(from).map_or(rest, |part| &part[..]);
    from * LANES + within.iter().position(|own| *own == number).unwrap_or_default()
}

#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
/// The sum of the squares of the distances from the mean.
fn moment(numbers: &[f64], mean: f64) -> f64 {
    let (parts, rest) = numbers.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for part in parts {
        for lane in 0..LANES {
            let apart = part[lane] - mean;
            sums[lane] += apart * apart;
        }
    }
    let rest = rest.iter().map(|number| (number - mean) * (number - mean));
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
/// The sum over all rows of the time to the next one, in nanoseconds, times the height between
/// them: so much of the value held and so much of the next one.
fn integral(
    begun: &[i64],
    ended: &[i64],
    held: &[f64],
    next: &[f64],
    own: f64,
    others: f64,
) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (begun_eights, begun_rest) = begun.as_chunks::<LANES>();
    let (ended_eights, ended_rest) = ended.as_chunks::<LANES>();
    let (held_eights, held_rest) = held.as_chunks::<LANES>();
    let (next_eights, next_rest) = next.as_chunks::<LANES>();
    let times = begun_eights.iter().zip(ended_eights);
    for ((begun, ended), (held, next)) in times.zip(held_eights.iter().zip(next_eights)) {
        for lane in 0..LANES {
            let span_ns = float_of(ended[lane].wrapping_sub(begun[lane]));
            sums[lane] += span_ns * (held[lane] * own + next[lane] * others);
        }
    }
    let rest = begun_rest.iter().zip(ended_rest).zip(held_rest.iter().zip(next_rest));
    let rest = rest.map(|((begun, ended), (held, next))| {
        float_of(ended.wrapping_sub(*begun)) * (held * own + next * others)
    });
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}
