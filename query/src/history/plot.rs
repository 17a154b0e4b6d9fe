//! `plot(tags, from, to, pixels)`: the samples that a trend of so many pixels shows.
//!
//! | argument | |
//! |---|---|
//! | `tags` | which tags (see `selection`) |
//! | `from`, `to` | the range, `from` before `to` |
//! | `pixels` | how many columns of pixels it has across; 1 to 100,000 |
//!
//! Of each column the first, the last, the least and the greatest good sample are given, as they
//! are and each once; of a first or last sample that is not good, a row without a value, so that
//! a line breaks there. The last sample before the range and the first after it complete the line.
//!
//! Columns: `tag`, `ts`, `value`, `good`: whether all samples of the column of pixels are,
//! `bound`: null, or `before` and `after` for the samples outside.
//!
//! Where a column of pixels holds many pages of samples, they are taken by their statistics and a
//! page across an edge counts on both sides: an envelope may then be one page wider, never
//! narrower. No extreme is ever missed.
//!
//! *Invariant.* Rows come by tag and time; every value is one of the samples.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, RecordBatch, StringViewBuilder,
    TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use tacitus_model::Tag;
use tacitus_storage::{Edges, Error, Snapshot, Statistics};

use super::argument::{Argument, Arguments, Signature};
use super::producer::{Piece, Producer, Rows, repeated, stored};
use super::raw::Nothing;
use super::resample::range;
use super::selection::select;
use super::series::TagSamples;
use crate::aggregate::{Class, Point};
use crate::limits::PIXELS_MAX;
use crate::plant::Places;
use crate::relation::moment;

const SIGNATURE: Signature = Signature {
    function: "plot",
    usage: super::USAGES[2].1,
    positions: &["tags", "from", "to", "pixels"],
    required: 4,
    rest: None,
    options: &[],
};

/// Pages of a column of pixels from which on edges are not read for exactness. LIMIT: an envelope
/// is wider by a quarter of a column at most.
const PAGES_PER_PIXEL_MIN: u64 = 4;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("tag", DataType::Utf8View, false),
        Field::new("ts", moment(), false),
        Field::new("value", DataType::Float64, true),
        Field::new("good", DataType::Boolean, false),
        Field::new("bound", DataType::Utf8View, true),
    ]))
});

/// A call of `plot`.
#[derive(Debug)]
struct Plot {
    snapshot: Snapshot,
    tags: Vec<Arc<Tag>>,
    /// The edges of the columns of pixels.
    edges: Arc<[i64]>,
}

/// Reads the arguments of a call.
pub(super) fn call(places: &Places, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    let arguments = Arguments::new(SIGNATURE, given)?;
    let (from, to) = range(&arguments)?;
    if from > to {
        return Err(arguments.invalid("from is after to").into());
    }
    let pixels = arguments.whole("pixels")?.unwrap_or(1);
    if !(1..=PIXELS_MAX).contains(&pixels) {
        let what = arguments.invalid(format!("pixels must be 1 to {PIXELS_MAX}, not {pixels}"));
        return Err(what.into());
    }
    let tags = select(places, &arguments.texts("tags")?)?;
    let snapshot = places.snapshot().clone();
    Ok(Arc::new(Plot { snapshot, tags, edges: edges(from, to, pixels).into() }))
}

/// The edges of columns of equal width, as far as nanoseconds go.
fn edges(from: i64, to: i64, pixels: i64) -> Vec<i64> {
    let (start, span) = (i128::from(from), i128::from(to) - i128::from(from));
    let edge = |at: i64| i64::try_from(start + span * i128::from(at) / i128::from(pixels));
    let mut edges: Vec<i64> = (0..=pixels).filter_map(|at| edge(at).ok()).collect();
    edges.dedup();
    edges
}

impl fmt::Display for Plot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pixels = self.edges.len().saturating_sub(1);
        write!(out, "PlotExec: tags={}, pixels={pixels}", self.tags.len())
    }
}

impl Producer for Plot {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn parts(&self) -> usize {
        self.tags.len()
    }

    fn open(&self, part: usize) -> Result<Box<dyn Rows>> {
        let Some(tag) = self.tags.get(part) else { return Ok(Box::new(Nothing)) };
        let samples = TagSamples::new(self.snapshot.clone(), Arc::clone(tag));
        if samples.extent().is_none() || self.edges.len() < 2 {
            return Ok(Box::new(Nothing));
        }
        Ok(Box::new(Trend { samples, edges: Arc::clone(&self.edges), done: false }))
    }

    fn rows_estimate(&self) -> Option<usize> {
        Some(self.tags.len().saturating_mul(self.edges.len()).saturating_mul(4))
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        vec![("tag", false), ("ts", false)]
    }
}

/// The trend of one tag.
struct Trend {
    samples: TagSamples,
    edges: Arc<[i64]>,
    done: bool,
}

/// A row of the trend.
#[derive(Debug, Clone, Copy)]
struct Mark {
    ts: i64,
    value: Option<f64>,
    good: bool,
    bound: Option<&'static str>,
}

impl Rows for Trend {
    fn piece(&mut self) -> Result<Piece> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(Piece::End);
        }
        let (Some(from), Some(to)) = (self.edges.first(), self.edges.last()) else {
            return Ok(Piece::End);
        };
        let windows = windows(&self.samples, &self.edges).map_err(stored)?;
        let mut marks = Vec::with_capacity(windows.len() * 4 + 2);
        let all = |_: &Point| true;
        let bound = |point: Point, bound| {
            let good = point.class() == Class::Good;
            Mark { ts: point.ts, value: good.then_some(point.number), good, bound: Some(bound) }
        };
        if self.samples.at(*from).map_err(stored)?.is_none() {
            let before = self.samples.last(*from, &all).map_err(stored)?;
            marks.extend(before.map(|point| bound(point, "before")));
        }
        windows.iter().for_each(|window| mark(window, &mut marks));
        let after = self.samples.first(*to, &all).map_err(stored)?;
        marks.extend(after.map(|point| bound(point, "after")));
        // A page across an edge is marked in both columns.
        marks.sort_by_key(|mark| (mark.ts, mark.bound.is_some()));
        marks.dedup_by_key(|mark| mark.ts);
        Ok(Piece::Rows(batch(self.samples.tag.definition.path.as_str(), &marks)?))
    }
}

/// What a column of pixels shows.
fn mark(window: &Statistics, marks: &mut Vec<Mark>) {
    if window.rows == 0 {
        return;
    }
    let good = window.is_pure();
    let mut add = |ts, value: f64| {
        let value = value.is_finite().then_some(value);
        marks.push(Mark { ts, value, good, bound: None });
    };
    add(window.first_ns, window.first);
    if window.values > 0 {
        add(window.min_ns, window.min);
        add(window.max_ns, window.max);
    }
    add(window.last_ns, window.last);
}

/// The statistics of each column of pixels.
fn windows(samples: &TagSamples, edges: &[i64]) -> Result<Vec<Statistics>, Error> {
    let id = samples.tag.id;
    let rough = samples.snapshot.aggregate(id, edges, Edges::Plot)?;
    let pixels = rough.statistics.iter().filter(|window| window.rows > 0).count() as u64;
    if rough.pages_known < pixels * PAGES_PER_PIXEL_MIN {
        return Ok(samples.snapshot.aggregate(id, edges, Edges::Exact)?.statistics);
    }
    let mut windows = rough.statistics;
    // Where a page is longer than a column is wide, its columns are read.
    let mut from = 0;
    while let Some(window) = windows.get(from) {
        let until = from + windows.iter().skip(from).take_while(|own| *own == window).count();
        if window.rows > 0 && until - from > 1 {
            let own = edges.get(from..=until).unwrap_or_default();
            let exact = samples.snapshot.aggregate(id, own, Edges::Exact)?.statistics;
            let coarse = windows.iter_mut().skip(from);
            coarse.zip(exact).for_each(|(coarse, exact)| *coarse = exact);
        }
        from = until.max(from + 1);
    }
    Ok(windows)
}

fn batch(path: &str, marks: &[Mark]) -> Result<RecordBatch> {
    let mut values = Float64Builder::with_capacity(marks.len());
    let mut good = BooleanBuilder::with_capacity(marks.len());
    let mut bounds = StringViewBuilder::with_capacity(marks.len());
    for mark in marks {
        values.append_option(mark.value);
        good.append_value(mark.good);
        bounds.append_option(mark.bound);
    }
    let times: Vec<i64> = marks.iter().map(|mark| mark.ts).collect();
    let columns: Vec<ArrayRef> = vec![
        repeated(path, marks.len())?,
        Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
        Arc::new(values.finish()),
        Arc::new(good.finish()),
        Arc::new(bounds.finish()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}
