//! Commands to nodes and devices.

use prost::Message as _;

use super::bench::{Bench, DBIRTH, NBIRTH, NDATA, T, born, by_alias, message, ms, nbirth};
use crate::sparkplug::wire::{MetricValue, Payload};
use crate::sparkplug::{CommandError, DataType, NodeId, Outgoing, Settings, Target};
use tacitus_model::Value;

fn target(device: Option<&str>) -> Target {
    let id = NodeId { group: "G".into(), node: "E".into() };
    Target { id, device: device.map(str::to_owned) }
}

fn command(
    bench: &mut Bench,
    device: Option<&str>,
    name: &str,
    value: Value,
) -> Result<Outgoing, CommandError> {
    let now = bench.now();
    bench.host.command(&target(device), &[(name.to_owned(), value)], now)
}

#[track_caller]
fn check(sent: &Outgoing, topic: &str, name: &str, kind: DataType, value: &MetricValue) {
    assert_eq!((sent.topic.as_str(), sent.qos, sent.retain), (topic, 0, false));
    let payload = Payload::decode(sent.payload.as_slice()).unwrap();
    assert_eq!((payload.timestamp, payload.seq), (Some(ms(T)), None));
    let metric = &payload.metrics[0];
    assert_eq!(payload.metrics.len(), 1);
    assert_eq!((metric.name.as_deref(), metric.alias), (Some(name), None));
    assert_eq!(metric.datatype, Some(kind.number()));
    assert_eq!(metric.value.as_ref(), Some(value));
    assert_eq!(metric.timestamp, Some(ms(T)));
}

#[test]
pub(super) fn a_rebirth_is_asked_for_by_name() {
    let mut bench = Bench::new();
    bench.hear(NDATA, message(4, vec![by_alias(1, MetricValue::Int(1))]));
    let sent = bench.published()[0];
    let yes = MetricValue::Boolean(true);
    check(sent, "spBv1.0/G/NCMD/E", "Node Control/Rebirth", DataType::Boolean, &yes);
    let asked = command(&mut bench, None, "Node Control/Rebirth", Value::Bool(true)).unwrap();
    check(&asked, "spBv1.0/G/NCMD/E", "Node Control/Rebirth", DataType::Boolean, &yes);
}

#[test]
pub(super) fn a_node_command_has_topic_time_name_and_type() {
    let mut bench = Bench::with_plant(Settings::default());
    let sent = command(&mut bench, None, "temp", Value::Float(4.5)).unwrap();
    check(&sent, "spBv1.0/G/NCMD/E", "temp", DataType::Double, &MetricValue::Double(4.5));
}

#[test]
pub(super) fn a_device_command_has_topic_time_name_and_type() {
    let mut bench = Bench::with_plant(Settings::default());
    let sent = command(&mut bench, Some("D"), "level", Value::Float(-5.0)).unwrap();
    let minus_five = MetricValue::Int(0xffff_fffb);
    check(&sent, "spBv1.0/G/DCMD/E/D", "level", DataType::Int32, &minus_five);
}

#[test]
fn a_command_has_the_type_of_the_birth_or_is_refused() {
    let mut bench = Bench::new();
    let kinds = DataType::ALL;
    let metrics = kinds
        .into_iter()
        .zip(1..)
        .map(|(kind, alias)| born(&kind.name(), alias, kind, MetricValue::Int(0)))
        .collect();
    bench.hear(NBIRTH, nbirth(0, 0, metrics));
    let text = |text: &str| Value::Text(text.into());
    for (kind, value, want) in [
        (DataType::Int8, Value::Int(-128), Some(MetricValue::Int(0xffff_ff80))),
        (DataType::Int8, Value::Int(128), None),
        (DataType::UInt8, Value::Int(255), Some(MetricValue::Int(255))),
        (DataType::UInt8, Value::Int(-1), None),
        (DataType::UInt16, Value::Int(65_536), None),
        (DataType::UInt32, Value::Int(4_294_967_295), Some(MetricValue::Int(u32::MAX))),
        (DataType::Int64, Value::Int(-1), Some(MetricValue::Long(u64::MAX))),
        (DataType::UInt64, Value::Int(i64::MAX), Some(MetricValue::Long(i64::MAX as u64))),
        (DataType::Int32, Value::Float(1.5), None),
        (DataType::Float, Value::Float(1.5), Some(MetricValue::Float(1.5))),
        (DataType::Double, Value::Int(2), Some(MetricValue::Double(2.0))),
        (DataType::Double, text("2"), None),
        (DataType::Boolean, Value::Bool(true), Some(MetricValue::Boolean(true))),
        (DataType::Boolean, Value::Float(1.0), None),
        (DataType::Text, text("run"), Some(MetricValue::Text("run".into()))),
        (DataType::DateTime, Value::Int(T), Some(MetricValue::Long(ms(T)))),
    ] {
        let sent = command(&mut bench, None, &kind.name(), value.clone());
        match want {
            Some(want) => check(&sent.unwrap(), "spBv1.0/G/NCMD/E", &kind.name(), kind, &want),
            None => assert!(matches!(sent, Err(CommandError::Misfit(..))), "{kind:?} {value:?}"),
        }
    }
    let whole = command(&mut bench, None, "DataSet", Value::Int(1));
    assert!(matches!(whole, Err(CommandError::NoScalar(..))));
}

#[test]
fn what_was_not_born_cannot_be_commanded() {
    let mut bench = Bench::new();
    assert_eq!(
        command(&mut bench, None, "a", Value::Int(1)),
        Err(CommandError::Unborn("E".into()))
    );
    bench.hear(NBIRTH, nbirth(0, 0, vec![]));
    bench.hear(DBIRTH, message(1, vec![]));
    let missing = CommandError::NoMetric("D".into(), "a".into());
    assert_eq!(command(&mut bench, Some("D"), "a", Value::Int(1)), Err(missing));
}
