//! How well a process keeps to its specification.
//!
//! *Source.* ISO 22514-2, AIAG SPC (2nd edition); confidence intervals of Cp by chi-squared, of Cpk as
//! Bissell (1990) has them.
//!
//! *Invariant.* A figure that cannot be told is not there: with one specification limit only what
//! is of that side, without a spread none.

use super::distribution::{chi_squared_quantile, normal, normal_quantile};
use super::normality::anderson_darling;
use super::plan::Specification;
use super::real;
use super::subgroup::Spread;

/// Values below which a capability is a guess.
const VALUES_MIN: u64 = 50;
/// The probability below which values are not taken for normal.
const NORMALITY_MIN: f64 = 0.05;
/// How sure confidence intervals are.
const CONFIDENCE: f64 = 0.95;
/// Fewer distinct values than this say that the instrument is coarse.
const DISTINCT_MIN: usize = 10;

/// Indices of one mean and one standard deviation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Indices {
    /// The width of the specification over six sigmas.
    pub cp: Option<f64>,
    /// The distance of the mean from the lower limit over three sigmas.
    pub cpl: Option<f64>,
    /// The distance of the mean from the upper limit over three sigmas.
    pub cpu: Option<f64>,
    /// The less of both.
    pub cpk: Option<f64>,
    /// As `cp`, with the distance from the target in the spread.
    pub cpm: Option<f64>,
}

impl Indices {
    /// The indices of a mean and a standard deviation.
    #[must_use]
    pub fn of(mean: f64, sigma: f64, specification: &Specification) -> Self {
        if !(sigma > 0.0 && sigma.is_finite()) {
            return Self::default();
        }
        let Specification { lsl, usl, target } = *specification;
        let width = lsl.zip(usl).map(|(low, high)| high - low);
        let target = target.or_else(|| lsl.zip(usl).map(|(low, high)| f64::midpoint(low, high)));
        let cpl = lsl.map(|low| (mean - low) / (3.0 * sigma));
        let cpu = usl.map(|high| (high - mean) / (3.0 * sigma));
        let cpk = match (cpl, cpu) {
            (Some(low), Some(high)) => Some(low.min(high)),
            (one, other) => one.or(other),
        };
        let cpm = width.zip(target).map(|(width, target)| {
            let apart = mean - target;
            width / (6.0 * (sigma * sigma + apart * apart).sqrt())
        });
        Self { cp: width.map(|width| width / (6.0 * sigma)), cpl, cpu, cpk, cpm }
    }
}

/// Between what an index lies, with 95 %.
pub type Interval = Option<(f64, f64)>;

/// The interval of Cp or Pp of so many values.
#[must_use]
pub fn interval_of_cp(cp: Option<f64>, count: u64) -> Interval {
    let freedom = real(count.checked_sub(1).filter(|freedom| *freedom > 0)?);
    let edge = |probability: f64| (chi_squared_quantile(probability, freedom) / freedom).sqrt();
    let rest = (1.0 - CONFIDENCE) / 2.0;
    cp.map(|cp| (cp * edge(rest), cp * edge(1.0 - rest)))
}

/// The interval of Cpk or Ppk of so many values.
#[must_use]
pub fn interval_of_cpk(cpk: Option<f64>, count: u64) -> Interval {
    let n = real(count);
    let z = normal_quantile(f64::midpoint(1.0, CONFIDENCE));
    let beside = |cpk: f64| z * (1.0 / (9.0 * n) + cpk * cpk / (2.0 * (n - 1.0))).sqrt();
    cpk.filter(|_| count > 1).map(|cpk| (cpk - beside(cpk), cpk + beside(cpk)))
}

/// Parts per million below and above the specification.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Beyond {
    /// Below the lower limit.
    pub below: Option<f64>,
    /// Above the upper limit.
    pub above: Option<f64>,
}

impl Beyond {
    /// What a normal distribution has beyond.
    #[must_use]
    pub fn expected(mean: f64, sigma: f64, specification: &Specification) -> Self {
        let share = |z: f64| 1e6 * normal(z);
        if !(sigma > 0.0 && sigma.is_finite()) {
            return Self::default();
        }
        Self {
            below: specification.lsl.map(|low| share((low - mean) / sigma)),
            above: specification.usl.map(|high| share((mean - high) / sigma)),
        }
    }

    fn observed(sorted: &[f64], specification: &Specification) -> Self {
        let share = |count: usize| 1e6 * real(count as u64) / real(sorted.len().max(1) as u64);
        let up_to = |limit: f64| sorted.partition_point(|value| *value < limit);
        let above = |limit: f64| sorted.len() - sorted.partition_point(|value| *value <= limit);
        Self {
            below: specification.lsl.map(|low| share(up_to(low))),
            above: specification.usl.map(|high| share(above(high))),
        }
    }

    /// Both sides, as far as they are known.
    #[must_use]
    pub fn total(&self) -> Option<f64> {
        match (self.below, self.above) {
            (Some(below), Some(above)) => Some(below + above),
            (one, other) => one.or(other),
        }
    }
}

/// What makes a capability doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Fewer than 50 values.
    FewValues,
    /// Points are out of control: the process has no capability yet.
    NotInControl,
    /// The values are not normal; the percentile figures hold, expected shares do not.
    NotNormal,
    /// Neighbours tell the same: there are fewer independent values than values.
    Autocorrelated,
    /// The values have few different numbers.
    CoarseResolution,
}

impl Doubt {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FewValues => "few_values",
            Self::NotInControl => "not_in_control",
            Self::NotNormal => "not_normal",
            Self::Autocorrelated => "autocorrelated",
            Self::CoarseResolution => "coarse_resolution",
        }
    }
}

/// How well a process keeps to its specification.
#[derive(Debug, Clone, PartialEq)]
pub struct Capability {
    /// All values.
    pub values: Spread,
    /// The standard deviation within subgroups.
    pub sigma_within: Option<f64>,
    /// The standard deviation of all values.
    pub sigma_overall: Option<f64>,
    /// By the standard deviation within subgroups: Cp, Cpk, …
    pub within: Indices,
    /// By that of all values: Pp, Ppk, …
    pub overall: Indices,
    /// Beyond the specification, by the standard deviation within subgroups.
    pub expected_within: Beyond,
    /// Beyond the specification, by that of all values.
    pub expected_overall: Beyond,
    /// Beyond the specification, counted.
    pub observed: Beyond,
    /// Pp and Ppk by percentiles, for values that are not normal.
    pub by_percentiles: (Option<f64>, Option<f64>),
    /// The corrected statistic of Anderson and Darling, and its probability.
    pub normality: Option<(f64, f64)>,
    /// How much neighbours tell the same: the correlation of each value with the next.
    pub autocorrelation: Option<f64>,
    /// What makes it doubtful.
    pub doubts: Vec<Doubt>,
}

/// The capability that values show, in the order of time, with the standard deviation within their
/// subgroups and the number of points that were out of control.
#[must_use]
pub fn capability(
    mut values: Vec<f64>,
    sigma_within: Option<f64>,
    out_of_control: u64,
    specification: &Specification,
) -> Capability {
    let all = Spread::of(values.iter().copied());
    let autocorrelation = correlation_of_neighbours(&values, &all);
    values.sort_unstable_by(f64::total_cmp);
    let sigma_overall = all.deviation();
    let sigmas = |sigma: Option<f64>| sigma.unwrap_or(f64::NAN);
    let (within, overall) = (sigmas(sigma_within), sigmas(sigma_overall));
    let normality = anderson_darling(&values);
    let distinct = values.chunk_by(|one, other| one.total_cmp(other).is_eq());
    let mut doubts = Vec::new();
    let mut doubt = |is: bool, what: Doubt| doubts.extend(is.then_some(what));
    let few = all.count < VALUES_MIN;
    doubt(few, Doubt::FewValues);
    doubt(out_of_control > 0, Doubt::NotInControl);
    doubt(normality.is_some_and(|(_, p)| p < NORMALITY_MIN), Doubt::NotNormal);
    let chance = 2.0 / real(all.count).sqrt();
    doubt(autocorrelation.is_some_and(|r| r.abs() > chance), Doubt::Autocorrelated);
    doubt(!few && distinct.take(DISTINCT_MIN).count() < DISTINCT_MIN, Doubt::CoarseResolution);
    Capability {
        values: all,
        sigma_within,
        sigma_overall,
        within: Indices::of(all.mean, within, specification),
        overall: Indices::of(all.mean, overall, specification),
        expected_within: Beyond::expected(all.mean, within, specification),
        expected_overall: Beyond::expected(all.mean, overall, specification),
        observed: Beyond::observed(&values, specification),
        by_percentiles: by_percentiles(&values, specification),
        normality,
        autocorrelation,
        doubts,
    }
}

fn correlation_of_neighbours(values: &[f64], all: &Spread) -> Option<f64> {
    let pairs = values.iter().zip(values.iter().skip(1));
    let together: f64 = pairs.map(|(one, other)| (one - all.mean) * (other - all.mean)).sum();
    (all.count > 2 && all.squares > 0.0).then(|| together / all.squares)
}

/// Pp and Ppk where six and three sigmas are taken from the percentiles that hold as many values.
fn by_percentiles(sorted: &[f64], own: &Specification) -> (Option<f64>, Option<f64>) {
    let at = |share: f64| percentile(sorted, share);
    let (Some(low), Some(middle), Some(high)) = (at(0.001_35), at(0.5), at(0.998_65)) else {
        return (None, None);
    };
    let ratio = |above: f64, below: f64| (below > 0.0).then(|| above / below);
    let width = own.lsl.zip(own.usl).and_then(|(lsl, usl)| ratio(usl - lsl, high - low));
    let lower = own.lsl.and_then(|lsl| ratio(middle - lsl, middle - low));
    let upper = own.usl.and_then(|usl| ratio(usl - middle, high - middle));
    let least = match (lower, upper) {
        (Some(lower), Some(upper)) => Some(lower.min(upper)),
        (one, other) => one.or(other),
    };
    (width, least)
}

/// The value below which a share of sorted values lies, on the line between neighbours.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * real(sorted.len().checked_sub(1)? as u64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place between 0 and the number of values"
    )]
    let before = place.floor() as usize;
    let low = *sorted.get(before)?;
    let high = sorted.get(before + 1).copied().unwrap_or(low);
    Some(low + (high - low) * place.fract())
}
