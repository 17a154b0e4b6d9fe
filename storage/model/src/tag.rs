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
    /// Its name, unique in the store, also among the names that tags had before.
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
    /// The name of the class that says how long samples are kept; empty for the usual one.
    pub retention: String,
    /// Which samples may be left out when they are stored; `None` keeps every one.
    pub thinning: Option<Thinning>,
}

/// A loss that a tag is allowed: samples near what the kept ones say may be left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thinning {
    /// What "near" is measured from.
    pub rule: ThinningRule,
    /// The greatest distance of a sample that is left out, in the tag's unit; 0 or more.
    pub band: f64,
    /// The longest time between two kept samples while there are samples between them, in
    /// nanoseconds; 1 or more.
    pub max_gap_ns: i64,
}

/// What the kept samples of a thinned tag say of the times between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinningRule {
    /// The kept value holds until the next: exception reporting, a deadband.
    Exception,
    /// A straight line leads from each kept value to the next: swinging door.
    SwingingDoor,
}

/// One thing of a tag's definition to replace. Kind and id have no change: they never do.
#[derive(Debug, Clone, PartialEq)]
pub enum TagChange {
    /// The engineering unit.
    Unit(String),
    /// The description.
    Description(String),
    /// All labels.
    Labels(Vec<(String, String)>),
    /// Step or linear.
    Step(bool),
    /// The instrument's range.
    Range(Option<(f64, f64)>),
    /// The time quantum in nanoseconds, for samples that come from then on.
    QuantumNs(i64),
    /// States added behind those there are; indexes that are stored keep their meaning.
    AppendStates(Vec<String>),
    /// The retention class.
    Retention(String),
    /// The loss that is allowed.
    Thinning(Option<Thinning>),
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
            retention: String::new(),
            thinning: None,
        }
    }

    /// Makes a change.
    pub fn change(&mut self, change: TagChange) {
        match change {
            TagChange::Unit(unit) => self.unit = unit,
            TagChange::Description(description) => self.description = description,
            TagChange::Labels(labels) => self.labels = labels,
            TagChange::Step(step) => self.step = step,
            TagChange::Range(range) => self.range = range,
            TagChange::QuantumNs(quantum_ns) => self.quantum_ns = quantum_ns,
            TagChange::AppendStates(states) => self.states.extend(states),
            TagChange::Retention(retention) => self.retention = retention,
            TagChange::Thinning(thinning) => self.thinning = thinning,
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
