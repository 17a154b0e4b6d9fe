//! Tag queries against a plain search over all tags.

use proptest::prelude::*;
use tacitus_model::{TagChange, TagDefinition, TagPath};

use super::*;
use crate::catalog::Draft;
use crate::catalog::paths::{build, collect};

fn definition(path: &str, kind: Kind) -> TagDefinition {
    TagDefinition::new(TagPath::new(path).unwrap(), kind, "test")
}

fn label(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// Writes what is pending; the last sequence.
fn commit(catalog: &Catalog, first: u64) -> u64 {
    let drafts: Vec<Draft> = catalog.take_pending();
    for (draft, sequence) in drafts.iter().zip(first..) {
        catalog.commit(draft, sequence).unwrap();
    }
    first + drafts.len() as u64 - 1
}

fn ids(catalog: &Catalog, query: &TagQuery) -> Vec<u32> {
    catalog.select(query, u64::MAX - 1).unwrap().iter().collect()
}

/// Sorts the paths into one level, however few they are.
fn index(catalog: &Catalog) {
    let mut inner = catalog.write();
    let fresh = inner.paths.view().fresh;
    let level = build(collect(&inner.tags, &fresh)).unwrap();
    inner.paths.ripened(level, fresh.len());
}

/// A line with two ovens and a counter.
fn line() -> Catalog {
    let catalog = Catalog::default();
    for (path, kind, unit, labels) in [
        ("line/oven 1/T", Kind::Float, "°C", vec![label("zone", "1"), label("critical", "")]),
        ("line/oven 2/T", Kind::Float, "°C", vec![label("zone", "2")]),
        ("line/count", Kind::Int, "", vec![]),
    ] {
        let unit = unit.to_owned();
        catalog.define(TagDefinition { unit, labels, ..definition(path, kind) }).unwrap();
    }
    commit(&catalog, 1);
    catalog
}

#[test]
fn each_condition_finds_its_tags() {
    let text = str::to_owned;
    let catalog = line();
    for (query, found) in [
        (TagQuery::All, &[1, 2, 3][..]),
        (TagQuery::Name(text("line/count")), &[3]),
        (TagQuery::Prefix(text("line/oven")), &[1, 2]),
        (TagQuery::Glob(text("line/*/T")), &[1, 2]),
        (TagQuery::Regex(text("[02]")), &[2]),
        (TagQuery::Label { key: text("zone"), value: text("2") }, &[2]),
        (TagQuery::Label { key: text("zone"), value: text("3") }, &[]),
        (TagQuery::HasLabel(text("zone")), &[1, 2]),
        (TagQuery::HasLabel(text("critical")), &[1]),
        (TagQuery::Kind(Kind::Int), &[3]),
        (TagQuery::Kind(Kind::Text), &[]),
        (TagQuery::Unit(text("°C")), &[1, 2]),
        (TagQuery::Unit(text("")), &[3]),
        (TagQuery::Source(text("test")), &[1, 2, 3]),
        (TagQuery::Retention(text("")), &[1, 2, 3]),
        (TagQuery::Not(Box::new(TagQuery::HasLabel(text("zone")))), &[3]),
        (TagQuery::AllOf(vec![]), &[1, 2, 3]),
        (TagQuery::AnyOf(vec![]), &[]),
        (
            TagQuery::AllOf(vec![
                TagQuery::Regex(text("T$")),
                TagQuery::Not(Box::new(TagQuery::HasLabel(text("critical")))),
            ]),
            &[2],
        ),
        (
            TagQuery::AnyOf(vec![TagQuery::Kind(Kind::Int), TagQuery::Name(text("line/oven 1/T"))]),
            &[1, 3],
        ),
    ] {
        assert_eq!(ids(&catalog, &query), found, "{query:?}");
    }
}

#[test]
fn a_changed_tag_is_found_by_what_it_is_and_no_longer_by_what_it_was() {
    let catalog = line();
    let id = TagId(1);
    let changes = [TagChange::Labels(vec![label("zone", "9")]), TagChange::Unit("K".into())];
    catalog.redefine(id, changes).unwrap();
    catalog.rename(id, TagPath::new("hall/oven/T").unwrap()).unwrap();
    commit(&catalog, 4);
    index(&catalog);
    catalog.rename(id, TagPath::new("hall/old oven/T").unwrap()).unwrap();
    commit(&catalog, 5);
    for (query, found) in [
        (TagQuery::Label { key: "zone".into(), value: "9".into() }, &[1][..]),
        (TagQuery::Label { key: "zone".into(), value: "1".into() }, &[]),
        (TagQuery::HasLabel("critical".into()), &[]),
        (TagQuery::HasLabel("zone".into()), &[1, 2]),
        (TagQuery::Unit("°C".into()), &[2]),
        (TagQuery::Prefix("line/oven 1".into()), &[]),
        (TagQuery::Prefix("hall/oven".into()), &[]),
        (TagQuery::Prefix("hall".into()), &[1]),
        (TagQuery::Name("line/oven 1/T".into()), &[1]),
    ] {
        assert_eq!(ids(&catalog, &query), found, "{query:?}");
    }
}

#[test]
fn a_query_finds_only_tags_that_exist_at_its_sequence() {
    let catalog = line();
    catalog.define(definition("line/new", Kind::Float)).unwrap();
    for (sequence, count) in [(0, 0), (1, 1), (2, 2), (3, 3), (u64::MAX - 1, 3)] {
        let found = catalog.select(&TagQuery::Prefix("line".into()), sequence).unwrap();
        assert_eq!(found.len(), count, "at {sequence}");
    }
}

#[test]
fn a_query_with_too_many_conditions_is_refused() {
    let catalog = line();
    let wide = TagQuery::AllOf(vec![TagQuery::All; TAG_CONDITIONS_MAX]);
    let deep = (0..=TAG_CONDITIONS_DEEP_MAX)
        .fold(TagQuery::All, |query, _| TagQuery::Not(Box::new(query)));
    for query in [wide, deep] {
        assert_eq!(catalog.select(&query, 9).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn steps_sort_all_paths_into_few_levels_and_then_have_nothing_to_do() {
    const COUNT: u32 = 150_000;
    let catalog = Catalog::default();
    for n in 0..COUNT {
        let path = format!("area/{}/signal/{}", n % 977, n.wrapping_mul(2_654_435_761));
        catalog.define(definition(&path, Kind::Float)).unwrap();
        if n % 1_000 == 0 {
            catalog.step().unwrap();
        }
    }
    commit(&catalog, 1);
    let mut steps = 0;
    while catalog.step().unwrap() {
        steps += 1;
        assert!(steps < 1_000, "the steps never end");
    }
    let view = catalog.paths();
    assert!(view.levels.len() < 8 && view.fresh.len() < 4096, "{} levels", view.levels.len());
    let found = ids(&catalog, &TagQuery::Glob("area/97?/**".into()));
    assert_eq!(found.len(), (0..COUNT).filter(|n| n % 977 >= 970).count());
    assert_eq!(ids(&catalog, &TagQuery::Prefix("area".into())).len(), COUNT as usize);
}

/// One step of a random program.
#[derive(Debug, Clone)]
enum Op {
    Define(u8, u8, u8),
    Relabel(u8, u8),
    Rename(u8, u8),
    Index,
}

/// A tag of the plain list: path, kind and label.
type Plain = (String, Kind, (String, String));

fn name(number: u8) -> String {
    format!("{}/{}{}", ["a", "b"][usize::from(number % 2)], number / 2 % 3, number % 5)
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_u8..30, 0_u8..5, 0_u8..3).prop_map(|(path, kind, label)| {
            Op::Define(path, kind, label)
        }),
        2 => (0_u8..20, 0_u8..3).prop_map(|(tag, label)| Op::Relabel(tag, label)),
        2 => (0_u8..20, 0_u8..30).prop_map(|(tag, path)| Op::Rename(tag, path)),
        1 => Just(Op::Index),
    ]
}

fn queries() -> impl Strategy<Value = TagQuery> {
    let leaf = prop_oneof![
        Just(TagQuery::All),
        (0_u8..30).prop_map(|path| TagQuery::Prefix(name(path)[..2].to_owned())),
        "[ab]?\\*{0,2}/?[0-4?]{0,2}".prop_map(TagQuery::Glob),
        "\\^?[ab]?/?[0-4]?\\$?".prop_map(TagQuery::Regex),
        (0_u8..3)
            .prop_map(|value| { TagQuery::Label { key: "key".into(), value: value.to_string() } }),
        Just(TagQuery::HasLabel("key".into())),
        (0_usize..5).prop_map(|kind| TagQuery::Kind(Kind::ALL[kind])),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|query| TagQuery::Not(Box::new(query))),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(TagQuery::AllOf),
            proptest::collection::vec(inner, 0..3).prop_map(TagQuery::AnyOf),
        ]
    })
}

fn passes(query: &TagQuery, tag: &Plain) -> bool {
    let (path, kind, (key, value)) = tag;
    match query {
        TagQuery::All => true,
        TagQuery::Prefix(prefix) => path.starts_with(prefix),
        TagQuery::Glob(glob) => Pattern::glob(glob).unwrap().matches(path),
        TagQuery::Regex(expression) => Pattern::regex(expression).unwrap().matches(path),
        TagQuery::Label { key: own, value: wanted } => own == key && wanted == value,
        TagQuery::HasLabel(own) => own == key,
        TagQuery::Kind(own) => own == kind,
        TagQuery::Not(other) => !passes(other, tag),
        TagQuery::AllOf(queries) => queries.iter().all(|query| passes(query, tag)),
        TagQuery::AnyOf(queries) => queries.iter().any(|query| passes(query, tag)),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_query_finds_what_a_search_over_all_tags_finds(
        ops in proptest::collection::vec(ops(), 1..40),
        queries in proptest::collection::vec(queries(), 1..8),
    ) {
        let catalog = Catalog::default();
        let mut plain: Vec<Plain> = Vec::new();
        let mut sequence = 0;
        for op in ops {
            match op {
                Op::Define(path, kind, value) => {
                    let (path, kind) = (name(path), Kind::ALL[usize::from(kind)]);
                    let labels = vec![label("key", &value.to_string())];
                    let states = vec!["on".to_owned(); usize::from(kind == Kind::State)];
                    let new =
                        TagDefinition { labels, states, ..definition(&path, kind) };
                    let tag = catalog.define(new).unwrap();
                    if tag.id.0 as usize > plain.len() {
                        plain.push((path, kind, label("key", &value.to_string())));
                    }
                }
                Op::Relabel(tag, value) => {
                    let Some(own) = plain.get_mut(usize::from(tag)) else { continue };
                    let key = if value == 0 { "other" } else { "key" };
                    own.2 = label(key, &value.to_string());
                    let change = TagChange::Labels(vec![own.2.clone()]);
                    catalog.redefine(TagId(u32::from(tag) + 1), [change]).unwrap();
                }
                Op::Rename(tag, path) => {
                    let Some(own) = plain.get_mut(usize::from(tag)) else { continue };
                    let path = TagPath::new(&name(path)).unwrap();
                    if catalog.rename(TagId(u32::from(tag) + 1), path.clone()).is_ok() {
                        own.0 = path.as_str().to_owned();
                    }
                }
                Op::Index => index(&catalog),
            }
            sequence = commit(&catalog, sequence + 1);
        }
        for query in queries {
            let expected: Vec<u32> = (1..)
                .zip(&plain)
                .filter(|(_, tag)| passes(&query, tag))
                .map(|(id, _)| id)
                .collect();
            prop_assert_eq!(ids(&catalog, &query), expected, "{:?}", query);
        }
    }
}
