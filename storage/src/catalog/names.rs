//! From a name to the tag it leads to.
//!
//! What entries say is in a table of hints over the packed tags; what staged changes give or
//! release stands before it until their commit.
//!
//! *Invariant.* A name leads to at most one tag. A staged name that says the same as the entries
//! is forgotten.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use tacitus_model::{TagId, TagPath};

use crate::catalog::slots::Slots;
use crate::catalog::tags::Tags;

#[derive(Debug, Default)]
pub(super) struct Names {
    slots: Slots,
    hasher: RandomState,
    /// `None`: released.
    staged: HashMap<TagPath, Option<TagId>>,
}

impl Names {
    pub(super) fn find(&self, tags: &Tags, name: &str) -> Option<TagId> {
        if !self.staged.is_empty()
            && let Some(staged) = self.staged.get(name)
        {
            return *staged;
        }
        self.find_entered(tags, name)
    }

    /// The tag whose entry holds a name, and of which it is so; what is staged has no say.
    pub(super) fn find_committed(
        &self,
        tags: &Tags,
        name: &str,
        so: impl Fn(TagId) -> bool,
    ) -> Option<TagId> {
        let hash = self.hasher.hash_one(name);
        let own = |id: u32| tags.holds(TagId(id), name) && so(TagId(id));
        self.slots.find(hash, own).map(TagId)
    }

    /// The tag whose entry holds a name.
    fn find_entered(&self, tags: &Tags, name: &str) -> Option<TagId> {
        let hash = self.hasher.hash_one(name);
        self.slots.find(hash, |id| tags.holds(TagId(id), name)).map(TagId)
    }

    /// Makes room for so many names at once, before the first.
    pub(super) fn reserve(&mut self, count: usize) {
        self.slots.reserve(count);
    }

    /// Lets a name be looked for at a tag, whose entry holds it.
    pub(super) fn enter(&mut self, tags: &Tags, name: &str, id: TagId) {
        let hasher = &self.hasher;
        self.slots.insert(hasher.hash_one(name), id.0, |id, tell| {
            tags.held(TagId(id), &mut |name| tell(hasher.hash_one(name)));
        });
    }

    /// Lets a name lead to a tag, or nowhere, before its entry says so.
    pub(super) fn stage(&mut self, name: &TagPath, tag: Option<TagId>) {
        self.staged.insert(name.clone(), tag);
    }

    /// Whether a change of this name waits for its commit.
    pub(super) fn is_staged(&self, name: &TagPath) -> bool {
        self.staged.contains_key(name)
    }

    /// Forgets what was staged for a name if the entries say the same.
    pub(super) fn settle(&mut self, tags: &Tags, name: &TagPath) {
        if let Some(staged) = self.staged.get(name)
            && *staged == self.find_entered(tags, name.as_str())
        {
            self.staged.remove(name);
        }
    }
}
