//! Store and forward: two servers, the way between them cut, either killed, and what is equal in
//! the end.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::server::{Server, agent, tacitus, wait_for};

/// 2025-01-01T00:00:00Z in nanoseconds.
const EPOCH_NS: u64 = 1_735_689_600_000_000_000;

/// A server on a port of HTTP that is the same after a restart, which seals often.
fn start(dir: &Path, http: &str) -> Server {
    let mut command = tacitus();
    command.args(["serve", "--http", http, "--mqtt", "127.0.0.1:0", "--pg", "127.0.0.1:0"]);
    command.arg("--data").arg(dir);
    command.envs([("TACITUS_GRPC_ADDR", "127.0.0.1:0"), ("TACITUS_DATA_SEAL_AFTER", "1 s")]);
    let mut server = Server::adopt(command);
    server.wait_until_ready();
    server
}

/// An address that is free, and stays so unless somebody picks it by chance.
fn address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

pub(crate) fn request(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("http://{}{path}", server.http);
    let body = body.to_string();
    let mut answer = match method {
        "PUT" => agent().put(url).send(body),
        "PATCH" => agent().patch(url).send(body),
        "DELETE" => agent().delete(url).call(),
        _ => agent().post(url).send(body),
    }
    .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
}

/// Forwards everything to a server, without resting long.
fn forward_to(server: &Server, upstream: &str, more: &Value) {
    let mut settings = json!({
        "url": format!("http://{upstream}"),
        "start": "everything",
        "every": "20 ms",
    });
    for (key, value) in more.as_object().unwrap() {
        settings[key] = value.clone();
    }
    let (status, answer) =
        request(server, "PUT", "/api/v1/forwards/centre", &json!({"settings": settings}));
    assert_eq!(status, 200, "{answer}");
}

pub(crate) fn forwarder(server: &Server) -> Value {
    serde_json::from_str(&server.get("/api/v1/forwards/centre").1).unwrap()
}

/// Samples of every kind, `count` of each tag, from a moment on.
pub(crate) fn write(server: &Server, first: u64, count: u64) {
    let mut lines = String::new();
    for n in first..first + count {
        let ts = EPOCH_NS + n * 1_000_000;
        let f = f64::from_bits(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) & !(1 << 62));
        writeln!(lines, "cell,line=2 f={f:?},n={n}i,b={},s=\"state {}\" {ts}", n % 3 == 0, n % 7)
            .unwrap();
    }
    let (status, answer) = server.post("/write", lines.as_bytes());
    assert_eq!(status, 204, "{answer}");
}

fn everything(server: &Server) -> Vec<String> {
    server.rows("SELECT tag, ts, value, value_int, text, quality FROM samples ORDER BY tag, ts")
}

/// Waits until both stores answer the same.
pub(crate) fn wait_until_equal(edge: &Server, centre: &Server) {
    let want = everything(edge);
    wait_for("the centre to have what the edge has", || {
        (everything(centre).len() == want.len()).then_some(())
    });
    wait_for("the same values", || (everything(centre) == want).then_some(()));
}

#[test]
fn what_was_taken_in_while_the_way_was_cut_arrives_whole_whoever_is_killed() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (upstream, http) = (address(), address());
    let centre = start(dirs[0].path(), &upstream);
    let edge = start(dirs[1].path(), &http);
    forward_to(&edge, &upstream, &json!({"batch_rows": 700}));
    write(&edge, 0, 500);
    wait_until_equal(&edge, &centre);

    centre.kill();
    for n in 1..5 {
        write(&edge, n * 500, 500);
        let sealed = edge.status()["segments"].as_u64().unwrap();
        wait_for("a seal", || (edge.status()["segments"].as_u64()? > sealed).then_some(()));
    }
    let bad = json!([
        {"tag": "cell/line=2/f", "ts": "2025-01-01T00:00:10Z", "value": null, "quality": 2_147_483_648_u32},
        {"tag": "cell/line=2/n", "ts": "2025-01-01T00:00:10Z", "value": -9_007_199_254_740_995_i64},
    ]);
    assert_eq!(request(&edge, "POST", "/api/v1/samples", &bad).0, 204);
    let wrong = json!({"user": "anna", "reason": "unplugged", "tags": ["cell/line=2/b"],
        "from": "2025-01-01T00:00:00.1Z", "to": "2025-01-01T00:00:00.2Z"});
    assert_eq!(request(&edge, "POST", "/api/v1/samples/delete", &wrong).0, 200);
    let right = json!({"user": "anna", "reason": "typo", "samples": [
        {"tag": "cell/line=2/n", "ts": "2025-01-01T00:00:00.001Z", "value": 77}]});
    assert_eq!(request(&edge, "POST", "/api/v1/samples/edit", &right).0, 200);
    let unit = json!({"unit": "°C", "description": "the oven's inside", "labels": {"hall": "2"}});
    assert_eq!(request(&edge, "PATCH", "/api/v1/tags?tag=cell/line=2/f", &unit).0, 200);
    let waiting = forwarder(&edge);
    assert!(waiting["backlog_samples"].as_u64().unwrap() >= 4_000, "{waiting}");
    assert!(waiting["last_error"].as_str().unwrap().contains(&upstream), "{waiting}");

    edge.kill();
    let edge = start(dirs[1].path(), &http);
    write(&edge, 2_500, 300);
    let centre = start(dirs[0].path(), &upstream);
    wait_until_equal(&edge, &centre);
    let tags = "SELECT name, kind, unit, description FROM tags ORDER BY name";
    assert_eq!(centre.rows(tags), edge.rows(tags));
    let done = wait_for("an end of the backlog", || {
        Some(forwarder(&edge)).filter(|own| own["backlog_samples"] == 0)
    });
    assert_eq!(done["phase"], "connected", "{done}");
    assert_eq!((&done["refused_total"], &done["lost_samples"]), (&json!(0), &json!(0)), "{done}");
    let audit: Value = serde_json::from_str(&centre.get("/api/v1/audit").1).unwrap();
    assert_eq!(audit["audit"][0]["user"], "anna (forward:centre)", "{audit}");
    let row = "SELECT name, state, lost_samples FROM forwards";
    assert_eq!(edge.rows(row), ["centre,connected,0"]);
}

#[test]
fn either_side_killed_again_and_again_loses_and_doubles_nothing() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (upstream, http) = (address(), address());
    let mut centre = start(dirs[0].path(), &upstream);
    let mut edge = start(dirs[1].path(), &http);
    forward_to(&edge, &upstream, &json!({"batch_rows": 97, "order": "in_order"}));
    for round in 0..8 {
        write(&edge, round * 400, 400);
        if round % 2 == 0 {
            edge.kill();
            edge = start(dirs[1].path(), &http);
        } else {
            centre.kill();
            centre = start(dirs[0].path(), &upstream);
        }
    }
    wait_until_equal(&edge, &centre);
    assert_eq!(everything(&centre).len(), 4 * 8 * 400);
}

#[test]
fn what_the_buffer_does_not_hold_is_given_up_and_written_down() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (upstream, http) = (address(), address());
    let edge = start(dirs[1].path(), &http);
    forward_to(&edge, &upstream, &json!({"buffer": "64 KiB"}));
    let mut written = 0;
    wait_for("a loss", || {
        write(&edge, written, 2_000);
        written += 2_000;
        let lost = forwarder(&edge)["lost_samples"].as_u64()?;
        (lost > 0).then_some(())
    });
    // One that is paused keeps to its bound too.
    let path = "/api/v1/forwards/centre";
    assert_eq!(request(&edge, "PATCH", path, &json!({"paused": true})).1["phase"], "paused");
    let before = forwarder(&edge)["lost_samples"].as_u64().unwrap();
    wait_for("another loss", || {
        write(&edge, written, 2_000);
        written += 2_000;
        (forwarder(&edge)["lost_samples"].as_u64()? > before).then_some(())
    });
    assert_eq!(request(&edge, "PATCH", path, &json!({"paused": false})).0, 200);
    let gaps = "SELECT source, cause, state FROM gaps LIMIT 1";
    assert_eq!(edge.rows(gaps), ["forward:centre,overflow,lost"]);
    // What was given up stays given up across a kill, and stays here.
    edge.kill();
    let edge = start(dirs[1].path(), &http);
    assert!(forwarder(&edge)["lost_samples"].as_u64().unwrap() > 0);
    assert_eq!(everything(&edge).len() as u64, written * 4);
    let centre = start(dirs[0].path(), &upstream);
    let whole = wait_for("the rest to arrive", || {
        let state = forwarder(&edge);
        let sum = everything(&centre).len() as u64 + state["lost_samples"].as_u64()?;
        (state["backlog_samples"] == 0).then_some(sum)
    });
    assert_eq!(whole, written * 4);
}

#[test]
fn what_went_round_does_not_come_back() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (one, other) = (address(), address());
    let (here, there) = (start(dirs[0].path(), &one), start(dirs[1].path(), &other));
    forward_to(&here, &other, &json!({}));
    forward_to(&there, &one, &json!({"prefix": "back/"}));
    write(&here, 0, 100);
    wait_until_equal(&here, &there);
    let own = json!([{"tag": "own", "ts": "2025-01-01T00:00:00Z", "value": 1.5}]);
    assert_eq!(request(&there, "POST", "/api/v1/samples", &own).0, 204);
    // What was written there after it all is here: what came from here was passed over.
    wait_for("its own sample", || {
        (here.rows("SELECT count(*) FROM samples WHERE tag = 'back/own'") == ["1"]).then_some(())
    });
    assert_eq!(here.rows("SELECT count(*) FROM tags WHERE name LIKE 'back/%'"), ["1"]);
    assert_eq!(forwarder(&there)["samples_total"], 1);
    // One that names itself says so.
    let itself = json!({"settings": {"url": format!("http://{one}")}});
    assert_eq!(request(&here, "PUT", "/api/v1/forwards/centre", &itself).0, 200);
    let error = wait_for("an error", || forwarder(&here)["last_error"].as_str().map(str::to_owned));
    assert!(error.contains("this server itself"), "{error}");
}

#[test]
fn what_the_upstream_refuses_is_counted_and_the_rest_goes_on() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (upstream, http) = (address(), address());
    let (centre, edge) = (start(dirs[0].path(), &upstream), start(dirs[1].path(), &http));
    let row = |tag: &str, value: Value| json!([{"tag": tag, "ts": "2025-01-01T00:00:00Z", "value": value}]);
    assert_eq!(request(&centre, "POST", "/api/v1/samples", &row("a", json!(1.5))).0, 204);
    for (tag, value) in [("a", json!("on")), ("b", json!("on")), ("other", json!(2.5))] {
        assert_eq!(request(&edge, "POST", "/api/v1/samples", &row(tag, value)).0, 204);
    }
    forward_to(&edge, &upstream, &json!({"select": ["glob={a,b}"]}));
    wait_for("the rest", || {
        (centre.rows("SELECT text FROM samples WHERE tag = 'b'") == ["on"]).then_some(())
    });
    let state =
        wait_for("the answer", || Some(forwarder(&edge)).filter(|own| own["refused_total"] == 1));
    assert!(state["last_refusal"].as_str().unwrap().contains("\"a\""), "{state}");
    assert_eq!(centre.rows("SELECT count(*) FROM tags WHERE name = 'other'"), ["0"]);
    let refused: Value = serde_json::from_str(&centre.get("/api/v1/refusals").1).unwrap();
    assert_eq!(refused["last"][0]["source"], "forward:centre", "{refused}");
}

#[test]
fn forwarders_are_defined_paused_and_removed_and_passwords_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let http = address();
    let edge = start(dir.path(), &http);
    let path = "/api/v1/forwards/centre";
    let wrong = json!({"settings": {"url": "centre", "order": "random"}});
    let (status, problem) = request(&edge, "PUT", path, &wrong);
    let keys: Vec<&str> = problem["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| own["key"].as_str().unwrap())
        .collect();
    assert_eq!((status, keys), (400, vec!["order", "url"]));
    forward_to(&edge, &address(), &json!({"user": "edge", "password": "secret"}));
    let text = edge.get("/api/v1/forwards").1;
    assert!(text.contains("\"password\":\"***\"") && !text.contains("secret"), "{text}");
    assert_eq!(request(&edge, "PATCH", path, &json!({"paused": true})).1["phase"], "paused");
    edge.kill();
    let edge = start(dir.path(), &http);
    assert_eq!(forwarder(&edge)["phase"], "paused");
    assert!(edge.get("/metrics").1.contains("tacitus_forward_connected{name=\"centre\"} 0\n"));
    assert_eq!(request(&edge, "DELETE", path, &Value::Null).0, 204);
    assert_eq!(edge.get(path).0, 404);
    assert_eq!(edge.rows("SELECT count(*) FROM forwards"), ["0"]);
}
