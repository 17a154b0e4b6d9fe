//! The latest sample of every tag, and the earliest time: one line a tag, read without files.
//!
//! A line is a sequence lock over atomics: the writer marks the version, stores, and counts it on;
//! a reader that saw a mark or a changed version reads again.
//!
//! *Invariant.* The line holds the sample with the greatest time, of equal times the one with the
//! later sequence. A late sample moves only the earliest time.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tacitus_model::{Batch, Kind, Quality, Sample, TagId, TimeRange, Timestamp, Value};

use crate::block::{Row, value_of};
use crate::table::Table;

/// The latest sample and the extent of every tag.
#[derive(Debug)]
pub(crate) struct LastValues {
    lines: Table<Line>,
    /// Beside the lines, because few tags have one.
    texts: Table<Text>,
}

/// Half a cache line a tag: a million idle tags have one each.
#[derive(Debug)]
struct Line {
    /// [`WRITING`], [`NULL`], and a count of writes in [`STEP`]s; 0: no sample yet.
    version: AtomicU32,
    quality: AtomicU32,
    ts: AtomicI64,
    bits: AtomicU64,
    first_ns: AtomicI64,
}

/// A lock, because a text has no atomic.
type Text = OnceLock<Mutex<Arc<str>>>;

const WRITING: u32 = 1;
const NULL: u32 = 2;
const STEP: u32 = 4;

impl Default for Line {
    fn default() -> Self {
        Self {
            version: AtomicU32::new(0),
            quality: AtomicU32::new(0),
            ts: AtomicI64::new(i64::MIN),
            bits: AtomicU64::new(0),
            first_ns: AtomicI64::new(i64::MAX),
        }
    }
}

impl LastValues {
    pub(crate) fn new() -> Self {
        Self { lines: Table::new(), texts: Table::new() }
    }

    /// Takes a committed batch into account. Only the one writer calls this.
    pub(crate) fn note(&self, batch: &Batch) {
        for (tag, ts, value, quality) in batch.iter() {
            self.note_row(tag, Row::of(ts, value, quality));
        }
    }

    /// Takes one row into account; of rows with one time the one noted later wins.
    pub(crate) fn note_row(&self, tag: TagId, row: Row) {
        let Some(line) = self.lines.reach(tag) else { return };
        line.first_ns.fetch_min(row.ts, Ordering::Relaxed);
        let version = line.version.load(Ordering::Relaxed);
        if version != 0 && row.ts < line.ts.load(Ordering::Relaxed) {
            return;
        }
        line.version.store(version | WRITING, Ordering::Relaxed);
        fence(Ordering::Release);
        line.ts.store(row.ts, Ordering::Relaxed);
        line.bits.store(row.bits, Ordering::Relaxed);
        line.quality.store(row.quality, Ordering::Relaxed);
        if let Some(text) = row.text
            && let Some(place) = self.texts.reach(tag)
        {
            let place = place.get_or_init(|| Mutex::new(Arc::clone(&text)));
            *place.lock().unwrap_or_else(PoisonError::into_inner) = text;
        }
        let count = (version & !(WRITING | NULL)).wrapping_add(STEP);
        // 0 means "no sample yet", so a wrapped count skips it.
        let count = if count == 0 { STEP } else { count };
        line.version.store(count | if row.null { NULL } else { 0 }, Ordering::Release);
    }

    /// Replaces what is known of a tag, after samples of it were deleted.
    pub(crate) fn replace(&self, tag: TagId, last: Option<Row>, first: Option<Timestamp>) {
        let Some(line) = self.lines.reach(tag) else { return };
        line.first_ns.store(i64::MAX, Ordering::Relaxed);
        line.ts.store(i64::MIN, Ordering::Relaxed);
        match last {
            Some(row) => self.note_row(tag, row),
            None => line.version.store(0, Ordering::Release),
        }
        first.into_iter().for_each(|first| self.note_first(tag, first));
    }

    /// Takes an earliest time into account.
    pub(crate) fn note_first(&self, tag: TagId, first: Timestamp) {
        if let Some(line) = self.lines.reach(tag) {
            line.first_ns.fetch_min(first.nanos(), Ordering::Relaxed);
        }
    }

    /// The latest sample of a tag.
    pub(crate) fn latest(&self, tag: TagId, kind: Kind) -> Option<Sample> {
        let line = self.lines.get(tag)?;
        loop {
            let before = line.version.load(Ordering::Acquire);
            if before == 0 {
                return None;
            }
            let ts = line.ts.load(Ordering::Relaxed);
            let bits = line.bits.load(Ordering::Relaxed);
            let quality = line.quality.load(Ordering::Relaxed);
            let text = if kind == Kind::Text { self.text(tag) } else { None };
            fence(Ordering::Acquire);
            if before & WRITING == 0 && line.version.load(Ordering::Relaxed) == before {
                let null = before & NULL != 0;
                let value = if null { Value::Null } else { value_of(kind, bits, || text) };
                let ts = Timestamp::from_nanos(ts);
                return Some(Sample { tag, ts, value, quality: Quality(quality) });
            }
            std::hint::spin_loop();
        }
    }

    fn text(&self, tag: TagId) -> Option<Arc<str>> {
        let text = self.texts.get(tag)?.get()?;
        Some(Arc::clone(&text.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The first and last time of a tag.
    pub(crate) fn extent(&self, tag: TagId) -> Option<TimeRange> {
        let line = self.lines.get(tag)?;
        if line.version.load(Ordering::Acquire) == 0 {
            return None;
        }
        let first = Timestamp::from_nanos(line.first_ns.load(Ordering::Relaxed));
        let last = Timestamp::from_nanos(line.ts.load(Ordering::Relaxed));
        Some(TimeRange { first, last })
    }
}
