//! A table by tag id that grows without moving what is in it.
//!
//! ```text
//! root 64 ──▶ branch 256 ──▶ leaf 256 entries        64 · 256 · 256 = TAGS_MAX
//! ```
//!
//! *Invariant.* An entry, once reached, stays where it is for the life of the table, so readers
//! need no lock and writers never wait for them.

use std::sync::OnceLock;

use tacitus_model::TagId;

use crate::limits::TAGS_MAX;

const LEAF: usize = 256;
const BRANCH: usize = 256;
const ROOT: usize = TAGS_MAX / (LEAF * BRANCH);

type Lazy<T> = Box<[OnceLock<T>]>;

/// Entries by tag id, made when first reached for writing.
#[derive(Debug)]
pub(crate) struct Table<T> {
    root: Lazy<Lazy<Box<[T]>>>,
}

impl<T: Default> Table<T> {
    pub(crate) fn new() -> Self {
        Self { root: lazies(ROOT) }
    }

    /// The entry of a tag, if its leaf exists.
    pub(crate) fn get(&self, tag: TagId) -> Option<&T> {
        let (root, branch, leaf) = split(tag);
        self.root.get(root)?.get()?.get(branch)?.get()?.get(leaf)
    }

    /// The entry of a tag; `None` only for an id of [`TAGS_MAX`] or more.
    pub(crate) fn reach(&self, tag: TagId) -> Option<&T> {
        let (root, branch, leaf) = split(tag);
        let branches = self.root.get(root)?.get_or_init(|| lazies(BRANCH));
        let entries = branches
            .get(branch)?
            .get_or_init(|| std::iter::repeat_with(T::default).take(LEAF).collect());
        entries.get(leaf)
    }

    /// Every entry of every leaf that exists, by rising id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TagId, &T)> {
        self.root.iter().enumerate().flat_map(|(root, branches)| {
            let branches = branches.get().map(|branches| &**branches).unwrap_or_default();
            branches.iter().enumerate().flat_map(move |(branch, entries)| {
                let entries = entries.get().map(|entries| &**entries).unwrap_or_default();
                entries.iter().enumerate().map(move |(leaf, entry)| {
                    let id = (root * BRANCH + branch) * LEAF + leaf;
                    (TagId(u32::try_from(id).unwrap_or(u32::MAX)), entry)
                })
            })
        })
    }
}

fn lazies<T>(count: usize) -> Lazy<T> {
    std::iter::repeat_with(OnceLock::new).take(count).collect()
}

fn split(tag: TagId) -> (usize, usize, usize) {
    let id = tag.0 as usize;
    (id / (LEAF * BRANCH), id / LEAF % BRANCH, id % LEAF)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn entries_are_found_again_and_listed_by_rising_id() {
        let table: Table<AtomicU32> = Table::new();
        let ids = [1, 255, 256, 70_000, u32::try_from(TAGS_MAX).unwrap() - 1];
        for id in ids {
            table.reach(TagId(id)).unwrap().store(id, Ordering::Relaxed);
        }
        assert!(table.get(TagId(400_000)).is_none());
        assert!(table.reach(TagId(u32::try_from(TAGS_MAX).unwrap())).is_none());
        let stored = table.iter().filter(|(_, entry)| entry.load(Ordering::Relaxed) != 0);
        let found: Vec<u32> = stored.map(|(id, _)| id.0).collect();
        assert_eq!(found, ids);
    }
}
