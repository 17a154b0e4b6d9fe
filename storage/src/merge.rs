//! The samples of one tag, merged from wherever they lie, as whole pages where no other source
//! has a say and as rows where one has.
//!
//! Sources (segments and heads) are each in time order. Of each the next unit is known: a page
//! that was not read yet, by the times in its statistics, or a row of a page that was. A page is
//! handed on whole when it ends before any other source begins; otherwise the sparser of the two
//! is read, so that one late sample costs the pages it touches and no more.
//!
//! *Invariant.* Parts come in time order without overlap, but for statistics without rows; of equal times the row of the later
//! source is given, once; nothing is given that the reader may not see.

use std::ops::Range;
use std::sync::Arc;

use tacitus_model::{Kind, TimeRange, Timestamp};

use crate::block::Block;
use crate::error::Error;
use crate::gaps::{Gaps, or_gap};
use crate::limits::BLOCK_ROWS_MAX;
use crate::segment::{BLOCK_RECORDS, PageReader, Segment, TagEntry};
use crate::statistics::Statistics;
use crate::visibility::{Seen, Visibility};

/// Consecutive pages of one segment.
#[derive(Debug, Clone)]
pub(crate) struct PageRun {
    pub(crate) segment: Arc<Segment>,
    pub(crate) entry: TagEntry,
    pub(crate) pages: Range<usize>,
    /// Where what cannot be read is noted; `None` where that is an error.
    pub(crate) gaps: Option<Gaps>,
}

impl PageRun {
    /// The rows of a page; none where it cannot be read and the reader takes the rest.
    pub(crate) fn read(&self, page: usize, tracked: bool) -> Result<Block, Error> {
        let read = self.segment.read(&self.entry, page, tracked);
        let empty = || Block::tracked(self.entry.kind, tracked);
        or_gap(self.gaps.as_ref(), self.entry.tag, || self.range_of(page), read, empty)
    }

    /// The times between which a page's rows lie, or those of the whole tag.
    fn range_of(&self, page: usize) -> TimeRange {
        let mut reader = PageReader::default();
        let known = reader.statistics(&self.segment, page);
        let Statistics { first_ns, last_ns, .. } = known.unwrap_or(self.entry.statistics);
        TimeRange { first: Timestamp::from_nanos(first_ns), last: Timestamp::from_nanos(last_ns) }
    }
}

/// What comes next of a tag.
#[derive(Debug)]
pub(crate) enum Part {
    /// Pages whose rows are all given, and nobody else's between them.
    Pages(PageRun),
    /// At most [`BLOCK_ROWS_MAX`] rows.
    Rows(Block),
}

/// One place where rows of the tag lie.
#[derive(Debug)]
pub(crate) struct Source {
    pages: Option<TagPages>,
    block: Block,
    at: usize,
}

/// The pages of a segment that were not read yet.
#[derive(Debug)]
struct TagPages {
    run: PageRun,
    range: TimeRange,
    visibility: Arc<Visibility>,
    tracked: bool,
    reader: PageReader,
}

/// What a source has next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Row(i64),
    /// `bare`: there are statistics and no rows to be told apart from others.
    Page {
        first_ns: i64,
        last_ns: i64,
        rows: u64,
        bare: bool,
    },
}

impl Next {
    fn start(self) -> i64 {
        match self {
            Self::Row(ts) => ts,
            Self::Page { first_ns, .. } => first_ns,
        }
    }
}

impl Source {
    /// Rows that are in memory already, those alone that the reader may see.
    pub(crate) fn rows(block: Block) -> Self {
        Self { pages: None, block, at: 0 }
    }

    /// The pages of a tag in a segment that have a time within the range.
    pub(crate) fn pages(
        segment: &Arc<Segment>,
        entry: TagEntry,
        range: TimeRange,
        visibility: &Arc<Visibility>,
        tracked: bool,
        gaps: Option<Gaps>,
    ) -> Result<Self, Error> {
        let mut reader = PageReader::default();
        let all = entry.pages();
        // Where the table of pages cannot be searched each page is looked at.
        let lenient = gaps.is_some();
        let found = |found: Result<usize, Error>, all: usize| {
            found.or_else(|error| if lenient { Ok(all) } else { Err(error) })
        };
        let first = range.first.nanos();
        let start = if entry.statistics.first_ns >= first {
            all.start
        } else {
            let past = |page: &Statistics| page.last_ns >= first;
            found(reader.partition_point(segment, all.clone(), past), all.start)?
        };
        let last = range.last.nanos();
        let end = if entry.statistics.last_ns <= last {
            all.end
        } else {
            let past = |page: &Statistics| page.first_ns > last;
            found(reader.partition_point(segment, start..all.end, past), all.end)?
        };
        let run = PageRun { segment: Arc::clone(segment), entry, pages: start..end, gaps };
        let visibility = Arc::clone(visibility);
        let pages = TagPages { run, range, visibility, tracked, reader };
        Ok(Self { pages: Some(pages), block: Block::empty(entry.kind), at: 0 })
    }

    /// What it has next; passes over pages of which nothing is seen and reads those of which only
    /// a part is.
    fn next(&mut self) -> Result<Option<Next>, Error> {
        loop {
            if let Some(ts) = self.block.times.get(self.at) {
                return Ok(Some(Next::Row(*ts)));
            }
            let Some(pages) = &mut self.pages else { return Ok(None) };
            if pages.run.pages.is_empty() {
                return Ok(None);
            }
            let Some((seen, page, bare)) = pages.peek_or_pass()? else { continue };
            match seen {
                Seen::Whole => {
                    let Statistics { first_ns, last_ns, rows, .. } = page;
                    return Ok(Some(Next::Page { first_ns, last_ns, rows, bare }));
                }
                Seen::Nothing => pages.run.pages.start += 1,
                Seen::Part => self.read()?,
            }
        }
    }

    /// The sequence of the next row.
    fn sequence(&self) -> u64 {
        let sequences = self.block.sequences.as_ref();
        sequences.and_then(|own| own.get(self.at)).copied().unwrap_or_default()
    }

    /// Reads the next page.
    fn read(&mut self) -> Result<(), Error> {
        if let Some(pages) = &mut self.pages {
            self.block = pages.read()?;
            self.at = 0;
        }
        Ok(())
    }

    /// Takes the pages that end before `until`, of which the first is known to.
    fn take_pages(&mut self, until: i64) -> Result<Option<PageRun>, Error> {
        let Some(pages) = &mut self.pages else { return Ok(None) };
        let start = pages.run.pages.start;
        let mut end = start + 1;
        if pages.visibility.deleted.is_empty() && pages.all_seen() {
            let PageRun { segment, pages: all, .. } = &pages.run;
            let last = pages.range.last.nanos();
            let past = |page: &Statistics| page.last_ns >= until || page.last_ns > last;
            let found = pages.reader.partition_point(segment, end..all.end, past);
            // What cannot be searched is taken page by page.
            end = if pages.run.gaps.is_some() { found.unwrap_or(end) } else { found? };
        }
        pages.run.pages.start = end;
        Ok(Some(PageRun { pages: start..end, ..pages.run.clone() }))
    }

    /// Takes rows before `until`, at least one, at most [`BLOCK_ROWS_MAX`].
    fn take_rows(&mut self, until: i64) -> Block {
        let times = &self.block.times;
        if self.at == 0
            && times.len() <= BLOCK_ROWS_MAX
            && times.last().is_some_and(|last| *last < until)
        {
            let tracked = self.block.sequences.is_some();
            let empty = Block::tracked(self.block.kind, tracked);
            return std::mem::replace(&mut self.block, empty);
        }
        let rest = times.get(self.at..).unwrap_or_default();
        // The next row is the earliest there is, even where it is not before `until` (at the
        // last moment of all, nothing is).
        let count = rest.partition_point(|ts| *ts < until).clamp(1, BLOCK_ROWS_MAX);
        let mut rows = Block::tracked(self.block.kind, self.block.sequences.is_some());
        rows.extend(&self.block, self.at..self.at + count);
        self.at += count;
        rows
    }
}

impl TagPages {
    /// What is seen of the next page; `None` where its entry cannot be read, so that all pages of
    /// that block of the table were passed over.
    fn peek_or_pass(&mut self) -> Result<Option<(Seen, Statistics, bool)>, Error> {
        let PageRun { entry, pages, gaps, .. } = &self.run;
        let (gaps, tag, page) = (gaps.clone(), entry.tag, pages.start);
        let peeked = self.peek().map(Some);
        let seen = or_gap(gaps.as_ref(), tag, || self.run.range_of(page), peeked, || None)?;
        if seen.is_none() {
            let pages = &mut self.run.pages;
            pages.start = (page / BLOCK_RECORDS + 1).saturating_mul(BLOCK_RECORDS).min(pages.end);
        }
        Ok(seen)
    }

    /// What is seen of the next page, and whether it has no rows.
    fn peek(&mut self) -> Result<(Seen, Statistics, bool), Error> {
        let PageRun { segment, pages, .. } = &self.run;
        let page = self.reader.statistics(segment, pages.start)?;
        let place = self.reader.place(segment, pages.start)?;
        let seen = self.visibility.of_page(&place, &page);
        let (first, last) = (self.range.first.nanos(), self.range.last.nanos());
        let inside = first <= page.first_ns && page.last_ns <= last;
        // Where only statistics were kept there are no rows to choose from.
        let whole = inside || place.is_bare();
        let cut = seen == Seen::Whole && !whole;
        Ok((if cut { Seen::Part } else { seen }, page, place.is_bare()))
    }

    /// Whether the reader may see the whole segment.
    fn all_seen(&self) -> bool {
        let file = &self.run.segment.record().file;
        file.last_sequence <= self.visibility.as_of && file.first_sequence > self.visibility.after
    }

    fn read(&mut self) -> Result<Block, Error> {
        let page = self.run.pages.start;
        let place = self.reader.place(&self.run.segment, page)?;
        let statistics = self.reader.statistics(&self.run.segment, page)?;
        let part = self.visibility.of_page(&place, &statistics) == Seen::Part;
        let mut block = within(self.run.read(page, self.tracked || part)?, self.range);
        if part {
            block.retain(|ts, sequence| self.visibility.sees(ts, sequence));
        }
        if !self.tracked {
            block.sequences = None;
        }
        self.run.pages.start += 1;
        Ok(block)
    }
}

/// The rows of a block that are within a range.
fn within(block: Block, range: TimeRange) -> Block {
    let (first, last) = (range.first.nanos(), range.last.nanos());
    let ends = [block.times.first(), block.times.last()];
    if ends.into_iter().flatten().all(|ts| (first..=last).contains(ts)) {
        return block;
    }
    let start = block.times.partition_point(|ts| *ts < first);
    let end = block.times.partition_point(|ts| *ts <= last).max(start);
    let mut cut = Block::tracked(block.kind, block.sequences.is_some());
    cut.extend(&block, start..end);
    cut
}

/// The parts of one tag, in time order.
#[derive(Debug)]
pub(crate) struct Merge {
    kind: Kind,
    /// Older first.
    sources: Vec<Source>,
    /// Rows that a later source replaced, where somebody wants them.
    replaced: Option<Vec<Block>>,
    /// Of equal times the row of the later sequence is right, wherever it lies.
    by_sequence: bool,
}

impl Merge {
    pub(crate) fn new(kind: Kind, sources: Vec<Source>) -> Self {
        Self { kind, sources, replaced: None, by_sequence: false }
    }

    /// For a look into the past: what was replaced lies in sources of no particular order, so that
    /// the sequences of the rows decide. All sources must have them.
    pub(crate) fn by_sequence(self) -> Self {
        Self { by_sequence: true, ..self }
    }

    /// Keeps the rows that a later source replaced.
    pub(crate) fn keeping_replaced(self) -> Self {
        Self { replaced: Some(Vec::new()), ..self }
    }

    /// The rows that were replaced so far: each block in time order, a row that was replaced
    /// twice in the second.
    pub(crate) fn take_replaced(&mut self) -> Vec<Block> {
        self.replaced.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The next part, or `None` at the end.
    pub(crate) fn next_part(&mut self) -> Result<Option<Part>, Error> {
        loop {
            let Some((winner, next, until)) = self.pick()? else { return Ok(None) };
            let alone = self.sources.len() == 1;
            let Some(source) = self.sources.get_mut(winner) else { return Ok(None) };
            match next {
                // Statistics that outlived their rows stand beside whatever came later.
                Next::Page { last_ns, bare, .. } if last_ns < until || alone || bare => {
                    return Ok(source.take_pages(until)?.map(Part::Pages));
                }
                Next::Page { .. } => self.untangle(winner, until)?,
                Next::Row(ts) if ts < until => {
                    return Ok(Some(Part::Rows(source.take_rows(until))));
                }
                Next::Row(ts) => {
                    if !self.settle_equal(winner, ts)? {
                        let Some(source) = self.sources.get_mut(winner) else { return Ok(None) };
                        return Ok(Some(Part::Rows(source.take_rows(until))));
                    }
                }
            }
        }
    }

    /// The source with the earliest unit, of equal ones the latest source; its unit; and the
    /// start of the earliest unit of all others.
    fn pick(&mut self) -> Result<Option<(usize, Next, i64)>, Error> {
        let mut best: Option<(usize, Next)> = None;
        let mut until = i64::MAX;
        for (at, source) in self.sources.iter_mut().enumerate().rev() {
            let Some(next) = source.next()? else { continue };
            match best {
                Some((_, earliest)) if earliest.start() <= next.start() => {
                    until = until.min(next.start());
                }
                _ => {
                    until = best.map_or(until, |(_, other)| until.min(other.start()));
                    best = Some((at, next));
                }
            }
        }
        Ok(best.map(|(at, next)| (at, next, until)))
    }

    /// A page of `winner` and a unit of another source that starts at `until` overlap: reads the
    /// page with fewer rows for its span, or the only one.
    fn untangle(&mut self, winner: usize, until: i64) -> Result<(), Error> {
        let mut sparsest = winner;
        let mut density = None;
        for (at, source) in self.sources.iter_mut().enumerate() {
            let next = source.next()?;
            let Some(Next::Page { first_ns, last_ns, rows, bare: false }) = next else { continue };
            if at != winner && first_ns != until {
                continue;
            }
            // Nanoseconds a row: more is sparser.
            let own = last_ns.abs_diff(first_ns) / rows.max(1);
            if density.is_none_or(|most| own > most) {
                (sparsest, density) = (at, Some(own));
            }
        }
        self.sources.get_mut(sparsest).map_or(Ok(()), Source::read)
    }

    /// Other sources that also have a unit at `ts`: their rows are replaced (or, by sequence, all
    /// but the latest), their pages are read. Whether anything changed.
    fn settle_equal(&mut self, winner: usize, ts: i64) -> Result<bool, Error> {
        let mut equal = Vec::new();
        for (at, source) in self.sources.iter_mut().enumerate() {
            match source.next()? {
                Some(Next::Row(own)) if own == ts => equal.push(at),
                Some(Next::Page { first_ns, bare: false, .. }) if first_ns == ts => {
                    source.read()?;
                    return Ok(true);
                }
                _ => {}
            }
        }
        let latest = if self.by_sequence {
            equal.iter().copied().max_by_key(|at| self.sources.get(*at).map(Source::sequence))
        } else {
            Some(winner)
        };
        for at in equal.iter().copied().filter(|at| Some(*at) != latest) {
            let Some(source) = self.sources.get_mut(at) else { continue };
            let row = source.block.row(source.at);
            source.at += 1;
            if let (Some(replaced), Some(row)) = (&mut self.replaced, row) {
                keep(replaced, self.kind, row);
            }
        }
        Ok(equal.len() > 1)
    }
}

/// Adds a row to the first block that has none of its time.
pub(crate) fn keep(blocks: &mut Vec<Block>, kind: Kind, row: crate::block::Row) {
    let free = |block: &&mut Block| block.times.last().is_none_or(|last| *last < row.ts);
    if let Some(block) = blocks.iter_mut().find(free) {
        return block.push(row);
    }
    let mut block = Block::tracked(kind, true);
    block.push(row);
    blocks.push(block);
}
