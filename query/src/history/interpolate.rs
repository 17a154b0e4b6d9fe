//! `interpolate(tags, from, to, step)` and `interpolate(tags, times)`: the value of each tag at
//! each time, on its line or held, as the tag says.
//!
//! | argument | |
//! |---|---|
//! | `tags` | which tags (see `selection`) |
//! | `from`, `to`, `step` | times from `from`, a step apart, up to and with `to` |
//! | `times` | a list of times instead |
//! | `timezone` | days and months are those of this zone |
//!
//! Columns: `tag`, `ts`, `value`, `text` (of a text tag what it said, of a state tag the state's
//! name), `quality`: the StatusCode with historian bits, `good`.
//!
//! *Source.* Interpolative, OPC 10000-13, 5.4.3; the standard's configuration.
//!
//! *Invariant.* Every tag has a row for every time, in the order of time.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanArray, Float64Builder, Int64Array, RecordBatch, StringViewBuilder,
    TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use tacitus_model::{Kind, Tag, Value};
use tacitus_storage::Snapshot;

use super::argument::{Argument, Arguments, Signature};
use super::producer::{Piece, Producer, Rows, repeated, rows_between, stored};
use super::raw::Nothing;
use super::resample::{Gathered, IntervalOutputs, Work, too_many, zone};
use super::selection::select;
use super::series::TagSamples;
use super::step::{Intervals, Step};
use crate::aggregate::{Aggregate, Configuration, Point};
use crate::limits::MOMENTS_MAX;
use crate::plant::Places;
use crate::relation::moment;

const SIGNATURE: Signature = Signature {
    function: "interpolate",
    usage: super::USAGES[1].1,
    positions: &["tags", "from", "to", "step"],
    required: 1,
    rest: None,
    options: &["times", "timezone"],
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("tag", DataType::Utf8View, false),
        Field::new("ts", moment(), false),
        Field::new("value", DataType::Float64, true),
        Field::new("text", DataType::Utf8View, true),
        Field::new("quality", DataType::Int64, false),
        Field::new("good", DataType::Boolean, false),
    ]))
});

/// A call of `interpolate`.
#[derive(Debug)]
struct Interpolate {
    snapshot: Snapshot,
    tags: Vec<Arc<Tag>>,
    moments: Intervals,
    work: Arc<Work>,
}

/// Reads the arguments of a call.
pub(super) fn call(places: &Places, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    let arguments = Arguments::new(SIGNATURE, given)?;
    let tags = select(places, &arguments.texts("tags")?)?;
    let work = Arc::new(Work::bare(Aggregate::Interpolative));
    let moments = moments(&arguments)?;
    let snapshot = places.snapshot().clone();
    Ok(Arc::new(Interpolate { snapshot, tags, moments, work }))
}

/// The times of a call.
pub(super) fn moments(arguments: &Arguments) -> Result<Intervals> {
    let listed = if arguments.is_list("from") { "from" } else { "times" };
    if arguments.value(listed).is_some() && arguments.is_list(listed) {
        let mut moments = arguments.moments(listed)?;
        if moments.len() > MOMENTS_MAX {
            return Err(too_many(format!("there are more than {MOMENTS_MAX} times")).into());
        }
        moments.sort_unstable();
        moments.dedup();
        return Ok(Intervals::at(moments));
    }
    if arguments.is_incomplete() {
        return Ok(Intervals::at(Vec::new()));
    }
    let (Some(from), Some(to)) = (arguments.moment("from")?, arguments.moment("to")?) else {
        return Err(arguments.refuse("from and to, or times, are missing"));
    };
    if from > to {
        return Err(arguments.invalid("from is after to").into());
    }
    let step = Step::new(arguments.interval("step")?)?;
    if from == to {
        return Ok(Intervals::at(vec![from]));
    }
    Ok(Intervals::new(from, to, step, zone(arguments)?).with_end())
}

impl fmt::Display for Interpolate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "InterpolateExec: tags={}", self.tags.len())
    }
}

impl Producer for Interpolate {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn parts(&self) -> usize {
        self.tags.len()
    }

    fn open(&self, part: usize) -> Result<Box<dyn Rows>> {
        let Some(tag) = self.tags.get(part) else { return Ok(Box::new(Nothing)) };
        let samples = TagSamples::new(self.snapshot.clone(), Arc::clone(tag));
        let work = Arc::clone(&self.work);
        let outputs = IntervalOutputs::new(samples.clone(), self.moments.clone(), work);
        Ok(Box::new(TagValues { samples, outputs }))
    }

    fn rows_estimate(&self) -> Option<usize> {
        let (from, to) = self.moments.ends();
        rows_between(&self.snapshot, &self.tags, from, to)
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        vec![("tag", false), ("ts", false)]
    }
}

/// The rows of one tag.
struct TagValues {
    samples: TagSamples,
    outputs: IntervalOutputs,
}

impl Rows for TagValues {
    fn piece(&mut self) -> Result<Piece> {
        match self.outputs.piece()? {
            None => Ok(Piece::End),
            Some(gathered) if gathered.intervals.is_empty() => Ok(Piece::More),
            Some(gathered) => Ok(Piece::Rows(self.batch(&gathered)?)),
        }
    }
}

impl TagValues {
    fn batch(&self, gathered: &Gathered) -> Result<RecordBatch> {
        let rows = gathered.intervals.len();
        let tag = &self.samples.tag;
        let mut numbers = Float64Builder::with_capacity(rows);
        let mut texts = StringViewBuilder::with_capacity(rows);
        for output in &gathered.outputs {
            let textual = tag.definition.kind == Kind::Text;
            numbers.append_option(output.value.filter(|_| !textual));
            texts.append_option(text_at(&self.samples, output.ts, output.value)?);
        }
        let outputs = &gathered.outputs;
        let times: Vec<i64> = outputs.iter().map(|output| output.ts).collect();
        let codes = outputs.iter().map(|output| i64::from(output.quality.0));
        let good = outputs.iter().map(|output| Some(output.quality.is_good()));
        let columns: Vec<ArrayRef> = vec![
            repeated(tag.definition.path.as_str(), rows)?,
            Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
            Arc::new(numbers.finish()),
            Arc::new(texts.finish()),
            Arc::new(codes.collect::<Int64Array>()),
            Arc::new(good.collect::<BooleanArray>()),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
    }
}

/// The text that a tag's value at a time stands for, if it stands for one.
pub(super) fn text_at(samples: &TagSamples, ts: i64, value: Option<f64>) -> Result<Option<String>> {
    let Some(value) = value else { return Ok(None) };
    match samples.tag.definition.kind {
        Kind::State => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            let index = value as usize;
            Ok(samples.tag.definition.states.get(index).cloned())
        }
        Kind::Text => {
            let usable = |point: &Point| point.is_usable(&Configuration::STANDARD);
            let held = samples.at(ts).map_err(stored)?.filter(usable);
            let held = match held {
                Some(held) => Some(held),
                None => samples.last(ts, &usable).map_err(stored)?,
            };
            let Some(held) = held else { return Ok(None) };
            let block = samples.scan(held.ts, held.ts).next().transpose().map_err(stored)?;
            Ok(block.and_then(|block| match block.value(0) {
                Value::Text(text) => Some(text.into()),
                _ => None,
            }))
        }
        Kind::Float | Kind::Int | Kind::Bool => Ok(None),
    }
}
