//! A dry run: what a topic and a payload would become, with nothing stored.
//!
//! *Invariant.* It goes the way a message goes, by the same rules and decoders; what it says of a
//! tag is what the first sample would make of it.

use serde_json::{Value as Json, json};
use tacitus_model::{Kind, Quality, Tag, TagDefinition, TagPath, Timestamp, Value};
use tacitus_protocol::Point;
use tacitus_protocol::payload::{self, Message};
use tacitus_protocol::sparkplug::{self, Action, Host};
use tacitus_protocol::topic::{Rules, Verdict};

use std::collections::BTreeMap;
use std::sync::Arc;

use super::resolve::{
    Origin, Reason, beside_for_unit, definition, fit_from, shown, states_unit, variant,
};

/// What would become of a message.
#[derive(Debug)]
pub(crate) enum Trial {
    /// The rules leave the topic out.
    Left,
    /// The payload would be refused.
    Refused {
        /// The rule that matched.
        rule: Option<usize>,
        /// The reason's word.
        code: &'static str,
        /// The reason.
        reason: String,
    },
    /// It would become samples.
    Read {
        /// The rule that matched.
        rule: Option<usize>,
        /// The form the payload has.
        profile: &'static str,
        /// The tags, by path, and whether each is there already.
        tags: BTreeMap<String, (TagDefinition, bool)>,
        /// The samples, in order; without a time: the arrival.
        samples: Vec<(String, Option<Timestamp>, Value, Quality)>,
        /// What would be refused alone, with the reason.
        refused: Vec<(String, String)>,
    },
}

/// Runs a message without storing it; `find` knows the tags that exist.
pub(crate) fn run(
    rules: &Rules,
    settings: &payload::Settings,
    topic: &str,
    payload: &[u8],
    now: Timestamp,
    find: &dyn Fn(&str) -> Option<Arc<Tag>>,
) -> Trial {
    if topic.is_empty() || topic.contains(['+', '#', '\0']) {
        let reason = "no message has such a topic: it is empty, or has a + or # in it".to_owned();
        return Trial::Refused { rule: None, code: "topic", reason };
    }
    let Verdict::Take { rule, path, form } = rules.apply(topic) else { return Trial::Left };
    if sparkplug::is_sparkplug(topic) && form.choice.profile.is_none() {
        return born(rule, topic, payload, now, find);
    }
    let choice = &form.choice;
    let message = Message { topic, payload, received: now, path: path.as_deref(), choice };
    let decoded = match payload::read(&message, settings) {
        Ok(decoded) => decoded,
        Err(error) => {
            return Trial::Refused { rule, code: error.code(), reason: error.to_string() };
        }
    };
    let (mut tags, mut samples, mut refused) = (BTreeMap::new(), Vec::new(), Vec::new());
    let origin = Origin { source: "mqtt", form: Some(&form), now, is_unheard: true };
    for mut point in decoded.points {
        if states_unit(&point, origin) {
            let known =
                tags.get(&point.path).map(|known: &(TagDefinition, bool)| known.0.unit.clone());
            let unit = known.or_else(|| Some(find(&point.path)?.definition.unit.clone()));
            if let Some(path) = beside_for_unit(&point, &unit.unwrap_or_default()) {
                point.path = path;
            }
        }
        let mut kept = keep(&mut point, origin, &mut tags, find);
        if let Err(Reason::Kind(_)) = &kept
            && let Some(path) = variant(&point, origin)
        {
            point.path = path;
            kept = keep(&mut point, origin, &mut tags, find);
        }
        match kept {
            Ok(value) => samples.push((point.path, point.ts, value, point.quality)),
            Err(reason) => refused.push((point.path, reason.to_string())),
        }
    }
    Trial::Read { rule, profile: decoded.profile.name(), tags, samples, refused }
}

/// What a message of a Sparkplug node would become to a host that knows nothing of the node.
fn born(
    rule: Option<usize>,
    topic: &str,
    payload: &[u8],
    now: Timestamp,
    find: &dyn Fn(&str) -> Option<Arc<Tag>>,
) -> Trial {
    let mut actions = Vec::new();
    Host::new(sparkplug::Settings::default()).receive(topic, payload, now, &mut actions);
    let (mut tags, mut samples, mut refused) = (BTreeMap::new(), Vec::new(), Vec::new());
    for action in actions {
        match action {
            Action::Define(birth) => {
                let exists = find(&birth.path).is_some();
                if let Ok(path) = TagPath::new(&birth.path) {
                    let definition = TagDefinition {
                        unit: birth.unit,
                        range: birth.range,
                        description: birth.description,
                        labels: birth.labels,
                        ..TagDefinition::new(path, birth.kind, "sparkplug")
                    };
                    tags.insert(birth.path, (definition, exists));
                }
            }
            Action::Sample(point) => {
                samples.push((point.path, point.ts, point.value, point.quality));
            }
            Action::Refuse { name, reason, .. } => refused.push((name, reason)),
            Action::Publish(_) | Action::Remember { .. } => {}
        }
    }
    Trial::Read { rule, profile: "sparkplug-b", tags, samples, refused }
}

fn keep(
    point: &mut Point,
    origin: Origin<'_>,
    tags: &mut BTreeMap<String, (TagDefinition, bool)>,
    find: &dyn Fn(&str) -> Option<Arc<Tag>>,
) -> Result<Value, Reason> {
    let known = match tags.get(&point.path) {
        Some(known) => known.clone(),
        None => match find(&point.path) {
            Some(tag) => (tag.definition.clone(), true),
            None => (definition(point, origin)?, false),
        },
    };
    let value = fit_from(origin, &mut point.value, &known.0)?;
    tags.entry(point.path.clone()).or_insert(known);
    Ok(value)
}

impl Trial {
    /// As the answer of HTTP.
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Left => json!({"stored": false}),
            Self::Refused { rule, code, reason } => {
                json!({"stored": false, "rule": rule, "refusal": {"code": code, "reason": reason}})
            }
            Self::Read { rule, profile, tags, samples, refused } => json!({
                "stored": !samples.is_empty(),
                "rule": rule,
                "profile": profile,
                "tags": tags.values().map(tag).collect::<Vec<_>>(),
                "samples": samples.iter().map(|row| sample(row, tags)).collect::<Vec<_>>(),
                "refused": refused
                    .iter()
                    .map(|(tag, reason)| json!({"tag": tag, "reason": reason}))
                    .collect::<Vec<_>>(),
            }),
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let rule = |rule: &Option<usize>| match rule {
            Some(index) => format!("rule     mqtt.rules[{index}]\n"),
            None => "rule     none\n".to_owned(),
        };
        match self {
            Self::Left => {
                "not stored: mqtt.include and mqtt.exclude leave the topic out\n".to_owned()
            }
            Self::Refused { rule: index, code, reason } => {
                format!("{}refused  {code}: {reason}\n", rule(index))
            }
            Self::Read { rule: index, profile, tags, samples, refused } => {
                let tags = tags.values().map(tag_line);
                let samples = samples.iter().map(|(path, ts, value, quality)| {
                    let at = moment(*ts).unwrap_or_else(|| "on arrival".to_owned());
                    format!("sample   {path}  {at}  {}  {quality}\n", shown(value))
                });
                let refused =
                    refused.iter().map(|(path, reason)| format!("refused  {path}: {reason}\n"));
                let head = format!("{}profile  {profile}\n", rule(index));
                std::iter::once(head).chain(tags).chain(samples).chain(refused).collect()
            }
        }
    }

    /// Whether all of it would be stored.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Read { refused, .. } if refused.is_empty())
    }
}

fn tag_line((definition, exists): &(TagDefinition, bool)) -> String {
    let TagDefinition { path, kind, unit, labels, .. } = definition;
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    let labels = labels.concat();
    let space = if unit.is_empty() { "" } else { " " };
    let known = if *exists { " (exists)" } else { "" };
    format!("tag      {path}  {kind}{space}{unit}{labels}{known}\n")
}

fn moment(ts: Option<Timestamp>) -> Option<String> {
    let ts = ts?;
    let at = chrono::DateTime::from_timestamp_nanos(ts.nanos());
    Some(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

fn tag((definition, exists): &(TagDefinition, bool)) -> Json {
    let labels: serde_json::Map<String, Json> = definition
        .labels
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    json!({
        "path": definition.path.as_str(),
        "kind": definition.kind.name(),
        "unit": definition.unit,
        "labels": labels,
        "exists": exists,
    })
}

fn sample(
    (path, ts, value, quality): &(String, Option<Timestamp>, Value, Quality),
    tags: &BTreeMap<String, (TagDefinition, bool)>,
) -> Json {
    let is_state = |kind: Kind| kind == Kind::State;
    let value = match value {
        Value::Null => Json::Null,
        Value::Float(number) if number.is_finite() => (*number).into(),
        Value::Float(number) => number.to_string().into(),
        Value::Int(number) => (*number).into(),
        Value::Bool(fact) => (*fact).into(),
        Value::Text(text) => text.as_ref().into(),
        Value::State(index) => tags
            .get(path)
            .filter(|(definition, _)| is_state(definition.kind))
            .and_then(|(definition, _)| definition.states.get(*index as usize))
            .map_or_else(|| (*index).into(), |name| name.as_str().into()),
    };
    json!({"tag": path, "ts": moment(*ts), "value": value, "quality": quality.0})
}
