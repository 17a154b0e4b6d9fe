//! Whether values may come from a normal distribution: the test of Anderson and Darling.
//!
//! *Source.* D'Agostino and Stephens, Goodness-of-Fit Techniques (1986), 4.8: mean and variance are
//! estimated, A² is corrected for the size of the sample.

use super::distribution::normal;
use super::real;
use super::subgroup::Spread;

/// The corrected statistic and the probability of one as large; `None` of fewer than eight values,
/// or of such that are all the same.
///
/// `values` are sorted.
pub(super) fn anderson_darling(values: &[f64]) -> Option<(f64, f64)> {
    let spread = Spread::of(values.iter().copied());
    let deviation = spread.deviation().filter(|deviation| *deviation > 0.0)?;
    if values.len() < 8 {
        return None;
    }
    let n = real(spread.count);
    // Of values far out the logarithm is kept from being infinite.
    let tail = |z: f64| normal(z).max(f64::MIN_POSITIVE).ln();
    let z = |value: &f64| (value - spread.mean) / deviation;
    let pairs = values.iter().zip(values.iter().rev()).zip(1_u64..);
    let sum: f64 =
        pairs.map(|((low, high), at)| real(2 * at - 1) * (tail(z(low)) + tail(-z(high)))).sum();
    let raw = -n - sum / n;
    let statistic = raw * (1.0 + 0.75 / n + 2.25 / (n * n));
    Some((statistic, probability(statistic)))
}

fn probability(a: f64) -> f64 {
    let found = if a >= 0.6 {
        // Beyond 13 the parabola would rise again.
        let a = a.min(13.0);
        (1.2937 - 5.709 * a + 0.0186 * a * a).exp()
    } else if a > 0.34 {
        (0.9177 - 4.279 * a - 1.38 * a * a).exp()
    } else if a > 0.2 {
        1.0 - (-8.318 + 42.796 * a - 59.938 * a * a).exp()
    } else {
        1.0 - (-13.436 + 101.14 * a - 223.73 * a * a).exp()
    };
    found.clamp(0.0, 1.0)
}
