//! What a tag says that holds until its next sample: what is made, how long a piece takes.
//!
//! *Invariant.* Bad samples change nothing. Only changes are kept.

use std::sync::Arc;

use datafusion::error::Result;
use tacitus_model::Value;
use tacitus_storage::TagScan;

use super::super::producer::stored;
use super::super::series::TagSamples;
use super::too_much;
use crate::limits::CONDITION_CHANGES_MAX;
use crate::oee::{CycleUnit, Timeline};

/// A tag on its way to a timeline.
pub(super) struct Held<T> {
    samples: TagSamples,
    scan: TagScan,
    read: Box<dyn Fn(&TagSamples, Value) -> Option<T> + Send>,
    timeline: Timeline<Option<T>>,
}

impl<T: Clone + PartialEq> Held<T> {
    /// What a tag says between two times, from the last word before them on.
    pub(super) fn open(
        samples: TagSamples,
        (from, to): (i64, i64),
        read: impl Fn(&TagSamples, Value) -> Option<T> + Send + 'static,
    ) -> Result<Self> {
        let good = |point: &crate::aggregate::Point| !point.quality.is_bad();
        let before = samples.last(from, &good).map_err(stored)?;
        let scan = samples.scan(before.map_or(from, |point| point.ts), to - 1);
        Ok(Self { samples, scan, read: Box::new(read), timeline: Timeline::default() })
    }

    /// Does a piece of work; whether there is more.
    pub(super) fn step(&mut self) -> Result<bool> {
        let Some(block) = self.scan.next() else { return Ok(false) };
        let block = block.map_err(stored)?;
        for (row, at) in block.times.iter().enumerate() {
            if !block.quality(row).is_bad() {
                self.timeline.push(*at, (self.read)(&self.samples, block.value(row)));
            }
        }
        if self.timeline.len() > CONDITION_CHANGES_MAX {
            let path = &self.samples.tag.definition.path;
            let what = format!("\"{path}\" changes more than {CONDITION_CHANGES_MAX} times");
            return Err(too_much(what, "ask for a shorter time").into());
        }
        Ok(true)
    }

    /// All of it.
    pub(super) fn finish(self) -> Timeline<Option<T>> {
        self.timeline
    }
}

/// The product that a value names; none where it is empty.
pub(super) fn product(samples: &TagSamples, value: Value) -> Option<Arc<str>> {
    let name = match value {
        Value::Null => return None,
        Value::Text(text) => text.into_string(),
        Value::State(index) => {
            let states = &samples.tag.definition.states;
            let name = usize::try_from(index).ok().and_then(|index| states.get(index));
            name.map_or_else(|| index.to_string(), String::clone)
        }
        Value::Float(number) => number.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Bool(fact) => fact.to_string(),
    };
    (!name.trim().is_empty()).then(|| name.into())
}

/// The ideal cycle that a value says.
pub(super) fn cycle(unit: CycleUnit) -> impl Fn(&TagSamples, Value) -> Option<f64> {
    move |_, value| value.as_number().and_then(|number| unit.seconds(number))
}
