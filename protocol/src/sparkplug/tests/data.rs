//! Values of every type, properties, and what cannot be used.

use super::bench::{
    Bench, DBIRTH, DDATA, NBIRTH, NDATA, NDEATH, T, born, by_alias, good, message, ms, nbirth,
    ndeath,
};
use crate::sparkplug::wire::{
    DataSet, Element, ElementValue, Metric, MetricValue, Parameter, ParameterValue, PropertyScalar,
    PropertySet, PropertyValue, Row, Template,
};
use crate::sparkplug::{DataType, Settings, wire};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use prost::Message as _;
use tacitus_model::{Kind, Quality, Value};

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The rows of one metric in a birth, without the node before their paths.
fn rows_of(kind: DataType, value: MetricValue) -> Vec<(String, Value, Quality)> {
    let mut bench = Bench::new();
    bench.hear(NBIRTH, nbirth(0, 0, vec![born("m", 1, kind, value)]));
    let short = |path: &str| path.strip_prefix("G/E/").unwrap().to_owned();
    bench
        .rows()
        .into_iter()
        .map(|(path, value, _, quality)| (short(&path), value, quality))
        .collect()
}

#[test]
fn every_scalar_has_the_width_and_sign_of_its_type() {
    use MetricValue as M;
    for (kind, value, want) in [
        (DataType::Int8, M::Int(0xffff_fffb), Value::Int(-5)),
        (DataType::Int8, M::Int(0xfb), Value::Int(-5)),
        (DataType::Int16, M::Int(0xffff_8000), Value::Int(-32_768)),
        (DataType::Int32, M::Int(4_294_967_291), Value::Int(-5)),
        (DataType::Int32, M::Long(4_294_967_291), Value::Int(-5)),
        (DataType::Int64, M::Long(u64::MAX), Value::Int(-1)),
        (DataType::UInt8, M::Int(255), Value::Int(255)),
        (DataType::UInt32, M::Int(u32::MAX), Value::Int(4_294_967_295)),
        (DataType::UInt64, M::Long(1 << 62), Value::Int(1 << 62)),
        (DataType::Float, M::Float(1.5), Value::Float(1.5)),
        (DataType::Double, M::Double(0.1), Value::Float(0.1)),
        (DataType::Boolean, M::Boolean(true), Value::Bool(true)),
        (DataType::String, M::Text("a".into()), text("a")),
        (DataType::Text, M::Text("b".into()), text("b")),
        (DataType::Uuid, M::Text("c".into()), text("c")),
        (DataType::DateTime, M::Long(ms(T)), Value::Int(T)),
        (DataType::Bytes, M::Bytes(b"foob".to_vec()), text("Zm9vYg==")),
        (DataType::File, M::Bytes(b"foo".to_vec()), text("Zm9v")),
    ] {
        let got = rows_of(kind, value);
        assert_eq!(got, [("m".to_owned(), want, Quality::GOOD)], "{kind:?}");
    }
    let beyond = rows_of(DataType::UInt64, M::Long(u64::MAX));
    assert_eq!(beyond, [("m".to_owned(), Value::Null, Quality::BAD_OUT_OF_RANGE)]);
    let nan = rows_of(DataType::Double, M::Double(f64::INFINITY));
    assert_eq!(nan, [("m".to_owned(), Value::Float(f64::INFINITY), Quality::BAD_OUT_OF_RANGE)]);
}

#[test]
fn every_array_is_its_elements() {
    let int = Value::Int;
    for (kind, bytes, want) in [
        (DataType::Int8Array, &[0xef, 0x7b][..], vec![int(-17), int(123)]),
        (DataType::Int16Array, &[0x30, 0x8a, 0x30, 0x75], vec![int(-30_160), int(30_000)]),
        (DataType::Int32Array, &[0xff, 0xff, 0xff, 0xff], vec![int(-1)]),
        (DataType::Int64Array, &[0xfe, 255, 255, 255, 255, 255, 255, 255], vec![int(-2)]),
        (DataType::UInt8Array, &[0x17, 0xfa], vec![int(23), int(250)]),
        (DataType::UInt16Array, &[0x1e, 0, 0x88, 0xcc], vec![int(30), int(52_360)]),
        (DataType::UInt32Array, &[0xff, 0xff, 0xff, 0xff], vec![int(4_294_967_295)]),
        (DataType::UInt64Array, &[1, 0, 0, 0, 0, 0, 0, 0], vec![int(1)]),
        (DataType::FloatArray, &[0, 0, 0xc0, 0x3f], vec![Value::Float(1.5)]),
        (DataType::DoubleArray, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f], vec![Value::Float(1.5)]),
        (
            DataType::BooleanArray,
            &[9, 0, 0, 0, 0b1011_0000, 0b1000_0000],
            [1, 0, 1, 1, 0, 0, 0, 0, 1].map(|bit| Value::Bool(bit == 1)).to_vec(),
        ),
        (DataType::StringArray, b"ABC\0hello\0", vec![text("ABC"), text("hello")]),
        (DataType::StringArray, b"", vec![]),
        (DataType::DateTimeArray, &[0xe8, 3, 0, 0, 0, 0, 0, 0], vec![int(1_000)]),
    ] {
        let got = rows_of(kind, MetricValue::Bytes(bytes.to_vec()));
        let want: Vec<_> = want
            .into_iter()
            .enumerate()
            .map(|(index, value)| (format!("m/{index}"), value, Quality::GOOD))
            .collect();
        assert_eq!(got, want, "{kind:?}");
    }
}

#[test]
fn a_data_set_is_its_cells() {
    let cell = |value| Element { value: Some(value) };
    let table = DataSet {
        num_of_columns: Some(2),
        columns: vec!["n".into(), "on".into()],
        types: vec![DataType::Int8.number(), DataType::Boolean.number()],
        rows: vec![
            Row {
                elements: vec![cell(ElementValue::Int(0xff)), cell(ElementValue::Boolean(true))],
            },
            Row { elements: vec![cell(ElementValue::Int(2)), Element { value: None }] },
        ],
    };
    let row = |name: &str, value, quality| (name.to_owned(), value, quality);
    assert_eq!(
        rows_of(DataType::DataSet, MetricValue::DataSet(table)),
        [
            row("m/0/n", Value::Int(-1), Quality::GOOD),
            row("m/0/on", Value::Bool(true), Quality::GOOD),
            row("m/1/n", Value::Int(2), Quality::GOOD),
            row("m/1/on", Value::Null, Quality::BAD_NO_DATA),
        ]
    );
}

#[test]
fn a_template_is_its_members_and_a_definition_is_none() {
    let parameter = Parameter {
        name: Some("serial".into()),
        datatype: Some(DataType::String.number()),
        value: Some(ParameterValue::Text("S7".into())),
    };
    let members = vec![
        born("speed", 7, DataType::Double, MetricValue::Double(1.5)),
        born("in/on", 8, DataType::Boolean, MetricValue::Boolean(true)),
    ];
    let template = |is_definition| Template {
        metrics: members.clone(),
        parameters: vec![parameter.clone()],
        template_ref: Some("Motor".into()),
        is_definition: Some(is_definition),
        ..Template::default()
    };
    let mut bench = Bench::new();
    bench.hear(
        NBIRTH,
        nbirth(
            0,
            0,
            vec![
                born("_types_/Motor", 1, DataType::Template, MetricValue::Template(template(true))),
                born("m1", 2, DataType::Template, MetricValue::Template(template(false))),
            ],
        ),
    );
    let want = [good("G/E/m1/speed", Value::Float(1.5)), good("G/E/m1/in/on", Value::Bool(true))];
    assert_eq!(bench.rows(), want);
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let want = [
        label("group", "G"),
        label("node", "E"),
        label("serial", "S7"),
        label("template", "Motor"),
    ];
    assert_eq!(bench.definitions()[0].labels, want);
    // Data may say some members only.
    bench.out.clear();
    let part = Template {
        metrics: vec![born("speed", 7, DataType::Double, MetricValue::Double(2.5))],
        ..template(false)
    };
    bench.hear(NDATA, message(1, vec![by_alias(2, MetricValue::Template(part))]));
    assert_eq!(bench.rows(), [good("G/E/m1/speed", Value::Float(2.5))]);
    bench.out.clear();
    // Data need not repeat the types of the birth.
    let count = |datatype, value| Metric {
        name: Some("count".into()),
        datatype,
        value: Some(MetricValue::Int(value)),
        ..Metric::default()
    };
    let with = |metrics| MetricValue::Template(Template { metrics, ..template(false) });
    let int16 = Some(DataType::Int16.number());
    bench.hear(NDATA, message(2, vec![by_alias(2, with(vec![count(int16, 1)]))]));
    bench.hear(NDATA, message(3, vec![by_alias(2, with(vec![count(None, 0xfffe)]))]));
    let want = [good("G/E/m1/count", Value::Int(1)), good("G/E/m1/count", Value::Int(-2))];
    assert_eq!(bench.rows(), want);
    bench.out.clear();
    bench.hear(NDEATH, ndeath(0));
    assert_eq!(bench.rows().len(), 3, "all members are stale");
}

fn property(value: PropertyScalar) -> PropertyValue {
    PropertyValue { datatype: None, is_null: None, value: Some(value) }
}

#[test]
fn properties_say_unit_range_description_and_quality() {
    let with = |quality: u32| {
        let set = PropertySet {
            keys: ["engUnit", "engLow", "engHigh", "documentation", "Quality", "other"]
                .map(str::to_owned)
                .to_vec(),
            values: vec![
                property(PropertyScalar::Text("bar".into())),
                property(PropertyScalar::Double(-1.0)),
                property(PropertyScalar::Int(10)),
                property(PropertyScalar::Text("inlet".into())),
                property(PropertyScalar::Int(quality)),
                property(PropertyScalar::Boolean(true)),
            ],
        };
        Metric {
            properties: Some(Box::new(set)),
            ..born("p", 1, DataType::Float, MetricValue::Float(4.0))
        }
    };
    for (code, want) in
        [(192, Quality::GOOD), (0, Quality::BAD), (500, Quality::BAD_NO_COMMUNICATION)]
    {
        let mut bench = Bench::new();
        bench.hear(NBIRTH, nbirth(0, 0, vec![with(code)]));
        assert_eq!(bench.rows(), [("G/E/p".to_owned(), Value::Float(4.0), T, want)]);
        let definition = bench.definitions()[0];
        assert_eq!((definition.kind, definition.unit.as_str()), (Kind::Float, "bar"));
        assert_eq!(definition.range, Some((-1.0, 10.0)));
        assert_eq!(definition.description, "inlet");
    }
}

#[test]
fn a_metric_has_its_own_time_or_that_of_its_message_or_the_arrival() {
    let mut bench = Bench::with_plant(Settings::default());
    bench.now_ms += 99;
    let own = |timestamp| Metric { timestamp, ..by_alias(1, MetricValue::Double(1.0)) };
    let message =
        |seq, timestamp, metric| wire::Payload { timestamp, ..message(seq, vec![metric]) };
    bench.hear(NDATA, message(2, Some(ms(T + 1)), own(Some(ms(T + 2)))));
    bench.hear(NDATA, message(3, Some(ms(T + 1)), own(None)));
    bench.hear(NDATA, message(4, None, own(None)));
    bench.hear(NDATA, message(5, Some(0), own(Some(0))));
    let times: Vec<i64> = bench.rows().into_iter().map(|row| row.2 - T).collect();
    assert_eq!(times, [2, 1, 99, 99]);
}

#[test]
fn what_is_historical_is_kept_at_its_time_what_is_null_as_bad_what_is_transient_not() {
    let mut bench = Bench::with_plant(Settings::default());
    let datum = |value| by_alias(1, MetricValue::Double(value));
    let old = Metric { is_historical: Some(true), timestamp: Some(ms(T - 60_000)), ..datum(1.0) };
    let null = Metric { alias: Some(1), is_null: Some(true), ..Metric::default() };
    let transient = Metric { is_transient: Some(true), ..datum(2.0) };
    bench.hear(NDATA, message(2, vec![old, null, transient]));
    assert_eq!(
        bench.rows(),
        [
            ("G/E/temp".to_owned(), Value::Float(1.0), T - 60_000, Quality::GOOD),
            ("G/E/temp".to_owned(), Value::Null, T, Quality::BAD_NO_DATA),
        ]
    );
}

#[test]
fn a_null_in_a_birth_makes_the_tag() {
    let mut bench = Bench::new();
    let null = Metric {
        name: Some("n".into()),
        datatype: Some(DataType::Int16.number()),
        is_null: Some(true),
        ..Metric::default()
    };
    bench.hear(NBIRTH, nbirth(0, 0, vec![null]));
    assert_eq!(bench.definitions()[0].kind, Kind::Int);
    assert_eq!(bench.rows(), [("G/E/n".to_owned(), Value::Null, T, Quality::BAD_NO_DATA)]);
}

#[test]
fn an_alias_leads_to_a_metric_of_the_whole_node_until_the_next_birth() {
    let mut bench = Bench::with_plant(Settings { reorder_ms: None, ..Settings::default() });
    // An alias is of the node and its devices alike.
    bench.hear(NDATA, message(2, vec![by_alias(2, MetricValue::Int(9))]));
    assert_eq!(bench.rebirths(), 0);
    assert_eq!(bench.rows(), [good("G/E/D/level", Value::Int(9))]);
    bench.hear(NBIRTH, nbirth(0, 1, vec![born("other", 1, DataType::Int8, MetricValue::Int(1))]));
    bench.out.clear();
    bench.hear(
        NDATA,
        message(1, vec![by_alias(1, MetricValue::Int(3)), by_alias(2, MetricValue::Int(9))]),
    );
    assert_eq!(bench.rows(), [good("G/E/other", Value::Int(3))]);
    assert_eq!((bench.refusals(), bench.rebirths()), (vec!["sparkplug_unborn"], 1));
}

/// Gateways that number the metrics of each device for themselves: the alias of one device led to
/// the other's metric, and its data were stored nowhere.
#[test]
fn devices_that_number_their_metrics_for_themselves_keep_their_data() {
    let mut bench = Bench::with_plant(Settings { reorder_ms: None, ..Settings::default() });
    let level = born("height", 2, DataType::Int32, MetricValue::Int(1));
    bench.hear("spBv1.0/G/DBIRTH/E/Other", message(2, vec![level]));
    bench.out.clear();
    bench.hear(DDATA, message(3, vec![by_alias(2, MetricValue::Int(8))]));
    let other = message(4, vec![by_alias(2, MetricValue::Int(9))]);
    bench.hear("spBv1.0/G/DDATA/E/Other", other);
    let want = [good("G/E/D/level", Value::Int(8)), good("G/E/Other/height", Value::Int(9))];
    assert_eq!(bench.rows(), want);
    assert_eq!(bench.rebirths(), 0);
}

#[test]
fn an_alias_that_two_metrics_have_is_told_and_leads_to_neither() {
    let mut bench = Bench::new();
    let metrics = vec![
        born("a", 5, DataType::Int8, MetricValue::Int(1)),
        born("b", 5, DataType::Int8, MetricValue::Int(2)),
    ];
    bench.hear(NBIRTH, nbirth(0, 0, metrics));
    assert_eq!(bench.refusals(), ["sparkplug_alias"]);
    bench.out.clear();
    bench.hear(NDATA, message(1, vec![by_alias(5, MetricValue::Int(3))]));
    assert_eq!((bench.rows(), bench.rebirths()), (vec![], 1));
    assert_eq!(bench.refusals(), ["sparkplug_unborn"]);
    bench.out.clear();
    // With its name it is clear which is meant.
    let named = Metric { name: Some("b".into()), ..by_alias(5, MetricValue::Int(4)) };
    bench.hear(NDATA, message(2, vec![named]));
    assert_eq!(bench.rows(), [good("G/E/b", Value::Int(4))]);
}

#[test]
fn data_of_a_device_that_was_not_born_ask_for_a_rebirth() {
    let mut bench = Bench::with_plant(Settings { reorder_ms: None, ..Settings::default() });
    bench.hear("spBv1.0/G/DDATA/E/New", message(2, vec![by_alias(1, MetricValue::Double(1.0))]));
    assert_eq!(bench.rebirths(), 1);
}

#[test]
fn what_cannot_be_used_is_refused_with_its_reason_and_spoils_nothing_else() {
    let mut bench = Bench::new();
    let now = bench.now();
    bench.host.receive("spBv1.0/G/NBIRTH", b"", now, &mut bench.out);
    bench.host.receive(NBIRTH, b"\xff\xff", now, &mut bench.out);
    bench.host.receive(NBIRTH, &vec![0; 5 << 20], now, &mut bench.out);
    let empty = [0x12, 0x00].repeat(100_001);
    bench.host.receive(NBIRTH, &empty, now, &mut bench.out);
    assert_eq!(
        bench.refusals(),
        ["sparkplug_topic", "sparkplug_payload", "sparkplug_payload", "sparkplug_payload"]
    );
    bench.out.clear();
    bench.hear(
        NBIRTH,
        nbirth(
            0,
            0,
            vec![
                born("wrong", 1, DataType::Boolean, MetricValue::Text("x".into())),
                born("odd", 2, DataType::Int16Array, MetricValue::Bytes(vec![1])),
                Metric { name: None, ..born("", 3, DataType::Int8, MetricValue::Int(1)) },
                born("right", 4, DataType::Int8, MetricValue::Int(1)),
            ],
        ),
    );
    assert_eq!(bench.rows(), [good("G/E/right", Value::Int(1))]);
    assert_eq!(bench.refusals(), ["sparkplug_value", "sparkplug_value", "sparkplug_metric"]);
}

#[test]
fn templates_without_end_are_refused() {
    let mut value = MetricValue::Int(1);
    for _ in 0..40 {
        let metrics = vec![born("t", 1, DataType::Template, value)];
        value = MetricValue::Template(Template { metrics, ..Template::default() });
    }
    let mut bench = Bench::new();
    bench.hear(NBIRTH, nbirth(0, 0, vec![born("m", 1, DataType::Template, value)]));
    assert_eq!(bench.refusals(), ["sparkplug_value"]);
}

#[test]
fn a_packed_payload_is_read_as_what_it_was() {
    use std::io::Write as _;
    let plain = message(1, vec![by_alias(1, MetricValue::Double(4.5))]).encode_to_vec();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&plain).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&plain).unwrap();
    let mut bomb = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 8 << 20]).unwrap();
    let packed = |body| wire::Payload {
        uuid: Some("SPBV1.0_COMPRESSED".into()),
        body: Some(body),
        ..wire::Payload::default()
    };
    for body in [gzip.finish().unwrap(), zlib.finish().unwrap()] {
        let mut bench = Bench::with_plant(Settings { reorder_ms: None, ..Settings::default() });
        let mut cut = body.clone();
        bench.hear(NDATA, packed(body));
        assert_eq!(bench.rows(), [good("G/E/temp", Value::Float(4.5))]);
        cut.truncate(8);
        bench.hear(NDATA, packed(cut));
        assert_eq!(bench.refusals(), ["sparkplug_payload"]);
    }
    let mut bench = Bench::new();
    bench.hear(NDATA, packed(bomb.finish().unwrap()));
    bench.hear(NDATA, wire::Payload { body: None, ..packed(Vec::new()) });
    assert_eq!(bench.refusals(), ["sparkplug_payload", "sparkplug_payload"]);
}

#[test]
fn a_rendering_in_json_is_read_like_protobuf() {
    let mut bench = Bench::new();
    let now = bench.now();
    let birth = br#"{"timestamp": 1714550400000, "seq": 0, "metrics": [
        {"name": "bdSeq", "dataType": "Int64", "value": 3},
        {"name": "temp", "alias": 1, "dataType": "Float", "value": 21.5},
        {"name": "n", "alias": 2, "datatype": 3, "value": -5},
        {"name": "big", "dataType": "Int64", "value": "9007199254740993"},
        {"name": "none", "dataType": "String", "value": null}]}"#;
    bench.host.receive(NBIRTH, birth, now, &mut bench.out);
    let data = br#"{"timestamp": 1714550400000, "seq": 1, "metrics": [{"alias": 2, "value": 7}]}"#;
    bench.host.receive(NDATA, data, now, &mut bench.out);
    assert_eq!(
        bench.rows(),
        [
            good("G/E/temp", Value::Float(21.5)),
            good("G/E/n", Value::Int(-5)),
            good("G/E/big", Value::Int(9_007_199_254_740_993)),
            ("G/E/none".to_owned(), Value::Null, T, Quality::BAD_NO_DATA),
        ]
    );
    assert_eq!(bench.host.nodes()[0].bd_seq, Some(3));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken_or_refused(
        payload in prop::collection::vec(any::<u8>(), 0..200),
        which in 0_usize..6,
    ) {
        let topics = [NBIRTH, NDEATH, NDATA, DBIRTH, super::bench::DDEATH, DDATA];
        let mut bench = Bench::with_plant(Settings::default());
        let now = bench.now();
        bench.host.receive(topics[which], &payload, now, &mut bench.out);
        bench.tick();
    }
}
