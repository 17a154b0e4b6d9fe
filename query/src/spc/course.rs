//! The points of a plan's charts, subgroup by subgroup.
//!
//! ```text
//! Subgroup ─▶ statistic ─▶ center, limits, z ─▶ run ─▶ rules
//! ```
//! Lower limits of ranges, deviations and counts are not below 0, upper ones of p not above 1, of np
//! not above n.
//!
//! *Invariant.* A point depends on its basis and on the subgroups since the last reset only: on one,
//! but for moving ranges (two), EWMA and CUSUM (all). An excluded subgroup has points and moves
//! nothing: it has no rules and runs pass it by.

use super::basis::{Basis, deviation_of_rate};
use super::constants::{c4, d2, d3, of_neighbours};
use super::distribution::{beta_quantile, f_quantile};
use super::plan::{Chart, ChartKind, Recipe};
use super::real;
use super::rules::{Rule, Run};
use super::subgroup::{Figures, Joint, Spread, Subgroup};

/// How many events a point of a chart of counts must be expected to have for run rules.
const EVENTS_EXPECTED_MIN: f64 = 5.0;
/// The probability that a point in control is beyond three sigmas.
const BEYOND_THREE_SIGMAS: f64 = 0.0027;

/// A point of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Of which chart.
    pub chart: Chart,
    /// The statistic.
    pub value: f64,
    /// Its center.
    pub center: Option<f64>,
    /// The lower control limit.
    pub lcl: Option<f64>,
    /// The upper control limit.
    pub ucl: Option<f64>,
    /// The standard deviation of the statistic.
    pub sigma: Option<f64>,
    /// How many of these it is from the center.
    pub z: Option<f64>,
    /// Whether it is beyond a limit.
    pub out: bool,
    /// The rules whose pattern it completes.
    pub rules: Vec<&'static str>,
    /// Of a CUSUM: for how many points the sum has been above zero.
    pub run: Option<u64>,
}

/// Whether limits are judged by the points they were worked out from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// They are: points and limits are of the same baseline.
    One,
    /// The limits are frozen, and points come after.
    Two,
}

/// The points of one basis.
#[derive(Debug, Clone)]
pub struct Course {
    recipe: Recipe,
    basis: Option<Basis>,
    tracks: Vec<Track>,
    state: State,
}

/// A chart on its way.
#[derive(Debug, Clone)]
struct Track {
    chart: Chart,
    rules: Vec<Rule>,
    run: Run,
}

/// What goes from point to point.
#[derive(Debug, Clone, Default)]
struct State {
    /// The last single value.
    before: Option<f64>,
    /// The average, and its variance over that of a single value.
    average: Option<(f64, f64)>,
    /// The sums upward and downward, and for how long they have been above zero.
    sums: Option<[(f64, u64); 2]>,
}

/// A statistic before it is judged.
#[derive(Debug, Clone, Copy)]
struct Statistic {
    value: f64,
    center: Option<f64>,
    sigma: Option<f64>,
    lcl: Option<f64>,
    ucl: Option<f64>,
    run: Option<u64>,
    /// Whether patterns say something of it.
    has_runs: bool,
}

impl Statistic {
    /// A statistic with limits on both sides, kept between bounds.
    fn around(value: f64, center: f64, sigma: f64, k: f64, bounds: (f64, f64)) -> Self {
        Self {
            value,
            center: Some(center),
            sigma: Some(sigma),
            lcl: Some((center - k * sigma).max(bounds.0)),
            ucl: Some((center + k * sigma).min(bounds.1)),
            run: None,
            has_runs: true,
        }
    }

    /// A statistic of which nothing more is known.
    fn bare(value: f64) -> Self {
        let (center, sigma, lcl, ucl) = (None, None, None, None);
        Self { value, center, sigma, lcl, ucl, run: None, has_runs: true }
    }
}

const EVERYWHERE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
const NOT_NEGATIVE: (f64, f64) = (0.0, f64::INFINITY);

impl Course {
    /// The charts of a recipe over a basis; without one points have no limits.
    #[must_use]
    pub fn new(recipe: &Recipe, basis: Option<Basis>) -> Self {
        let track = |chart: &Chart| Track {
            chart: *chart,
            rules: recipe.rules.iter().filter(|rule| rule.applies(*chart)).copied().collect(),
            run: Run::default(),
        };
        let tracks = recipe.kind.charts().iter().map(track).collect();
        Self { recipe: recipe.clone(), basis, tracks, state: State::default() }
    }

    /// The points of a subgroup, one a chart; none of a chart of which it says nothing.
    pub fn points(&mut self, group: &Subgroup, phase: Phase) -> Vec<Point> {
        if group.fresh {
            self.state = State::default();
            self.tracks.iter_mut().for_each(|track| track.run.reset());
        }
        let counts = group.excluded.is_none();
        let before = self.state.clone();
        let statistics = self.statistics(&group.figures, phase);
        if !counts {
            // It moves nothing, and no moving range goes across it.
            self.state = State { before: None, ..before };
        }
        let judged = self.tracks.iter_mut().zip(statistics).filter_map(|(track, own)| {
            if own.is_none() && counts {
                track.run.reset();
            }
            Some(track.judge(own?, counts))
        });
        judged.collect()
    }

    fn statistics(&mut self, figures: &Figures, phase: Phase) -> [Option<Statistic>; 2] {
        match (self.recipe.kind, figures) {
            (ChartKind::XbarR | ChartKind::XbarS, Figures::Values(spread)) => {
                [Some(self.mean(spread)), self.within(spread)]
            }
            (ChartKind::IMr, Figures::Values(spread)) => {
                let moved = self.state.before.replace(spread.mean);
                let moved = moved.map(|before| self.moving((spread.mean - before).abs()));
                [Some(self.mean(spread)), moved]
            }
            (ChartKind::Ewma, Figures::Values(spread)) => [self.average(spread), None],
            (ChartKind::Cusum, Figures::Values(spread)) => match self.sums(spread) {
                Some(sums) => sums.map(Some),
                None => [None, None],
            },
            (kind, Figures::Counts { count, size }) => [Some(self.rate(kind, *count, *size)), None],
            (_, Figures::Vectors(joint)) => [self.distance(joint, phase), None],
            (_, Figures::Values(_)) => [None, None],
        }
    }

    /// Center and sigma of measured values.
    fn process(&self) -> Option<(f64, f64)> {
        match &self.basis {
            Some(Basis::Process { center, sigma }) => Some((*center, *sigma)),
            _ => None,
        }
    }

    fn mean(&self, spread: &Spread) -> Statistic {
        let Some((center, sigma)) = self.process() else { return Statistic::bare(spread.mean) };
        let sigma = sigma / real(spread.count).sqrt();
        Statistic::around(spread.mean, center, sigma, self.recipe.k, EVERYWHERE)
    }

    /// The range or the standard deviation of a subgroup.
    fn within(&self, spread: &Spread) -> Option<Statistic> {
        let of_ranges = self.recipe.kind == ChartKind::XbarR;
        let value = if of_ranges { spread.range() } else { spread.deviation() }?;
        let Some((_, sigma)) = self.process() else { return Some(Statistic::bare(value)) };
        let factors = if of_ranges {
            d2(spread.count).zip(d3(spread.count))
        } else {
            let mean = c4(spread.count);
            Some((mean, (1.0 - mean * mean).max(0.0).sqrt()))
        };
        let Some((mean, deviation)) = factors else { return Some(Statistic::bare(value)) };
        let (center, sigma) = (mean * sigma, deviation * sigma);
        Some(Statistic::around(value, center, sigma, self.recipe.k, NOT_NEGATIVE))
    }

    fn moving(&self, value: f64) -> Statistic {
        let (Some((_, sigma)), Some(deviation)) = (self.process(), d3(2)) else {
            return Statistic::bare(value);
        };
        let center = of_neighbours() * sigma;
        Statistic::around(value, center, deviation * sigma, self.recipe.k, NOT_NEGATIVE)
    }

    fn rate(&self, kind: ChartKind, count: f64, size: f64) -> Statistic {
        let whole = matches!(kind, ChartKind::Np | ChartKind::C);
        let value = if whole { count } else { count / size };
        let Some(Basis::Rate { center: rate, sigma_z }) = &self.basis else {
            return Statistic::bare(value);
        };
        let sigma = deviation_of_rate(kind, *rate, size) * sigma_z;
        let (center, most) = match kind {
            ChartKind::Np => (size * rate, size),
            ChartKind::P | ChartKind::LaneyP => (*rate, 1.0),
            _ => (*rate, f64::INFINITY),
        };
        let expected = match kind {
            ChartKind::C => *rate,
            ChartKind::U | ChartKind::LaneyU => size * rate,
            _ => size * rate.min(1.0 - rate),
        };
        let own = Statistic::around(value, center, sigma, self.recipe.k, (0.0, most));
        Statistic { has_runs: expected >= EVENTS_EXPECTED_MIN, ..own }
    }

    fn average(&mut self, spread: &Spread) -> Option<Statistic> {
        let lambda = self.recipe.lambda;
        let (center, sigma) = self.process()?;
        let target = self.recipe.target.unwrap_or(center);
        let (average, variance) = self.state.average.unwrap_or((target, 0.0));
        let average = lambda * spread.mean + (1.0 - lambda) * average;
        // Of equal sizes this is λ/(2−λ) (1−(1−λ)^2i)/n.
        let variance =
            lambda * lambda / real(spread.count) + (1.0 - lambda) * (1.0 - lambda) * variance;
        self.state.average = Some((average, variance));
        let sigma = sigma * variance.sqrt();
        Some(Statistic::around(average, target, sigma, self.recipe.k, EVERYWHERE))
    }

    fn sums(&mut self, spread: &Spread) -> Option<[Statistic; 2]> {
        let Recipe { reference, decision, fir, target, .. } = self.recipe;
        let (center, sigma) = self.process()?;
        let apart = (spread.mean - target.unwrap_or(center)) / (sigma / real(spread.count).sqrt());
        let start = if fir { decision / 2.0 } else { 0.0 };
        let sums = self.state.sums.unwrap_or([(start, 0); 2]);
        let go_on = |(sum, run): (f64, u64), apart: f64| {
            let sum = (sum + apart - reference).max(0.0);
            (sum, if sum > 0.0 { run + 1 } else { 0 })
        };
        let [high, low] = sums;
        let sums = [go_on(high, apart), go_on(low, -apart)];
        self.state.sums = Some(sums);
        Some(sums.map(|(value, run)| Statistic {
            value,
            center: Some(0.0),
            sigma: None,
            lcl: None,
            ucl: Some(decision),
            run: Some(run),
            has_runs: false,
        }))
    }

    fn distance(&self, joint: &Joint, phase: Phase) -> Option<Statistic> {
        let Some(Basis::Joint { means, covariance, groups, size }) = &self.basis else {
            return None;
        };
        let apart: Vec<f64> = joint.means.iter().zip(means).map(|(own, mean)| own - mean).collect();
        let value = real(joint.count) * quadratic(covariance, &apart)?;
        let ucl = self.farthest(phase, means.len() as u64, *groups, *size);
        Some(Statistic { lcl: Some(0.0), ucl, ..Statistic::bare(value) })
    }

    /// The limit of T² of so many variables, estimated from so many subgroups of a size.
    fn farthest(&self, phase: Phase, variables: u64, groups: u64, size: u64) -> Option<f64> {
        let (p, m, n) = (real(variables), real(groups), real(size));
        let usual = 1.0 - (1.0 - BEYOND_THREE_SIGMAS).powf(p);
        let inside = 1.0 - self.recipe.alpha.unwrap_or(usual);
        let limit = match (phase, size) {
            (Phase::One, 0 | 1) => {
                (m - 1.0) * (m - 1.0) / m * beta_quantile(inside, p / 2.0, (m - p - 1.0) / 2.0)
            }
            (Phase::Two, 0 | 1) => {
                p * (m + 1.0) * (m - 1.0) / (m * m - m * p) * f_quantile(inside, p, m - p)
            }
            (phase, _) => {
                let freedom = m * n - m - p + 1.0;
                let factor = if phase == Phase::One { m - 1.0 } else { m + 1.0 };
                p * factor * (n - 1.0) / freedom * f_quantile(inside, p, freedom)
            }
        };
        Some(limit).filter(|limit| limit.is_finite())
    }
}

impl Track {
    fn judge(&mut self, own: Statistic, counts: bool) -> Point {
        let Statistic { value, center, sigma, lcl, ucl, run, has_runs } = own;
        let out = lcl.is_some_and(|lcl| value < lcl) || ucl.is_some_and(|ucl| value > ucl);
        let z = center.zip(sigma).map(|(center, sigma)| (value - center) / sigma);
        let z = z.filter(|z| z.is_finite());
        let mut rules = Vec::new();
        if counts {
            self.run.add(z.unwrap_or(0.0), out);
            let breaks = |rule: &&Rule| {
                (rule.is_of_limits() || has_runs && z.is_some()) && self.run.breaks(rule)
            };
            rules.extend(self.rules.iter().filter(breaks).map(|rule| rule.name));
        }
        Point { chart: self.chart, value, center, lcl, ucl, sigma, z, out, rules, run }
    }
}

/// `xᵀ A⁻¹ x` of a symmetric positive definite matrix, by Cholesky's factors; `None` where it is not.
fn quadratic(matrix: &[f64], x: &[f64]) -> Option<f64> {
    let n = x.len();
    let mut factor = vec![0.0; n * n];
    let mut solved: Vec<f64> = Vec::with_capacity(n);
    for row in 0..n {
        for column in 0..=row {
            let known = |of: usize| factor.get(of * n..of * n + column);
            let before: f64 = known(row)?.iter().zip(known(column)?).map(|(a, b)| a * b).sum();
            let left = matrix.get(row * n + column)? - before;
            let value = if row == column {
                // What is lost by rounding where variables tell the same.
                let least = matrix.get(row * n + row)? * 1e-12;
                if left <= least {
                    return None;
                }
                left.sqrt()
            } else {
                left / factor.get(column * n + column)?
            };
            *factor.get_mut(row * n + column)? = value;
        }
        let before: f64 =
            factor.get(row * n..row * n + row)?.iter().zip(&solved).map(|(a, b)| a * b).sum();
        solved.push((x.get(row)? - before) / factor.get(row * n + row)?);
    }
    Some(solved.iter().map(|own| own * own).sum())
}
