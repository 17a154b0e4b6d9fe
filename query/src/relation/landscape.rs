//! What is around the store; and the relations `collectors`, `sources`, `gaps`, `refusals` and
//! `forwards`: what brings samples here, by which clocks, when nothing came, what could not be kept,
//! and what goes on to other servers.
//!
//! *Invariant.* All of it is of now: rows come from whoever runs the collectors and keeps the
//! plant, and a session that nobody gave these has relations without rows.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use tacitus_model::{TimeRange, Timestamp};

use super::moment;
use super::occurrence::{AnnotationRow, EventRow};
use crate::plant::Plant;

/// What is around the store.
pub trait Landscape: fmt::Debug + Send + Sync {
    /// Every collector.
    fn collectors(&self) -> Vec<CollectorRow>;

    /// The ledger of gaps, the oldest first.
    fn gaps(&self) -> Vec<GapRow>;

    /// Every forwarder.
    fn forwards(&self) -> Vec<ForwardRow>;

    /// How far the clocks of sources can be trusted.
    fn sources(&self) -> Vec<SourceRow>;

    /// What could not be kept lately, the newest first.
    fn refusals(&self) -> Vec<RefusalRow>;

    /// Assets and calendars.
    fn plant(&self) -> Arc<Plant>;

    /// The events that start in one range and end in another, or have no end; and perhaps more.
    fn events(&self, starts: TimeRange, ends: TimeRange) -> Vec<EventRow>;

    /// The annotations that start in one range and end in another; and perhaps more.
    fn annotations(&self, starts: TimeRange, ends: TimeRange) -> Vec<AnnotationRow>;
}

/// A row of `collectors`.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectorRow {
    /// Its name.
    pub name: String,
    /// The word of its kind.
    pub kind: String,
    /// Who said that it shall be: `configuration` or `definition`.
    pub origin: &'static str,
    /// What its tags name as their source.
    pub source: String,
    /// The address of its device.
    pub endpoint: String,
    /// Where it is in its life.
    pub state: &'static str,
    /// Items that are watched.
    pub items_good: u64,
    /// Items that are not.
    pub items_failed: u64,
    /// Values a second, lately.
    pub rate: f64,
    /// Values received.
    pub values: u64,
    /// The time of the last sample.
    pub last_ts: Option<Timestamp>,
    /// How much later than its time it arrived, in seconds.
    pub lag: Option<f64>,
    /// By how much the device's clock is ahead, in seconds.
    pub skew: Option<f64>,
    /// Since when it is connected.
    pub connected_since: Option<Timestamp>,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
}

/// A row of `gaps`.
#[derive(Debug, Clone, PartialEq)]
pub struct GapRow {
    /// Its number.
    pub id: u64,
    /// The source of the tags.
    pub source: String,
    /// The tags, as a JSON list; `None`: all of the source.
    pub tags: Option<String>,
    /// Since when nothing came.
    pub from: Timestamp,
    /// Until when; `None` while it lasts.
    pub to: Option<Timestamp>,
    /// Why: `network`, …
    pub cause: &'static str,
    /// What became of it: `open`, `back_filled` or `lost`.
    pub state: &'static str,
    /// Samples that were fetched for it.
    pub recovered: u64,
}

/// A row of `forwards`.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardRow {
    /// Its name.
    pub name: String,
    /// Who said that it shall be: `configuration` or `definition`.
    pub origin: &'static str,
    /// The upstream.
    pub url: String,
    /// Where it is in its life.
    pub state: &'static str,
    /// The last sequence that the upstream has with all before it.
    pub cursor: u64,
    /// Samples that wait, about.
    pub backlog_samples: u64,
    /// The bytes these take here, about.
    pub backlog_bytes: u64,
    /// The time of the oldest sample that waits.
    pub oldest: Option<Timestamp>,
    /// How old that is, in seconds; 0 where nothing waits.
    pub lag: f64,
    /// Samples a second, lately.
    pub rate: f64,
    /// Samples sent.
    pub samples: u64,
    /// Samples that the upstream refused.
    pub refused: u64,
    /// Samples that were given up.
    pub lost: u64,
    /// Since when it is connected.
    pub connected_since: Option<Timestamp>,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
}

/// A row of `sources`.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRow {
    /// Its name: `mqtt:CLIENT`, `opcua:NAME`, `server`.
    pub source: String,
    /// `trusted`, `ahead`, `behind`, `jumping` or `untimed`.
    pub state: &'static str,
    /// When something arrived last.
    pub last_arrival: Timestamp,
    /// The newest time in it; `None` where there was never one.
    pub last: Option<Timestamp>,
    /// By how many seconds times lie before arrivals; negative: its clock is ahead.
    pub skew: Option<f64>,
    /// How far single ones are from that.
    pub jitter: Option<f64>,
    /// How often the skew changed at once.
    pub jumps: u64,
    /// When it did last.
    pub jumped_at: Option<Timestamp>,
    /// The skew before that, in seconds.
    pub jumped_from: Option<f64>,
    /// The skew after that, in seconds.
    pub jumped_to: Option<f64>,
}

/// A row of `refusals`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRow {
    /// When.
    pub at: Timestamp,
    /// Who sent it.
    pub source: String,
    /// The topic, path or line it came under.
    pub name: String,
    /// The word of the reason, as it is counted.
    pub code: &'static str,
    /// Why it was refused.
    pub reason: String,
    /// The beginning of what came, escaped.
    pub payload: String,
    /// How often that reason was given since the start.
    pub count: u64,
}

/// The columns of `collectors`.
pub(super) static COLLECTORS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        text("name", false),
        text("kind", false),
        text("origin", false),
        text("source", false),
        text("endpoint", false),
        text("state", false),
        Field::new("items_good", DataType::Int64, false),
        Field::new("items_failed", DataType::Int64, false),
        Field::new("rate", DataType::Float64, false),
        Field::new("values_total", DataType::Int64, false),
        Field::new("last_ts", moment(), true),
        Field::new("lag", DataType::Float64, true),
        Field::new("skew", DataType::Float64, true),
        Field::new("connected_since", moment(), true),
        text("last_error", true),
        Field::new("last_error_at", moment(), true),
    ]))
});

/// The columns of `gaps`.
pub(super) static GAPS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        text("source", false),
        text("tags", true),
        Field::new("from_ts", moment(), false),
        Field::new("to_ts", moment(), true),
        text("cause", false),
        text("state", false),
        Field::new("recovered", DataType::Int64, false),
    ]))
});

/// The columns of `forwards`.
pub(super) static FORWARDS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        text("name", false),
        text("origin", false),
        text("url", false),
        text("state", false),
        Field::new("cursor", DataType::Int64, false),
        Field::new("backlog_samples", DataType::Int64, false),
        Field::new("backlog_bytes", DataType::Int64, false),
        Field::new("oldest_ts", moment(), true),
        Field::new("lag", DataType::Float64, false),
        Field::new("rate", DataType::Float64, false),
        Field::new("samples_total", DataType::Int64, false),
        Field::new("refused_total", DataType::Int64, false),
        Field::new("lost_samples", DataType::Int64, false),
        Field::new("connected_since", moment(), true),
        text("last_error", true),
        Field::new("last_error_at", moment(), true),
    ]))
});

pub(super) fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8View, nullable)
}

/// The relation `collectors`.
pub(super) fn collectors(landscape: Option<&dyn Landscape>) -> Result<Arc<dyn TableProvider>> {
    let rows = landscape.map(Landscape::collectors).unwrap_or_default();
    let columns = vec![
        texts(rows.iter().map(|row| Some(&*row.name))),
        texts(rows.iter().map(|row| Some(&*row.kind))),
        texts(rows.iter().map(|row| Some(row.origin))),
        texts(rows.iter().map(|row| Some(&*row.source))),
        texts(rows.iter().map(|row| Some(&*row.endpoint))),
        texts(rows.iter().map(|row| Some(row.state))),
        wholes(rows.iter().map(|row| row.items_good)),
        wholes(rows.iter().map(|row| row.items_failed)),
        numbers(rows.iter().map(|row| Some(row.rate))),
        wholes(rows.iter().map(|row| row.values)),
        moments(rows.iter().map(|row| row.last_ts)),
        numbers(rows.iter().map(|row| row.lag)),
        numbers(rows.iter().map(|row| row.skew)),
        moments(rows.iter().map(|row| row.connected_since)),
        texts(rows.iter().map(|row| row.last_error.as_deref())),
        moments(rows.iter().map(|row| row.last_error_at)),
    ];
    table(&COLLECTORS, columns)
}

/// The relation `gaps`.
pub(super) fn gaps(landscape: Option<&dyn Landscape>) -> Result<Arc<dyn TableProvider>> {
    let rows = landscape.map(Landscape::gaps).unwrap_or_default();
    let columns = vec![
        wholes(rows.iter().map(|row| row.id)),
        texts(rows.iter().map(|row| Some(&*row.source))),
        texts(rows.iter().map(|row| row.tags.as_deref())),
        moments(rows.iter().map(|row| Some(row.from))),
        moments(rows.iter().map(|row| row.to)),
        texts(rows.iter().map(|row| Some(row.cause))),
        texts(rows.iter().map(|row| Some(row.state))),
        wholes(rows.iter().map(|row| row.recovered)),
    ];
    table(&GAPS, columns)
}

/// The columns of `sources`.
pub(super) static SOURCES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        text("source", false),
        text("state", false),
        Field::new("last_arrival_ts", moment(), false),
        Field::new("last_ts", moment(), true),
        Field::new("skew", DataType::Float64, true),
        Field::new("jitter", DataType::Float64, true),
        Field::new("jumps", DataType::Int64, false),
        Field::new("last_jump_ts", moment(), true),
        Field::new("last_jump_from", DataType::Float64, true),
        Field::new("last_jump_to", DataType::Float64, true),
    ]))
});

/// The relation `sources`.
pub(super) fn sources(landscape: Option<&dyn Landscape>) -> Result<Arc<dyn TableProvider>> {
    let rows = landscape.map(Landscape::sources).unwrap_or_default();
    let columns = vec![
        texts(rows.iter().map(|row| Some(&*row.source))),
        texts(rows.iter().map(|row| Some(row.state))),
        moments(rows.iter().map(|row| Some(row.last_arrival))),
        moments(rows.iter().map(|row| row.last)),
        numbers(rows.iter().map(|row| row.skew)),
        numbers(rows.iter().map(|row| row.jitter)),
        wholes(rows.iter().map(|row| row.jumps)),
        moments(rows.iter().map(|row| row.jumped_at)),
        numbers(rows.iter().map(|row| row.jumped_from)),
        numbers(rows.iter().map(|row| row.jumped_to)),
    ];
    table(&SOURCES, columns)
}

/// The columns of `refusals`.
pub(super) static REFUSALS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("ts", moment(), false),
        text("source", false),
        text("name", false),
        text("code", false),
        text("reason", false),
        text("payload", false),
        Field::new("code_total", DataType::Int64, false),
    ]))
});

/// The relation `refusals`.
pub(super) fn refusals(landscape: Option<&dyn Landscape>) -> Result<Arc<dyn TableProvider>> {
    let rows = landscape.map(Landscape::refusals).unwrap_or_default();
    let columns = vec![
        moments(rows.iter().map(|row| Some(row.at))),
        texts(rows.iter().map(|row| Some(&*row.source))),
        texts(rows.iter().map(|row| Some(&*row.name))),
        texts(rows.iter().map(|row| Some(row.code))),
        texts(rows.iter().map(|row| Some(&*row.reason))),
        texts(rows.iter().map(|row| Some(&*row.payload))),
        wholes(rows.iter().map(|row| row.count)),
    ];
    table(&REFUSALS, columns)
}

/// The relation `forwards`.
pub(super) fn forwards(landscape: Option<&dyn Landscape>) -> Result<Arc<dyn TableProvider>> {
    let rows = landscape.map(Landscape::forwards).unwrap_or_default();
    let columns = vec![
        texts(rows.iter().map(|row| Some(&*row.name))),
        texts(rows.iter().map(|row| Some(row.origin))),
        texts(rows.iter().map(|row| Some(&*row.url))),
        texts(rows.iter().map(|row| Some(row.state))),
        wholes(rows.iter().map(|row| row.cursor)),
        wholes(rows.iter().map(|row| row.backlog_samples)),
        wholes(rows.iter().map(|row| row.backlog_bytes)),
        moments(rows.iter().map(|row| row.oldest)),
        numbers(rows.iter().map(|row| Some(row.lag))),
        numbers(rows.iter().map(|row| Some(row.rate))),
        wholes(rows.iter().map(|row| row.samples)),
        wholes(rows.iter().map(|row| row.refused)),
        wholes(rows.iter().map(|row| row.lost)),
        moments(rows.iter().map(|row| row.connected_since)),
        texts(rows.iter().map(|row| row.last_error.as_deref())),
        moments(rows.iter().map(|row| row.last_error_at)),
    ];
    table(&FORWARDS, columns)
}

pub(super) fn table(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<Arc<dyn TableProvider>> {
    let batch = RecordBatch::try_new(Arc::clone(schema), columns)?;
    Ok(Arc::new(MemTable::try_new(Arc::clone(schema), vec![vec![batch]])?))
}

pub(super) fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringViewArray>())
}

pub(super) fn wholes(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(values.map(u64::cast_signed).collect::<Int64Array>())
}

pub(super) fn numbers(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

pub(super) fn moments(values: impl Iterator<Item = Option<Timestamp>>) -> ArrayRef {
    let nanos = values.map(|ts| ts.map(Timestamp::nanos));
    Arc::new(nanos.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
}
