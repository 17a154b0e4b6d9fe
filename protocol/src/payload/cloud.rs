//! What platforms take: ThingsBoard, AWS IoT SiteWise, Cognite, Telegraf.
//!
//! *Invariant.* The name a platform gives a series is its path, without a `/` at its ends.

use tacitus_model::{Quality, Timestamp, Value};

use super::profile::{each, members, origin};
use super::tree::{Origin, Tree};
use super::{Profile, Refusal, gateway, ua};
use crate::json::{Json, Number};
use crate::line;
use crate::moment::{self, Unit};

/// The topics of ThingsBoard's device and gateway interfaces.
pub(super) fn is_thingsboard(topic: &str) -> bool {
    let levels: Vec<&str> = topic.split('/').collect();
    matches!(
        levels.as_slice(),
        ["v1", "devices", _, "telemetry" | "attributes"]
            | ["v1", "gateway", "telemetry"]
            | ["v2", "t" | "a"]
    )
}

/// `{"ts", "values": {…}}` and nothing else, on whatever topic.
pub(super) fn is_telemetry(json: &Json<'_>) -> bool {
    let Json::Object(members) = json else { return false };
    members.len() == 2
        && json.member("ts").is_some()
        && matches!(json.member("values"), Some(Json::Object(_)))
}

pub(super) fn thingsboard(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    // The gateway's form: one list of telemetry a device, each with its time or without.
    let first = |list: &Json<'_>, is: fn(&Json<'_>) -> bool| {
        list.elements().and_then(<[_]>::first).is_some_and(is)
    };
    if let Json::Object(devices) = json
        && devices.iter().any(|(_, list)| first(list, is_telemetry))
        && devices.iter().all(|(_, list)| first(list, |one| matches!(one, Json::Object(_))))
    {
        for (device, list) in devices {
            tree.under(device, |tree| each(list).iter().try_for_each(|one| telemetry(one, tree)))?;
        }
        return Ok(());
    }
    each(json).iter().try_for_each(|one| telemetry(one, tree))
}

fn telemetry(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    match json.member("values") {
        Some(values @ Json::Object(_)) => {
            let origin = origin(json, tree, Origin::default())?;
            tree.node(values, origin)
        }
        _ => tree.node(json, Origin::default()),
    }
}

/// `{"propertyValues": […]}`, alone or as the entries of a batch.
pub(super) fn is_sitewise(json: &Json<'_>) -> bool {
    let entry = |json: &Json<'_>| json.member("propertyValues").is_some();
    let entries = json.member("entries").and_then(Json::elements);
    entry(json) || entries.and_then(<[_]>::first).is_some_and(entry)
}

pub(super) fn sitewise(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::SiteWise;
    for message in each(json) {
        for entry in message.member("entries").map_or(std::slice::from_ref(message), each) {
            let text = |name: &str| entry.member(name).and_then(Json::text);
            let name = match (text("propertyAlias"), text("assetId"), text("propertyId")) {
                (Some(alias), ..) => alias.trim_matches('/').to_owned(),
                (None, Some(asset), Some(property)) => format!("{asset}/{property}"),
                _ => return Err(Refusal::Shape { profile, what: "propertyAlias is missing" }),
            };
            let Some(values) = entry.member("propertyValues").and_then(Json::elements) else {
                return Err(Refusal::Shape { profile, what: "propertyValues is no list" });
            };
            tree.under(&name, |tree| values.iter().try_for_each(|value| property(value, tree)))?;
        }
    }
    Ok(())
}

fn property(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::SiteWise;
    let time = json.member("timestamp");
    let part = |name: &str| match time.and_then(|time| time.member(name)).and_then(Json::number) {
        Some(Number::Int(count)) => Some(count),
        _ => None,
    };
    let ts = match (part("timeInSeconds"), part("offsetInNanos")) {
        (Some(seconds), nanos) => seconds
            .checked_mul(1_000_000_000)
            .and_then(|whole| whole.checked_add(nanos.unwrap_or(0)))
            .map(Timestamp::from_nanos),
        (None, _) => None,
    };
    let ts = ts.ok_or(Refusal::Shape { profile, what: "timestamp.timeInSeconds is missing" })?;
    let Some(Json::Object(values)) = json.member("value") else {
        return Err(Refusal::Shape { profile, what: "value is no object" });
    };
    let quality = json.member("quality").and_then(gateway::stated_quality).unwrap_or(Quality::GOOD);
    let origin = Origin { ts: Some(ts), quality };
    match values.first() {
        Some((kind, _)) if kind == "nullValue" => {
            tree.leaf(Value::Null, origin, String::new());
            Ok(())
        }
        Some((_, value)) => tree.node(value, origin),
        None => Err(Refusal::Shape { profile, what: "value is empty" }),
    }
}

/// `{"timeseriesData": [{"externalId", "items"}]}`, or the same as the interface takes it.
pub(super) fn is_cognite(json: &Json<'_>) -> bool {
    let list = ["timeseriesData", "items"].iter().find_map(|name| json.member(name));
    let series = |json: &Json<'_>| {
        ["items", "datapoints"].iter().any(|name| json.member(name).is_some())
            && series_name(json).is_some()
    };
    list.and_then(Json::elements).and_then(<[_]>::first).is_some_and(series)
        || json.member("type").and_then(Json::text) == Some("datapoint")
            && json.member("externalId").is_some()
}

fn series_name(json: &Json<'_>) -> Option<String> {
    let external =
        |json: &Json<'_>| json.member("externalId").and_then(Json::text).map(str::to_owned);
    external(json)
        .or_else(|| json.member("instanceId").and_then(external))
        .or_else(|| match json.member("id") {
            Some(Json::Number(Number::Int(id))) => Some(id.to_string()),
            Some(Json::Text(id)) => Some(id.to_string()),
            _ => None,
        })
        .filter(|name| !name.is_empty())
}

pub(super) fn cognite(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::Cognite;
    for message in each(json) {
        let list = message.member("timeseriesData").or_else(|| message.member("items"));
        for series in list.map_or(std::slice::from_ref(message), each) {
            let name = series_name(series)
                .ok_or(Refusal::Shape { profile, what: "externalId is missing" })?;
            let points = series.member("items").or_else(|| series.member("datapoints"));
            tree.under(name.trim_matches('/'), |tree| {
                points
                    .map_or(std::slice::from_ref(series), each)
                    .iter()
                    .try_for_each(|point| datapoint(point, tree))
            })?;
        }
    }
    Ok(())
}

fn datapoint(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::Cognite;
    let ts = json.member("timestamp").and_then(Json::number);
    let ts = ts.and_then(|number| moment::from_epoch(number, Some(Unit::Millis)));
    let ts = ts.ok_or(Refusal::Shape { profile, what: "a data point has no timestamp" })?;
    let status = json.member("status").and_then(|status| {
        ua::status(status).or_else(|| status.member("symbol").and_then(ua::status))
    });
    let origin = Origin { ts: Some(ts), quality: status.unwrap_or(Quality::GOOD) };
    tree.node(json.member("value").unwrap_or(&Json::Null), origin)
}

/// `{"name", "tags", "fields", "timestamp"}`, alone or as the list `metrics`.
pub(super) fn is_telegraf(json: &Json<'_>) -> bool {
    let metric = |json: &Json<'_>| {
        matches!(json.member("fields"), Some(Json::Object(_)))
            && json.member("name").and_then(Json::text).is_some()
            && matches!(json.member("tags"), None | Some(Json::Object(_)))
    };
    let list = json.member("metrics").and_then(Json::elements);
    metric(json) || list.and_then(<[_]>::first).is_some_and(metric)
}

/// Telegraf's metrics have the same tags whether they come as lines or as JSON.
pub(super) fn telegraf(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::Telegraf;
    for message in each(json) {
        for metric in message.member("metrics").map_or(std::slice::from_ref(message), each) {
            let Some(name) = metric.member("name").and_then(Json::text) else {
                return Err(Refusal::Shape { profile, what: "name is missing" });
            };
            let mut labels = Vec::new();
            if let Some(Json::Object(tags)) = metric.member("tags") {
                let text = |(name, tag): &(std::borrow::Cow<'_, str>, Json<'_>)| {
                    tag.text().map(|tag| (name.to_string(), tag.to_owned()))
                };
                labels = tags.iter().filter_map(text).filter(|(_, tag)| !tag.is_empty()).collect();
            }
            labels.sort_unstable();
            let path = line::series_path(name, &labels).map_err(|_long| Refusal::PathTooLong)?;
            let outer = origin(metric, tree, Origin::default())?;
            let before = std::mem::replace(&mut tree.labels, labels.into());
            let fields = members(profile, metric.member("fields").unwrap_or(&Json::Null))?;
            let done = tree.under(&path, |tree| {
                fields.iter().try_for_each(|(name, value)| {
                    let name = line::part(name).map_err(|_long| Refusal::PathTooLong)?;
                    tree.member(&name, value, outer)
                })
            });
            tree.labels = before;
            done?;
        }
    }
    Ok(())
}
