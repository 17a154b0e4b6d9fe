//! The history of a tag for wires that ask without SQL: rows, values at moments, aggregates.
//!
//! *Source.* OPC 10000-11, 6.5.3 to 6.5.5, for what a range, its direction and its bounds mean.
//!
//! *Invariant.* Aggregates here are those of `resample`, worked out by the same walk. A read takes
//! at most as many rows or intervals as it is told to, and memory for no more.
//!
//! *Not here.* How a wire writes them, and where it goes on.

use std::sync::Arc;

use tacitus_model::{Kind, Quality, Sample, Tag, Timestamp, Value};
use tacitus_storage::{Block, Error, Snapshot};

use super::raw::steps;
use super::series::{StoreSeries, TagSamples};
use crate::aggregate::{Aggregate, Configuration, Interval, Output, Walk};

/// `BadAggregateInvalidInputs`: numbers are asked of texts.
const INVALID_INPUTS: Quality = Quality(0x80D6_0000);

/// The first stretch of a read that goes backward; each next one is longer.
const STRETCH_NS: i64 = 60_000_000_000;

/// How much longer.
const LONGER: i64 = 8;

/// The history of one tag at one moment of the store.
#[derive(Debug, Clone)]
pub struct TagHistory {
    samples: TagSamples,
}

/// An aggregate over intervals, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processing {
    /// The number of the aggregate's node in namespace 0.
    pub aggregate: u32,
    /// Where the range begins in the flow of time, nanoseconds since 1970.
    pub start: i64,
    /// Where it ends; before `start`, time flows backward.
    pub end: i64,
    /// The length of an interval; 0 is the whole range.
    pub interval_ns: i64,
    /// Uncertain samples are treated as bad.
    pub treat_uncertain_as_bad: bool,
    /// An interval is bad if at least so many per cent of it are.
    pub percent_data_bad: u8,
    /// An interval is good if at least so many per cent of it are.
    pub percent_data_good: u8,
    /// Past the last sample the line through the last two goes on.
    pub use_sloped_extrapolation: bool,
    /// Whether values hold until the next; `None`: as the tag says.
    pub stepped: Option<bool>,
}

/// What an aggregate of an interval is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Processed {
    /// Its time.
    pub ts: Timestamp,
    /// Its number, if it has one.
    pub value: Option<f64>,
    /// Its status code, with historian bits.
    pub quality: Quality,
}

/// Why a history is not read.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// There is no such aggregate.
    #[error("there is no aggregate with the node id i={0}")]
    Aggregate(u32),
    /// The configuration of the aggregate contradicts itself.
    #[error("percent_data_good and percent_data_bad contradict each other")]
    Configuration,
    /// The store says why.
    #[error("{0}")]
    Store(#[from] Error),
}

/// The name and the node id in namespace 0 of every standard aggregate.
pub fn standard_aggregates() -> impl Iterator<Item = (&'static str, u32)> {
    Aggregate::all().map(|aggregate| (aggregate.standard_name(), aggregate.node_id()))
}

impl Processing {
    /// An aggregate with the standard's configuration.
    #[must_use]
    pub const fn standard(aggregate: u32, start: i64, end: i64, interval_ns: i64) -> Self {
        let standard = Configuration::STANDARD;
        Self {
            aggregate,
            start,
            end,
            interval_ns,
            treat_uncertain_as_bad: standard.treat_uncertain_as_bad,
            percent_data_bad: standard.percent_data_bad,
            percent_data_good: standard.percent_data_good,
            use_sloped_extrapolation: standard.use_sloped_extrapolation,
            stepped: None,
        }
    }

    /// The intervals from a number on, in the flow of time.
    fn intervals(&self, skip: u64, count: usize) -> Vec<Interval> {
        let backward = self.end < self.start;
        let (low, high) = if backward { (self.end, self.start) } else { (self.start, self.end) };
        let length =
            if self.interval_ns <= 0 { high.saturating_sub(low) } else { self.interval_ns };
        let mut intervals = Vec::new();
        if length <= 0 {
            return intervals;
        }
        for number in (skip..).take(count) {
            let Ok(number) = i64::try_from(number) else { break };
            let Some(offset) = number.checked_mul(length) else { break };
            let next = offset.saturating_add(length);
            let (begin, end) = if backward {
                (high.saturating_sub(next).max(low), high.saturating_sub(offset))
            } else {
                (low.saturating_add(offset), low.saturating_add(next).min(high))
            };
            if begin >= end {
                break;
            }
            let shortened = end - begin < length;
            intervals.push(Interval { low: begin, high: end, backward, shortened });
        }
        intervals
    }
}

impl TagHistory {
    /// The history of a tag.
    #[must_use]
    pub fn new(snapshot: Snapshot, tag: Arc<Tag>) -> Self {
        Self { samples: TagSamples::new(snapshot, tag) }
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &Tag {
        &self.samples.tag
    }

    /// The first samples from one time up to another, both included, by rising time.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn forward(&self, first: i64, last: i64, count: usize) -> Result<Vec<Sample>, Error> {
        let mut rows = Vec::new();
        for block in self.samples.scan(first, last) {
            let block = block?;
            let room = count - rows.len();
            rows.extend((0..block.len().min(room)).filter_map(|row| self.sample(&block, row)));
            if rows.len() >= count {
                break;
            }
        }
        Ok(rows)
    }

    /// The last samples from one time up to another, both included, by falling time.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn backward(&self, first: i64, last: i64, count: usize) -> Result<Vec<Sample>, Error> {
        let Some((oldest, newest)) = self.samples.extent() else { return Ok(Vec::new()) };
        let first = first.max(oldest);
        let mut end = last.min(newest);
        let mut stretch = STRETCH_NS;
        let mut rows = Vec::new();
        while end >= first && rows.len() < count {
            let begin = end.saturating_sub(stretch).max(first);
            let mut blocks = Vec::new();
            for block in self.samples.scan(begin, end) {
                blocks.push(block?);
            }
            for block in blocks.iter().rev() {
                let room = count - rows.len();
                let samples = (0..block.len()).rev().filter_map(|row| self.sample(block, row));
                rows.extend(samples.take(room));
            }
            let Some(next) = begin.checked_sub(1) else { break };
            end = next;
            stretch = stretch.saturating_mul(LONGER);
        }
        Ok(rows)
    }

    /// The last sample before a time.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn before(&self, ts: i64) -> Result<Option<Sample>, Error> {
        match ts.checked_sub(1) {
            Some(last) => Ok(self.backward(i64::MIN, last, 1)?.pop()),
            None => Ok(None),
        }
    }

    /// The first sample after a time.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn after(&self, ts: i64) -> Result<Option<Sample>, Error> {
        match ts.checked_add(1) {
            Some(first) => Ok(self.forward(first, i64::MAX, 1)?.pop()),
            None => Ok(None),
        }
    }

    /// The value at each of these times, which may come in any order: stored, on the line between
    /// two samples, or held, as the tag says. Status codes have their historian bits.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn at(&self, times: &[i64]) -> Result<Vec<Sample>, AccessError> {
        let tag = &self.samples.tag;
        times
            .iter()
            .map(|ts| {
                let held = steps(tag);
                let output = self.interpolated(*ts, held)?;
                let value = match output {
                    None => Value::Null,
                    Some(output) if held => match self.held(*ts)? {
                        Some(sample) if output.value.is_some() => sample.value,
                        _ => Value::Null,
                    },
                    Some(output) => output.value.map_or(Value::Null, Value::Float),
                };
                let quality = output.map_or(Quality::BAD_NO_DATA, |output| output.quality);
                Ok(Sample { tag: tag.id, ts: Timestamp::from_nanos(*ts), value, quality })
            })
            .collect()
    }

    /// An aggregate of the intervals from a number on, in the flow of time, at most so many; fewer
    /// only at the end of the range.
    ///
    /// # Errors
    /// What is wrong with the question, or whatever reading says.
    pub fn processed(
        &self,
        processing: &Processing,
        skip: u64,
        count: usize,
    ) -> Result<Vec<Processed>, AccessError> {
        let aggregate = Aggregate::of_node(processing.aggregate)
            .ok_or(AccessError::Aggregate(processing.aggregate))?;
        let own = steps(&self.samples.tag);
        let stepped = match self.samples.tag.definition.kind {
            Kind::Float | Kind::Int => processing.stepped.unwrap_or(own),
            Kind::Bool | Kind::State | Kind::Text => own,
        };
        let configuration = Configuration {
            stepped,
            treat_uncertain_as_bad: processing.treat_uncertain_as_bad,
            percent_data_bad: processing.percent_data_bad,
            percent_data_good: processing.percent_data_good,
            use_sloped_extrapolation: processing.use_sloped_extrapolation,
            ..Configuration::STANDARD
        };
        if !configuration.is_consistent() {
            return Err(AccessError::Configuration);
        }
        let mut intervals = processing.intervals(skip, count);
        let backward = processing.end < processing.start;
        if backward {
            intervals.reverse();
        }
        let outputs = self.walk(aggregate, configuration, intervals)?;
        let numeric = self.samples.tag.definition.kind != Kind::Text || !aggregate.is_numeric();
        let mut processed: Vec<Processed> = outputs
            .into_iter()
            .map(|output| Processed {
                ts: Timestamp::from_nanos(output.ts),
                value: output.value.filter(|_| numeric),
                quality: if !numeric && output.value.is_some() {
                    INVALID_INPUTS
                } else {
                    output.quality
                },
            })
            .collect();
        if backward {
            processed.reverse();
        }
        Ok(processed)
    }

    fn walk(
        &self,
        aggregate: Aggregate,
        configuration: Configuration,
        intervals: Vec<Interval>,
    ) -> Result<Vec<Output>, Error> {
        let walk = Walk::new(&[aggregate], configuration);
        let samples = self.samples.clone();
        let series = StoreSeries::open(samples, &intervals, walk.needs, &walk.configuration)?;
        let mut pass = walk.over(series, intervals);
        let mut outputs = Vec::new();
        while pass.step(|_, row, _| outputs.extend_from_slice(row))? {}
        Ok(outputs)
    }

    fn interpolated(&self, ts: i64, stepped: bool) -> Result<Option<Output>, Error> {
        let configuration = Configuration { stepped, ..Configuration::STANDARD };
        let high = ts.saturating_add(1);
        let interval = Interval { low: ts, high, backward: false, shortened: false };
        Ok(self.walk(Aggregate::Interpolative, configuration, vec![interval])?.pop())
    }

    /// The last good sample at or before a time.
    fn held(&self, ts: i64) -> Result<Option<Sample>, Error> {
        let after = ts.saturating_add(1);
        let good = |point: &crate::aggregate::Point| point.is_usable(&Configuration::STANDARD);
        let Some(point) = self.samples.last(after, &good)? else { return Ok(None) };
        Ok(self.forward(point.ts, point.ts, 1)?.pop())
    }

    fn sample(&self, block: &Block, row: usize) -> Option<Sample> {
        Some(Sample {
            tag: self.samples.tag.id,
            ts: Timestamp::from_nanos(*block.times.get(row)?),
            value: block.value(row),
            quality: block.quality(row),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(start: i64, end: i64, interval_ns: i64, skip: u64) -> Vec<(i64, i64, bool)> {
        let processing = Processing::standard(2342, start, end, interval_ns);
        let intervals = processing.intervals(skip, 100);
        intervals.into_iter().map(|own| (own.low, own.high, own.shortened)).collect()
    }

    #[test]
    fn intervals_follow_the_flow_of_time_and_the_last_is_cut() {
        let forward = [(0, 4, false), (4, 8, false), (8, 10, true)];
        assert_eq!(spans(0, 10, 4, 0), forward);
        assert_eq!(spans(0, 10, 4, 2), forward[2..]);
        assert_eq!(spans(10, 0, 4, 0), [(6, 10, false), (2, 6, false), (0, 2, true)]);
        assert_eq!(spans(0, 10, 0, 0), [(0, 10, false)]);
        assert_eq!(spans(5, 5, 4, 0), []);
    }
}
