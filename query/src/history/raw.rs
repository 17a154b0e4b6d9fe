//! `history(tags, from, to [, bounds])`: samples as they are, with bounding values.
//!
//! | argument | |
//! |---|---|
//! | `tags` | which tags (see `selection`) |
//! | `from`, `to` | times; null: from the first, to the last sample. With `from` after `to`, samples come from later to earlier |
//! | `bounds` | `'outside'` (default): the last sample before and the first one after; `'interpolated'`: the values at `from` and `to`; `'inside'`: none |
//!
//! Columns: those of `samples`, and `bound`: null for a sample in the range, else `before`,
//! `after` (outside) or `from`, `to` (interpolated).
//!
//! *Source.* OPC 10000-11, 6.5.3 (bounding values of a raw read): the earlier end belongs to the
//! range and the later one does not, the other way round backward; a sample at the end that
//! belongs to the range is its own bound.
//!
//! *Invariant.* Rows come by tag, then in the flow of time, bounds in their place.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampNanosecondArray, UInt32Array, new_null_array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use tacitus_model::Tag;
use tacitus_storage::{Block, Snapshot, TagScan};

use super::argument::{Argument, Arguments, Signature};
use super::producer::{Piece, Producer, Rows, rows_between, stored};
use super::selection::select;
use super::series::TagSamples;
use crate::aggregate::{Aggregate, Configuration, Interval, Output, Point, Walk};
use crate::format::rfc3339;
use crate::plant::Places;
use crate::relation::SampleColumn;
use crate::scan::TagColumns;

const SIGNATURE: Signature = Signature {
    function: "history",
    usage: super::USAGES[0].1,
    positions: &["tags", "from", "to", "bounds"],
    required: 3,
    rest: None,
    options: &[],
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = SampleColumn::ALL.map(SampleColumn::field).to_vec();
    fields.push(Field::new("bound", DataType::Utf8View, true));
    Arc::new(Schema::new(fields))
});

/// Which bounding values are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bounds {
    Inside,
    Outside,
    Interpolated,
}

/// A call of `history`.
#[derive(Debug)]
struct History {
    snapshot: Snapshot,
    tags: Vec<Arc<Tag>>,
    from: Option<i64>,
    to: Option<i64>,
    bounds: Bounds,
}

/// Reads the arguments of a call.
pub(super) fn call(places: &Places, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    let arguments = Arguments::new(SIGNATURE, given)?;
    let bounds = match arguments.text("bounds")? {
        None | Some("outside") => Bounds::Outside,
        Some("inside") => Bounds::Inside,
        Some("interpolated") => Bounds::Interpolated,
        Some(other) => {
            let what = arguments.invalid(format!("bounds cannot be \"{other}\""));
            return Err(what.with_hint("there are: inside, outside, interpolated").into());
        }
    };
    let tags = select(places, &arguments.texts("tags")?)?;
    let (from, to) = (arguments.moment("from")?, arguments.moment("to")?);
    let snapshot = places.snapshot().clone();
    Ok(Arc::new(History { snapshot, tags, from, to, bounds }))
}

impl fmt::Display for History {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HistoryExec: tags={}", self.tags.len())?;
        self.from.map_or(Ok(()), |from| write!(out, ", from={}", rfc3339(from)))?;
        self.to.map_or(Ok(()), |to| write!(out, ", to={}", rfc3339(to)))
    }
}

impl History {
    fn is_backward(&self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if from > to)
    }
}

impl Producer for History {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn parts(&self) -> usize {
        self.tags.len()
    }

    fn open(&self, part: usize) -> Result<Box<dyn Rows>> {
        let Some(tag) = self.tags.get(part) else { return Ok(Box::new(Nothing)) };
        let samples = TagSamples::new(self.snapshot.clone(), Arc::clone(tag));
        let Some((first, last)) = samples.extent() else { return Ok(Box::new(Nothing)) };
        let backward = self.is_backward();
        let (low, high) = if backward { (self.to, self.from) } else { (self.from, self.to) };
        // The samples of the range, both ends included.
        let range = if backward {
            (low.map_or(first, |low| low.saturating_add(1)), high.unwrap_or(last))
        } else if low.is_some() && low == high {
            // A range without length is the moment itself.
            (low.unwrap_or(first), high.unwrap_or(last))
        } else {
            (low.unwrap_or(first), high.map_or(last, |high| high.saturating_sub(1)))
        };
        let rows = TagHistory {
            columns: TagColumns::new(tag),
            samples,
            ends: (low, high),
            range,
            bounds: self.bounds,
            backward,
            phase: Phase::Begin,
        };
        Ok(Box::new(rows))
    }

    fn rows_estimate(&self) -> Option<usize> {
        let (from, to) = (self.from.unwrap_or(i64::MIN), self.to.unwrap_or(i64::MAX));
        rows_between(&self.snapshot, &self.tags, from, to)
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        vec![("tag", false), ("ts", self.is_backward())]
    }
}

/// A part without rows.
pub(super) struct Nothing;

impl Rows for Nothing {
    fn piece(&mut self) -> Result<Piece> {
        Ok(Piece::End)
    }
}

/// Where the rows of a tag have come to.
enum Phase {
    Begin,
    Forward(Box<TagScan>),
    /// The last time that was not read yet, and how wide the next piece of time is.
    Backward(i64, i64),
    Finish,
    Over,
}

/// The rows of one tag.
struct TagHistory {
    samples: TagSamples,
    columns: TagColumns,
    /// The earlier and the later end of the range.
    ends: (Option<i64>, Option<i64>),
    /// The first and the last time of samples in it.
    range: (i64, i64),
    bounds: Bounds,
    backward: bool,
    phase: Phase,
}

impl Rows for TagHistory {
    fn piece(&mut self) -> Result<Piece> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Begin => {
                self.phase = if self.backward {
                    Phase::Backward(self.range.1, FIRST_WIDTH_NS)
                } else {
                    Phase::Forward(Box::new(self.samples.scan(self.range.0, self.range.1)))
                };
                self.bound(self.backward)
            }
            Phase::Forward(mut scan) => {
                let Some(block) = scan.next() else {
                    self.phase = Phase::Finish;
                    return Ok(Piece::More);
                };
                let rows = self.rows(&block.map_err(stored)?, None)?;
                self.phase = Phase::Forward(scan);
                Ok(Piece::Rows(rows))
            }
            Phase::Backward(end, width_ns) => self.earlier(end, width_ns),
            Phase::Finish => self.bound(!self.backward),
            Phase::Over => Ok(Piece::End),
        }
    }
}

/// The first piece of time that a backward read looks at.
const FIRST_WIDTH_NS: i64 = 1_000_000_000;
/// Rows of a piece of time between which its width is left as it is. LIMIT: a piece is held in
/// memory until it is turned round.
const PIECE_ROWS: std::ops::Range<usize> = 2048..16_384;

impl TagHistory {
    /// The columns of a block.
    fn rows(&self, block: &Block, bound: Option<&str>) -> Result<RecordBatch> {
        let mut columns = SampleColumn::ALL
            .into_iter()
            .map(|column| self.columns.column(column, block))
            .collect::<Result<Vec<ArrayRef>>>()?;
        columns.push(match bound {
            Some(bound) => Arc::new(StringViewArray::from(vec![bound; block.len()])),
            None => new_null_array(&DataType::Utf8View, block.len()),
        });
        Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
    }

    /// The next piece of time of a backward read.
    fn earlier(&mut self, end: i64, width_ns: i64) -> Result<Piece> {
        let first = self.range.0;
        if end < first {
            self.phase = Phase::Finish;
            return Ok(Piece::More);
        }
        let begin = end.saturating_sub(width_ns).max(first);
        let blocks: Result<Vec<Block>, _> = self.samples.scan(begin, end).collect();
        let blocks = blocks.map_err(stored)?;
        let count: usize = blocks.iter().map(Block::len).sum();
        let width_ns = if count < PIECE_ROWS.start {
            width_ns.saturating_mul(4)
        } else if count > PIECE_ROWS.end {
            (width_ns / 4).max(1)
        } else {
            width_ns
        };
        self.phase = match begin.checked_sub(1) {
            Some(end) if begin > first => Phase::Backward(end, width_ns),
            _ => Phase::Finish,
        };
        let batches: Result<Vec<RecordBatch>> =
            blocks.iter().map(|block| self.rows(block, None)).collect();
        let all = arrow::compute::concat_batches(&SCHEMA, &batches?)?;
        let turned: UInt32Array =
            (0..u32::try_from(all.num_rows()).unwrap_or(u32::MAX)).rev().collect();
        Ok(Piece::Rows(take_record_batch(&all, &turned)?))
    }

    /// The bounding value at the later or the earlier end.
    fn bound(&self, later: bool) -> Result<Piece> {
        let end = if later { self.ends.1 } else { self.ends.0 };
        let (Some(end), true) = (end, self.bounds != Bounds::Inside) else {
            return Ok(Piece::More);
        };
        // A sample at the end that belongs to the range is there already.
        let inside = self.range.0 <= end && end <= self.range.1;
        if inside && self.samples.at(end).map_err(stored)?.is_some() {
            return Ok(Piece::More);
        }
        if self.bounds == Bounds::Interpolated {
            if later && self.ends.0 == self.ends.1 {
                return Ok(Piece::More);
            }
            return self.value_at(end, if later == self.backward { "from" } else { "to" });
        }
        let all = |_: &Point| true;
        let found = if later {
            self.samples.first(end, &all)
        } else {
            self.samples.last(end.saturating_add(i64::from(!inside)), &all)
        };
        let Some(found) = found.map_err(stored)? else { return Ok(Piece::More) };
        self.sample(found.ts, if later { "after" } else { "before" })
    }

    /// The sample at a time, as a row.
    fn sample(&self, ts: i64, bound: &str) -> Result<Piece> {
        match self.samples.scan(ts, ts).next() {
            Some(block) => Ok(Piece::Rows(self.rows(&block.map_err(stored)?, Some(bound))?)),
            None => Ok(Piece::More),
        }
    }

    /// The value at a time where no sample of the range lies.
    fn value_at(&self, ts: i64, bound: &str) -> Result<Piece> {
        let Some(output) = value_at(&self.samples, ts)? else { return Ok(Piece::More) };
        let Some(value) = output.value else { return Ok(Piece::More) };
        let held = self.samples.last(ts.saturating_add(1), &usable).map_err(stored)?;
        let held =
            held.map(|held| self.samples.scan(held.ts, held.ts).next()).and_then(|block| block);
        let (mut whole, mut text) =
            (new_null_array(&DataType::Int64, 1), new_null_array(&DataType::Utf8View, 1));
        let mut number: ArrayRef = Arc::new(Float64Array::from(vec![value]));
        if let Some(block) = held.filter(|_| steps(&self.samples.tag)) {
            let block = block.map_err(stored)?;
            number = self.columns.column(SampleColumn::Value, &block)?;
            whole = self.columns.column(SampleColumn::ValueInt, &block)?;
            text = self.columns.column(SampleColumn::Text, &block)?;
        }
        let path = self.samples.tag.definition.path.as_str();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from(vec![path])),
            Arc::new(TimestampNanosecondArray::from(vec![ts]).with_timezone("UTC")),
            number,
            whole,
            text,
            Arc::new(Int64Array::from(vec![i64::from(output.quality.0)])),
            Arc::new(BooleanArray::from(vec![output.quality.is_good()])),
            Arc::new(StringViewArray::from(vec![bound])),
        ];
        Ok(Piece::Rows(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?))
    }
}

fn usable(point: &Point) -> bool {
    point.is_usable(&Configuration::STANDARD)
}

/// Whether a tag's values hold until the next: the kinds that no line leads between always do.
pub(super) fn steps(tag: &Tag) -> bool {
    use tacitus_model::Kind;
    match tag.definition.kind {
        Kind::Float | Kind::Int => tag.definition.step,
        Kind::Bool | Kind::State | Kind::Text => true,
    }
}

/// The interpolated value of a tag at a time, as the standard's *Interpolative* has it.
pub(super) fn value_at(samples: &TagSamples, ts: i64) -> Result<Option<Output>> {
    let Some(after) = ts.checked_add(1) else { return Ok(None) };
    let interval = Interval { low: ts, high: after, backward: false, shortened: false };
    let configuration = Configuration { stepped: steps(&samples.tag), ..Configuration::STANDARD };
    let walk = Walk::new(&[Aggregate::Interpolative], configuration);
    let series = super::series::StoreSeries::open(
        samples.clone(),
        &[interval],
        walk.needs,
        &walk.configuration,
    );
    let mut pass = walk.over(series.map_err(stored)?, vec![interval]);
    let mut found = None;
    while found.is_none()
        && pass.step(|_, outputs, _| found = outputs.first().copied()).map_err(stored)?
    {}
    Ok(found)
}
