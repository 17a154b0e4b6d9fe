//! Assets, calendars, events and annotations: what is wrong is said, what is right outlives a kill
//! and a restore, and SQL shows it.

use std::path::Path;

use serde_json::{Value, json};

use crate::server::{Server, agent, tacitus};

pub(crate) fn send(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("http://{}{path}", server.http);
    let body = body.to_string();
    let mut answer = match method {
        "POST" => agent().post(url).send(body),
        "PUT" => agent().put(url).send(body),
        "PATCH" => agent().patch(url).send(body),
        "DELETE" => agent().delete(url).call(),
        other => panic!("{other}"),
    }
    .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

pub(crate) fn get(server: &Server, path: &str) -> Value {
    serde_json::from_str(&server.get(path).1).unwrap()
}

pub(crate) fn done((status, answer): (u16, Value), want: u16) -> Value {
    assert_eq!(status, want, "{answer}");
    answer
}

/// A site in Berlin with two lines, three shifts, a batch and a note; some samples.
fn build(server: &Server) {
    let calendar = json!({
        "day_start": "06:00",
        "shifts": [
            {"name": "early", "start": "06:00", "end": "14:00"},
            {"name": "late", "start": "14:00", "end": "22:00"},
            {"name": "night", "start": "22:00", "end": "06:00"},
        ],
    });
    done(send(server, "PUT", "/api/v1/calendars/three-shift", &calendar), 200);
    let assets = json!({"assets": [
        {"path": "acme", "level": "site", "timezone": "Europe/Berlin", "calendar": "three-shift"},
        {"path": "acme/line1", "level": "line", "attributes": {"rate": 120}},
        {"path": "acme/line2", "level": "line"},
    ]});
    done(send(server, "PUT", "/api/v1/assets", &assets), 200);
    let rows = json!([
        {"tag": "acme/line1/speed", "ts": "2026-03-29T00:30:00Z", "value": 1.0},
        {"tag": "acme/line2/speed", "ts": "2026-03-29T04:30:00Z", "value": 2.0},
        {"tag": "hall/power", "ts": "2026-03-29T04:30:00Z", "value": 3.0},
    ]);
    assert_eq!(server.post("/api/v1/samples", rows.to_string().as_bytes()).0, 204);
    let batch = json!({"kind": "batch", "asset": "acme/line1", "start": "2026-03-29T00:00:00Z",
                       "attributes": {"order": "WO-7"}});
    done(send(server, "POST", "/api/v1/events", &batch), 201);
    let note = json!({"tag": "acme/line1/speed", "start": "2026-03-29T00:30:00Z",
                      "text": "belt slipped", "author": "ada"});
    done(send(server, "POST", "/api/v1/annotations", &note), 201);
}

/// The names of the tags that a request selects.
fn selected(server: &Server, query: &str) -> Vec<String> {
    let page = get(server, &format!("/api/v1/tags?{query}"));
    let tags = page["tags"].as_array().unwrap().iter();
    tags.map(|tag| tag["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn tags_of_an_asset_are_selected_by_path_and_by_label() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    build(&server);
    assert_eq!(selected(&server, "asset=acme/line1"), ["acme/line1/speed"]);
    let label = json!({"labels": {"asset": "acme/line1"}});
    for tag in ["hall/power", "acme/line2/speed"] {
        done(send(&server, "PATCH", &format!("/api/v1/tags?tag={tag}"), &label), 200);
    }
    let all = ["acme/line1/speed", "acme/line2/speed", "hall/power"];
    assert_eq!(selected(&server, "asset=acme/line1"), all);
    assert_eq!(selected(&server, "asset=acme/line2"), [""; 0]);
    assert_eq!(selected(&server, "asset=acme"), all);
    let same =
        "SELECT DISTINCT tag FROM history('asset:acme/line1', null, null, 'inside') ORDER BY tag";
    assert_eq!(server.rows(same), all);
    assert_eq!(server.rows("SELECT name FROM tags WHERE asset = 'acme/line1' ORDER BY name"), all);
    // A label that names no asset says nothing.
    let nowhere = json!({"labels": {"asset": "elsewhere"}});
    done(send(&server, "PATCH", "/api/v1/tags?tag=acme/line2/speed", &nowhere), 200);
    assert_eq!(selected(&server, "asset=acme/line2"), ["acme/line2/speed"]);
}

/// What SQL shows of it.
fn check(server: &Server) {
    let rows = |query: &str| server.rows(query);
    assert_eq!(
        rows(
            "SELECT name, asset, shift(name, last_ts), production_day('acme', last_ts) FROM tags WHERE asset IS NOT NULL ORDER BY name"
        ),
        [
            "acme/line1/speed,acme/line1,night,2026-03-28",
            "acme/line2/speed,acme/line2,early,2026-03-29"
        ]
    );
    assert_eq!(
        rows(
            "SELECT shift, planned_s FROM shifts WHERE asset = 'acme/line1' AND production_day = '2026-03-28' ORDER BY start_ts"
        ),
        ["early,28800.0", "late,28800.0", "night,25200.0"]
    );
    assert_eq!(rows("SELECT kind, asset, end_ts IS NULL FROM events"), ["batch,acme/line1,true"]);
    assert_eq!(
        rows("SELECT asset, tag, text, author FROM annotations"),
        ["acme/line1,acme/line1/speed,belt slipped,ada"]
    );
    assert_eq!(rows("SELECT path, parent FROM assets WHERE level = 'line' ORDER BY path").len(), 2);
}

pub(crate) fn run(arguments: &[&str]) {
    let output = tacitus().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What is built is there after a kill, and in a restored backup.
pub(crate) fn outlives_a_kill_and_a_restore(build: fn(&Server), check: fn(&Server)) {
    let dir = tempfile::tempdir().unwrap();
    let [data, backup, copy] = ["data", "backup", "copy"].map(|name| dir.path().join(name));
    let server = Server::start(&data);
    build(&server);
    check(&server);
    server.kill();
    let server = Server::start(&data);
    check(&server);
    server.kill();
    run(&["backup", text(&backup), "--data", text(&data)]);
    run(&["restore", text(&backup), "--data", text(&copy)]);
    check(&Server::start(&copy));
}

#[test]
fn the_plant_outlives_a_kill_and_a_restore() {
    outlives_a_kill_and_a_restore(build, check);
}

#[test]
fn an_event_is_closed_changed_and_removed_and_a_note_follows_its_tag() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    build(&server);
    let closed = json!({"end": "2026-03-29T02:00:00Z", "severity": 300});
    let event = done(send(&server, "PATCH", "/api/v1/events/1", &closed), 200);
    assert_eq!((&event["kind"], &event["severity"]), (&json!("batch"), &json!(300)));
    assert_eq!(event["attributes"], json!({"order": "WO-7"}));
    let lasts = done(send(&server, "PATCH", "/api/v1/events/1", &json!({"end": null})), 200);
    assert_eq!((&lasts["end"], &lasts["severity"]), (&Value::Null, &json!(300)));
    done(send(&server, "PATCH", "/api/v1/events/1", &closed), 200);

    let number = |query: &str| {
        get(&server, &format!("/api/v1/events?{query}"))["rows"].as_array().unwrap().len()
    };
    assert_eq!(number("from=2026-03-29T01:00:00Z&to=2026-03-29T01:30:00Z&under=acme"), 1);
    assert_eq!(number("from=2026-03-29T02:00:01Z"), 0);
    assert_eq!(number("kind=downtime"), 0);
    for hour in 3..7 {
        let event = json!({"kind": "stop", "start": format!("2026-03-29T0{hour}:00:00Z")});
        done(send(&server, "POST", "/api/v1/events", &event), 201);
    }
    let first = get(&server, "/api/v1/events?limit=2");
    let next = first["next"].as_str().unwrap();
    let rest = get(&server, &format!("/api/v1/events?limit=5&after={next}"));
    let ids: Vec<u64> = [&first, &rest]
        .iter()
        .flat_map(|page| page["rows"].as_array().unwrap())
        .map(|row| row["id"].as_u64().unwrap())
        .collect();
    assert_eq!((ids, &rest["next"]), (vec![1, 2, 3, 4, 5], &Value::Null));
    done(send(&server, "DELETE", "/api/v1/events/1", &Value::Null), 204);
    done(send(&server, "DELETE", "/api/v1/events/1", &Value::Null), 404);

    let renamed = json!({"name": "acme/line1/belt/speed"});
    done(send(&server, "PATCH", "/api/v1/tags?tag=acme/line1/speed", &renamed), 200);
    assert_eq!(server.rows("SELECT tag FROM annotations"), ["acme/line1/belt/speed"]);
}

#[test]
fn what_is_wrong_is_told_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    build(&server);
    let overlap = json!({"shifts": [
        {"name": "a", "start": "06:00", "end": "14:00"}, {"name": "b", "start": "13:00", "end": "15:00"},
    ]});
    for (method, path, body, want) in [
        ("PUT", "/api/v1/calendars/other", overlap, 400),
        ("PUT", "/api/v1/calendars/other", json!({"shift": []}), 400),
        ("DELETE", "/api/v1/calendars/three-shift", Value::Null, 409),
        ("DELETE", "/api/v1/calendars/other", Value::Null, 404),
        ("PUT", "/api/v1/assets", json!({"assets": [{"path": "a"}, {"path": "a//b"}]}), 400),
        ("DELETE", "/api/v1/assets?path=nowhere", Value::Null, 404),
        ("DELETE", "/api/v1/assets", Value::Null, 400),
        ("POST", "/api/v1/events", json!({"kind": ""}), 400),
        ("POST", "/api/v1/events", json!({"kind": "a", "start": "today"}), 400),
        ("PATCH", "/api/v1/events/1", json!({"end": "2026-03-28T00:00:00Z"}), 400),
        ("PATCH", "/api/v1/events/1", json!({"kind": null}), 400),
        ("PATCH", "/api/v1/events/99", json!({}), 404),
        ("POST", "/api/v1/annotations", json!({"text": "a", "tag": "no/such/tag"}), 400),
        (
            "POST",
            "/api/v1/annotations",
            json!({"text": "a", "tag": "hall/power", "asset": "acme"}),
            400,
        ),
    ] {
        let (status, answer) = send(&server, method, path, &body);
        assert_eq!(status, want, "{method} {path} {body}: {answer}");
        assert!(answer["hint"].is_string(), "{answer}");
    }
    check(&server);
    done(send(&server, "DELETE", "/api/v1/assets?path=acme&below=true", &Value::Null), 204);
    done(send(&server, "DELETE", "/api/v1/calendars/three-shift", &Value::Null), 204);
    assert_eq!(server.rows("SELECT count(*) FROM assets"), ["0"]);
    assert_eq!(server.rows("SELECT count(*) FROM tags WHERE asset IS NULL"), ["3"]);
}
