//! What each vendor's form becomes, in restated examples of their manuals.

use tacitus_model::{Quality, Timestamp, Value};

use crate::payload::{Choice, Decoded, Message, Profile, Refusal, Settings, read};

/// 2024-05-01T08:00:00Z.
pub(super) const MAY_DAY: i64 = 1_714_550_400_000;
pub(super) const GOOD: Quality = Quality::GOOD;

/// Path, value, time in ms, quality.
pub(super) type Want<'w> = (&'w str, Value, Option<i64>, Quality);

pub(super) fn decode_by(topic: &str, payload: &[u8], choice: &Choice) -> Result<Decoded, Refusal> {
    let received = Timestamp::from_nanos(MAY_DAY * 1_000_000);
    let message = Message { topic, payload, received, path: None, choice };
    read(&message, &Settings::default())
}

pub(super) fn decode(topic: &str, payload: &str) -> Decoded {
    decode_by(topic, payload.as_bytes(), &Choice::default()).unwrap()
}

pub(super) fn seen(decoded: &Decoded) -> Vec<Want<'_>> {
    let ms = |ts: Timestamp| ts.nanos() / 1_000_000;
    decoded
        .points
        .iter()
        .map(|p| (p.path.as_str(), p.value.clone(), p.ts.map(ms), p.quality))
        .collect()
}

#[track_caller]
pub(super) fn check(profile: Profile, topic: &str, payload: &str, want: &[Want<'_>]) {
    let decoded = decode(topic, payload);
    assert_eq!(seen(&decoded), want, "{topic} {payload}");
    assert_eq!(decoded.profile, profile, "{topic} {payload}");
}

pub(super) fn float(number: f64) -> Value {
    Value::Float(number)
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn label<'d>(decoded: &'d Decoded, name: &str) -> Option<&'d str> {
    let labels = &decoded.points.first()?.labels;
    labels.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

#[test]
fn umh_leaves_out_prefix_and_contract() {
    let topic = "umh/v1/acme/chicago/line1/_historian/head/temp";
    let payload = r#"{"timestamp_ms": 1714550400000, "inlet": 4.5, "zone": {"a": true}}"#;
    check(
        Profile::Umh,
        topic,
        payload,
        &[
            ("acme/chicago/line1/head/temp/inlet", float(4.5), Some(MAY_DAY), GOOD),
            ("acme/chicago/line1/head/temp/zone/a", Value::Bool(true), Some(MAY_DAY), GOOD),
        ],
    );
    assert_eq!(label(&decode(topic, payload), "contract"), Some("_historian"));
    let bare = decode("umh/v1/acme/_raw/speed", "42.5");
    assert_eq!(seen(&bare), [("acme/speed", float(42.5), None, GOOD)]);
    assert_eq!(label(&bare, "contract"), Some("_raw"));
}

#[test]
fn ignition_names_the_tag_by_its_topic() {
    for (quality, want) in [
        ("192", GOOD),
        ("\"Good\"", GOOD),
        ("\"Bad_Stale\"", Quality::BAD),
        ("256", Quality::UNCERTAIN),
        ("514", Quality::BAD),
    ] {
        let payload = format!(
            r#"{{"tagName": "Temp", "dataType": "Int4", "value": 5, "timestamp": {MAY_DAY}, "quality": {quality}}}"#
        );
        check(
            Profile::IgnitionUns,
            "unsAv1.0/Enterprise/Site 1/Temp",
            &payload,
            &[("Enterprise/Site 1/Temp", float(5.0), Some(MAY_DAY), want)],
        );
        // The prefix can be switched off, and folders be the topic.
        check(
            Profile::IgnitionUns,
            "Enterprise/Site 1",
            &payload,
            &[("Enterprise/Site 1/Temp", float(5.0), Some(MAY_DAY), want)],
        );
    }
}

#[test]
fn kepware_names_its_tags_itself() {
    check(
        Profile::Kepware,
        "iotgateway",
        r#"{"timestamp": 1714550401000, "values": [
            {"id": "Sim.Dev.Ramp", "v": 7.5, "q": true, "t": 1714550400000},
            {"id": "Sim.Dev.Name", "v": "a.b", "q": true},
            {"id": "Sim.Dev.Row", "v": [1, 2], "q": false, "t": 1714550400000}]}"#,
        &[
            ("Sim/Dev/Ramp", float(7.5), Some(MAY_DAY), GOOD),
            ("Sim/Dev/Name", text("a.b"), Some(MAY_DAY + 1000), GOOD),
            ("Sim/Dev/Row/0", float(1.0), Some(MAY_DAY), Quality::BAD),
            ("Sim/Dev/Row/1", float(2.0), Some(MAY_DAY), Quality::BAD),
        ],
    );
    check(
        Profile::Kepware,
        "kepserver",
        r#"[{"tagname": "Group A.Device C - D.Tag 42", "timestamp": 1714550400000, "value": 1291},
            {"tagname": "Group B.Device A.Tag 7", "timestamp": 1714550400020, "value": 185.2}]"#,
        &[
            ("Group A/Device C - D/Tag 42", float(1291.0), Some(MAY_DAY), GOOD),
            ("Group B/Device A/Tag 7", float(185.2), Some(MAY_DAY + 20), GOOD),
        ],
    );
    // AVEVA's VTQ2: lists of such messages, qualities of OPC DA.
    check(
        Profile::Kepware,
        "Group/EON",
        r#"[{"timestamp": 1714550401000, "values": [{"id": "Tank.Level", "v": 4, "q": 24, "t": 1714550400000}]}]"#,
        &[("Tank/Level", float(4.0), Some(MAY_DAY), Quality::BAD)],
    );
}

#[test]
fn neuron_says_values_and_errors_in_three_forms() {
    let head = r#""timestamp": 1714550400000, "node": "modbus", "group": "grp""#;
    let want = [
        ("modbus/grp/tag0", float(123.0), Some(MAY_DAY), GOOD),
        ("modbus/grp/tag1", Value::Null, Some(MAY_DAY), Quality::BAD),
    ];
    for body in [
        r#""values": {"tag0": 123}, "errors": {"tag1": 2014}, "metas": {}"#,
        r#""tags": [{"name": "tag0", "value": 123}, {"name": "tag1", "error": 2014}]"#,
        r#""tags": [{"name": "tag0", "value": 123, "type": 1}], "errors": [{"name": "tag1", "error": 2014}]"#,
    ] {
        check(Profile::Neuron, "/neuron/mqtt", &format!("{{{head}, {body}}}"), &want);
    }
    assert!(decode("/neuron/mqtt", &format!(r#"{{{head}, "values": {{}}}}"#)).points.is_empty());
}

#[test]
fn aveva_says_one_value_with_its_type() {
    for (value, kind, quality, want, grade) in [
        ("12.5", 5, 192, float(12.5), GOOD),
        ("-1", 11, 192, Value::Bool(true), GOOD),
        ("true", 11, 80, Value::Bool(true), Quality::UNCERTAIN),
        ("\"RUN\"", 8, 24, text("RUN"), Quality::BAD),
        ("null", 3, 0, Value::Null, Quality::BAD),
    ] {
        check(
            Profile::AvevaVtq1,
            "Line1/Oven.Temp",
            &format!(
                r#"{{"d": {value}, "dt": {kind}, "ts": "2024-05-01T08:00:00Z", "q": {quality}}}"#
            ),
            &[("Line1/Oven.Temp", want, Some(MAY_DAY), grade)],
        );
    }
}

#[test]
fn thingsboard_unwraps_its_values() {
    let topic = "v1/devices/me/telemetry";
    let want = |name| (name, float(22.5), Some(MAY_DAY), GOOD);
    let payload = r#"{"ts": 1714550400000, "values": {"temperature": 22.5}}"#;
    check(Profile::ThingsBoard, topic, payload, &[want("v1/devices/me/telemetry/temperature")]);
    check(Profile::ThingsBoard, "a/b", payload, &[want("a/b/temperature")]);
    let list = format!("[{payload}, {payload}]");
    check(
        Profile::ThingsBoard,
        "v2/t",
        &list,
        &[want("v2/t/temperature"), want("v2/t/temperature")],
    );
    check(
        Profile::ThingsBoard,
        topic,
        r#"{"temperature": 22.5}"#,
        &[("v1/devices/me/telemetry/temperature", float(22.5), None, GOOD)],
    );
    check(
        Profile::ThingsBoard,
        "v1/gateway/telemetry",
        &format!(r#"{{"Device A": [{payload}], "Device B": [{payload}]}}"#),
        &[
            want("v1/gateway/telemetry/Device A/temperature"),
            want("v1/gateway/telemetry/Device B/temperature"),
        ],
    );
}

#[test]
fn tasmota_is_named_by_its_device() {
    check(
        Profile::Tasmota,
        "tele/plug/SENSOR",
        r#"{"Time": "2024-05-01T10:00:00", "ENERGY": {"TotalStartTime": "2024-01-01T00:00:00", "Power": 12}, "AM2301": {"Temperature": 70.1}, "TempUnit": "F"}"#,
        &[
            ("plug/ENERGY/TotalStartTime", text("2024-01-01T00:00:00"), None, GOOD),
            ("plug/ENERGY/Power", float(12.0), None, GOOD),
            ("plug/AM2301/Temperature", float(70.1), None, GOOD),
        ],
    );
    check(
        Profile::Tasmota,
        "tele/plug/STATE",
        r#"{"Time": "2024-05-01T08:00:00Z", "UptimeSec": 9, "POWER": "ON", "Wifi": {"RSSI": 70}}"#,
        &[
            ("plug/UptimeSec", float(9.0), Some(MAY_DAY), GOOD),
            ("plug/POWER", text("ON"), Some(MAY_DAY), GOOD),
            ("plug/Wifi/RSSI", float(70.0), Some(MAY_DAY), GOOD),
        ],
    );
    check(Profile::Plain, "tele/plug/LWT", "Online", &[("plug/LWT", text("Online"), None, GOOD)]);
    check(Profile::Plain, "stat/plug/POWER", "ON", &[("plug/POWER", text("ON"), None, GOOD)]);
    let units = r#"{"AM2301": {"Temperature": 70.1, "Humidity": 4}, "TempUnit": "F"}"#;
    let units: Vec<String> =
        decode("tele/a/SENSOR", units).points.into_iter().map(|point| point.unit).collect();
    assert_eq!(units, ["F", "%"]);
}

#[test]
fn a_zone_makes_a_moment_of_a_local_time() {
    let zone = Some(chrono_tz::Europe::Berlin);
    let choice = Choice { zone, ..Choice::default() };
    let payload = r#"{"Time": "2024-05-01T10:00:00", "A": {"Temperature": 1}}"#;
    let decoded = decode_by("tele/plug/SENSOR", payload.as_bytes(), &choice).unwrap();
    assert_eq!(seen(&decoded), [("plug/A/Temperature", float(1.0), Some(MAY_DAY), GOOD)]);
}

#[test]
fn zigbee2mqtt_leaves_out_what_is_no_reading() {
    check(
        Profile::Zigbee2Mqtt,
        "zigbee2mqtt/hall/door",
        r#"{"contact": false, "update": {"state": "idle"}, "update_available": false, "device": {"model": "x"}, "last_seen": 1714550400000}"#,
        &[("hall/door/contact", Value::Bool(false), Some(MAY_DAY), GOOD)],
    );
    for payload in ["online", r#"{"state": "online"}"#] {
        let decoded = decode("zigbee2mqtt/door/availability", payload);
        assert_eq!(seen(&decoded), [("door/availability", text("online"), None, GOOD)]);
    }
    let state = decode("zigbee2mqtt/bridge/state", r#"{"state": "online"}"#);
    assert_eq!(seen(&state), [("bridge/state", text("online"), None, GOOD)]);
    for topic in ["zigbee2mqtt/bridge/devices", "zigbee2mqtt/door/set"] {
        assert_eq!(decode(topic, r#"[{"ieee_address": "0x1"}]"#).points, []);
    }
}

#[test]
fn pubsub_takes_each_field_with_its_own_time_and_status() {
    let message = r#"{"MessageId": "1", "MessageType": "ua-data", "PublisherId": "p", "Messages": [
        {"DataSetWriterId": 1, "MessageType": "ua-deltaframe", "Timestamp": "2024-05-01T08:00:01Z", "Payload": {
            "Source": {"Value": 21.5, "SourceTimestamp": "2024-05-01T08:00:00Z", "ServerTimestamp": "2024-05-01T08:00:09Z"},
            "Server": {"Value": {"Type": 8, "Body": "9007199254740993"}, "ServerTimestamp": "2024-05-01T08:00:00Z"},
            "Status": {"Value": 1, "StatusCode": {"Code": 2150694912, "Symbol": "BadNoCommunication"}},
            "Code": {"UaType": 11, "Value": "NaN", "StatusCode": 1073741824},
            "Gone": {"StatusCode": {"Code": 2147483648}},
            "Raw": true,
            "Row": {"Value": [1, 2]},
            "Text": {"Value": {"Locale": "en", "Text": "run"}},
            "Struct": {"a": 1, "b": {"Value": 2}}}}]}"#;
    check(
        Profile::OpcUaPubSub,
        "ua/data",
        message,
        &[
            ("ua/data/Source", float(21.5), Some(MAY_DAY), GOOD),
            ("ua/data/Server", Value::Int(9_007_199_254_740_993), Some(MAY_DAY), GOOD),
            ("ua/data/Status", float(1.0), Some(MAY_DAY + 1000), Quality::BAD_NO_COMMUNICATION),
            ("ua/data/Code", float(f64::NAN), Some(MAY_DAY + 1000), Quality::UNCERTAIN),
            ("ua/data/Gone", Value::Null, Some(MAY_DAY + 1000), Quality::BAD),
            ("ua/data/Raw", Value::Bool(true), Some(MAY_DAY + 1000), GOOD),
            ("ua/data/Row/0", float(1.0), Some(MAY_DAY + 1000), GOOD),
            ("ua/data/Row/1", float(2.0), Some(MAY_DAY + 1000), GOOD),
            ("ua/data/Text", text("run"), Some(MAY_DAY + 1000), GOOD),
            ("ua/data/Struct/a", float(1.0), Some(MAY_DAY + 1000), GOOD),
            ("ua/data/Struct/b", float(2.0), Some(MAY_DAY + 1000), GOOD),
        ],
    );
    assert_eq!(label(&decode("ua/data", message), "writer"), Some("1"));
}

#[test]
fn pubsub_keeps_writers_apart_and_meta_data_out() {
    check(
        Profile::OpcUaPubSub,
        "ua",
        r#"{"MessageType": "ua-data", "Messages": [
            {"DataSetWriterName": "a", "Payload": {"T": 1}}, {"DataSetWriterName": "b", "Payload": {"T": 2}}]}"#,
        &[("ua/a/T", float(1.0), None, GOOD), ("ua/b/T", float(2.0), None, GOOD)],
    );
    // A data set message without a network message around it.
    check(
        Profile::OpcUaPubSub,
        "ua",
        r#"{"DataSetWriterId": 7, "SequenceNumber": 1, "Timestamp": "2024-05-01T08:00:00Z", "Payload": {"T": {"Value": 1}}}"#,
        &[("ua/T", float(1.0), Some(MAY_DAY), GOOD)],
    );
    for payload in [
        r#"{"MessageType": "ua-metadata", "MetaData": {"Fields": [{"Name": "T"}]}}"#,
        r#"{"MessageType": "ua-data", "Messages": [{"DataSetWriterId": 1, "MessageType": "ua-keepalive"}]}"#,
    ] {
        let decoded = decode("ua", payload);
        assert_eq!((decoded.profile, decoded.points), (Profile::OpcUaPubSub, vec![]));
    }
}

#[test]
fn opc_publisher_samples_have_their_display_names() {
    check(
        Profile::OpcUaSamples,
        "devices/gw/messages",
        r#"[{"NodeId": "i=2258", "ApplicationUri": "urn:x", "DisplayName": "CurrentTime", "Value": {"Value": "x", "SourceTimestamp": "2024-05-01T08:00:00.0000000Z", "StatusCode": {"Symbol": "Good"}}},
            {"NodeId": "nsu=http://v/;s=Temp", "EndpointUrl": "opc.tcp://plc", "Value": {"Value": 3, "StatusCode": 2147483648}}]"#,
        &[
            ("devices/gw/messages/CurrentTime", text("x"), Some(MAY_DAY), GOOD),
            ("devices/gw/messages/nsu=http://v/;s=Temp", float(3.0), None, Quality::BAD),
        ],
    );
}

#[test]
fn sitewise_has_its_alias() {
    let value = |value: &str, quality: &str| {
        format!(
            r#"{{"value": {value}, "timestamp": {{"timeInSeconds": 1714550400, "offsetInNanos": 5000000}}, "quality": "{quality}"}}"#
        )
    };
    let good = value(r#"{"doubleValue": 4.5}"#, "GOOD");
    let none = value(r#"{"nullValue": {"valueType": "D"}}"#, "BAD");
    let want = [
        ("windfarm/3/rpm", float(4.5), Some(MAY_DAY + 5), GOOD),
        ("windfarm/3/rpm", Value::Null, Some(MAY_DAY + 5), Quality::BAD),
    ];
    let entry =
        format!(r#"{{"propertyAlias": "/windfarm/3/rpm", "propertyValues": [{good}, {none}]}}"#);
    check(Profile::SiteWise, "sw", &entry, &want);
    check(Profile::SiteWise, "sw", &format!("[{entry}]"), &want);
    check(Profile::SiteWise, "sw", &format!(r#"{{"entries": [{entry}]}}"#), &want);
    let by_id = format!(r#"{{"assetId": "a1", "propertyId": "p2", "propertyValues": [{good}]}}"#);
    check(Profile::SiteWise, "sw", &by_id, &[("a1/p2", float(4.5), Some(MAY_DAY + 5), GOOD)]);
}

#[test]
fn cognite_has_its_external_ids() {
    let want =
        [("my-ts", float(1.6), Some(MAY_DAY), GOOD), ("other", text("on"), Some(MAY_DAY), GOOD)];
    check(
        Profile::Cognite,
        "cdf",
        r#"{"timeseriesData": [
            {"externalId": "my-ts", "items": [{"timestamp": 1714550400000, "value": 1.6}]},
            {"externalId": "other", "items": [{"timestamp": 1714550400000, "value": "on"}]}]}"#,
        &want,
    );
    check(
        Profile::Cognite,
        "cdf",
        r#"{"items": [
            {"externalId": "my-ts", "datapoints": [{"timestamp": 1714550400000, "value": 1.6}]},
            {"instanceId": {"space": "s", "externalId": "other"}, "datapoints": [{"timestamp": 1714550400000, "value": "on", "status": {"symbol": "Good"}}]}]}"#,
        &want,
    );
    check(
        Profile::Cognite,
        "cdf",
        r#"[{"type": "datapoint", "externalId": "my-ts", "timestamp": 1714550400000, "value": null, "status": "Bad"}]"#,
        &[("my-ts", Value::Null, Some(MAY_DAY), Quality::BAD)],
    );
}

#[test]
fn senml_resolves_its_base_fields() {
    check(
        Profile::SenMl,
        "city",
        r#"[{"bn": "urn:dev:1:", "bt": 1714550400, "bu": "A", "bv": 10, "n": "current", "v": 1.5},
            {"n": "current", "t": 1, "v": 2}, {"n": "note", "vs": "ok"}, {"n": "sum", "s": 7},
            {"bn": "urn:dev:2:", "n": "on", "vb": true}]"#,
        &[
            ("urn:dev:1:current", float(11.5), Some(MAY_DAY), GOOD),
            ("urn:dev:1:current", float(12.0), Some(MAY_DAY + 1000), GOOD),
            ("urn:dev:1:note", text("ok"), Some(MAY_DAY), GOOD),
            ("urn:dev:1:sum", float(7.0), Some(MAY_DAY), GOOD),
            ("urn:dev:2:on", Value::Bool(true), Some(MAY_DAY), GOOD),
        ],
    );
    // Times below 2^28 are relative to now; a name without a base is one of the topic.
    check(
        Profile::SenMl,
        "city/s1",
        r#"[{"n": "t", "u": "Cel", "v": 23.1}, {"n": "t", "u": "Cel", "t": -5, "v": 22.9}]"#,
        &[
            ("city/s1/t", float(23.1), None, GOOD),
            ("city/s1/t", float(22.9), Some(MAY_DAY - 5000), GOOD),
        ],
    );
    assert_eq!(decode("a", r#"[{"n": "t", "u": "Cel", "v": 23.1}]"#).points[0].unit, "Cel");
}

#[test]
fn telegraf_has_the_tags_of_lines_in_every_form() {
    let lines = "oven,zone=2,side=left temp=211.5,n=7i 1714550400000000000\n";
    let decoded = decode("telegraf/host", lines);
    assert_eq!(decoded.profile, Profile::Line);
    assert_eq!(
        seen(&decoded),
        [
            ("oven/side=left/zone=2/temp", float(211.5), Some(MAY_DAY), GOOD),
            ("oven/side=left/zone=2/n", Value::Int(7), Some(MAY_DAY), GOOD),
        ]
    );
    let metric = r#"{"name": "oven", "tags": {"zone": "2", "side": "left"}, "fields": {"temp": 211.5}, "timestamp": 1714550400}"#;
    let want = [("oven/side=left/zone=2/temp", float(211.5), Some(MAY_DAY), GOOD)];
    check(Profile::Telegraf, "telegraf/host", metric, &want);
    check(Profile::Telegraf, "telegraf/host", &format!(r#"{{"metrics": [{metric}]}}"#), &want);
    assert_eq!(label(&decode("a", metric), "zone"), Some("2"));
    check(Profile::Plain, "a/b", "x = 3", &[("a/b", text("x = 3"), None, GOOD)]);
}

#[test]
fn lines_are_bounded_like_other_payloads() {
    let many = "m a=1\n".repeat(10_001);
    let refusal = decode_by("a", many.as_bytes(), &Choice::default()).unwrap_err();
    assert_eq!(refusal.code(), "payload_too_many");
    let message = Message {
        topic: "a",
        payload: b"measurement field=1",
        received: Timestamp::from_nanos(0),
        path: Some(&"x".repeat(1020)),
        choice: &Choice::default(),
    };
    assert_eq!(read(&message, &Settings::default()), Err(Refusal::PathTooLong));
}

#[test]
fn what_is_packed_is_read_as_what_it_was() {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(br#"[{"NodeId": "i=1", "DisplayName": "T", "Value": {"Value": 1}}]"#).unwrap();
    let mut packed = packer.finish().unwrap();
    let decoded = decode_by("a", &packed, &Choice::default()).unwrap();
    assert_eq!(seen(&decoded), [("a/T", float(1.0), None, GOOD)]);
    packed.truncate(20);
    let refusal = decode_by("a", &packed, &Choice::default()).unwrap_err();
    assert_eq!(refusal.code(), "payload_gzip");
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b'1'; 2 << 20]).unwrap();
    let refusal = decode_by("a", &bomb.finish().unwrap(), &Choice::default()).unwrap_err();
    assert_eq!(refusal.code(), "payload_too_long");
}

#[test]
fn a_list_of_named_values_has_their_names() {
    check(
        Profile::Json,
        "plant/oven",
        r#"[{"name": "temp", "value": 4.5, "unit": "bar"}, {"name": "door.open", "value": true}]"#,
        &[
            ("plant/oven/temp", float(4.5), None, GOOD),
            ("plant/oven/door.open", Value::Bool(true), None, GOOD),
        ],
    );
    check(
        Profile::Json,
        "plant/oven",
        r#"{"ts": 1714550400000, "sensors": [{"id": "t1", "value": 4.5}, {"id": "t2", "value": 5}]}"#,
        &[
            ("plant/oven/sensors/t1", float(4.5), Some(MAY_DAY), GOOD),
            ("plant/oven/sensors/t2", float(5.0), Some(MAY_DAY), GOOD),
        ],
    );
}

#[test]
fn a_rule_says_what_cannot_be_recognised() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let choice = Choice {
        time: names(&["measured"]),
        value: names(&["reading"]),
        quality: names(&["grade"]),
        name: Some("{path}/{device}/{name}".into()),
        ignore: names(&["device", "meta/serial"]),
        ..Choice::default()
    };
    let payload = r#"{"measured": 1714550400000, "device": "d7", "grade": "bad", "ts": 5, "meta": {"serial": 1, "fw": 2}}"#;
    let decoded = decode_by("a/b", payload.as_bytes(), &choice).unwrap();
    assert_eq!(
        seen(&decoded),
        [
            ("a/b/d7/ts", float(5.0), Some(MAY_DAY), Quality::BAD),
            ("a/b/d7/meta/fw", float(2.0), Some(MAY_DAY), Quality::BAD),
        ]
    );
    let one = r#"{"measured": 1714550400000, "reading": 7, "grade": 64, "device": "d7"}"#;
    let decoded = decode_by("a/b", one.as_bytes(), &choice).unwrap();
    assert_eq!(seen(&decoded), [("a/b/d7", float(7.0), Some(MAY_DAY), Quality::UNCERTAIN)]);
    let missing = decode_by("a/b", br#"{"reading": 7}"#, &choice).unwrap_err();
    assert_eq!(missing, Refusal::NameMissing("device".into()));
    let plain = Choice { profile: Some(Profile::Plain), ..Choice::default() };
    let decoded = decode_by("a/b", br#"{"x": 1}"#, &plain).unwrap();
    assert_eq!(seen(&decoded), [("a/b", text(r#"{"x": 1}"#), None, GOOD)]);
}

#[test]
fn a_payload_that_lacks_what_its_profile_promises_is_refused_with_what() {
    for (profile, payload, what) in [
        (Profile::Kepware, r#"{"values": [{"v": 1}]}"#, "no id"),
        (Profile::Kepware, "[1]", "no id"),
        (Profile::Neuron, r#"{"values": {}}"#, "node or group"),
        (Profile::AvevaVtq1, r#"{"q": 1}"#, "d is missing"),
        (Profile::SiteWise, r#"{"propertyValues": []}"#, "propertyAlias"),
        (Profile::Cognite, r#"{"items": [{}]}"#, "externalId"),
        (Profile::SenMl, r#"[{"v": 1}]"#, "no name"),
        (Profile::SenMl, r#"[{"n": "a", "v": "x"}]"#, "type"),
        (Profile::Telegraf, r#"{"fields": {}}"#, "name is missing"),
        (Profile::OpcUaSamples, r#"{"DisplayName": "x"}"#, "Value is missing"),
        (Profile::OpcUaPubSub, r#"{"Payload": 1}"#, "Payload"),
    ] {
        let choice = Choice { profile: Some(profile), ..Choice::default() };
        let refusal = decode_by("a", payload.as_bytes(), &choice).unwrap_err();
        assert_eq!(refusal.code(), "payload_shape", "{payload}: {refusal}");
        assert!(refusal.to_string().contains(what), "{payload}: {refusal}");
    }
    let choice = Choice { profile: Some(Profile::Line), ..Choice::default() };
    let refusal = decode_by("a", b"oven", &choice).unwrap_err();
    assert_eq!(refusal.code(), "payload_line");
}
