//! Commands to nodes and devices: a new value for a metric, and the request to be born again.
//!
//! *Invariant.* A command names its metric, has the type of the metric's birth and a time, and
//! bears no sequence number.

use prost::Message as _;
use tacitus_model::{Timestamp, Value};

use super::Outgoing;
use super::datatype::DataType;
use super::topic::{NodeId, Verb};
use super::wire::{Metric, MetricValue, Payload};

/// The metric by which a node is asked to be born again.
pub const REBIRTH: &str = "Node Control/Rebirth";

/// Why there is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No birth of the node, or of its device, was seen.
    #[error("\"{0}\" was not born")]
    Unborn(String),
    /// The birth has no such metric.
    #[error("\"{0}\" has no metric \"{1}\"")]
    NoMetric(String, String),
    /// The value is not of the metric's type, or outside its range.
    #[error("the value for \"{0}\" does not fit its type {1}")]
    Misfit(String, String),
    /// Only scalars can be commanded.
    #[error("\"{0}\" is a {1}, which cannot be set as a whole")]
    NoScalar(String, String),
}

/// The request to be born again, by the name the node gave the metric.
pub(super) fn rebirth(id: &NodeId, name: &str, now: Timestamp) -> Outgoing {
    let value = Some(MetricValue::Boolean(true));
    message(id, None, vec![metric(name, DataType::Boolean, value, now)], now)
}

/// A metric of a command.
pub(super) fn metric(
    name: &str,
    kind: DataType,
    value: Option<MetricValue>,
    now: Timestamp,
) -> Metric {
    Metric {
        name: Some(name.to_owned()),
        timestamp: Some(millis(now)),
        datatype: Some(kind.number()),
        is_null: value.is_none().then_some(true),
        value,
        ..Metric::default()
    }
}

/// A command of metrics.
pub(super) fn message(
    id: &NodeId,
    device: Option<&str>,
    metrics: Vec<Metric>,
    now: Timestamp,
) -> Outgoing {
    let verb = if device.is_some() { Verb::DeviceCommand } else { Verb::NodeCommand };
    let payload = Payload { timestamp: Some(millis(now)), metrics, ..Payload::default() };
    Outgoing {
        topic: id.topic(verb, device),
        payload: payload.encode_to_vec(),
        qos: 0,
        retain: false,
    }
}

/// A value as protobuf carries one of this type.
pub(super) fn carried(value: &Value, kind: DataType) -> Option<MetricValue> {
    let whole = match value {
        Value::Int(number) => Some(*number),
        Value::Float(number) => match Value::Float(*number).coerced(tacitus_model::Kind::Int) {
            Ok(Value::Int(number)) => Some(number),
            _ => None,
        },
        _ => None,
    };
    let within = |low: i64, high: i64| whole.filter(|number| (low..=high).contains(number));
    // Two's complement of the width, in 32 bits.
    let small = |number: i64, bits: u32| {
        let mask = if bits == 32 { u32::MAX } else { (1_u32 << bits) - 1 };
        let [a, b, c, d, ..] = number.to_le_bytes();
        MetricValue::Int(u32::from_le_bytes([a, b, c, d]) & mask)
    };
    match kind {
        DataType::Int8 => within(i8::MIN.into(), i8::MAX.into()).map(|n| small(n, 32)),
        DataType::Int16 => within(i16::MIN.into(), i16::MAX.into()).map(|n| small(n, 32)),
        DataType::Int32 => within(i32::MIN.into(), i32::MAX.into()).map(|n| small(n, 32)),
        DataType::UInt8 => within(0, u8::MAX.into()).map(|n| small(n, 8)),
        DataType::UInt16 => within(0, u16::MAX.into()).map(|n| small(n, 16)),
        DataType::UInt32 => within(0, u32::MAX.into()).map(|n| small(n, 32)),
        DataType::Int64 => whole.map(|number| MetricValue::Long(number.cast_unsigned())),
        DataType::UInt64 | DataType::DateTime => {
            within(0, i64::MAX).map(|number| MetricValue::Long(number.cast_unsigned()))
        }
        #[expect(clippy::cast_possible_truncation, reason = "the type asks for a binary32")]
        DataType::Float => value.as_number().map(|number| MetricValue::Float(number as f32)),
        DataType::Double => value.as_number().map(MetricValue::Double),
        DataType::Boolean => match value {
            Value::Bool(fact) => Some(MetricValue::Boolean(*fact)),
            _ => None,
        },
        DataType::String | DataType::Text | DataType::Uuid => match value {
            Value::Text(text) => Some(MetricValue::Text(text.to_string())),
            _ => None,
        },
        _ => None,
    }
}

/// A time as Sparkplug has it.
pub(super) fn millis(ts: Timestamp) -> u64 {
    u64::try_from(ts.nanos().div_euclid(1_000_000)).unwrap_or(0)
}
