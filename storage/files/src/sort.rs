//! Samples in any order in, blocks by tag and time out, in little memory.
//!
//! ```text
//! add ─▶ a column for each tag ─ memory full ─▶ run: every tag's rows in order, in one spill file
//! finish ─▶ for each tag its part of every run, merged; of two rows of one time the later wins
//! ```
//!
//! *Invariant.* Blocks come by rising tag, those of a tag by strictly rising time, none longer
//! than the store takes. Of rows with the same tag and time the one that was added last is kept.
//! Memory: the columns up to the given bytes, then a buffer for each run.
//!
//! *Not here.* What becomes of the blocks.

mod column;
mod run;

use std::io;

use tacitus_model::{Kind, Quality, TagId, Value};
use tacitus_storage::Block;

use crate::limits::{BLOCK_ROWS_MAX, SORT_BYTES_MIN};
use crate::spill::Spill;
use column::Column;
use run::{RunReader, Runs};

/// Puts samples in order.
#[derive(Debug)]
pub struct Sorter {
    /// By id.
    columns: Vec<Option<Box<Column>>>,
    bytes: usize,
    bytes_max: usize,
    runs: Runs,
}

impl Sorter {
    /// A sort that holds about `bytes_max` bytes in memory and the rest in `spill`.
    #[must_use]
    pub fn new(bytes_max: usize, spill: Spill) -> Self {
        let bytes_max = bytes_max.max(SORT_BYTES_MIN);
        Self { columns: Vec::new(), bytes: 0, bytes_max, runs: Runs::new(spill) }
    }

    /// Adds a sample; its value is null or of the tag's kind.
    ///
    /// # Errors
    /// What does not fit in memory cannot be spilled.
    pub fn add(
        &mut self,
        tag: TagId,
        kind: Kind,
        ts: i64,
        value: &Value,
        quality: Quality,
    ) -> io::Result<()> {
        let at = tag.0 as usize;
        if self.columns.len() <= at {
            self.columns.resize_with(at + 1, || None);
        }
        if let Some(place) = self.columns.get_mut(at) {
            let column = place.get_or_insert_with(|| Box::new(Column::new(kind)));
            self.bytes += column.push(ts, value, quality);
        }
        if self.bytes >= self.bytes_max { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.bytes = 0;
        let columns = std::mem::take(&mut self.columns);
        self.runs.write(blocks_of(columns))
    }

    /// The samples in order.
    ///
    /// # Errors
    /// As [`Sorter::add`].
    pub fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            return Ok(Sorted(Source::Memory(Box::new(blocks_of(self.columns)))));
        }
        self.spill()?;
        let readers = self.runs.readers()?;
        Ok(Sorted(Source::Runs(Box::new(Merge { readers, current: None }))))
    }
}

type Blocks = Box<dyn Iterator<Item = (TagId, Block)>>;

/// Columns as blocks; a column is gone when its last block was taken.
fn blocks_of(columns: Vec<Option<Box<Column>>>) -> Blocks {
    let ids = (0..).map(TagId);
    let some = ids.zip(columns).filter_map(|(tag, column)| Some((tag, column?)));
    Box::new(some.flat_map(|(tag, column)| column.blocks().map(move |block| (tag, block))))
}

/// Blocks by tag and time.
pub struct Sorted(Source);

enum Source {
    Memory(Blocks),
    Runs(Box<Merge>),
}

impl std::fmt::Debug for Sorted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Sorted")
    }
}

impl Iterator for Sorted {
    type Item = io::Result<(TagId, Block)>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Memory(blocks) => blocks.next().map(Ok),
            Source::Runs(merge) => merge.next().transpose(),
        }
    }
}

/// All runs, read side by side.
struct Merge {
    /// In the order in which they were written: of equal times the later run wins.
    readers: Vec<RunReader>,
    /// The tag whose rows are being merged.
    current: Option<(TagId, Kind)>,
}

impl Merge {
    fn next(&mut self) -> io::Result<Option<(TagId, Block)>> {
        loop {
            let (tag, kind) = match self.current {
                Some(current) => current,
                None => {
                    match self.readers.iter().filter_map(RunReader::tag).min_by_key(|of| of.0) {
                        Some(first) => first,
                        None => return Ok(None),
                    }
                }
            };
            self.current = Some((tag, kind));
            let mut merged = Block::empty(kind);
            while merged.len() < BLOCK_ROWS_MAX {
                if !self.take(tag, &mut merged)? {
                    self.current = None;
                    break;
                }
            }
            if !merged.is_empty() {
                return Ok(Some((tag, merged)));
            }
        }
    }

    /// Moves the earliest rows of a tag, as far as they lie in one run; false if there are none.
    fn take(&mut self, tag: TagId, merged: &mut Block) -> io::Result<bool> {
        let heads = self.readers.iter().enumerate();
        let mut heads: Vec<(i64, usize)> =
            heads.filter_map(|(at, reader)| Some((reader.head(tag)?, at))).collect();
        heads.sort_unstable();
        let Some((first, _)) = heads.first().copied() else { return Ok(false) };
        // Of those that begin together the last one is told, the others pass their row by.
        let together = heads.iter().take_while(|(ts, _)| *ts == first).count();
        let winner = heads.get(together - 1).map_or(0, |(_, at)| *at);
        let until = heads.get(together).map_or(i64::MAX, |(ts, _)| *ts);
        let room = BLOCK_ROWS_MAX - merged.len();
        for (_, at) in heads.iter().take(together) {
            let Some(reader) = self.readers.get_mut(*at) else { continue };
            if *at != winner {
                reader.skip_row()?;
            } else if together > 1 || until == first {
                reader.take_rows(first, 1, merged)?;
            } else {
                reader.take_rows(until, room, merged)?;
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
