//! Annotations: what a person says of an asset or a tag, at a moment or over a span.
//!
//! *Invariant.* An annotation of a tag is of its number: it stays with the tag when that is renamed.
//! Members are never renamed: they are in stores.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tacitus_model::{TagId, Timestamp};
use tacitus_storage::Collection;

use super::asset::path_fault;
use super::event::end_fault;
use super::limits::ANNOTATIONS_MAX;
use super::mistake::{Kind, Mistake, fault};
use super::register::Record;
use crate::documents::ANNOTATIONS;

/// What an annotation is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// The plant as a whole.
    Plant,
    /// An asset.
    Asset(String),
    /// A tag.
    Tag(TagId),
}

/// An annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Its number.
    pub id: u64,
    /// When it was written down.
    pub created: Timestamp,
    /// What it says.
    pub says: AnnotationDraft,
}

/// What an annotation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationDraft {
    /// What it is of.
    pub of: Mark,
    /// Its moment, or the start of its span.
    pub start: Timestamp,
    /// The end of its span.
    pub end: Option<Timestamp>,
    /// What it says.
    pub text: String,
    /// Who says it.
    pub author: String,
    /// What else is known of it.
    pub attributes: Map<String, Value>,
}

/// An annotation as it is kept. Members may be added.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    id: u64,
    created: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asset: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<u32>,
    start: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    text: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    author: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    attributes: Map<String, Value>,
}

impl AnnotationDraft {
    /// The annotation of this number.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn numbered(self, id: u64, created: Timestamp) -> Result<Annotation, Mistake> {
        let mut faults = Vec::new();
        if self.text.trim().is_empty() {
            faults.push(fault("text", "it is empty", "say something"));
        }
        if let Mark::Asset(path) = &self.of {
            faults.extend(path_fault("asset", path));
        }
        faults.extend(end_fault(self.start, self.end));
        if faults.is_empty() {
            Ok(Annotation { id, created, says: self })
        } else {
            Err(Mistake::Faults(faults))
        }
    }
}

impl Record for Annotation {
    const COLLECTION: Collection = ANNOTATIONS;
    const KIND: Kind = Kind::Annotation;
    const MOST: usize = ANNOTATIONS_MAX;

    fn id(&self) -> u64 {
        self.id
    }

    fn start(&self) -> Timestamp {
        self.says.start
    }

    /// Without an end it is a moment, unlike an event that lasts.
    fn end(&self) -> Option<Timestamp> {
        Some(self.says.end.unwrap_or(self.says.start))
    }

    fn written(&self) -> Vec<u8> {
        let says = self.says.clone();
        let (asset, tag) = match says.of {
            Mark::Plant => (None, None),
            Mark::Asset(path) => (Some(path), None),
            Mark::Tag(id) => (None, Some(id.0)),
        };
        let body = Body {
            id: self.id,
            created: self.created.nanos(),
            asset,
            tag,
            start: says.start.nanos(),
            end: says.end.map(Timestamp::nanos),
            text: says.text,
            author: says.author,
            attributes: says.attributes,
        };
        // Numbers, texts and maps with text keys always have a JSON form.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let body: Body = serde_json::from_slice(bytes)?;
        let of = match (body.asset, body.tag) {
            (_, Some(id)) => Mark::Tag(TagId(id)),
            (Some(path), None) => Mark::Asset(path),
            (None, None) => Mark::Plant,
        };
        let says = AnnotationDraft {
            of,
            start: Timestamp::from_nanos(body.start),
            end: body.end.map(Timestamp::from_nanos),
            text: body.text,
            author: body.author,
            attributes: body.attributes,
        };
        Ok(Self { id: body.id, created: Timestamp::from_nanos(body.created), says })
    }
}
