//! What is counted and summed of the samples in an interval.
//!
//! *Source.* Value counting: OPC 10000-13, 5.3.3. The second moment: Chan, Golub and LeVeque,
//! *Updating Formulae and a Pairwise Algorithm for Computing Sample Variances* (1979).

use super::configuration::Configuration;
use super::point::{Class, Point, Run, number};

/// Counts and moments.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Samples of whatever quality.
    pub(crate) rows: u64,
    pub(crate) good: u64,
    pub(crate) uncertain: u64,
    pub(crate) bad: u64,
    /// The first and the last sample.
    pub(crate) ends: Option<(Point, Point)>,
    /// The first and the last good sample.
    pub(crate) good_ends: Option<(Point, Point)>,
    /// The sum of the good numbers.
    sum: f64,
    mean: f64,
    m2: f64,
}

impl Tally {
    pub(crate) fn point(&mut self, point: &Point) {
        self.rows += 1;
        self.ends = Some((self.ends.map_or(*point, |(first, _)| first), *point));
        match point.class() {
            Class::Good => self.good_point(point),
            Class::Uncertain => self.uncertain += 1,
            Class::Bad => self.bad += 1,
        }
    }

    fn good_point(&mut self, point: &Point) {
        self.good += 1;
        self.good_ends = Some((self.good_ends.map_or(*point, |(first, _)| first), *point));
        self.sum += point.number;
        let apart = point.number - self.mean;
        self.mean += apart / number(self.good);
        self.m2 += apart * (point.number - self.mean);
    }

    pub(crate) fn run(&mut self, run: &Run) {
        let first = |ends: Option<(Point, Point)>| ends.map_or(run.first, |(first, _)| first);
        self.ends = Some((first(self.ends), run.last));
        self.good_ends = Some((first(self.good_ends), run.last));
        let (a, b) = (number(self.good), number(run.rows));
        let mean = run.sum / b;
        let apart = mean - self.mean;
        self.m2 += run.m2 + apart * apart * a * b / (a + b);
        self.mean += apart * b / (a + b);
        self.sum += run.sum;
        self.rows += run.rows;
        self.good += run.rows;
    }

    /// The mean of the good numbers.
    pub(crate) fn average(&self) -> Option<f64> {
        (self.good > 0).then(|| self.sum / number(self.good))
    }

    /// The variance of the good numbers: over `n − 1` as of a sample, over `n` as of a population.
    pub(crate) fn variance(&self, sample: bool) -> Option<f64> {
        match (self.good, sample) {
            (0, _) => None,
            (1, _) => Some(0.0),
            (n, true) => Some(self.m2 / number(n - 1)),
            (n, false) => Some(self.m2 / number(n)),
        }
    }

    /// The class of an interval by its samples; `None` without any.
    pub(crate) fn class(&self, configuration: &Configuration) -> Option<Class> {
        let uncertain = if configuration.treat_uncertain_as_bad { self.uncertain } else { 0 };
        let shares = Shares { good: self.good, bad: self.bad + uncertain, all: self.rows };
        (self.rows > 0).then(|| shares.class(configuration))
    }

    /// Whether a sample that is no value lay among them.
    pub(crate) fn has_unusable(&self, configuration: &Configuration) -> bool {
        self.bad > 0 || (configuration.treat_uncertain_as_bad && self.uncertain > 0)
    }
}

/// How much of an interval is good and bad: samples, or nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    pub(crate) good: u64,
    pub(crate) bad: u64,
    pub(crate) all: u64,
}

impl Shares {
    /// The class that the configuration's percentages make of it.
    pub(crate) fn class(&self, configuration: &Configuration) -> Class {
        let reaches = |part: u64, percent: u8| {
            u128::from(part) * 100 >= u128::from(self.all) * u128::from(percent)
        };
        if reaches(self.good, configuration.percent_data_good) {
            Class::Good
        } else if reaches(self.bad, configuration.percent_data_bad) {
            Class::Bad
        } else {
            Class::Uncertain
        }
    }
}
