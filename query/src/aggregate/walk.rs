//! One pass over the samples of a tag, interval by interval.
//!
//! *Invariant.* A [`Series`] is asked by rising time. Neighbouring intervals share an edge, which
//! is looked at once.

use super::bound::Edge;
use super::configuration::Configuration;
use super::inside::{Inside, Needs};
use super::interval::Interval;
use super::name::Aggregate;
use super::output::{Output, Summary};
use super::point::Point;

/// The samples of a tag.
pub(crate) trait Series {
    /// Why samples cannot be read.
    type Error;

    /// The sample at a time.
    ///
    /// # Errors
    /// Whatever reading says; the same holds for all that follow.
    fn at(&mut self, ts: i64) -> Result<Option<Point>, Self::Error>;

    /// Gives the samples strictly between two times to `inside`, or some of them: then it says
    /// false, and is asked again for the rest.
    fn between(&mut self, low: i64, high: i64, inside: &mut Inside) -> Result<bool, Self::Error>;

    /// The first sample after a time.
    fn next(&mut self, ts: i64) -> Result<Option<Point>, Self::Error>;

    /// The first usable sample after a time.
    fn usable_next(
        &mut self,
        ts: i64,
        configuration: &Configuration,
    ) -> Result<Option<Point>, Self::Error>;

    /// The last sample before a time that passes a test.
    fn last(
        &mut self,
        ts: i64,
        passes: &dyn Fn(&Point) -> bool,
    ) -> Result<Option<Point>, Self::Error>;
}

/// Which aggregates are worked out, and how.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) configuration: Configuration,
    pub(crate) needs: Needs,
}

impl Walk {
    pub(crate) fn new(aggregates: &[Aggregate], configuration: Configuration) -> Self {
        Self { aggregates: aggregates.to_vec(), configuration, needs: Needs::of(aggregates) }
    }

    /// Begins to work out intervals, which follow each other by rising time.
    pub(crate) fn over<S: Series>(self, series: S, intervals: Vec<Interval>) -> Pass<S> {
        let outputs = Vec::with_capacity(self.aggregates.len());
        Pass { walk: self, series, intervals, at: 0, low: None, inside: None, outputs }
    }

    fn first_edge<S: Series>(&self, series: &mut S, ts: i64) -> Result<Edge, S::Error> {
        let last = series.last(ts, &|_| true)?;
        let is_usable = |point: &Point| point.is_usable(&self.configuration);
        let usable = if !self.needs.usable() || last.is_none_or(|last| is_usable(&last)) {
            last
        } else {
            series.last(ts, &is_usable)?
        };
        self.edge(series, ts, last, usable)
    }

    fn edge<S: Series>(
        &self,
        series: &mut S,
        ts: i64,
        last: Option<Point>,
        usable: Option<Point>,
    ) -> Result<Edge, S::Error> {
        let is_usable = |point: &Point| point.is_usable(&self.configuration);
        let at = series.at(ts)?;
        let next = series.next(ts)?;
        let mut usable_next = next.filter(is_usable);
        let mut usable_before = None;
        if self.needs.interpolated && !at.is_some_and(|at| is_usable(&at)) {
            if next.is_some() && usable_next.is_none() {
                usable_next = series.usable_next(ts, &self.configuration)?;
            }
            let extrapolates = self.configuration.use_sloped_extrapolation && usable_next.is_none();
            if let Some(usable) = usable.filter(|_| extrapolates) {
                usable_before = series.last(usable.ts, &is_usable)?;
            }
        }
        Ok(Edge { ts, at, last, usable, usable_before, next, usable_next })
    }
}

/// A walk on its way.
#[derive(Debug)]
pub(crate) struct Pass<S> {
    walk: Walk,
    series: S,
    intervals: Vec<Interval>,
    at: usize,
    low: Option<Edge>,
    inside: Option<Inside>,
    outputs: Vec<Output>,
}

impl<S: Series> Pass<S> {
    /// Does a piece of work; false when all is done. `row` is given each interval, its outputs in
    /// the order of the aggregates, and how many per cent of it were good.
    pub(crate) fn step(
        &mut self,
        mut row: impl FnMut(&Interval, &[Output], Option<f64>),
    ) -> Result<bool, S::Error> {
        let Some(interval) = self.intervals.get(self.at) else { return Ok(false) };
        let Self { walk, series, .. } = self;
        let low = match self.low {
            Some(low) => low,
            None => *self.low.insert(walk.first_edge(series, interval.low)?),
        };
        let begin = || Inside::begin(interval, &low, walk.needs, walk.configuration);
        let inside = self.inside.get_or_insert_with(begin);
        if !series.between(interval.low, interval.high, inside)? {
            return Ok(true);
        }
        let (last, usable) = inside.past();
        let high = walk.edge(series, interval.high, last, usable)?;
        inside.end(interval, &high);
        let configuration = &walk.configuration;
        let summary = Summary { interval, inside, low: &low, high: &high, configuration };
        self.outputs.clear();
        self.outputs.extend(walk.aggregates.iter().map(|aggregate| summary.output(*aggregate)));
        row(interval, &self.outputs, summary.percent_good());
        (self.low, self.inside) = (Some(high), None);
        self.at += 1;
        Ok(true)
    }
}
