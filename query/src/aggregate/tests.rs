//! The published example tables, and what must hold beyond them.

mod reference;
mod rules;

use std::convert::Infallible;

use tacitus_model::Quality;

use super::{Aggregate, Configuration, Inside, Interval, Output, Point, Series, Walk};

/// Samples in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(pub(super) Vec<Point>);

impl Samples {
    fn find(&self, passes: impl Fn(&Point) -> bool) -> Option<Point> {
        self.0.iter().find(|point| passes(point)).copied()
    }
}

impl Series for Samples {
    type Error = Infallible;

    fn at(&mut self, ts: i64) -> Result<Option<Point>, Infallible> {
        Ok(self.find(|point| point.ts == ts))
    }

    fn between(&mut self, low: i64, high: i64, inside: &mut Inside) -> Result<bool, Infallible> {
        self.0
            .iter()
            .filter(|point| low < point.ts && point.ts < high)
            .for_each(|point| inside.point(point));
        Ok(true)
    }

    fn next(&mut self, ts: i64) -> Result<Option<Point>, Infallible> {
        Ok(self.find(|point| point.ts > ts))
    }

    fn usable_next(
        &mut self,
        ts: i64,
        configuration: &Configuration,
    ) -> Result<Option<Point>, Infallible> {
        Ok(self.find(|point| point.ts > ts && point.is_usable(configuration)))
    }

    fn last(
        &mut self,
        ts: i64,
        passes: &dyn Fn(&Point) -> bool,
    ) -> Result<Option<Point>, Infallible> {
        Ok(self.0.iter().rev().find(|point| point.ts < ts && passes(point)).copied())
    }
}

/// The outputs of one aggregate.
pub(super) fn outputs(
    samples: &[Point],
    intervals: &[Interval],
    aggregate: Aggregate,
    configuration: Configuration,
) -> Vec<Output> {
    let mut found = Vec::new();
    let walk = Walk::new(&[aggregate], configuration);
    let mut pass = walk.over(Samples(samples.to_vec()), intervals.to_vec());
    while pass.step(|_, outputs, _| found.extend_from_slice(outputs)) == Ok(true) {}
    found
}

/// A good sample.
pub(super) fn good(ts: i64, number: f64) -> Point {
    Point { ts, number, quality: Quality::GOOD }
}
