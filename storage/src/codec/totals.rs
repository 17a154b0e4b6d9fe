//! What an aggregate needs of a page: count, least, greatest, sum.
//!
//! *Invariant.* NaN takes no part in least and greatest, as in SQL; it does in the sum.

use tacitus_model::Kind;

use crate::block::Block;
use crate::codec::transform::{Scale, to_float};

/// Totals of samples with a value, whatever their quality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// How many samples there are.
    pub rows: usize,
    /// How many of them are not NaN.
    pub numbers: usize,
    /// The least; +∞ where there is no number.
    pub least: f64,
    /// The greatest; −∞ where there is no number.
    pub greatest: f64,
    /// The sum; NaN where a sample is.
    pub sum: f64,
}

impl Default for Totals {
    fn default() -> Self {
        let (least, greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { rows: 0, numbers: 0, least, greatest, sum: 0.0 }
    }
}

/// Sums run in so many lanes.
const LANES: usize = 8;

/// Totals under way, in lanes that a processor adds side by side.
struct Sums {
    least: [f64; LANES],
    greatest: [f64; LANES],
    sum: [f64; LANES],
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            least: [f64::INFINITY; LANES],
            greatest: [f64::NEG_INFINITY; LANES],
            sum: [0.0; LANES],
        }
    }
}

impl Sums {
    #[inline]
    fn add(&mut self, floats: &[f64; LANES]) {
        // Comparisons, not `f64::min`: these are one instruction each, and pass NaN over.
        for (least, float) in self.least.iter_mut().zip(floats) {
            *least = if float < least { *float } else { *least };
        }
        for (greatest, float) in self.greatest.iter_mut().zip(floats) {
            *greatest = if float > greatest { *float } else { *greatest };
        }
        self.sum.iter_mut().zip(floats).for_each(|(sum, float)| *sum += float);
    }

    /// Adds the first few of eight, where the others are NaN.
    fn add_some(&mut self, floats: &[f64; LANES], count: usize) {
        let sum = self.sum;
        self.add(floats);
        for (after, before) in self.sum.iter_mut().zip(sum).skip(count) {
            *after = before;
        }
    }

    fn totals(&self, rows: usize) -> Totals {
        Totals {
            rows,
            numbers: rows,
            least: self.least.into_iter().fold(f64::INFINITY, f64::min),
            greatest: self.greatest.into_iter().fold(f64::NEG_INFINITY, f64::max),
            sum: self.sum.iter().sum(),
        }
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
fn sums_of_floats(eights: &[[u64; LANES]]) -> Sums {
    let mut sums = Sums::default();
    eights.iter().for_each(|eight| sums.add(&eight.map(f64::from_bits)));
    sums
}

#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
fn sums_of_digits(eights: &[[u64; LANES]]) -> (Sums, [u64; LANES]) {
    let mut sums = Sums::default();
    let mut sum = [0_u64; LANES];
    for eight in eights {
        sums.add(&eight.map(to_float));
        sum.iter_mut().zip(eight).for_each(|(sum, digits)| *sum = sum.wrapping_add(*digits));
    }
    (sums, sum)
}

impl Totals {
    /// Takes other samples into account.
    pub(crate) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.numbers += other.numbers;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.sum += other.sum;
    }

    /// The totals of the samples of a block that have a value.
    pub(crate) fn of_block(block: &Block) -> Self {
        let present: Vec<u64> = match &block.nulls {
            None => return Self::of(block.kind, &block.bits).unwrap_or_default(),
            Some(nulls) => {
                let rows = block.bits.iter().zip(nulls).filter(|(_, null)| !**null);
                rows.map(|(bits, _)| *bits).collect()
            }
        };
        if present.is_empty() {
            return Self::default();
        }
        Self::of(block.kind, &present).unwrap_or_default()
    }

    /// The totals of lanes of numbers; `None` for texts.
    pub(crate) fn of(kind: Kind, lanes: &[u64]) -> Option<Self> {
        match kind {
            Kind::Text => None,
            Kind::Float => Some(Self::of_floats(lanes)),
            _ => Some(Self::of_integers(lanes)),
        }
    }

    fn of_floats(lanes: &[u64]) -> Self {
        let (eights, rest) = lanes.as_chunks::<LANES>();
        let mut sums = sums_of_floats(eights);
        // NaN and then 0: what fills the last eight takes no part in anything.
        let mut last = [f64::NAN; LANES];
        last.iter_mut().zip(rest).for_each(|(to, lane)| *to = f64::from_bits(*lane));
        sums.add_some(&last, rest.len());
        let mut totals = sums.totals(lanes.len());
        // Without a NaN in the sum there was none in the rows.
        if totals.sum.is_nan() {
            totals.numbers = lanes.iter().filter(|lane| !f64::from_bits(**lane).is_nan()).count();
        }
        totals
    }

    /// The totals of the decimals of some digits, within ±2^51 where they were encoded; then the
    /// sum is exact but for the last division.
    #[expect(clippy::cast_precision_loss, reason = "the sum of 1,024 digits is rounded once")]
    pub(crate) fn of_digits(digits: &[u64], scale: Scale) -> Self {
        // Digits are whole within ±2^51, so floats of them compare as they do, and every
        // processor compares floats side by side.
        let (eights, rest) = digits.as_chunks::<LANES>();
        let (mut sums, sum) = sums_of_digits(eights);
        let mut last = [f64::NAN; LANES];
        last.iter_mut().zip(rest).for_each(|(to, digits)| *to = to_float(*digits));
        sums.add_some(&last, rest.len());
        let floats = sums.totals(digits.len());
        let sum = sum.iter().chain(rest).fold(0_u64, |sum, digits| sum.wrapping_add(*digits));
        let power = scale.power();
        Self {
            least: floats.least / power,
            greatest: floats.greatest / power,
            sum: sum.cast_signed() as f64 / power,
            ..floats
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an aggregate of integers is a float")]
    fn of_integers(lanes: &[u64]) -> Self {
        let (mut least, mut greatest) = (i64::MAX, i64::MIN);
        // The halves apart, so that no sum overflows.
        let (mut low, mut high) = (0_u64, 0_i64);
        for lane in lanes {
            least = least.min(lane.cast_signed());
            greatest = greatest.max(lane.cast_signed());
            low += lane & u64::from(u32::MAX);
            high += lane.cast_signed() >> 32;
        }
        Self {
            rows: lanes.len(),
            numbers: lanes.len(),
            least: least as f64,
            greatest: greatest as f64,
            sum: ((i128::from(high) << 32) + i128::from(low)) as f64,
        }
    }
}
