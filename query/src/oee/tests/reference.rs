//! Vectors of events and figures, computed elsewhere by the same rules or published.
//!
//! They are read from a folder beside the repository, or the one named by
//! `TACITUS_REFERENCE`; where neither is there, the test says so and ends.

use std::path::PathBuf;

use serde_json::Value;

use super::super::*;
use super::machine::{Counts, Machine, SECOND, parts_of, reject, total};

fn vectors() -> Option<Vec<Value>> {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let beside = own.ancestors().map(|folder| folder.join("shared/reference"));
    let named = std::env::var_os("TACITUS_REFERENCE").map(PathBuf::from);
    let folders = named.into_iter().chain(beside);
    let file = folders.map(|folder| folder.join("oee/vectors.json")).find(|file| file.is_file())?;
    let text = std::fs::read(file).unwrap();
    let all: Value = serde_json::from_slice(&text).unwrap();
    Some(all["vectors"].as_array().unwrap().clone())
}

fn moment(value: &Value) -> i64 {
    let moment = chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    moment.timestamp_nanos_opt().unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn spans(value: &Value) -> Vec<(i64, i64)> {
    list(value).map(|span| (moment(&span[0]), moment(&span[1]))).collect()
}

fn samples(value: &Value) -> Vec<(i64, f64)> {
    list(value).map(|sample| (moment(&sample["t"]), sample["v"].as_f64().unwrap())).collect()
}

fn condition(state: &Value) -> Condition {
    match (state["state"].as_str().unwrap(), state["class"].as_str()) {
        ("run", _) => Condition::Run,
        ("unknown", _) => Condition::Unknown,
        ("stop", Some("planned")) => Condition::Stop(StopClass::Planned, 0),
        ("stop", Some("setup")) => Condition::Stop(StopClass::Setup, 0),
        ("stop", Some("unplanned") | None) => Condition::Stop(StopClass::Unplanned, 0),
        other => unreachable!("{other:?}"),
    }
}

fn machine(asset: &Value) -> Machine {
    let states = list(&asset["states"]).map(|own| (moment(&own["t"]), condition(own)));
    let products = list(&asset["products"]).map(|own| {
        let product: &'static str = own["product"].as_str().unwrap().to_owned().leak();
        (moment(&own["t"]), product, own["ideal_cycle_s"].as_f64().unwrap())
    });
    let rollover_max = asset["rollover_max"].as_f64();
    let counters = vec![
        Counts { rollover_max, ..total(samples(&asset["total"])) },
        Counts { rollover_max, ..reject(samples(&asset["reject"])) },
    ];
    Machine {
        micro_stop_ns: asset["micro_stop_s"].as_i64().unwrap_or_default() * SECOND,
        setup_is_no_loss: asset["setup_is_loss"] == false,
        shifts: asset["shifts_utc"].is_array().then(|| spans(&asset["shifts_utc"])),
        planned: spans(&asset["planned_windows_utc"]),
        states: states.collect(),
        products: products.collect(),
        counters,
        horizon: None,
    }
}

/// Holds parts and ratios against those of a bucket; what was compared.
#[track_caller]
fn check(what: &str, parts: &Parts, want: &Value) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "stops are few")]
    let stops = |count: u64| Some(count as f64);
    let known: [(&str, Option<f64>); 24] = [
        ("calendar_s", Some(parts.calendar_s())),
        ("POT_s", Some(parts.pot_s())),
        ("PBT_s", Some(parts.pbt_s())),
        ("APT_s", Some(parts.apt_s())),
        ("planned_s", Some(parts.planned_s())),
        ("setup_s", Some(parts.setup_s())),
        ("unplanned_s", Some(parts.unplanned_s())),
        ("micro_s", Some(parts.micro_s())),
        ("unknown_s", Some(parts.unknown_s())),
        ("total", Some(parts.total)),
        ("reject", Some(parts.reject())),
        ("good", Some(parts.good)),
        ("unscheduled_count", Some(parts.unscheduled_count)),
        ("ideal_total_s", Some(parts.ideal_total_s)),
        ("ideal_good_s", Some(parts.ideal_good_s)),
        ("availability", parts.availability()),
        ("performance", parts.performance()),
        ("quality", parts.quality()),
        ("oee", parts.oee()),
        ("nee", parts.nee()),
        ("utilization", parts.utilization()),
        ("teep", parts.teep()),
        ("stops", stops(parts.stops)),
        ("micro_stops", stops(parts.micro_stops)),
    ];
    let mut compared = 0;
    for (name, value) in known {
        let Some(want) = want.get(name) else { continue };
        let close = match (value, want.as_f64()) {
            (Some(own), Some(want)) => (own - want).abs() <= 1e-9 * want.abs().max(1.0),
            (own, want) => own.is_none() && want.is_none(),
        };
        assert!(close, "{what} {name}: {value:?}, not {want}");
        compared += 1;
    }
    compared
}

#[test]
fn every_bucket_of_every_machine_is_as_computed_elsewhere() {
    let Some(vectors) = vectors() else {
        eprintln!("there are no reference vectors: set TACITUS_REFERENCE to their folder");
        return;
    };
    let mut compared = 0;
    for vector in &vectors {
        let name = vector["id"].as_str().unwrap();
        if vector["asset"].is_object() {
            let machine = machine(&vector["asset"]);
            for bucket in list(&vector["expected"]) {
                let parts = machine.parts(moment(&bucket["start"]), moment(&bucket["end"]));
                compared += check(&format!("{name} {}", bucket["label"]), &parts, bucket);
            }
        }
        if vector["children"].is_array() {
            let (from, to) = (moment(&vector["bucket"][0]), moment(&vector["bucket"][1]));
            let children: Vec<Machine> =
                list(&vector["children"]).map(|child| machine(&child["asset"])).collect();
            for (child, own) in list(&vector["children"]).zip(&children) {
                compared += check(name, &own.parts(from, to), &child["expected"]);
            }
            compared += check(name, &parts_of(&children, from, to), &vector["expected"]);
        }
    }
    assert!(compared > 400, "{compared} figures are few");
}

#[test]
fn the_published_figures_of_a_database_are_met() {
    let Some(vectors) = vectors() else { return };
    for vector in vectors.iter().filter(|own| own["input"]["rows"].is_array()) {
        let (input, want) = (&vector["input"], &vector["expected_published"]);
        let (from, to) = (moment(&input["window"][0]), moment(&input["window"][1]));
        let rows: Vec<&Value> = list(&input["rows"]).collect();
        let column = |at: usize| {
            rows.iter().map(|row| (moment(&row[0]), row[at].as_f64().unwrap())).collect()
        };
        let state = |row: &&Value| match row[1].as_str().unwrap() {
            "running" => Condition::Run,
            _ => Condition::Stop(StopClass::Unplanned, 0),
        };
        let machine = Machine {
            states: rows.iter().map(|row| (moment(&row[0]), state(row))).collect(),
            products: vec![(from, "any", input["ideal_cycle_s"].as_f64().unwrap())],
            counters: vec![total(column(2)), reject(column(3))],
            ..Machine::default()
        };
        let parts = machine.parts(from, to);
        // The planned time is given, not worked out.
        let availability = parts.apt_s() / input["planned_s"].as_f64().unwrap();
        let (performance, quality) = (parts.performance().unwrap(), parts.quality().unwrap());
        let oee = iso22400::oee_index(availability, performance, quality);
        for (name, own) in [
            ("run_s", parts.apt_s()),
            ("availability", availability),
            ("performance", performance),
            ("quality", quality),
            ("oee", oee),
        ] {
            let Some(want) = want[name].as_f64() else { continue };
            assert!((own - want).abs() < 1e-9, "{} {name}: {own}, not {want}", vector["id"]);
        }
    }
}
