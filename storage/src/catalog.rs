//! What tags there are: names to id, id to definition.
//!
//! A tag is usable the moment it is defined; the next commit writes its definition, in the same
//! frame as, and before, the first sample that can refer to it. A change of a tag is staged, and
//! takes effect when the next commit has written it; only the names it gives or releases count
//! at once, so that nobody else takes them meanwhile.
//!
//! ```text
//! define ─▶ tag, pending ┐            ┌─▶ committed, unsealed ─▶ catalog file ─▶ sealed
//! change ─▶ staged, pending ─▶ commit ┘
//! ```
//!
//! *Invariant.* Ids are handed out in order and never reused, and committed in that order. A name
//! leads to one tag: the path of a tag, its aliases and its former paths stay with it until they
//! are released, so that every path ever used resolves. A tag whose first record is not on disk
//! has the sequence [`UNCOMMITTED`], which no snapshot sees.

mod arena;
mod check;
mod entry;
mod file;
mod names;
mod paths;
mod pattern;
mod query;
mod record;
mod slots;
mod tags;
mod terms;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use roaring::RoaringBitmap;
use tacitus_model::{Batch, Kind, Tag, TagChange, TagDefinition, TagId, TagPath};

use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind};
use crate::limits::{INDEX_STEP_PATHS, TAGS_MAX};
use names::Names;
use paths::{Merge, PathView, Paths};
use record::{RawEntry, decode_raw};
use tags::Tags;
use terms::Field;

pub(crate) use entry::Entry;
pub use entry::TagName;
pub(crate) use file::{read_catalog, read_catalogs, seal_catalog, write_catalog};
pub use pattern::Glob;
pub use query::TagQuery;
pub(crate) use record::{decode_entry, encode_entry};
pub use tags::TagFit;

/// The sequence of an entry that no commit has written yet.
pub(crate) const UNCOMMITTED: u64 = u64::MAX;

/// The tags of a store.
#[derive(Debug, Default)]
pub struct Catalog {
    inner: RwLock<Inner>,
    /// Levels of the index of paths that are becoming one.
    merge: Mutex<Option<Merge>>,
    releases: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    /// As committed, or as defined and not committed yet.
    tags: Tags,
    names: Names,
    paths: Paths,
    /// Changes that no commit has written yet.
    staged: HashMap<TagId, Staged>,
    /// What the next commit has to write, in order.
    pending: Vec<Pending>,
    /// What was committed since the last seal, by rising sequence.
    unsealed: Vec<Unsealed>,
}

/// A record that no catalog file has.
#[derive(Debug)]
struct Unsealed {
    sequence: u64,
    id: TagId,
    /// The entry's bytes, where the tag has a later one.
    past: Option<Box<[u8]>>,
}

/// A tag as the changes so far leave it.
#[derive(Debug)]
struct Staged {
    entry: Arc<Entry>,
    /// Waits for a commit to take it; else one is writing it.
    waits: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    New(TagId),
    Changed(TagId),
}

/// An entry on its way to the log.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) entry: Arc<Entry>,
    pending: Pending,
}

impl Catalog {
    /// The tag that this name leads to: its path, an alias, or a path it had.
    pub fn find(&self, path: &str) -> Option<Arc<Tag>> {
        let inner = self.read();
        inner.tag(inner.find(path)?)
    }

    /// The tag with this id.
    pub fn get(&self, id: TagId) -> Option<Arc<Tag>> {
        self.read().tag(id)
    }

    /// What a sample has to fit that comes under this name; makes nothing but the answer.
    pub fn fit(&self, path: &str) -> Option<TagFit> {
        let inner = self.read();
        inner.tags.fit(inner.find(path)?)
    }

    /// What a sample of this tag has to fit.
    pub fn fit_of(&self, id: TagId) -> Option<TagFit> {
        self.read().tags.fit(id)
    }

    /// How often a name was released. While that is the same, a name that led to a tag leads to it.
    pub fn releases(&self) -> u64 {
        self.releases.load(Ordering::Acquire)
    }

    /// Every name that a tag has or had, in the order it got them; changes that no commit has
    /// written are included.
    pub fn names(&self, id: TagId) -> Vec<TagName> {
        self.read().latest(id).map(|entry| entry.history()).unwrap_or_default()
    }

    /// How many tags there are.
    pub fn len(&self) -> usize {
        self.read().tags.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tag that the definition's path leads to, or a new one that the next commit writes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a definition that cannot be kept, [`ErrorKind::Busy`] when the
    /// store has as many tags as it can hold.
    pub fn define(&self, mut definition: TagDefinition) -> Result<Arc<Tag>, Error> {
        check::tidy(&mut definition);
        check::check(&definition)?;
        let mut inner = self.write();
        let found = inner.find(definition.path.as_str());
        if let Some(tag) = found.and_then(|id| inner.tag(id)) {
            return Ok(tag);
        }
        // Id 0 is never used, so one fewer than the tables hold.
        if inner.tags.len() + 1 >= TAGS_MAX {
            let hint = "remove tags, or spread the plant over several stores";
            return Err(Error::new(
                ErrorKind::Busy,
                "the store has all the tags it can hold",
                hint,
            ));
        }
        let id = TagId(u32::try_from(inner.tags.len() + 1).unwrap_or(u32::MAX));
        let entry = Entry::new(id, definition);
        inner.put(&entry, UNCOMMITTED)?;
        let path = entry.path();
        if inner.names.is_staged(path) {
            inner.names.stage(path, Some(id));
        }
        inner.pending.push(Pending::New(id));
        Ok(Arc::new(entry.tag))
    }

    /// Changes a tag's definition, from the next commit on. Returns the tag as it will be.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a tag that does not exist, or a definition that cannot be kept.
    pub fn redefine(
        &self,
        id: TagId,
        changes: impl IntoIterator<Item = TagChange>,
    ) -> Result<Arc<Tag>, Error> {
        let mut inner = self.write();
        let mut entry = inner.draft(id)?;
        let definition = &mut entry.tag.definition;
        changes.into_iter().for_each(|change| definition.change(change));
        check::tidy(definition);
        check::check(definition)?;
        Ok(inner.stage(entry))
    }

    /// Gives a tag another path, from the next commit on. The former path leads to it as before.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a tag that does not exist, or a path that leads to another tag
    /// or once did and was not released.
    pub fn rename(&self, id: TagId, path: TagPath) -> Result<Arc<Tag>, Error> {
        let mut inner = self.write();
        let mut entry = inner.name(id, &path)?;
        entry.tag.definition.path = path;
        Ok(inner.stage(entry))
    }

    /// Lets another name lead to a tag.
    ///
    /// # Errors
    /// As [`Catalog::rename`].
    pub fn alias(&self, id: TagId, path: &TagPath) -> Result<Arc<Tag>, Error> {
        let mut inner = self.write();
        let entry = inner.name(id, path)?;
        Ok(inner.stage(entry))
    }

    /// Lets a name lead nowhere, so that it may be given to another tag. The history of its tag
    /// goes on naming it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where the name leads to no tag, or is the path of one.
    pub fn release(&self, path: &str) -> Result<(), Error> {
        let mut inner = self.write();
        let Some(id) = inner.find(path) else {
            let what = format!("\"{path}\" leads to no tag");
            return Err(Error::new(ErrorKind::Invalid, what, "look the name up first"));
        };
        let mut entry = inner.draft(id)?;
        if entry.path().as_str() == path {
            let what = format!("\"{path}\" is the path of a tag");
            let hint = "rename the tag first; then its former path can be released";
            return Err(Error::new(ErrorKind::Invalid, what, hint));
        }
        if let Some(released) = entry.release(path) {
            inner.names.stage(&released, None);
            self.releases.fetch_add(1, Ordering::Release);
        }
        inner.stage(entry);
        Ok(())
    }

    /// Takes what the next commit has to write.
    pub(crate) fn take_pending(&self) -> Vec<Draft> {
        if self.read().pending.is_empty() {
            return Vec::new();
        }
        let mut inner = self.write();
        let pending = std::mem::take(&mut inner.pending);
        pending.into_iter().filter_map(|pending| inner.take(pending)).collect()
    }

    /// Gives back what a refused commit did not write.
    pub(crate) fn return_pending(&self, drafts: &[Draft]) {
        let mut inner = self.write();
        let later = std::mem::take(&mut inner.pending);
        for draft in drafts {
            if let Pending::Changed(id) = draft.pending {
                let Some(staged) = inner.staged.get_mut(&id) else { continue };
                // A later change stands for this one too.
                if std::mem::replace(&mut staged.waits, true) {
                    continue;
                }
            }
            inner.pending.push(draft.pending);
        }
        inner.pending.extend(later);
    }

    /// Refuses a batch with a tag that does not exist or a value that is not of its tag's kind.
    pub(crate) fn check_batch(&self, batch: &Batch) -> Result<(), Error> {
        let inner = self.read();
        for (id, _, value, _) in batch.iter() {
            let kind = inner.tags.kind(id);
            if kind.is_none() || value.kind().is_some_and(|own| kind != Some(own)) {
                let what = format!("a sample of tag {} does not fit the tag", id.0);
                let hint = "define the tag first and give its values in its kind";
                return Err(Error::new(ErrorKind::Invalid, what, hint));
            }
        }
        Ok(())
    }

    /// Notes that a draft of our own is on disk.
    pub(crate) fn commit(&self, draft: &Draft, sequence: u64) -> Result<(), Error> {
        let mut inner = self.write();
        let id = match draft.pending {
            Pending::New(id) => {
                inner.tags.commit(id, sequence);
                id
            }
            Pending::Changed(id) => {
                inner.replace(&draft.entry, sequence)?;
                if inner.staged.get(&id).is_some_and(|staged| !staged.waits) {
                    inner.staged.remove(&id);
                }
                let Inner { names, tags, .. } = &mut *inner;
                draft.entry.names.iter().for_each(|name| names.settle(tags, &name.path));
                id
            }
        };
        inner.unsealed.push(Unsealed { sequence, id, past: None });
        Ok(())
    }

    /// Enters an entry that the log has.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] where the id does not follow the ones before it.
    pub(crate) fn enter(&self, entry: &Entry, sequence: u64) -> Result<(), Error> {
        let mut inner = self.write();
        inner.replace(entry, sequence)?;
        inner.unsealed.push(Unsealed { sequence, id: entry.tag.id, past: None });
        Ok(())
    }

    /// Makes room for so many tags at once, before the first.
    pub(crate) fn reserve(&self, count: usize) {
        self.write().names.reserve(count.min(TAGS_MAX));
    }

    /// Enters an entry that a catalog file has.
    ///
    /// # Errors
    /// As [`Catalog::enter`].
    pub(crate) fn load(&self, raw: RawEntry<'_>, sequence: u64) -> Result<(), Error> {
        self.write().load(raw, sequence)
    }

    /// The last entry of each tag among those committed in `first..=last`, by rising id: id,
    /// sequence, bytes.
    pub(crate) fn unsealed(&self, first: u64, last: u64) -> Vec<(TagId, u64, Vec<u8>)> {
        let inner = self.read();
        let within = |record: &&Unsealed| (first..=last).contains(&record.sequence);
        let mut records: Vec<&Unsealed> = inner.unsealed.iter().filter(within).collect();
        records.sort_by_key(|record| record.id);
        let lasting = records.chunk_by(|a, b| a.id == b.id).filter_map(<[_]>::last);
        let bytes = |record: &Unsealed| match &record.past {
            Some(past) => Some(past.to_vec()),
            None => inner.tags.entry(record.id).map(|entry| file::bytes_of(&entry)),
        };
        lasting.filter_map(|record| Some((record.id, record.sequence, bytes(record)?))).collect()
    }

    /// Forgets what is in a durable catalog file, up to a sequence.
    pub(crate) fn sealed(&self, last: u64) {
        let mut inner = self.write();
        let sealed = inner.unsealed.partition_point(|record| record.sequence <= last);
        inner.unsealed.drain(..sealed);
        inner.unsealed.shrink_to_fit();
    }

    /// Does one piece of background work, some ten milliseconds of it, mostly without a lock: sorts
    /// fresh paths into the index, merges its levels, gives back the room of replaced entries.
    /// Whether there was any.
    ///
    /// # Errors
    /// None that can be told beforehand.
    pub(crate) fn step(&self) -> Result<bool, Error> {
        let mut merge = self.lock_merge();
        if let Some(mut under_way) = merge.take() {
            if under_way.go_on()? {
                let (from, level) = under_way.finish()?;
                self.write().paths.merged(&from, level);
            } else {
                *merge = Some(under_way);
            }
            return Ok(true);
        }
        let ripe = {
            let inner = self.read();
            let ids = inner.paths.ripe(INDEX_STEP_PATHS);
            ids.map(|ids| (ids.len(), paths::collect(&inner.tags, &ids)))
        };
        if let Some((count, paths)) = ripe {
            let level = paths::build(paths)?;
            self.write().paths.ripened(level, count);
            return Ok(true);
        }
        *merge = self.read().paths.to_merge().map(Merge::new);
        Ok(merge.is_some() || self.write().tags.tidy())
    }

    /// The tags that exist at a sequence, by rising id.
    pub(crate) fn committed(&self, sequence: u64) -> Vec<Arc<Tag>> {
        self.tags_with(&Tags::all(self.exist(sequence)))
    }

    /// The tags with these ids.
    pub(crate) fn tags_with(&self, ids: &RoaringBitmap) -> Vec<Arc<Tag>> {
        const PIECE: usize = 256;
        let ids: Vec<u32> = ids.iter().collect();
        let mut tags = Vec::with_capacity(ids.len());
        for piece in ids.chunks(PIECE) {
            let inner = self.read();
            tags.extend(piece.iter().filter_map(|id| inner.tag(TagId(*id))));
        }
        tags
    }

    /// How many tags exist at a sequence; they are the first ones.
    fn exist(&self, sequence: u64) -> u32 {
        self.read().tags.exist(sequence)
    }

    /// The tag with this id, if it exists at a sequence.
    pub(crate) fn get_at(&self, id: TagId, sequence: u64) -> Option<Arc<Tag>> {
        let inner = self.read();
        inner.tags.first(id).filter(|first| *first <= sequence)?;
        inner.tag(id)
    }

    /// The tag that a name leads to at a sequence.
    pub(crate) fn find_at(&self, path: &str, sequence: u64) -> Option<Arc<Tag>> {
        let inner = self.read();
        let led = |id| inner.tags.entry(id).is_some_and(|entry| entry.led(path, sequence));
        inner.tag(inner.names.find_committed(&inner.tags, path, led)?)
    }

    /// The kind of the tag with this id, if it exists at a sequence.
    pub(crate) fn kind_at(&self, id: TagId, sequence: u64) -> Option<Kind> {
        let inner = self.read();
        inner.tags.first(id).filter(|first| *first <= sequence)?;
        inner.tags.kind(id)
    }

    fn find_id(&self, name: &str) -> Option<TagId> {
        self.read().find(name)
    }

    fn tags_of(&self, field: Field, key: &str, value: &str) -> RoaringBitmap {
        self.read().tags.terms.tags(field, key, value)
    }

    fn paths(&self) -> PathView {
        self.read().paths.view()
    }

    fn lock_merge(&self) -> MutexGuard<'_, Option<Merge>> {
        self.merge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn find(&self, name: &str) -> Option<TagId> {
        self.names.find(&self.tags, name)
    }

    fn tag(&self, id: TagId) -> Option<Arc<Tag>> {
        self.tags.entry(id).map(|entry| Arc::new(entry.tag))
    }

    /// The entry of a tag with all changes so far.
    fn latest(&self, id: TagId) -> Option<Entry> {
        let staged = self.staged.get(&id).map(|staged| (*staged.entry).clone());
        staged.or_else(|| self.tags.entry(id))
    }

    /// A copy to change.
    fn draft(&self, id: TagId) -> Result<Entry, Error> {
        let Some(mut entry) = self.latest(id) else {
            let what = format!("there is no tag {}", id.0);
            return Err(Error::new(ErrorKind::Invalid, what, "look the tag up by its path"));
        };
        entry.tag.sequence = UNCOMMITTED;
        Ok(entry)
    }

    /// A copy of a tag with one more name, which leads to it from now on.
    fn name(&mut self, id: TagId, path: &TagPath) -> Result<Entry, Error> {
        let mut entry = self.draft(id)?;
        if let Some(other) = self.find(path.as_str()).filter(|other| *other != id) {
            let what = match self.latest(other) {
                Some(other) if other.path() == path => format!("\"{path}\" is another tag"),
                Some(other) => format!("\"{path}\" leads to tag \"{}\"", other.path()),
                None => format!("\"{path}\" leads to another tag"),
            };
            let hint = "choose another name, or release this one if nothing uses it any more";
            return Err(Error::new(ErrorKind::Invalid, what, hint));
        }
        entry.give(path.clone())?;
        self.names.stage(path, Some(id));
        Ok(entry)
    }

    /// Leaves a changed tag to the next commit.
    fn stage(&mut self, entry: Entry) -> Arc<Tag> {
        let id = entry.tag.id;
        let tag = Arc::new(entry.tag.clone());
        let staged = Staged { entry: Arc::new(entry), waits: true };
        if self.staged.insert(id, staged).is_none_or(|before| !before.waits) {
            self.pending.push(Pending::Changed(id));
        }
        tag
    }

    fn take(&mut self, pending: Pending) -> Option<Draft> {
        let entry = match pending {
            Pending::New(id) => Arc::new(self.tags.entry(id)?),
            Pending::Changed(id) => {
                let staged = self.staged.get_mut(&id)?;
                staged.waits = false;
                Arc::clone(&staged.entry)
            }
        };
        Some(Draft { entry, pending })
    }

    /// Makes an entry that is on disk the tag's entry.
    fn replace(&mut self, entry: &Entry, sequence: u64) -> Result<(), Error> {
        let mut entry = entry.clone();
        if let Some(earlier) = self.tags.entry(entry.tag.id)
            && earlier.first != UNCOMMITTED
        {
            entry.follow(&earlier);
            let unsealed = &mut self.unsealed;
            if let Ok(at) =
                unsealed.binary_search_by_key(&earlier.tag.sequence, |record| record.sequence)
                && let Some(record) = unsealed.get_mut(at)
            {
                record.past = Some(file::bytes_of(&earlier).into_boxed_slice());
            }
        }
        self.put(&entry.at(sequence), sequence)
    }

    /// Enters an entry of a catalog file; of most tags it is the only one.
    fn load(&mut self, raw: RawEntry<'_>, sequence: u64) -> Result<(), Error> {
        if self.tags.first(raw.id).is_none() {
            return self.put_raw(&raw, sequence);
        }
        let damaged = || Error::corrupt("catalog", "an entry makes no sense");
        self.replace(&raw.into_entry().ok_or_else(damaged)?, sequence)
    }

    fn put(&mut self, entry: &Entry, sequence: u64) -> Result<(), Error> {
        let bytes = file::bytes_of(entry);
        let damaged = || Error::corrupt("catalog", "an entry makes no sense");
        let raw = decode_raw(&mut Cursor::new(&bytes)).ok_or_else(damaged)?;
        self.put_raw(&raw, sequence)
    }

    /// Makes an entry the tag's entry: in the packed tags, in the table of names, in the index.
    fn put_raw(&mut self, raw: &RawEntry<'_>, sequence: u64) -> Result<(), Error> {
        let id = raw.id;
        let is_new = self.tags.first(id).is_none();
        let has_moved = !is_new && self.tags.path(id) != Some(raw.path);
        self.tags.put(raw, sequence)?;
        if is_new {
            self.paths.add(id);
        } else if has_moved {
            self.paths.replace(id);
        }
        self.names.enter(&self.tags, raw.path, id);
        for name in raw.names.iter().filter(|name| name.until.is_none()) {
            self.names.enter(&self.tags, name.path.as_str(), id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
