//! Payloads in JSON, as several vendors render them on the topics of Sparkplug.
//!
//! ```text
//! {"timestamp": 1714550400000, "seq": 3, "metrics": [
//!   {"name": "Temp", "alias": 7, "timestamp": …, "dataType": "Float", "value": 21.5}]}
//! ```
//!
//! *Invariant.* A rendering is read into the same messages as protobuf, so that all that follows
//! is the same.

use super::datatype::DataType;
use super::wire::{Metric, MetricValue, Payload, Undecodable};
use crate::json::{self, Json, Number};
use crate::limits::{SPARKPLUG_BYTES_MAX, SPARKPLUG_METRICS_MAX};

/// JSON values a metric has at most on average.
const VALUES_PER_METRIC: usize = 16;

pub(super) fn read(payload: &[u8]) -> Result<Payload, Undecodable> {
    if payload.len() > SPARKPLUG_BYTES_MAX {
        return Err(Undecodable::TooLong(payload.len()));
    }
    let broken = |what: String| Undecodable::Broken(what);
    let text = std::str::from_utf8(payload).map_err(|error| broken(error.to_string()))?;
    let json = json::read(text.trim(), SPARKPLUG_METRICS_MAX * VALUES_PER_METRIC)
        .map_err(|error| broken(error.to_string()))?;
    let metrics = json.member("metrics").and_then(Json::elements).unwrap_or_default();
    if metrics.len() > SPARKPLUG_METRICS_MAX {
        return Err(Undecodable::TooMany);
    }
    Ok(Payload {
        timestamp: count(&json, "timestamp"),
        seq: count(&json, "seq"),
        metrics: metrics.iter().map(metric).collect(),
        ..Payload::default()
    })
}

fn count(json: &Json<'_>, name: &str) -> Option<u64> {
    match json.member(name)? {
        Json::Number(Number::Int(number)) => u64::try_from(*number).ok(),
        Json::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn metric(json: &Json<'_>) -> Metric {
    let flag = |names: [&str; 2]| {
        names.iter().find_map(|name| match json.member(name)? {
            Json::Bool(fact) => Some(*fact),
            _ => None,
        })
    };
    let stated = ["dataType", "datatype", "type"].iter().find_map(|name| json.member(name));
    let kind = match stated {
        Some(Json::Text(name)) => DataType::from_name(name),
        Some(Json::Number(Number::Int(number))) => {
            DataType::from_number(u32::try_from(*number).unwrap_or(0))
        }
        _ => DataType::Unknown,
    };
    let value = json.member("value").and_then(|value| carried(value, kind));
    Metric {
        name: json.member("name").and_then(Json::text).map(str::to_owned),
        alias: count(json, "alias"),
        timestamp: count(json, "timestamp"),
        datatype: (kind != DataType::Unknown).then(|| kind.number()),
        is_historical: flag(["isHistorical", "is_historical"]),
        is_transient: flag(["isTransient", "is_transient"]),
        is_null: flag(["isNull", "is_null"]).or(value.is_none().then_some(true)),
        value,
        ..Metric::default()
    }
}

fn carried(json: &Json<'_>, kind: DataType) -> Option<MetricValue> {
    let value = json.value()?;
    super::command::carried(&value, kind).or_else(|| match json {
        Json::Bool(fact) => Some(MetricValue::Boolean(*fact)),
        Json::Number(number) => Some(MetricValue::Double(number.as_f64())),
        Json::Text(text) => match (kind, text.parse::<i64>()) {
            // Integers of 64 bits are texts in protobuf's own JSON.
            (DataType::Int64 | DataType::UInt64 | DataType::DateTime, Ok(number)) => {
                Some(MetricValue::Long(number.cast_unsigned()))
            }
            _ => Some(MetricValue::Text(text.to_string())),
        },
        _ => None,
    })
}
