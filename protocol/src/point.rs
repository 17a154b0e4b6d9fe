//! A sample that still goes by its name: what every decoder produces.
//!
//! *Invariant.* A point says only what the sender said: a missing time stays missing, and the
//! value keeps the sender's bits.
//!
//! *Not here.* Which tag the name means, and whether the value fits it: ingestion decides.

use std::sync::Arc;

use tacitus_model::{Quality, TagId, Timestamp, Value};

/// One observation under the name its source gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The name of the tag it is for; not yet checked to be a tag path.
    pub path: String,
    /// The tag itself, where the reader knew it: the path may then be empty.
    pub tag: Option<TagId>,
    /// When it was so; `None` means the moment of its arrival.
    pub ts: Option<Timestamp>,
    /// What it was.
    pub value: Value,
    /// How far it can be trusted.
    pub quality: Quality,
    /// Attributes for the tag, if this point is the first of it; shared by the points of a line.
    pub labels: Arc<[(String, String)]>,
    /// The engineering unit for the tag, if this point is the first of it; empty where unknown.
    pub unit: String,
}

impl Point {
    /// A good point that arrives as it is measured.
    #[must_use]
    pub fn new(path: impl Into<String>, value: Value) -> Self {
        Self {
            path: path.into(),
            tag: None,
            ts: None,
            value,
            quality: Quality::GOOD,
            labels: Arc::default(),
            unit: String::new(),
        }
    }

    /// The same point at a stated moment, or at its arrival.
    #[must_use]
    pub fn at(self, ts: Option<Timestamp>) -> Self {
        Self { ts, ..self }
    }

    /// The same point with another quality.
    #[must_use]
    pub fn with_quality(self, quality: Quality) -> Self {
        Self { quality, ..self }
    }
}
