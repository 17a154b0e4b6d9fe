//! A tag's pages in one segment, read one after the other.
//!
//! *Invariant.* Blocks come in time order and hold no row outside the range.

use std::ops::Range;
use std::sync::Arc;

use tacitus_model::{Kind, TimeRange, Timestamp};

use crate::block::Block;
use crate::error::Error;
use crate::segment::Segment;

/// An iterator over the blocks of a tag.
#[derive(Debug)]
pub(crate) struct Pages {
    segment: Arc<Segment>,
    kind: Kind,
    numbers: Range<usize>,
    range: TimeRange,
}

impl Pages {
    pub(crate) fn new(
        segment: Arc<Segment>,
        kind: Kind,
        numbers: Range<usize>,
        range: TimeRange,
    ) -> Self {
        Self { segment, kind, numbers, range }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

impl Iterator for Pages {
    type Item = Result<Block, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.numbers.next()?;
        Some(self.segment.page(self.kind, number).map(|block| within(block, self.range)))
    }
}

/// The rows of a block that are within a range.
fn within(block: Block, range: TimeRange) -> Block {
    let inside = |ts: &i64| range.contains(Timestamp::from_nanos(*ts));
    let ends = [block.times.first(), block.times.last()];
    if ends.into_iter().flatten().all(inside) {
        return block;
    }
    let first = block.times.partition_point(|ts| *ts < range.first.nanos());
    let end = block.times.partition_point(|ts| *ts <= range.last.nanos());
    let mut cut = Block::empty(block.kind);
    cut.extend(&block, first..end.max(first));
    cut
}
