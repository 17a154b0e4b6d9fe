//! The samples of one tag, merged from wherever they lie.
//!
//! Sources (segments and heads) are each in time order; the scan takes from whichever is
//! earliest, in runs as long as no other source has a say, so that sources that do not overlap
//! are passed through block by block.
//!
//! *Invariant.* Of equal times the row of the later source is given, once.

use tacitus_model::Kind;

use crate::block::Block;
use crate::error::Error;
use crate::limits::BLOCK_ROWS_MAX;
use crate::segment::Pages;

/// An iterator over a tag's samples in blocks of at most [`BLOCK_ROWS_MAX`] rows.
#[derive(Debug)]
pub struct TagScan {
    kind: Kind,
    /// Older first.
    sources: Vec<Source>,
    failed: bool,
}

/// Rows of one tag in time order, with a place in them.
#[derive(Debug)]
pub(crate) struct Source {
    pages: Option<Pages>,
    block: Block,
    at: usize,
}

impl Source {
    /// Rows that are in memory already.
    pub(crate) fn rows(block: Block) -> Self {
        Self { pages: None, block, at: 0 }
    }

    /// Rows that are read page by page.
    pub(crate) fn pages(pages: Pages) -> Self {
        Self { block: Block::empty(pages.kind()), pages: Some(pages), at: 0 }
    }

    /// Whether the block can be handed on as it is: untouched, and over before `until`.
    fn stands_alone(&self, until: i64) -> bool {
        self.at == 0
            && self.block.len() <= BLOCK_ROWS_MAX
            && self.block.times.last().is_some_and(|ts| *ts < until)
    }

    /// The time of the next row; reads the next page where the last is used up.
    fn peek(&mut self) -> Result<Option<i64>, Error> {
        loop {
            if let Some(ts) = self.block.times.get(self.at) {
                return Ok(Some(*ts));
            }
            let Some(next) = self.pages.as_mut().and_then(Iterator::next) else {
                return Ok(None);
            };
            self.block = next?;
            self.at = 0;
        }
    }
}

impl TagScan {
    pub(crate) fn new(kind: Kind, sources: Vec<Source>) -> Self {
        Self { kind, sources, failed: false }
    }

    pub(crate) fn empty() -> Self {
        Self::new(Kind::Float, Vec::new())
    }

    /// The next rows, or `None` at the end.
    fn next_block(&mut self) -> Result<Option<Block>, Error> {
        let mut out = Block::empty(self.kind);
        while out.len() < BLOCK_ROWS_MAX {
            let Some((winner, until)) = self.pick()? else { break };
            let Some(source) = self.sources.get_mut(winner) else { break };
            if out.is_empty() && source.stands_alone(until) {
                return Ok(Some(std::mem::replace(&mut source.block, Block::empty(self.kind))));
            }
            copy_rows(source, until, &mut out);
        }
        Ok((!out.is_empty()).then_some(out))
    }

    /// The source with the earliest row, and the time at which another source has a say. Equal
    /// times in older sources are passed over on the way.
    fn pick(&mut self) -> Result<Option<(usize, i64)>, Error> {
        let mut best: Option<(i64, usize)> = None;
        let mut until = i64::MAX;
        for at in (0..self.sources.len()).rev() {
            let Some(source) = self.sources.get_mut(at) else { continue };
            while let Some(ts) = source.peek()? {
                match best {
                    // A later source has this very time: it is the truth.
                    Some((earliest, _)) if ts == earliest => source.at += 1,
                    Some((earliest, _)) if ts > earliest => {
                        until = until.min(ts);
                        break;
                    }
                    _ => {
                        until = best.map_or(until, |(earliest, _)| until.min(earliest));
                        best = Some((ts, at));
                        break;
                    }
                }
            }
        }
        Ok(best.map(|(_, at)| (at, until)))
    }
}

/// Copies the next row and those after it that lie before `until`, as far as they fit.
fn copy_rows(source: &mut Source, until: i64, out: &mut Block) {
    let room = BLOCK_ROWS_MAX.saturating_sub(out.len());
    let rest = source.block.times.get(source.at..).unwrap_or_default();
    let rest = rest.get(..room).unwrap_or(rest);
    // The next row is the earliest there is, even where it is not before `until` (at the last
    // moment of all, nothing is).
    let count = rest.partition_point(|ts| *ts < until).max(1).min(rest.len());
    out.extend(&source.block, source.at..source.at + count);
    source.at += count;
}

impl Iterator for TagScan {
    type Item = Result<Block, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_block();
        self.failed = next.is_err();
        next.transpose()
    }
}
