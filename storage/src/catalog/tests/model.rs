//! The catalog against a plain map, over random programs of definitions, changes of names,
//! commits, seals and crashes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tacitus_model::TagChange;

use super::{definition, path};
use crate::catalog::{
    Catalog, Draft, Entry, decode_entry, encode_entry, read_catalogs, seal_catalog,
};
use crate::cursor::Cursor;
use crate::disk::SimDisk;
use crate::manifest::Manifest;
use tacitus_model::TagId;

/// One step of a random program. Names and tags are small numbers, so that they meet.
#[derive(Debug, Clone)]
enum Op {
    Define(u8),
    Redefine(u8, u8),
    Rename(u8, u8),
    Alias(u8, u8),
    Release(u8),
    /// A commit takes what is pending; what follows happens while it is under way.
    Take,
    /// The commit ends, having written only so many of what it took.
    Commit(usize),
    /// Seals all but the last few records.
    Seal(u64),
    /// What is not committed is gone; the rest is read back.
    Crash,
}

fn ops() -> impl Strategy<Value = Op> {
    let (name, tag) = (0_u8..12, 1_u8..6);
    prop_oneof![
        4 => name.clone().prop_map(Op::Define),
        3 => (tag.clone(), any::<u8>()).prop_map(|(tag, unit)| Op::Redefine(tag, unit)),
        4 => (tag.clone(), name.clone()).prop_map(|(tag, name)| Op::Rename(tag, name)),
        2 => (tag, name.clone()).prop_map(|(tag, name)| Op::Alias(tag, name)),
        3 => name.prop_map(Op::Release),
        2 => Just(Op::Take),
        5 => prop_oneof![4 => Just(usize::MAX), 1 => 0_usize..3].prop_map(Op::Commit),
        2 => (0_u64..3).prop_map(Op::Seal),
        2 => Just(Op::Crash),
    ]
}

/// What a plain map would hold.
#[derive(Debug, Clone, Default)]
struct Model {
    /// By id − 1: path, unit.
    tags: Vec<(String, String)>,
    /// Names that lead to a tag.
    names: BTreeMap<String, u32>,
}

impl Model {
    fn can_name(&self, tag: u8, name: &str) -> bool {
        usize::from(tag) <= self.tags.len()
            && self.names.get(name).is_none_or(|own| *own == u32::from(tag))
    }

    fn perform(&mut self, op: &Op) {
        match op {
            Op::Define(name) if !self.names.contains_key(&text(*name)) => {
                self.tags.push((text(*name), String::new()));
                self.names.insert(text(*name), u32::try_from(self.tags.len()).unwrap());
            }
            Op::Redefine(tag, unit) if usize::from(*tag) <= self.tags.len() => {
                self.tags[usize::from(*tag) - 1].1 = unit.to_string();
            }
            Op::Rename(tag, name) if self.can_name(*tag, &text(*name)) => {
                self.tags[usize::from(*tag) - 1].0 = text(*name);
                self.names.insert(text(*name), u32::from(*tag));
            }
            Op::Alias(tag, name) if self.can_name(*tag, &text(*name)) => {
                self.names.insert(text(*name), u32::from(*tag));
            }
            Op::Release(name) if self.tags.iter().all(|(path, _)| *path != text(*name)) => {
                self.names.remove(&text(*name));
            }
            _ => {}
        }
    }
}

fn text(name: u8) -> String {
    format!("name/{name}")
}

/// A catalog with what an engine has around it.
struct Run {
    catalog: Catalog,
    disk: SimDisk,
    manifest: Manifest,
    /// The records after the checkpoint.
    log: Vec<Vec<u8>>,
    /// What a commit has taken.
    under_way: Vec<Draft>,
    /// With everything asked for, and with everything committed.
    now: Model,
    durable: Model,
}

impl Run {
    fn new() -> Self {
        Self {
            catalog: Catalog::default(),
            disk: SimDisk::new(),
            manifest: Manifest::new([1; 16]),
            log: Vec::new(),
            under_way: Vec::new(),
            now: Model::default(),
            durable: Model::default(),
        }
    }

    fn next_sequence(&self) -> u64 {
        self.manifest.checkpoint + self.log.len() as u64 + 1
    }

    fn perform(&mut self, op: &Op) {
        let tag = |tag: u8| TagId(u32::from(tag));
        match op {
            Op::Define(name) => drop(self.catalog.define(definition(&text(*name)))),
            Op::Redefine(id, unit) => {
                drop(self.catalog.redefine(tag(*id), [TagChange::Unit(unit.to_string())]));
            }
            Op::Rename(id, name) => drop(self.catalog.rename(tag(*id), path(&text(*name)))),
            Op::Alias(id, name) => drop(self.catalog.alias(tag(*id), &path(&text(*name)))),
            Op::Release(name) => drop(self.catalog.release(&text(*name))),
            Op::Take => return self.take(),
            Op::Commit(most) => return self.commit(*most),
            Op::Seal(back) => return self.seal(*back),
            Op::Crash => return self.crash(),
        }
        self.now.perform(op);
    }

    fn take(&mut self) {
        if self.under_way.is_empty() {
            self.under_way = self.catalog.take_pending();
        }
    }

    fn commit(&mut self, most: usize) {
        self.take();
        let drafts = std::mem::take(&mut self.under_way);
        let written = most.min(drafts.len());
        for draft in &drafts[..written] {
            let mut record = Vec::new();
            encode_entry(&mut record, &draft.entry);
            self.catalog.commit(draft, self.next_sequence()).unwrap();
            self.log.push(record);
        }
        self.catalog.return_pending(&drafts[written..]);
        // What was changed meanwhile is not written, so the records say what is durable.
        self.durable = self.read_back().1;
    }

    fn seal(&mut self, back: u64) {
        let first = self.manifest.checkpoint + 1;
        let Some(last) = (self.next_sequence() - 1).checked_sub(back) else { return };
        if last < first {
            return;
        }
        seal_catalog(&self.disk, &self.catalog, &mut self.manifest, first, last).unwrap();
        self.log.drain(..usize::try_from(last - self.manifest.checkpoint).unwrap());
        self.manifest.checkpoint = last;
        self.catalog.sealed(last);
    }

    fn crash(&mut self) {
        self.under_way.clear();
        let (catalog, model) = self.read_back();
        self.catalog = catalog;
        assert_eq!(model.tags, self.durable.tags);
        assert_eq!(model.names, self.durable.names);
        self.now = self.durable.clone();
    }

    /// The catalog as files and log have it, and what it holds.
    fn read_back(&self) -> (Catalog, Model) {
        let catalog = read_catalogs(&self.disk, &self.manifest).unwrap();
        for (record, sequence) in self.log.iter().zip(self.manifest.checkpoint + 1..) {
            let entry: Entry = decode_entry(&mut Cursor::new(record)).unwrap();
            catalog.enter(&entry, sequence).unwrap();
        }
        let model = held(&catalog);
        (catalog, model)
    }
}

/// What a catalog without pending changes holds.
fn held(catalog: &Catalog) -> Model {
    let tags = catalog.committed(u64::MAX - 1);
    let names = (0..12).map(text).filter_map(|name| {
        let tag = catalog.find_at(&name, u64::MAX - 1)?;
        Some((name, tag.id.0))
    });
    let tags = tags
        .iter()
        .map(|tag| (tag.definition.path.as_str().to_owned(), tag.definition.unit.clone()));
    Model { names: names.collect(), tags: tags.collect() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_program_leaves_the_tags_and_names_that_a_plain_map_holds(
        ops in proptest::collection::vec(ops(), 1..60),
    ) {
        let mut run = Run::new();
        for op in &ops {
            run.perform(op);
            for name in (0..12).map(text) {
                let found = run.catalog.find(&name).map(|tag| tag.id.0);
                prop_assert_eq!(found, run.now.names.get(&name).copied(), "{} after {:?}", name, op);
            }
            prop_assert_eq!(run.catalog.len(), run.now.tags.len());
        }
        run.commit(usize::MAX);
        run.commit(usize::MAX);
        prop_assert_eq!(&held(&run.catalog).tags, &run.now.tags);
        prop_assert_eq!(&held(&run.catalog).names, &run.now.names);
        let before: Vec<_> = (1..=run.now.tags.len()).map(|id| {
            run.catalog.names(TagId(u32::try_from(id).unwrap()))
        }).collect();
        run.crash();
        let after: Vec<_> = (1..=run.now.tags.len()).map(|id| {
            run.catalog.names(TagId(u32::try_from(id).unwrap()))
        }).collect();
        prop_assert_eq!(before, after, "the history of names survives");
    }
}
