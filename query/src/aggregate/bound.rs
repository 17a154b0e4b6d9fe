//! What is known at the edge of an interval, and the value there: bounding values.
//!
//! *Source.* OPC 10000-13, 3.1.7 to 3.1.9: *interpolated* bounds lie between the nearest usable
//! samples, bad ones are passed over; *simple* bounds lie between the adjacent samples, also bad
//! ones. Past the last sample there is no simple bound.

use tacitus_model::Quality;

use super::configuration::Configuration;
use super::point::{Class, Point, seconds, span};
use super::status::SUB_NORMAL;

/// What lies around an edge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) ts: i64,
    /// The sample at the edge.
    pub(crate) at: Option<Point>,
    /// The sample before.
    pub(crate) last: Option<Point>,
    /// The last usable sample before.
    pub(crate) usable: Option<Point>,
    /// The usable sample before that one; known only where it is needed.
    pub(crate) usable_before: Option<Point>,
    /// The sample after.
    pub(crate) next: Option<Point>,
    /// The first usable sample after; known only where it is needed.
    pub(crate) usable_next: Option<Point>,
}

/// The value at an edge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// None where the bound is bad.
    pub(crate) value: Option<f64>,
    pub(crate) quality: Quality,
    /// No sample lies there.
    pub(crate) interpolated: bool,
}

impl Bound {
    const NONE: Self = Self { value: None, quality: Quality::BAD_NO_DATA, interpolated: true };

    fn raw(point: &Point) -> Self {
        Self { value: Some(point.number), quality: point.quality, interpolated: false }
    }

    fn between(value: f64, flawed: bool) -> Self {
        let quality = if flawed { SUB_NORMAL } else { Quality::GOOD };
        Self { value: Some(value), quality, interpolated: true }
    }

    /// How far it can be trusted.
    pub(crate) fn class(&self) -> Class {
        if self.value.is_some() { Class::of(self.quality) } else { Class::Bad }
    }
}

impl Edge {
    /// The bound between the adjacent samples.
    pub(crate) fn simple(&self, configuration: &Configuration) -> Bound {
        if let Some(at) = &self.at {
            return if at.is_usable(configuration) { Bound::raw(at) } else { Bound::NONE };
        }
        let (Some(before), Some(after)) = (&self.last, &self.next) else { return Bound::NONE };
        if !before.is_usable(configuration) {
            return Bound::NONE;
        }
        let doubtful = before.class() != Class::Good;
        if configuration.stepped {
            return Bound::between(before.number, doubtful);
        }
        if !after.is_usable(configuration) {
            return Bound::between(before.number, true);
        }
        let flawed = doubtful || after.class() != Class::Good;
        Bound::between(line(before, after, self.ts), flawed)
    }

    /// The bound between the nearest usable samples; `stepped` overrules the configuration.
    pub(crate) fn interpolated(&self, configuration: &Configuration, stepped: bool) -> Bound {
        if let Some(at) = self.at.as_ref().filter(|at| at.is_usable(configuration)) {
            return Bound::raw(at);
        }
        let Some(before) = &self.usable else { return Bound::NONE };
        let passed = self.at.is_some() || self.last.is_some_and(|last| last.ts != before.ts);
        let doubtful = passed || before.class() != Class::Good;
        let Some(after) = &self.usable_next else {
            let sloped = configuration.use_sloped_extrapolation && !stepped;
            let value = match self.usable_before.filter(|_| sloped) {
                Some(first) => line(&first, before, self.ts),
                None => before.number,
            };
            return Bound::between(value, true);
        };
        if stepped {
            return Bound::between(before.number, doubtful);
        }
        let passed = self.next.is_some_and(|next| next.ts != after.ts);
        let flawed = doubtful || passed || after.class() != Class::Good;
        Bound::between(line(before, after, self.ts), flawed)
    }
}

/// The value at a time of the line through two samples.
pub(crate) fn line(from: &Point, to: &Point, ts: i64) -> f64 {
    let part = if ts >= from.ts {
        seconds(span(from.ts, ts)) / seconds(span(from.ts, to.ts))
    } else {
        -seconds(span(ts, from.ts)) / seconds(span(from.ts, to.ts))
    };
    let rise = to.number - from.number;
    if rise.is_finite() {
        from.number + rise * part
    } else {
        from.number * (1.0 - part) + to.number * part
    }
}
