//! The records that are left of a damaged log, on their way into a segment.
//!
//! *Invariant.* Every sample keeps its sequence, so that of two with one time the later one still
//! wins.

use tacitus_model::TimeRange;

use crate::audit::AuditEntry;
use crate::codec::Level;
use crate::disk::Disk;
use crate::documents::{Latest, changes_of};
use crate::error::Error;
use crate::head::Head;
use crate::log::{Record, StoreId};
use crate::manifest::{SegmentRecord, Tier};
use crate::repair::definitions::Definitions;
use crate::segment::{Finished, SegmentWriter, WriteOptions};
use crate::visibility::Visibility;

/// What the log had after the checkpoint.
#[derive(Debug)]
pub(crate) struct Salvage {
    head: Head,
    last_sequence: u64,
    /// The edits and deletions among them.
    pub(crate) changes: Vec<AuditEntry>,
    /// What became of documents.
    pub(crate) documents: Latest,
    /// The number of the log file to begin with.
    pub(crate) next_file: u64,
}

impl Salvage {
    pub(crate) fn new(checkpoint: u64) -> Self {
        Self {
            head: Head::new(checkpoint + 1),
            last_sequence: checkpoint,
            changes: Vec::new(),
            documents: Latest::new(),
            next_file: 0,
        }
    }

    pub(crate) fn take(&mut self, sequence: u64, record: Record, definitions: &mut Definitions) {
        self.last_sequence = sequence;
        match record {
            Record::Definition(entry) => definitions.enter(entry.at(sequence)),
            Record::Audit(entry) => self.changes.push(AuditEntry { sequence, ..entry }),
            Record::Import => {}
            Record::Documents(documents) => self.documents.extend(changes_of(&documents)),
            Record::Samples(batch) => {
                for (tag, _, value, _) in batch.iter() {
                    definitions.note_value(tag, value);
                }
                self.head.append(&batch, sequence);
            }
        }
    }

    /// The last sequence that could be read.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Publishes the samples as a segment; `None` where there are none.
    pub(crate) fn write(
        &self,
        disk: &dyn Disk,
        store: &StoreId,
        number: u64,
        definitions: &Definitions,
    ) -> Result<Option<(SegmentRecord, u64)>, Error> {
        if self.head.rows() == 0 {
            return Ok(None);
        }
        let (first_sequence, last_sequence) = (self.head.first_sequence(), self.last_sequence);
        let options = WriteOptions {
            number,
            level: Level::Hot,
            tier: Tier::Raw,
            replaced: false,
            class: String::new(),
            first_sequence,
            last_sequence,
            history: 0,
        };
        let mut writer = SegmentWriter::begin(disk, store, options)?;
        let visibility = Visibility::up_to(last_sequence);
        for tag in self.head.tags() {
            let Some(definition) = definitions.get(tag) else { continue };
            let rows = self.head.read(tag, definition.kind, TimeRange::ALL, &visibility, true);
            writer.add(tag, definition.step, &rows)?;
        }
        let record = |finished: Finished| SegmentRecord {
            file: finished.file,
            level: 0,
            tier: Tier::Raw,
            replaced: false,
            class: String::new(),
            first_ns: finished.first_ns,
            last_ns: finished.last_ns,
            samples: finished.samples,
            made_ns: 0,
            applied: 0,
        };
        Ok(writer.finish()?.map(|finished| (record(finished), self.head.rows() as u64)))
    }
}
