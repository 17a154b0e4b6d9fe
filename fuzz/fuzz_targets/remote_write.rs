//! Any bytes as a remote write request of either version: series or refusals, to the end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tacitus_model::PATH_BYTES_MAX;
use tacitus_protocol::remote_write::{Request, Version};

fuzz_target!(|bytes: &[u8]| {
    for version in [Version::One, Version::Two] {
        let Ok(mut request) = Request::new(bytes, version) else { continue };
        while let Some(series) = request.next_series() {
            for point in series.map(|series| series.points).unwrap_or_default() {
                assert!(point.path.len() <= PATH_BYTES_MAX);
            }
        }
    }
});
