//! One observation of one tag.
//!
//! *Invariant.* A sample is identified by `(tag, ts)`: of two with the same identity the one
//! with the later sequence is the truth.

use crate::{Quality, TagId, Timestamp, Value};

/// The longest text value, in bytes. LIMIT: a text sample must fit a log frame with room for
/// its batch.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// One observation of one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Whose value.
    pub tag: TagId,
    /// When it was so.
    pub ts: Timestamp,
    /// What it was.
    pub value: Value,
    /// How far it can be trusted.
    pub quality: Quality,
}
