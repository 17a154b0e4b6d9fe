//! What an aggregate needs of a page: count, least, greatest, sum.
//!
//! *Invariant.* NaN takes no part in least and greatest, as in SQL; it does in the sum.

use tacitus_model::Kind;

use crate::codec::transform::Scale;

/// Totals of some rows, all present.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Totals {
    pub(crate) rows: usize,
    /// Rows that are not NaN.
    pub(crate) numbers: usize,
    /// The least; +∞ where there is no number.
    pub(crate) least: f64,
    /// The greatest; −∞ where there is no number.
    pub(crate) greatest: f64,
    pub(crate) sum: f64,
}

/// Sums run in so many lanes.
const LANES: usize = 8;

impl Totals {
    /// The totals of lanes of numbers; `None` for texts.
    pub(crate) fn of(kind: Kind, lanes: &[u64]) -> Option<Self> {
        match kind {
            Kind::Text => None,
            Kind::Float => Some(Self::of_floats(lanes)),
            _ => Some(Self::of_integers(lanes.iter().map(|lane| lane.cast_signed()), lanes.len())),
        }
    }

    fn of_floats(lanes: &[u64]) -> Self {
        let mut least = [f64::INFINITY; LANES];
        let mut greatest = [f64::NEG_INFINITY; LANES];
        let mut sum = [0.0; LANES];
        let mut numbers = [0_u64; LANES];
        let (eights, rest) = lanes.as_chunks::<LANES>();
        let mut add = |at: usize, lane: u64| {
            let number = f64::from_bits(lane);
            // Comparisons, not `f64::min`: these are one instruction each.
            least[at] = if number < least[at] { number } else { least[at] };
            greatest[at] = if number > greatest[at] { number } else { greatest[at] };
            sum[at] += number;
            numbers[at] += u64::from(!number.is_nan());
        };
        for eight in eights {
            eight.iter().enumerate().for_each(|(at, lane)| add(at, *lane));
        }
        rest.iter().enumerate().for_each(|(at, lane)| add(at, *lane));
        Self {
            rows: lanes.len(),
            numbers: usize::try_from(numbers.iter().sum::<u64>()).unwrap_or_default(),
            least: least.into_iter().fold(f64::INFINITY, f64::min),
            greatest: greatest.into_iter().fold(f64::NEG_INFINITY, f64::max),
            sum: sum.iter().sum(),
        }
    }

    /// The totals of the decimals of some digits, within ±2^51 where they were encoded; then the
    /// sum is exact but for the last division.
    #[expect(clippy::cast_precision_loss, reason = "the sum of 1,024 digits is rounded once")]
    pub(crate) fn of_digits(digits: &[u64], scale: Scale) -> Self {
        let (mut least, mut greatest, mut sum) = (i64::MAX, i64::MIN, 0_i64);
        for digits in digits {
            let digits = digits.cast_signed();
            least = least.min(digits);
            greatest = greatest.max(digits);
            sum = sum.wrapping_add(digits);
        }
        Self {
            rows: digits.len(),
            numbers: digits.len(),
            least: scale.float(least),
            greatest: scale.float(greatest),
            sum: sum as f64 / scale.power(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an aggregate of integers is a float")]
    fn of_integers(integers: impl Iterator<Item = i64>, rows: usize) -> Self {
        let (mut least, mut greatest, mut sum) = (i64::MAX, i64::MIN, 0_i128);
        for integer in integers {
            least = least.min(integer);
            greatest = greatest.max(integer);
            sum += i128::from(integer);
        }
        Self {
            rows,
            numbers: rows,
            least: least as f64,
            greatest: greatest as f64,
            sum: sum as f64,
        }
    }
}
