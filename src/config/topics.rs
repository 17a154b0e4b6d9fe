//! The topic rules of the configuration, as the protocol checks them.
//!
//! *Not here.* What a filter or a pattern may be: `tacitus_protocol::topic`.

use tacitus_protocol::topic::{RuleSpec, Rules, Spec};

use super::Problem;
use super::checked::Keys;

/// The rules, or a problem for each mistake in them.
pub(super) fn check(keys: &Keys<'_>, problems: &mut Vec<Problem>) -> Option<Rules> {
    let rule = |entry: &String| RuleSpec {
        topic: keys.text(&format!("{entry}.topic")),
        pattern: keys.text(&format!("{entry}.pattern")),
        path: keys.text(&format!("{entry}.path")),
        kind: keys.choice(&format!("{entry}.kind")).map(str::to_owned),
        states: keys.texts(&format!("{entry}.states")),
        unit: keys.text(&format!("{entry}.unit")),
        step: keys.switch(&format!("{entry}.step")),
        labels: keys.texts(&format!("{entry}.labels")),
        profile: keys.choice(&format!("{entry}.profile")).map(str::to_owned),
        time: keys.texts(&format!("{entry}.time")),
        value: keys.texts(&format!("{entry}.value")),
        quality: keys.texts(&format!("{entry}.quality")),
        name: keys.text(&format!("{entry}.name")),
        ignore: keys.texts(&format!("{entry}.ignore")),
        zone: keys.text(&format!("{entry}.zone")),
    };
    let spec = Spec {
        include: keys.texts("mqtt.include"),
        exclude: keys.texts("mqtt.exclude"),
        rules: keys.entries("mqtt.rules").iter().map(rule).collect(),
    };
    match Rules::new(&spec) {
        Ok(rules) => Some(rules),
        Err(mistakes) => {
            problems.extend(mistakes.into_iter().map(|mistake| {
                let path = format!("mqtt.{}", mistake.place);
                Problem {
                    origin: keys.origin(&path),
                    message: format!("\"{path}\": {}", mistake.message),
                    hint: mistake.hint.to_owned(),
                }
            }));
            None
        }
    }
}
