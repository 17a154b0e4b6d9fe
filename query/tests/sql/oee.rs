//! What `oee` and `downtime` say of machines in a store: the reference vectors, sums that must be
//! those of their parts, definitions that change, limits.
#![expect(clippy::print_stderr, reason = "a test that compared nothing must say so")]

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tacitus_model::{Kind, Value};
use tacitus_query::plant::Plant;
use tacitus_query::{QueryError, Session};
use tacitus_storage::Engine;

use crate::answer;
use crate::fixture::{SECOND, engine};
use crate::floor::{Floor, asset, calendar, define, event, fill, machines, moment, session, text};

async fn ask(session: &Session, sql: impl AsRef<str>) -> Result<Vec<Json>, QueryError> {
    let answer = answer::json(session, sql.as_ref()).await?;
    let names: Vec<&str> =
        list(&answer["columns"]).map(|column| column["name"].as_str().unwrap()).collect();
    let row = |row: &Json| -> Json {
        names.iter().zip(list(row)).map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect()
    };
    Ok(list(&answer["rows"]).map(row).collect())
}

fn list(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn vectors() -> Vec<Json> {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let beside = own.ancestors().map(|folder| folder.join("shared/reference"));
    let named = std::env::var_os("TACITUS_REFERENCE").map(PathBuf::from);
    let mut files = named.into_iter().chain(beside).map(|folder| folder.join("oee/vectors.json"));
    let Some(file) = files.find(|file| file.is_file()) else {
        eprintln!("there are no reference vectors: set TACITUS_REFERENCE to their folder");
        return Vec::new();
    };
    let all: Json = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    list(&all["vectors"]).cloned().collect()
}

/// A machine of the vectors, as people would set it up: a calendar, events, tags, a definition.
fn set_up(engine: &Engine, floor: &mut Floor, plant: &mut Plant, path: &str, own: &Json) {
    let spans = |key: &str| -> Vec<(String, String)> {
        let end = |span: &Json, at: usize| span[at].as_str().unwrap().to_owned();
        list(&own[key]).map(|span| (end(span, 0), end(span, 1))).collect()
    };
    let (mut shifts, mut days) = (Vec::new(), Vec::new());
    for (at, (from, to)) in spans("shifts_utc").iter().enumerate() {
        let name = format!("s{at}");
        shifts.push(json!({"name": name, "start": from[11..16], "end": to[11..16], "days": []}));
        days.push(json!({"date": from[..10], "shifts": [name]}));
    }
    plant.put_calendar(path, calendar(json!({"shifts": shifts, "special_days": days})));
    let mut machine = asset(path);
    machine.calendar = Some(path.to_owned());
    plant.put_asset(machine);
    for (from, to) in spans("planned_windows_utc") {
        floor.events.push(event("planned", path, (moment(&from), moment(&to)), ""));
    }
    let at = |sample: &Json| moment(sample["t"].as_str().unwrap());
    for state in list(&own["states"]) {
        let word = match (state["state"].as_str().unwrap(), state["class"].as_str()) {
            ("stop", Some(class)) => class,
            (state, _) => state,
        };
        // One by one, as of two at one moment the later counts.
        fill(engine, &format!("{path}/state"), Kind::Text, &[(at(state), text(word))]);
    }
    let mut cycles = serde_json::Map::new();
    for product in list(&own["products"]) {
        let name = product["product"].as_str().unwrap();
        cycles.insert(name.to_owned(), product["ideal_cycle_s"].clone());
        fill(engine, &format!("{path}/product"), Kind::Text, &[(at(product), text(name))]);
    }
    for name in ["total", "reject"] {
        let sample = |sample: &Json| (at(sample), Value::Float(number(&sample["v"])));
        let samples: Vec<(i64, Value)> = list(&own[name]).map(sample).collect();
        fill(engine, &format!("{path}/{name}"), Kind::Float, &samples);
    }
    let definition = json!({
        "state": {"tag": "state", "run": ["run"], "unknown": ["unknown"], "stops": [
            {"values": ["planned"], "class": "planned"}, {"values": ["setup"], "class": "setup"}]},
        "total": {"tag": "total", "rollover_max": own["rollover_max"]},
        "reject": {"tag": "reject", "rollover_max": own["rollover_max"]},
        "product": {"tag": "product"},
        "ideal_cycle": {"by_product": cycles},
        "micro_stop_s": own["micro_stop_s"],
        "setup_is_loss": own["setup_is_loss"].as_bool().unwrap_or(true),
        "planned_events": ["planned"],
    });
    define(plant, path, &[definition]);
}

/// Asks for a bucket and holds it against what it shall be.
async fn check(session: &Session, what: &str, path: &str, (from, to): (&Json, &Json), want: &Json) {
    let rows =
        ask(session, format!("SELECT * FROM oee('{path}', '{}', '{}')", said(from), said(to)));
    let rows = rows.await.unwrap();
    let [row] = rows.as_slice() else { panic!("{what}: {rows:?}") };
    for (name, want) in want.as_object().unwrap() {
        let name = name.to_lowercase();
        let Some(own) = row.get(&name).filter(|_| !["label", "start", "end"].contains(&&*name))
        else {
            continue;
        };
        let close = match (own.as_f64(), want.as_f64()) {
            (Some(own), Some(want)) => (own - want).abs() <= 1e-9 * want.abs().max(1.0),
            (own, want) => own.is_none() && want.is_none(),
        };
        assert!(close, "{what} {name}: {own}, not {want}");
    }
}

fn said(moment: &Json) -> &str {
    moment.as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_reference_vectors_hold_from_samples_to_sql() {
    for vector in vectors() {
        let (engine, mut floor, mut plant) = (engine(), Floor::default(), Plant::new());
        let what = vector["id"].as_str().unwrap().to_owned();
        let mut asked = Vec::new();
        if vector["asset"].is_object() {
            set_up(&engine, &mut floor, &mut plant, "machine", &vector["asset"]);
            let buckets = list(&vector["expected"]);
            asked.extend(buckets.map(|own| {
                ("machine".to_owned(), own["start"].clone(), own["end"].clone(), own.clone())
            }));
        }
        let bucket = &vector["bucket"];
        for (at, child) in list(&vector["children"]).enumerate() {
            let path = format!("line/m{at}");
            set_up(&engine, &mut floor, &mut plant, &path, &child["asset"]);
            asked.push((path, bucket[0].clone(), bucket[1].clone(), child["expected"].clone()));
        }
        if vector["children"].is_array() {
            define(&mut plant, "line", &[json!({"sum_of": ["*"]})]);
            let (from, to) = (bucket[0].clone(), bucket[1].clone());
            asked.push(("line".to_owned(), from, to, vector["expected"].clone()));
        }
        floor.plant = Arc::new(plant);
        let session = session(&engine, floor);
        for (path, from, to, want) in &asked {
            check(&session, &what, path, (from, to), want).await;
        }
    }
}

/// The columns that add up.
const SUMS: &str = "calendar_s, pot_s, planned_s, unknown_s, pbt_s, setup_s, unplanned_s, no_order_s, \
                    micro_s, apt_s, stops, micro_stops, total, good, reject, unscheduled_count, \
                    unrated_count, ideal_total_s, ideal_good_s";

/// The sums of a call of `oee`.
async fn sums(session: &Session, call: &str) -> Vec<f64> {
    let columns: Vec<String> =
        SUMS.split(", ").map(|name| format!("sum({name}) AS {name}")).collect();
    let rows = ask(session, format!("SELECT {} FROM {call}", columns.join(", "))).await.unwrap();
    SUMS.split(", ").map(|name| number(&rows[0][name])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn hours_add_up_to_shifts_to_days_to_weeks_and_machines_to_their_line() {
    let session = machines();
    // A week of production, from Monday six to Monday six.
    let span = "'2026-03-02T05:00:00Z', '2026-03-09T05:00:00Z'";
    let call = |asset: &str, by: &str| format!("oee('{asset}', {span}, '{by}')");
    let mut machines_s = vec![0.0; SUMS.split(", ").count()];
    for machine in ["plant/line1/press", "plant/line1/robot"] {
        let whole = sums(&session, &call(machine, "total")).await;
        for by in ["7 minutes", "1 hour", "shift", "day", "1 day", "week", "month", "product"] {
            assert_eq!(sums(&session, &call(machine, by)).await, whole, "{machine} by {by}");
        }
        machines_s.iter_mut().zip(whole).for_each(|(sum, own)| *sum += own);
    }
    assert_eq!(sums(&session, &call("plant/line1", "shift")).await, machines_s);
    assert_eq!(sums(&session, &call("plant/line1/{press,robot}", "day")).await, machines_s);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_stops_of_every_class_add_up_to_it() {
    let session = machines();
    for span in [
        "'2026-03-02T05:00:00Z', '2026-03-02T21:00:00Z'",
        "'2026-03-02T05:55:00Z', '2026-03-02T08:17:00Z'",
        "'2026-03-02T06:30:10Z', '2026-03-02T06:30:20Z'",
    ] {
        for asset in ["plant/line1/press", "plant/line1"] {
            let lost = ask(
                &session,
                format!(
                    "SELECT class, sum(duration_s) AS s FROM downtime('{asset}', {span}) GROUP BY class"
                ),
            );
            let lost = lost.await.unwrap();
            let rows =
                ask(&session, format!("SELECT * FROM oee('{asset}', {span})")).await.unwrap();
            for class in ["planned", "unknown", "setup", "unplanned", "micro"] {
                let own = lost.iter().find(|row| row["class"] == class);
                let own = own.map_or(0.0, |row| number(&row["s"]));
                let want = number(&rows[0][format!("{class}_s")]);
                assert!((own - want).abs() < 1e-9, "{asset} {span} {class}: {own}, not {want}");
            }
        }
    }
}

/// A machine that runs for an hour from eight on, then stands; one sample a second.
fn second_by_second(path: &str) -> (Arc<Engine>, Floor) {
    let engine = engine();
    let start = moment("2026-03-02T08:00:00Z");
    let running = |second: i64| (start + second * SECOND, Value::Bool(second < 3600));
    let samples: Vec<(i64, Value)> = (0..2 * 3600).map(running).collect();
    fill(&engine, &format!("{path}/running"), Kind::Bool, &samples);
    let mut plant = Plant::new();
    define(&mut plant, path, &[json!({"state": {"tag": "running", "run": [true]}})]);
    (engine, Floor { plant: Arc::new(plant), ..Floor::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stop_has_its_whole_length_whatever_part_is_asked_for() {
    let (engine, floor) = second_by_second("a");
    let session = session(&engine, floor);
    let rows = ask(
        &session,
        "SELECT * FROM downtime('a', '2026-03-02T09:30:00Z', '2026-03-02T09:31:00Z')",
    );
    let rows = rows.await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["stop_start_ts"], "2026-03-02T09:00:00Z");
    assert_eq!((&rows[0]["duration_s"], &rows[0]["open"]), (&json!(60.0), &json!(true)));
    assert_eq!((&rows[0]["reason"], &rows[0]["class"]), (&json!("false"), &json!("unplanned")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_definition_that_changes_leaves_what_was() {
    let (engine, mut floor) = second_by_second("a");
    let mut plant = Plant::new();
    let state = json!({"tag": "running", "run": [true]});
    let turned =
        json!({"tag": "running", "run": [false], "stops": [{"values": [true], "class": "setup"}]});
    let versions =
        [json!({"state": state}), json!({"state": turned, "valid_from": "2026-03-02T08:30:00Z"})];
    define(&mut plant, "a", &versions);
    floor.plant = Arc::new(plant);
    let session = session(&engine, floor);
    let call = "oee('a', '2026-03-02T08:00:00Z', '2026-03-02T10:00:00Z', '30 minutes')";
    let rows = ask(&session, format!("SELECT apt_s, setup_s, oee FROM {call}")).await.unwrap();
    let minutes: Vec<(f64, f64)> = rows
        .iter()
        .map(|row| (number(&row["apt_s"]) / 60.0, number(&row["setup_s"]) / 60.0))
        .collect();
    assert_eq!(minutes, [(30.0, 0.0), (0.0, 30.0), (30.0, 0.0), (30.0, 0.0)]);
    assert!(rows.iter().all(|row| row["oee"].is_null()), "nothing is counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_value_that_is_too_old_says_nothing() {
    let engine = engine();
    let start = moment("2026-03-02T08:00:00Z");
    let minute = |minute: i64| start + minute * 60 * SECOND;
    let samples =
        [(minute(0), Value::Int(1)), (minute(4), Value::Int(1)), (minute(30), Value::Int(0))];
    fill(&engine, "a/state", Kind::Int, &samples);
    let mut plant = Plant::new();
    let state = json!({"tag": "state", "run": [[1, 9]], "stale_after_s": 300});
    define(&mut plant, "a", &[json!({"state": state})]);
    let session = session(&engine, Floor { plant: Arc::new(plant), ..Floor::default() });
    for (from, to, want) in [
        ("08:00", "09:00", (9.0, 5.0, 46.0)),
        ("08:08", "08:20", (1.0, 0.0, 11.0)),
        ("08:20", "08:32", (0.0, 2.0, 10.0)),
    ] {
        let rows = ask(
            &session,
            format!("SELECT * FROM oee('a', '2026-03-02T{from}:00Z', '2026-03-02T{to}:00Z')"),
        );
        let rows = rows.await.unwrap();
        let minutes = |name: &str| number(&rows[0][name]) / 60.0;
        assert_eq!(
            (minutes("apt_s"), minutes("unplanned_s"), minutes("unknown_s")),
            want,
            "{from}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_goes_too_far_is_refused_with_a_hint() {
    let session = machines();
    let mut plant = Plant::new();
    define(&mut plant, "a", &[json!({"sum_of": ["b"]})]);
    define(&mut plant, "b", &[json!({"same_as": "a"})]);
    define(&mut plant, "c", &[json!({"sum_of": ["nowhere"]})]);
    let floor = Floor { plant: Arc::new(plant), ..Floor::default() };
    let circle = crate::floor::session(&engine(), floor);
    let day = "'2026-03-02', '2026-03-03'";
    for (session, call, code) in [
        (&session, format!("oee('plant/line1/pres', {day})"), "22023"),
        (&session, format!("oee('plant/line1/press', {day}, 'fortnight')"), "22023"),
        (&session, "oee('plant/line1/press', '2026-03-03', '2026-03-02')".to_owned(), "22023"),
        (&session, "oee('plant/line1/press', '1990-01-01', '2026-03-02')".to_owned(), "54000"),
        (&session, format!("oee('plant/line1/press', {day}, '500 milliseconds')"), "54000"),
        (&circle, format!("oee('a', {day})"), "22023"),
        (&circle, format!("downtime('b', {day})"), "22023"),
        (&circle, format!("oee('c', {day})"), "22023"),
        (&circle, format!("oee('c', {day}, 'shift', 1)"), "42883"),
    ] {
        let error = ask(session, format!("SELECT * FROM {call}")).await.unwrap_err();
        assert_eq!(error.sqlstate().code(), code, "{call}: {error}");
        assert!(error.hint().is_some(), "{call}: {error}");
    }
}
