//! What one record says of a tag: its definition, since when it exists, the names it had.
//!
//! *Invariant.* An entry stands for itself: the last one of a tag is all there is to know of it,
//! so that earlier ones can be dropped. A sequence that only the commit under way will give is
//! [`UNCOMMITTED`].

use tacitus_model::{Tag, TagDefinition, TagId, TagPath};

use crate::catalog::UNCOMMITTED;
use crate::error::{Error, ErrorKind};
use crate::limits::TAG_NAMES_MAX;

/// A name of a tag, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagName {
    /// The name.
    pub path: TagPath,
    /// The sequence at which the tag got it; the greatest number while no commit has written it.
    pub since: u64,
    /// The sequence at which it was released; `None` while it leads to the tag.
    pub until: Option<u64>,
}

/// A tag as one record leaves it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) tag: Tag,
    /// The sequence of the tag's first record.
    pub(crate) first: u64,
    /// Every name it has or had, its path among them; empty while it never had another.
    pub(crate) names: Vec<TagName>,
}

impl Entry {
    /// A tag that no commit has written yet.
    pub(crate) fn new(id: TagId, definition: TagDefinition) -> Self {
        let tag = Tag { id, definition, sequence: UNCOMMITTED };
        Self { tag, first: UNCOMMITTED, names: Vec::new() }
    }

    pub(crate) fn path(&self) -> &TagPath {
        &self.tag.definition.path
    }

    /// The names that lead to the tag.
    pub(crate) fn held(&self) -> impl Iterator<Item = &TagPath> {
        let only = self.names.is_empty().then_some(self.path());
        let held = self.names.iter().filter(|name| name.until.is_none());
        only.into_iter().chain(held.map(|name| &name.path))
    }

    /// Whether a name leads to the tag.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.held().any(|held| held.as_str() == name)
    }

    /// Whether a name led to the tag at a sequence.
    pub(crate) fn led(&self, path: &str, sequence: u64) -> bool {
        if self.names.is_empty() {
            return self.first <= sequence && self.path().as_str() == path;
        }
        let at = |name: &TagName| {
            name.since <= sequence && name.until.is_none_or(|until| until > sequence)
        };
        self.names.iter().any(|name| name.path.as_str() == path && at(name))
    }

    /// All names, as people are shown them.
    pub(crate) fn history(&self) -> Vec<TagName> {
        if !self.names.is_empty() {
            return self.names.clone();
        }
        vec![TagName { path: self.path().clone(), since: self.first, until: None }]
    }

    /// Adds a name, from the next commit on.
    pub(crate) fn give(&mut self, path: TagPath) -> Result<(), Error> {
        self.names = self.history();
        if self.names.iter().any(|name| name.path == path && name.until.is_none()) {
            return Ok(());
        }
        if self.names.len() >= TAG_NAMES_MAX {
            let Some(oldest) = self.names.iter().position(|name| name.until.is_some()) else {
                let what = format!("tag \"{}\" has {TAG_NAMES_MAX} names", self.path());
                let hint = "release a name that nothing uses any more";
                return Err(Error::new(ErrorKind::Invalid, what, hint));
            };
            self.names.remove(oldest);
        }
        self.names.push(TagName { path, since: UNCOMMITTED, until: None });
        Ok(())
    }

    /// Ends a name with the next commit; the name, if it led to the tag.
    pub(crate) fn release(&mut self, path: &str) -> Option<TagPath> {
        let held = |name: &&mut TagName| name.path.as_str() == path && name.until.is_none();
        let name = self.names.iter_mut().find(held)?;
        name.until = Some(UNCOMMITTED);
        Some(name.path.clone())
    }

    /// This entry as the record with this sequence.
    pub(crate) fn at(&self, sequence: u64) -> Self {
        let settled = |number: u64| if number == UNCOMMITTED { sequence } else { number };
        let mut entry = self.clone();
        entry.tag.sequence = sequence;
        entry.first = settled(entry.first);
        for name in &mut entry.names {
            name.since = settled(name.since);
            name.until = name.until.map(settled);
        }
        entry
    }

    /// Takes over the sequences that an earlier entry of the tag was given meanwhile.
    pub(crate) fn follow(&mut self, earlier: &Self) {
        self.first = earlier.first;
        let mut given = earlier.history();
        given.retain(|own| !self.names.iter().any(|name| own.same(name)) && own.until.is_none());
        for name in &mut self.names {
            if let Some(own) = earlier.names.iter().find(|own| own.same(name)) {
                name.until = name.until.and(own.until).or(name.until);
            } else if let Some(own) = given.iter().find(|own| own.path == name.path)
                && name.since == UNCOMMITTED
            {
                name.since = own.since;
            }
        }
    }
}

impl TagName {
    /// Whether the other is this name of this time.
    fn same(&self, other: &Self) -> bool {
        self.path == other.path && self.since == other.since
    }
}
