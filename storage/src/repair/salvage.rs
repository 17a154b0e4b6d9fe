//! The records that are left of a damaged log, on their way into a segment.
//!
//! *Invariant.* Every sample keeps its sequence, so that of two with one time the later one still
//! wins.

use tacitus_model::TimeRange;

use crate::codec::Level;
use crate::disk::Disk;
use crate::error::Error;
use crate::head::Head;
use crate::log::{Record, StoreId};
use crate::manifest::FileRecord;
use crate::repair::definitions::Definitions;
use crate::segment::{SegmentWriter, WriteOptions};
use crate::visibility::Visibility;

/// What the log had after the checkpoint.
#[derive(Debug)]
pub(crate) struct Salvage {
    head: Head,
    last_sequence: u64,
    /// The number of the log file to begin with.
    pub(crate) next_file: u64,
}

impl Salvage {
    pub(crate) fn new(checkpoint: u64) -> Self {
        Self { head: Head::new(checkpoint + 1), last_sequence: checkpoint, next_file: 0 }
    }

    pub(crate) fn take(&mut self, sequence: u64, record: Record, definitions: &mut Definitions) {
        self.last_sequence = sequence;
        match record {
            Record::Definition(tag) => definitions.enter(tag),
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
    ) -> Result<Option<(FileRecord, u64)>, Error> {
        if self.head.rows() == 0 {
            return Ok(None);
        }
        let (first_sequence, last_sequence) = (self.head.first_sequence(), self.last_sequence);
        let options = WriteOptions { number, level: Level::Hot, first_sequence, last_sequence };
        let mut writer = SegmentWriter::begin(disk, store, options)?;
        let visibility = Visibility::up_to(last_sequence);
        for tag in self.head.tags() {
            let Some(definition) = definitions.get(tag) else { continue };
            let rows = self.head.read(tag, definition.kind, TimeRange::ALL, &visibility, true);
            writer.add(tag, definition.step, &rows)?;
        }
        Ok(writer.finish()?.map(|record| (record, self.head.rows() as u64)))
    }
}
