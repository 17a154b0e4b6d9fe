//! Any bytes as an MQTT payload: decoded under the topic, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tacitus_model::{PATH_BYTES_MAX, TEXT_BYTES_MAX, Value};
use tacitus_protocol::payload::{Settings, bare_text, bare_value, decode};

fuzz_target!(|payload: &[u8]| {
    let settings = Settings::default();
    let Ok(points) = decode("a/b", payload, &settings) else { return };
    assert!(!points.is_empty() && points.len() <= settings.json_values_max);
    for point in &points {
        assert!(point.path.starts_with("a/b") && point.path.len() <= PATH_BYTES_MAX);
        assert!(!matches!(&point.value, Value::Text(text) if text.len() > TEXT_BYTES_MAX));
    }
    if let Ok(Some(text)) = bare_text(payload, &settings) {
        let (value, quality) = bare_value(text, None).expect("decode took it");
        assert_eq!((&points[0].value, points[0].quality, points.len()), (&value, quality, 1));
    }
});
