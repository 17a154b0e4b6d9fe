//! Any bytes as a body of line protocol: every line is points, an error, or nothing; the same where
//! series are known by their spelling.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use tacitus_model::{LABELS_MAX, TagId, TagPath};
use tacitus_protocol::line::{Lines, Precision, Spellings, parse};

struct Learnt(HashMap<Box<[u8]>, TagId>);

impl Spellings for Learnt {
    fn tag(&self, spelling: &[u8]) -> Option<TagId> {
        self.0.get(spelling).copied()
    }
}

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
    let mut learnt = Learnt(HashMap::new());
    for _ in 0..2 {
        let mut lines = Lines::new(body, Precision::Millis);
        let Some(again) = lines.read_knowing(usize::MAX, Some(&learnt)) else { break };
        assert_eq!((&again.lines, &again.refused), (&parsed.lines, &parsed.refused));
        for (point, plain) in again.points.iter().zip(&parsed.points) {
            assert_eq!((point.ts, &point.value), (plain.ts, &plain.value));
            let path = point.tag.and_then(|tag| parsed.points.get(tag.0 as usize));
            assert_eq!(path.unwrap_or(point).path, plain.path);
        }
        let places = again.spellings.into_iter();
        learnt.0.extend(places.map(|(at, own)| (own, TagId(u32::try_from(at).unwrap()))));
    }
});
