//! What tags there are: path to id, id to definition.
//!
//! A tag is usable the moment it is defined; the next commit writes its definition, in the same
//! frame as, and before, the first sample that can refer to it.
//!
//! *Invariant.* Ids are handed out in order and never reused; a path names one tag. A tag whose
//! definition is not on disk yet has the sequence [`UNCOMMITTED`], which no snapshot sees.

mod file;
mod record;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tacitus_model::{Batch, Kind, LABELS_MAX, STATES_MAX, Tag, TagDefinition, TagId, TagPath};

use crate::error::{Error, ErrorKind};
use crate::limits::TAGS_MAX;

pub(crate) use file::{read_catalog, write_catalog};
pub(crate) use record::{decode_tag, encode_tag};

/// The sequence of a definition that no commit has written yet.
pub(crate) const UNCOMMITTED: u64 = u64::MAX;

/// The tags of a store.
#[derive(Debug, Default)]
pub struct Catalog {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_path: HashMap<TagPath, TagId>,
    /// By id − 1.
    tags: Vec<Arc<Tag>>,
    /// Defined, not yet handed to a commit.
    pending: Vec<TagId>,
}

impl Catalog {
    /// The tag of this path.
    pub fn find(&self, path: &str) -> Option<Arc<Tag>> {
        let inner = self.read();
        let id = *inner.by_path.get(path)?;
        inner.get(id)
    }

    /// The tag with this id.
    pub fn get(&self, id: TagId) -> Option<Arc<Tag>> {
        self.read().get(id)
    }

    /// How many tags there are.
    pub fn len(&self) -> usize {
        self.read().tags.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tag of the definition's path: the one there is, or a new one that the next commit
    /// writes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a definition that cannot be kept, [`ErrorKind::Busy`] when the
    /// store has as many tags as it can hold.
    pub fn define(&self, definition: TagDefinition) -> Result<Arc<Tag>, Error> {
        check(&definition)?;
        let mut inner = self.write();
        if let Some(tag) = inner.by_path.get(&definition.path).and_then(|id| inner.get(*id)) {
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
        let tag = Arc::new(Tag { id, definition, sequence: UNCOMMITTED });
        inner.by_path.insert(tag.definition.path.clone(), id);
        inner.tags.push(Arc::clone(&tag));
        inner.pending.push(id);
        Ok(tag)
    }

    /// Takes the definitions that the next commit has to write.
    pub(crate) fn take_pending(&self) -> Vec<Arc<Tag>> {
        if self.read().pending.is_empty() {
            return Vec::new();
        }
        let mut inner = self.write();
        let ids = std::mem::take(&mut inner.pending);
        ids.into_iter().filter_map(|id| inner.get(id)).collect()
    }

    /// Gives definitions back that a refused commit did not write.
    pub(crate) fn return_pending(&self, tags: &[Arc<Tag>]) {
        let mut inner = self.write();
        let later = std::mem::take(&mut inner.pending);
        inner.pending = tags.iter().map(|tag| tag.id).chain(later).collect();
    }

    /// Refuses a batch with a tag that does not exist or a value that is not of its tag's kind.
    pub(crate) fn check_batch(&self, batch: &Batch) -> Result<(), Error> {
        let inner = self.read();
        for (id, _, value, _) in batch.iter() {
            let kind = inner.by_id(id).map(|tag| tag.definition.kind);
            if kind.is_none() || value.kind().is_some_and(|own| kind != Some(own)) {
                let what = format!("a sample of tag {} does not fit the tag", id.0);
                let hint = "define the tag first and give its values in its kind";
                return Err(Error::new(ErrorKind::Invalid, what, hint));
            }
        }
        Ok(())
    }

    /// Enters a definition that is on disk: one of our own, or one found at start.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] where the id does not follow the ones before it.
    pub(crate) fn enter(&self, tag: Tag) -> Result<(), Error> {
        let mut inner = self.write();
        let at = tag.id.0 as usize;
        if at == 0 || at > inner.tags.len() + 1 {
            let what = format!("tag {at} follows tag {}", inner.tags.len());
            return Err(Error::corrupt("catalog", what));
        }
        inner.by_path.insert(tag.definition.path.clone(), tag.id);
        match inner.tags.get_mut(at - 1) {
            Some(place) => *place = Arc::new(tag),
            None => inner.tags.push(Arc::new(tag)),
        }
        Ok(())
    }

    /// The tags whose definition has a sequence within `first..=last`, by rising id.
    pub(crate) fn committed(&self, first: u64, last: u64) -> Vec<Arc<Tag>> {
        let inner = self.read();
        let within = |tag: &&Arc<Tag>| (first..=last).contains(&tag.sequence);
        inner.tags.iter().filter(within).cloned().collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn get(&self, id: TagId) -> Option<Arc<Tag>> {
        self.by_id(id).cloned()
    }

    fn by_id(&self, id: TagId) -> Option<&Arc<Tag>> {
        self.tags.get((id.0 as usize).checked_sub(1)?)
    }
}

/// What a definition must keep to, so that it can be written and read again.
fn check(definition: &TagDefinition) -> Result<(), Error> {
    let path = &definition.path;
    let refuse = |what: String, hint| Err(Error::new(ErrorKind::Invalid, what, hint));
    if definition.labels.len() > LABELS_MAX {
        let hint = "give the tag fewer labels";
        return refuse(format!("tag \"{path}\" has more than {LABELS_MAX} labels"), hint);
    }
    if definition.states.len() > STATES_MAX {
        let hint = "name fewer states";
        return refuse(format!("tag \"{path}\" has more than {STATES_MAX} states"), hint);
    }
    if definition.states.is_empty() == (definition.kind == Kind::State) {
        let hint = "name the states of a state tag, and of no other";
        return refuse(
            format!("tag \"{path}\" is {} but its states say otherwise", definition.kind),
            hint,
        );
    }
    let labels = definition.labels.iter().map(|(key, value)| key.len() + value.len());
    let states = definition.states.iter().map(String::len);
    let texts = [&definition.unit, &definition.description, &definition.source];
    let bytes: usize = labels.chain(states).chain(texts.map(String::len)).sum();
    if bytes > record::TEXT_BYTES_MAX {
        let hint = "shorten the description, the labels or the state names";
        let most = record::TEXT_BYTES_MAX;
        return refuse(
            format!("tag \"{path}\" is described in {bytes} bytes, at most {most}"),
            hint,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
