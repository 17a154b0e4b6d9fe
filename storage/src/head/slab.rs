//! A run of rows of one tag in memory, and the chain of runs that a tag's rows fill.
//!
//! *Invariant.* Rows below `len` are complete and never change; `len` is released after the row
//! is stored. Slabs grow from 8 rows by doubling, so a tag with few samples costs little.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::block::Row;
use crate::limits::SLAB_ROWS_MAX;

const FIRST_ROWS: usize = 8;
const NULL: u64 = 1 << 32;
const OFFSET_SHIFT: u32 = 33;

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
    next: OnceLock<Box<Slab>>,
}

impl Slab {
    fn with_rows(rows: usize) -> Self {
        Self {
            rows: std::iter::repeat_with(SlabRow::default).take(rows).collect(),
            texts: OnceLock::new(),
            len: AtomicUsize::new(0),
            next: OnceLock::new(),
        }
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
        self.len.store(len + 1, Ordering::Release);
        true
    }
}

/// Adds a row to the end of a chain; the memory that took, without texts. Only the one writer
/// calls this.
pub(crate) fn append(first: &OnceLock<Box<Slab>>, row: &Row, offset: u64) -> usize {
    let mut taken = if first.get().is_none() { bytes_of(FIRST_ROWS) } else { 0 };
    let mut slab = &**first.get_or_init(|| Box::new(Slab::with_rows(FIRST_ROWS)));
    while let Some(next) = slab.next.get() {
        slab = next;
    }
    if !slab.store(row, offset) {
        let rows = (slab.rows.len() * 2).min(SLAB_ROWS_MAX);
        taken += bytes_of(rows);
        let stored = slab.next.get_or_init(|| Box::new(Slab::with_rows(rows))).store(row, offset);
        debug_assert!(stored, "a new slab has room");
    }
    taken
}

fn bytes_of(rows: usize) -> usize {
    size_of::<Slab>() + rows * size_of::<SlabRow>()
}

/// The rows of a chain whose sequence offset is at most `visible`, in order of arrival, each
/// with its offset.
pub(crate) fn rows(first: &OnceLock<Box<Slab>>, visible: u64) -> impl Iterator<Item = (Row, u64)> {
    let slabs = std::iter::successors(first.get(), |slab| slab.next.get());
    slabs.flat_map(|slab| rows_of(slab)).take_while(move |(_, offset)| *offset <= visible)
}

fn rows_of(slab: &Slab) -> impl Iterator<Item = (Row, u64)> {
    let len = slab.len.load(Ordering::Acquire);
    let texts = slab.texts.get().map(|texts| &**texts).unwrap_or_default();
    slab.rows.iter().take(len).enumerate().map(move |(at, row)| {
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
