//! OPC UA in JSON: the messages of PubSub (Part 14) and of OPC Publisher's samples mode.
//!
//! ```text
//! {"MessageType": "ua-data", "Messages": [{"Timestamp", "Payload": {"Field": DataValue}}]}
//! [{"NodeId", "DisplayName", "Value": {"Value", "SourceTimestamp", "StatusCode"}}]
//! ```
//!
//! *Invariant.* A field has the time of its source, else of its server, else of its message.
//!
//! *Not here.* UADP, the binary form; meta data messages, which say no value.

use std::collections::BTreeSet;

use tacitus_model::{Quality, Timestamp, Value};

use super::profile::each;
use super::tree::{Origin, Tree};
use super::{Profile, Refusal, gateway, role};
use crate::json::{Json, Number};
use crate::moment::{self, Reading};

/// The numbers of built-in types (Part 6, 5.1.2) that need a look.
const INT64: f64 = 8.0;
const UINT64: f64 = 9.0;
const FLOAT: f64 = 10.0;
const DOUBLE: f64 = 11.0;

/// Whether this is a network message, or a data set message that came without one.
pub(super) fn is_network_message(json: &Json<'_>) -> bool {
    let kind = json.member("MessageType").and_then(Json::text).unwrap_or_default();
    let writer = ["DataSetWriterId", "DataSetWriterName", "SequenceNumber", "MetaDataVersion"]
        .iter()
        .any(|name| json.member(name).is_some());
    kind.starts_with("ua-")
        || matches!(json.member("Messages"), Some(Json::Array(_) | Json::Object(_)))
        || writer && matches!(json.member("Payload"), Some(Json::Object(_)))
}

pub(super) fn pubsub(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    for network in each(json) {
        let Some(messages) = network.member("Messages") else {
            data_set(network, Origin::default(), None, tree)?;
            continue;
        };
        let outer = Origin { ts: stated(network, "Timestamp")?, quality: Quality::GOOD };
        let writers: BTreeSet<_> = each(messages).iter().filter_map(writer).collect();
        for message in each(messages) {
            // Of one writer the topic says which; of several each needs a level of its own.
            let level = if writers.len() > 1 { writer(message) } else { None };
            data_set(message, outer, level.as_deref(), tree)?;
        }
    }
    Ok(())
}

fn writer(message: &Json<'_>) -> Option<String> {
    ["DataSetWriterName", "DataSetWriterId"].iter().find_map(|name| match message.member(name) {
        Some(Json::Text(text)) if !text.is_empty() => Some(text.to_string()),
        Some(Json::Number(Number::Int(id))) => Some(id.to_string()),
        _ => None,
    })
}

fn data_set(
    message: &Json<'_>,
    outer: Origin,
    level: Option<&str>,
    tree: &mut Tree<'_>,
) -> Result<(), Refusal> {
    let kind = message.member("MessageType").and_then(Json::text).unwrap_or("ua-keyframe");
    if !matches!(kind, "ua-data" | "ua-keyframe" | "ua-deltaframe" | "ua-event") {
        return Ok(());
    }
    let ts = stated(message, "Timestamp")?.or(outer.ts);
    let quality = message.member("Status").and_then(status).unwrap_or(outer.quality);
    let origin = Origin { ts, quality };
    let fields = match message.member("Payload") {
        Some(Json::Object(fields)) => fields,
        Some(_) => {
            return Err(Refusal::Shape {
                profile: Profile::OpcUaPubSub,
                what: "Payload is no object",
            });
        }
        None => return Ok(()),
    };
    tree.with_label("writer", writer(message).as_deref(), |tree| {
        tree.under(level.unwrap_or_default(), |tree| {
            fields.iter().try_for_each(|(name, field)| {
                tree.under(name, |tree| data_value(field, origin, tree))
            })
        })
    })
}

/// `NodeId` and `Value` in one object.
pub(super) fn is_sample(json: &Json<'_>) -> bool {
    let node = ["NodeId", "Id", "DisplayName"].iter().any(|name| json.member(name).is_some());
    let stated = ["EndpointUrl", "ApplicationUri", "SourceTimestamp", "NodeId"];
    node && json.member("Value").is_some() && stated.iter().any(|name| json.member(name).is_some())
}

pub(super) fn samples(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::OpcUaSamples;
    for sample in each(json) {
        let text = |name: &str| sample.member(name).and_then(Json::text);
        let node = text("NodeId").or_else(|| text("Id"));
        let name = text("DisplayName").filter(|name| !name.is_empty()).or(node);
        let name =
            name.ok_or(Refusal::Shape { profile, what: "DisplayName and NodeId are missing" })?;
        let Some(value) = sample.member("Value") else {
            return Err(Refusal::Shape { profile, what: "Value is missing" });
        };
        let ts = match stated(sample, "SourceTimestamp")? {
            Some(ts) => Some(ts),
            None => stated(sample, "ServerTimestamp")?.or(stated(sample, "Timestamp")?),
        };
        let quality = ["StatusCode", "Status"].iter().find_map(|name| sample.member(name));
        let quality = quality.and_then(status).unwrap_or(Quality::GOOD);
        tree.with_label("node", node, |tree| {
            tree.under(name, |tree| data_value(value, Origin { ts, quality }, tree))
        })?;
    }
    Ok(())
}

/// A field: a data value, a variant or the bare value.
fn data_value(json: &Json<'_>, outer: Origin, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let Json::Object(members) = json else { return value(json, None, outer, tree) };
    let own = ["Value", "Body", "SourceTimestamp", "ServerTimestamp", "StatusCode"];
    if !own.iter().any(|name| json.member(name).is_some()) {
        return value(json, None, outer, tree);
    }
    let known = |name: &str| {
        own.contains(&name)
            || matches!(
                name,
                "Type"
                    | "UaType"
                    | "Dimensions"
                    | "SourcePicoseconds"
                    | "ServerPicoseconds"
                    | "Status"
            )
    };
    // A structure of the plant's own that has a member of such a name.
    if !members.iter().all(|(name, _)| known(name)) {
        return value(json, None, outer, tree);
    }
    let ts = match stated(json, "SourceTimestamp")? {
        Some(ts) => Some(ts),
        None => stated(json, "ServerTimestamp")?.or(outer.ts),
    };
    let quality = ["StatusCode", "Status"].iter().find_map(|name| json.member(name));
    let quality = quality.and_then(status).unwrap_or(outer.quality);
    let origin = Origin { ts, quality };
    let kind = |json: &Json<'_>| {
        let kind = json.member("UaType").or_else(|| json.member("Type"));
        kind.and_then(Json::number).map(Number::as_f64)
    };
    match json.member("Value").or_else(|| json.member("Body")) {
        None => value(&Json::Null, None, origin, tree),
        Some(inner) => match inner.member("Body") {
            Some(body) if inner.member("Type").is_some() => value(body, kind(inner), origin, tree),
            _ => value(inner, kind(json), origin, tree),
        },
    }
}

/// A value of a built-in type, arrays and structures to their leaves.
fn value(
    json: &Json<'_>,
    kind: Option<f64>,
    origin: Origin,
    tree: &mut Tree<'_>,
) -> Result<(), Refusal> {
    let is = |known: f64| kind.is_some_and(|kind| kind.to_bits() == known.to_bits());
    match json {
        Json::Array(elements) => elements.iter().enumerate().try_for_each(|(index, element)| {
            tree.under(&index.to_string(), |tree| value(element, kind, origin, tree))
        }),
        Json::Object(members) => {
            // A localized text is its text.
            if let (Some(text @ Json::Text(_)), true) = (json.member("Text"), members.len() <= 2) {
                return tree.node(text, origin);
            }
            members.iter().try_for_each(|(name, member)| {
                tree.under(name, |tree| data_value(member, origin, tree))
            })
        }
        Json::Text(text) if is(INT64) || is(UINT64) => {
            let number = text.parse::<i64>().map(Value::Int);
            let number = number.or_else(|_beyond| text.parse::<f64>().map(Value::Float));
            tree.leaf(number.unwrap_or(Value::Null), origin, String::new());
            Ok(())
        }
        Json::Text(text) if is(FLOAT) || is(DOUBLE) => {
            let number = text.parse().map_or(Value::Null, Value::Float);
            tree.leaf(number, origin, String::new());
            Ok(())
        }
        other => tree.node(other, origin),
    }
}

/// The time under a name; a member that is no time says none, as gateways write all sorts.
fn stated(json: &Json<'_>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let ts = match json.member(name) {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::Text(text)) => match moment::from_text(text) {
            Reading::At(ts) => Some(ts),
            // OPC UA's times are UTC; some writers leave the Z out.
            Reading::NoZone => match moment::from_text(&format!("{text}Z")) {
                Reading::At(ts) => Some(ts),
                _ => None,
            },
            _ => None,
        },
        Some(Json::Number(number)) => moment::from_epoch(*number, None),
        Some(_) => None,
    };
    let text = || json.member(name).map_or_else(String::new, role::shown);
    ts.map(Some).ok_or_else(|| Refusal::Time { name: name.to_owned(), text: text() })
}

/// A status code as a number, a symbol, or an object of both.
pub(super) fn status(json: &Json<'_>) -> Option<Quality> {
    match json {
        Json::Number(Number::Int(code)) => u32::try_from(*code).ok().map(Quality),
        Json::Object(members) => {
            let code = ["Code", "code"].iter().find_map(|name| json.member(name));
            // An empty object is the code 0, left out as a default.
            code.map_or_else(|| members.is_empty().then_some(Quality::GOOD), status)
        }
        other => gateway::stated_quality(other),
    }
}
