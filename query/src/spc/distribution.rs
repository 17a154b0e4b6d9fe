//! The distributions that limits, intervals and tests are read from: normal, chi-squared, beta, F.
//!
//! *Invariant.* Twelve digits or more; a quantile is found by halving, so that it is the inverse of
//! the distribution function and of nothing else.
//!
//! *Source.* Series and continued fractions of the incomplete gamma and beta functions: Abramowitz
//! and Stegun, 6.5.29, 6.5.31 and 26.5.8, the fractions evaluated as Lentz does.

use std::f64::consts::SQRT_2;

use libm::{erfc, lgamma};

/// Terms of a series or fraction. LIMIT: some times the root of the largest sample that is asked for.
const TERMS_MAX: u32 = 100_000;
/// Where a series or fraction has come to its end.
const PRECISION: f64 = 1e-16;
/// What stands for nothing in a denominator.
const TINY: f64 = 1e-300;

/// The probability of a standard normal value up to `x`.
pub(super) fn normal(x: f64) -> f64 {
    0.5 * erfc(-x / SQRT_2)
}

/// The density of the standard normal distribution.
pub(super) fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The value below which a standard normal one lies with this probability.
pub(super) fn normal_quantile(probability: f64) -> f64 {
    inverse(probability, -40.0, 40.0, normal)
}

/// The value below which a chi-squared one of so many degrees of freedom lies with this
/// probability.
pub(super) fn chi_squared_quantile(probability: f64, freedom: f64) -> f64 {
    let most = freedom + 40.0 * (2.0 * freedom).sqrt() + 100.0;
    inverse(probability, 0.0, most, |x| gamma(freedom / 2.0, x / 2.0))
}

/// The value below which a beta one lies with this probability.
pub(super) fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    inverse(probability, 0.0, 1.0, |x| beta(a, b, x))
}

/// The value below which an F one lies with this probability.
pub(super) fn f_quantile(probability: f64, above: f64, below: f64) -> f64 {
    // From the upper tail, where the probability is near one.
    let rest = beta_quantile(1.0 - probability, below / 2.0, above / 2.0);
    below * (1.0 - rest) / (above * rest)
}

/// Where a rising function comes to a value.
fn inverse(value: f64, low: f64, high: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if function(middle) < value {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The lower incomplete gamma function over the whole one.
fn gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let scale = (a * x.ln() - x - lgamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut at) = (1.0 / a, 1.0 / a, a);
        for _ in 0..TERMS_MAX {
            at += 1.0;
            term *= x / at;
            sum += term;
            if term < sum * PRECISION {
                break;
            }
        }
        return scale * sum;
    }
    let mut fraction = Fraction::begin(x + 1.0 - a);
    for term in 1..TERMS_MAX {
        let i = f64::from(term);
        if fraction.go_on(-i * (i - a), x + 1.0 - a + 2.0 * i) {
            break;
        }
    }
    1.0 - scale / fraction.value
}

/// The incomplete beta function over the whole one.
fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(b, a, 1.0 - x);
    }
    let scale = (lgamma(a + b) - lgamma(a) - lgamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    let mut fraction = Fraction::begin(1.0);
    for term in 0..TERMS_MAX {
        let m = f64::from(term / 2);
        let above = if term % 2 == 0 {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        } else {
            let m = m + 1.0;
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        };
        if fraction.go_on(above, 1.0) {
            break;
        }
    }
    scale / fraction.value
}

/// A continued fraction, term by term.
struct Fraction {
    value: f64,
    above: f64,
    below: f64,
}

impl Fraction {
    fn begin(first: f64) -> Self {
        let value = if first.abs() < TINY { TINY } else { first };
        Self { value, above: value, below: 0.0 }
    }

    /// Adds a term; whether it changed nothing any more.
    fn go_on(&mut self, above: f64, first: f64) -> bool {
        let solid = |x: f64| if x.abs() < TINY { TINY } else { x };
        self.below = 1.0 / solid(first + above * self.below);
        self.above = solid(first + above / self.above);
        let change = self.above * self.below;
        self.value *= change;
        (change - 1.0).abs() < PRECISION * 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the closed forms of even degrees of freedom, or as tables have them.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (found, want) in [
            (normal(0.0), 0.5),
            (normal(-3.0), 0.001_349_898_031_630_095),
            (normal_quantile(0.975), 1.959_963_984_540_054),
            (normal_quantile(0.75), 0.674_489_750_196_082),
            (chi_squared_quantile(0.025, 124.0), 95.070_088_972_345_18),
            (chi_squared_quantile(0.975, 124.0), 156.714_103_829_672_1),
            (chi_squared_quantile(0.95, 1.0), 3.841_458_820_694_124),
            (f_quantile(0.95, 2.0, 59.0), 3.153_123_258_497_464),
            (f_quantile(0.99, 5.0, 10.0), 5.636_326_2),
            (beta_quantile(0.5, 1.0, 1.0), 0.5),
            (beta_quantile(0.95, 2.0, 3.0), 0.751_395_374_269_818_2),
        ] {
            assert!((found - want).abs() <= 1e-7 * want.abs(), "{found} {want}");
        }
    }
}
