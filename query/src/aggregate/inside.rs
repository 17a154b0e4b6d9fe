//! What is kept of the samples in one interval while they pass by.
//!
//! *Invariant.* Samples come by rising time, each once: those strictly between the edges through
//! [`Inside::point`] and [`Inside::run`], one at the included edge through the edge. What no
//! requested aggregate needs is not computed.

use super::bound::Edge;
use super::configuration::Configuration;
use super::extreme::Extremes;
use super::interval::Interval;
use super::line::Lines;
use super::name::Aggregate;
use super::point::{Class, Point, Run};
use super::region::Regions;
use super::tally::Tally;
use super::worst::Worst;

/// What the requested aggregates read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about the request")]
pub(crate) struct Needs {
    /// Extremes of good samples.
    pub(crate) extremes: bool,
    /// Extremes of usable samples and simple bounds.
    pub(crate) bounded_extremes: bool,
    /// Areas of regions, beside their classes, which are always kept.
    pub(crate) areas: bool,
    /// How long values were zero.
    pub(crate) states: bool,
    /// Areas under straight lines.
    pub(crate) lines: bool,
    /// Interpolated bounds.
    pub(crate) interpolated: bool,
    /// How often the value changed.
    pub(crate) transitions: bool,
    /// Full status codes of samples, not only their severity.
    pub(crate) qualities: bool,
    /// Status codes of the first and the last sample.
    pub(crate) end_qualities: bool,
}

impl Needs {
    /// What these aggregates read.
    pub(crate) fn of(aggregates: &[Aggregate]) -> Self {
        use Aggregate as A;
        let mut needs = Self::default();
        for aggregate in aggregates {
            match aggregate {
                A::Interpolative => needs.interpolated = true,
                A::TimeAverage | A::Total => {
                    needs.lines = true;
                    needs.interpolated = true;
                }
                A::TimeAverage2 | A::Total2 => needs.areas = true,
                A::Minimum
                | A::Maximum
                | A::MinimumActualTime
                | A::MaximumActualTime
                | A::Range => needs.extremes = true,
                A::Minimum2
                | A::Maximum2
                | A::MinimumActualTime2
                | A::MaximumActualTime2
                | A::Range2 => needs.bounded_extremes = true,
                A::DurationInStateZero | A::DurationInStateNonZero => needs.states = true,
                A::NumberOfTransitions => needs.transitions = true,
                A::WorstQuality | A::WorstQuality2 => needs.qualities = true,
                A::Start | A::End => needs.end_qualities = true,
                _ => {}
            }
        }
        needs
    }

    /// Whether the last usable sample before an edge is asked for.
    pub(crate) fn usable(&self) -> bool {
        self.interpolated || self.transitions
    }
}

/// The samples in one interval.
#[derive(Debug, Clone)]
pub(crate) struct Inside {
    configuration: Configuration,
    needs: Needs,
    pub(crate) tally: Tally,
    /// The sample at the edge that belongs to the interval.
    pub(crate) edge: Option<Point>,
    pub(crate) good: Extremes,
    pub(crate) usable: Extremes,
    pub(crate) regions: Regions,
    pub(crate) lines: Lines,
    pub(crate) transitions: u64,
    pub(crate) worst: Worst,
    /// The value to which the next one is compared.
    value: Option<f64>,
    /// The last sample so far, and the last usable one, before the later edge.
    last: Option<Point>,
    last_usable: Option<Point>,
}

impl Inside {
    /// Begins an interval at its earlier edge.
    pub(crate) fn begin(
        interval: &Interval,
        low: &Edge,
        needs: Needs,
        configuration: Configuration,
    ) -> Self {
        let usable_at = low.at.filter(|at| at.is_usable(&configuration));
        let mut inside = Self {
            configuration,
            needs,
            tally: Tally::default(),
            edge: None,
            good: Extremes::default(),
            usable: Extremes::default(),
            regions: Regions::default(),
            lines: Lines::default(),
            transitions: 0,
            worst: Worst::default(),
            value: low.usable.map(|point| point.number),
            last: low.at.or(low.last),
            last_usable: usable_at.or(low.usable),
        };
        inside.regions.begin(low.ts, &low.simple(&configuration));
        if needs.lines {
            inside.lines.bound(low.ts, &low.interpolated(&configuration, false));
        }
        match low.at.filter(|at| interval.includes_edge(at)) {
            Some(at) => inside.take_edge(&at),
            None => inside.value = inside.last_usable.map(|point| point.number),
        }
        inside
    }

    /// Ends the interval at its later edge.
    pub(crate) fn end(&mut self, interval: &Interval, high: &Edge) {
        self.regions.end(interval, high, &self.configuration);
        if self.needs.lines {
            self.lines.bound(high.ts, &high.interpolated(&self.configuration, false));
        }
        if let Some(at) = high.at.filter(|at| interval.includes_edge(at)) {
            self.take_edge(&at);
        }
    }

    /// The last sample before the later edge, and the last usable one.
    pub(crate) fn past(&self) -> (Option<Point>, Option<Point>) {
        (self.last, self.last_usable)
    }

    fn take_edge(&mut self, point: &Point) {
        self.edge = Some(*point);
        self.tally.point(point);
        if point.is_usable(&self.configuration) {
            self.change(point.number);
        }
    }

    /// Takes a sample between the edges.
    pub(crate) fn point(&mut self, point: &Point) {
        self.tally.point(point);
        self.regions.point(point, &self.configuration);
        if self.needs.lines {
            self.lines.point(point, &self.configuration);
        }
        if self.needs.extremes && point.class() == Class::Good {
            self.good.point(point);
        }
        if self.needs.qualities {
            self.worst.add(point.quality, 1);
        }
        self.last = Some(*point);
        if point.is_usable(&self.configuration) {
            if self.needs.bounded_extremes {
                self.usable.point(point);
            }
            self.change(point.number);
            self.last_usable = Some(*point);
        }
    }

    /// Takes good samples between the edges.
    pub(crate) fn run(&mut self, run: &Run) {
        self.tally.run(run);
        self.regions.run(run, &self.configuration);
        if self.needs.lines {
            self.lines.run(run);
        }
        self.good.run(run);
        self.usable.run(run);
        self.last = Some(run.last);
        self.last_usable = Some(run.last);
        self.change(run.first.number);
        self.transitions += run.changes;
        self.value = Some(run.last.number);
    }

    fn change(&mut self, number: f64) {
        self.transitions += u64::from(self.value != Some(number));
        self.value = Some(number);
    }
}
