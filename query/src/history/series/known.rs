//! What the store knows of the intervals of a pass without reading their samples.
//!
//! ```text
//! edges  low, low + 1, high, high + 1, …   windows: the sample at an edge | the samples between
//! ```
//!
//! *Invariant.* A window stands for its samples only where all of them are good and have finite
//! numbers, and only where every aggregate of the pass can be made of what is known.

use tacitus_storage::{Edges, Error, StateTime, Statistics};

use super::{Cursor, TagSamples, good};
use crate::aggregate::{Configuration, Extreme, Inside, Interval, Needs, Point, Run};
use tacitus_model::Kind;

/// Samples of an interval from which on statistics are quicker than samples. LIMIT: none; two pages
/// are read for the edges of an interval in any case.
const ROWS_WORTH_KNOWING: u64 = 2048;

/// The windows of a pass.
#[derive(Debug)]
pub(super) struct Known {
    edges: Vec<i64>,
    windows: Vec<Statistics>,
    /// The times in each state, where they are asked for.
    states: Vec<Vec<StateTime>>,
    needs: Needs,
    /// The samples of an interval that is not wholly good.
    reading: Option<Cursor>,
}

impl Known {
    /// What is known, where it is enough and worth it.
    pub(super) fn new(
        samples: &TagSamples,
        intervals: &[Interval],
        needs: Needs,
        configuration: &Configuration,
    ) -> Result<Option<Self>, Error> {
        let definition = &samples.tag.definition;
        let moves_alike = configuration.stepped == definition.step;
        // How often a number changed is noted of tags with states only.
        let of_states = needs.transitions || needs.states;
        let enough = (!of_states || matches!(definition.kind, Kind::Bool | Kind::State))
            && !needs.qualities
            && (!needs.areas || moves_alike)
            && (!needs.lines || !definition.step)
            && definition.kind != Kind::Text;
        let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else {
            return Ok(None);
        };
        let narrow = intervals.iter().any(|own| own.high - 1 <= own.low + 1);
        if !enough || narrow || last.high == i64::MAX {
            return Ok(None);
        }
        let id = samples.tag.id;
        let rough = samples.snapshot.aggregate(id, &[first.low, last.high], Edges::Plot)?;
        let rows: u64 = rough.statistics.iter().map(|window| window.rows).sum();
        if rows / (intervals.len() as u64) < ROWS_WORTH_KNOWING {
            return Ok(None);
        }
        let lows = intervals.iter().map(|own| own.low).chain([last.high]);
        let edges: Vec<i64> = lows.flat_map(|low| [low, low + 1]).collect();
        let windows = samples.snapshot.aggregate(id, &edges, Edges::Exact)?.statistics;
        let states = if of_states { samples.snapshot.state_times(id, &edges)? } else { Vec::new() };
        Ok(Some(Self { edges, windows, states, needs, reading: None }))
    }

    /// The window that begins at a time.
    fn find(&self, ts: i64) -> usize {
        self.edges.partition_point(|edge| *edge < ts)
    }

    pub(super) fn at(&self, samples: &TagSamples, ts: i64) -> Result<Option<Point>, Error> {
        match self.windows.get(self.find(ts)) {
            Some(window) if window.rows > 0 => samples.at(ts),
            _ => Ok(None),
        }
    }

    pub(super) fn next(&self, samples: &TagSamples, ts: i64) -> Result<Option<Point>, Error> {
        let after = self.windows.get(self.find(ts) + 1..).unwrap_or_default();
        match after.iter().find(|window| window.rows > 0) {
            Some(window) if window.first.is_finite() => {
                Ok(Some(good(window.first_ns, window.first)))
            }
            Some(window) => samples.first(window.first_ns, &|_| true),
            None => match self.edges.last() {
                Some(end) => samples.first(*end, &|_| true),
                None => Ok(None),
            },
        }
    }

    pub(super) fn between(
        &mut self,
        samples: &TagSamples,
        low: i64,
        high: i64,
        inside: &mut Inside,
    ) -> Result<bool, Error> {
        if self.reading.is_none() {
            let at = self.find(low) + 1;
            let Some(window) = self.windows.get(at) else { return Ok(true) };
            if window.rows == 0 {
                return Ok(true);
            }
            if window.is_pure() {
                let states = self.states.get(at).map(Vec::as_slice).unwrap_or_default();
                inside.run(&self.run(samples, window, states, high)?);
                return Ok(true);
            }
        }
        let open = || Cursor::new(samples.scan(low + 1, high - 1));
        let cursor = self.reading.get_or_insert_with(open);
        let complete = cursor.give(high, inside)?;
        if complete {
            self.reading = None;
        }
        Ok(complete)
    }

    /// The samples of a window as one.
    fn run(
        &self,
        samples: &TagSamples,
        window: &Statistics,
        states: &[StateTime],
        high: i64,
    ) -> Result<Run, Error> {
        let end = |ts: i64, number: f64| -> Result<Point, Error> {
            let read = if self.needs.end_qualities { samples.at(ts)? } else { None };
            Ok(read.unwrap_or_else(|| good(ts, number)))
        };
        let mut min = Extreme::of(window.min, window.min_ns);
        let mut max = Extreme::of(window.max, window.max_ns);
        if self.needs.extremes || self.needs.bounded_extremes {
            min.repeated = again(samples, min.ts, high, |rest| rest.min <= window.min)?;
            max.repeated = again(samples, max.ts, high, |rest| rest.max >= window.max)?;
        }
        let entries: u64 = states.iter().map(|own| own.entries).sum();
        let zero = states.iter().filter(|own| own.state == 0);
        let zero_ns: i64 = zero.map(|own| own.held_ns).sum();
        Ok(Run {
            rows: window.rows,
            first: end(window.first_ns, window.first)?,
            last: end(window.last_ns, window.last)?,
            min,
            max,
            sum: window.sum,
            m2: window.m2,
            integral: window.integral,
            changes: entries.saturating_sub(1),
            zero_ns: zero_ns.max(0).cast_unsigned(),
        })
    }
}

/// Whether something holds of the samples between two times.
fn again(
    samples: &TagSamples,
    after: i64,
    before: i64,
    holds: impl Fn(&Statistics) -> bool,
) -> Result<bool, Error> {
    if after + 1 >= before {
        return Ok(false);
    }
    let edges = [after + 1, before];
    let rest = samples.snapshot.aggregate(samples.tag.id, &edges, Edges::Exact)?;
    Ok(rest.statistics.first().is_some_and(|rest| rest.values > 0 && holds(rest)))
}
