//! Where collected values go: what a collector needs of the ingestion, and no more.
//!
//! *Invariant.* `put` returns only when the points were taken or can never be: a collector hands
//! over each point once. Waiting inside `put` is how a slow disk slows a collector.

use async_trait::async_trait;
use tacitus_model::{TagDefinition, Timestamp};
use tacitus_protocol::Point;

/// What is known of a tag before the collector has seen a value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The time of its latest sample.
    pub latest: Option<Timestamp>,
    /// Whether that sample says that the source cannot be reached.
    pub in_gap: bool,
}

/// Why points were not taken. The collector stops: only a restart of the server helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store takes no more samples: {reason}")]
pub struct StoreError {
    /// What the store said.
    pub reason: String,
}

/// The ingestion, as a collector sees it.
#[async_trait]
pub trait Store: Send + Sync {
    /// What is known of the tag of this path; `None` where there is no such tag.
    fn known(&self, path: &str) -> Option<Known>;

    /// The tags of a source, as they are defined.
    fn of_source(&self, source: &str) -> Vec<TagDefinition>;

    /// Makes the tag known with its unit and description before its first sample. A tag that
    /// exists stays as it is.
    fn define(&self, definition: TagDefinition);

    /// Takes the points, waiting for room as long as it takes. Returns how many were refused
    /// one by one; the ingestion keeps their reasons.
    async fn put(&self, points: Vec<Point>, source: &str) -> Result<u64, StoreError>;

    /// The same, and returns only when they are on disk: for points from a device's history, which
    /// are not asked for again.
    async fn write(&self, points: Vec<Point>, source: &str) -> Result<u64, StoreError>;

    /// Takes out the samples without a value that say that these tags could not be reached,
    /// between two moments, as it is known now what they were. Who looks back behind the change
    /// finds them still.
    async fn bridge(&self, paths: &[String], from: Timestamp, to: Timestamp);
}
