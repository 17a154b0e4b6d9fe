//! Control charts: plans and limits are kept, told what is wrong with them, and charted in SQL.

use serde_json::{Value, json};

use crate::plant::{done, get, outlives_a_kill_and_a_restore, send};
use crate::server::Server;

/// Viscosity of batches (Montgomery), one a minute from 12:00; a broken probe after the third; then
/// three batches that are too thick.
const VISCOSITY: [f64; 23] = [
    34.05, 34.4, 33.59, 35.96, 34.7, 33.51, 33.79, 34.04, 34.52, 33.75, 33.27, 33.71, 34.03, 34.58,
    34.02, 33.97, 34.05, 34.04, 33.73, 34.05, 36.0, 36.4, 36.9,
];

fn definition() -> Value {
    json!({
        "description": "viscosity of batches", "chart": "i_mr", "tag": "mix/viscosity",
        "rules": ["western_electric"], "gap_s": 3600, "lsl": 31, "usl": 37,
    })
}

fn limits() -> Value {
    json!({
        "user": "ada", "reason": "recipe released",
        "baseline": {"from": "2026-03-01T12:00:00Z", "to": "2026-03-01T12:20:00Z"},
    })
}

fn build(server: &Server) {
    let row = |(at, value): (usize, &f64)| json!({"tag": "mix/viscosity", "ts": format!("2026-03-01T12:{at:02}:00Z"), "value": value});
    let mut rows: Vec<Value> = VISCOSITY.iter().enumerate().map(row).collect();
    rows.push(json!({"tag": "mix/viscosity", "ts": "2026-03-01T12:02:30Z", "value": 99.0,
                     "quality": 2_147_483_648_u32}));
    assert_eq!(server.post("/api/v1/samples", json!(rows).to_string().as_bytes()).0, 204);
    let plan = done(send(server, "PUT", "/api/v1/spc/viscosity", &definition()), 200);
    assert_eq!((&plan["name"], &plan["limits"]), (&json!("viscosity"), &json!([])));
    let frozen = done(send(server, "POST", "/api/v1/spc/viscosity/limits", &limits()), 201);
    assert_eq!(frozen["version"], 1);
    assert_eq!(frozen["effective"], "2026-03-01T12:20:00Z");
    assert_eq!((&frozen["subgroups"], &frozen["left_out"]), (&json!(20), &json!(1)));
    let center = frozen["numbers"]["center"].as_f64().unwrap();
    assert!((center - 34.088).abs() < 1e-9, "{frozen}");
}

/// What SQL shows of it.
fn check(server: &Server) {
    let rows = server.rows(
        "SELECT ts, phase, limits_version, round(ucl, 4), rules FROM \
         spc('viscosity', '2026-03-01T12:20', '2026-03-01T12:30') WHERE chart = 'i' ORDER BY ts",
    );
    assert_eq!(
        rows,
        [
            "2026-03-01T12:20:00Z,II,1,35.6104,we1",
            "2026-03-01T12:21:00Z,II,1,35.6104,we1",
            "2026-03-01T12:22:00Z,II,1,35.6104,\"we1,we2\"",
        ]
    );
    let rows = server.rows(
        "SELECT n, left_out, round(cpk, 4), warnings FROM \
         capability('viscosity', '2026-03-01T12:00', '2026-03-01T12:20')",
    );
    assert_eq!(rows, ["20,1,1.9127,\"few_values,not_in_control,not_normal\""]);
    let plan = get(server, "/api/v1/spc/viscosity");
    assert_eq!(plan["definition"]["rules"], json!(["western_electric"]));
    assert_eq!(plan["limits"][0]["user"], "ada");
}

#[test]
fn plans_and_limits_outlive_a_kill_and_a_restore() {
    outlives_a_kill_and_a_restore(build, check);
}

#[test]
fn limits_are_added_and_never_moved() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    build(&server);
    // Another wording is the same plan; another chart is not.
    let mut other = definition();
    other["rules"] = json!(["nelson"]);
    done(send(&server, "PUT", "/api/v1/spc/viscosity", &other), 200);
    other["subgroup"] = json!({"interval_s": 60, "count": 1});
    let refused = done(send(&server, "PUT", "/api/v1/spc/viscosity", &other), 400);
    assert_eq!(refused["problems"][0]["key"], "chart");
    // A late sample in the baseline changes no limit.
    let late = json!([{"tag": "mix/viscosity", "ts": "2026-03-01T12:10:30Z", "value": 50.0}]);
    assert_eq!(server.post("/api/v1/samples", late.to_string().as_bytes()).0, 204);
    let given = json!({"user": "ada", "reason": "new pump", "effective": "2026-03-01T12:22:00Z",
                       "numbers": {"center": 36.5, "sigma": 0.5}});
    done(send(&server, "POST", "/api/v1/spc/viscosity/limits", &given), 201);
    let rows = server.rows(
        "SELECT ts, limits_version, round(center, 3), rules FROM \
         spc('viscosity', '2026-03-01T12:21', '2026-03-01T12:30') WHERE chart = 'i' ORDER BY ts",
    );
    assert_eq!(rows, ["2026-03-01T12:21:00Z,1,34.088,nelson1", "2026-03-01T12:22:00Z,2,36.5,"]);
    done(send(&server, "DELETE", "/api/v1/spc/viscosity", &Value::Null), 204);
    done(send(&server, "DELETE", "/api/v1/spc/viscosity", &Value::Null), 404);
}

#[test]
fn what_is_wrong_is_told_all_at_once_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    build(&server);
    let wrong =
        json!({"chart": "xbar_r", "sigma": "mr", "k": 0, "rules": ["nelson9"], "lsl": 2, "usl": 1});
    let refused = done(send(&server, "PUT", "/api/v1/spc/other", &wrong), 400);
    let keys: Vec<&str> = refused["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["tag", "subgroup", "sigma", "k", "rules[0]", "lsl"]);
    let mut nowhere = limits();
    nowhere["baseline"]["from"] = json!("2026-03-01T12:19:00Z");
    let mut backward = limits();
    backward["baseline"]["to"] = json!("2026-02-01T12:00:00Z");
    let mut both = limits();
    both["numbers"] = json!({"center": 1});
    let numbers = json!({"user": "a", "reason": "b", "numbers": {"center": 1, "sigma": 0}});
    for (method, path, body, want) in [
        ("PUT", "/api/v1/spc/other", json!({"chart": "pie", "tag": "a"}), 400),
        ("PUT", "/api/v1/spc/other", json!({"tag": "a"}), 400),
        ("PUT", "/api/v1/spc/other", json!({"chart": "i_mr", "tag": "a", "colour": "red"}), 400),
        ("POST", "/api/v1/spc/other/limits", limits(), 404),
        ("POST", "/api/v1/spc/viscosity/limits", nowhere, 400),
        ("POST", "/api/v1/spc/viscosity/limits", backward, 400),
        ("POST", "/api/v1/spc/viscosity/limits", both, 400),
        ("POST", "/api/v1/spc/viscosity/limits", numbers, 400),
        ("POST", "/api/v1/spc/viscosity/limits", json!({"user": "", "reason": " "}), 400),
    ] {
        let (status, answer) = send(&server, method, path, &body);
        assert_eq!(status, want, "{method} {path} {body}: {answer}");
        assert!(answer["hint"].is_string(), "{answer}");
    }
    assert_eq!(server.get("/api/v1/spc/other").0, 404);
    check(&server);
}
