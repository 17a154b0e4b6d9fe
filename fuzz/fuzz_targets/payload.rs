//! Any bytes as an MQTT payload: decoded under a topic of each profile, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tacitus_model::{PATH_BYTES_MAX, TEXT_BYTES_MAX, Timestamp, Value};
use tacitus_protocol::payload::{
    Choice, Message, Profile, Settings, bare_text, bare_value, decode, read,
};

/// Topics that tell a profile, and one that tells none.
const TOPICS: [&str; 8] = [
    "a/b",
    "umh/v1/a/_raw/b",
    "unsAv1.0/a/b",
    "zigbee2mqtt/a",
    "tele/a/SENSOR",
    "v1/gateway/telemetry",
    "shellies/a/relay/0",
    "homeassistant/sensor/a/config",
];

fuzz_target!(|payload: &[u8]| {
    let settings = Settings::default();
    let received = Timestamp::from_nanos(1 << 60);
    for topic in TOPICS {
        let choice = Choice::default();
        let message = Message { topic, payload, received, path: None, choice: &choice };
        if let Ok(decoded) = read(&message, &settings) {
            assert!(decoded.points.len() <= settings.json_values_max);
            for point in &decoded.points {
                assert!(point.path.len() <= PATH_BYTES_MAX);
                assert!(!matches!(&point.value, Value::Text(text) if text.len() > TEXT_BYTES_MAX));
            }
        }
    }
    for profile in Profile::ALL {
        let choice = Choice { profile: Some(profile), ..Choice::default() };
        let message = Message { topic: "a", payload, received, path: None, choice: &choice };
        drop(read(&message, &settings));
    }
    let Ok(points) = decode("a/b", payload, &settings) else { return };
    if let Ok(Some(text)) = bare_text(payload, &settings) {
        let (value, quality) = bare_value(text, None).expect("decode took it");
        assert_eq!((&points[0].value, points[0].quality, points.len()), (&value, quality, 1));
    }
});
