//! The store as it was at one moment.
//!
//! *Invariant.* A snapshot sees exactly what was committed up to its sequence: no half of a
//! batch, nothing later, whatever seals meanwhile. Taking one waits for nobody.

use std::sync::Arc;

use tacitus_model::{Sample, Tag, TagId, TimeRange};

use crate::catalog::TagQuery;
use crate::engine::Shared;
use crate::error::Error;
use crate::scan::{Source, TagScan};
use crate::version::Version;

/// The store at one moment. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
    version: Arc<Version>,
    sequence: u64,
}

impl Snapshot {
    pub(crate) fn new(shared: Arc<Shared>, version: Arc<Version>, sequence: u64) -> Self {
        Self { shared, version, sequence }
    }

    /// The last sequence this snapshot sees.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// All tags, by rising id.
    pub fn tags(&self) -> Vec<Arc<Tag>> {
        self.shared.catalog.committed(self.sequence)
    }

    /// The tag with this id.
    pub fn tag(&self, id: TagId) -> Option<Arc<Tag>> {
        self.shared.catalog.get_at(id, self.sequence)
    }

    /// The tag that this name leads to: its path, an alias, or a path it had.
    pub fn find(&self, path: &str) -> Option<Arc<Tag>> {
        self.shared.catalog.find_at(path, self.sequence)
    }

    /// The tags that pass a query, by rising id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] for a pattern that makes no sense or is too large, or too
    /// many conditions.
    pub fn select(&self, query: &TagQuery) -> Result<Vec<Arc<Tag>>, Error> {
        let catalog = &self.shared.catalog;
        Ok(catalog.tags_with(&catalog.select(query, self.sequence)?))
    }

    /// The ids of the tags that pass a query, rising.
    ///
    /// # Errors
    /// As [`Snapshot::select`].
    pub fn select_ids(&self, query: &TagQuery) -> Result<Vec<TagId>, Error> {
        let ids = self.shared.catalog.select(query, self.sequence)?;
        Ok(ids.iter().map(TagId).collect())
    }

    /// The samples of a tag within a range, in time order, one for each time.
    pub fn scan(&self, tag: TagId, range: TimeRange) -> TagScan {
        let Some(kind) = self.shared.catalog.kind_at(tag, self.sequence) else {
            return TagScan::empty();
        };
        let pages = self.version.segments.iter().filter_map(|segment| segment.pages(tag, range));
        let heads = self.version.heads().map(|head| head.read(tag, kind, range, self.sequence));
        let heads = heads.filter(|block| !block.is_empty());
        let sources = pages.map(Source::pages).chain(heads.map(Source::rows));
        TagScan::new(kind, sources.collect())
    }

    /// The latest sample of a tag, without touching a file. It may be newer than the snapshot.
    pub fn latest(&self, tag: TagId) -> Option<Sample> {
        let kind = self.shared.catalog.kind_at(tag, self.sequence)?;
        self.shared.last.latest(tag, kind)
    }

    /// The first and the last time of a tag's samples. It may be newer than the snapshot.
    pub fn extent(&self, tag: TagId) -> Option<TimeRange> {
        self.shared.catalog.kind_at(tag, self.sequence)?;
        self.shared.last.extent(tag)
    }
}
