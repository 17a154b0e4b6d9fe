//! OEE definitions: what is wrong is said, what is right outlives a kill and a restore, and the
//! figures follow the samples. The demonstration has some.

use serde_json::{Value, json};

use crate::plant::{done, get, outlives_a_kill_and_a_restore, send};
use crate::server::{Server, tacitus, wait_for};

const PRESS: &str = "/api/v1/oee?asset=acme/line1/press";

/// A press that ran for an hour but for ten minutes, and made 100 pieces, 4 of them bad.
fn build(server: &Server) {
    let press = json!({
        "state": {"tag": "state", "run": ["running"], "stops": [
            {"values": ["jam"], "reason": "carton jam"}]},
        "total": {"tag": "count"},
        "reject": {"tag": "rejected"},
        "reject_corrections": {"tag": "scrapped"},
        "ideal_cycle": {"seconds": 24},
        "micro_stop_s": 60,
    });
    let answer = done(send(server, "PUT", PRESS, &press), 200);
    let missing = ["count", "rejected", "scrapped", "state"];
    assert_eq!(answer["missing_tags"], json!(missing));
    assert_eq!(answer["versions"][0]["reject_corrections"], press["reject_corrections"]);
    assert_eq!(answer["versions"][0]["state"]["otherwise"], "stop");
    let line = json!({"sum_of": ["*"]});
    done(send(server, "PUT", "/api/v1/oee?asset=acme/line1", &line), 200);
    let at = |minute: u32| format!("2026-03-02T08:{minute:02}:00Z");
    let sample = |name: &str, minute: u32, value: Value| {
        let tag = format!("acme/line1/press/{name}");
        json!({"tag": tag, "ts": at(minute), "value": value})
    };
    let rows = json!([
        sample("state", 0, json!("running")),
        sample("state", 20, json!("jam")),
        sample("state", 30, json!("running")),
        sample("count", 0, json!(1000)),
        sample("count", 59, json!(1100)),
        sample("rejected", 0, json!(7)),
        sample("rejected", 59, json!(11)),
    ]);
    assert_eq!(server.post("/api/v1/samples", rows.to_string().as_bytes()).0, 204);
}

const HOUR: &str = "'2026-03-02T08:00:00Z', '2026-03-02T09:00:00Z'";

/// Availability, performance, quality and OEE of an asset, in per mille.
fn ratios(server: &Server, asset: &str) -> Vec<String> {
    server.rows(&format!(
        "SELECT round(availability * 1000), round(performance * 1000), round(quality * 1000), round(oee * 1000)
         FROM oee('{asset}', {HOUR})"
    ))
}

fn check(server: &Server) {
    for asset in ["acme/line1/press", "acme/line1"] {
        assert_eq!(ratios(server, asset), ["833.0,800.0,960.0,640.0"], "{asset}");
    }
    let stops = format!(
        "SELECT asset, start_ts, duration_s, class, reason, value, open FROM downtime('acme/**', {HOUR})"
    );
    let jam = "acme/line1/press,2026-03-02T08:20:00Z,600.0,unplanned,carton jam,jam,false";
    assert_eq!(server.rows(&stops), [jam]);
    let page = get(server, "/api/v1/oee?under=acme/line1/press");
    assert_eq!(page["definitions"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["definitions"][0]["missing_tags"], json!(["scrapped"]));
}

#[test]
fn definitions_outlive_a_kill_and_a_restore() {
    outlives_a_kill_and_a_restore(build, check);
}

#[test]
fn what_comes_late_changes_the_figures_and_a_new_definition_leaves_what_was() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    build(&server);
    let scrapped =
        json!([{"tag": "acme/line1/press/scrapped", "ts": "2026-03-02T08:10:00Z", "value": 6}]);
    assert_eq!(server.post("/api/v1/samples", scrapped.to_string().as_bytes()).0, 204);
    assert_eq!(ratios(&server, "acme/line1"), ["833.0,800.0,900.0,600.0"]);
    let faster = json!({
        "valid_from": "2026-03-02T08:30:00Z",
        "state": {"tag": "state", "run": ["running"]},
        "total": {"tag": "count"},
        "ideal_cycle": {"seconds": 12},
    });
    let answer = done(send(&server, "PUT", PRESS, &faster), 200);
    assert_eq!(answer["versions"].as_array().unwrap().len(), 2);
    let halves = format!(
        "SELECT apt_s, unplanned_s, ideal_total_s, good FROM oee('acme/line1/press', {HOUR}, '30 minutes') ORDER BY start_ts"
    );
    assert_eq!(server.rows(&halves), ["1200.0,600.0,0.0,-6.0", "1800.0,0.0,1200.0,100.0"]);
    let version = format!("{PRESS}&valid_from=2026-03-02T08:30:00Z");
    done(send(&server, "DELETE", &version, &Value::Null), 204);
    done(send(&server, "DELETE", &version, &Value::Null), 404);
    assert_eq!(ratios(&server, "acme/line1"), ["833.0,800.0,900.0,600.0"]);
    done(send(&server, "DELETE", PRESS, &Value::Null), 204);
    assert_eq!(get(&server, "/api/v1/oee")["definitions"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_wrong_with_a_definition_is_told_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    build(&server);
    let wrong = json!({"state": {"tag": "", "run": []}, "micro_stop_s": -1, "sum_of": ["a"]});
    let (status, answer) = send(&server, "PUT", PRESS, &wrong);
    let keys: Vec<&str> = answer["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| own["key"].as_str().unwrap())
        .collect();
    assert_eq!((status, keys), (400, vec!["state", "state.tag", "state.run", "micro_stop_s"]));
    for (method, path, body, want) in [
        ("PUT", "/api/v1/oee", json!({}), 400),
        ("PUT", "/api/v1/oee?asset=a//b", json!({"sum_of": ["*"]}), 400),
        ("PUT", "/api/v1/oee?asset=a&asset_name=b", json!({"sum_of": ["*"]}), 400),
        ("PUT", PRESS, json!({"ideal_cycle": 1.5}), 400),
        ("PUT", PRESS, json!([]), 400),
        ("DELETE", "/api/v1/oee", Value::Null, 400),
        ("DELETE", "/api/v1/oee?asset=nowhere", Value::Null, 404),
        ("DELETE", "/api/v1/oee?asset=acme/line1&valid_from=today", Value::Null, 400),
    ] {
        let (status, answer) = send(&server, method, path, &body);
        assert_eq!(status, want, "{method} {path} {body}: {answer}");
        assert!(answer["hint"].is_string(), "{answer}");
    }
    check(&server);
}

#[test]
fn the_demonstration_knows_how_effective_its_lines_were() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = tacitus();
    command
        .args(["demo", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data"])
        .arg(dir.path());
    let mut server = Server::adopt(command);
    server.wait_until_ready();
    wait_for("what people say of the plant", || {
        (server.rows("SELECT count(*) FROM annotations") == ["1"]).then_some(())
    });
    let span = "now() - INTERVAL '1 hour', now()";
    for asset in ["demo/line1", "demo/line2", "demo"] {
        let rows = server.rows(&format!(
            "SELECT total > 1000, availability BETWEEN 0.5 AND 1, performance BETWEEN 0.8 AND 1.1, quality BETWEEN 0.98 AND 1,
               oee BETWEEN 0.4 AND 1.1, pbt_s > 0 FROM oee('{asset}', {span})"
        ));
        assert_eq!(rows, ["true,true,true,true,true,true"], "{asset}");
    }
    let quarters =
        format!("SELECT count(*) BETWEEN 4 AND 5 FROM oee('demo/line1', {span}, '15 minutes')");
    assert_eq!(server.rows(&quarters), ["true"]);
    let setup =
        format!("SELECT count(*) > 0 FROM downtime('demo/line1', {span}) WHERE class = 'setup'");
    assert_eq!(server.rows(&setup), ["true"]);
}
