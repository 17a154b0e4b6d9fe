//! Rewriting segments: several become fewer and denser ones, by partition and retention class.
//!
//! ```text
//! inputs ─▶ merge by tag ─▶ winners          ─▶ one segment a class and partition
//!                        ─▶ replaced, deleted ─▶ segments that only the past reads, or nothing
//! ```
//! Before anything is committed the rows are counted and hashed, in the inputs as they are read
//! from disk and in the outputs as they are read back: together with what was discarded on
//! purpose they must be the same.
//!
//! *Invariant.* No row is lost or made but those that were replaced or deleted, and these only
//! when nobody may look back as far. Memory is one chunk for each output.
//!
//! *Not here.* Which segments, and when: `engine/maintain.rs`.

mod digest;
mod partition;
mod tier;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use roaring::RoaringBitmap;
use tacitus_model::{Tag, TagId, TimeRange};

use crate::block::{Block, Row};
use crate::cache::BlockCache;
use crate::catalog::Catalog;
use crate::codec::Level;
use crate::disk::Disk;
use crate::engine::Pins;
use crate::error::{Error, ErrorKind};
use crate::log::StoreId;
use crate::manifest::{Deletion, SegmentRecord, Tier};
use crate::merge::{Merge, Part, Source};
use crate::moment::{self, Moment};
use crate::planted::{self, Bug};
use crate::segment::{Finished, Segment, SegmentWriter, WriteOptions};
use crate::visibility::Visibility;
use digest::Digest;

pub(crate) use partition::Partitions;
pub use partition::Retention;
pub(crate) use tier::summarise;

/// What a rewriting runs on and keeps to.
#[derive(Debug)]
pub(crate) struct Workshop<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) store: StoreId,
    pub(crate) catalog: &'a Catalog,
    pub(crate) cache: &'a BlockCache,
    pub(crate) pins: &'a Arc<Pins>,
    /// Set when the job is to be given up.
    pub(crate) halted: &'a AtomicBool,
    /// The number of the next file.
    pub(crate) numbers: &'a AtomicU64,
    pub(crate) partitions: &'a Partitions,
    pub(crate) deletions: &'a [Deletion],
    /// What rows of later sequences replaced is kept.
    pub(crate) history: u64,
    /// Rows of later sequences keep them.
    pub(crate) exact_after: u64,
    pub(crate) now_ns: i64,
}

/// Which output a row goes to: class, partition, and how often it was replaced.
type Shelf = (Arc<str>, i64, usize);

/// The outputs under way.
#[derive(Debug)]
struct Outputs<'a> {
    workshop: &'a Workshop<'a>,
    inputs: (u64, u64),
    writers: BTreeMap<Shelf, SegmentWriter<'a>>,
    discarded: Digest,
    /// Someone may look back to before a row was replaced or deleted.
    keeps_past: bool,
}

impl Workshop<'_> {
    /// Merges segments into new ones, checks them and opens them.
    pub(crate) fn merge(&self, inputs: &[Arc<Segment>]) -> Result<Vec<Arc<Segment>>, Error> {
        let first = inputs.iter().map(|input| input.record().file.first_sequence).min();
        let last = inputs.iter().map(|input| input.record().file.last_sequence).max();
        let inputs_sequences = (first.unwrap_or(0), last.unwrap_or(0));
        let deleted = self.deletions.iter().map(|deletion| deletion.sequence).max();
        let mut outputs = Outputs {
            workshop: self,
            inputs: inputs_sequences,
            writers: BTreeMap::new(),
            discarded: Digest::default(),
            keeps_past: deleted.unwrap_or(0).max(inputs_sequences.1) > self.history,
        };
        let mut before = Digest::default();
        for input in inputs {
            self.check_halted()?;
            before.segment(input)?;
        }
        let tags = inputs.iter().fold(RoaringBitmap::new(), |all, input| all | input.tag_set());
        for id in tags {
            moment::pass(Moment::Rewrite);
            self.check_halted()?;
            outputs.tag(inputs, TagId(id))?;
        }
        let (mut after, segments) = outputs.finish()?;
        for segment in &segments {
            after.segment(segment)?;
        }
        if after != before {
            segments.iter().for_each(|segment| segment.doom(self.pins));
            let what = format!("{before} went in and {after} came out of a compaction");
            return Err(Error::corrupt("segments", what));
        }
        Ok(segments)
    }

    fn check_halted(&self) -> Result<(), Error> {
        if self.halted.load(Ordering::Acquire) {
            let hint = "upkeep goes on after the next start";
            return Err(Error::new(ErrorKind::Busy, "upkeep was ended", hint));
        }
        Ok(())
    }

    /// The next file's number.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Opens what was written.
    pub(crate) fn open(&self, record: SegmentRecord) -> Result<Arc<Segment>, Error> {
        Ok(Arc::new(Segment::open(&**self.disk, &self.store, record, self.cache)?))
    }

    /// The deletions of one tag.
    fn deleted(&self, tag: TagId) -> Vec<(TimeRange, u64)> {
        let own = self.deletions.iter().filter(|deletion| deletion.tags.contains(&tag));
        own.map(|deletion| (deletion.range, deletion.sequence)).collect()
    }
}

impl Outputs<'_> {
    /// Rewrites all rows of a tag.
    fn tag(&mut self, inputs: &[Arc<Segment>], id: TagId) -> Result<(), Error> {
        let everything = Arc::new(Visibility::up_to(u64::MAX));
        let mut sources = Vec::new();
        let mut kind = None;
        let mut error_bound = 0.0_f64;
        for input in inputs {
            if let Some(entry) = input.tag(id)? {
                kind = Some((entry.kind, entry.step));
                error_bound = error_bound.max(entry.error_bound);
                let source = Source::pages(input, entry, TimeRange::ALL, &everything, true, None)?;
                sources.push(source);
            }
        }
        let Some((kind, step)) = kind else { return Ok(()) };
        let tag = self.workshop.catalog.get(id);
        let step = tag.as_ref().map_or(step, |tag| tag.definition.step);
        let class = class_of(tag.as_deref());
        let deleted = Visibility { as_of: u64::MAX, after: 0, deleted: self.workshop.deleted(id) };
        let mut shelf = TagShelf { id, step, class, error_bound, deleted, dropped: Vec::new() };
        let mut merge = Merge::new(kind, sources).keeping_replaced();
        while let Some(part) = merge.next_part()? {
            match part {
                Part::Rows(block) => self.rows(&mut shelf, &block)?,
                Part::Pages(run) => {
                    for page in run.pages.clone() {
                        let block = run.segment.read(&run.entry, page, true)?;
                        self.rows(&mut shelf, &block)?;
                    }
                }
            }
            self.put_away(&mut shelf, &merge.take_replaced())?;
        }
        Ok(())
    }

    /// Takes rows of the tag that nothing replaced; those that were deleted are put away.
    fn rows(&mut self, shelf: &mut TagShelf, block: &Block) -> Result<(), Error> {
        let mut rest = block.clone();
        if planted::active(Bug::ForgetQualities) {
            rest.qualities = None;
        }
        if planted::active(Bug::ForgetLastRow) {
            let last = rest.times.last().copied();
            rest.retain(|ts, _| Some(ts) != last);
        }
        if !shelf.deleted.deleted.is_empty() {
            let mut gone = block.clone();
            gone.retain(|ts, sequence| !shelf.deleted.sees(ts, sequence));
            rest.retain(|ts, sequence| shelf.deleted.sees(ts, sequence));
            self.put_away(shelf, &[gone])?;
        }
        self.add(shelf, &rest, 0)
    }

    /// Adds rows to the outputs of their partitions.
    fn add(&mut self, shelf: &TagShelf, block: &Block, replaced: usize) -> Result<(), Error> {
        let mut from = 0;
        while let Some(ts) = block.times.get(from) {
            let partition = self.workshop.partitions.of(&shelf.class, *ts);
            let end = self.workshop.partitions.end(&shelf.class, partition);
            let rest = block.times.get(from..).unwrap_or_default();
            let to = from + end.map_or(rest.len(), |end| rest.partition_point(|ts| *ts < end));
            let mut part = Block::tracked(block.kind, true);
            part.extend(block, from..to);
            let key = (Arc::clone(&shelf.class), partition, replaced);
            let writer = match self.writers.entry(key) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let options = WriteOptions {
                        number: self.workshop.next_number(),
                        level: Level::Cold,
                        tier: Tier::Raw,
                        replaced: replaced > 0,
                        class: shelf.class.to_string(),
                        first_sequence: self.inputs.0,
                        last_sequence: self.inputs.1,
                        // Whether a row was replaced before another came is told by their own
                        // sequences alone.
                        history: if replaced > 0 { 0 } else { self.workshop.exact_after },
                    };
                    let disk = &**self.workshop.disk;
                    entry.insert(SegmentWriter::begin(disk, &self.workshop.store, options)?)
                }
            };
            writer.add(shelf.id, shelf.step, &part)?;
            writer.widen(shelf.error_bound);
            from = to;
        }
        Ok(())
    }

    /// Keeps rows that were replaced or deleted while someone may look back at them.
    fn put_away(&mut self, shelf: &mut TagShelf, blocks: &[Block]) -> Result<(), Error> {
        let rows = blocks.iter().flat_map(|block| (0..block.len()).filter_map(|n| block.row(n)));
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_by_key(|row| (row.ts, row.sequence));
        let kind = blocks.first().map(|block| block.kind);
        for row in rows {
            let Some(kind) = kind else { break };
            let mut single = Block::tracked(kind, true);
            let ts = row.ts;
            single.push(row);
            if !self.keeps_past {
                self.discarded.block(shelf.id, &single);
                continue;
            }
            let free = shelf.dropped.iter().position(|last| *last < ts);
            let at = free.unwrap_or(shelf.dropped.len());
            match shelf.dropped.get_mut(at) {
                Some(last) => *last = ts,
                None => shelf.dropped.push(ts),
            }
            self.add(shelf, &single, at + 1)?;
        }
        Ok(())
    }

    /// Completes the outputs; what was discarded on the way.
    fn finish(self) -> Result<(Digest, Vec<Arc<Segment>>), Error> {
        let applied = self.workshop.deletions.iter().map(|deletion| deletion.sequence).max();
        let mut segments = Vec::new();
        for ((class, _, replaced), writer) in self.writers {
            let Some(finished) = writer.finish()? else { continue };
            let Finished { file, first_ns, last_ns, samples } = finished;
            let record = SegmentRecord {
                file,
                level: 1,
                tier: Tier::Raw,
                replaced: replaced > 0,
                class: class.to_string(),
                first_ns,
                last_ns,
                samples,
                made_ns: self.workshop.now_ns,
                applied: applied.unwrap_or(0),
            };
            segments.push(self.workshop.open(record)?);
        }
        Ok((self.discarded, segments))
    }
}

/// The tag that is being rewritten.
#[derive(Debug)]
struct TagShelf {
    id: TagId,
    step: bool,
    class: Arc<str>,
    error_bound: f64,
    deleted: Visibility,
    /// The last time that went to each of the outputs for replaced rows.
    dropped: Vec<i64>,
}

fn class_of(tag: Option<&Tag>) -> Arc<str> {
    tag.map_or_else(|| Arc::from(""), |tag| Arc::from(&*tag.definition.retention))
}

#[cfg(test)]
mod tests;
