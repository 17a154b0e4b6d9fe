//! The area under straight lines through all usable samples and interpolated bounds.
//!
//! *Source.* TimeAverage and Total, OPC 10000-13, 5.4.3: the lines are straight also where a tag's
//! values step; TimeAverage2 follows the tag.

use super::bound::Bound;
use super::configuration::Configuration;
use super::point::{Class, Point, Run, seconds, span};

/// The area so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lines {
    /// Where the lines begin, and where they have come to.
    ends: Option<(i64, i64, f64)>,
    /// Value · seconds.
    pub(crate) area: f64,
    /// Something was passed over, or not wholly good.
    pub(crate) flawed: bool,
}

impl Lines {
    /// Takes the bound at an edge.
    pub(crate) fn bound(&mut self, ts: i64, bound: &Bound) {
        self.flawed |= bound.class() != Class::Good;
        if let Some(value) = bound.value {
            self.lead(ts, value);
        }
    }

    pub(crate) fn point(&mut self, point: &Point, configuration: &Configuration) {
        self.flawed |= point.class() != Class::Good;
        if point.is_usable(configuration) {
            self.lead(point.ts, point.number);
        }
    }

    pub(crate) fn run(&mut self, run: &Run) {
        self.lead(run.first.ts, run.first.number);
        self.area += run.integral;
        self.ends = self.ends.map(|(from, _, _)| (from, run.last.ts, run.last.number));
    }

    fn lead(&mut self, ts: i64, value: f64) {
        match &mut self.ends {
            Some((_, to, last)) => {
                self.area += (0.5 * *last + 0.5 * value) * seconds(span(*to, ts));
                (*to, *last) = (ts, value);
            }
            None => self.ends = Some((ts, ts, value)),
        }
    }

    /// The mean height; `None` where no line covers any time.
    pub(crate) fn average(&self) -> Option<f64> {
        let (from, to, _) = self.ends?;
        (from < to).then(|| self.area / seconds(span(from, to)))
    }

    /// The area; `None` where no line covers any time.
    pub(crate) fn total(&self) -> Option<f64> {
        let (from, to, _) = self.ends?;
        (from < to).then_some(self.area)
    }
}
