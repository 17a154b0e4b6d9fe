//! Any bytes as a body of line protocol: every line is points, an error, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tacitus_model::{LABELS_MAX, TagPath};
use tacitus_protocol::line::{Precision, parse};

fuzz_target!(|body: &[u8]| {
    let parsed = parse(body, Precision::Millis);
    assert_eq!(parsed.points.len(), parsed.lines.len());
    assert!(parsed.lines.is_sorted());
    assert!(parsed.refused.len() <= parsed.refused_count);
    assert!(parsed.refused.iter().all(|error| !parsed.lines.contains(&error.line)));
    for point in &parsed.points {
        TagPath::new(&point.path).expect("a path is a tag path");
        assert!(point.labels.len() <= LABELS_MAX && point.labels.is_sorted());
        // The labels can be read back from the path: two series never share one.
        let parts = point.path.split('/').count();
        assert_eq!(parts, point.labels.len() + 2, "{}", point.path);
    }
});
