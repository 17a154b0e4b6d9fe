//! What rows of JSON become, and what each wrong one gets.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};

use super::*;

#[test]
fn a_row_is_a_point() {
    let body = br#"[
        {"tag": "a/b", "ts": "2024-05-01T08:00:00.123456789Z", "value": 21.5},
        {"tag": "a/c", "ts": 1714550400123456789, "value": "RUN", "quality": "uncertain"},
        {"tag": "a/d", "ts": 1714550400, "value": null},
        {"value": true, "tag": "a/e", "quality": 2150694912, "comment": "ignored"}
    ]"#;
    let at = |nanos| Some(Timestamp::from_nanos(nanos));
    let want = vec![
        Point::new("a/b", Value::Float(21.5)).at(at(1_714_550_400_123_456_789)),
        Point::new("a/c", Value::Text("RUN".into()))
            .at(at(1_714_550_400_123_456_789))
            .with_quality(Quality::UNCERTAIN),
        Point::new("a/d", Value::Null)
            .at(at(1_714_550_400_000_000_000))
            .with_quality(Quality::BAD_NO_DATA),
        Point::new("a/e", Value::Bool(true)).with_quality(Quality::BAD_NO_COMMUNICATION),
    ];
    assert_eq!(parse(body), Ok(want));
}

#[test]
fn one_row_may_stand_alone_and_no_row_is_nothing() {
    assert_eq!(parse(br#"{"tag":"a","value":1}"#).unwrap().len(), 1);
    assert_eq!(parse(b" [] ").unwrap().len(), 0);
}

#[test]
fn an_error_names_the_row() {
    let good = r#"{"tag":"a","ts":0,"value":1}"#;
    for (row, why) in [
        (r#"{"ts":0,"value":1}"#, "\"tag\" is missing"),
        (r#"{"tag":"","value":1}"#, "\"tag\" is empty"),
        (r#"{"tag":7,"value":1}"#, "\"tag\" is not a text"),
        (r#"{"tag":"a","ts":0}"#, "\"value\" is missing"),
        (r#"{"tag":"a","value":[1]}"#, "\"value\" is not a number"),
        (r#"{"tag":"a","value":1e999}"#, "\"value\" is too large"),
        (r#"{"tag":"a","ts":"2024-05-01T08:00:00","value":1}"#, "no zone"),
        (r#"{"tag":"a","ts":"1600-01-01T00:00:00Z","value":1}"#, "outside 1677 to 2262"),
        (r#"{"tag":"a","ts":true,"value":1}"#, "neither a text nor a number"),
        (r#"{"tag":"a","value":1,"quality":"fine"}"#, "\"quality\" is neither"),
        (r#"{"tag":"a","value":1,"quality":-1}"#, "\"quality\" is neither"),
        (r#"{"tag":"a","tag":"b","value":1}"#, "\"tag\" appears twice"),
        ("3", "not an object"),
    ] {
        let body = format!("[{good},{good},{row},{good}]");
        let error = parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.row, 3, "{error}");
        assert!(error.reason.contains(why), "{error}");
    }
    for body in [&b""[..], b"7", b"[", br#"[{"tag":"a","value":1},]"#, b"[] []", &[0xff]] {
        assert_eq!(parse(body).unwrap_err().row, 0, "{body:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(points) = parse(&body) {
            prop_assert_eq!(points.is_empty(), body.trim_ascii().starts_with(b"["));
        }
    }

    #[test]
    fn a_float_arrives_with_its_bits(bits in any::<u64>()) {
        let float = f64::from_bits(bits);
        if float.is_finite() {
            let body = format!(r#"[{{"tag":"a","value":{float:?}}}]"#);
            prop_assert_eq!(&parse(body.as_bytes()).unwrap()[0].value, &Value::Float(float));
        }
    }

    #[test]
    fn a_whole_nanosecond_is_kept(nanos in 100_000_000_000_000_000_i64..) {
        let body = format!(r#"[{{"tag":"a","ts":{nanos},"value":1}}]"#);
        let ts = parse(body.as_bytes()).unwrap()[0].ts;
        prop_assert_eq!(ts, Some(Timestamp::from_nanos(nanos)));
    }
}

#[test]
fn rows_that_are_read_one_by_one_cost_themselves_alone() {
    let good = r#"{"tag": "a", "value": 1}"#;
    for body in [format!("[{good}, {{}}, {good}]"), format!("{good}\n{{}}\n{good}\n\n")] {
        let each = parse_each(body.as_bytes()).unwrap();
        let numbers: Vec<usize> = each.points.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 3], "{body}");
        let refused = BodyError { row: 2, reason: r#""tag" is missing"#.to_owned() };
        assert_eq!(each.refused, [refused]);
    }
    assert_eq!(parse_each(b"[1").unwrap_err().row, 0);
    assert_eq!(parse_each(b"\xff").unwrap_err().row, 0);
}
