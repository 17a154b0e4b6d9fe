//! A run of rows of one tag in memory, and the chain of runs that a tag's rows fill.
//!
//! The chain begins at its newest slab, which is the only one that grows; each leads to the one
//! before it. So an append touches one slab, however many rows there are.
//!
//! *Invariant.* Rows below `len` are complete and never change; `len` is released after the row
//! and the times of the slab are stored. Slabs grow from 8 rows by doubling, so a tag with few
//! samples costs little.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use tacitus_model::TimeRange;

use crate::block::Row;
use crate::limits::SLAB_ROWS_MAX;

const FIRST_ROWS: usize = 8;
const NULL: u64 = 1 << 32;
const OFFSET_SHIFT: u32 = 33;

/// The rows of a tag.
pub(crate) type Chain = ArcSwapOption<Slab>;

/// One row: 24 bytes. `meta` is quality (bits 0 to 31), null (32), sequence offset (33 up).
#[derive(Debug, Default)]
pub(crate) struct SlabRow {
    ts: AtomicI64,
    bits: AtomicU64,
    meta: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Slab {
    rows: Box<[SlabRow]>,
    /// The texts of a text tag's rows; made with the first text.
    texts: OnceLock<Box<[OnceLock<Arc<str>>]>>,
    len: AtomicUsize,
    /// The earliest and the latest time in it.
    first_ns: AtomicI64,
    last_ns: AtomicI64,
    previous: Option<Arc<Slab>>,
}

impl Slab {
    fn with_rows(rows: usize, previous: Option<Arc<Self>>) -> Self {
        Self {
            rows: std::iter::repeat_with(SlabRow::default).take(rows).collect(),
            texts: OnceLock::new(),
            len: AtomicUsize::new(0),
            first_ns: AtomicI64::new(i64::MAX),
            last_ns: AtomicI64::new(i64::MIN),
            previous,
        }
    }

    /// Whether a row that is complete may have a time in the range.
    fn overlaps(&self, range: TimeRange) -> bool {
        // Seen with the length: the times of every row below it are in.
        let _complete = self.len.load(Ordering::Acquire);
        self.first_ns.load(Ordering::Relaxed) <= range.last.nanos()
            && range.first.nanos() <= self.last_ns.load(Ordering::Relaxed)
    }

    /// The sequence offset of a row that is complete.
    fn offset(&self, row: usize) -> u64 {
        let row = self.rows.get(row);
        row.map_or(0, |row| row.meta.load(Ordering::Relaxed) >> OFFSET_SHIFT)
    }

    /// Stores a row if there is room.
    fn store(&self, row: &Row, offset: u64) -> bool {
        let len = self.len.load(Ordering::Relaxed);
        let Some(place) = self.rows.get(len) else { return false };
        if let Some(text) = &row.text {
            let texts = self.texts.get_or_init(|| {
                std::iter::repeat_with(OnceLock::new).take(self.rows.len()).collect()
            });
            if let Some(place) = texts.get(len) {
                place.get_or_init(|| Arc::clone(text));
            }
        }
        let null = if row.null { NULL } else { 0 };
        place.ts.store(row.ts, Ordering::Relaxed);
        place.bits.store(row.bits, Ordering::Relaxed);
        let meta = u64::from(row.quality) | null | (offset << OFFSET_SHIFT);
        place.meta.store(meta, Ordering::Relaxed);
        if row.ts < self.first_ns.load(Ordering::Relaxed) {
            self.first_ns.store(row.ts, Ordering::Relaxed);
        }
        if row.ts > self.last_ns.load(Ordering::Relaxed) {
            self.last_ns.store(row.ts, Ordering::Relaxed);
        }
        self.len.store(len + 1, Ordering::Release);
        true
    }
}

/// Adds a row to a chain; the memory that took, without texts. Only the one writer calls this.
pub(crate) fn append(chain: &Chain, row: &Row, offset: u64) -> usize {
    let newest = chain.load();
    if newest.as_ref().is_some_and(|newest| newest.store(row, offset)) {
        return 0;
    }
    let grown = newest.as_ref().map_or(FIRST_ROWS, |newest| newest.rows.len() * 2);
    let rows = grown.min(SLAB_ROWS_MAX);
    let slab = Slab::with_rows(rows, newest.clone());
    let stored = slab.store(row, offset);
    debug_assert!(stored, "a new slab has room");
    chain.store(Some(Arc::new(slab)));
    bytes_of(rows)
}

fn bytes_of(rows: usize) -> usize {
    size_of::<Slab>() + rows * size_of::<SlabRow>()
}

/// Hands over the rows of a chain whose sequence offset is one of these, in order of arrival, each
/// with its offset; slabs without such rows, or without a time in the range, are passed over.
pub(crate) fn for_each_row(
    chain: &Chain,
    offsets: RangeInclusive<u64>,
    range: TimeRange,
    mut take: impl FnMut(Row, u64),
) {
    for slab in since(chain, *offsets.start()).iter().rev().filter(|slab| slab.overlaps(range)) {
        for (row, offset) in rows_of(slab, *offsets.start()) {
            if offset > *offsets.end() {
                return;
            }
            take(row, offset);
        }
    }
}

/// The time of the first row of a chain, in order of arrival, from a sequence offset on.
pub(crate) fn first_time(chain: &Chain, from: u64) -> Option<i64> {
    let slabs = since(chain, from);
    slabs.iter().rev().find_map(|slab| Some(rows_of(slab, from).next()?.0.ts))
}

/// The sequence offset of the newest row of a chain.
pub(crate) fn last_offset(chain: &Chain) -> Option<u64> {
    let newest = chain.load();
    let newest = newest.as_ref()?;
    let last = newest.len.load(Ordering::Acquire).checked_sub(1)?;
    Some(newest.offset(last))
}

/// The slabs that may have rows from a sequence offset on, newest first.
fn since(chain: &Chain, from: u64) -> Vec<Arc<Slab>> {
    let older = |slab: &Arc<Slab>| slab.previous.clone().filter(|_| slab.offset(0) >= from);
    std::iter::successors(chain.load_full(), older).collect()
}

/// The rows of a slab from a sequence offset on.
fn rows_of(slab: &Slab, from: u64) -> impl Iterator<Item = (Row, u64)> {
    let len = slab.len.load(Ordering::Acquire);
    let texts = slab.texts.get().map(|texts| &**texts).unwrap_or_default();
    let rows = slab.rows.get(..len).unwrap_or_default();
    let passed =
        rows.partition_point(|row| row.meta.load(Ordering::Relaxed) >> OFFSET_SHIFT < from);
    rows.iter().enumerate().skip(passed).map(move |(at, row)| {
        let meta = row.meta.load(Ordering::Relaxed);
        let row = Row {
            ts: row.ts.load(Ordering::Relaxed),
            bits: row.bits.load(Ordering::Relaxed),
            null: meta & NULL != 0,
            #[expect(clippy::cast_possible_truncation, reason = "the low half is the quality")]
            quality: meta as u32,
            text: texts.get(at).and_then(OnceLock::get).cloned(),
            sequence: 0,
        };
        (row, meta >> OFFSET_SHIFT)
    })
}
