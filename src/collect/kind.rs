//! The kinds of collectors there are.
//!
//! *Invariant.* A kind reads its settings from JSON and from the configuration by the same check,
//! so that the same mistake has the same words.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Collector, Problem, modbus, opcua};

/// A kind of collector.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its word: in definitions, in `[[collect.WORD]]`, and in the sources of tags.
    pub name: &'static str,
    /// Makes a collector of a name and its settings.
    pub check: Check,
    /// Settings that are taken and never shown.
    pub secrets: &'static [&'static str],
}

/// Reads settings; all that is wrong with them otherwise.
pub type Check =
    fn(name: &str, settings: &Map<String, Value>) -> Result<Arc<dyn Collector>, Vec<Problem>>;

/// Every kind.
pub const KINDS: &[Kind] = &[
    Kind { name: "modbus", check: modbus::collector, secrets: &[] },
    Kind { name: "opcua", check: opcua::collector, secrets: &["password"] },
];

impl Kind {
    /// The kind of this word.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}
