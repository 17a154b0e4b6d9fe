//! Bulk import: sorted rows become segments directly, without log and head.
//!
//! ```text
//! write   one segment a partition, sequences not yet known         (no lock)
//! commit  seal the head ─▶ one sequence for all rows ─▶ manifest    (as a seal)
//! ```
//!
//! *Invariant.* All rows of an import appear at once, with one sequence, or none of them. What
//! was committed before is older, what is committed after is newer.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use tacitus_model::TagId;

use crate::block::Block;
use crate::codec::Level;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::limits::IMPORT_PARTITIONS_MAX;
use crate::manifest::{SegmentRecord, Tier};
use crate::segment::{Finished, SegmentWriter, WriteOptions};

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// The sequence of every row; that of the last commit where there was none.
    pub sequence: u64,
    /// Samples written.
    pub samples: u64,
}

impl Engine {
    /// Writes rows of existing tags straight into segments: tags by rising id, each tag's blocks
    /// in time order, times strictly rising. Rows replace stored ones of the same time.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for rows out of order or of a tag that does not exist or is of
    /// another kind; what `rows` or the operating system says. Nothing was imported then, unless
    /// the outcome is [`crate::Outcome::Unknown`]: a restart shows whether it was.
    pub fn import(
        &self,
        rows: impl Iterator<Item = Result<(TagId, Block), Error>>,
    ) -> Result<Imported, Error> {
        self.check_poison()?;
        // The tags' definitions are on disk before their samples.
        self.commit(&[])?;
        let written = self.write_import(rows)?;
        let samples = written.iter().map(|record| record.samples).sum();
        let sequence =
            if written.is_empty() { self.snapshot().sequence() } else { self.seal_with(written)? };
        Ok(Imported { sequence, samples })
    }

    fn write_import(
        &self,
        rows: impl Iterator<Item = Result<(TagId, Block), Error>>,
    ) -> Result<Vec<SegmentRecord>, Error> {
        let store = self.lock_keeper().manifest.store;
        let mut writers: BTreeMap<i64, SegmentWriter<'_>> = BTreeMap::new();
        let mut before: Option<(TagId, i64)> = None;
        for row in rows {
            let (tag, block) = row?;
            let step = self.check_rows(tag, &block, before)?;
            before = block.times.last().map(|last| (tag, *last)).or(before);
            let mut from = 0;
            while let Some(ts) = block.times.get(from) {
                let partition = self.partitions.of("", *ts);
                let end = self.partitions.end("", partition);
                let rest = block.times.get(from..).unwrap_or_default();
                let to = from + end.map_or(rest.len(), |end| rest.partition_point(|ts| *ts < end));
                if writers.len() >= IMPORT_PARTITIONS_MAX {
                    let what = "the samples cover too many months for one import";
                    let hint = "import the files in parts, each of some decades";
                    return Err(Error::new(ErrorKind::Invalid, what, hint));
                }
                let writer = match writers.entry(partition) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(SegmentWriter::begin(
                        &*self.parts.disk,
                        &store,
                        WriteOptions {
                            number: self.next_number(),
                            level: Level::Hot,
                            tier: Tier::Raw,
                            replaced: false,
                            class: String::new(),
                            first_sequence: 0,
                            last_sequence: 0,
                            history: 0,
                        },
                    )?),
                };
                if from == 0 && to == block.len() {
                    writer.add(tag, step, &block)?;
                } else {
                    let mut part = Block::empty(block.kind);
                    part.extend(&block, from..to);
                    writer.add(tag, step, &part)?;
                }
                from = to;
            }
        }
        let made_ns = self.parts.clock.now().nanos();
        let finished = writers.into_values().map(SegmentWriter::finish);
        let record = |finished: Finished| SegmentRecord {
            file: finished.file,
            level: 0,
            tier: Tier::Raw,
            replaced: false,
            class: String::new(),
            first_ns: finished.first_ns,
            last_ns: finished.last_ns,
            samples: finished.samples,
            made_ns,
            applied: 0,
        };
        finished.filter_map(Result::transpose).map(|own| own.map(record)).collect()
    }

    /// Whether rows may follow what came before; whether their tag's values hold to the next.
    fn check_rows(
        &self,
        tag: TagId,
        block: &Block,
        before: Option<(TagId, i64)>,
    ) -> Result<bool, Error> {
        let refuse = |what: String, hint| Err(Error::new(ErrorKind::Invalid, what, hint));
        let Some(definition) = self.shared.catalog.get(tag) else {
            return refuse(format!("tag {} does not exist", tag.0), "define the tag first");
        };
        if definition.definition.kind != block.kind {
            let what = format!("samples of tag {} are not of its kind", tag.0);
            return refuse(what, "give the tag's values in its kind");
        }
        let follows = match (before, block.times.first()) {
            (Some((own, last)), Some(first)) if own == tag => last < *first,
            (Some((own, _)), _) => own <= tag,
            _ => true,
        };
        if !follows || !block.times.is_sorted_by(|a, b| a < b) || !block.is_sound() {
            let what = format!("samples of tag {} are out of order", tag.0);
            return refuse(what, "sort the samples by tag and then by time, each time once");
        }
        Ok(definition.definition.step)
    }
}
