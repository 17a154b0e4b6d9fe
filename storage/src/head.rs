//! The mutable tier: the samples since the last seal, by tag, in order of arrival.
//!
//! One writer appends, any number of readers look on without a lock: a row becomes visible by
//! the release of its slab's length, and a reader takes only rows up to the sequence its
//! snapshot was given.
//!
//! *Invariant.* Within a tag, rows stand in rising order of sequence; a row that a reader may
//! see never changes.
//!
//! *Not here.* Durability: a row enters the head only after the log has it on disk.

mod last;
mod slab;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tacitus_model::{Batch, Kind, TagId, TimeRange, Timestamp};

use crate::block::{Block, Row};
use crate::documents::{Address, Change, Changes, Latest};
use crate::merge::keep;
use crate::moment::{self, Moment};
use crate::planted::{self, Bug};
use crate::table::Table;
use crate::visibility::Visibility;
use slab::Chain;

pub(crate) use last::LastValues;

/// The samples of one generation: from one seal to the next.
#[derive(Debug)]
pub(crate) struct Head {
    /// The first sequence that may be in here.
    first_sequence: u64,
    /// The last sequence that is in here; `first_sequence - 1` while empty.
    last_sequence: AtomicU64,
    tags: Table<TagHead>,
    documents: Changes,
    rows: AtomicUsize,
    bytes: AtomicUsize,
}

/// The rows of one tag.
#[derive(Debug, Default)]
struct TagHead {
    rows: Chain,
}

impl Head {
    /// An empty head whose first record will have this sequence.
    pub(crate) fn new(first_sequence: u64) -> Self {
        Self {
            first_sequence,
            last_sequence: AtomicU64::new(first_sequence.saturating_sub(1)),
            tags: Table::new(),
            documents: Changes::default(),
            rows: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence.load(Ordering::Acquire)
    }

    /// Notes that a record without samples belongs to this generation.
    pub(crate) fn note_sequence(&self, sequence: u64) {
        self.last_sequence.store(sequence, Ordering::Release);
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// The memory of the rows, text included, and of documents.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Appends a committed batch. Only the one writer calls this.
    pub(crate) fn append(&self, batch: &Batch, sequence: u64) {
        let offset = sequence - self.first_sequence;
        let mut bytes = 0;
        for (tag, ts, value, quality) in batch.iter() {
            moment::pass(Moment::Append);
            let Some(entry) = self.tags.reach(tag) else { continue };
            let row = Row::of(ts, value, quality);
            bytes += row.text.as_ref().map_or(0, |text| text.len());
            bytes += slab::append(&entry.rows, &row, offset);
        }
        self.rows.fetch_add(batch.len(), Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.note_sequence(sequence);
    }

    /// Notes what became of a document.
    pub(crate) fn note_document(&self, address: Address, change: Change) {
        self.bytes.fetch_add(self.documents.note(address, change), Ordering::Relaxed);
    }

    /// What became of documents.
    pub(crate) fn documents(&self) -> Latest {
        self.documents.latest()
    }

    /// The rows of a tag within a range that a reader may see: in time order, of two rows with
    /// one time only the later.
    pub(crate) fn read(
        &self,
        tag: TagId,
        kind: Kind,
        range: TimeRange,
        visibility: &Visibility,
        tracked: bool,
    ) -> Block {
        let arrived = self.arrived(tag, kind, range, visibility, tracked);
        in_time_order(arrived, |_replaced| {})
    }

    /// All rows of a tag, with their sequences: those that hold, and those that later ones
    /// replaced, the ones replaced twice in the second block.
    pub(crate) fn read_all(&self, tag: TagId, kind: Kind) -> (Block, Vec<Block>) {
        let visibility = Visibility::up_to(u64::MAX);
        let arrived = self.arrived(tag, kind, TimeRange::ALL, &visibility, true);
        let mut replaced = Vec::new();
        let rows = in_time_order(arrived, |row| keep(&mut replaced, kind, row));
        (rows, replaced)
    }

    /// The rows in the order of their arrival.
    fn arrived(
        &self,
        tag: TagId,
        kind: Kind,
        range: TimeRange,
        visibility: &Visibility,
        tracked: bool,
    ) -> Block {
        let mut block = Block::tracked(kind, tracked);
        let Some(entry) = self.tags.get(tag) else { return block };
        let Some(visible) = visibility.as_of.checked_sub(self.first_sequence) else { return block };
        let first = self.offset_after(visibility.after);
        let seen = |row: &Row| {
            range.contains(Timestamp::from_nanos(row.ts))
                && (visibility.deleted.is_empty() || visibility.sees(row.ts, row.sequence))
        };
        slab::for_each_row(&entry.rows, first..=visible, range, |row, offset| {
            let row = Row { sequence: self.first_sequence + offset, ..row };
            if seen(&row) {
                block.push(row);
            }
        });
        block
    }

    /// The earliest time among the first rows that each tag got after a sequence.
    pub(crate) fn first_time_after(&self, after: u64) -> Option<i64> {
        let from = self.offset_after(after);
        self.tags.iter().filter_map(|(_, entry)| slab::first_time(&entry.rows, from)).min()
    }

    /// The place of the next sequence among those of this head.
    fn offset_after(&self, after: u64) -> u64 {
        after.saturating_add(1).saturating_sub(self.first_sequence)
    }

    /// The tags that have rows of later sequences, by rising id.
    pub(crate) fn tags_after(&self, after: u64) -> impl Iterator<Item = TagId> {
        let from = self.offset_after(after);
        let is_later = move |entry: &TagHead| slab::last_offset(&entry.rows) >= Some(from);
        self.tags.iter().filter(move |(_, entry)| is_later(entry)).map(|(tag, _)| tag)
    }

    /// The tags that have rows, by rising id.
    pub(crate) fn tags(&self) -> impl Iterator<Item = TagId> {
        self.tags.iter().filter(|(_, entry)| entry.rows.load().is_some()).map(|(tag, _)| tag)
    }
}

/// Rows in order of arrival as rows in order of time, of equal times the last one; the others go
/// to `replaced`, older first, but for those that a row of their own batch replaced: nobody ever
/// saw them.
fn in_time_order(arrived: Block, mut replaced: impl FnMut(Row)) -> Block {
    if arrived.times.is_sorted_by(|a, b| a < b) {
        return arrived;
    }
    let mut order: Vec<usize> = (0..arrived.len()).collect();
    order.sort_by_key(|row| arrived.times.get(*row));
    let mut sorted = Block::tracked(arrived.kind, arrived.sequences.is_some());
    let mut rows = order.iter().filter_map(|row| arrived.row(*row)).peekable();
    while let Some(row) = rows.next() {
        match rows.peek().filter(|next| next.ts == row.ts) {
            Some(_) if planted::active(Bug::KeepResent) => sorted.push(row),
            Some(next) if next.sequence > row.sequence => replaced(row),
            Some(_) => {}
            None => sorted.push(row),
        }
    }
    sorted
}

#[cfg(test)]
mod tests;
