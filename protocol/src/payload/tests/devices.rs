//! What devices and the network servers of devices publish, in restated examples of their manuals.

use tacitus_model::Value;

use super::profiles::{GOOD, MAY_DAY, check, decode, decode_by, float, seen, text};
use crate::payload::{Choice, Profile};

#[test]
fn shelly_is_named_by_device_and_component() {
    let want = |path, value| (path, value, Some(MAY_DAY), GOOD);
    let notification = r#"{"src": "shellyplus1pm-a8032a", "dst": "shellyplus1pm-a8032a/events", "method": "NotifyStatus",
        "params": {"ts": 1714550400.00, "switch:0": {"id": 0, "output": true, "apower": 12.5,
            "aenergy": {"total": 7.1, "by_minute": [1, 2, 3], "minute_ts": 1714550399}, "temperature": {"tC": 41.5}}}}"#;
    check(
        Profile::Shelly,
        "shellyplus1pm-a8032a/events/rpc",
        notification,
        &[
            want("shellyplus1pm-a8032a/switch:0/output", Value::Bool(true)),
            want("shellyplus1pm-a8032a/switch:0/apower", float(12.5)),
            want("shellyplus1pm-a8032a/switch:0/aenergy/total", float(7.1)),
            want("shellyplus1pm-a8032a/switch:0/temperature/tC", float(41.5)),
        ],
    );
    // A device that its owner named, and the same component in a status.
    let own = decode("hall/plug/events/rpc", notification);
    assert_eq!(own.points[1].path, "hall/plug/switch:0/apower");
    assert_eq!(own.points[1].unit, "W");
    check(
        Profile::Shelly,
        "shellyplus1pm-a8032a/status/switch:0",
        r#"{"id": 0, "apower": 12.5}"#,
        &[("shellyplus1pm-a8032a/switch:0/apower", float(12.5), None, GOOD)],
    );
    check(
        Profile::Shelly,
        "hall/plug/events/rpc",
        r#"{"src": "x", "method": "NotifyEvent", "params": {"ts": 1714550400, "events": [
            {"component": "input:0", "id": 0, "event": "btn_down", "ts": 1714550400}]}}"#,
        &[want("hall/plug/input:0/event", text("btn_down"))],
    );
    let first = decode("shellies/shellyem-B9/emeter/0/power", "81.5");
    assert_eq!(seen(&first), [("shellyem-B9/emeter/0/power", float(81.5), None, GOOD)]);
    for (topic, payload) in [
        ("shellies/announce", r#"{"id": "shellyem-B9", "mac": "x"}"#),
        ("homeassistant/sensor/press/temp/config", r#"{"name": "Temp", "state_topic": "a/b"}"#),
    ] {
        assert_eq!(decode(topic, payload).points, [], "{topic}");
    }
}

#[test]
fn network_servers_name_application_and_device() {
    let ids = r#""end_device_ids": {"device_id": "probe-7", "application_ids": {"application_id": "cold"}}, "received_at": "2024-05-01T08:00:00.000000001Z""#;
    check(
        Profile::ThingsStack,
        "v3/cold@ttn/devices/probe-7/up",
        &format!(
            r#"{{{ids}, "uplink_message": {{"f_cnt": 3, "frm_payload": "AQ==", "decoded_payload": {{"temp": 4.5, "door": {{"open": true}}}}}}}}"#
        ),
        &[
            ("cold/probe-7/temp", float(4.5), Some(MAY_DAY), GOOD),
            ("cold/probe-7/door/open", Value::Bool(true), Some(MAY_DAY), GOOD),
        ],
    );
    let join = decode(
        "v3/cold@ttn/devices/probe-7/join",
        &format!(r#"{{{ids}, "join_accept": {{"session_key_id": "x"}}}}"#),
    );
    assert_eq!((join.profile, join.points), (Profile::ThingsStack, vec![]));
    let info = r#""deviceInfo": {"applicationName": "cold", "deviceName": "probe 7", "devEui": "0101"}, "time": "2024-05-01T08:00:00+00:00""#;
    check(
        Profile::ChirpStack,
        "application/1/device/0101/event/up",
        &format!(
            r#"{{{info}, "fCnt": 1, "data": "AQ==", "object": {{"temp": 4.5}}, "rxInfo": [{{"rssi": -36}}]}}"#
        ),
        &[("cold/probe 7/temp", float(4.5), Some(MAY_DAY), GOOD)],
    );
    check(
        Profile::ChirpStack,
        "application/1/device/0101/event/status",
        &format!(r#"{{{info}, "margin": 10, "batteryLevel": 75.5}}"#),
        &[
            ("cold/probe 7/margin", float(10.0), Some(MAY_DAY), GOOD),
            ("cold/probe 7/batteryLevel", float(75.5), Some(MAY_DAY), GOOD),
        ],
    );
    for payload in
        [format!(r#"{{{info}, "data": "AQ=="}}"#), format!(r#"{{{ids}, "uplink_message": {{}}}}"#)]
    {
        let refusal = decode_by("a", payload.as_bytes(), &Choice::default()).unwrap_err();
        assert!(refusal.to_string().contains("payload formatter"), "{refusal}");
    }
}
