//! Any bytes as a body of JSON rows: all points, or one error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tacitus_model::Value;
use tacitus_protocol::samples::parse;

fuzz_target!(|body: &[u8]| {
    for point in parse(body).into_iter().flatten() {
        assert!(!point.path.is_empty());
        assert!(!matches!(point.value, Value::Float(number) if !number.is_finite()));
    }
});
