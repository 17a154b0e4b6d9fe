//! Writing: definitions and batches go to the log as one group and then to the head.
//!
//! *Invariant.* Applied means durable: the catalog, the head and the latest values change only
//! after the frame was synced. A frame is applied before the next one is written.

use std::sync::atomic::Ordering;

use tacitus_model::Batch;

use crate::audit::{AuditEntry, Change};
use crate::catalog::Draft;
use crate::documents::Document;
use crate::engine::{Engine, Writer};
use crate::error::{Error, ErrorKind, Outcome};
use crate::log::{
    self, Log, encode_audit, encode_batch, encode_definition, encode_documents_record,
    encode_import,
};
use crate::planted::{self, Bug};
use crate::version::Version;

/// One thing to write.
#[derive(Clone, Copy)]
enum Item<'a> {
    Definition(&'a Draft),
    Audit(&'a AuditEntry),
    Import,
    Samples(&'a Batch),
    Documents(&'a [Document]),
}

/// What is written, and synced, at once.
#[derive(Default)]
struct Frame<'a> {
    payload: Vec<u8>,
    items: Vec<Item<'a>>,
}

impl Engine {
    /// Makes batches durable as one group, together with the tags defined since the last commit,
    /// and then shows them. Returns the sequence of the last record.
    ///
    /// A group that fits one log frame is on disk whole or not at all; a larger one is written in
    /// several, each whole.
    ///
    /// # Errors
    /// With [`Outcome::NotWritten`]: [`ErrorKind::Invalid`] for a batch that cannot be kept,
    /// [`ErrorKind::Full`], [`ErrorKind::Busy`]. With [`Outcome::Unknown`]:
    /// [`ErrorKind::Poisoned`], or another kind where a part of the group was written.
    pub fn commit(&self, batches: &[Batch]) -> Result<u64, Error> {
        self.commit_items(None, batches, &[])
    }

    /// As [`Engine::commit`], with documents: where the group fits one log frame, samples and
    /// documents are kept together or not at all; else no document without the samples.
    ///
    /// # Errors
    /// As [`Engine::commit`]; [`ErrorKind::Busy`] where documents have all the room there is.
    pub fn commit_with(&self, batches: &[Batch], documents: &[Document]) -> Result<u64, Error> {
        self.shared.documents.check(documents)?;
        self.commit_items(None, batches, documents)
    }

    /// Makes a change durable after its entry in the audit. A deletion is taken on a full disk
    /// too: the reserve is there for it.
    pub(crate) fn commit_change(
        &self,
        entry: &AuditEntry,
        batches: &[Batch],
    ) -> Result<u64, Error> {
        let touched = (entry.change == Change::Deleted).then(|| (entry.tags.clone(), entry.range));
        let sequence = self.commit_items(Some(entry), batches, &[])?;
        if let Some((tags, range)) = touched {
            // The deletion is durable all the same; made again, it looks the samples up again.
            let refreshed = self.refresh_latest(&tags, range);
            refreshed.map_err(|error| error.with_outcome(Outcome::Unknown))?;
        }
        Ok(sequence)
    }

    fn commit_items(
        &self,
        change: Option<&AuditEntry>,
        batches: &[Batch],
        documents: &[Document],
    ) -> Result<u64, Error> {
        let mut writer = self.lock_writer();
        self.check_poison()?;
        if change.is_none_or(|entry| entry.change != Change::Deleted) {
            self.check_room()?;
        }
        batches.iter().try_for_each(|batch| self.shared.catalog.check_batch(batch))?;
        let definitions = self.shared.catalog.take_pending();
        let items = definitions
            .iter()
            .map(Item::Definition)
            .chain(change.map(Item::Audit))
            .chain(batches.iter().filter(|batch| !batch.is_empty()).map(Item::Samples))
            .chain((!documents.is_empty()).then_some(Item::Documents(documents)))
            .collect();
        let before = writer.next_sequence;
        let result = self.write_group(&mut writer, items);
        let written = usize::try_from(writer.next_sequence - before).unwrap_or(usize::MAX);
        result.map_err(|error| {
            self.shared.catalog.return_pending(definitions.get(written..).unwrap_or_default());
            self.note_failure(&error);
            if written > 0 { error.with_outcome(Outcome::Unknown) } else { error }
        })?;
        Ok(writer.next_sequence - 1)
    }

    /// Takes a sequence for what an import wrote; the log says so, that it has no gap.
    pub(crate) fn take_sequence(&self, writer: &mut Writer) -> Result<u64, Error> {
        let sequence = writer.next_sequence;
        let taken = self.write_group(writer, vec![Item::Import]);
        taken.inspect_err(|error| self.note_failure(error))?;
        Ok(sequence)
    }

    fn write_group(&self, writer: &mut Writer, items: Vec<Item<'_>>) -> Result<(), Error> {
        for frame in self.frames(items)? {
            let records = u32::try_from(frame.items.len()).unwrap_or(u32::MAX);
            writer.log.append(writer.next_sequence, records, &frame.payload)?;
            self.log_bytes.store(writer.log.bytes(), Ordering::Relaxed);
            let version = self.shared.version.load_full();
            if planted::active(Bug::ShowHalf) {
                self.shared.visible.store(writer.next_sequence, Ordering::Release);
            }
            for item in frame.items {
                self.apply(&version, item, writer.next_sequence)?;
                writer.next_sequence += 1;
            }
            self.shared.visible.store(writer.next_sequence - 1, Ordering::Release);
            self.note_age();
        }
        Ok(())
    }

    /// The items as frames, each as full as it can be. Nothing is written before all are known
    /// to fit.
    fn frames<'a>(&self, items: Vec<Item<'a>>) -> Result<Vec<Frame<'a>>, Error> {
        let most = Log::payload_bytes_max(self.settings.log_file_bytes);
        let mut frames = Vec::new();
        let mut frame = Frame::default();
        for item in items {
            let before = frame.payload.len();
            item.encode(&mut frame.payload);
            if frame.payload.len() > most {
                let record = frame.payload.split_off(before);
                if record.len() > most {
                    return Err(log::too_large(record.len(), most));
                }
                frames
                    .push(std::mem::replace(&mut frame, Frame { payload: record, items: vec![] }));
            }
            frame.items.push(item);
        }
        frames.push(frame);
        frames.retain(|frame| !frame.items.is_empty());
        Ok(frames)
    }

    /// The first record of a head sets its age.
    fn note_age(&self) {
        if self.head_since_ns.load(Ordering::Relaxed) == 0 {
            self.head_since_ns.store(self.parts.clock.monotonic_ns().max(1), Ordering::Relaxed);
        }
    }

    fn apply(&self, version: &Version, item: Item<'_>, sequence: u64) -> Result<(), Error> {
        match item {
            Item::Definition(draft) => {
                self.shared.catalog.commit(draft, sequence)?;
                version.head.note_sequence(sequence);
            }
            Item::Audit(entry) => {
                self.shared.enter_change(AuditEntry { sequence, ..entry.clone() });
                version.head.note_sequence(sequence);
            }
            Item::Import => version.head.note_sequence(sequence),
            Item::Samples(batch) => {
                version.head.append(batch, sequence);
                self.shared.last.note(batch);
            }
            Item::Documents(documents) => {
                self.shared.keep_documents(&version.head, documents, sequence);
            }
        }
        Ok(())
    }

    /// Whether there is room on the disk and in memory.
    fn check_room(&self) -> Result<(), Error> {
        if self.full.load(Ordering::Acquire) {
            let free = self.free_bytes.load(Ordering::Relaxed);
            let what = format!(
                "the disk is full: {free} bytes are free, {} are kept in reserve",
                self.reserve_bytes
            );
            let hint = "free space on the disk of the data directory; writing resumes by itself";
            return Err(Error::new(ErrorKind::Full, what, hint));
        }
        let version = self.shared.version.load();
        let bytes = version.head.bytes();
        if version.frozen.is_some() && bytes >= self.settings.head_bytes_max.saturating_mul(2) {
            let hint = "send again in a moment; if this lasts, the disk is too slow for the load";
            let what = "samples arrive faster than they can be sealed";
            return Err(Error::new(ErrorKind::Busy, what, hint));
        }
        Ok(())
    }

    fn note_failure(&self, error: &Error) {
        match error.kind() {
            ErrorKind::Poisoned => self.poisoned.store(true, Ordering::Release),
            ErrorKind::Full => self.full.store(true, Ordering::Release),
            _ => {}
        }
    }
}

impl Item<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Definition(draft) => encode_definition(out, &draft.entry),
            Self::Audit(entry) => encode_audit(out, entry),
            Self::Import => encode_import(out),
            Self::Samples(batch) => encode_batch(out, batch),
            Self::Documents(documents) => encode_documents_record(out, documents),
        }
    }
}
