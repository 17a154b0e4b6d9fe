//! The constants of control charts for samples of a normal distribution, by the size of the sample.
//!
//! | | |
//! |---|---|
//! | `c4` | the mean standard deviation of a sample over that of the process |
//! | `d2`, `d3` | the mean and the standard deviation of the range over that of the process |
//!
//! All others follow from these three. `c4` is a quotient of gamma functions; `d2` and `d3` are
//! integrals over the distribution of the range, `F(w) = n ∫ φ(x) (Φ(x+w) − Φ(x))^(n−1) dx`: with
//! the trapezoidal rule over all x, which is exact for such functions, and Romberg's over w.
//!
//! *Invariant.* Nine digits or more; no table with three digits is used.

use std::f64::consts::PI;
use std::sync::OnceLock;

use libm::lgamma;

use super::distribution::{normal, normal_density};
use super::real;

/// The largest sample whose range is used. LIMIT: beyond ten values a range tells little more, and
/// standard deviations should be charted; each size is integrated once.
pub const RANGE_SIZE_MAX: u64 = 100;

/// The constant that Laney (2002) has in place of `d2(2)` for the spread between neighbours.
pub(super) const LANEY: f64 = 1.128;

/// The mean standard deviation of samples of this size over that of the process; 0 for a size
/// below 2.
#[must_use]
pub fn c4(size: u64) -> f64 {
    if size < 2 {
        return 0.0;
    }
    let n = real(size);
    (2.0 / (n - 1.0)).sqrt() * (lgamma(n / 2.0) - lgamma((n - 1.0) / 2.0)).exp()
}

/// The mean range of samples of this size over the standard deviation of the process; `None`
/// below 2 and above [`RANGE_SIZE_MAX`].
#[must_use]
pub fn d2(size: u64) -> Option<f64> {
    range(size).map(|(mean, _)| mean)
}

/// The standard deviation of the range; see [`d2`].
#[must_use]
pub fn d3(size: u64) -> Option<f64> {
    range(size).map(|(_, deviation)| deviation)
}

/// The mean distance of neighbours over the standard deviation: `d2(2)`.
pub(super) fn of_neighbours() -> f64 {
    2.0 / PI.sqrt()
}

fn range(size: u64) -> Option<(f64, f64)> {
    static KNOWN: [OnceLock<(f64, f64)>; 101] = [const { OnceLock::new() }; 101];
    if !(2..=RANGE_SIZE_MAX).contains(&size) {
        return None;
    }
    let cell = KNOWN.get(usize::try_from(size).ok()?)?;
    Some(*cell.get_or_init(|| integrate(size)))
}

/// Steps of a unit of the range, and of x.
const STEPS: usize = 32;
/// Every how many steps x is looked at.
const STRIDE: usize = 4;
/// The integral over x goes from minus this to this, and the range twice as far.
const REACH: f64 = 8.0;

/// The mean and the standard deviation of the range of samples of this size.
fn integrate(size: u64) -> (f64, f64) {
    let step = 1.0 / real(STEPS as u64);
    let at = |index: usize| real(index as u64) * step - REACH;
    // 16 units of x, and 16 more for x + w.
    let across = 16 * STEPS;
    let below: Vec<f64> = (0..=2 * across).map(|index| normal(at(index))).collect();
    let power = i32::try_from(size).unwrap_or(i32::MAX) - 1;
    let exceeded = |wide: usize| {
        let sum: f64 = (0..=across)
            .step_by(STRIDE)
            .filter_map(|x| {
                let within = below.get(x + wide)? - below.get(x)?;
                Some(normal_density(at(x)) * within.powi(power))
            })
            .sum();
        1.0 - real(size) * sum * step * real(STRIDE as u64)
    };
    let tail: Vec<f64> = (0..=across).map(exceeded).collect();
    let weighted: Vec<f64> =
        tail.iter().enumerate().map(|(at, tail)| tail * real(at as u64) * step).collect();
    let mean = romberg(&tail, step);
    let square = 2.0 * romberg(&weighted, step);
    (mean, (square - mean * mean).sqrt())
}

/// The integral over values at equal steps, a power of two of them and one more.
fn romberg(values: &[f64], step: f64) -> f64 {
    let last = values.len().saturating_sub(1);
    let mut row: Vec<f64> = Vec::new();
    let mut stride = last;
    while stride > 0 {
        let ends = values.first().zip(values.get(last)).map_or(0.0, |(one, other)| one + other);
        let inner: f64 = values.iter().step_by(stride).sum();
        let mut better = (inner - ends / 2.0) * step * real(stride as u64);
        let mut factor = 1.0;
        let mut next = vec![better];
        for rougher in &row {
            factor *= 4.0;
            better += (better - rougher) / (factor - 1.0);
            next.push(better);
        }
        row = next;
        stride /= 2;
    }
    row.last().copied().unwrap_or_default()
}

/// The constants of one size as they are printed in tables, for limits of three sigmas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constants {
    /// Limits of means from the sigma of the process.
    pub a: f64,
    /// Limits of means from the mean range.
    pub a2: f64,
    /// Limits of means from the mean standard deviation.
    pub a3: f64,
    /// Limits of standard deviations from their mean.
    pub b3: f64,
    /// See `b3`.
    pub b4: f64,
    /// Limits of standard deviations from the sigma of the process.
    pub b5: f64,
    /// See `b5`.
    pub b6: f64,
    /// See [`c4`].
    pub c4: f64,
    /// See [`d2`].
    pub d2: f64,
    /// See [`d3`].
    pub d3: f64,
    /// Limits of ranges from the sigma of the process.
    pub d1_limit: f64,
    /// See `d1_limit`.
    pub d2_limit: f64,
    /// Limits of ranges from their mean.
    pub d3_limit: f64,
    /// See `d3_limit`.
    pub d4_limit: f64,
    /// Limits of single values from the mean range.
    pub e2: f64,
}

impl Constants {
    /// The constants of a size; `None` below 2 and above [`RANGE_SIZE_MAX`].
    #[must_use]
    pub fn of(size: u64) -> Option<Self> {
        let (d2, d3) = range(size)?;
        let (c4, root) = (c4(size), real(size).sqrt());
        let beside = 3.0 * (1.0 - c4 * c4).sqrt();
        Some(Self {
            a: 3.0 / root,
            a2: 3.0 / (d2 * root),
            a3: 3.0 / (c4 * root),
            b3: (1.0 - beside / c4).max(0.0),
            b4: 1.0 + beside / c4,
            b5: (c4 - beside).max(0.0),
            b6: c4 + beside,
            c4,
            d2,
            d3,
            d1_limit: (d2 - 3.0 * d3).max(0.0),
            d2_limit: d2 + 3.0 * d3,
            d3_limit: (1.0 - 3.0 * d3 / d2).max(0.0),
            d4_limit: 1.0 + 3.0 * d3 / d2,
            e2: 3.0 / d2,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed forms: of two values, and of three (Tippett 1925).
    #[test]
    fn small_samples_have_closed_forms() {
        let close = |found: Option<f64>, want: f64| (found.unwrap() - want).abs() < 1e-10;
        assert!(close(d2(2), 2.0 / PI.sqrt()), "{:?}", d2(2));
        assert!(close(d3(2), (2.0 - 4.0 / PI).sqrt()), "{:?}", d3(2));
        assert!(close(d2(3), 3.0 / PI.sqrt()), "{:?}", d2(3));
        assert!((c4(2) - (2.0 / PI).sqrt()).abs() < 1e-14);
        assert!((c4(1_000_000) - (1.0 - 1.0 / 4e6)).abs() < 1e-8);
        assert_eq!((d2(1), d3(RANGE_SIZE_MAX + 1)), (None, None));
    }

    /// As printed in ASTM E2587 and in textbooks, to their digits.
    #[test]
    fn constants_are_those_of_the_tables() {
        for (size, a2, a3, b3, b4, d2, d3, d3_limit, d4_limit) in [
            (2, 1.880, 2.659, 0.0, 3.267, 1.128, 0.853, 0.0, 3.267),
            (4, 0.729, 1.628, 0.0, 2.266, 2.059, 0.880, 0.0, 2.282),
            (10, 0.308, 0.975, 0.284, 1.716, 3.078, 0.797, 0.223, 1.777),
            (25, 0.153, 0.606, 0.565, 1.435, 3.931, 0.708, 0.459, 1.541),
        ] {
            let own = Constants::of(size).unwrap();
            let found =
                [own.a2, own.a3, own.b3, own.b4, own.d2, own.d3, own.d3_limit, own.d4_limit];
            for (found, want) in found.into_iter().zip([a2, a3, b3, b4, d2, d3, d3_limit, d4_limit])
            {
                assert!((found - want).abs() < 6e-4, "{size}: {found} {want}");
            }
        }
    }
}
