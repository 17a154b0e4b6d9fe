//! What the catalog promises of ids, paths and definitions.

use super::*;
use crate::cursor::Cursor;

fn definition(path: &str) -> TagDefinition {
    TagDefinition::new(TagPath::new(path).unwrap(), Kind::Float, "test")
}

#[test]
fn a_path_defined_twice_is_one_tag() {
    let catalog = Catalog::default();
    let first = catalog.define(definition("a")).unwrap();
    let again = catalog.define(definition("a")).unwrap();
    assert_eq!(first.id, again.id);
    assert_eq!(catalog.take_pending().len(), 1);
}

#[test]
fn definitions_of_a_refused_commit_are_written_by_the_next_in_order() {
    let catalog = Catalog::default();
    catalog.define(definition("a")).unwrap();
    let refused = catalog.take_pending();
    catalog.define(definition("b")).unwrap();
    catalog.return_pending(&refused);
    let ids: Vec<u32> = catalog.take_pending().iter().map(|tag| tag.id.0).collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn a_definition_that_cannot_be_kept_is_refused() {
    let catalog = Catalog::default();
    let labels = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect();
    for broken in [
        TagDefinition { kind: Kind::State, ..definition("no states") },
        TagDefinition { states: vec!["on".into()], ..definition("states of a float") },
        TagDefinition { labels: labels(LABELS_MAX + 1), ..definition("labels") },
        TagDefinition { description: "x".repeat(70_000), ..definition("description") },
    ] {
        let path = broken.path.clone();
        assert_eq!(catalog.define(broken).unwrap_err().kind(), ErrorKind::Invalid, "{path}");
    }
    assert!(catalog.is_empty());
}

#[test]
fn a_definition_comes_back_whole_and_a_cut_one_is_refused() {
    let tag = Tag {
        id: TagId(77),
        definition: TagDefinition {
            unit: "°C".into(),
            description: "oven, zone 2".into(),
            labels: vec![("line".into(), "1".into())],
            range: Some((-0.0, f64::MAX)),
            states: vec!["stopped".into(), "running".into()],
            kind: Kind::State,
            step: true,
            quantum_ns: 1_000_000,
            ..definition("Übergabe/Ofen")
        },
        sequence: 9,
    };
    let mut bytes = Vec::new();
    encode_tag(&mut bytes, &tag);
    assert_eq!(decode_tag(&mut Cursor::new(&bytes), 9), Some(tag));
    for len in 0..bytes.len() {
        assert_eq!(decode_tag(&mut Cursor::new(&bytes[..len]), 9), None, "cut at {len}");
    }
}

#[test]
fn an_id_that_skips_is_damage() {
    let catalog = Catalog::default();
    let tag = Tag { id: TagId(2), definition: definition("b"), sequence: 1 };
    assert_eq!(catalog.enter(tag).unwrap_err().kind(), ErrorKind::Corrupt);
}
