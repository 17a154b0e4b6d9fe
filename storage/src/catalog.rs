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

mod check;
mod entry;
mod file;
mod record;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tacitus_model::{Batch, Kind, Tag, TagChange, TagDefinition, TagId, TagPath};

use crate::error::{Error, ErrorKind};
use crate::limits::TAGS_MAX;

pub(crate) use entry::Entry;
pub use entry::TagName;
pub(crate) use file::{read_catalog, seal_catalog, write_catalog};
pub(crate) use record::{decode_entry, encode_entry};

/// The sequence of an entry that no commit has written yet.
pub(crate) const UNCOMMITTED: u64 = u64::MAX;

/// The tags of a store.
#[derive(Debug, Default)]
pub struct Catalog {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_name: HashMap<TagPath, TagId>,
    /// By id − 1: as committed, or as defined and not committed yet.
    entries: Vec<Arc<Entry>>,
    /// Changes that no commit has written yet.
    staged: HashMap<TagId, Staged>,
    /// What the next commit has to write, in order.
    pending: Vec<Pending>,
    /// What was committed since the last seal, by rising sequence.
    unsealed: Vec<Arc<Entry>>,
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
        let id = *inner.by_name.get(path)?;
        inner.tag(id)
    }

    /// The tag with this id.
    pub fn get(&self, id: TagId) -> Option<Arc<Tag>> {
        self.read().tag(id)
    }

    /// Every name that a tag has or had, in the order it got them; changes that no commit has
    /// written are included.
    pub fn names(&self, id: TagId) -> Vec<TagName> {
        self.read().latest(id).map(|entry| entry.history()).unwrap_or_default()
    }

    /// How many tags there are.
    pub fn len(&self) -> usize {
        self.read().entries.len()
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
        if let Some(tag) = inner.by_name.get(&definition.path).and_then(|id| inner.tag(*id)) {
            return Ok(tag);
        }
        // Id 0 is never used, so one fewer than the tables hold.
        if inner.entries.len() + 1 >= TAGS_MAX {
            let hint = "remove tags, or spread the plant over several stores";
            return Err(Error::new(
                ErrorKind::Busy,
                "the store has all the tags it can hold",
                hint,
            ));
        }
        let id = TagId(u32::try_from(inner.entries.len() + 1).unwrap_or(u32::MAX));
        let entry = Arc::new(Entry::new(id, definition));
        inner.by_name.insert(entry.path().clone(), id);
        inner.pending.push(Pending::New(id));
        let tag = Arc::new(entry.tag.clone());
        inner.entries.push(entry);
        Ok(tag)
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
        let Some(id) = inner.by_name.get(path).copied() else {
            let what = format!("\"{path}\" leads to no tag");
            return Err(Error::new(ErrorKind::Invalid, what, "look the name up first"));
        };
        let mut entry = inner.draft(id)?;
        if entry.path().as_str() == path {
            let what = format!("\"{path}\" is the path of a tag");
            let hint = "rename the tag first; then its former path can be released";
            return Err(Error::new(ErrorKind::Invalid, what, hint));
        }
        entry.release(path);
        inner.by_name.remove(path);
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
            let kind = inner.entry(id).map(|entry| entry.tag.definition.kind);
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
        let entry = inner.put((*draft.entry).clone(), sequence)?;
        let id = entry.tag.id;
        let changed_since = inner.staged.get(&id).is_some_and(|staged| staged.waits);
        if draft.pending == Pending::Changed(id) && !changed_since {
            inner.staged.remove(&id);
        }
        inner.unsealed.push(entry);
        Ok(())
    }

    /// Enters an entry that the log has.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] where the id does not follow the ones before it.
    pub(crate) fn enter(&self, entry: Entry, sequence: u64) -> Result<(), Error> {
        let mut inner = self.write();
        let entry = inner.replace(entry, sequence)?;
        inner.unsealed.push(entry);
        Ok(())
    }

    /// Enters an entry that a catalog file has.
    ///
    /// # Errors
    /// As [`Catalog::enter`].
    pub(crate) fn load(&self, entry: Entry) -> Result<(), Error> {
        let sequence = entry.tag.sequence;
        self.write().replace(entry, sequence).map(drop)
    }

    /// The last entry of each tag among those committed in `first..=last`, by rising id: id,
    /// sequence, bytes. What has an earlier sequence is taken to be sealed.
    pub(crate) fn unsealed(&self, first: u64, last: u64) -> Vec<(TagId, u64, Vec<u8>)> {
        let mut inner = self.write();
        let sealed = inner.unsealed.partition_point(|entry| entry.tag.sequence < first);
        inner.unsealed.drain(..sealed);
        let within = inner.unsealed.iter().take_while(|entry| entry.tag.sequence <= last);
        let mut entries: Vec<_> = within.cloned().collect();
        drop(inner);
        entries.sort_by_key(|entry| entry.tag.id);
        let later = entries.iter().skip(1).map(Some).chain([None]);
        let lasting = entries
            .iter()
            .zip(later)
            .filter(|(entry, later)| later.is_none_or(|later| later.tag.id != entry.tag.id));
        lasting
            .map(|(entry, _)| (entry.tag.id, entry.tag.sequence, file::bytes_of(entry)))
            .collect()
    }

    /// The tags that exist at a sequence, by rising id.
    pub(crate) fn committed(&self, sequence: u64) -> Vec<Arc<Tag>> {
        let inner = self.read();
        let exist = inner.entries.iter().take_while(|entry| entry.first <= sequence);
        exist.map(|entry| Arc::new(entry.tag.clone())).collect()
    }

    /// The tag with this id, if it exists at a sequence.
    pub(crate) fn get_at(&self, id: TagId, sequence: u64) -> Option<Arc<Tag>> {
        let inner = self.read();
        inner.entry(id).filter(|entry| entry.first <= sequence)?;
        inner.tag(id)
    }

    /// The tag that a name leads to at a sequence.
    pub(crate) fn find_at(&self, path: &str, sequence: u64) -> Option<Arc<Tag>> {
        let inner = self.read();
        let id = *inner.by_name.get(path)?;
        inner.entry(id).filter(|entry| entry.led(path, sequence))?;
        inner.tag(id)
    }

    /// The kind of the tag with this id, if it exists at a sequence.
    pub(crate) fn kind_at(&self, id: TagId, sequence: u64) -> Option<Kind> {
        let inner = self.read();
        let entry = inner.entry(id).filter(|entry| entry.first <= sequence)?;
        Some(entry.tag.definition.kind)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn entry(&self, id: TagId) -> Option<&Arc<Entry>> {
        self.entries.get((id.0 as usize).checked_sub(1)?)
    }

    fn tag(&self, id: TagId) -> Option<Arc<Tag>> {
        self.entry(id).map(|entry| Arc::new(entry.tag.clone()))
    }

    /// The entry of a tag with all changes so far.
    fn latest(&self, id: TagId) -> Option<&Arc<Entry>> {
        self.staged.get(&id).map(|staged| &staged.entry).or_else(|| self.entry(id))
    }

    /// A copy to change.
    fn draft(&self, id: TagId) -> Result<Entry, Error> {
        let Some(entry) = self.latest(id) else {
            let what = format!("there is no tag {}", id.0);
            return Err(Error::new(ErrorKind::Invalid, what, "look the tag up by its path"));
        };
        let mut entry = (**entry).clone();
        entry.tag.sequence = UNCOMMITTED;
        Ok(entry)
    }

    /// A copy of a tag with one more name, which leads to it from now on.
    fn name(&mut self, id: TagId, path: &TagPath) -> Result<Entry, Error> {
        let mut entry = self.draft(id)?;
        if let Some(other) = self.by_name.get(path).filter(|other| **other != id) {
            let what = match self.latest(*other) {
                Some(other) if other.path() == path => format!("\"{path}\" is another tag"),
                Some(other) => format!("\"{path}\" leads to tag \"{}\"", other.path()),
                None => format!("\"{path}\" leads to another tag"),
            };
            let hint = "choose another name, or release this one if nothing uses it any more";
            return Err(Error::new(ErrorKind::Invalid, what, hint));
        }
        entry.give(path.clone())?;
        self.by_name.insert(path.clone(), id);
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
            Pending::New(id) => self.entry(id)?,
            Pending::Changed(id) => {
                let staged = self.staged.get_mut(&id)?;
                staged.waits = false;
                &staged.entry
            }
        };
        Some(Draft { entry: Arc::clone(entry), pending })
    }

    /// Makes an entry that is on disk the tag's entry; names are left as they are.
    fn put(&mut self, mut entry: Entry, sequence: u64) -> Result<Arc<Entry>, Error> {
        let at = entry.tag.id.0 as usize;
        if at == 0 || at > self.entries.len() + 1 {
            let what = format!("tag {at} follows tag {}", self.entries.len());
            return Err(Error::corrupt("catalog", what));
        }
        if let Some(earlier) = self.entries.get(at - 1).filter(|entry| entry.first != UNCOMMITTED) {
            entry.follow(earlier);
        }
        let entry = Arc::new(entry.at(sequence));
        match self.entries.get_mut(at - 1) {
            Some(place) => *place = Arc::clone(&entry),
            None => self.entries.push(Arc::clone(&entry)),
        }
        Ok(entry)
    }

    /// Makes an entry found at start the tag's entry, with its names.
    fn replace(&mut self, entry: Entry, sequence: u64) -> Result<Arc<Entry>, Error> {
        let id = entry.tag.id;
        let before = self.entry(id).map(Arc::clone);
        for name in before.iter().flat_map(|entry| entry.held()) {
            if self.by_name.get(name) == Some(&id) {
                self.by_name.remove(name);
            }
        }
        let entry = self.put(entry, sequence)?;
        for name in entry.held() {
            self.by_name.insert(name.clone(), id);
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests;
