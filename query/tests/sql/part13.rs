//! The published tables of OPC UA Part 13, asked as a client asks: over `resample`.
//!
//! They are read from a folder beside the repository, or the one named by `TACITUS_REFERENCE`;
//! where neither is there, the test says so and ends.
#![expect(clippy::print_stderr, reason = "a test that compared nothing must say so")]

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tacitus_model::{Kind, Quality, TagDefinition, Value};
use tacitus_query::Session;

use crate::answer::{json, rows};
use crate::fixture::{self, Row, SECOND};

/// 2012-01-02T12:00:00Z.
const NOON: i64 = 1_325_505_600 * SECOND;

fn folder() -> Option<PathBuf> {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let beside = own.ancestors().map(|folder| folder.join("shared/reference"));
    let named = std::env::var_os("TACITUS_REFERENCE").map(PathBuf::from);
    let folders = named.into_iter().chain(beside).map(|folder| folder.join("opcua-aggregates"));
    folders.into_iter().find(|folder| folder.is_dir())
}

fn read(folder: &Path, name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

fn nanos(time: &str) -> i64 {
    let moment = format!("2012-01-02T{time}Z");
    chrono::DateTime::parse_from_rfc3339(&moment).unwrap().timestamp_nanos_opt().unwrap()
}

fn code(name: &str) -> u32 {
    match name {
        "Good" => 0,
        "Uncertain" => 0x4000_0000,
        "UncertainDataSubNormal" => 0x40A4_0000,
        "Bad" => 0x8000_0000,
        "BadNoData" => 0x809B_0000,
        other => panic!("{other}"),
    }
}

fn bits(names: &Json) -> u32 {
    let bit = |name: &Json| match name.as_str().unwrap() {
        "Calculated" => 1,
        "Interpolated" => 2,
        "Partial" => 4,
        "MultipleValues" => 0x10,
        other => panic!("{other}"),
    };
    names.as_array().unwrap().iter().map(bit).sum()
}

/// A session over all historians, each a tag of its name.
fn session(raw: &Json) -> Session {
    let engine = fixture::engine();
    for (name, historian) in raw["historians"].as_object().unwrap() {
        let kind = match historian["data_type"].as_str().unwrap() {
            "Boolean" => Kind::Bool,
            _ => Kind::Float,
        };
        let stepped = historian["config"]["stepped"].as_bool().unwrap();
        let definition = TagDefinition { step: stepped, ..fixture::definition(name, kind) };
        // The first point is the mark of the archive's creation, which is no value.
        let points = historian["points"].as_array().unwrap().iter();
        let rows = points.map(|point| -> Row {
            let value = match &point["value"] {
                Json::Bool(fact) => Value::Bool(*fact),
                Json::Number(number) => Value::Float(number.as_f64().unwrap()),
                _ => Value::Null,
            };
            let quality = Quality(code(point["status"].as_str().unwrap()));
            (nanos(point["t"].as_str().unwrap()), value, quality)
        });
        fixture::store(&engine, definition, rows);
    }
    fixture::session(&engine)
}

/// The statement that asks for a case: time, value, status code.
fn statement(case: &Json) -> String {
    let name = case["aggregate"].as_str().unwrap();
    let mut column = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            column.push('_');
        }
        column.push(letter.to_ascii_lowercase());
    }
    let timed = name.contains("ActualTime") || name == "Start" || name == "End";
    let ts = if timed { format!("{column}_ts") } else { "ts".to_owned() };
    format!(
        "SELECT \"{ts}\", \"{column}\", \"{column}_quality\" FROM resample('{}', \
         '2012-01-02 12:00:00', '2012-01-02 12:01:40', '{} ms', '{name}', stepped => {}, \
         treat_uncertain_as_bad => {}, percent_data_bad => {}, percent_data_good => {}, \
         use_sloped_extrapolation => {})",
        case["historian"].as_str().unwrap(),
        case["processing_interval_ms"],
        case["stepped"],
        case["treat_uncertain_as_bad"],
        case["percent_data_bad"],
        case["percent_data_good"],
        case["use_sloped_extrapolation"],
    )
}

/// Whether a row is as published.
fn is_right(want: &Json, have: &Json) -> bool {
    let decimals = want["decimals"].as_i64().and_then(|decimals| i32::try_from(decimals).ok());
    let tolerance = decimals.map_or(1e-6, |decimals| 0.5 * 0.1_f64.powi(decimals));
    let near = |number: f64| have[1].as_f64().is_some_and(|own| (own - number).abs() <= tolerance);
    let value = match &want["value"] {
        Json::Null => have[1].is_null(),
        Json::Bool(fact) => near(f64::from(u8::from(*fact))),
        Json::String(status) => near(f64::from(code(status))),
        number => near(number.as_f64().unwrap()),
    };
    let quality = u32::try_from(have[2].as_i64().unwrap()).unwrap();
    let ts = chrono::DateTime::parse_from_rfc3339(have[0].as_str().unwrap()).unwrap();
    value
        && ts.timestamp_nanos_opt() == Some(nanos(want["t"].as_str().unwrap()))
        && quality & 0xFFFF_0000 == code(want["status"].as_str().unwrap())
        && quality & 0x1F == bits(&want["bits"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn resample_gives_the_published_tables() {
    let Some(folder) = folder() else {
        eprintln!("the tables of Part 13 are not here: nothing was compared");
        return;
    };
    assert_eq!(nanos("12:00:00"), NOON);
    let (raw, cases) = (read(&folder, "raw_data.json"), read(&folder, "cases.json"));
    let session = session(&raw);
    let (mut all, mut wrong) = (0, Vec::new());
    for case in cases.as_array().unwrap() {
        let have = rows(&json(&session, &statement(case)).await.unwrap());
        let want = case["rows"].as_array().unwrap();
        assert_eq!(have.len(), want.len(), "{}", case["id"]);
        for (want, have) in want.iter().zip(&have) {
            let odd = want.get("known_odd").is_some_and(|known| !known.is_null());
            all += usize::from(!odd);
            if !odd && !is_right(want, have) {
                wrong.push(format!("{}: want {want}, have {have}", case["id"]));
            }
        }
    }
    eprintln!("Part 13 over SQL: {} of {all} published rows", all - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
