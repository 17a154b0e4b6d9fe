//! Collectors that are defined while the server runs: what is wrong with one is said, what is right
//! outlives a kill, and what was missed in between is fetched.

use serde_json::{Value, json};

use crate::server::{Server, agent, wait_for};

/// 2026-02-02T00:00:00Z.
const START: u64 = 1_769_990_400_000_000_000;
const MILLI: u64 = 1_000_000;

fn send(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("http://{}{path}", server.http);
    let body = body.to_string();
    let mut answer = match method {
        "PUT" => agent().put(url).send(body),
        "PATCH" => agent().patch(url).send(body),
        "DELETE" => agent().delete(url).call(),
        other => panic!("{other}"),
    }
    .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn document(server: &Server, path: &str) -> Value {
    serde_json::from_str(&server.get(path).1).unwrap()
}

/// Writes samples of `src/v` from one number to before another, one a millisecond.
fn write(server: &Server, numbers: std::ops::Range<u64>) {
    let lines: Vec<String> =
        numbers.map(|number| format!("src v={number} {}", START + number * MILLI)).collect();
    assert_eq!(server.post("/write", lines.join("\n").as_bytes()).0, 204);
}

#[test]
fn a_definition_that_is_wrong_is_told_whole_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let wrong = json!({"kind": "opcua", "settings": {
        "endpoint": "http://10.0.0.5", "security": "rot13", "nodes": [{"node": "Oven"}],
    }});
    let (status, answer) = send(&server, "PUT", "/api/v1/collectors/cell3", &wrong);
    assert_eq!(status, 400, "{answer}");
    let problems = answer["problems"].as_array().unwrap();
    let keys: Vec<&str> = problems.iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["endpoint", "security", "nodes[0].node"]);
    for (method, path, body, want) in [
        ("PUT", "/api/v1/collectors/a", json!({"kind": "pigeon"}), 400),
        ("PUT", "/api/v1/collectors/a", json!({"settings": {}}), 400),
        ("PUT", "/api/v1/collectors/no%20name", json!({"kind": "opcua"}), 400),
        ("PATCH", "/api/v1/collectors/a", json!({"paused": true}), 404),
        ("DELETE", "/api/v1/collectors/a", Value::Null, 404),
    ] {
        let (status, answer) = send(&server, method, path, &body);
        assert_eq!(status, want, "{method} {path}: {answer}");
        assert!(answer["hint"].is_string(), "{answer}");
    }
    assert_eq!(document(&server, "/api/v1/collectors")["collectors"], json!([]));
}

#[test]
fn a_collector_outlives_a_kill_and_fetches_what_it_missed() {
    let (source_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source =
        Server::start_with(source_dir.path(), &[("TACITUS_OPCUA_SERVER_ADDR", "127.0.0.1:0")]);
    write(&source, 0..10);
    let server = Server::start(dir.path());
    let definition = json!({"kind": "opcua", "settings": {
        "endpoint": format!("opc.tcp://{}", source.opcua),
        "prefix": "copy",
        "publishing_interval": "100 ms",
        "sampling_interval": "10 ms",
        "browse": {"root": "nsu=urn:tacitus:tags;s=f:src"},
        // A history of February is far away from now.
        "backfill_reach": "3650 d",
    }});
    let (status, answer) = send(&server, "PUT", "/api/v1/collectors/line", &definition);
    assert_eq!(status, 200, "{answer}");
    let latest = "SELECT count(*) FROM samples WHERE tag = 'copy/v' AND value = 9";
    wait_for("the first sample", || (server.rows(latest) == ["1"]).then_some(()));

    server.kill();
    write(&source, 10..3_000);
    let server = Server::start(dir.path());
    let state = "SELECT cause, state FROM gaps ORDER BY id LIMIT 1";
    let filled = ["collector_down,back_filled"];
    wait_for("the back-fill", || (server.rows(state) == filled).then_some(()));
    let missed = "SELECT count(*), min(value), max(value) FROM samples \
                  WHERE tag = 'copy/v' AND good AND value >= 9";
    assert_eq!(server.rows(missed), ["2991,9.0,2999.0"]);
    let none = "SELECT count(*) FROM samples WHERE tag = 'copy/v' AND value IS NULL";
    assert_eq!(server.rows(none), ["0"]);

    let (status, answer) =
        send(&server, "PATCH", "/api/v1/collectors/line", &json!({"paused": true}));
    assert_eq!((status, &answer["phase"]), (200, &json!("paused")));
    let rows = server.rows("SELECT name, kind, origin, state FROM collectors");
    assert_eq!(rows, ["line,opcua,definition,paused"]);
    assert_eq!(send(&server, "DELETE", "/api/v1/collectors/line", &Value::Null).0, 204);
    assert_eq!(document(&server, "/api/v1/collectors")["collectors"], json!([]));
    // What it left open is settled with it.
    let open = "SELECT count(*) FROM gaps WHERE state = 'open'";
    assert_eq!(server.rows(open), ["0"]);
}
