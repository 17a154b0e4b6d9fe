//! Numbers and truths that come as texts, messages that come again, and what was refused.

use super::*;

#[tokio::test]
async fn a_text_that_says_a_number_or_a_truth_fits_a_tag_of_that_kind() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let group = [
        message("temp", "21.5"),
        message("temp", "\"22.5\""),
        message("temp", r#"{"value": " 23.5 "}"#),
        message("temp", "\"NaN\""),
        message("door", "true"),
        message("door", "OFF"),
    ];
    mqtt.store(&group, Vec::new()).await.unwrap();
    let values = |path| plant.rows(path).into_iter().map(|row| row.1).collect::<Vec<_>>();
    assert_eq!(values("temp"), [21.5, 22.5, 23.5].map(Value::Float));
    assert_eq!(values("door"), [true, false].map(Value::Bool));
    // What says none stands beside it.
    assert_eq!(values("temp#text"), [text("NaN")]);
    assert_eq!(plant.ingest.counters().refused, [].into());
}

#[tokio::test]
async fn a_rule_makes_a_truth_of_the_words_for_it() {
    let plant = plant(&small());
    let rule = RuleSpec {
        topic: Some("+/POWER".into()),
        kind: Some("bool".into()),
        ..RuleSpec::default()
    };
    let mqtt = plant.mqtt(Rules::new(&Spec { rules: vec![rule], ..Spec::default() }).unwrap());
    let group = ["ON", "off", "{\"value\": \"Yes\"}", "0", "perhaps"];
    let group = group.map(|payload| message("plug/POWER", payload));
    mqtt.store(&group, Vec::new()).await.unwrap();
    let values: Vec<_> = plant.rows("plug/POWER").into_iter().map(|row| row.1).collect();
    assert_eq!(values, [true, false, true, false].map(Value::Bool));
    assert_eq!(plant.ingest.counters().refused, [("kind", 1)].into());
    let trial = mqtt.try_out("plug/POWER", b"ON").json();
    assert_eq!(trial["samples"][0]["value"], true);
    for topic in ["plug/#", "", "+/POWER"] {
        assert_eq!(mqtt.try_out(topic, b"ON").json()["refusal"]["code"], "topic", "{topic}");
    }
}

#[tokio::test]
async fn a_value_of_another_unit_is_kept_apart() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let group = [
        message("p", r#"{"value": 4, "unit": "bar"}"#),
        message("p", r#"{"value": 5, "unit": "Bar"}"#),
        message("p", r#"{"value": 58, "unit": "psi"}"#),
        message("p", r#"{"value": 59, "unit": "PSI"}"#),
        message("p", "6"),
        message("v", r#"{"value": 1, "unit": "m/s"}"#),
        message("v", r#"{"value": 3, "unit": "km/h"}"#),
        message("w", r#"{"value": 1, "unit": "mW"}"#),
        message("w", r#"{"value": 2, "unit": "MW"}"#),
        message("t", r#"{"value": 1, "unit": "°C"}"#),
        message("t", r#"{"value": 2, "unit": "Cel"}"#),
    ];
    mqtt.store(&group, Vec::new()).await.unwrap();
    let values = |path: &str| {
        let row = |(_, value): (i64, Value)| match value {
            Value::Float(number) => number,
            other => panic!("{other:?}"),
        };
        plant.rows(path).into_iter().map(row).collect::<Vec<_>>()
    };
    for (path, unit, want) in [
        ("p", "bar", &[4.0, 5.0, 6.0][..]),
        ("p#psi", "psi", &[58.0]),
        ("p#PSI", "PSI", &[59.0]),
        ("v", "m/s", &[1.0]),
        ("v#km%2Fh", "km/h", &[3.0]),
        ("w", "mW", &[1.0]),
        ("w#MW", "MW", &[2.0]),
        ("t", "°C", &[1.0, 2.0]),
    ] {
        assert_eq!(values(path), want, "{path}");
        assert_eq!(plant.tag(path).definition.unit, unit);
    }
    let trial = mqtt.try_out("p", br#"{"value": 58, "unit": "psi"}"#).json();
    assert_eq!(trial["samples"][0]["tag"], "p#psi");
}

/// A bridge that reconnects sends again what is retained, and a client what was not acknowledged.
#[tokio::test]
async fn a_message_with_a_time_that_comes_again_is_the_same_sample() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let payload = r#"{"value": 4.5, "ts": 1714550400000}"#;
    let retained = Incoming { retain: true, ..message("tank/level", payload) };
    for _ in 0..3 {
        mqtt.store(std::slice::from_ref(&retained), Vec::new()).await.unwrap();
    }
    let newer = message("tank/level", r#"{"value": 5.5, "ts": 1714550401000}"#);
    mqtt.store(&[newer, retained], Vec::new()).await.unwrap();
    let second = 1_000_000_000;
    let first = 1_714_550_400 * second;
    assert_eq!(
        plant.rows("tank/level"),
        [(first, Value::Float(4.5)), (first + second, Value::Float(5.5))]
    );
    let tag = plant.tag("tank/level").id;
    let latest = plant.engine.snapshot().latest(tag).unwrap();
    assert_eq!(latest.value, Value::Float(5.5), "an older one is not the latest again");
}

#[tokio::test]
async fn refusals_are_told_newest_first_with_how_often_there_was_each_reason() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let long = format!("{{broken {}", "x".repeat(100));
    let group = [message("old", "{}"), message("a", &long), message("b", &long)];
    mqtt.store(&group, Vec::new()).await.unwrap();
    for n in 0..100 {
        mqtt.store(&[message(&format!("c/{n}"), &long)], Vec::new()).await.unwrap();
    }
    let all = plant.ingest.refusals_counted();
    assert_eq!(all.len(), 101, "the last of a reason stays, however long ago it was");
    let (newest, count) = &all[0];
    assert_eq!((newest.name.as_str(), newest.code, *count), ("c/99", "payload_json", 102));
    assert_eq!(newest.payload, long);
    assert_eq!(all[1].0.payload.len(), 64);
    let (oldest, count) = &all[100];
    assert_eq!((oldest.name.as_str(), oldest.code, *count), ("old", "payload_no_value", 1));
}
