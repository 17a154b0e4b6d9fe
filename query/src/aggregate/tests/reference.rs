//! The example tables that the OPC Foundation publishes with Part 13.
//!
//! They are read from a folder beside the repository, or the one named by
//! `TACITUS_REFERENCE`; where neither is there, the test says so and ends.

use std::path::PathBuf;

use serde_json::Value;
use tacitus_model::Quality;

use super::super::status::base;
use super::*;

const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// The tables, if they are here.
fn folder() -> Option<PathBuf> {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let beside = own.ancestors().map(|folder| folder.join("shared/reference"));
    let named = std::env::var_os("TACITUS_REFERENCE").map(PathBuf::from);
    let folders = named.into_iter().chain(beside).map(|folder| folder.join("opcua-aggregates"));
    folders.into_iter().find(|folder| folder.is_dir())
}

fn read(folder: &std::path::Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

/// `12:01:40.000` in nanoseconds since noon.
fn time(text: &str) -> i64 {
    let mut parts = text.split(':').map(|part| part.parse::<f64>().unwrap());
    let (hours, minutes, seconds) =
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let seconds = (hours - 12.0) * 3600.0 + minutes * 60.0 + seconds;
    #[expect(clippy::cast_possible_truncation, reason = "a time of day in whole milliseconds")]
    let milliseconds = (seconds * 1000.0).round() as i64;
    milliseconds * MILLISECOND
}

fn code(name: &str) -> u32 {
    match name {
        "Good" => 0,
        "Uncertain" => 0x4000_0000,
        "UncertainDataSubNormal" => 0x40A4_0000,
        "Bad" => 0x8000_0000,
        "BadNoData" => 0x809B_0000,
        other => unreachable!("{other}"),
    }
}

fn bits(names: &Value) -> u32 {
    let bit = |name: &Value| match name.as_str().unwrap() {
        "Calculated" => 1,
        "Interpolated" => 2,
        "Partial" => 4,
        "MultipleValues" => 0x10,
        other => unreachable!("{other}"),
    };
    names.as_array().unwrap().iter().map(bit).sum()
}

fn configuration(case: &Value) -> Configuration {
    let percent = |name: &str| u8::try_from(case[name].as_u64().unwrap()).unwrap();
    Configuration {
        stepped: case["stepped"].as_bool().unwrap(),
        treat_uncertain_as_bad: case["treat_uncertain_as_bad"].as_bool().unwrap(),
        percent_data_bad: percent("percent_data_bad"),
        percent_data_good: percent("percent_data_good"),
        use_sloped_extrapolation: case["use_sloped_extrapolation"].as_bool().unwrap(),
        resolution_ns: MILLISECOND,
    }
}

/// The raw values of a historian, without the mark that its archive was created.
fn samples(raw: &Value, historian: &str) -> Vec<Point> {
    let points = raw["historians"][historian]["points"].as_array().unwrap();
    let real = points.iter().filter(|point| point["status"] != "BadNoData");
    real.map(|point| Point {
        ts: time(point["t"].as_str().unwrap()),
        number: match &point["value"] {
            Value::Bool(fact) => f64::from(u8::from(*fact)),
            number => number.as_f64().unwrap_or(f64::NAN),
        },
        quality: Quality(code(point["status"].as_str().unwrap())),
    })
    .collect()
}

/// From 12:00:00 to 12:01:40.
fn intervals(step_ns: i64) -> Vec<Interval> {
    const END: i64 = 100 * SECOND;
    let lows = (0..).map(|at| at * step_ns).take_while(|low| *low < END);
    let interval = |low: i64| Interval {
        low,
        high: (low + step_ns).min(END),
        backward: false,
        shortened: low + step_ns > END,
    };
    lows.map(interval).collect()
}

/// What of a row is not as published.
fn difference(row: &Value, output: &Output, names_code: bool) -> Option<String> {
    let (want_code, want_bits) = (code(row["status"].as_str().unwrap()), bits(&row["bits"]));
    let own_bits = output.quality.0 & 0x1F;
    let valid = own_bits == 0 || output.quality.0 & 0x0C00 == 0x0400;
    let decimals = row["decimals"].as_i64().and_then(|decimals| i32::try_from(decimals).ok());
    let tolerance = decimals.map_or(1e-6, |decimals| 0.5 * 0.1_f64.powi(decimals));
    let value = match (&row["value"], output.value) {
        (Value::Null, None) => true,
        (Value::String(name), Some(own)) => names_code && (f64::from(code(name)) - own).abs() < 0.5,
        (Value::Bool(fact), Some(own)) => (f64::from(u8::from(*fact)) - own).abs() < 1e-9,
        (Value::Number(number), Some(own)) => (number.as_f64().unwrap() - own).abs() <= tolerance,
        _ => false,
    };
    let time_is = output.ts == time(row["t"].as_str().unwrap());
    let right =
        value && time_is && valid && base(output.quality) == want_code && own_bits == want_bits;
    (!right).then(|| format!("want {row}, have {output:?}"))
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that compared nothing must say so")]
fn the_published_tables_come_out() {
    let Some(folder) = folder() else {
        eprintln!("the tables of Part 13 are not here: nothing was compared");
        return;
    };
    let (raw, cases) = (read(&folder, "raw_data.json"), read(&folder, "cases.json"));
    let (mut rows, mut odd, mut wrong) = (0, 0, Vec::new());
    for case in cases.as_array().unwrap() {
        let aggregate = Aggregate::named(case["aggregate"].as_str().unwrap()).unwrap();
        let names_code = matches!(aggregate, Aggregate::WorstQuality | Aggregate::WorstQuality2);
        let step_ns = case["processing_interval_ms"].as_i64().unwrap() * MILLISECOND;
        let samples = samples(&raw, case["historian"].as_str().unwrap());
        let found = outputs(&samples, &intervals(step_ns), aggregate, configuration(case));
        let want = case["rows"].as_array().unwrap();
        assert_eq!(found.len(), want.len(), "{}", case["id"]);
        for (row, output) in want.iter().zip(&found) {
            rows += 1;
            if row.get("known_odd").is_some_and(|known| !known.is_null()) {
                odd += 1;
            } else if let Some(difference) = difference(row, output, names_code) {
                wrong.push(format!("{}: {difference}", case["id"]));
            }
        }
    }
    eprintln!(
        "Part 13: {} of {rows} published rows, {odd} set aside as odd",
        rows - odd - wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
