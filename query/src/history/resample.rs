//! `resample(tags, from, to, step, aggregate… [, option => value …])`: one row an interval and
//! tag, empty intervals included.
//!
//! | argument | |
//! |---|---|
//! | `tags` | which tags (see `selection`) |
//! | `from`, `to` | the range; with `from` after `to` time flows backward |
//! | `step` | an interval or its text; null or `'0'`: the whole range is one interval |
//! | `aggregates` | names of OPC UA Part 13, as there or in SQL's spelling; `Average` without any |
//! | `timezone` | days and months are those of this zone |
//! | `stepped` | values hold until the next sample; without it, as the tag says |
//! | `treat_uncertain_as_bad`, `percent_data_bad`, `percent_data_good`, `use_sloped_extrapolation` | the standard's configuration: true, 100, 100, false |
//!
//! Columns: `tag`, `ts` (the start of the interval in the flow of time), and for each aggregate
//! its value, its StatusCode with historian bits (`…_quality`) and, where the value has a time of
//! its own, that (`…_ts`); `percent_good`, how much of the interval was good.
//!
//! *Source.* OPC 10000-13; see [`aggregate`](crate::aggregate).
//!
//! *Invariant.* Rows come by tag, then in the flow of time.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Float64Builder, Int64Builder, RecordBatch, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use tacitus_model::{Kind, Quality, Tag};
use tacitus_storage::Snapshot;

use super::argument::{Argument, Arguments, Signature};
use super::producer::{Piece, Producer, Rows, repeated, rows_between, stored};
use super::raw::{Nothing, steps};
use super::selection::select;
use super::series::{StoreSeries, TagSamples};
use super::step::{Intervals, Step};
use crate::aggregate::{Aggregate, Configuration, Interval, Output, Pass, Walk};
use crate::error::{QueryError, SqlState};
use crate::format::rfc3339;
use crate::limits::INTERVALS_AT_ONCE_MAX;
use crate::plant::Places;
use crate::relation::moment;
use crate::zone::Zone;

/// `Bad_AggregateInvalidInputs`: the aggregate is of numbers, and the tag has none.
const INVALID_INPUTS: Quality = Quality(0x80D6_0000);

const SIGNATURE: Signature = Signature {
    function: "resample",
    usage: super::USAGES[3].1,
    positions: &["tags", "from", "to", "step"],
    required: 4,
    rest: Some("aggregates"),
    options: &[
        "timezone",
        "stepped",
        "treat_uncertain_as_bad",
        "percent_data_bad",
        "percent_data_good",
        "use_sloped_extrapolation",
    ],
};

/// A call of `resample`.
#[derive(Debug)]
struct Resample {
    snapshot: Snapshot,
    tags: Vec<Arc<Tag>>,
    intervals: Intervals,
    from: i64,
    to: i64,
    work: Arc<Work>,
}

/// What is worked out of each tag.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) aggregates: Vec<Aggregate>,
    /// But for `stepped`, which a tag may decide.
    pub(super) configuration: Configuration,
    pub(super) stepped: Option<bool>,
    schema: SchemaRef,
}

/// Reads the arguments of a call.
pub(super) fn call(places: &Places, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    let arguments = Arguments::new(SIGNATURE, given)?;
    let aggregates = aggregates(&arguments, Aggregate::Average)?;
    let schema = schema(&aggregates);
    let configuration = configuration(&arguments)?;
    let work = Work { aggregates, configuration, stepped: arguments.fact("stepped")?, schema };
    let (from, to) = range(&arguments)?;
    let step = Step::new(arguments.interval("step")?)?;
    let intervals = Intervals::new(from, to, step, zone(&arguments)?);
    let tags = select(places, &arguments.texts("tags")?)?;
    let snapshot = places.snapshot().clone();
    Ok(Arc::new(Resample { snapshot, tags, intervals, from, to, work: Arc::new(work) }))
}

/// The aggregates of a call, each once.
pub(super) fn aggregates(arguments: &Arguments, usual: Aggregate) -> Result<Vec<Aggregate>> {
    let mut found = Vec::new();
    for name in arguments.rest("aggregates")? {
        let Some(aggregate) = aggregate_named(&name) else {
            let all: Vec<&str> = Aggregate::all().map(Aggregate::column).collect();
            let hint = match crate::error::nearest(&name, all.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there are: {}", all.join(", ")),
            };
            let what = arguments.invalid(format!("aggregate \"{name}\" does not exist"));
            return Err(what.with_hint(hint).into());
        };
        if !found.contains(&aggregate) {
            found.push(aggregate);
        }
    }
    if found.is_empty() {
        found.push(usual);
    }
    Ok(found)
}

/// The aggregate of a name of the standard's, or of SQL's where that says the same.
fn aggregate_named(name: &str) -> Option<Aggregate> {
    Aggregate::named(name).or_else(|| match name.to_ascii_lowercase().as_str() {
        "avg" => Some(Aggregate::Average),
        "min" => Some(Aggregate::Minimum),
        "max" => Some(Aggregate::Maximum),
        "stddev" => Some(Aggregate::StandardDeviationSample),
        "variance" => Some(Aggregate::VarianceSample),
        "transitions" => Some(Aggregate::NumberOfTransitions),
        _ => None,
    })
}

/// The ends of the range.
pub(super) fn range(arguments: &Arguments) -> Result<(i64, i64)> {
    if arguments.is_incomplete() {
        return Ok((0, 0));
    }
    let (Some(from), Some(to)) = (arguments.moment("from")?, arguments.moment("to")?) else {
        return Err(arguments.invalid("from and to cannot be null").into());
    };
    if from == to {
        let what = arguments.invalid("from and to are the same moment");
        return Err(what.with_hint("interpolate(tags, times) gives the value at a moment").into());
    }
    Ok((from, to))
}

/// The time zone of days and months.
pub(super) fn zone(arguments: &Arguments) -> Result<Zone> {
    arguments.text("timezone")?.map_or(Ok(Zone::Utc), Zone::named)
}

fn configuration(arguments: &Arguments) -> Result<Configuration> {
    let percent = |name: &str, usual: u8| -> Result<u8> {
        let Some(given) = arguments.whole(name)? else { return Ok(usual) };
        match u8::try_from(given) {
            Ok(percent) if percent <= 100 => Ok(percent),
            _ => Err(arguments.invalid(format!("{name} must be 0 to 100, not {given}")).into()),
        }
    };
    let standard = Configuration::STANDARD;
    let configuration = Configuration {
        treat_uncertain_as_bad: arguments.fact("treat_uncertain_as_bad")?.unwrap_or(true),
        percent_data_bad: percent("percent_data_bad", standard.percent_data_bad)?,
        percent_data_good: percent("percent_data_good", standard.percent_data_good)?,
        use_sloped_extrapolation: arguments.fact("use_sloped_extrapolation")?.unwrap_or(false),
        ..standard
    };
    if !configuration.is_consistent() {
        let what = "percent_data_good must be at least 100 - percent_data_bad";
        return Err(arguments.invalid(what).into());
    }
    Ok(configuration)
}

fn is_whole(aggregate: Aggregate) -> bool {
    use Aggregate as A;
    matches!(
        aggregate,
        A::Count | A::AnnotationCount | A::NumberOfTransitions | A::WorstQuality | A::WorstQuality2
    )
}

fn schema(aggregates: &[Aggregate]) -> SchemaRef {
    let mut fields =
        vec![Field::new("tag", DataType::Utf8View, false), Field::new("ts", moment(), false)];
    for aggregate in aggregates {
        let name = aggregate.column();
        let kind = if is_whole(*aggregate) { DataType::Int64 } else { DataType::Float64 };
        fields.push(Field::new(name, kind, true));
        fields.push(Field::new(format!("{name}_quality"), DataType::Int64, false));
        if aggregate.has_own_time() {
            fields.push(Field::new(format!("{name}_ts"), moment(), false));
        }
    }
    if !aggregates.contains(&Aggregate::PercentGood) {
        fields.push(Field::new("percent_good", DataType::Float64, true));
    }
    Arc::new(Schema::new(fields))
}

impl fmt::Display for Resample {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.work.aggregates.iter().map(|own| own.column()).collect();
        write!(out, "ResampleExec: tags={}, from={}", self.tags.len(), rfc3339(self.from))?;
        write!(out, ", to={}, aggregates=[{}]", rfc3339(self.to), names.join(", "))
    }
}

impl Producer for Resample {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.work.schema)
    }

    fn parts(&self) -> usize {
        self.tags.len()
    }

    fn open(&self, part: usize) -> Result<Box<dyn Rows>> {
        let Some(tag) = self.tags.get(part) else { return Ok(Box::new(Nothing)) };
        let samples = TagSamples::new(self.snapshot.clone(), Arc::clone(tag));
        Ok(Box::new(TagRows {
            outputs: IntervalOutputs::new(samples, self.intervals.clone(), Arc::clone(&self.work)),
        }))
    }

    fn rows_estimate(&self) -> Option<usize> {
        rows_between(&self.snapshot, &self.tags, self.from, self.to)
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        vec![("tag", false), ("ts", self.intervals.is_backward())]
    }
}

/// The outputs of a tag, some intervals at a time.
pub(super) struct IntervalOutputs {
    samples: TagSamples,
    intervals: Intervals,
    work: Arc<Work>,
    pass: Option<Pass<StoreSeries>>,
    gathered: Gathered,
}

/// Outputs of neighbouring intervals.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) intervals: Vec<Interval>,
    /// Those of an interval together.
    pub(super) outputs: Vec<Output>,
    pub(super) percents: Vec<Option<f64>>,
}

impl Work {
    /// Work that gives no rows of its own.
    pub(super) fn bare(aggregate: Aggregate) -> Self {
        Self {
            aggregates: vec![aggregate],
            configuration: Configuration::STANDARD,
            stepped: None,
            schema: Arc::new(Schema::empty()),
        }
    }

    fn walk(&self, tag: &Tag) -> Walk {
        let own = steps(tag);
        let stepped = match tag.definition.kind {
            Kind::Float | Kind::Int => self.stepped.unwrap_or(own),
            Kind::Bool | Kind::State | Kind::Text => own,
        };
        Walk::new(&self.aggregates, Configuration { stepped, ..self.configuration })
    }
}

impl IntervalOutputs {
    pub(super) fn new(samples: TagSamples, intervals: Intervals, work: Arc<Work>) -> Self {
        Self { samples, intervals, work, pass: None, gathered: Gathered::default() }
    }

    /// Does a piece of work: outputs in the flow of time, nothing yet, or the end.
    pub(super) fn piece(&mut self) -> Result<Option<Gathered>> {
        let Some(pass) = &mut self.pass else {
            let backward = self.intervals.is_backward();
            let mut next: Vec<Interval> =
                self.intervals.by_ref().take(INTERVALS_AT_ONCE_MAX).collect();
            if next.is_empty() {
                return Ok(None);
            }
            if backward {
                next.reverse();
            }
            let walk = self.work.walk(&self.samples.tag);
            let samples = self.samples.clone();
            let series = StoreSeries::open(samples, &next, walk.needs, &walk.configuration);
            self.pass = Some(walk.over(series.map_err(stored)?, next));
            return Ok(Some(Gathered::default()));
        };
        let gathered = &mut self.gathered;
        let row = |interval: &Interval, outputs: &[Output], percent| {
            gathered.intervals.push(*interval);
            gathered.outputs.extend_from_slice(outputs);
            gathered.percents.push(percent);
        };
        if pass.step(row).map_err(stored)? {
            return Ok(Some(Gathered::default()));
        }
        self.pass = None;
        let mut all = std::mem::take(&mut self.gathered);
        if self.intervals.is_backward() {
            all.turn(self.work.aggregates.len());
        }
        Ok(Some(all))
    }
}

impl Gathered {
    fn turn(&mut self, width: usize) {
        self.intervals.reverse();
        self.percents.reverse();
        self.outputs = self.outputs.rchunks(width).flatten().copied().collect();
    }
}

/// The rows of one tag.
struct TagRows {
    outputs: IntervalOutputs,
}

impl Rows for TagRows {
    fn piece(&mut self) -> Result<Piece> {
        match self.outputs.piece()? {
            None => Ok(Piece::End),
            Some(gathered) if gathered.intervals.is_empty() => Ok(Piece::More),
            Some(gathered) => Ok(Piece::Rows(self.batch(&gathered)?)),
        }
    }
}

impl TagRows {
    fn batch(&self, gathered: &Gathered) -> Result<RecordBatch> {
        let Work { aggregates, schema, .. } = self.outputs.work.as_ref();
        let rows = gathered.intervals.len();
        let definition = &self.outputs.samples.tag.definition;
        let times = gathered.intervals.iter().map(Interval::start).collect::<Vec<i64>>();
        let mut columns: Vec<ArrayRef> = vec![
            repeated(definition.path.as_str(), rows)?,
            Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
        ];
        for (at, aggregate) in aggregates.iter().enumerate() {
            let own = gathered.outputs.iter().skip(at).step_by(aggregates.len());
            let numeric = definition.kind != Kind::Text || !aggregate.is_numeric();
            push(&mut columns, *aggregate, own, numeric);
        }
        if !aggregates.contains(&Aggregate::PercentGood) {
            let percents = gathered.percents.iter().copied();
            columns.push(Arc::new(percents.collect::<Float64Array>()));
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

/// Adds the columns of one aggregate.
fn push<'a>(
    columns: &mut Vec<ArrayRef>,
    aggregate: Aggregate,
    outputs: impl Iterator<Item = &'a Output> + Clone,
    numeric: bool,
) {
    let value = |output: &Output| output.value.filter(|_| numeric);
    if is_whole(aggregate) {
        let mut whole = Int64Builder::new();
        #[expect(clippy::cast_possible_truncation, reason = "counts and codes below 2^53")]
        outputs.clone().for_each(|output| {
            whole.append_option(value(output).map(|number| number as i64));
        });
        columns.push(Arc::new(whole.finish()));
    } else {
        let mut numbers = Float64Builder::new();
        outputs.clone().for_each(|output| numbers.append_option(value(output)));
        columns.push(Arc::new(numbers.finish()));
    }
    let mut qualities = Int64Builder::new();
    for output in outputs.clone() {
        let refused = !numeric && output.value.is_some();
        let quality = if refused { INVALID_INPUTS } else { output.quality };
        qualities.append_value(i64::from(quality.0));
    }
    columns.push(Arc::new(qualities.finish()));
    if aggregate.has_own_time() {
        let times: Vec<i64> = outputs.map(|output| output.ts).collect();
        columns.push(Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")));
    }
}

/// An error for more of something than there may be.
pub(super) fn too_many(what: String) -> QueryError {
    QueryError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, what)
}
