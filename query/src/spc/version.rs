//! Control limits as they were frozen: the numbers, since when they hold, who said so and why.
//!
//! ```text
//! effective   1 ───────────▶ 3 ──────▶ 2 ──────▶     a point has the latest version that is
//! of points   phase I        v1        v3     v2     effective by its first sample
//! ```
//! *Invariant.* A version never changes: other limits are another version. They are kept in stores:
//! members are never renamed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::basis::Basis;

/// Control limits as they were frozen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// From when on it holds, nanoseconds since 1970.
    pub effective: i64,
    /// When it was frozen.
    pub created: i64,
    /// Who froze it.
    pub user: String,
    /// Why.
    pub reason: String,
    /// What it was worked out from; `None` of numbers that were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// The numbers.
    pub basis: Basis,
    /// Subgroups that it was worked out from.
    #[serde(default)]
    pub subgroups: u64,
    /// Samples of the baseline that were no good or filled no subgroup.
    #[serde(default)]
    pub left_out: u64,
}

/// What limits are worked out from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// From when.
    pub from: i64,
    /// To before when.
    pub to: i64,
    /// What does not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Exclusion>,
}

/// A span that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// From when.
    pub from: i64,
    /// To before when.
    pub to: i64,
    /// Why.
    pub reason: Arc<str>,
}

impl Baseline {
    /// Whether a subgroup of these times is in it.
    #[must_use]
    pub fn contains(&self, start: i64, end: i64) -> bool {
        self.from <= start && end < self.to
    }
}

/// Why a subgroup of these times does not count.
pub(super) fn excluded(exclusions: &[Exclusion], start: i64, end: i64) -> Option<Arc<str>> {
    let touched = exclusions.iter().find(|own| own.from <= end && start < own.to);
    touched.map(|own| Arc::clone(&own.reason))
}
