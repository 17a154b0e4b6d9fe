//! The kinds of collectors there are.
//!
//! *Invariant.* A kind reads its settings from JSON and from the configuration by the same check,
//! so that the same mistake has the same words.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
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

/// A length of time in settings, as the configuration writes it: `"500 ms"`.
///
/// # Errors
/// It is no text, or not of this form.
pub(super) fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    crate::config::span(&text).map(Some).ok_or_else(|| {
        let text = format!("\"{text}\" is not a length of time like \"500 ms\"");
        serde::de::Error::custom(text)
    })
}
