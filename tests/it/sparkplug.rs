//! The Sparkplug host as an edge node sees it: over sockets, across a kill.

use prost::Message as _;
use tacitus_protocol::sparkplug::wire::{Metric, MetricValue, Payload};
use tempfile::tempdir;

use crate::mqtt::Client;
use crate::server::Server;

fn metric(name: &str, alias: Option<u64>, kind: u32, value: MetricValue) -> Metric {
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    let datatype = Some(kind).filter(|kind| *kind > 0);
    Metric { name, alias, datatype, value: Some(value), ..Metric::default() }
}

fn message(seq: u64, metrics: Vec<Metric>) -> Vec<u8> {
    let timestamp = Some(1_714_550_400_000 + seq);
    Payload { timestamp, seq: Some(seq), metrics, ..Payload::default() }.encode_to_vec()
}

fn birth() -> Vec<u8> {
    message(
        0,
        vec![
            metric("bdSeq", None, 4, MetricValue::Long(0)),
            metric("temp", Some(1), 10, MetricValue::Double(21.5)),
            metric("n", Some(2), 3, MetricValue::Int(0xffff_fffb)),
        ],
    )
}

fn datum(seq: u64, value: f64) -> Vec<u8> {
    message(seq, vec![metric("", Some(1), 0, MetricValue::Double(value))])
}

/// Publishes and waits until it is acknowledged, which is when it is stored.
fn publish(client: &mut Client, topic: &str, payload: &[u8]) {
    client.publish(1, topic, payload).unwrap();
    assert_eq!(client.acknowledged().unwrap(), 1);
}

#[test]
fn a_node_finds_its_host_and_its_values_are_tags() {
    let dir = tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut watcher = Client::connect(&server.mqtt, "watcher").unwrap();
    watcher.subscribe("spBv1.0/STATE/+", 1).unwrap();
    let state = watcher.hear().unwrap();
    assert_eq!(state.topic, "spBv1.0/STATE/tacitus");
    assert!(state.payload.starts_with(r#"{"online":true,"timestamp":"#), "{}", state.payload);

    let mut node = Client::connect(&server.mqtt, "node").unwrap();
    publish(&mut node, "spBv1.0/G/NBIRTH/E", &birth());
    publish(&mut node, "spBv1.0/G/NDATA/E", &datum(1, 22.5));
    let rows = "SELECT tag, value FROM samples WHERE tag LIKE 'G/E/%' ORDER BY tag, ts";
    assert_eq!(server.rows(rows), ["G/E/n,-5.0", "G/E/temp,21.5", "G/E/temp,22.5"]);

    // A gap that stays is asked about on the node's own topic.
    let mut commands = Client::connect(&server.mqtt, "commands").unwrap();
    commands.subscribe("spBv1.0/G/NCMD/E", 0).unwrap();
    publish(&mut node, "spBv1.0/G/NDATA/E", &datum(7, 23.5));
    let asked = commands.hear().unwrap();
    assert!(asked.payload.contains("Node Control/Rebirth"), "{asked:?}");

    let body = br#"{"group":"G","node":"E","metrics":[{"name":"n","value":-7}]}"#;
    assert_eq!(server.post("/api/v1/sparkplug/command", body).0, 202);
    assert_eq!(commands.hear().unwrap().topic, "spBv1.0/G/NCMD/E");
    let wrong = br#"{"group":"G","node":"E","metrics":[{"name":"n","value":"x"}]}"#;
    assert_eq!(server.post("/api/v1/sparkplug/command", wrong).0, 400);

    server.terminate();
    let gone = watcher.hear().unwrap();
    assert!(gone.payload.starts_with(r#"{"online":false,"timestamp":"#), "{}", gone.payload);
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn after_a_kill_aliases_are_known_and_a_birth_is_asked_for() {
    let dir = tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut node = Client::connect(&server.mqtt, "node").unwrap();
    publish(&mut node, "spBv1.0/G/NBIRTH/E", &birth());
    // A command goes out after the table of the birth before it is on disk.
    let mut commands = Client::connect(&server.mqtt, "commands").unwrap();
    commands.subscribe("spBv1.0/G/NCMD/E", 0).unwrap();
    let body = br#"{"group":"G","node":"E","metrics":[{"name":"n","value":-7}]}"#;
    assert_eq!(server.post("/api/v1/sparkplug/command", body).0, 202);
    commands.hear().unwrap();
    server.kill();

    let server = Server::start(dir.path());
    let mut commands = Client::connect(&server.mqtt, "commands").unwrap();
    commands.subscribe("spBv1.0/G/NCMD/E", 0).unwrap();
    let mut node = Client::connect(&server.mqtt, "node").unwrap();
    publish(&mut node, "spBv1.0/G/NDATA/E", &datum(9, 24.5));
    let rows = "SELECT value FROM samples WHERE tag = 'G/E/temp' ORDER BY ts";
    assert_eq!(server.rows(rows), ["21.5", "24.5"]);
    assert!(commands.hear().unwrap().payload.contains("Node Control/Rebirth"));
}
