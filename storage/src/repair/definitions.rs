//! The definitions of tags that are left, and stand-ins for those that are not.
//!
//! *Invariant.* Ids stay what they were: samples refer to them. A stand-in has the kind that its
//! samples have and a path under `lost/` that says its id.

use std::collections::BTreeMap;

use tacitus_model::{Kind, TagDefinition, TagId, TagPath, Value};

use crate::catalog::{Entry, read_catalog, write_catalog};
use crate::disk::Disk;
use crate::error::Error;
use crate::log::StoreId;
use crate::manifest::FileRecord;

/// What is known of the tags.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    tags: BTreeMap<TagId, Entry>,
    /// Kinds that samples speak for, and how many states they have.
    kinds: BTreeMap<TagId, (Kind, u32)>,
    /// Some definition cannot be read.
    pub(crate) lost: bool,
}

impl Definitions {
    pub(crate) fn read(
        &mut self,
        disk: &dyn Disk,
        store: &StoreId,
        file: &FileRecord,
    ) -> Result<(), Error> {
        let tags = read_catalog(disk, store, file.number)?;
        tags.into_iter().for_each(|tag| self.enter(tag));
        Ok(())
    }

    pub(crate) fn enter(&mut self, entry: Entry) {
        self.tags.insert(entry.tag.id, entry);
    }

    /// Notes that a tag has samples of a kind.
    pub(crate) fn note(&mut self, tag: TagId, kind: Kind) {
        self.kinds.entry(tag).or_insert((kind, 1));
    }

    pub(crate) fn note_value(&mut self, tag: TagId, value: &Value) {
        let Some(kind) = value.kind() else { return };
        let states = if let Value::State(index) = value { index.saturating_add(1) } else { 1 };
        let known = self.kinds.entry(tag).or_insert((kind, states));
        known.1 = known.1.max(states);
    }

    pub(crate) fn get(&self, tag: TagId) -> Option<&TagDefinition> {
        self.tags.get(&tag).map(|entry| &entry.tag.definition)
    }

    /// Makes a stand-in for every id up to the highest that is not defined.
    pub(crate) fn stand_in(&mut self, sequence: u64) {
        let highest = self.tags.keys().chain(self.kinds.keys()).max().map_or(0, |tag| tag.0);
        for id in (1..=highest).map(TagId) {
            if self.tags.contains_key(&id) {
                continue;
            }
            let (kind, states) = self.kinds.get(&id).copied().unwrap_or((Kind::Float, 1));
            let Ok(path) = TagPath::new(&format!("lost/tag-{}", id.0)) else { continue };
            let mut definition = TagDefinition::new(path, kind, "repair");
            if kind == Kind::State {
                let states = states.min(u32::try_from(tacitus_model::STATES_MAX).unwrap_or(1));
                definition.states = (0..states).map(|n| format!("state {n}")).collect();
            }
            self.tags.insert(id, Entry::new(id, definition).at(sequence));
        }
    }

    /// Publishes all of them; `None` where there are none.
    pub(crate) fn write(
        &self,
        disk: &dyn Disk,
        store: &StoreId,
        number: u64,
        last_sequence: u64,
    ) -> Result<Option<FileRecord>, Error> {
        let Some(first_sequence) = self.tags.values().map(|entry| entry.tag.sequence).min() else {
            return Ok(None);
        };
        let bytes = write_catalog(disk, store, number, self.tags.values())?;
        Ok(Some(FileRecord { number, bytes, first_sequence, last_sequence }))
    }
}
