//! The store as it was at one moment.
//!
//! *Invariant.* A snapshot sees exactly what was committed up to its sequence: no half of a
//! batch, nothing later, whatever seals meanwhile. Taking one waits for nobody.

mod changes;

use std::sync::Arc;

use tacitus_model::{Kind, Quality, Sample, Tag, TagId, TimeRange, Timestamp, Value};

use crate::aggregate::{Edges, Fold, StateFold, Windows};
use crate::audit::AuditEntry;
use crate::block::{Row, value_of};
use crate::catalog::TagQuery;
use crate::codec::Totals;
use crate::engine::Shared;
use crate::error::{Error, ErrorKind};
use crate::gaps::{Gap, Gaps, or_gap};
use crate::merge::{Merge, Part, Source};
use crate::scan::TagScan;
use crate::segment::{StateTime, TagEntry};
use crate::version::Version;
use crate::visibility::Visibility;

#[cfg(test)]
pub(crate) use changes::Copy;
pub use changes::{Bookmark, Changes, ChangesMax, Stretch};

/// The store at one moment. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
    version: Arc<Version>,
    sequence: u64,
    /// What was replaced later is read too.
    past: bool,
    gaps: Option<Gaps>,
}

impl Snapshot {
    pub(crate) fn new(shared: Arc<Shared>, version: Arc<Version>, sequence: u64) -> Self {
        Self { shared, version, sequence, past: false, gaps: None }
    }

    /// The store as it was at an earlier sequence.
    pub(crate) fn into_past(self, sequence: u64) -> Self {
        Self { sequence, past: true, ..self }
    }

    /// The same moment for a reader that takes what can be read where something is damaged. What
    /// is missing is told by [`Snapshot::gaps`] when the reading is over.
    #[must_use]
    pub fn allowing_gaps(self) -> Self {
        Self { gaps: Some(Gaps::default()), ..self }
    }

    /// What this snapshot's readers did not get so far, and how many gaps there are beyond those
    /// listed. Clones have their gaps in common.
    pub fn gaps(&self) -> (Vec<Gap>, u64) {
        self.gaps.as_ref().map(Gaps::list).unwrap_or_default()
    }

    /// The last sequence this snapshot sees.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// All tags, by rising id.
    pub fn tags(&self) -> Vec<Arc<Tag>> {
        self.shared.catalog.committed(self.sequence)
    }

    /// Who edited and deleted samples, and why, as far as this snapshot sees it.
    pub fn audit(&self) -> Vec<Arc<AuditEntry>> {
        let mut entries = self.shared.audit.entries();
        entries.retain(|entry| entry.sequence <= self.sequence);
        entries
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
        match self.merge(tag, range) {
            Ok(None) => TagScan::empty(),
            Ok(Some((merge, _))) => TagScan::new(Ok(merge), self.past),
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
        let Some((mut merge, tag)) = self.merge(tag, range)? else {
            return Fold::new(edges, mode, true).over(&mut Merge::new(Kind::Float, Vec::new()));
        };
        Fold::new(edges, mode, tag.definition.step).over(&mut merge)
    }

    /// Totals of the samples of a tag within a range, whatever their quality, from the samples
    /// themselves and not from statistics.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn totals(&self, tag: TagId, range: TimeRange) -> Result<Totals, Error> {
        let mut totals = Totals::default();
        let Some((mut merge, _)) = self.merge(tag, range)? else { return Ok(totals) };
        while let Some(part) = merge.next_part()? {
            match part {
                Part::Rows(block) => totals.add(&Totals::of_block(&block)),
                Part::Pages(run) => {
                    for page in run.pages.clone() {
                        totals.add(&run.segment.totals(&run.entry, page)?);
                    }
                }
            }
        }
        Ok(totals)
    }

    /// How long a bool or state tag was in each of its states, by window, from each sample to the
    /// next one in the same window.
    ///
    /// # Errors
    /// As [`Snapshot::aggregate`].
    pub fn state_times(&self, tag: TagId, edges: &[i64]) -> Result<Vec<Vec<StateTime>>, Error> {
        let range = range_of(edges)?;
        let merge = self.merge(tag, range)?;
        let merge =
            merge.filter(|(_, tag)| matches!(tag.definition.kind, Kind::Bool | Kind::State));
        let Some((mut merge, _)) = merge else {
            return Ok(vec![Vec::new(); edges.len().saturating_sub(1)]);
        };
        StateFold::new(edges).over(&mut merge)
    }

    /// Where the samples of a tag lie within a range, merged; `None` for a tag that is not there.
    fn merge(&self, tag: TagId, range: TimeRange) -> Result<Option<(Merge, Arc<Tag>)>, Error> {
        let tracked = self.past;
        let Some(tag) = self.tag(tag) else { return Ok(None) };
        let kind = tag.definition.kind;
        let deleted = self.version.deletions.iter().filter(|deletion| {
            deletion.sequence <= self.sequence && deletion.tags.contains(&tag.id)
        });
        let deleted = deleted.map(|deletion| (deletion.range, deletion.sequence)).collect();
        let visibility = Arc::new(Visibility { as_of: self.sequence, after: 0, deleted });
        let mut sources = Vec::new();
        for segment in &self.version.segments {
            if segment.record().replaced && !self.past {
                continue;
            }
            let gaps = self.gaps.as_ref();
            let range_of_file = || segment.record().range();
            let entry = or_gap(gaps, tag.id, range_of_file, segment.tag(tag.id), || None)?;
            let touches = |entry: &TagEntry| entry.statistics.range().overlaps(&range);
            if let Some(entry) = entry.filter(touches) {
                let gaps = self.gaps.clone();
                sources.push(Source::pages(segment, entry, range, &visibility, tracked, gaps)?);
            }
        }
        for head in self.version.heads() {
            let block = head.read(tag.id, kind, range, &visibility, tracked);
            if !block.is_empty() {
                sources.push(Source::rows(block));
            }
        }
        let merge = Merge::new(kind, sources);
        Ok(Some((if self.past { merge.by_sequence() } else { merge }, tag)))
    }

    /// How far a stored tag's samples within a range may be from what its source sent: 0 unless
    /// the tag is thinned.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn error_bound(&self, tag: TagId, range: TimeRange) -> Result<f64, Error> {
        let mut bound = 0.0_f64;
        for segment in self.version.segments.iter().filter(|own| !own.record().replaced) {
            let entry = segment.tag(tag)?;
            let touches = |entry: &TagEntry| entry.statistics.range().overlaps(&range);
            bound = entry.filter(touches).map_or(bound, |entry| bound.max(entry.error_bound));
        }
        Ok(bound)
    }

    /// The last row of a tag at or before a time.
    pub(crate) fn last_row(&self, tag: TagId, until: Timestamp) -> Result<Option<Row>, Error> {
        let mut last = until.nanos();
        let mut width_ns = 1_000_000_000_i64;
        loop {
            let first = last.saturating_sub(width_ns);
            let range = TimeRange {
                first: Timestamp::from_nanos(first),
                last: Timestamp::from_nanos(last),
            };
            let mut found = None;
            for block in self.scan(tag, range) {
                let block = block?;
                found = block.row(block.len().saturating_sub(1)).or(found);
            }
            if found.is_some() || first == i64::MIN {
                return Ok(found);
            }
            last = first;
            width_ns = width_ns.saturating_mul(16);
        }
    }

    /// The time of the first row of a tag.
    pub(crate) fn first_time(&self, tag: TagId) -> Result<Option<Timestamp>, Error> {
        let first = self.scan(tag, TimeRange::ALL).next().transpose()?;
        Ok(first.and_then(|block| block.times.first().copied()).map(Timestamp::from_nanos))
    }

    /// The latest sample of a tag, without touching a file. It may be newer than the snapshot.
    pub fn latest(&self, tag: TagId) -> Option<Sample> {
        let kind = self.shared.catalog.kind_at(tag, self.sequence)?;
        self.shared.last.latest(tag, kind)
    }

    /// The latest sample of a tag as this snapshot sees it, from where it is stored.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn latest_seen(&self, tag: TagId) -> Result<Option<Sample>, Error> {
        let (Some(extent), Some(kind)) =
            (self.extent(tag), self.shared.catalog.kind_at(tag, self.sequence))
        else {
            return Ok(None);
        };
        let row = self.last_row(tag, extent.last)?;
        Ok(row.map(|row| {
            let value = value_of(kind, row.bits, || row.text);
            let value = if row.null { Value::Null } else { value };
            Sample { tag, ts: Timestamp::from_nanos(row.ts), value, quality: Quality(row.quality) }
        }))
    }

    /// Whether this is the store as it was at an earlier sequence.
    pub fn is_past(&self) -> bool {
        self.past
    }

    /// Between which times a tag's samples lie; `None` without any. It may be newer than the
    /// snapshot, and of a look into the past it is no less than what there was then.
    pub fn extent(&self, tag: TagId) -> Option<TimeRange> {
        let kind = self.shared.catalog.kind_at(tag, self.sequence)?;
        if self.past { self.past_extent(tag, kind) } else { self.shared.last.extent(tag) }
    }

    /// Between which times anything lies that a tag has, or had.
    fn past_extent(&self, tag: TagId, kind: Kind) -> Option<TimeRange> {
        let all = Visibility::up_to(self.sequence);
        let of_segments = self.version.segments.iter().filter_map(|segment| {
            // What cannot be read may be anywhere, and says so when it is read.
            segment.tag(tag).map_or(Some(TimeRange::ALL), |entry| Some(entry?.statistics.range()))
        });
        let of_heads = self.version.heads().filter_map(|head| {
            let block = head.read(tag, kind, TimeRange::ALL, &all, true);
            let (first, last) = (*block.times.first()?, *block.times.last()?);
            Some(TimeRange {
                first: Timestamp::from_nanos(first),
                last: Timestamp::from_nanos(last),
            })
        });
        of_segments.chain(of_heads).reduce(|one, other| TimeRange {
            first: one.first.min(other.first),
            last: one.last.max(other.last),
        })
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
