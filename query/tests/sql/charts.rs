//! Control charts over a store: a plan for each way to put samples together.
//!
//! | tag | samples, one a minute from 2026-03-01 |
//! |---|---|
//! | `line/ring/diameter` | piston rings (Montgomery), 40 subgroups of 5; before the 12th minute one that is bad |
//! | `line/ring/batch` | text, another one every 50 minutes |
//! | `line/cans/defective`, `line/cans/inspected` | 30 samples of orange juice cans (Montgomery) |
//! | `line/viscosity` | viscosity of batches (Montgomery), with a gap of an hour after the 10th |
//!
//! *Invariant.* Limits of `rings` are frozen from the first 25 subgroups, those of `rings_again` once more
//! after the 30th.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tacitus_model::{Kind, Quality, Value};
use tacitus_query::plant::Plant;
use tacitus_query::spc::{Baseline, Basis, Exclusion, Plan, Version};
use tacitus_query::{QueryError, Session, freeze};
use tacitus_storage::Engine;

use crate::answer;
use crate::fixture::{self, DAY, Row, SECOND};

const MINUTE: i64 = 60 * SECOND;

const RINGS: [[f64; 5]; 40] = [
    [74.03, 74.002, 74.019, 73.992, 74.008],
    [73.995, 73.992, 74.001, 74.011, 74.004],
    [73.988, 74.024, 74.021, 74.005, 74.002],
    [74.002, 73.996, 73.993, 74.015, 74.009],
    [73.992, 74.007, 74.015, 73.989, 74.014],
    [74.009, 73.994, 73.997, 73.985, 73.993],
    [73.995, 74.006, 73.994, 74.0, 74.005],
    [73.985, 74.003, 73.993, 74.015, 73.988],
    [74.008, 73.995, 74.009, 74.005, 74.004],
    [73.998, 74.0, 73.99, 74.007, 73.995],
    [73.994, 73.998, 73.994, 73.995, 73.99],
    [74.004, 74.0, 74.007, 74.0, 73.996],
    [73.983, 74.002, 73.998, 73.997, 74.012],
    [74.006, 73.967, 73.994, 74.0, 73.984],
    [74.012, 74.014, 73.998, 73.999, 74.007],
    [74.0, 73.984, 74.005, 73.998, 73.996],
    [73.994, 74.012, 73.986, 74.005, 74.007],
    [74.006, 74.01, 74.018, 74.003, 74.0],
    [73.984, 74.002, 74.003, 74.005, 73.997],
    [74.0, 74.01, 74.013, 74.02, 74.003],
    [73.988, 74.001, 74.009, 74.005, 73.996],
    [74.004, 73.999, 73.99, 74.006, 74.009],
    [74.01, 73.989, 73.99, 74.009, 74.014],
    [74.015, 74.008, 73.993, 74.0, 74.01],
    [73.982, 73.984, 73.995, 74.017, 74.013],
    [74.012, 74.015, 74.03, 73.986, 74.0],
    [73.995, 74.01, 73.99, 74.015, 74.001],
    [73.987, 73.999, 73.985, 74.0, 73.99],
    [74.008, 74.01, 74.003, 73.991, 74.006],
    [74.003, 74.0, 74.001, 73.986, 73.997],
    [73.994, 74.003, 74.015, 74.02, 74.004],
    [74.008, 74.002, 74.018, 73.995, 74.005],
    [74.001, 74.004, 73.99, 73.996, 73.998],
    [74.015, 74.0, 74.016, 74.025, 74.0],
    [74.03, 74.005, 74.0, 74.016, 74.012],
    [74.001, 73.99, 73.995, 74.01, 74.024],
    [74.015, 74.02, 74.024, 74.005, 74.019],
    [74.035, 74.01, 74.012, 74.015, 74.026],
    [74.017, 74.013, 74.036, 74.025, 74.026],
    [74.01, 74.005, 74.029, 74.0, 74.02],
];

const DEFECTIVE: [i64; 30] = [
    12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12,
    7, 13, 9, 6,
];

const VISCOSITY: [f64; 20] = [
    34.05, 34.4, 33.59, 35.96, 34.7, 33.51, 33.79, 34.04, 34.52, 33.75, 33.27, 33.71, 34.03, 34.58,
    34.02, 33.97, 34.05, 34.04, 33.73, 34.05,
];

fn minute(minute: i64) -> i64 {
    DAY + minute * MINUTE
}

/// The store of the table above.
pub(crate) fn engine() -> Arc<Engine> {
    let engine = fixture::engine();
    let good = |at: i64, value| -> Row { (minute(at), value, Quality::GOOD) };
    let rings = (0..).zip(RINGS.as_flattened()).map(|(at, ring)| good(at, Value::Float(*ring)));
    let bad: Row = (minute(12) - SECOND, Value::Null, Quality::BAD);
    let mut rings: Vec<Row> = rings.collect();
    rings.insert(12, bad);
    fixture::store(&engine, fixture::definition("line/ring/diameter", Kind::Float), rings);
    let batch = |at: i64| good(50 * at, Value::Text(format!("B-{at}").into()));
    let batches = (0..4).map(batch);
    fixture::store(&engine, fixture::definition("line/ring/batch", Kind::Text), batches);
    let counts = (0..).zip(DEFECTIVE).map(|(at, count)| good(at, Value::Int(count)));
    fixture::store(&engine, fixture::definition("line/cans/defective", Kind::Int), counts);
    let sizes = [good(0, Value::Int(50))];
    fixture::store(&engine, fixture::definition("line/cans/inspected", Kind::Int), sizes);
    let values = (0..).zip(VISCOSITY);
    let values =
        values.map(|(at, own)| good(if at < 10 { at } else { at + 60 }, Value::Float(own)));
    fixture::store(&engine, fixture::definition("line/viscosity", Kind::Float), values);
    engine
}

/// Every plan, by name.
fn definitions() -> Vec<(&'static str, Json)> {
    let rings = json!({
        "chart": "xbar_r", "tag": "line/ring/diameter", "subgroup": {"count": 5},
        "rules": ["western_electric", "nelson"], "lsl": 73.95, "usl": 74.05, "target": 74.0,
    });
    let of = |chart: &str, members: Json| {
        let mut own = json!({"chart": chart, "tag": "line/ring/diameter"});
        own.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        own
    };
    let tags = json!(["line/ring/diameter", "line/cans/defective"]);
    vec![
        ("rings", rings.clone()),
        ("rings_again", rings.clone()),
        ("rings_open", rings),
        ("rings_s", of("xbar_s", json!({"subgroup": {"interval_s": 300}, "rules": ["nelson"]}))),
        ("rings_batch", of("xbar_s", json!({"subgroup": {"trigger": "line/ring/batch"}}))),
        ("rings_first", of("i_mr", json!({"subgroup": {"interval_s": 300, "count": 1}}))),
        ("rings_ewma", of("ewma", json!({"subgroup": {"count": 5}, "ewma": {"lambda": 0.2}}))),
        (
            "rings_cusum",
            of("cusum", json!({"subgroup": {"count": 5}, "cusum": {"h": 4, "fir": true}})),
        ),
        (
            "cans",
            json!({"chart": "p", "tag": "line/cans/defective", "size_tag": "line/cans/inspected"}),
        ),
        (
            "cans_hour",
            json!({"chart": "laney_p", "tag": "line/cans/defective", "size": 50,
                             "subgroup": {"interval_s": 600}}),
        ),
        (
            "viscosity",
            json!({"chart": "i_mr", "tag": "line/viscosity", "gap_s": 600, "usl": 37,
                             "rules": ["nelson"]}),
        ),
        ("both", json!({"chart": "t_squared", "tags": tags})),
        ("nowhere", json!({"chart": "i_mr", "tag": "line/viscocity"})),
    ]
}

fn plan(definition: Json) -> Plan {
    Plan::new(serde_json::from_value(definition).unwrap()).unwrap()
}

fn version(number: u32, effective: i64, center: f64, sigma: f64) -> Version {
    Version {
        number,
        effective,
        created: effective,
        user: "ada".to_owned(),
        reason: "released".to_owned(),
        baseline: None,
        basis: Basis::Process { center, sigma },
        subgroups: 25,
        left_out: 0,
    }
}

/// Puts every plan into a plant.
pub(crate) fn put(plant: &mut Plant) {
    for (name, definition) in definitions() {
        let frozen = || version(1, DAY, 74.001_176, 0.009_785_337_607_41);
        let baseline = Baseline { from: DAY, to: minute(125), excluded: Vec::new() };
        let of_baseline = || Version { baseline: Some(baseline.clone()), ..frozen() };
        let versions = match name {
            "rings" | "rings_s" | "rings_ewma" | "rings_cusum" => vec![of_baseline()],
            "rings_again" => vec![of_baseline(), version(2, minute(150), 74.01, 0.01)],
            _ => Vec::new(),
        };
        let versions = versions.into_iter().map(Arc::new).collect();
        plant.put_spc_plan(name, plan(definition).with_versions(versions));
    }
}

async fn rows(session: &Session, sql: &str) -> Result<Vec<Json>, QueryError> {
    Ok(answer::rows(&answer::json(session, sql).await?))
}

/// What `spc` gives of a plan between two minutes.
fn asked(name: &str, from: i64, to: i64) -> String {
    let time = |at: i64| chrono::DateTime::from_timestamp_nanos(minute(at)).to_rfc3339();
    format!("SELECT * FROM spc('{name}', '{}', '{}')", time(from), time(to))
}

/// The store, for all cases.
static STORE: LazyLock<Session> = LazyLock::new(|| fixture::session(&engine()));

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Under frozen limits every row is the same, wherever the span begins that shows it.
    #[test]
    fn a_row_does_not_depend_on_where_the_span_begins(
        from in 0..199_i64, length in 1..200_i64,
        name in prop::sample::select(vec![
            "rings", "rings_again", "rings_s", "rings_ewma", "rings_cusum",
        ]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let session = &*STORE;
        let all = runtime.block_on(rows(session, &asked(name, 0, 400))).unwrap();
        let to = from + length;
        let some = runtime.block_on(rows(session, &asked(name, from, to))).unwrap();
        let time = |row: &Json| {
            let ts = chrono::DateTime::parse_from_rfc3339(row[2].as_str().unwrap()).unwrap();
            (ts.timestamp_nanos_opt().unwrap() - DAY) / MINUTE
        };
        let within: Vec<Json> =
            all.into_iter().filter(|row| (from..to).contains(&time(row))).collect();
        prop_assert_eq!(some, within);
    }
}

#[test]
fn limits_that_are_frozen_are_those_of_phase_one() {
    let engine = engine();
    let plan = plan(definitions().remove(0).1);
    let mut baseline = Baseline { from: DAY, to: minute(125), excluded: Vec::new() };
    let frozen = freeze(&engine.snapshot(), &plan, &baseline).unwrap();
    let Basis::Process { center, sigma } = frozen.basis else { panic!("{frozen:?}") };
    assert!((center - 74.001_176).abs() < 1e-9 && (sigma - 0.009_785_337_607_41).abs() < 1e-9);
    assert_eq!((frozen.subgroups, frozen.left_out), (25, 1));
    // A span that does not count takes the subgroups that it touches with it.
    let reason = Arc::from("jig replaced");
    baseline.excluded = vec![Exclusion { from: minute(7), to: minute(11), reason }];
    assert_eq!(freeze(&engine.snapshot(), &plan, &baseline).unwrap().subgroups, 23);
    baseline.to = minute(4);
    let error = freeze(&engine.snapshot(), &plan, &baseline).unwrap_err();
    assert_eq!(error.sqlstate().code(), "22023");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_span_without_limits_is_bounded() {
    let engine = fixture::engine();
    let values = (0..100_001_i64).map(|at| -> Row {
        (DAY + at * 1_000_000, Value::Float(f64::from(u8::from(at % 2 == 0))), Quality::GOOD)
    });
    fixture::store(&engine, fixture::definition("line/viscosity", Kind::Float), values);
    let session = fixture::session(&engine);
    let sql = "SELECT count(*) FROM spc('viscosity', '2026-03-01', '2026-03-02')";
    let error = rows(&session, sql).await.unwrap_err();
    assert_eq!(error.sqlstate().code(), "54000");
    assert!(error.hint().unwrap().contains("freeze limits"));
}
