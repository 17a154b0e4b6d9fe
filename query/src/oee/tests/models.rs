//! Definitions as people write them.

use serde_json::{Value, json};

use super::super::*;

fn model(definition: Value) -> Result<OeeModel, Vec<String>> {
    let definition: OeeDefinition = serde_json::from_value(definition).unwrap();
    OeeModel::new(definition)
        .map_err(|faults| faults.into_iter().map(|fault| fault.key).collect::<Vec<_>>())
}

fn smallest() -> Value {
    json!({
        "state": {"tag": "state", "run": ["running"]},
        "total": {"tag": "count"},
        "ideal_cycle": {"seconds": 1.5},
    })
}

#[test]
fn the_smallest_definition_is_a_state_a_count_and_a_cycle() {
    let model = model(smallest()).unwrap();
    assert_eq!(model.tags().collect::<Vec<_>>(), ["state", "count"]);
    // It comes back as it was written.
    let written = serde_json::to_value(model.definition()).unwrap();
    assert_eq!(serde_json::from_value::<OeeDefinition>(written).unwrap(), *model.definition());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let found = model(json!({
        "valid_from": "yesterday",
        "state": {"tag": "", "run": ["on", {}], "unknown": ["on", [3, 1]], "stale_after_s": 0},
        "total": {"tag": "", "rollover_max": -1},
        "good": {"tag": "good"},
        "reject": {"tag": "reject"},
        "ideal_cycle": {"by_product": {"a": 0.0}, "tag": "cycle"},
        "micro_stop_s": -1,
        "planned_events": [""],
        "same_as": "",
    }));
    assert_eq!(
        found.unwrap_err(),
        [
            "valid_from",
            "state",
            "same_as",
            "state.tag",
            "state.stale_after_s",
            "state.run[1]",
            "state.unknown[0]",
            "state.unknown[1]",
            "good",
            "ideal_cycle.by_product.a",
            "ideal_cycle.by_product",
            "ideal_cycle",
            "micro_stop_s",
            "planned_events",
        ]
    );
    for (own, want) in [
        (json!({}), "state"),
        (json!({"sum_of": ["*"], "total": {"tag": "count"}}), "sum_of"),
        (json!({"state": {"tag": "state"}}), "state.run"),
        (json!({"state": {"tag": "state", "run": [1]}, "reject": {"tag": "r"}}), "reject"),
        (
            json!({"state": {"tag": "state", "run": [1]}, "reject_corrections": {"tag": "r"}}),
            "reject_corrections",
        ),
    ] {
        assert_eq!(model(own.clone()).unwrap_err(), [want], "{own}");
    }
}

#[test]
fn values_mean_what_the_first_rule_says() {
    let model = model(json!({
        "state": {
            "tag": "state",
            "run": [1, true, "running"],
            "stops": [
                {"values": [[100, 199], "jam"], "reason": "jam"},
                {"values": ["changeover"], "class": "setup"},
                {"values": [0], "class": "planned", "reason": "off", "no_order": true},
            ],
            "unknown": ["offline", -1],
        },
    }))
    .unwrap();
    let rules = model.state().unwrap();
    let mut causes = Causes::default();
    let mut judge = |number: Option<f64>, text: Option<&str>| {
        let condition = rules.judge(&Reading { number, text }, &mut causes).unwrap();
        match condition {
            Condition::Run => "run".to_owned(),
            Condition::Unknown => "unknown".to_owned(),
            Condition::Stop(class, cause) => {
                let cause = causes.get(cause).unwrap();
                format!("{class:?} {} {}", cause.reason, cause.value.as_deref().unwrap_or("-"))
            }
        }
    };
    for (number, text, want) in [
        (Some(1.0), Some("true"), "run"),
        (Some(2.0), Some("running"), "run"),
        (None, Some("1"), "run"),
        (Some(0.0), Some("false"), "Planned off false"),
        (Some(150.0), None, "Unplanned jam 150"),
        (Some(150.5), None, "Unplanned jam -"),
        (None, Some("jam"), "Unplanned jam jam"),
        (None, Some("changeover"), "Setup changeover changeover"),
        (None, Some("blocked"), "Unplanned blocked blocked"),
        (None, Some(""), "Unplanned stopped "),
        (Some(0.25), None, "Unplanned stopped -"),
        (Some(-1.0), None, "unknown"),
        (Some(f64::NAN), None, "unknown"),
        (None, None, "unknown"),
    ] {
        assert_eq!(judge(number, text), want, "{number:?} {text:?}");
    }
}

#[test]
fn counts_say_what_is_made_and_what_is_good() {
    let of = |counts: Value| {
        let mut definition = smallest();
        definition.as_object_mut().unwrap().remove("total");
        definition.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        let model = model(definition).unwrap();
        let rule = |own: &CountRule| (own.to_total, own.to_good, own.counts_up);
        model.counts().iter().map(rule).collect::<Vec<_>>()
    };
    let tag = || json!({"tag": "a"});
    assert_eq!(of(json!({})), []);
    assert_eq!(of(json!({"total": tag()})), [(1.0, 1.0, true)]);
    assert_eq!(of(json!({"good": tag()})), [(1.0, 1.0, true)]);
    assert_eq!(of(json!({"total": tag(), "good": tag()})), [(1.0, 0.0, true), (0.0, 1.0, true)]);
    let both = [(1.0, 1.0, true), (0.0, -1.0, true)];
    assert_eq!(of(json!({"total": tag(), "reject": tag()})), both);
    let both = [(1.0, 1.0, true), (1.0, 0.0, true)];
    assert_eq!(of(json!({"good": tag(), "reject": tag()})), both);
    let corrected = [(1.0, 1.0, true), (0.0, -1.0, false)];
    assert_eq!(of(json!({"total": tag(), "reject_corrections": tag()})), corrected);
}

#[test]
fn a_definition_holds_until_the_next() {
    let mut versions = OeeVersions::default();
    let from = |text: Option<&str>, micro_stop_s: i64| {
        let mut definition = smallest();
        definition["valid_from"] = text.map_or(Value::Null, Into::into);
        definition["micro_stop_s"] = micro_stop_s.into();
        model(definition).unwrap()
    };
    for (text, micro_stop_s) in [
        (Some("1970-01-01T00:00:20Z"), 3),
        (None, 1),
        (Some("1970-01-01T00:00:10Z"), 9),
        (Some("1970-01-01T01:00:10+01:00"), 2),
    ] {
        versions.put(from(text, micro_stop_s));
    }
    let told = |versions: &OeeVersions, first: i64, end: i64| {
        let seconds = |nanos: i64| nanos / 1_000_000_000;
        let between = versions.between(first * 1_000_000_000, end * 1_000_000_000);
        let row = |(from, to, own): (i64, i64, &std::sync::Arc<OeeModel>)| {
            (seconds(from), seconds(to), seconds(own.micro_stop_ns()))
        };
        between.map(row).collect::<Vec<_>>()
    };
    assert_eq!(told(&versions, 0, 30), [(0, 10, 1), (10, 20, 2), (20, 30, 3)]);
    assert_eq!(told(&versions, 12, 15), [(12, 15, 2)]);
    assert!(versions.take(Some(10_000_000_000)));
    assert!(versions.take(None) && !versions.take(None));
    assert_eq!(told(&versions, 0, 30), [(20, 30, 3)]);
}
