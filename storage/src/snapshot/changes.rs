//! What was committed after a sequence, for whoever keeps a copy of the store.
//!
//! ```text
//! sequences   … after │ stretch │ until …
//! a stretch   its deletions, then the rows that still hold: by tag, by time
//! ```
//! A stretch ends where a segment does, so that a long way back is walked in the order in which it
//! was committed, and in pieces of bounded size. Whoever applies every stretch after a sequence,
//! each from its begin or from any bookmark on, has what the store has.
//!
//! *Invariant.* Every row that is seen at this moment and was committed within the stretch is given,
//! once, whatever was sealed or rewritten since it was committed; of a row that was replaced or
//! deleted since, nothing is given: what replaced it lies in the same stretch or in a later one.
//!
//! *Not here.* That what is not given yet is kept: [`crate::Engine::hold`].

#[cfg(test)]
mod copy;

use std::sync::Arc;

use roaring::RoaringBitmap;
use tacitus_model::{Kind, TagId, TimeRange, Timestamp};

use super::Snapshot;
use crate::audit::AuditEntry;
use crate::block::Block;
use crate::error::Error;
use crate::head::Head;
use crate::manifest::Tier;
use crate::merge::{Merge, PageRun, Part, Source};
use crate::segment::{PageReader, Segment, TagEntry};
use crate::visibility::Visibility;

#[cfg(test)]
pub(crate) use copy::Copy;

/// Sequences that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// The last sequence before it.
    pub after: u64,
    /// Its last sequence.
    pub until: u64,
}

/// How far a reader has come in a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bookmark {
    /// All tags of smaller ids were read.
    pub tag: TagId,
    /// Of the tag everything up to this time was read; `None`: nothing.
    pub through: Option<Timestamp>,
}

/// A piece of a stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// By rising tag, each in time order. A tag may have several blocks.
    pub rows: Vec<(TagId, Block)>,
    /// Where the next piece begins; `None`: there is none.
    pub next: Option<Bookmark>,
}

/// How much one piece may hold; it has at least a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangesMax {
    /// Rows.
    pub rows: usize,
    /// Bytes of rows, texts included.
    pub bytes: usize,
}

/// What a row takes beside its text.
const ROW_BYTES: usize = 24;

impl Bookmark {
    /// The begin of a stretch.
    pub const START: Self = Self { tag: TagId(0), through: None };
}

impl Stretch {
    /// Whether a sequence is in it.
    #[must_use]
    pub fn contains(&self, sequence: u64) -> bool {
        self.after < sequence && sequence <= self.until
    }
}

impl Snapshot {
    /// The first stretch after a sequence: up to where a segment ends, then up to where this
    /// snapshot does; `None` where nothing came after it.
    pub fn stretch_after(&self, after: u64) -> Option<Stretch> {
        if after >= self.sequence {
            return None;
        }
        let version = &self.version;
        let ends = self.segments_after(after).map(|segment| segment.last_sequence());
        let frozen = version.frozen.iter().map(|head| head.last_sequence());
        let later = std::iter::once(version.checkpoint).chain(frozen).filter(|end| *end > after);
        let until = ends.chain(later).min().unwrap_or(self.sequence).min(self.sequence);
        Some(Stretch { after, until })
    }

    /// The deletions of a stretch, in their order.
    pub fn deletions(&self, stretch: Stretch) -> Vec<Arc<AuditEntry>> {
        let mut entries = self.shared.audit.entries();
        let inside = |entry: &AuditEntry| stretch.contains(entry.sequence);
        entries.retain(|entry| inside(entry) && entry.deletion().is_some());
        entries
    }

    /// The rows of a stretch from a bookmark on, of the tags that `select` takes.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn changes(
        &self,
        stretch: Stretch,
        from: Bookmark,
        most: ChangesMax,
        select: impl Fn(TagId) -> bool,
    ) -> Result<Changes, Error> {
        let mut piece = Piece { rows: Vec::new(), left: most };
        for id in self.tags_of(stretch) {
            let tag = TagId(id);
            if tag < from.tag {
                continue;
            }
            if piece.is_full() {
                return Ok(Changes {
                    rows: piece.rows,
                    next: Some(Bookmark { tag, through: None }),
                });
            }
            let through = from.through.filter(|_| tag == from.tag);
            if let Some(through) = self.changes_of(tag, stretch, through, &select, &mut piece)? {
                let next = Some(Bookmark { tag, through: Some(through) });
                return Ok(Changes { rows: piece.rows, next });
            }
        }
        Ok(Changes { rows: piece.rows, next: None })
    }

    /// The segments with rows of later sequences.
    fn segments_after(&self, after: u64) -> impl Iterator<Item = &Arc<Segment>> {
        self.version.segments.iter().filter(move |segment| {
            let record = segment.record();
            !record.replaced && record.tier == Tier::Raw && record.file.last_sequence > after
        })
    }

    /// The heads with rows of a stretch.
    fn heads_of(&self, stretch: Stretch) -> impl Iterator<Item = &Arc<Head>> {
        self.version.heads().filter(move |head| is_within(head, stretch))
    }

    /// The tags that may have rows of a stretch.
    fn tags_of(&self, stretch: Stretch) -> RoaringBitmap {
        let of_segments = self.segments_after(stretch.after).filter(|own| touches(own, stretch));
        let sealed = of_segments.fold(RoaringBitmap::new(), |all, own| all | own.tag_set());
        let fresh = self.heads_of(stretch).flat_map(|head| head.tags_after(stretch.after));
        fresh.fold(sealed, |mut all, tag| {
            all.insert(tag.0);
            all
        })
    }

    /// Takes the rows of a tag; the time of the last one where there was no room for all.
    fn changes_of(
        &self,
        tag: TagId,
        stretch: Stretch,
        through: Option<Timestamp>,
        select: &impl Fn(TagId) -> bool,
        piece: &mut Piece,
    ) -> Result<Option<Timestamp>, Error> {
        let Some(kind) = self.shared.catalog.kind_at(tag, self.sequence) else { return Ok(None) };
        let Some(range) = self.times_of(tag, kind, stretch, through)? else { return Ok(None) };
        if !select(tag) {
            return Ok(None);
        }
        let mut merge = Merge::new(kind, self.sources_of(tag, kind, stretch, range)?);
        while let Some(part) = merge.next_part()? {
            match part {
                Part::Rows(block) => {
                    if let Some(last) = piece.take(tag, block, stretch) {
                        return Ok(Some(last));
                    }
                }
                Part::Pages(run) => {
                    if let Some(last) = take_pages(&run, stretch, piece)? {
                        return Ok(Some(last));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Between which times the rows of a tag lie that came within a stretch and were not read.
    fn times_of(
        &self,
        tag: TagId,
        kind: Kind,
        stretch: Stretch,
        through: Option<Timestamp>,
    ) -> Result<Option<TimeRange>, Error> {
        let first = match through {
            None => Timestamp::MIN,
            Some(Timestamp::MAX) => return Ok(None),
            Some(through) => Timestamp::from_nanos(through.nanos() + 1),
        };
        let rest = TimeRange { first, last: Timestamp::MAX };
        let mut ends: Option<(i64, i64)> = None;
        let mut widen = |first: i64, last: i64| {
            ends = Some(ends.map_or((first, last), |own| (own.0.min(first), own.1.max(last))));
        };
        for segment in self.segments_after(stretch.after).filter(|own| touches(own, stretch)) {
            if let Some(TagEntry { statistics, .. }) = segment.tag(tag)? {
                widen(statistics.first_ns, statistics.last_ns);
            }
        }
        let seen = Visibility { after: stretch.after, ..Visibility::up_to(stretch.until) };
        for head in self.heads_of(stretch) {
            let block = head.read(tag, kind, rest, &seen, false);
            if let (Some(first), Some(last)) = (block.times.first(), block.times.last()) {
                widen(*first, *last);
            }
        }
        let Some((low, high)) = ends else { return Ok(None) };
        let range = TimeRange {
            first: first.max(Timestamp::from_nanos(low)),
            last: Timestamp::from_nanos(high),
        };
        Ok((!range.is_empty()).then_some(range))
    }

    /// Where rows of a tag lie that came after the begin of a stretch: those of the stretch, and
    /// those that may have replaced them.
    fn sources_of(
        &self,
        tag: TagId,
        kind: Kind,
        stretch: Stretch,
        range: TimeRange,
    ) -> Result<Vec<Source>, Error> {
        let deleted =
            self.version.deletions.iter().filter(|deletion| {
                deletion.sequence <= self.sequence && deletion.tags.contains(&tag)
            });
        let deleted = deleted.map(|deletion| (deletion.range, deletion.sequence)).collect();
        let seen = Visibility { as_of: self.sequence, after: stretch.after, deleted };
        let seen = Arc::new(seen);
        let mut sources = Vec::new();
        for segment in self.segments_after(stretch.after) {
            if !segment.record().range().overlaps(&range) {
                continue;
            }
            let entry = segment.tag(tag)?;
            if let Some(entry) = entry.filter(|own| own.statistics.range().overlaps(&range)) {
                sources.push(Source::pages(segment, entry, range, &seen, true, None)?);
            }
        }
        for head in self.version.heads() {
            let block = head.read(tag, kind, range, &seen, true);
            if !block.is_empty() {
                sources.push(Source::rows(block));
            }
        }
        Ok(sources)
    }
}

/// Whether a segment may have rows of a stretch.
fn touches(segment: &Segment, stretch: Stretch) -> bool {
    let file = &segment.record().file;
    file.first_sequence <= stretch.until && stretch.after < file.last_sequence
}

/// Whether a head may have rows of a stretch.
fn is_within(head: &Head, stretch: Stretch) -> bool {
    head.first_sequence() <= stretch.until && stretch.after < head.last_sequence()
}

/// Takes the rows of whole pages; the time of the last one where there was no room for all.
fn take_pages(
    run: &PageRun,
    stretch: Stretch,
    piece: &mut Piece,
) -> Result<Option<Timestamp>, Error> {
    let mut reader = PageReader::default();
    for page in run.pages.clone() {
        let place = reader.place(&run.segment, page)?;
        if place.first_sequence > stretch.until || place.is_bare() {
            continue;
        }
        let block = run.read(page, true)?;
        if let Some(last) = piece.take(run.entry.tag, block, stretch) {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

/// A piece under way.
struct Piece {
    rows: Vec<(TagId, Block)>,
    left: ChangesMax,
}

impl Piece {
    fn is_full(&self) -> bool {
        self.left.rows == 0 || self.left.bytes == 0
    }

    /// Takes the rows that came within the stretch. Where they are more than there is room for:
    /// the time of the last that was taken.
    fn take(&mut self, tag: TagId, mut block: Block, stretch: Stretch) -> Option<Timestamp> {
        block.retain(|_, sequence| stretch.contains(sequence));
        block.sequences = None;
        let fitting = self.fitting(&block);
        if fitting == 0 && block.is_empty() {
            return None;
        }
        let cut = fitting < block.len();
        if cut {
            let mut part = Block::empty(block.kind);
            part.extend(&block, 0..fitting);
            block = part;
        }
        let last = block.times.last().copied().map(Timestamp::from_nanos);
        self.rows.push((tag, block));
        last.filter(|_| cut || self.is_full())
    }

    /// How many of these rows there is room for; at least one, as long as there is any.
    fn fitting(&mut self, block: &Block) -> usize {
        let text_bytes = |row: usize| match block.row(row) {
            Some(row) => row.text.map_or(0, |text| text.len()),
            None => 0,
        };
        let mut fitting = 0;
        while fitting < block.len() && !self.is_full() {
            let text = if block.kind == Kind::Text { text_bytes(fitting) } else { 0 };
            self.left.rows = self.left.rows.saturating_sub(1);
            self.left.bytes = self.left.bytes.saturating_sub(ROW_BYTES + text);
            fitting += 1;
        }
        fitting
    }
}
