//! Which tags there must be, and what every name must lead to.
//!
//! *Invariant.* `committed` is what a commit wrote; `versions` is what was asked for since, step by
//! step: a crash leaves one of them for each tag and each name.

use std::collections::BTreeMap;

use tacitus_model::{Kind, TagId};

use crate::catalog::TagQuery;
use crate::simulation::book::Class;
use crate::snapshot::Snapshot;

/// What is known of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) path: String,
    pub(super) unit: String,
    pub(super) kind: Kind,
    pub(super) class: Class,
}

/// Tags and names at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// By id − 1.
    pub(super) tags: Vec<Known>,
    pub(super) names: BTreeMap<String, u32>,
}

/// Tags and names, committed and asked for.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) committed: Version,
    versions: Vec<Version>,
    /// Whether a commit may have written a part of what was asked for.
    pub(super) open: bool,
}

impl Names {
    /// With everything that was asked for.
    pub(super) fn now(&self) -> &Version {
        self.versions.last().unwrap_or(&self.committed)
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Version)) {
        let mut next = self.now().clone();
        change(&mut next);
        if next != *self.now() {
            self.versions.push(next);
        }
    }

    /// A commit wrote everything.
    pub(super) fn commit(&mut self) {
        self.committed = self.now().clone();
        self.versions.clear();
        self.open = false;
    }

    /// Compares a store that was opened anew, and takes what it has for committed.
    pub(super) fn settle(&mut self, snapshot: &Snapshot) -> Result<(), String> {
        let found = found(snapshot)?;
        if found.tags.len() < self.committed.tags.len() {
            return Err(format!("{} of {} tags", found.tags.len(), self.committed.tags.len()));
        }
        let all: Vec<&Version> = std::iter::once(&self.committed).chain(&self.versions).collect();
        for (at, tag) in found.tags.iter().enumerate() {
            if all.iter().all(|version| version.tags.get(at) != Some(tag)) {
                return Err(format!("tag {} is {tag:?}, which it never was", at + 1));
            }
        }
        for name in pool() {
            let own = found.names.get(&name);
            if all.iter().all(|version| version.names.get(&name) != own) {
                return Err(format!("\"{name}\" leads to {own:?}, where it never led"));
            }
        }
        self.committed = found;
        self.versions.clear();
        self.open = false;
        Ok(())
    }

    /// Compares a store whose commits all have a known fate.
    pub(super) fn check(&self, snapshot: &Snapshot) -> Result<(), String> {
        if self.open {
            return Ok(());
        }
        let found = found(snapshot)?;
        if found != self.committed {
            return Err(format!("tags and names are {found:?}, not {:?}", self.committed));
        }
        let tags = || (1_u32..).zip(&self.committed.tags);
        let wanted = |of: &dyn Fn(&Known) -> bool| -> Vec<TagId> {
            tags().filter(|(_, tag)| of(tag)).map(|(id, _)| TagId(id)).collect()
        };
        let unit = tags().next().map_or(String::new(), |(_, tag)| tag.unit.clone());
        let queries: [(TagQuery, Vec<TagId>); 4] = [
            (TagQuery::All, wanted(&|_| true)),
            (TagQuery::Prefix("a/".into()), wanted(&|tag| tag.path.starts_with("a/"))),
            (TagQuery::Unit(unit.clone()), wanted(&|tag| tag.unit == unit)),
            (TagQuery::Retention("short".into()), wanted(&|tag| tag.class == Class::Short)),
        ];
        for (query, wanted) in queries {
            let found = snapshot.select_ids(&query).map_err(|error| error.to_string())?;
            if found != wanted {
                return Err(format!("{query:?} finds {found:?}, not {wanted:?}"));
            }
        }
        Ok(())
    }
}

/// Every name that any tag is given.
pub(super) fn pool() -> impl Iterator<Item = String> {
    ["a", "b"].into_iter().flat_map(|level| (0..8).map(move |n| format!("{level}/{n}")))
}

/// What a store has.
fn found(snapshot: &Snapshot) -> Result<Version, String> {
    let mut version = Version::default();
    for (at, tag) in snapshot.tags().iter().enumerate() {
        if usize::try_from(tag.id.0).unwrap() != at + 1 {
            return Err(format!("tag {} stands where {} should", tag.id.0, at + 1));
        }
        let definition = &tag.definition;
        let class = Class::ALL.into_iter().find(|class| class.name() == definition.retention);
        version.tags.push(Known {
            path: definition.path.as_str().to_owned(),
            unit: definition.unit.clone(),
            kind: definition.kind,
            class: class.ok_or("a class that nobody gave")?,
        });
    }
    for name in pool() {
        if let Some(tag) = snapshot.find(&name) {
            version.names.insert(name, tag.id.0);
        }
    }
    Ok(version)
}
