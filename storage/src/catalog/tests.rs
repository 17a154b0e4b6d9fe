//! What the catalog promises of ids, names and definitions.

mod model;

use tacitus_model::{LABELS_MAX, Thinning, ThinningRule};

use super::*;
use crate::cursor::Cursor;

fn path(path: &str) -> TagPath {
    TagPath::new(path).unwrap()
}

fn definition(text: &str) -> TagDefinition {
    TagDefinition::new(path(text), Kind::Float, "test")
}

/// Writes what is pending, from this sequence on.
fn commit(catalog: &Catalog, first: u64) {
    for (draft, sequence) in catalog.take_pending().iter().zip(first..) {
        catalog.commit(draft, sequence).unwrap();
    }
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
    let a = catalog.define(definition("a")).unwrap().id;
    catalog.rename(a, path("c")).unwrap();
    let refused = catalog.take_pending();
    catalog.define(definition("b")).unwrap();
    catalog.return_pending(&refused);
    let drafts = catalog.take_pending();
    let paths: Vec<&str> = drafts.iter().map(|draft| draft.entry.path().as_str()).collect();
    assert_eq!(paths, ["a", "c", "b"]);
}

#[test]
fn a_change_takes_effect_with_its_commit() {
    let catalog = Catalog::default();
    let id = catalog.define(definition("a")).unwrap().id;
    commit(&catalog, 1);
    let will_be = catalog.redefine(id, [TagChange::Unit("bar".into())]).unwrap();
    assert_eq!(will_be.definition.unit, "bar");
    assert_eq!(catalog.get(id).unwrap().definition.unit, "");
    commit(&catalog, 2);
    let tag = catalog.get(id).unwrap();
    assert_eq!((tag.definition.unit.as_str(), tag.sequence), ("bar", 2));
    assert_eq!(catalog.committed(1).len(), 1, "a tag exists since its first record");
}

#[test]
fn changes_before_one_commit_add_up_to_one_record() {
    let catalog = Catalog::default();
    let id = catalog.define(definition("a")).unwrap().id;
    commit(&catalog, 1);
    catalog.redefine(id, [TagChange::Unit("bar".into())]).unwrap();
    catalog.rename(id, path("b")).unwrap();
    catalog.redefine(id, [TagChange::Description("steam".into())]).unwrap();
    commit(&catalog, 2);
    let tag = catalog.get(id).unwrap();
    let TagDefinition { path, unit, description, .. } = &tag.definition;
    assert_eq!((path.as_str(), unit.as_str(), description.as_str()), ("b", "bar", "steam"));
    assert_eq!(tag.sequence, 2);
}

#[test]
fn a_change_during_a_commit_is_written_by_the_next() {
    let catalog = Catalog::default();
    let id = catalog.define(definition("a")).unwrap().id;
    catalog.rename(id, path("b")).unwrap();
    let under_way = catalog.take_pending();
    catalog.redefine(id, [TagChange::Unit("bar".into())]).unwrap();
    for (draft, sequence) in under_way.iter().zip(1..) {
        catalog.commit(draft, sequence).unwrap();
    }
    assert_eq!(catalog.get(id).unwrap().definition.unit, "");
    commit(&catalog, 3);
    assert_eq!(catalog.get(id).unwrap().definition.unit, "bar");
    assert_eq!(
        catalog.names(id),
        [
            TagName { path: path("a"), since: 1, until: None },
            TagName { path: path("b"), since: 2, until: None },
        ]
    );
}

#[test]
fn every_name_a_tag_had_leads_to_it() {
    let catalog = Catalog::default();
    let id = catalog.define(definition("a")).unwrap().id;
    commit(&catalog, 1);
    catalog.rename(id, path("b")).unwrap();
    catalog.alias(id, &path("short")).unwrap();
    commit(&catalog, 2);
    for name in ["a", "b", "short"] {
        assert_eq!(catalog.find(name).unwrap().definition.path, path("b"), "{name}");
        assert_eq!(catalog.define(definition(name)).unwrap().id, id, "{name}");
    }
}

#[test]
fn a_name_that_leads_to_a_tag_is_given_to_no_other() {
    let catalog = Catalog::default();
    let id = catalog.define(definition("a")).unwrap().id;
    let other = catalog.define(definition("other")).unwrap().id;
    commit(&catalog, 1);
    catalog.rename(id, path("b")).unwrap();
    for name in ["a", "b"] {
        assert_eq!(catalog.rename(other, path(name)).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(catalog.alias(other, &path(name)).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(catalog.rename(id, path("a")).unwrap().id, id, "back to its former path");
}

#[test]
fn a_released_name_leads_nowhere_until_it_is_given_again() {
    let catalog = Catalog::default();
    let id = catalog.define(definition("a")).unwrap().id;
    catalog.rename(id, path("b")).unwrap();
    commit(&catalog, 1);
    assert_eq!(catalog.release("b").unwrap_err().kind(), ErrorKind::Invalid, "its path");
    assert_eq!(catalog.release("nothing").unwrap_err().kind(), ErrorKind::Invalid);
    catalog.release("a").unwrap();
    assert!(catalog.find("a").is_none());
    let heir = catalog.define(definition("a")).unwrap().id;
    assert_ne!(heir, id);
    commit(&catalog, 3);
    assert_eq!(catalog.names(id)[0], TagName { path: path("a"), since: 1, until: Some(3) });
}

#[test]
fn a_snapshot_finds_a_tag_by_the_names_it_had_then() {
    let catalog = Catalog::default();
    let id = catalog.define(definition("a")).unwrap().id;
    assert!(catalog.find_at("a", 9).is_none(), "not committed");
    commit(&catalog, 5);
    catalog.rename(id, path("b")).unwrap();
    commit(&catalog, 7);
    for (name, sequence, found) in
        [("a", 4, false), ("a", 5, true), ("b", 6, false), ("b", 7, true), ("a", 7, true)]
    {
        assert_eq!(catalog.find_at(name, sequence).is_some(), found, "{name} at {sequence}");
    }
}

#[test]
fn of_too_many_names_the_oldest_released_are_forgotten() {
    let catalog = Catalog::default();
    let id = catalog.define(definition("0")).unwrap().id;
    commit(&catalog, 1);
    for n in 1..crate::limits::TAG_NAMES_MAX {
        catalog.rename(id, path(&n.to_string())).unwrap();
    }
    assert_eq!(catalog.rename(id, path("more")).unwrap_err().kind(), ErrorKind::Invalid);
    catalog.release("0").unwrap();
    commit(&catalog, 2);
    catalog.rename(id, path("more")).unwrap();
    assert!(catalog.names(id).iter().all(|name| name.path != path("0")));
}

#[test]
fn labels_are_sorted_and_the_later_of_two_with_one_key_counts() {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let labels = vec![label("b", "1"), label("a", "2"), label("b", "3")];
    let catalog = Catalog::default();
    let tag = catalog.define(TagDefinition { labels, ..definition("a") }).unwrap();
    assert_eq!(tag.definition.labels, [label("a", "2"), label("b", "3")]);
}

#[test]
fn a_definition_that_cannot_be_kept_is_refused() {
    let catalog = Catalog::default();
    let labels = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect();
    let thinning =
        |band, max_gap_ns| Some(Thinning { rule: ThinningRule::SwingingDoor, band, max_gap_ns });
    for broken in [
        TagDefinition { kind: Kind::State, ..definition("no states") },
        TagDefinition { states: vec!["on".into()], ..definition("states of a float") },
        TagDefinition { labels: labels(LABELS_MAX + 1), ..definition("labels") },
        TagDefinition { description: "x".repeat(70_000), ..definition("description") },
        TagDefinition { thinning: thinning(-1.0, 1), ..definition("negative band") },
        TagDefinition { thinning: thinning(f64::NAN, 1), ..definition("no band") },
        TagDefinition { thinning: thinning(1.0, 0), ..definition("no gap") },
        TagDefinition { thinning: thinning(1.0, 1), step: true, ..definition("door that steps") },
        TagDefinition { thinning: thinning(1.0, 1), kind: Kind::Text, ..definition("text") },
    ] {
        let path = broken.path.clone();
        assert_eq!(catalog.define(broken).unwrap_err().kind(), ErrorKind::Invalid, "{path}");
    }
    assert!(catalog.is_empty());
}

#[test]
fn an_entry_comes_back_whole_and_a_cut_one_is_refused() {
    let name = |text, since, until| TagName { path: path(text), since, until };
    let entry = Entry {
        tag: Tag {
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
                retention: "long".into(),
                thinning: Some(Thinning {
                    rule: ThinningRule::Exception,
                    band: 0.5,
                    max_gap_ns: 1,
                }),
                ..definition("Übergabe/Ofen")
            },
            sequence: UNCOMMITTED,
        },
        first: 4,
        names: vec![
            name("a", 4, Some(7)),
            name("b", 5, Some(UNCOMMITTED)),
            name("Übergabe/Ofen", UNCOMMITTED, None),
        ],
    };
    let mut bytes = Vec::new();
    encode_entry(&mut bytes, &entry);
    assert_eq!(decode_entry(&mut Cursor::new(&bytes)), Some(entry));
    for len in 0..bytes.len() {
        assert_eq!(decode_entry(&mut Cursor::new(&bytes[..len])), None, "cut at {len}");
    }
}

#[test]
fn an_entry_whose_names_lack_its_path_is_damage() {
    let names = vec![TagName { path: path("other"), since: 1, until: None }];
    let entry = Entry { names, ..Entry::new(TagId(1), definition("a")) };
    let mut bytes = Vec::new();
    encode_entry(&mut bytes, &entry);
    assert_eq!(decode_entry(&mut Cursor::new(&bytes)), None);
}

#[test]
fn an_id_that_skips_is_damage() {
    let catalog = Catalog::default();
    let entry = Entry::new(TagId(2), definition("b"));
    assert_eq!(catalog.enter(&entry, 1).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_name_that_is_to_be_released_leads_to_its_tag_until_the_commit() {
    let catalog = Catalog::default();
    let id = catalog.define(definition("a")).unwrap().id;
    catalog.alias(id, &path("b")).unwrap();
    commit(&catalog, 1);
    catalog.release("b").unwrap();
    catalog.define(definition("b")).unwrap();
    assert_eq!(catalog.find_at("b", 9).map(|tag| tag.id), Some(id));
    commit(&catalog, 3);
    assert_ne!(catalog.find_at("b", 9).map(|tag| tag.id), Some(id));
}
