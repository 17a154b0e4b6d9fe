//! The divisor of floats that are counts of a converter in engineering units.
//!
//! *Invariant.* A guess: what it finds is tried like every other transform, and only its size
//! decides.

use crate::codec::transform::{Divisor, Scale};

/// A converter has at most so many counts; beyond, noise looks like counts too.
const COUNTS_MAX: f64 = 1_048_576.0;

/// Values that a divisor is tried on.
const SAMPLE: usize = 48;

/// The scale under which most of the lanes are whole counts.
pub(crate) fn scale(lanes: &[u64], is_single: bool) -> Option<Scale> {
    let numbers = lanes.iter().map(|lane| f64::from_bits(*lane));
    let mut numbers: Vec<f64> = numbers.filter(|number| number.is_normal()).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.dedup();
    let greatest = numbers.first()?.abs().max(numbers.last()?.abs());
    if numbers.len() < 8 {
        return None;
    }
    let mut unit = gap(&numbers, 1)?;
    if unit * COUNTS_MAX < greatest {
        return None;
    }
    // Each wider gap tells the unit more exactly, and then the numbers themselves.
    let mut stride = 2;
    while let Some(gap) = gap(&numbers, stride) {
        unit = refined(unit, gap)?;
        stride *= 2;
    }
    numbers.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    let sample: Vec<f64> =
        numbers.iter().copied().step_by((numbers.len() / SAMPLE).max(1)).collect();
    for number in &sample {
        if number.abs() > 2.0 * unit {
            unit = refined(unit, number.abs())?;
        }
    }
    // Each number leaves the divisor the room of its last rounding.
    let (mut low, mut high) = (0.0_f64, f64::INFINITY);
    for number in &numbers {
        let count = (number / unit).round_ties_even();
        let half = half_a_step(number.abs(), is_single);
        low = low.max(count.abs() / (number.abs() + half));
        high = high.min(count.abs() / (number.abs() - half));
    }
    let divisor = f64::midpoint(low, high);
    let scale = Scale { divisor: Divisor::Other(divisor.to_bits()), is_single };
    let exact = |number: &&f64| scale.exact_digits(number.to_bits()).is_some();
    let hits = sample.iter().filter(exact).count();
    // Of binary64 the others are a step or two beside; of binary32 that would be far.
    let is_likely = hits * if is_single { 1 } else { 4 } >= sample.len() * 7 / 8;
    (is_likely && divisor.is_normal()).then_some(scale)
}

/// Half of the way to the next float.
#[expect(clippy::cast_possible_truncation, reason = "it is binary32, the caller says")]
fn half_a_step(number: f64, is_single: bool) -> f64 {
    let next = if is_single { f64::from((number as f32).next_up()) } else { number.next_up() };
    (next - number) / 2.0
}

/// The least difference of numbers so many places apart, in rising order.
fn gap(numbers: &[f64], stride: usize) -> Option<f64> {
    let pairs = numbers.iter().zip(numbers.get(stride..)?);
    pairs.map(|(low, high)| high - low).min_by(f64::total_cmp)
}

/// A unit so that a number is a whole count of it, where it nearly was.
fn refined(unit: f64, number: f64) -> Option<f64> {
    let count = (number / unit).round_ties_even();
    ((number / unit - count).abs() < 0.25).then_some(number / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a converter gives for counts that look random.
    fn converted(value: impl Fn(f64) -> f64) -> Vec<u64> {
        (1..200_u32).map(|n| value(f64::from(n * n * 7919 % 4093)).to_bits()).collect()
    }

    #[test]
    fn counts_of_a_converter_are_found() {
        let scale = scale(&converted(|raw| raw * (10.0 / 27_648.0)), false).unwrap();
        assert!((scale.power() / 2764.8 - 1.0).abs() < 1e-15, "{}", scale.power());
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "a binary32 is wanted")]
    fn counts_in_binary32_are_found() {
        let lanes = converted(|raw| f64::from(raw as f32 * (100.0_f32 / 27_648.0)));
        let scale = scale(&lanes, true).unwrap();
        assert!((scale.power() / 276.48 - 1.0).abs() < 1e-6, "{}", scale.power());
        assert!(lanes.iter().all(|lane| scale.exact_digits(*lane).is_some()));
    }

    #[test]
    fn noise_is_no_count() {
        assert_eq!(scale(&converted(f64::sqrt), false), None);
    }
}
