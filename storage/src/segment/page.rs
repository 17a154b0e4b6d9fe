//! Reading the pages of a tag in a segment: their statistics, and their rows.
//!
//! *Invariant.* What is given for a page was checked and belongs to that page; an error names
//! the file, the page and the tag, and leaves other pages readable.

use std::sync::Arc;

use crate::block::Block;
use crate::cache::{Cached, PageBlock};
use crate::codec::{Chunk, Totals, decode_column, decode_times};
use crate::error::Error;
use crate::limits::PAGE_ROWS_MAX;
use crate::segment::entry::Span;
use crate::segment::table::BLOCK_RECORDS;
use crate::segment::{Place, Segment, TagEntry};
use crate::statistics::Statistics;
use tacitus_model::Kind;

/// A place in the table of pages that remembers the block it is in.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageReader {
    block: Option<(usize, Arc<PageBlock>)>,
}

impl PageReader {
    /// The statistics of a page.
    pub(crate) fn statistics(
        &mut self,
        segment: &Segment,
        page: usize,
    ) -> Result<Statistics, Error> {
        let block = self.block_of(segment, page)?;
        let found = block.statistics.get(page % BLOCK_RECORDS).copied();
        found.ok_or_else(|| segment.damaged("the table of pages"))
    }

    /// Where a page lies.
    pub(crate) fn place(&mut self, segment: &Segment, page: usize) -> Result<Place, Error> {
        let block = self.block_of(segment, page)?;
        let found = block.places.get(page % BLOCK_RECORDS).copied();
        found.ok_or_else(|| segment.damaged("the table of pages"))
    }

    fn block_of(&mut self, segment: &Segment, page: usize) -> Result<&PageBlock, Error> {
        let number = page / BLOCK_RECORDS;
        if self.block.as_ref().is_none_or(|(known, _)| *known != number) {
            self.block = Some((number, segment.page_block(number)?));
        }
        let known = self.block.as_ref().map(|(_, block)| &**block);
        known.ok_or_else(|| segment.damaged("the table of pages"))
    }

    /// The first of `pages` (a tag's, in time order) for which `past` holds, or their end.
    pub(crate) fn partition_point(
        &mut self,
        segment: &Segment,
        pages: std::ops::Range<usize>,
        past: impl Fn(&Statistics) -> bool,
    ) -> Result<usize, Error> {
        let (mut low, mut high) = (pages.start, pages.end);
        while low < high {
            let middle = usize::midpoint(low, high);
            if past(&self.statistics(segment, middle)?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }
}

impl Segment {
    /// The rows of a page, with their sequences where they are asked for.
    pub(crate) fn read(
        &self,
        entry: &TagEntry,
        page: usize,
        tracked: bool,
    ) -> Result<Block, Error> {
        let (place, rows) = self.page(page)?;
        let damaged = || self.damaged_page(entry, page);
        let rows = usize::try_from(rows).ok().filter(|rows| *rows <= PAGE_ROWS_MAX);
        let rows = rows.ok_or_else(damaged)?;
        let mut block = Block::tracked(entry.kind, tracked);
        if place.is_bare() {
            return Ok(block);
        }
        let times = self.piece(place.times)?.ok_or_else(damaged)?;
        decode_times(&times, rows, &mut block.times).ok_or_else(damaged)?;
        let chunk = self.chunk(entry.kind, place.meta)?.ok_or_else(damaged)?;
        let values = self.piece(place.values)?.ok_or_else(damaged)?;
        chunk.decode(usize::from(place.number), &values, rows, &mut block).ok_or_else(damaged)?;
        if tracked {
            block.sequences = Some(self.sequences(&place, rows).transpose().ok_or_else(damaged)??);
        }
        Ok(block)
    }

    /// Where a page lies, and how many rows it has.
    fn page(&self, page: usize) -> Result<(Place, u64), Error> {
        let block = self.page_block(page / BLOCK_RECORDS)?;
        let at = page % BLOCK_RECORDS;
        let found = block.places.get(at).copied().zip(block.statistics.get(at));
        found
            .map(|(place, statistics)| (place, statistics.rows))
            .ok_or_else(|| self.damaged("the table of pages"))
    }

    /// The totals of a page, from its values alone.
    pub(crate) fn totals(&self, entry: &TagEntry, page: usize) -> Result<Totals, Error> {
        let (place, rows) = self.page(page)?;
        if place.is_bare() {
            return Ok(Totals::default());
        }
        let damaged = || self.damaged_page(entry, page);
        let rows = usize::try_from(rows).ok().ok_or_else(damaged)?;
        let chunk = self.chunk(entry.kind, place.meta)?.ok_or_else(damaged)?;
        let values = self.piece(place.values)?.ok_or_else(damaged)?;
        match chunk.totals(usize::from(place.number), &values, rows) {
            Some(totals) => Ok(totals),
            None => Ok(Totals::of_block(&self.read(entry, page, false)?)),
        }
    }

    fn sequences(&self, place: &Place, rows: usize) -> Result<Option<Vec<u64>>, Error> {
        if place.sequences.len == 0 {
            return Ok(Some(vec![place.first_sequence; rows]));
        }
        let bytes = self.piece(place.sequences)?;
        Ok(bytes.and_then(|bytes| decode_column(&bytes, Kind::Int, rows)))
    }

    /// What the pages of a chunk have in common; `None` where that is not what was written.
    pub(super) fn chunk(&self, kind: Kind, meta: Span) -> Result<Option<Chunk>, Error> {
        if meta.len == 0 {
            return Ok(Chunk::parse(kind, &[]));
        }
        if let Some(Cached::Chunk(chunk)) = self.cache.get(self.header.number, meta.offset) {
            return Ok(Some(chunk));
        }
        let Some(bytes) = self.piece(meta)? else { return Ok(None) };
        let Some(chunk) = Chunk::parse(kind, &bytes) else { return Ok(None) };
        self.cache.put(self.header.number, meta.offset, Cached::Chunk(chunk.clone()));
        Ok(Some(chunk))
    }

    fn damaged_page(&self, entry: &TagEntry, page: usize) -> Error {
        let what = format!("page {page} (tag {}) is not what was written", entry.tag.0);
        Error::corrupt(&self.name, what)
    }
}
