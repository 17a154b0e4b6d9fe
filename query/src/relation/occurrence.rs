//! The relations `events` and `annotations`: what lasted from when to when, and what people say.
//!
//! *Invariant.* A condition on start and end is looked up, not tried on every row: that is what
//! whoever keeps them is asked with.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use tacitus_model::{TagId, Timestamp};

use super::landscape::{Landscape, moments, text, texts, wholes};
use super::moment;
use super::window::{Asked, Rows};
use crate::plant::Places;

/// A row of `events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its number.
    pub id: u64,
    /// What it is: `downtime`, `batch`.
    pub kind: String,
    /// Where it was.
    pub asset: Option<String>,
    /// When it started.
    pub start: Timestamp,
    /// When it ended; `None` while it lasts.
    pub end: Option<Timestamp>,
    /// 1 to 1000.
    pub severity: Option<u64>,
    /// What it is, for people.
    pub text: String,
    /// A JSON object.
    pub attributes: String,
}

/// A row of `annotations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationRow {
    /// Its number.
    pub id: u64,
    /// The asset it is of.
    pub asset: Option<String>,
    /// The tag it is of.
    pub tag: Option<TagId>,
    /// Its moment, or when its span starts.
    pub start: Timestamp,
    /// When its span ends; of a moment the moment.
    pub end: Timestamp,
    /// What it says.
    pub text: String,
    /// Who says it.
    pub author: String,
    /// A JSON object.
    pub attributes: String,
    /// When it was written down.
    pub created: Timestamp,
}

/// The columns of `events`.
pub(super) static EVENTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        text("kind", false),
        text("asset", true),
        Field::new("start_ts", moment(), false),
        Field::new("end_ts", moment(), true),
        Field::new("severity", DataType::Int64, true),
        text("text", false),
        text("attributes", false),
    ]))
});

/// The columns of `annotations`.
pub(super) static ANNOTATIONS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        text("asset", true),
        text("tag", true),
        Field::new("start_ts", moment(), false),
        Field::new("end_ts", moment(), false),
        text("text", false),
        text("author", false),
        text("attributes", false),
        Field::new("created_ts", moment(), false),
    ]))
});

/// The relation `events`.
#[derive(Debug)]
pub(super) struct Events(pub(super) Option<Arc<dyn Landscape>>);

impl Rows for Events {
    fn schema(&self) -> &SchemaRef {
        &EVENTS
    }

    fn rows(&self, asked: &Asked<'_>) -> Result<RecordBatch> {
        let (starts, ends) = (asked.times("start_ts"), asked.times("end_ts"));
        let rows = self.0.as_ref().map(|around| around.events(starts, ends)).unwrap_or_default();
        let severity: Int64Array =
            rows.iter().map(|row| row.severity.map(u64::cast_signed)).collect();
        let columns: Vec<ArrayRef> = vec![
            wholes(rows.iter().map(|row| row.id)),
            texts(rows.iter().map(|row| Some(&*row.kind))),
            texts(rows.iter().map(|row| row.asset.as_deref())),
            moments(rows.iter().map(|row| Some(row.start))),
            moments(rows.iter().map(|row| row.end)),
            Arc::new(severity),
            texts(rows.iter().map(|row| Some(&*row.text))),
            texts(rows.iter().map(|row| Some(&*row.attributes))),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&EVENTS), columns)?)
    }
}

/// The relation `annotations`.
#[derive(Debug)]
pub(super) struct Annotations {
    pub(super) around: Option<Arc<dyn Landscape>>,
    pub(super) places: Places,
}

impl Rows for Annotations {
    fn schema(&self) -> &SchemaRef {
        &ANNOTATIONS
    }

    fn rows(&self, asked: &Asked<'_>) -> Result<RecordBatch> {
        let (starts, ends) = (asked.times("start_ts"), asked.times("end_ts"));
        let around = self.around.as_ref();
        let rows = around.map(|around| around.annotations(starts, ends)).unwrap_or_default();
        let snapshot = self.places.snapshot();
        let tag = |row: &AnnotationRow| {
            row.tag.and_then(|id| snapshot.tag(id)).map(|tag| tag.definition.path.to_string())
        };
        let tags: Vec<Option<String>> = rows.iter().map(tag).collect();
        // An annotation of a tag is one of the tag's asset too.
        let asset = |row: &AnnotationRow| {
            let of_tag = || {
                let tag = snapshot.tag(row.tag?)?;
                self.places.of_tag(&tag).map(|asset| asset.path.clone())
            };
            row.asset.clone().or_else(of_tag)
        };
        let assets: Vec<Option<String>> = rows.iter().map(asset).collect();
        let columns: Vec<ArrayRef> = vec![
            wholes(rows.iter().map(|row| row.id)),
            texts(assets.iter().map(Option::as_deref)),
            texts(tags.iter().map(Option::as_deref)),
            moments(rows.iter().map(|row| Some(row.start))),
            moments(rows.iter().map(|row| Some(row.end))),
            texts(rows.iter().map(|row| Some(&*row.text))),
            texts(rows.iter().map(|row| Some(&*row.author))),
            texts(rows.iter().map(|row| Some(&*row.attributes))),
            moments(rows.iter().map(|row| Some(row.created))),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&ANNOTATIONS), columns)?)
    }
}
