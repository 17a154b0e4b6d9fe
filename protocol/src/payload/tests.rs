//! What payloads become, and what each wrong one gets.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};
use serde_json::Value as Vector;

use super::*;

mod devices;
mod profiles;

fn points(payload: &str) -> Vec<Point> {
    decode("a/b", payload.as_bytes(), &Settings::default()).unwrap()
}

fn refusal(payload: &[u8]) -> Refusal {
    decode("a/b", payload, &Settings::default()).unwrap_err()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// `(path, value)` of each point.
#[track_caller]
fn check(payload: &str, want: &[(&str, Value)]) {
    let got = points(payload);
    let got: Vec<_> = got.iter().map(|p| (p.path.as_str(), p.value.clone())).collect();
    assert_eq!(got, want, "{payload}");
}

/// `(path, time in ms, quality)` of each point.
#[track_caller]
fn check_origin(payload: &str, want: &[(&str, Option<i64>, Quality)]) {
    let got = points(payload);
    let got: Vec<_> = got
        .iter()
        .map(|p| (p.path.as_str(), p.ts.map(|ts| ts.nanos() / 1_000_000), p.quality))
        .collect();
    assert_eq!(got, want, "{payload}");
}

const MAY_DAY: i64 = 1_714_550_400_250;

#[test]
fn a_bare_payload_is_the_value_of_its_topic() {
    for (payload, value) in [
        ("21.75", Value::Float(21.75)),
        (" -3\r\n", Value::Float(-3.0)),
        ("-0", Value::Float(-0.0)),
        ("+1e3", Value::Float(1000.0)),
        ("9007199254740993", Value::Int(9_007_199_254_740_993)),
        ("18446744073709551615", Value::Float(18_446_744_073_709_551_615.0)),
        ("true", Value::Bool(true)),
        ("False", Value::Bool(false)),
        ("RUN", text("RUN")),
        ("21,5", text("21,5")),
        ("\"21.5\"", text("21.5")),
        ("two\nlines", text("two\nlines")),
        ("\u{feff}7", Value::Float(7.0)),
        ("7.5\0", Value::Float(7.5)),
        ("RUN\0\0\r\n", text("RUN")),
        ("ä", text("ä")),
    ] {
        check(payload, &[("a/b", value)]);
        assert_eq!(points(payload)[0].quality, Quality::GOOD, "{payload}");
        assert_eq!(points(payload)[0].ts, None, "{payload}");
    }
}

#[test]
fn a_bare_payload_without_a_finite_number_is_kept_as_bad() {
    for (payload, quality) in [
        ("NaN", Quality::BAD_OUT_OF_RANGE),
        ("-inf", Quality::BAD_OUT_OF_RANGE),
        ("Infinity", Quality::BAD_OUT_OF_RANGE),
        ("1e999", Quality::BAD_OUT_OF_RANGE),
        ("null", Quality::BAD_NO_DATA),
    ] {
        check_origin(payload, &[("a/b", None, quality)]);
    }
    assert_eq!(points("inf")[0].value, Value::Float(f64::INFINITY));
    assert_eq!(points("null")[0].value, Value::Null);
}

#[test]
fn a_bare_payload_for_a_text_tag_is_kept_letter_by_letter() {
    for payload in ["0012", "1e3", "true", "NaN", "RUN"] {
        let want = (text(payload), Quality::GOOD);
        assert_eq!(bare_value(payload, Some(Kind::Text)), Ok(want));
    }
    let null = (Value::Null, Quality::BAD_NO_DATA);
    assert_eq!(bare_value("null", Some(Kind::Text)), Ok(null));
    let number = (Value::Float(12.0), Quality::GOOD);
    assert_eq!(bare_value("0012", Some(Kind::Float)), Ok(number));
}

#[test]
fn every_leaf_of_an_object_is_a_tag() {
    check(
        r#"{"temp": 4.1, "door": {"open": false, "side": "left"}, "err": null}"#,
        &[
            ("a/b/temp", Value::Float(4.1)),
            ("a/b/door/open", Value::Bool(false)),
            ("a/b/door/side", text("left")),
            ("a/b/err", Value::Null),
        ],
    );
}

#[test]
fn an_object_of_one_value_and_its_circumstances_is_the_tag_itself() {
    for payload in [
        r#"{"value": 4.1}"#,
        r#"{"Value": 4.1, "unit": "bar"}"#,
        r#"{"v": 4.1, "q": 192, "t": 1714550400250}"#,
        r#"{"value": 4.1, "timestamp": "2024-05-01T08:00:00.250Z", "quality": "Good"}"#,
        r#"{"val": 4.1, "sourceTimestamp": 1714550400250, "StatusCode": {"Code": 0, "Symbol": "Good"}}"#,
    ] {
        check(payload, &[("a/b", Value::Float(4.1))]);
        assert_eq!(points(payload)[0].quality, Quality::GOOD, "{payload}");
    }
    check(
        r#"{"inlet": {"value": 4.1, "unit": "bar"}, "outlet": {"value": 3.9}}"#,
        &[("a/b/inlet", Value::Float(4.1)), ("a/b/outlet", Value::Float(3.9))],
    );
    assert_eq!(points(r#"{"value": 4.1, "unit": "bar"}"#)[0].unit, "bar");
}

#[test]
fn a_value_beside_others_is_one_leaf_of_several() {
    check(
        r#"{"value": 4.1, "count": 7, "quality": 98.5, "unit": "bar"}"#,
        &[
            ("a/b/value", Value::Float(4.1)),
            ("a/b/count", Value::Float(7.0)),
            ("a/b/quality", Value::Float(98.5)),
            ("a/b/unit", text("bar")),
        ],
    );
    check(
        r#"{"v": 230, "t": 23.1}"#,
        &[("a/b/v", Value::Float(230.0)), ("a/b/t", Value::Float(23.1))],
    );
}

#[test]
fn every_time_name_dates_its_object() {
    for name in [
        "ts",
        "timestamp",
        "Timestamp",
        "time_stamp",
        "timestamp_ms",
        "timestampMs",
        "time",
        "Time",
        "t",
        "sourceTimestamp",
        "source_timestamp",
        "SourceTimestamp",
        "_time",
        "last_seen",
        "datetime",
        "dateTime",
        "date_time",
        "time_ms",
        "ts_ms",
        "serverTimestamp",
        "date",
        "ts_us",
        "TimestampUTC",
        "unixTimestamp",
        "epoch",
        "event_time",
        "measured_at",
    ] {
        // Of a name that says its unit the number is of that unit.
        if name == "ts_us" {
            let payload = format!(r#"{{"x": 1, "{name}": {MAY_DAY}000}}"#);
            check_origin(&payload, &[("a/b/x", Some(MAY_DAY), Quality::GOOD)]);
            continue;
        }
        let payload = format!(r#"{{"x": 1, "{name}": {MAY_DAY}}}"#);
        check_origin(&payload, &[("a/b/x", Some(MAY_DAY), Quality::GOOD)]);
    }
}

#[test]
fn a_time_is_a_number_or_a_text_in_any_common_form() {
    for (time, ms) in [
        ("1714550400", Some(MAY_DAY - 250)),
        ("1714550400.25", Some(MAY_DAY)),
        ("1714550400250", Some(MAY_DAY)),
        ("1714550400250000", Some(MAY_DAY)),
        ("1714550400250000000", Some(MAY_DAY)),
        ("\"1714550400250\"", Some(MAY_DAY)),
        ("\"2024-05-01T10:00:00.250+02:00\"", Some(MAY_DAY)),
        ("\"2024-05-01 08:00:00.25Z\"", Some(MAY_DAY)),
        ("\"1714550400.25\"", Some(MAY_DAY)),
        (r#"{"seconds": 1714550400, "nanos": 250000000}"#, Some(MAY_DAY)),
        (r#"{"sec": 1714550400, "nanosec": 250000000}"#, Some(MAY_DAY)),
        (r#"{"$date": "2024-05-01T08:00:00.250Z"}"#, Some(MAY_DAY)),
        (r#"{"$date": 1714550400250}"#, Some(MAY_DAY)),
        // No zone, no clock, no time: the arrival counts.
        ("\"2024-05-01T10:00:00\"", None),
        ("0", None),
        ("86400", None),
        ("null", None),
        ("\"\"", None),
    ] {
        let payload = format!(r#"{{"x": 1, "ts": {time}}}"#);
        check_origin(&payload, &[("a/b/x", ms, Quality::GOOD)]);
    }
}

#[test]
fn an_object_without_a_time_takes_that_around_it() {
    check_origin(
        r#"{"ts": 1714550400250, "x": 1, "in": {"y": 2}, "own": {"ts": 1714550401250, "z": 3}}"#,
        &[
            ("a/b/x", Some(MAY_DAY), Quality::GOOD),
            ("a/b/in/y", Some(MAY_DAY), Quality::GOOD),
            ("a/b/own/z", Some(MAY_DAY + 1000), Quality::GOOD),
        ],
    );
    check_origin(
        r#"{"serverTimestamp": 1714550409250, "ts": 1714550401250, "sourceTimestamp": 1714550400250, "x": 1}"#,
        &[("a/b/x", Some(MAY_DAY), Quality::GOOD)],
    );
}

#[test]
fn a_quality_is_read_in_every_common_form() {
    for (member, want) in [
        (r#""quality": "GOOD""#, Quality::GOOD),
        (r#""quality": "Bad_Stale""#, Quality::BAD),
        (r#""quality": "uncertain, last usable""#, Quality::UNCERTAIN),
        (r#""quality": 192"#, Quality::GOOD),
        (r#""quality": 216"#, Quality::GOOD),
        (r#""quality": 64"#, Quality::UNCERTAIN),
        (r#""q": 0"#, Quality::BAD),
        (r#""q": true"#, Quality::GOOD),
        (r#""q": false"#, Quality::BAD),
        (r#""quality": 2150891520"#, Quality(0x8034_0000)),
        (r#""quality": "192""#, Quality::GOOD),
        (r#""quality": 192.0"#, Quality::GOOD),
        (r#""quality": "0x80340000""#, Quality(0x8034_0000)),
        (r#""quality": {"code": 64, "level": "Uncertain"}"#, Quality::UNCERTAIN),
        (r#""quality": {"Code": 0, "Symbol": "Good"}"#, Quality::GOOD),
        (r#""quality": "invalid""#, Quality::BAD),
        (r#""qualityCode": 0"#, Quality::BAD),
        (r#""status": "Bad_Stale""#, Quality::BAD),
        (r#""statusCode": 0"#, Quality::GOOD),
        (
            r#""StatusCode": {"Code": 2150694912, "Symbol": "BadNoCommunication"}"#,
            Quality::BAD_NO_COMMUNICATION,
        ),
    ] {
        check_origin(&format!(r#"{{"value": 1, {member}}}"#), &[("a/b", None, want)]);
    }
    check_origin(
        r#"{"x": 1, "y": 2, "quality": "bad"}"#,
        &[("a/b/x", None, Quality::BAD), ("a/b/y", None, Quality::BAD)],
    );
    check_origin(r#"{"value": null, "q": true}"#, &[("a/b", None, Quality::BAD_NO_DATA)]);
}

#[test]
fn a_status_is_a_quality_only_in_the_words_of_opc_and_beside_one_value() {
    check(
        r#"{"value": 1, "status": "running"}"#,
        &[("a/b/value", Value::Float(1.0)), ("a/b/status", text("running"))],
    );
    check_origin(
        r#"{"x": 1, "status": "bad"}"#,
        &[("a/b/x", None, Quality::GOOD), ("a/b/status", None, Quality::GOOD)],
    );
}

#[test]
fn an_object_that_says_its_name_goes_under_it() {
    let temp = ("a/b/temp", Value::Float(4.1));
    check(r#"{"name": "temp", "value": 4.1, "ts": 1714550400250}"#, &[temp]);
    check(
        r#"{"tag": "temp", "value": 4.1, "dataType": "REAL", "unit": "bar"}"#,
        &[("a/b/temp", Value::Float(4.1))],
    );
    // Its topic ends with it already.
    check(r#"{"name": "b", "value": 4.1}"#, &[("a/b", Value::Float(4.1))]);
    // More than one value, or more than a name: every leaf for itself.
    check(
        r#"{"name": "temp", "value": 4.1, "count": 7}"#,
        &[
            ("a/b/name", text("temp")),
            ("a/b/value", Value::Float(4.1)),
            ("a/b/count", Value::Float(7.0)),
        ],
    );
}

#[test]
fn the_type_of_one_value_is_no_value() {
    check(r#"{"value": 4.1, "dataType": "Double"}"#, &[("a/b", Value::Float(4.1))]);
    check(r#"{"value": 4.1, "type": "float32"}"#, &[("a/b", Value::Float(4.1))]);
    check(
        r#"{"value": 4.1, "type": "pump"}"#,
        &[("a/b/value", Value::Float(4.1)), ("a/b/type", text("pump"))],
    );
    check(
        r#"{"x": 4.1, "dataType": "Double"}"#,
        &[("a/b/x", Value::Float(4.1)), ("a/b/dataType", text("Double"))],
    );
}

#[test]
fn an_array_that_is_the_one_value_is_indexed_below_the_tag() {
    check_origin(
        r#"{"value": [1, 2], "quality": 64, "ts": 1714550400250}"#,
        &[
            ("a/b/0", Some(MAY_DAY), Quality::UNCERTAIN),
            ("a/b/1", Some(MAY_DAY), Quality::UNCERTAIN),
        ],
    );
    check(
        r#"{"value": [1], "count": 2}"#,
        &[("a/b/value/0", Value::Float(1.0)), ("a/b/count", Value::Float(2.0))],
    );
}

#[test]
fn pairs_of_a_time_and_a_value_are_samples() {
    for times in [[1_714_550_400_i64, 1_714_550_401], [1_714_550_400_000, 1_714_550_401_000]] {
        let [one, other] = times;
        let payload = format!(r#"{{"temp": [[{one}, 4.5], [{other}, null]]}}"#);
        check_origin(
            &payload,
            &[
                ("a/b/temp", Some(MAY_DAY - 250), Quality::GOOD),
                ("a/b/temp", Some(MAY_DAY + 750), Quality::BAD_NO_DATA),
            ],
        );
    }
    // What is not certain to be a time is none.
    check("[[1, 2]]", &[("a/b/0/0", Value::Float(1.0)), ("a/b/0/1", Value::Float(2.0))]);
}

#[test]
fn objects_on_lines_of_their_own_are_several_messages() {
    check(
        "{\"x\": 1}\r\n\n{\"x\": 2}\n",
        &[("a/b/x", Value::Float(1.0)), ("a/b/x", Value::Float(2.0))],
    );
}

#[test]
fn a_number_that_json_has_no_word_for_costs_no_other_its_value() {
    check_origin(
        r#"{"x": NaN, "y": -Infinity, "z": 3, "NaN": "NaN", "ts": 1714550400250}"#,
        &[
            ("a/b/x", Some(MAY_DAY), Quality::BAD_OUT_OF_RANGE),
            ("a/b/y", Some(MAY_DAY), Quality::BAD_OUT_OF_RANGE),
            ("a/b/z", Some(MAY_DAY), Quality::GOOD),
            ("a/b/NaN", Some(MAY_DAY), Quality::GOOD),
        ],
    );
    let points = points(r#"{"x": NaN, "y": -Infinity}"#);
    assert!(matches!(points[0].value, Value::Float(number) if number.is_nan()));
    assert_eq!(points[1].value, Value::Float(f64::NEG_INFINITY));
}

#[test]
fn an_array_of_dated_objects_is_samples_and_any_other_is_indexed() {
    check_origin(
        r#"{"temp": [{"ts": 1714550400250, "value": 1}, {"ts": 1714550401250, "value": 2}]}"#,
        &[
            ("a/b/temp", Some(MAY_DAY), Quality::GOOD),
            ("a/b/temp", Some(MAY_DAY + 1000), Quality::GOOD),
        ],
    );
    check(
        r#"{"axis": [{"speed": 1}, {"speed": 2}], "force": [7, true]}"#,
        &[
            ("a/b/axis/0/speed", Value::Float(1.0)),
            ("a/b/axis/1/speed", Value::Float(2.0)),
            ("a/b/force/0", Value::Float(7.0)),
            ("a/b/force/1", Value::Bool(true)),
        ],
    );
    check("[1, 2]", &[("a/b/0", Value::Float(1.0)), ("a/b/1", Value::Float(2.0))]);
    check(r#"[{"x": 1}, {"x": 2}]"#, &[("a/b/x", Value::Float(1.0)), ("a/b/x", Value::Float(2.0))]);
}

#[test]
fn each_wrong_payload_is_refused_with_its_reason() {
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    let wide = format!("[{}1]", "1,".repeat(10_000));
    let long = format!("\"{}\"", "x".repeat(TEXT_BYTES_MAX + 1));
    let name = format!("{{\"{}\": 1}}", "x".repeat(PATH_BYTES_MAX));
    for (payload, code, why) in [
        ("", "payload_empty", "empty"),
        (" \r\n", "payload_empty", "empty"),
        ("{\"x\": }", "payload_json", "line 1 column 7"),
        ("{\"x\": nan}", "payload_json", "line 1 column"),
        ("{\"x\": NaN, }", "payload_json", "line 1 column"),
        ("{x: 1}", "payload_json", "key must be a string"),
        ("{\"x\": 1, \"x\": 2}", "payload_json", "\"x\" appears twice"),
        ("{} {}", "payload_json", "trailing"),
        (&deep, "payload_json", "64 levels"),
        (&wide, "payload_json", "too many values"),
        (&long, "text_too_long", "65537"),
        (&name, "path_too_long", "1024"),
        ("{}", "payload_no_value", "no value"),
        ("[]", "payload_no_value", "no value"),
        ("{\"ts\": 1714550400250}", "payload_no_value", "no value"),
        ("{\"ts\": \"yesterday\", \"x\": 1}", "time_unreadable", "\"ts\" holds no time but \"yest"),
        ("{\"ts\": {\"a\": 1}, \"x\": 1}", "time_unreadable", "but an object; send RFC 3339"),
        ("{\"x\": 1}\n{\"x\": }", "payload_json", "line 2 column 1"),
        ("{\"ts\": \"2300-01-01T00:00:00Z\", \"x\": 1}", "time_unreadable", "\"ts\""),
    ] {
        let refusal = refusal(payload.as_bytes());
        assert_eq!(refusal.code(), code, "{refusal}");
        assert!(refusal.to_string().contains(why), "{refusal}");
    }
    assert_eq!(refusal(&[0xff, 0xfe]), Refusal::NotText);
    let megabytes = vec![b'1'; PAYLOAD_BYTES_MAX + 1];
    assert_eq!(refusal(&megabytes).code(), "payload_too_long");
}

/// Every vector of the reference collection: topic and payload to tags, as they are published.
#[test]
#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn the_reference_vectors_hold() {
    let dir = std::env::var("TACITUS_REFERENCE").unwrap_or_else(|_unset| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference").to_owned()
    });
    let Ok(file) = std::fs::read_to_string(format!("{dir}/mqtt-payloads/samples.json")) else {
        eprintln!("skipped: no reference vectors under {dir}");
        return;
    };
    let file: Vector = serde_json::from_str(&file).unwrap();
    let samples = file["samples"].as_array().unwrap();
    assert!(samples.len() >= 10, "{} vectors", samples.len());
    for sample in samples {
        let decoded = profiles::decode(
            sample["topic"].as_str().unwrap(),
            sample["payload"].as_str().unwrap(),
        );
        let want: Vec<_> = sample["expected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|want| {
                let value = match &want["value"] {
                    Vector::Number(number) => Value::Float(number.as_f64().unwrap()),
                    Vector::Bool(fact) => Value::Bool(*fact),
                    Vector::String(word) => text(word),
                    _ => Value::Null,
                };
                let good = want["quality"] == "good";
                (want["tag"].as_str().unwrap(), value, want["ts_ms"].as_i64(), good)
            })
            .collect();
        let got: Vec<_> = profiles::seen(&decoded)
            .into_iter()
            .map(|(path, value, ts, quality)| (path, value, ts, quality.is_good()))
            .collect();
        assert_eq!(got, want, "{sample}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_decoded_or_refused(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let whole = decode("a/b", &payload, &Settings::default());
        if let Ok(Some(text)) = bare_text(&payload, &Settings::default()) {
            let (value, quality) = bare_value(text, None).unwrap();
            prop_assert!(whole.is_ok_and(|p| p == [Point::new("a/b", value).with_quality(quality)]));
        }
    }

    #[test]
    fn anything_like_json_is_decoded_or_refused(
        payload in r#"[\[\]{}":, tsvq0-9.eE+-]{0,80}"#,
    ) {
        if let Ok(points) = decode("a/b", payload.as_bytes(), &Settings::default()) {
            prop_assert!(!points.is_empty());
        }
    }
}
