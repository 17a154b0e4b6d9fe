//! The regions of an interval: from each sample or bound to the next.
//!
//! *Source.* Time-weighted status, OPC 10000-13, 5.3.3. A region has the class of where it starts;
//! where values move in lines, one that ends in anything but a good value is uncertain. Where the
//! archive ends, the last sample stands for the shortest time the server tells apart.

use super::bound::{Bound, Edge};
use super::configuration::Configuration;
use super::interval::Interval;
use super::point::{Class, Point, Run, seconds, span};
use super::tally::Shares;

/// How long an interval was of each class, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_field_names, reason = "the unit is part of each name")]
pub(crate) struct Spans {
    pub(crate) good_ns: u64,
    pub(crate) uncertain_ns: u64,
    pub(crate) bad_ns: u64,
}

impl Spans {
    fn add(&mut self, class: Class, span_ns: u64) {
        let own = match class {
            Class::Good => &mut self.good_ns,
            Class::Uncertain => &mut self.uncertain_ns,
            Class::Bad => &mut self.bad_ns,
        };
        *own = own.saturating_add(span_ns);
    }

    /// What is known of the interval, and what is not past the end of data.
    pub(crate) fn covered_ns(&self) -> u64 {
        self.good_ns.saturating_add(self.uncertain_ns).saturating_add(self.bad_ns)
    }

    /// The class that the configuration makes of it.
    pub(crate) fn class(&self, configuration: &Configuration) -> Class {
        let (mut good, mut bad) = (self.good_ns, self.bad_ns);
        if configuration.treat_uncertain_as_bad {
            bad = bad.saturating_add(self.uncertain_ns);
        } else {
            good = good.saturating_add(self.uncertain_ns);
        }
        Shares { good, bad, all: self.covered_ns() }.class(configuration)
    }
}

/// Where a region starts.
#[derive(Debug, Clone, Copy)]
struct Start {
    ts: i64,
    value: Option<f64>,
    class: Class,
}

/// All regions of an interval so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Regions {
    open: Option<Start>,
    /// Classes where values move as the tag's do.
    pub(crate) moving: Spans,
    /// Classes where values hold.
    pub(crate) held: Spans,
    /// Value · seconds of the regions that have a value, and their length.
    pub(crate) area: f64,
    pub(crate) valued_ns: u64,
    /// How long a good value was zero, and was not.
    pub(crate) zero_ns: u64,
    pub(crate) nonzero_ns: u64,
}

impl Regions {
    /// Begins at the interval's earlier edge.
    pub(crate) fn begin(&mut self, ts: i64, bound: &Bound) {
        self.open = Some(Start { ts, value: bound.value, class: bound.class() });
    }

    pub(crate) fn point(&mut self, point: &Point, configuration: &Configuration) {
        let class = point.class();
        let value = point.is_usable(configuration).then_some(point.number);
        self.close(point.ts, value, class == Class::Good, configuration);
        self.open = Some(Start { ts: point.ts, value, class });
    }

    pub(crate) fn run(&mut self, run: &Run, configuration: &Configuration) {
        self.point(&run.first, configuration);
        let inner_ns = span(run.first.ts, run.last.ts);
        self.area += run.integral;
        self.valued_ns = self.valued_ns.saturating_add(inner_ns);
        self.moving.add(Class::Good, inner_ns);
        self.held.add(Class::Good, inner_ns);
        self.zero_ns = self.zero_ns.saturating_add(run.zero_ns);
        let nonzero_ns = inner_ns.saturating_sub(run.zero_ns);
        self.nonzero_ns = self.nonzero_ns.saturating_add(nonzero_ns);
        self.open =
            Some(Start { ts: run.last.ts, value: Some(run.last.number), class: Class::Good });
    }

    /// Ends at the interval's later edge, or where data ends.
    pub(crate) fn end(&mut self, interval: &Interval, edge: &Edge, configuration: &Configuration) {
        if edge.at.is_none() && edge.next.is_none() {
            let last = self.open.map_or(interval.low, |open| open.ts);
            let end = last.saturating_add(configuration.resolution_ns).min(interval.high);
            self.close(end, None, false, configuration);
        } else {
            let bound = edge.simple(configuration);
            let good = bound.class() == Class::Good;
            self.close(interval.high, bound.value, good, configuration);
        }
        self.open = None;
    }

    /// Ends the open region at a value.
    fn close(&mut self, ts: i64, value: Option<f64>, good: bool, configuration: &Configuration) {
        let Some(start) = self.open else { return };
        let span_ns = span(start.ts, ts);
        let moving = match start.class {
            Class::Good if !configuration.stepped && !good => Class::Uncertain,
            class => class,
        };
        self.moving.add(moving, span_ns);
        self.held.add(start.class, span_ns);
        let Some(held) = start.value else { return };
        let height = match value {
            Some(value) if !configuration.stepped => 0.5 * held + 0.5 * value,
            _ => held,
        };
        self.area += height * seconds(span_ns);
        self.valued_ns = self.valued_ns.saturating_add(span_ns);
        if start.class == Class::Good {
            let state_ns = if held.abs() > 0.0 { &mut self.nonzero_ns } else { &mut self.zero_ns };
            *state_ns = state_ns.saturating_add(span_ns);
        }
    }
}
