//! A collector as a person defined it through HTTP, and as it is kept.
//!
//! *Invariant.* What is kept reads back as the same definition, secrets included; what is shown
//! has none of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Kind;

/// What is shown in place of a secret.
const HIDDEN: &str = "***";

/// A definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The word of its kind.
    pub kind: String,
    /// Whether it is kept from collecting.
    #[serde(default)]
    pub paused: bool,
    /// What its kind wants to know.
    #[serde(default)]
    pub settings: Map<String, Value>,
}

impl Definition {
    /// The settings without their secrets.
    #[must_use]
    pub fn shown(&self) -> Map<String, Value> {
        shown(&self.settings, Kind::find(&self.kind).map_or(&[], |kind| kind.secrets))
    }

    /// The same with other settings: those of `changes` replace, `null` removes. A secret that
    /// comes as it is shown stays as it was.
    #[must_use]
    pub fn changed(&self, changes: Map<String, Value>) -> Self {
        Self { settings: changed(&self.settings, changes), ..self.clone() }
    }
}

/// Settings without their secrets.
pub(crate) fn shown(settings: &Map<String, Value>, secrets: &[&str]) -> Map<String, Value> {
    let hide = |(key, value): (&String, &Value)| {
        let value = if secrets.contains(&&**key) { HIDDEN.into() } else { value.clone() };
        (key.clone(), value)
    };
    settings.iter().map(hide).collect()
}

/// Settings with some replaced, and those removed that became `null`.
pub(crate) fn changed(
    settings: &Map<String, Value>,
    changes: Map<String, Value>,
) -> Map<String, Value> {
    let mut settings = settings.clone();
    for (key, value) in changes {
        match value {
            Value::Null => drop(settings.remove(&key)),
            Value::String(text) if text == HIDDEN && settings.contains_key(&key) => {}
            value => drop(settings.insert(key, value)),
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(settings: &Value) -> Definition {
        let settings = settings.as_object().unwrap().clone();
        Definition { kind: "opcua".into(), paused: false, settings }
    }

    #[test]
    fn a_password_is_kept_and_never_shown() {
        let kept = definition(&json!({"user": "reader", "password": "secret"}));
        assert_eq!(Value::Object(kept.shown()), json!({"user": "reader", "password": "***"}));
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Definition>(&text).unwrap(), kept);
    }

    #[test]
    fn a_change_replaces_and_removes_and_what_was_shown_changes_no_secret() {
        let kept = definition(&json!({"user": "reader", "password": "secret", "prefix": "a"}));
        let changes = json!({"user": "writer", "password": "***", "prefix": null});
        let changed = kept.changed(changes.as_object().unwrap().clone());
        assert_eq!(changed, definition(&json!({"user": "writer", "password": "secret"})));
    }
}
