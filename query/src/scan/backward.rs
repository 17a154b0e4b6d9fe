//! The samples of a tag from the latest to the earliest.
//!
//! Spans of time are read from the end; each is as long as the samples before let expect that it
//! holds some pages, and shortened where the store knows that it holds many more.
//!
//! *Invariant.* Times fall strictly, from block to block and within a block.

use tacitus_model::{TagId, TimeRange, Timestamp};
use tacitus_storage::{Block, Edges, Error, Snapshot};

/// Samples that a span should hold. LIMIT: a few pages; the whole span is in memory at once.
const SPAN_ROWS: u64 = 4096;
/// The first span, in nanoseconds, where nothing is known.
const SPAN_NS: i64 = 60_000_000_000;

/// A tag's samples, the latest first.
#[derive(Debug)]
pub(super) struct Backward {
    snapshot: Snapshot,
    tag: TagId,
    /// What was not read yet.
    left: Option<TimeRange>,
    span_ns: i64,
    /// Read, the latest last.
    blocks: Vec<Block>,
}

impl Backward {
    pub(super) fn new(snapshot: Snapshot, tag: TagId, range: TimeRange) -> Self {
        let extent = snapshot.extent(tag);
        let left = extent.map(|extent| extent.intersect(&range)).filter(|left| !left.is_empty());
        Self { snapshot, tag, left, span_ns: SPAN_NS, blocks: Vec::new() }
    }

    /// Leaves out what is before a moment.
    pub(super) fn limit(&mut self, first: Timestamp) {
        self.left = self
            .left
            .filter(|left| left.last >= first)
            .map(|left| TimeRange { first: left.first.max(first), ..left });
    }

    /// The next block, its rows turned round.
    pub(super) fn next(&mut self) -> Result<Option<Block>, Error> {
        loop {
            if let Some(block) = self.blocks.pop() {
                return Ok(Some(turned(block)));
            }
            let Some(left) = self.left else { return Ok(None) };
            self.read(left)?;
        }
    }

    fn read(&mut self, left: TimeRange) -> Result<(), Error> {
        let last = left.last.nanos();
        let first = last.saturating_sub(self.span_ns - 1).max(left.first.nanos());
        let rows = match last.checked_add(1) {
            Some(end) => {
                let known = self.snapshot.aggregate(self.tag, &[first, end], Edges::Plot)?;
                known.statistics.first().map_or(0, |own| own.rows)
            }
            None => 0,
        };
        if rows > 4 * SPAN_ROWS && first < last {
            self.span_ns = (last - first) / 4 + 1;
            return Ok(());
        }
        if rows < SPAN_ROWS {
            self.span_ns = self.span_ns.saturating_mul(4);
        }
        let span = TimeRange { first: Timestamp::from_nanos(first), last: left.last };
        for block in self.snapshot.scan(self.tag, span) {
            self.blocks.push(block?);
        }
        self.left = (first > left.first.nanos())
            .then(|| TimeRange { first: left.first, last: Timestamp::from_nanos(first - 1) });
        Ok(())
    }
}

/// A block with its rows in the other order.
fn turned(mut block: Block) -> Block {
    block.times.reverse();
    block.bits.reverse();
    if let Some(nulls) = &mut block.nulls {
        nulls.reverse();
    }
    if let Some(qualities) = &mut block.qualities {
        qualities.reverse();
    }
    block
}
