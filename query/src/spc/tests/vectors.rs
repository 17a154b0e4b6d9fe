//! The vectors of a reference: `constants.json`, `run_rules.json`, `cases.json`.
//!
//! They are read from a folder beside the repository, or the one named by `TACITUS_REFERENCE`;
//! where neither is there, the test says so and ends.
#![expect(clippy::print_stderr, reason = "a test that compared nothing must say so")]

use std::path::PathBuf;

use serde_json::Value as Json;

use super::super::*;
use super::{close, group, of_chart, of_counts, of_values};

fn read(name: &str) -> Option<Json> {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let beside = own.ancestors().map(|folder| folder.join("shared/reference"));
    let named = std::env::var_os("TACITUS_REFERENCE").map(PathBuf::from);
    let folders = named.into_iter().chain(beside).map(|folder| folder.join("spc"));
    let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) else {
        eprintln!("there is no reference: {name} is not compared");
        return None;
    };
    Some(serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap())
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Json) -> Vec<f64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list")).iter().map(number).collect()
}

fn places(value: &Json) -> Vec<usize> {
    let all = value.as_array().unwrap().iter();
    all.map(|own| usize::try_from(own.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn constants_are_those_of_the_reference() {
    let Some(document) = read("constants.json") else { return };
    for row in document["rows"].as_array().unwrap() {
        let size = row["n"].as_u64().unwrap();
        let own = Constants::of(size).unwrap();
        for (name, found) in [
            ("A", own.a),
            ("A2", own.a2),
            ("A3", own.a3),
            ("B3", own.b3),
            ("B4", own.b4),
            ("B5", own.b5),
            ("B6", own.b6),
            ("c4", own.c4),
            ("d2", own.d2),
            ("d3", own.d3),
            ("D1", own.d1_limit),
            ("D2", own.d2_limit),
            ("D3", own.d3_limit),
            ("D4", own.d4_limit),
            ("E2", own.e2),
        ] {
            let want = number(&row[name]);
            assert!((found - want).abs() <= 6e-7, "{name}({size}): {found} {want}");
        }
    }
}

/// The places, counted from one, that each rule of a document flags, against those it names.
fn check_rules(id: &str, rules: &Json, z: &[(f64, bool)]) {
    for (set, prefix) in [("western_electric", "we"), ("nelson", "nelson")] {
        for (digit, want) in rules[set].as_object().unwrap() {
            let name = format!("{prefix}{digit}");
            let all = run_rules(RuleOptions::STANDARD);
            let rule = all.iter().find(|rule| rule.name == name).unwrap();
            let mut run = Run::default();
            let mut found = Vec::new();
            for (at, (z, out)) in z.iter().enumerate() {
                run.add(*z, *out);
                if run.breaks(rule) {
                    found.push(at + 1);
                }
            }
            assert_eq!(found, places(want), "{id}: {name}");
        }
    }
}

#[test]
fn rules_flag_what_the_reference_flags() {
    let Some(document) = read("run_rules.json") else { return };
    for series in document["series"].as_array().unwrap() {
        let z: Vec<(f64, bool)> =
            numbers(&series["z"]).iter().map(|z| (*z, z.abs() > 3.0)).collect();
        check_rules(series["id"].as_str().unwrap(), &series["expected"], &z);
    }
}

/// What a case is about: its subgroups, and how many of them are the baseline.
fn subgroups(data: &Json) -> (Vec<Subgroup>, usize) {
    let groups = if let Some(groups) = data["subgroups"].as_array() {
        of_values(&groups.iter().map(numbers).collect::<Vec<_>>())
    } else if data["values"].is_array() {
        of_values(&numbers(&data["values"]).iter().map(|value| [*value]).collect::<Vec<_>>())
    } else if data["counts"].is_array() {
        let counts = numbers(&data["counts"]);
        let sizes = match &data["sizes"] {
            Json::Array(_) => numbers(&data["sizes"]),
            Json::Number(_) => vec![number(&data["sizes"]); counts.len()],
            _ => vec![data["size"].as_f64().unwrap_or(1.0); counts.len()],
        };
        of_counts(&counts.into_iter().zip(sizes).collect::<Vec<_>>())
    } else {
        vectors(data)
    };
    let first = ["phase1_subgroups", "phase1"].iter().find_map(|name| data[*name].as_u64());
    let first = first.map_or(groups.len(), |first| usize::try_from(first).unwrap());
    (groups, first)
}

/// Subgroups of several variables: a matrix for each, a row for each subgroup, or a list of values.
fn vectors(data: &Json) -> Vec<Subgroup> {
    let named = ["variables", "x"].iter().map(|name| &data[*name]).find(|own| !own.is_null());
    let own = named.unwrap_or(data);
    let variables: Vec<&Json> = match own {
        Json::Object(members) => members.values().filter(|own| own.is_array()).collect(),
        Json::Array(items) => items.iter().collect(),
        other => panic!("{other} is no list of variables"),
    };
    let rows = variables.first().unwrap().as_array().unwrap().len();
    let joint = |row: usize| {
        let each: Vec<Vec<f64>> = variables
            .iter()
            .map(|own| match &own[row] {
                Json::Array(_) => numbers(&own[row]),
                single => vec![number(single)],
            })
            .collect();
        let mut joint = Joint::new(each.len());
        for at in 0..each[0].len() {
            joint.add(&each.iter().map(|own| own[at]).collect::<Vec<_>>());
        }
        group(row, Figures::Vectors(joint))
    };
    (0..rows).map(joint).collect()
}

fn method(text: &str) -> Option<Method> {
    Some(match text.to_lowercase() {
        text if text.contains("pooled") => Method::Pooled,
        text if text.contains("median") => Method::MedianMovingRange,
        text if text.contains("mr") => Method::MovingRange,
        text if text.starts_with('s') || text.contains("sbar") => Method::Deviation,
        text if text.starts_with('r') || text.contains("rbar") => Method::Range,
        _ => return None,
    })
}

/// The charts of a case, and which of them it is about.
fn recipe(case: &Json) -> Option<(Recipe, Chart)> {
    let (id, kind) = (case["id"].as_str().unwrap(), case["kind"].as_str().unwrap());
    let data = &case["data"];
    let of = |kind, chart| Some((Recipe::of(kind), chart));
    let (mut recipe, chart) = match kind {
        "xbar_r" | "xbar" => of(ChartKind::XbarR, Chart::Xbar),
        "r" => of(ChartKind::XbarR, Chart::R),
        kind if kind.starts_with("xbar_s") || kind == "xbar_pooled" => {
            of(ChartKind::XbarS, Chart::Xbar)
        }
        "s" => of(ChartKind::XbarS, Chart::S),
        "i_mr" | "i" => of(ChartKind::IMr, Chart::I),
        "ewma" => of(ChartKind::Ewma, Chart::Ewma),
        "cusum" => of(ChartKind::Cusum, Chart::CusumHigh),
        "t2" | "t_squared" | "hotelling_t2" | "hotelling" => {
            of(ChartKind::TSquared, Chart::TSquared)
        }
        name => {
            let counts = ["p", "np", "c", "u", "laney_p", "laney_u"];
            let own = counts.iter().find(|own| **own == name)?;
            let kind = ChartKind::ALL.iter().find(|(name, _)| name == own)?.1;
            of(kind, Chart::Rate(own))
        }
    }?;
    let named = ["sigma_method", "within", "estimate", "std_dev", "method"];
    let named = named.iter().find_map(|name| method(data[*name].as_str()?));
    let pooled = (kind.contains("pooled") || id.contains("pooled")).then_some(Method::Pooled);
    // Subgroups whose averages are weighted or cumulated: by ranges.
    let many =
        matches!(recipe.kind, ChartKind::Ewma | ChartKind::Cusum) && data["subgroups"].is_array();
    let usual = if many { Method::Range } else { recipe.method };
    recipe.method = named.or(pooled).unwrap_or(usual);
    let given = |names: &[&str], usual: f64| {
        names.iter().find_map(|name| data[*name].as_f64()).unwrap_or(usual)
    };
    recipe.k = given(&["L", "nsigmas"], 3.0);
    recipe.lambda = given(&["lambda"], 0.2);
    recipe.target = data["target"].as_f64();
    recipe.reference = given(&["k"], 0.5);
    recipe.decision = given(&["h"], 5.0);
    recipe.fir = data["fir"].as_bool().unwrap_or(false);
    recipe.alpha = data["alpha"].as_f64();
    if let Some(confidence) = data["confidence"].as_f64() {
        recipe.alpha = Some(1.0 - confidence);
    }
    Some((recipe, chart))
}

/// One number for all points, or one for each.
fn check_each(id: &str, name: &str, want: &Json, found: &[Option<f64>]) {
    let each: Vec<f64> = match want {
        Json::Null => return,
        Json::Array(_) => numbers(want),
        // One number is that of the first point.
        single => vec![number(single)],
    };
    assert!(each.len() == 1 || each.len() == found.len(), "{id}: {name} has {}", found.len());
    for (at, (want, found)) in each.iter().zip(found).enumerate() {
        let found = found.unwrap_or(f64::NAN);
        let fits = (found - want).abs() <= 1e-6 * want.abs().max(1e-3);
        assert!(fits, "{id}: {name}[{at}] is {found}, not {want}");
    }
}

fn check_chart(case: &Json, recipe: &Recipe, chart: Chart) {
    let (id, data, expected) = (case["id"].as_str().unwrap(), &case["data"], &case["expected"]);
    let (groups, first) = subgroups(data);
    let (basis, phase) = match (data["sigma"].as_f64(), data["target"].as_f64()) {
        (Some(sigma), Some(center)) => (Basis::Process { center, sigma }, Phase::Two),
        _ => (basis(recipe.kind, recipe.method, &groups[..first]).unwrap(), Phase::One),
    };
    let mut course = Course::new(recipe, Some(basis.clone()));
    let all: Vec<Point> = groups.iter().flat_map(|group| course.points(group, phase)).collect();
    let points = of_chart(&all, chart);
    let each = |of: fn(&Point) -> Option<f64>| points.iter().map(|own| of(own)).collect::<Vec<_>>();
    if let Basis::Process { sigma, .. } = &basis {
        check_each(id, "sigma", &expected["sigma"], &[Some(*sigma)]);
    }
    if let Basis::Rate { sigma_z, .. } = &basis {
        check_each(id, "sigma_z", &expected["sigma_z"], &[Some(*sigma_z)]);
    }
    if expected["center"].is_number() || expected["center"].is_array() && chart != Chart::TSquared {
        check_each(id, "center", &expected["center"], &each(|own| own.center));
    }
    check_each(id, "lcl", &expected["lcl"], &each(|own| own.lcl));
    check_each(id, "ucl", &expected["ucl"], &each(|own| own.ucl));
    check_each(id, "statistics", &expected["statistics"], &each(|own| Some(own.value)));
    if expected["out_of_limits"].is_array() {
        let out: Vec<usize> =
            points.iter().zip(1..).filter(|(own, _)| own.out).map(|(_, at)| at).collect();
        assert_eq!(out, places(&expected["out_of_limits"]), "{id}");
    }
    if expected["rules"].is_object() {
        let z: Vec<(f64, bool)> = points.iter().map(|own| (own.z.unwrap(), own.out)).collect();
        check_rules(id, &expected["rules"], &z);
    }
    let moving = of_chart(&all, Chart::Mr);
    let moving =
        |of: fn(&Point) -> Option<f64>| moving.iter().map(|own| of(own)).collect::<Vec<_>>();
    check_each(id, "mr", &expected["mr"], &moving(|own| Some(own.value)));
    check_each(id, "mr_bar", &expected["mr_bar"], &moving(|own| own.center));
    check_each(id, "mr_lcl", &expected["mr_lcl"], &moving(|own| own.lcl));
    check_each(id, "mr_ucl", &expected["mr_ucl"], &moving(|own| own.ucl));
    check_sums(id, expected, &all);
}

fn check_sums(id: &str, expected: &Json, all: &[Point]) {
    let (high, low) = (of_chart(all, Chart::CusumHigh), of_chart(all, Chart::CusumLow));
    for (own, value, run) in [(&high, "c_plus", "n_plus"), (&low, "c_minus", "n_minus")] {
        let values: Vec<Option<f64>> = own.iter().map(|own| Some(own.value)).collect();
        check_each(id, value, &expected[value], &values);
        #[expect(clippy::cast_precision_loss, reason = "a few points")]
        let runs: Vec<Option<f64>> = own.iter().map(|own| own.run.map(|run| run as f64)).collect();
        check_each(id, run, &expected[run], &runs);
    }
    if expected["signals"].is_array() {
        let out = |at: &usize| high[at - 1].out || low[at - 1].out;
        let found: Vec<usize> = (1..=high.len()).filter(out).collect();
        assert_eq!(found, places(&expected["signals"]), "{id}");
    }
}

fn check_capability(case: &Json) {
    let (data, expected) = (&case["data"], &case["expected"]);
    let own = Specification {
        lsl: data["lsl"].as_f64(),
        usl: data["usl"].as_f64(),
        target: data["target"].as_f64(),
    };
    let (within, overall, observed) = if data["mean"].is_number() {
        let within = Indices::of(number(&data["mean"]), number(&data["sigma"]), &own);
        (within, within, None)
    } else {
        let groups = subgroups(data).0;
        let usual = if data["values"].is_array() { Method::MovingRange } else { Method::Range };
        let method = data["within"].as_str().and_then(method).unwrap_or(usual);
        let values: Vec<f64> = match data["subgroups"].as_array() {
            Some(groups) => groups.iter().flat_map(numbers).collect(),
            None => numbers(&data["values"]),
        };
        let (sigma, count) = (sigma(method, &groups).ok(), values.len());
        let found = capability(values, sigma, 0, &own);
        for (name, found) in
            [("sigma_within", found.sigma_within), ("sigma_overall", found.sigma_overall)]
        {
            if let Some(want) = expected[name].as_f64() {
                close(found, want);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a few values")]
        let each = |beyond: Option<f64>| beyond.map(|ppm| (ppm * count as f64 / 1e6).round());
        let observed = (each(found.observed.below), each(found.observed.above));
        (found.within, found.overall, Some(observed))
    };
    for (name, found) in [
        ("cp", within.cp),
        ("cpl", within.cpl),
        ("cpu", within.cpu),
        ("cpk", within.cpk),
        ("cpm", within.cpm),
        ("pp", overall.cp),
        ("ppl", overall.cpl),
        ("ppu", overall.cpu),
        ("ppk", overall.cpk),
        ("ppm", overall.cpm),
        ("observed_below", observed.and_then(|own| own.0)),
        ("observed_above", observed.and_then(|own| own.1)),
    ] {
        if let Some(want) = expected[name].as_f64() {
            close(found, want);
        }
    }
}

#[test]
fn charts_and_capabilities_are_those_of_the_reference() {
    let Some(cases) = read("cases.json") else { return };
    for case in cases.as_array().unwrap() {
        match (case["kind"].as_str().unwrap(), recipe(case)) {
            ("capability" | "capability_summary", _) => check_capability(case),
            (_, Some((recipe, chart))) => check_chart(case, &recipe, chart),
            (kind, None) => panic!("there is no chart \"{kind}\" to compare"),
        }
    }
}
