//! The value, the time and the status code of each aggregate of an interval.
//!
//! *Source.* OPC 10000-13, 5.4.3, one paragraph an aggregate, and its published tables.
//!
//! *Invariant.* A bad output has no value.

use tacitus_model::Quality;

use super::bound::{Bound, Edge};
use super::configuration::Configuration;
use super::extreme::{Extreme, Extremes, Place};
use super::inside::Inside;
use super::interval::Interval;
use super::name::Aggregate;
use super::point::{Class, number, seconds};
use super::status::{Bits, SUB_NORMAL};
use super::worst::Worst;

/// What an aggregate says of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Output {
    /// The time of the value, nanoseconds since 1970: mostly that of the interval.
    pub(crate) ts: i64,
    pub(crate) value: Option<f64>,
    /// The status code, with historian bits.
    pub(crate) quality: Quality,
}

/// An interval whose samples have passed.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) interval: &'a Interval,
    pub(crate) inside: &'a Inside,
    pub(crate) low: &'a Edge,
    pub(crate) high: &'a Edge,
    pub(crate) configuration: &'a Configuration,
}

/// Nanoseconds of a millisecond, the unit of OPC UA's `Duration`.
const MILLISECOND: f64 = 1e-3;

impl Summary<'_> {
    /// The output of an aggregate.
    pub(crate) fn output(&self, aggregate: Aggregate) -> Output {
        use Aggregate as A;
        if aggregate == A::Interpolative {
            return self.interpolative();
        }
        if self.lies_outside() {
            return self.nothing(Bits::RAW);
        }
        let regions = &self.inside.regions;
        let milliseconds = |span_ns: u64| seconds(span_ns) / MILLISECOND;
        match aggregate {
            A::Average => self.average(),
            A::TimeAverage => self.lines(self.inside.lines.average()),
            A::Total => self.lines(self.inside.lines.total()),
            A::TimeAverage2 => self.weighted((regions.valued_ns > 0).then(|| self.time_average())),
            A::Total2 => self.weighted((regions.valued_ns > 0).then_some(regions.area)),
            A::Minimum | A::Maximum | A::Range | A::MinimumActualTime | A::MaximumActualTime => {
                self.extreme(aggregate)
            }
            A::Minimum2
            | A::Maximum2
            | A::Range2
            | A::MinimumActualTime2
            | A::MaximumActualTime2 => self.bounded_extreme(aggregate),
            A::AnnotationCount => self.calculated(number(self.inside.tally.rows), Class::Good),
            A::Count => self.counted(self.inside.tally.good),
            A::NumberOfTransitions => self.counted(self.inside.transitions),
            A::DurationInStateZero => self.held(milliseconds(regions.zero_ns)),
            A::DurationInStateNonZero => self.held(milliseconds(regions.nonzero_ns)),
            A::Start => self.end_sample(false),
            A::End => self.end_sample(true),
            A::Delta => self.delta(),
            A::StartBound => self.start_bound(),
            A::EndBound => self.end_bound(),
            A::DeltaBounds => self.delta_bounds(),
            A::DurationGood => self.calculated(milliseconds(regions.held.good_ns), Class::Good),
            A::DurationBad => self.calculated(milliseconds(self.bad_ns()), Class::Good),
            A::PercentGood => self.percent(regions.held.good_ns),
            A::PercentBad => self.percent(self.bad_ns()),
            A::WorstQuality => self.worst(false),
            A::WorstQuality2 => self.worst(true),
            A::StandardDeviationSample => self.spread(true, f64::sqrt),
            A::VarianceSample => self.spread(true, std::convert::identity),
            A::StandardDeviationPopulation => self.spread(false, f64::sqrt),
            A::VariancePopulation => self.spread(false, std::convert::identity),
            A::Interpolative => self.interpolative(),
        }
    }

    /// How much of the interval was good, in per cent; `None` outside of what is stored.
    pub(crate) fn percent_good(&self) -> Option<f64> {
        if self.lies_outside() {
            None
        } else {
            self.percent(self.inside.regions.held.good_ns).value
        }
    }

    fn sample_before(&self) -> bool {
        self.low.last.is_some() || (self.interval.backward && self.low.at.is_some())
    }

    fn sample_after(&self) -> bool {
        self.high.next.is_some() || (!self.interval.backward && self.high.at.is_some())
    }

    /// Whether the interval lies before the first or after the last sample.
    fn lies_outside(&self) -> bool {
        self.inside.tally.rows == 0 && !(self.sample_before() && self.sample_after())
    }

    /// The bit of an interval for a part of which there can be no data.
    fn partial(&self) -> Bits {
        let starts = self.inside.tally.ends.is_some_and(|(first, _)| {
            !self.sample_before() && (self.interval.backward || first.ts > self.interval.low)
        });
        let ends = self.inside.tally.ends.is_some_and(|(_, last)| {
            !self.sample_after() && (!self.interval.backward || last.ts < self.interval.high)
        });
        let beyond =
            if self.interval.backward { self.sample_before() } else { self.sample_after() };
        let cut = self.interval.shortened && beyond;
        Bits::RAW.and(Bits::PARTIAL, starts || ends || cut)
    }

    fn at_start(&self, value: Option<f64>, quality: Quality) -> Output {
        Output { ts: self.interval.start(), value, quality }
    }

    fn nothing(&self, bits: Bits) -> Output {
        self.at_start(None, bits.on(Quality::BAD_NO_DATA))
    }

    /// An output with a value, whose class the configuration may have made bad.
    fn classed(&self, value: f64, class: Class, bits: Bits) -> Output {
        match class {
            Class::Good => self.at_start(Some(value), bits.on(Quality::GOOD)),
            Class::Uncertain => self.at_start(Some(value), bits.on(SUB_NORMAL)),
            Class::Bad => self.at_start(None, bits.on(Quality::BAD)),
        }
    }

    fn calculated(&self, value: f64, class: Class) -> Output {
        self.classed(value, class, Bits::CALCULATED.and(self.partial(), true))
    }

    fn edge_at_start(&self) -> &Edge {
        if self.interval.backward { self.high } else { self.low }
    }

    fn edge_at_end(&self) -> &Edge {
        if self.interval.backward { self.low } else { self.high }
    }

    fn interpolative(&self) -> Output {
        let bound =
            self.edge_at_start().interpolated(self.configuration, self.configuration.stepped);
        match bound.value {
            Some(value) => self.at_start(
                Some(value),
                Bits::RAW.and(Bits::INTERPOLATED, bound.interpolated).on(bound.quality),
            ),
            None => self.nothing(Bits::RAW),
        }
    }

    fn average(&self) -> Output {
        let class = self.inside.tally.class(self.configuration).unwrap_or(Class::Good);
        match self.inside.tally.average() {
            Some(value) => self.classed(value, class, Bits::CALCULATED),
            None => self.nothing(Bits::RAW),
        }
    }

    /// An output from straight lines.
    fn lines(&self, value: Option<f64>) -> Output {
        let class = if self.inside.lines.flawed { Class::Uncertain } else { Class::Good };
        match value {
            Some(value) => self.calculated(value, class),
            None => self.nothing(self.partial()),
        }
    }

    fn time_average(&self) -> f64 {
        let regions = &self.inside.regions;
        regions.area / seconds(regions.valued_ns)
    }

    /// An output from regions whose values move as the tag's do.
    fn weighted(&self, value: Option<f64>) -> Output {
        match value {
            Some(value) => {
                self.calculated(value, self.inside.regions.moving.class(self.configuration))
            }
            None => self.nothing(self.partial()),
        }
    }

    /// An output from regions whose values hold.
    fn held(&self, value: f64) -> Output {
        self.calculated(value, self.inside.regions.held.class(self.configuration))
    }

    fn bad_ns(&self) -> u64 {
        let held = &self.inside.regions.held;
        let uncertain =
            if self.configuration.treat_uncertain_as_bad { held.uncertain_ns } else { 0 };
        held.bad_ns.saturating_add(uncertain)
    }

    fn percent(&self, part_ns: u64) -> Output {
        let covered = seconds(self.inside.regions.held.covered_ns());
        let percent = if covered > 0.0 { seconds(part_ns) * 100.0 / covered } else { 0.0 };
        self.calculated(percent, Class::Good)
    }

    /// A count, bad without bits where nothing but bad samples lie in the interval.
    fn counted(&self, count: u64) -> Output {
        match self.inside.tally.class(self.configuration) {
            Some(Class::Bad) => self.at_start(None, self.partial().on(Quality::BAD)),
            class => self.calculated(number(count), class.unwrap_or(Class::Good)),
        }
    }

    fn spread(&self, sample: bool, of: fn(f64) -> f64) -> Output {
        let tally = &self.inside.tally;
        match tally.variance(sample) {
            Some(value) if tally.good == tally.rows => self.calculated(of(value), Class::Good),
            Some(value) => self.calculated(of(value), Class::Uncertain),
            None => self.nothing(self.partial()),
        }
    }

    /// The earliest or the latest sample as it is, wherever time flows.
    fn end_sample(&self, last: bool) -> Output {
        let Some(ends) = self.inside.tally.ends else { return self.nothing(self.partial()) };
        let point = if last { ends.1 } else { ends.0 };
        let value = (point.class() != Class::Bad).then_some(point.number);
        Output { ts: point.ts, value, quality: self.partial().on(point.quality) }
    }

    /// The latest good value less the earliest.
    fn delta(&self) -> Output {
        let tally = &self.inside.tally;
        let (Some((first, last)), Some(ends)) = (tally.good_ends, tally.ends) else {
            return self.nothing(self.partial());
        };
        let rise = last.number - first.number;
        let good = ends.0.class() == Class::Good && ends.1.class() == Class::Good;
        self.calculated(rise, if good { Class::Good } else { Class::Uncertain })
    }

    fn start_bound(&self) -> Output {
        let bound = self.edge_at_start().simple(self.configuration);
        let Some(value) = bound.value else { return self.nothing(self.partial()) };
        let bits = Bits::RAW.and(Bits::INTERPOLATED, bound.interpolated).and(self.partial(), true);
        self.at_start(Some(value), bits.on(bound.quality))
    }

    fn end_bound(&self) -> Output {
        let bound = self.edge_at_end().simple(self.configuration);
        let Some(value) = bound.value else { return self.nothing(self.partial()) };
        let bits = Bits::CALCULATED.and(self.partial(), true);
        self.at_start(Some(value), bits.on(bound.quality))
    }

    fn delta_bounds(&self) -> Output {
        let start = self.edge_at_start().simple(self.configuration);
        let end = self.edge_at_end().simple(self.configuration);
        let (Some(from), Some(to)) = (start.value, end.value) else {
            return self.nothing(self.partial());
        };
        self.calculated(to - from, start.class().max(end.class()))
    }

    fn extreme(&self, aggregate: Aggregate) -> Output {
        use Aggregate as A;
        let mut extremes = Extremes::default();
        let edge = self.inside.edge.filter(|edge| edge.class() == Class::Good);
        if let Some(edge) = edge.filter(|_| !self.interval.backward) {
            extremes.point(&edge);
        }
        extremes.later(&self.inside.good);
        if let Some(edge) = edge.filter(|_| self.interval.backward) {
            extremes.point(&edge);
        }
        let Some((min, max)) = extremes.both else { return self.nothing(self.partial()) };
        let flawed = self.inside.tally.has_unusable(self.configuration);
        let class = if flawed { Class::Uncertain } else { Class::Good };
        let extreme = match aggregate {
            A::Range => return self.calculated(max.value - min.value, class),
            A::Minimum | A::MinimumActualTime => min,
            _ => max,
        };
        let own_time = aggregate.has_own_time();
        let at_start = extreme.ts == self.interval.start();
        let bits = if own_time || at_start { Bits::RAW } else { Bits::CALCULATED };
        let bits = bits.and(Bits::MULTI_VALUE, extreme.repeated).and(self.partial(), true);
        let output = self.classed(extreme.value, class, bits);
        Output { ts: if own_time { extreme.ts } else { output.ts }, ..output }
    }

    fn bounded_extreme(&self, aggregate: Aggregate) -> Output {
        use Aggregate as A;
        let Some((min, max)) = self.bounded_extremes().both else {
            return self.nothing(self.partial());
        };
        let class = self.inside.regions.moving.class(self.configuration);
        let extreme = match aggregate {
            A::Range2 => return self.calculated(max.value - min.value, class),
            A::Minimum2 | A::MinimumActualTime2 => min,
            _ => max,
        };
        let own_time = aggregate.has_own_time();
        let (bits, ts) = self.origin(&extreme, own_time);
        let bits = bits.and(Bits::MULTI_VALUE, extreme.repeated).and(self.partial(), true);
        if class == Class::Bad {
            return self.calculated(extreme.value, class);
        }
        let output = self.classed(extreme.value, class, bits);
        Output { ts: if own_time { ts } else { output.ts }, ..output }
    }

    /// The extremes of all usable samples and of the bounds. A value that holds has no bound of
    /// its own at the later edge.
    fn bounded_extremes(&self) -> Extremes {
        let mut extremes = Extremes::default();
        let place = |edge: &Edge, sample, none| if edge.at.is_some() { sample } else { none };
        let low = place(self.low, Place::LowSample, Place::Low);
        extremes.bound(&self.low.simple(self.configuration), self.low.ts, low);
        extremes.later(&self.inside.usable);
        let high = place(self.high, Place::HighSample, Place::High);
        let included = self.interval.backward && high == Place::HighSample;
        if !self.configuration.stepped || included {
            extremes.bound(&self.high.simple(self.configuration), self.high.ts, high);
        }
        extremes
    }

    /// The bits of an extreme by where it was, and its time.
    fn origin(&self, extreme: &Extreme, own_time: bool) -> (Bits, i64) {
        let (start, start_sample, end, end_sample) = if self.interval.backward {
            (Place::High, Place::HighSample, Place::Low, Place::LowSample)
        } else {
            (Place::Low, Place::LowSample, Place::High, Place::HighSample)
        };
        let place = extreme.place;
        if place == end || (place == end_sample && own_time) {
            let effective = self.interval.effective_end(self.configuration.resolution_ns);
            (Bits::INTERPOLATED, effective)
        } else if place == start {
            (Bits::INTERPOLATED, extreme.ts)
        } else if place == start_sample || own_time {
            (Bits::RAW, extreme.ts)
        } else {
            (Bits::CALCULATED, extreme.ts)
        }
    }

    fn worst(&self, bounds: bool) -> Output {
        let mut worst = Worst::default();
        let edge = |edge: &Edge| -> Option<Quality> {
            if bounds {
                let Bound { quality, .. } = edge.simple(self.configuration);
                return Some(quality);
            }
            edge.at.filter(|at| self.interval.includes_edge(at)).map(|at| at.quality)
        };
        if let Some(quality) = edge(self.low) {
            worst.add(quality, 1);
        }
        worst.later(&self.inside.worst);
        if let Some(quality) = edge(self.high) {
            worst.add(quality, 1);
        }
        let Some((quality, times)) = worst.found else { return self.nothing(self.partial()) };
        let repeated = times > 1 && !quality.is_good();
        let bits = Bits::CALCULATED.and(Bits::MULTI_VALUE, repeated).and(self.partial(), true);
        self.classed(f64::from(quality.0), Class::Good, bits)
    }
}
