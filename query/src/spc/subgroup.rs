//! What a rational subgroup comes to: how many values, where they lie, how far apart.
//!
//! *Invariant.* Values are added one by one and not kept; adding is stable where the mean is large
//! beside the spread (Welford 1962, Chan et al. 1979).

use std::sync::Arc;

use super::real;

/// A subgroup.
#[derive(Debug, Clone, PartialEq)]
pub struct Subgroup {
    /// The time of its first sample, nanoseconds since 1970.
    pub start: i64,
    /// The time of its last sample.
    pub end: i64,
    /// What it comes to.
    pub figures: Figures,
    /// Samples since the subgroup before that were no good, or that filled no subgroup.
    pub left_out: u64,
    /// Why it does not count, where it does not.
    pub excluded: Option<Arc<str>>,
    /// Whether it is the first after a gap: runs begin anew.
    pub fresh: bool,
    /// Its values, where they are kept.
    pub values: Vec<f64>,
}

/// What a subgroup comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Figures {
    /// Of measured values.
    Values(Spread),
    /// Of defectives or defects, and of what was looked at.
    Counts {
        /// How many there were.
        count: f64,
        /// Of how many.
        size: f64,
    },
    /// Of several values at once.
    Vectors(Joint),
}

impl Figures {
    /// Values, or units that were looked at.
    pub fn size(&self) -> f64 {
        match self {
            Self::Values(spread) => real(spread.count),
            Self::Counts { size, .. } => *size,
            Self::Vectors(joint) => real(joint.count),
        }
    }
}

/// How values lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The sum of squared distances from the mean.
    pub squares: f64,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

impl Default for Spread {
    fn default() -> Self {
        let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { count: 0, mean: 0.0, squares: 0.0, low, high }
    }
}

impl Spread {
    /// How these values lie.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut spread = Self::default();
        values.into_iter().for_each(|value| spread.add(value));
        spread
    }

    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / real(self.count);
        self.squares += before * (value - self.mean);
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    /// Adds the values of another.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (own, more) = (real(self.count), real(other.count));
        let apart = other.mean - self.mean;
        self.mean += apart * more / (own + more);
        self.squares += other.squares + apart * apart * own * more / (own + more);
        self.count += other.count;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    /// The greatest less the least; `None` of fewer than two.
    pub fn range(&self) -> Option<f64> {
        (self.count > 1).then_some(self.high - self.low)
    }

    /// The standard deviation, over n − 1; `None` of fewer than two.
    pub fn deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / real(self.count - 1)).sqrt())
    }
}

/// How values of several variables lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// How many of each.
    pub count: u64,
    /// The means, by variable.
    pub means: Vec<f64>,
    /// The sums of products of distances from the means, row by row.
    pub products: Vec<f64>,
}

impl Joint {
    /// Nothing yet, of so many variables.
    #[must_use]
    pub fn new(variables: usize) -> Self {
        let products = vec![0.0; variables * variables];
        Self { count: 0, means: vec![0.0; variables], products }
    }

    /// Adds a value of each variable.
    pub fn add(&mut self, values: &[f64]) {
        self.count += 1;
        let n = real(self.count);
        let before: Vec<f64> =
            self.means.iter().zip(values).map(|(mean, value)| value - mean).collect();
        self.means.iter_mut().zip(&before).for_each(|(mean, apart)| *mean += apart / n);
        let after = self.means.iter().zip(values).map(|(mean, value)| value - mean);
        let pairs = after.flat_map(|after| before.iter().map(move |before| before * after));
        self.products.iter_mut().zip(pairs).for_each(|(sum, product)| *sum += product);
    }
}
