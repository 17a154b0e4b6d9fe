//! What Sparkplug nodes publish, through the host to tags and samples.

use tacitus_protocol::sparkplug::{self as protocol, Action, Host};

use super::*;

/// The birth of a Sparkplug node with one metric under an alias.
pub(super) fn birth(bd_seq: u64, temp: f64) -> Bytes {
    use prost::Message as _;
    use tacitus_protocol::sparkplug::wire::{Metric, MetricValue, Payload};
    let metric = |name: &str, alias, datatype, value| Metric {
        name: Some(name.into()),
        alias,
        datatype: Some(datatype),
        value: Some(value),
        ..Metric::default()
    };
    let metrics = vec![
        metric("bdSeq", None, 4, MetricValue::Long(bd_seq)),
        metric("temp", Some(7), 10, MetricValue::Double(temp)),
    ];
    let payload = Payload { timestamp: None, seq: Some(0), metrics, ..Payload::default() };
    payload.encode_to_vec().into()
}

fn datum(seq: u64, temp: f64) -> Bytes {
    use prost::Message as _;
    use tacitus_protocol::sparkplug::wire::{Metric, MetricValue, Payload};
    let value = Some(MetricValue::Double(temp));
    let metric = Metric { alias: Some(7), value, ..Metric::default() };
    let payload = Payload { seq: Some(seq), metrics: vec![metric], ..Payload::default() };
    payload.encode_to_vec().into()
}

fn node_message(verb: &str, payload: Bytes) -> Incoming {
    Incoming { payload, qos: 0, ..message(&format!("spBv1.0/G/{verb}/E"), "") }
}

#[tokio::test]
async fn a_sparkplug_node_is_born_says_values_and_dies() {
    let plant = plant(&small());
    let host = Sparkplug::open(protocol::Settings::default(), &plant.ingest);
    let mqtt = plant.mqtt(Rules::default()).with_sparkplug(Some(Arc::new(host)));
    let group = [
        node_message("NBIRTH", birth(3, 21.5)),
        node_message("NDATA", datum(1, 22.0)),
        node_message("NDEATH", Bytes::from_static(b"")),
    ];
    let mut batch = Batch::default();
    group.iter().for_each(|message| mqtt.take(message, &mut batch));
    plant.ingest.write(batch).await.unwrap();
    let values: Vec<_> = plant.rows("G/E/temp").into_iter().map(|row| row.1).collect();
    assert_eq!(values, [Value::Null], "all three came in one millisecond, the last one counts");
    let tag = plant.tag("G/E/temp");
    assert_eq!((tag.definition.kind, tag.definition.source.as_str()), (Kind::Float, "sparkplug"));
    assert_eq!(tag.definition.labels[0], ("group".to_owned(), "G".to_owned()));
    assert!(!mqtt.sparkplug().unwrap().nodes()[0].online);
    assert_eq!(plant.ingest.counters().refused, [].into());
}

#[tokio::test]
async fn what_a_sparkplug_node_was_born_with_is_known_after_a_restart() {
    use tacitus_storage::Document;
    let plant = plant(&small());
    let mut host = Host::new(protocol::Settings::default());
    let mut actions = Vec::new();
    let now = Timestamp::from_nanos(NOW);
    host.receive("spBv1.0/G/NBIRTH/E", &birth(3, 21.5), now, &mut actions);
    for action in actions {
        if let Action::Remember { key, body } = action {
            let collection = crate::documents::SPARKPLUG_ALIASES;
            let document = Document { collection, key, body: Some(body) };
            plant.ingest.write_with(Vec::new(), vec![document]).await.unwrap();
        }
    }
    let host = Sparkplug::open(protocol::Settings::default(), &plant.ingest);
    let mqtt = plant.mqtt(Rules::default()).with_sparkplug(Some(Arc::new(host)));
    mqtt.store(&[node_message("NDATA", datum(9, 4.5))], Vec::new()).await.unwrap();
    let mut batch = Batch::default();
    mqtt.take(&node_message("NDATA", datum(10, 4.5)), &mut batch);
    assert_eq!(batch.values(), [Value::Float(4.5)]);
}
