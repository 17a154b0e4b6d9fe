//! Tags looked up and changed, samples corrected, over HTTP; and the store as it was before.

use serde_json::{Value, json};

use crate::server::{Server, agent};

fn parsed(answer: &(u16, String)) -> (u16, Value) {
    (
        answer.0,
        serde_json::from_str(&answer.1).unwrap_or_else(|error| panic!("{error}: {answer:?}")),
    )
}

fn patch(server: &Server, tag: &str, changes: &Value) -> (u16, Value) {
    let url = format!("http://{}/api/v1/tags?tag={tag}", server.http);
    let mut answer = agent().patch(url).send(changes.to_string()).unwrap();
    let body = answer.body_mut().read_to_string().unwrap();
    parsed(&(answer.status().as_u16(), body))
}

fn names(page: &Value) -> Vec<&str> {
    let tags = page["tags"].as_array().unwrap();
    tags.iter().map(|tag| tag["name"].as_str().unwrap()).collect()
}

fn plant() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let rows = json!([
        {"tag": "line1/a", "ts": "2026-01-01T00:00:00Z", "value": 1.0},
        {"tag": "line1/a", "ts": "2026-01-01T00:01:00Z", "value": 2.0},
        {"tag": "line1/b", "ts": "2026-01-01T00:00:00Z", "value": true},
        {"tag": "line2/a", "ts": "2026-01-01T00:00:00Z", "value": "on"},
    ]);
    assert_eq!(server.post("/api/v1/samples", rows.to_string().as_bytes()).0, 204);
    (dir, server)
}

#[test]
fn tags_are_found_by_pattern_kind_and_label_a_page_at_a_time() {
    let (_dir, server) = plant();
    let list = |query: &str| parsed(&server.get(&format!("/api/v1/tags?{query}")));
    assert_eq!(names(&list("").1), ["line1/a", "line1/b", "line2/a"]);
    assert_eq!(names(&list("glob=line1/*&kind=bool").1), ["line1/b"]);
    assert_eq!(names(&list("prefix=line1/&tag=line2/a").1).len(), 3);
    let first = list("limit=2").1;
    assert_eq!(names(&first).len(), 2);
    let rest = list(&format!("limit=2&after={}", first["next"])).1;
    assert_eq!((names(&rest), &rest["next"]), (vec!["line2/a"], &Value::Null));
    for wrong in ["colour=red", "kind=complex", "limit=0", "after=-1", "regex=("] {
        let (status, problem) = list(wrong);
        assert!(status == 400 && problem["detail"].is_string(), "{wrong}: {problem}");
    }
}

#[test]
fn a_changed_tag_is_found_by_what_it_is_now_and_by_its_former_name() {
    let (dir, server) = plant();
    let changes =
        json!({"unit": "°C", "labels": {"hall": "2"}, "name": "line1/oven", "step": true});
    let (status, tag) = patch(&server, "line1/a", &changes);
    assert_eq!((status, &tag["unit"], &tag["step"]), (200, &json!("°C"), &json!(true)));
    assert_eq!((&tag["name"], &tag["aliases"]), (&json!("line1/oven"), &json!(["line1/a"])));
    server.kill();

    let server = Server::start(dir.path());
    let found = parsed(&server.get("/api/v1/tags?label=hall=2&tag=line1/a")).1;
    assert_eq!(names(&found), ["line1/oven"]);
    assert_eq!(server.rows("SELECT count(*) FROM samples WHERE tag = 'line1/oven'"), ["2"]);

    for (tag, changes, want) in [
        ("line9/x", json!({"unit": "V"}), 404),
        ("line1/b", json!({"name": "line2/a"}), 409),
        ("line1/b", json!({"name": ""}), 400),
        ("line1/b", json!({"kind": "text"}), 400),
        ("line1/b", json!({"release": "line1/a"}), 400),
        ("line1/b", json!(["V"]), 400),
    ] {
        let (status, problem) = patch(&server, tag, &changes);
        assert_eq!(status, want, "{changes}: {problem}");
    }
    let untouched = parsed(&server.get("/api/v1/tags?tag=line1/b")).1;
    assert_eq!(untouched["tags"][0]["unit"], "");
}

#[test]
fn a_correction_is_on_record_and_what_was_there_can_be_read_as_of_before() {
    let (_dir, server) = plant();
    let before = server.status()["sequence"].clone();
    let edit = json!({"user": "anna", "reason": "upside down", "samples": [
        {"tag": "line1/a", "ts": "2026-01-01T00:01:00Z", "value": 20.0},
    ]});
    let (status, done) = parsed(&server.post("/api/v1/samples/edit", edit.to_string().as_bytes()));
    assert_eq!(status, 200, "{done}");
    let deletion = json!({"user": "ben", "reason": "unplugged", "tags": ["line1/a"],
        "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:01:00Z"});
    let answer = server.post("/api/v1/samples/delete", deletion.to_string().as_bytes());
    assert_eq!(answer.0, 200, "{}", answer.1);
    let query = "SELECT value FROM samples WHERE tag = 'line1/a' ORDER BY ts";
    assert_eq!(server.rows(query), ["20.0"], "the end of the span stays");

    let as_of = |query: &str, sequence: &Value| {
        let question = json!({"query": query, "as_of": sequence}).to_string();
        parsed(&server.post("/api/v1/sql", question.as_bytes()))
    };
    assert_eq!(as_of(query, &before).1["rows"], json!([[1.0], [2.0]]));
    assert_eq!(as_of(query, &done["sequence"]).1["rows"], json!([[1.0], [20.0]]));
    let sum = "SELECT sum(value), count(*) FROM samples WHERE tag = 'line1/a'";
    assert_eq!(as_of(sum, &before).1["rows"], json!([[3.0, 2]]));
    let deletion = json!({"user": "ben", "reason": "unplugged", "tags": ["line1/a"],
        "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"});
    assert_eq!(server.post("/api/v1/samples/delete", deletion.to_string().as_bytes()).0, 200);
    assert_eq!(server.rows(query), Vec::<String>::new());
    assert_eq!(as_of(query, &before).1["rows"], json!([[1.0], [2.0]]), "of what is all gone");
    assert_eq!(as_of(sum, &before).1["rows"], json!([[3.0, 2]]));
    let latest = "SELECT tag, ts, value FROM latest WHERE tag = 'line1/a'";
    assert_eq!(server.rows(latest), Vec::<String>::new());
    let last = json!([["line1/a", "2026-01-01T00:01:00Z", 2.0]]);
    assert_eq!(as_of(latest, &before).1["rows"], last);
    assert_eq!(as_of(query, &json!(1_000_000)).0, 400);

    let audit = parsed(&server.get("/api/v1/audit")).1;
    let told = |at: usize, name: &str| audit["audit"][at][name].as_str().unwrap().to_owned();
    assert_eq!((told(0, "user"), told(0, "change")), ("anna".into(), "edited".into()));
    assert_eq!((told(1, "reason"), told(1, "change")), ("unplugged".into(), "deleted".into()));
}

#[test]
fn a_correction_that_cannot_be_made_changes_nothing() {
    let (_dir, server) = plant();
    let samples =
        |tag: &str, value: Value| json!([{"tag": tag, "ts": 1_767_225_600, "value": value}]);
    for (path, body, want) in [
        ("edit", json!({"user": "", "reason": "x", "samples": samples("line1/a", json!(1))}), 400),
        ("edit", json!({"user": "a", "reason": "x", "samples": samples("new", json!(1))}), 404),
        (
            "edit",
            json!({"user": "a", "reason": "x", "samples": samples("line1/b", json!("?"))}),
            400,
        ),
        (
            "edit",
            json!({"user": "a", "reason": "x", "samples": [{"tag": "line1/a", "value": 1}]}),
            400,
        ),
        ("edit", json!([]), 400),
        (
            "delete",
            json!({"user": "a", "reason": "x", "tags": [], "from": "2026-01-01T00:00:00Z",
            "to": "2026-01-02T00:00:00Z"}),
            400,
        ),
        (
            "delete",
            json!({"user": "a", "reason": "x", "tags": ["line1/a"],
            "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}),
            400,
        ),
        (
            "delete",
            json!({"user": "a", "reason": "x", "tags": ["line1/a"], "from": "now",
            "to": "2026-01-01T00:00:00Z"}),
            400,
        ),
    ] {
        let path = format!("/api/v1/samples/{path}");
        let (status, problem) = parsed(&server.post(&path, body.to_string().as_bytes()));
        assert_eq!(status, want, "{body}: {problem}");
    }
    assert_eq!(server.rows("SELECT count(*) FROM samples"), ["4"]);
    assert_eq!(parsed(&server.get("/api/v1/audit")).1["audit"], json!([]));
}
