//! Any bytes as one MQTT connection, from CONNECT on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tacitus_protocol::mqtt::converse;

fuzz_target!(|bytes: &[u8]| {
    let answered = converse(bytes);
    assert!(answered <= 4 * bytes.len() + 64 * 1024, "{answered} bytes for {}", bytes.len());
});
