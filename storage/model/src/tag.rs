//! A tag: one measured or computed signal, and what is known of it.
//!
//! *Invariant.* A tag's id and kind never change and an id is never reused; everything else of
//! its definition may be replaced by a later one.

use crate::{Kind, TagPath};

/// The most labels a tag may have. LIMIT: labels are searched linearly.
pub const LABELS_MAX: usize = 64;

/// The most states a state set may name. LIMIT: per-page state statistics stay small.
pub const STATES_MAX: usize = 256;

/// The number of a tag; the first is 1, 0 is never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagId(pub u32);

/// What a person or a rule says of a tag.
#[derive(Debug, Clone, PartialEq)]
pub struct TagDefinition {
    /// Its name, unique in the store.
    pub path: TagPath,
    /// What its values are.
    pub kind: Kind,
    /// The engineering unit, as the source spells it; empty where unknown.
    pub unit: String,
    /// What it measures, for people; empty where unknown.
    pub description: String,
    /// Free attributes, sorted by key, keys unique.
    pub labels: Vec<(String, String)>,
    /// Whether a value holds until the next (step) or moves in a straight line (linear).
    pub step: bool,
    /// The values at 0 % and 100 % of the instrument's range, where known.
    pub range: Option<(f64, f64)>,
    /// Where its samples come from: `mqtt`, `line`, `http`, `opcua:NAME`.
    pub source: String,
    /// Times are cut down to multiples of this many nanoseconds before they are stored.
    pub quantum_ns: i64,
    /// The names of a [`Kind::State`] tag's states, by index; empty for other kinds.
    pub states: Vec<String>,
}

impl TagDefinition {
    /// A definition that knows no more than name, kind and source; times are kept to the
    /// nanosecond.
    #[must_use]
    pub fn new(path: TagPath, kind: Kind, source: impl Into<String>) -> Self {
        Self {
            path,
            kind,
            unit: String::new(),
            description: String::new(),
            labels: Vec::new(),
            step: kind.steps(),
            range: None,
            source: source.into(),
            quantum_ns: 1,
            states: Vec::new(),
        }
    }
}

/// A tag as the catalog holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    /// Its number.
    pub id: TagId,
    /// What is said of it.
    pub definition: TagDefinition,
    /// The sequence at which this definition was committed.
    pub sequence: u64,
}
