//! What limits are worked out from: where a process lies and how it spreads, estimated from a
//! baseline.
//!
//! | charts | center | spread |
//! |---|---|---|
//! | X̄, R, S, EWMA, CUSUM | mean over all values | mean of R/d2(n), mean of S/c4(n), or pooled |
//! | I, MR | mean | mean moving range/d2(2), median/0.954, or S/c4 |
//! | p, np, u | events over units | the distribution's; Laney's: times the spread between neighbours |
//! | c | mean | the distribution's |
//! | T² | means | mean of the subgroups' covariances, or that of all single vectors |
//!
//! *Invariant.* Excluded subgroups say nothing; nothing is estimated across one, nor across a gap.

use serde::{Deserialize, Serialize};

use super::constants::{LANEY, c4, d2, of_neighbours};
use super::distribution::normal_quantile;
use super::plan::{ChartKind, Method};
use super::real;
use super::subgroup::{Figures, Joint, Spread, Subgroup};

/// What limits are worked out from. It is kept in stores: members are never renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Of measured values.
    Process {
        /// The mean.
        center: f64,
        /// The standard deviation of single values.
        sigma: f64,
    },
    /// Of counts.
    Rate {
        /// Events a unit.
        center: f64,
        /// How much more they spread than their distribution says; 1 but for Laney's charts.
        sigma_z: f64,
    },
    /// Of several variables.
    Joint {
        /// The means.
        means: Vec<f64>,
        /// The covariance, row by row.
        covariance: Vec<f64>,
        /// Subgroups that it was estimated from.
        groups: u64,
        /// Their size.
        size: u64,
    },
}

impl Basis {
    /// Whether every number is one: sums of the greatest numbers are not.
    fn is_finite(&self) -> bool {
        match self {
            Self::Process { center, sigma } => center.is_finite() && sigma.is_finite(),
            Self::Rate { center, sigma_z } => center.is_finite() && sigma_z.is_finite(),
            Self::Joint { means, covariance, .. } => {
                means.iter().chain(covariance).all(|number| number.is_finite())
            }
        }
    }
}

/// Why there is no basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// Too few subgroups.
    #[error("there are too few subgroups")]
    Groups,
    /// No spread can be told.
    #[error("the values say nothing of their spread")]
    Spread,
    /// A range of too many values.
    #[error("a subgroup has too many values for a range; chart standard deviations: xbar_s")]
    Size,
}

/// The basis that subgroups say, for charts of a kind and by a method.
///
/// # Errors
/// Why there is none.
pub fn basis(kind: ChartKind, method: Method, groups: &[Subgroup]) -> Result<Basis, Lack> {
    let found = estimated(kind, method, groups)?;
    if found.is_finite() { Ok(found) } else { Err(Lack::Spread) }
}

fn estimated(kind: ChartKind, method: Method, groups: &[Subgroup]) -> Result<Basis, Lack> {
    let counted = || groups.iter().filter(|group| group.excluded.is_none());
    if counted().next().is_none() {
        return Err(Lack::Groups);
    }
    match kind {
        ChartKind::TSquared => joint(groups),
        ChartKind::P | ChartKind::Np | ChartKind::U | ChartKind::C => {
            Ok(Basis::Rate { center: rate(kind, groups)?, sigma_z: 1.0 })
        }
        ChartKind::LaneyP | ChartKind::LaneyU => {
            let center = rate(kind, groups)?;
            Ok(Basis::Rate { center, sigma_z: between(kind, center, groups)? })
        }
        ChartKind::XbarR
        | ChartKind::XbarS
        | ChartKind::IMr
        | ChartKind::Ewma
        | ChartKind::Cusum => {
            let mut all = Spread::default();
            counted().filter_map(spread).for_each(|own| all.merge(own));
            let sigma = sigma(method, groups)?;
            Ok(Basis::Process { center: all.mean, sigma })
        }
    }
}

fn spread(group: &Subgroup) -> Option<&Spread> {
    match &group.figures {
        Figures::Values(spread) => Some(spread),
        _ => None,
    }
}

/// The standard deviation of single values within subgroups, by a method.
///
/// # Errors
/// Why there is none.
pub fn sigma(method: Method, groups: &[Subgroup]) -> Result<f64, Lack> {
    let spreads = || groups.iter().filter(|group| group.excluded.is_none()).filter_map(spread);
    let found = match method {
        Method::Range => {
            let wide = spreads().filter(|own| own.count > 1);
            let each: Option<Vec<f64>> =
                wide.map(|own| Some(own.range()? / d2(own.count)?)).collect();
            mean(each.ok_or(Lack::Size)?.into_iter())
        }
        Method::Deviation => {
            mean(spreads().filter_map(|own| Some(own.deviation()? / c4(own.count))))
        }
        Method::Pooled => {
            let freedom: u64 = spreads().map(|own| own.count.saturating_sub(1)).sum();
            let squares: f64 = spreads().map(|own| own.squares).sum();
            (freedom > 0).then(|| (squares / real(freedom)).sqrt() / c4(freedom + 1))
        }
        Method::MovingRange => mean(moves(groups).into_iter()).map(|mean| mean / of_neighbours()),
        Method::MedianMovingRange => {
            // Of |N(0, 2σ²)| half lie below this.
            let below = std::f64::consts::SQRT_2 * normal_quantile(0.75);
            median(moves(groups)).map(|median| median / below)
        }
        Method::Overall => {
            let mut all = Spread::default();
            spreads().for_each(|own| all.merge(own));
            all.deviation().map(|deviation| deviation / c4(all.count))
        }
    };
    found.filter(|sigma| sigma.is_finite()).ok_or(Lack::Spread)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let all = Spread::of(values);
    (all.count > 0).then_some(all.mean)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let high = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(high);
    }
    Some(f64::midpoint(*values.get(values.len() / 2 - 1)?, high))
}

/// The distances of neighbours among the means of subgroups.
fn moves(groups: &[Subgroup]) -> Vec<f64> {
    distances(groups, |group| spread(group).map(|own| own.mean))
}

/// The distances of neighbours among figures of subgroups.
fn distances(groups: &[Subgroup], of: impl Fn(&Subgroup) -> Option<f64>) -> Vec<f64> {
    let pairs = groups.windows(2).filter_map(|pair| {
        let [one, other] = pair else { return None };
        if one.excluded.is_some() || other.excluded.is_some() || other.fresh {
            return None;
        }
        Some((of(other)? - of(one)?).abs())
    });
    pairs.collect()
}

/// Events a unit; of a chart of counts a subgroup.
fn rate(kind: ChartKind, groups: &[Subgroup]) -> Result<f64, Lack> {
    let (mut events, mut units) = (0.0, 0.0);
    for group in groups.iter().filter(|group| group.excluded.is_none()) {
        if let Figures::Counts { count, size } = group.figures {
            events += count;
            units += if kind == ChartKind::C { 1.0 } else { size };
        }
    }
    if units > 0.0 { Ok(events / units) } else { Err(Lack::Groups) }
}

/// The standard deviation of a rate over so many units, as its distribution says.
pub(super) fn deviation_of_rate(kind: ChartKind, center: f64, size: f64) -> f64 {
    match kind {
        ChartKind::P | ChartKind::LaneyP => (center * (1.0 - center) / size).max(0.0).sqrt(),
        ChartKind::Np => (size * center * (1.0 - center)).max(0.0).sqrt(),
        ChartKind::C => center.max(0.0).sqrt(),
        _ => (center / size).max(0.0).sqrt(),
    }
}

/// Laney's spread of rates between neighbours, over that of their distribution.
fn between(kind: ChartKind, center: f64, groups: &[Subgroup]) -> Result<f64, Lack> {
    let z = |group: &Subgroup| match group.figures {
        Figures::Counts { count, size } => {
            Some((count / size - center) / deviation_of_rate(kind, center, size))
        }
        _ => None,
    };
    let found = mean(distances(groups, z).into_iter()).map(|mean| mean / LANEY);
    found.filter(|found| found.is_finite()).ok_or(Lack::Spread)
}

/// Means and covariance of several variables.
fn joint(groups: &[Subgroup]) -> Result<Basis, Lack> {
    let counted = groups.iter().filter(|group| group.excluded.is_none());
    let joints: Vec<&Joint> = counted
        .filter_map(|group| match &group.figures {
            Figures::Vectors(joint) => Some(joint),
            _ => None,
        })
        .collect();
    let variables = joints.first().map_or(0, |first| first.means.len());
    let (count, size) = (joints.len() as u64, joints.first().map_or(0, |first| first.count));
    if count <= variables as u64 {
        return Err(Lack::Groups);
    }
    let mut middle = Joint::new(variables);
    joints.iter().for_each(|own| middle.add(&own.means));
    let covariance = if size < 2 {
        middle.products.iter().map(|sum| sum / real(count - 1)).collect()
    } else {
        let mut sums = vec![0.0; variables * variables];
        for own in &joints {
            let freedom = real(own.count.saturating_sub(1).max(1));
            sums.iter_mut().zip(&own.products).for_each(|(sum, own)| *sum += own / freedom);
        }
        sums.iter().map(|sum| sum / real(count)).collect()
    };
    Ok(Basis::Joint { means: middle.means, covariance, groups: count, size })
}
