//! The store as it was at one moment.
//!
//! *Invariant.* A snapshot sees exactly what was committed up to its sequence: no half of a
//! batch, nothing later, whatever seals meanwhile. Taking one waits for nobody.

use std::sync::Arc;

use tacitus_model::{Kind, Sample, Tag, TagId, TimeRange, Timestamp};

use crate::aggregate::{Edges, Fold, StateFold, Windows};
use crate::engine::Shared;
use crate::error::{Error, ErrorKind};
use crate::merge::{Merge, Source};
use crate::scan::TagScan;
use crate::segment::{StateTime, TagEntry};
use crate::version::Version;
use crate::visibility::Visibility;

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
        self.shared.catalog.committed(0, self.sequence)
    }

    /// The tag with this id.
    pub fn tag(&self, id: TagId) -> Option<Arc<Tag>> {
        self.shared.catalog.get(id).filter(|tag| tag.sequence <= self.sequence)
    }

    /// The tag of this path.
    pub fn find(&self, path: &str) -> Option<Arc<Tag>> {
        self.shared.catalog.find(path).filter(|tag| tag.sequence <= self.sequence)
    }

    /// The samples of a tag within a range, in time order, one for each time.
    pub fn scan(&self, tag: TagId, range: TimeRange) -> TagScan {
        match self.merge(tag, range, false) {
            Ok(None) => TagScan::empty(),
            Ok(Some((merge, _))) => TagScan::new(Ok(merge), false),
            Err(error) => TagScan::new(Err(error), false),
        }
    }

    /// Statistics of a tag by window: window `n` is from `edges[n]` to before `edges[n + 1]`, in
    /// nanoseconds since 1970.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] for edges that do not rise; whatever reading says.
    pub fn aggregate(&self, tag: TagId, edges: &[i64], mode: Edges) -> Result<Windows, Error> {
        let range = range_of(edges)?;
        let Some((mut merge, tag)) = self.merge(tag, range, false)? else {
            return Fold::new(edges, mode, true).over(&mut Merge::new(Kind::Float, Vec::new()));
        };
        Fold::new(edges, mode, tag.definition.step).over(&mut merge)
    }

    /// How long a bool or state tag was in each of its states, by window, from each sample to the
    /// next one in the same window.
    ///
    /// # Errors
    /// As [`Snapshot::aggregate`].
    pub fn state_times(&self, tag: TagId, edges: &[i64]) -> Result<Vec<Vec<StateTime>>, Error> {
        let range = range_of(edges)?;
        let merge = self.merge(tag, range, false)?;
        let merge =
            merge.filter(|(_, tag)| matches!(tag.definition.kind, Kind::Bool | Kind::State));
        let Some((mut merge, _)) = merge else {
            return Ok(vec![Vec::new(); edges.len().saturating_sub(1)]);
        };
        StateFold::new(edges).over(&mut merge)
    }

    /// Where the samples of a tag lie within a range, merged; `None` for a tag that is not there.
    fn merge(
        &self,
        tag: TagId,
        range: TimeRange,
        tracked: bool,
    ) -> Result<Option<(Merge, Arc<Tag>)>, Error> {
        let Some(tag) = self.tag(tag) else { return Ok(None) };
        let kind = tag.definition.kind;
        let visibility = Arc::new(Visibility::up_to(self.sequence));
        let mut sources = Vec::new();
        for segment in &self.version.segments {
            let entry = segment.tag(tag.id)?;
            let touches = |entry: &TagEntry| {
                entry.statistics.first_ns <= range.last.nanos()
                    && range.first.nanos() <= entry.statistics.last_ns
            };
            if let Some(entry) = entry.filter(touches) {
                sources.push(Source::pages(segment, entry, range, &visibility, tracked)?);
            }
        }
        for head in self.version.heads() {
            let block = head.read(tag.id, kind, range, &visibility, tracked);
            if !block.is_empty() {
                sources.push(Source::rows(block));
            }
        }
        Ok(Some((Merge::new(kind, sources), tag)))
    }

    /// The latest sample of a tag, without touching a file. It may be newer than the snapshot.
    pub fn latest(&self, tag: TagId) -> Option<Sample> {
        let kind = self.tag(tag)?.definition.kind;
        self.shared.last.latest(tag, kind)
    }

    /// The first and the last time of a tag's samples. It may be newer than the snapshot.
    pub fn extent(&self, tag: TagId) -> Option<TimeRange> {
        self.tag(tag)?;
        self.shared.last.extent(tag)
    }
}

/// The times that windows of these edges cover.
fn range_of(edges: &[i64]) -> Result<TimeRange, Error> {
    let (Some(first), Some(end)) = (edges.first(), edges.last()) else {
        return Err(bad_edges());
    };
    if edges.len() < 2 || !edges.is_sorted_by(|a, b| a < b) {
        return Err(bad_edges());
    }
    let (first, last) = (Timestamp::from_nanos(*first), Timestamp::from_nanos(end - 1));
    Ok(TimeRange { first, last })
}

fn bad_edges() -> Error {
    let hint = "give at least two edges, each later than the one before";
    Error::new(ErrorKind::Invalid, "the edges of the windows do not rise", hint)
}
