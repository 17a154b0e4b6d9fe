//! What PLC gateways publish: Kepware, AVEVA, Ignition, Neuron.
//!
//! *Invariant.* A value that a gateway says it could not read is kept as a bad one.
//!
//! Sources: the manuals of Kepware's IoT Gateway, AVEVA Communication Drivers, EMQX Neuron and
//! Ignition's MQTT Transmission.

use tacitus_model::{Quality, Value};

use super::profile::{each, members, origin};
use super::tree::{Origin, Tree};
use super::{Profile, Refusal, role};
use crate::json::Json;

/// The names of a tag in lists of values, best first.
const NAMES: [&str; 6] = ["id", "tagname", "tagName", "TagName", "tag", "name"];

/// Those of them that are unlikely in lists of anything else.
const NAMES_CERTAIN: [&str; 3] = ["tagname", "tagName", "TagName"];

/// The names of its value.
const VALUES: [&str; 3] = ["v", "value", "Value"];

fn first<'j, 'a>(json: &'j Json<'a>, names: &[&str]) -> Option<&'j Json<'a>> {
    names.iter().find_map(|name| json.member(name))
}

fn name<'j>(json: &'j Json<'_>) -> Option<&'j str> {
    first(json, &NAMES).and_then(Json::text).filter(|name| !name.is_empty())
}

/// The path of a name whose levels a gateway parts with dots or back slashes.
fn path(name: &str) -> String {
    let levels = name.split(['.', '\\', '/']).filter(|level| !level.is_empty());
    levels.collect::<Vec<_>>().join("/")
}

/// `{"values": [{"id", "v"}]}`, or a list or object of `tagname` and `value`.
pub(super) fn is_kepware(json: &Json<'_>, topic: &str, is_list: bool) -> bool {
    let named = |json: &Json<'_>| name(json).is_some() && first(json, &VALUES).is_some();
    if let Some(values) = json.member("values").and_then(Json::elements) {
        return values.first().is_some_and(named);
    }
    let certain = first(json, &NAMES_CERTAIN).and_then(Json::text);
    let dotted = |id: &Json<'_>| id.text().is_some_and(|id| id.contains('.'));
    let short = json.member("v").is_some()
        && json.member("id").is_some_and(|id| is_list || dotted(id) && json.member("q").is_some());
    let Some(certain) = certain else { return short };
    // A tag that has a topic of its own is named by it.
    let own_topic = topic.rsplit('/').next() == Some(certain);
    first(json, &VALUES).is_some() && (is_list || certain.contains('.')) && !own_topic
}

pub(super) fn kepware(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    for element in each(json) {
        let outer = match element.member("values") {
            Some(_) => origin(element, tree, Origin::default())?,
            None => Origin::default(),
        };
        for value in element.member("values").map_or(std::slice::from_ref(element), each) {
            kepware_value(value, outer, tree)?;
        }
    }
    Ok(())
}

fn kepware_value(json: &Json<'_>, outer: Origin, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::Kepware;
    let name = name(json).ok_or(Refusal::Shape { profile, what: "a value has no id" })?;
    let value = first(json, &VALUES).ok_or(Refusal::Shape { profile, what: "a value has no v" })?;
    let origin = origin(json, tree, outer)?;
    tree.under(&path(name), |tree| tree.node(value, origin))
}

/// A value with the name and type of its tag.
pub(super) fn is_ignition(json: &Json<'_>) -> bool {
    let stated = ["timestamp", "quality"].iter().any(|name| json.member(name).is_some());
    json.member("value").is_some() && json.member("tagName").is_some() && stated
}

pub(super) fn ignition(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    const METADATA: &[&str] = &[
        "tagname",
        "tagpath",
        "datatype",
        "valuetype",
        "name",
        "path",
        "documentation",
        "properties",
    ];
    for element in each(json) {
        let members = match element {
            Json::Object(members) if element.member("value").is_some() => members,
            other => {
                tree.node(other, Origin::default())?;
                continue;
            }
        };
        let own = element.member("tagName").and_then(Json::text).unwrap_or_default();
        let last = tree.path.rsplit('/').next().unwrap_or_default();
        let name = if own == last { "" } else { own };
        let from = tree.points.len();
        tree.under(name, |tree| tree.object(members, Origin::default(), METADATA))?;
        // Its codes have more than the 8 bits of OPC DA: 192 good, 256 uncertain, 512 bad or error.
        let code =
            element.member("quality").and_then(Json::number).map(crate::json::Number::as_f64);
        let quality = match code {
            Some(code) if (256.0..512.0).contains(&code) => Quality::UNCERTAIN,
            Some(code) if (512.0..65_536.0).contains(&code) => Quality::BAD,
            _ => continue,
        };
        tree.points.iter_mut().skip(from).for_each(|point| point.quality = quality);
    }
    Ok(())
}

/// `{"node", "group", "values" | "tags" | "errors"}`.
pub(super) fn is_neuron(json: &Json<'_>) -> bool {
    let text = |name| json.member(name).and_then(Json::text).is_some();
    let any = ["values", "tags", "errors"].iter().any(|name| json.member(name).is_some());
    text("node") && text("group") && any
}

pub(super) fn neuron(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::Neuron;
    for message in each(json) {
        let level = |name: &str| message.member(name).and_then(Json::text);
        let (Some(node), Some(group)) = (level("node"), level("group")) else {
            return Err(Refusal::Shape { profile, what: "node or group is missing" });
        };
        let outer = origin(message, tree, Origin::default())?;
        let failed = Origin { quality: Quality::BAD, ..outer };
        tree.under(&format!("{node}/{group}"), |tree| {
            if let Some(Json::Object(values)) = message.member("values") {
                for (name, value) in values {
                    tree.member(name, value, outer)?;
                }
            }
            if let Some(Json::Object(errors)) = message.member("errors") {
                for (name, _code) in errors {
                    tree.member(name, &Json::Null, failed)?;
                }
            }
            let lists = ["tags", "errors"].iter().filter_map(|name| message.member(name));
            for tag in lists.filter_map(Json::elements).flatten() {
                let Some(name) = tag.member("name").and_then(Json::text) else {
                    return Err(Refusal::Shape { profile, what: "a tag has no name" });
                };
                match tag.member("value") {
                    Some(value) => tree.member(name, value, outer)?,
                    None => tree.member(name, &Json::Null, failed)?,
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// `{"d": value, "dt": type, "ts": time, "q": quality}` and nothing else.
pub(super) fn is_vtq1(json: &Json<'_>) -> bool {
    let Json::Object(members) = json else { return false };
    let known = members.iter().all(|(name, _)| matches!(name.as_ref(), "d" | "dt" | "ts" | "q"));
    known && json.member("d").is_some() && members.len() >= 3
}

pub(super) fn vtq1(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    /// VT_BOOL of Microsoft's VARENUM.
    const BOOLEAN: f64 = 11.0;
    let profile = Profile::AvevaVtq1;
    for message in each(json) {
        members(profile, message)?;
        let Some(value) = message.member("d") else {
            return Err(Refusal::Shape { profile, what: "d is missing" });
        };
        let origin = origin(message, tree, Origin::default())?;
        let kind = message.member("dt").and_then(Json::number).map(crate::json::Number::as_f64);
        let is_boolean = kind.is_some_and(|kind| kind.to_bits() == BOOLEAN.to_bits());
        match value {
            // Automation's true is −1.
            Json::Number(number) if is_boolean => {
                let fact = number.as_f64().abs() > 0.0;
                tree.leaf(Value::Bool(fact), origin, String::new());
            }
            value => tree.node(value, origin)?,
        }
    }
    Ok(())
}

/// A quality in any form.
pub(super) fn stated_quality(json: &Json<'_>) -> Option<Quality> {
    role::quality(json, false).as_ref().and_then(role::Role::quality)
}
