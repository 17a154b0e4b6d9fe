//! `wide(tags, from, to, step [, aggregate])`: one row a time, one column a tag.
//!
//! | argument | |
//! |---|---|
//! | `tags` | which tags (see `selection`); each becomes a column of its path, in the order of the paths |
//! | `from`, `to`, `step` | without an aggregate, times as `interpolate` has them; with one, intervals as `resample` has them |
//! | `aggregate` | one aggregate of `resample`; without it, the value at each time |
//! | `timezone` | days and months are those of this zone |
//!
//! Columns: `ts`, then the tags. Numbers are doubles, values of text tags texts, of state tags the
//! names of states; a value that is bad is null.
//!
//! *Invariant.* All tags have the same times.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Builder, RecordBatch, StringViewBuilder, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use tacitus_model::{Kind, Tag};
use tacitus_storage::Snapshot;

use super::argument::{Argument, Arguments, Signature};
use super::interpolate::{moments, text_at};
use super::producer::{Piece, Producer, Rows, rows_between};
use super::resample::{Gathered, IntervalOutputs, Work, aggregates, range, too_many, zone};
use super::selection::select;
use super::series::TagSamples;
use super::step::{Intervals, Step};
use crate::aggregate::{Aggregate, Interval};
use crate::limits::WIDE_TAGS_MAX;
use crate::plant::Places;
use crate::relation::moment;

const SIGNATURE: Signature = Signature {
    function: "wide",
    usage: super::USAGES[4].1,
    positions: &["tags", "from", "to", "step"],
    required: 1,
    rest: Some("aggregates"),
    options: &["times", "timezone"],
};

/// A call of `wide`.
#[derive(Debug)]
struct Wide {
    snapshot: Snapshot,
    tags: Vec<Arc<Tag>>,
    intervals: Intervals,
    work: Arc<Work>,
    schema: SchemaRef,
}

/// Reads the arguments of a call.
pub(super) fn call(places: &Places, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    let arguments = Arguments::new(SIGNATURE, given)?;
    let tags = select(places, &arguments.texts("tags")?)?;
    if tags.len() > WIDE_TAGS_MAX {
        let what = format!("{} tags are more than {WIDE_TAGS_MAX} columns", tags.len());
        return Err(too_many(what).with_hint("interpolate gives a row for each tag").into());
    }
    let chosen = aggregates(&arguments, Aggregate::Interpolative)?;
    let &[aggregate] = chosen.as_slice() else {
        return Err(arguments.invalid("one column holds one aggregate").into());
    };
    let intervals = if aggregate == Aggregate::Interpolative {
        moments(&arguments)?
    } else {
        let (from, to) = range(&arguments)?;
        Intervals::new(from, to, Step::new(arguments.interval("step")?)?, zone(&arguments)?)
    };
    let work = Arc::new(Work::bare(aggregate));
    let schema = schema(&tags, aggregate);
    let snapshot = places.snapshot().clone();
    Ok(Arc::new(Wide { snapshot, tags, intervals, work, schema }))
}

/// Whether a column holds texts.
fn is_textual(tag: &Tag, aggregate: Aggregate) -> bool {
    use Aggregate as A;
    let value = matches!(aggregate, A::Interpolative | A::StartBound | A::Start | A::End);
    value && matches!(tag.definition.kind, Kind::Text | Kind::State)
}

fn schema(tags: &[Arc<Tag>], aggregate: Aggregate) -> SchemaRef {
    let mut fields = vec![Field::new("ts", moment(), false)];
    fields.extend(tags.iter().map(|tag| {
        let textual = is_textual(tag, aggregate);
        let kind = if textual { DataType::Utf8View } else { DataType::Float64 };
        Field::new(tag.definition.path.as_str(), kind, true)
    }));
    Arc::new(Schema::new(fields))
}

impl fmt::Display for Wide {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "WideExec: tags={}", self.tags.len())
    }
}

impl Producer for Wide {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn parts(&self) -> usize {
        usize::from(!self.tags.is_empty())
    }

    fn open(&self, _: usize) -> Result<Box<dyn Rows>> {
        let outputs = self.tags.iter().map(|tag| {
            let samples = TagSamples::new(self.snapshot.clone(), Arc::clone(tag));
            let work = Arc::clone(&self.work);
            (samples.clone(), IntervalOutputs::new(samples, self.intervals.clone(), work))
        });
        let aggregate = self.work.aggregates.first().copied().unwrap_or(Aggregate::Interpolative);
        Ok(Box::new(Columns {
            outputs: outputs.collect(),
            aggregate,
            schema: Arc::clone(&self.schema),
            times: Vec::new(),
            done: Vec::new(),
        }))
    }

    fn rows_estimate(&self) -> Option<usize> {
        let (from, to) = self.intervals.ends();
        rows_between(&self.snapshot, &self.tags, from, to)
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        vec![("ts", self.intervals.is_backward())]
    }
}

/// The columns of all tags, as far as they have come.
struct Columns {
    outputs: Vec<(TagSamples, IntervalOutputs)>,
    aggregate: Aggregate,
    schema: SchemaRef,
    /// The times of the rows that are being worked out.
    times: Vec<i64>,
    /// Their columns so far.
    done: Vec<ArrayRef>,
}

impl Rows for Columns {
    fn piece(&mut self) -> Result<Piece> {
        let Some((samples, outputs)) = self.outputs.get_mut(self.done.len()) else {
            let times = std::mem::take(&mut self.times);
            let mut columns: Vec<ArrayRef> =
                vec![Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))];
            columns.append(&mut self.done);
            return Ok(Piece::Rows(RecordBatch::try_new(Arc::clone(&self.schema), columns)?));
        };
        match outputs.piece()? {
            None => Ok(Piece::End),
            Some(gathered) if gathered.intervals.is_empty() => Ok(Piece::More),
            Some(gathered) => {
                let column = column(samples, &gathered, self.aggregate)?;
                self.times = gathered.intervals.iter().map(Interval::start).collect();
                self.done.push(column);
                Ok(Piece::More)
            }
        }
    }
}

/// The column of one tag.
fn column(samples: &TagSamples, gathered: &Gathered, aggregate: Aggregate) -> Result<ArrayRef> {
    let tag = &samples.tag;
    let rows = gathered.outputs.len();
    if is_textual(tag, aggregate) {
        let mut texts = StringViewBuilder::with_capacity(rows);
        for output in &gathered.outputs {
            texts.append_option(text_at(samples, output.ts, output.value)?);
        }
        return Ok(Arc::new(texts.finish()));
    }
    let numeric = tag.definition.kind != Kind::Text || !aggregate.is_numeric();
    let mut numbers = Float64Builder::with_capacity(rows);
    for output in &gathered.outputs {
        numbers.append_option(output.value.filter(|_| numeric));
    }
    Ok(Arc::new(numbers.finish()))
}
