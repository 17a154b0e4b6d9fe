//! The write-ahead log: every record, in order, on disk before anyone is told.
//!
//! ```text
//! 0000000007.log   header 512 │ frame │ frame │ … │ zeros, or frames of the file's former life
//! ```
//!
//! One frame is one group of records: one write, one sync. Files have a fixed length, are written
//! with zeros before their first use and reused after a seal, so that a sync has no metadata to
//! write. Layout and the argument for every crash point: `docs/format/log.md`.
//!
//! *Invariant.* A frame is written only after the frame before it was synced. So at most the
//! last frame can be torn; a valid frame behind a damaged one proves damage to what was
//! acknowledged.
//!
//! *Not here.* What a record means (`record`), and when a file may be reused: the engine says so
//! after the manifest that makes it superfluous is durable.

mod batch;
mod file;
mod frame;
mod record;
mod recovery;
mod survey;

use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::{Error, ErrorKind};
use crate::naming::Naming;
use crate::planted::{self, Bug};

pub use batch::{rows_from_bytes, rows_to_bytes};
pub(crate) use file::Files;
pub(crate) use frame::{FILE_HEADER_BYTES, FRAME_HEADER_BYTES};
#[cfg(fuzzing)]
pub(crate) use record::decode_records;
pub(crate) use record::{
    Record, encode_audit, encode_batch, encode_definition, encode_documents_record, encode_import,
};

/// The identity of a store: every checksum of the log depends on it.
pub(crate) type StoreId = [u8; 16];

/// The log, open for writing.
#[derive(Debug)]
pub(crate) struct Log {
    store: StoreId,
    file_bytes: u64,
    /// Files that no more frames go to, oldest first.
    full: Vec<FullFile>,
    current: Current,
    files: Arc<Files>,
}

/// A file that no more frames go to.
#[derive(Debug)]
struct FullFile {
    number: u64,
    last_sequence: u64,
}

/// The file that frames go to.
#[derive(Debug)]
struct Current {
    number: u64,
    file: Box<dyn DiskFile>,
    /// Where the next frame goes.
    end: u64,
    /// Of its last frame; 0 while it has none.
    last_sequence: u64,
}

impl Log {
    /// The largest payload that fits a frame.
    pub(crate) fn payload_bytes_max(file_bytes: u64) -> usize {
        let room = file_bytes.saturating_sub(FILE_HEADER_BYTES as u64 + FRAME_HEADER_BYTES as u64);
        usize::try_from(room & !7).unwrap_or(usize::MAX)
    }

    /// Writes one frame and syncs it.
    ///
    /// # Errors
    /// [`ErrorKind::Full`] or [`ErrorKind::Io`] where no file could be made ready: nothing was
    /// written. [`ErrorKind::Poisoned`] where the write or the sync failed.
    pub(crate) fn append(
        &mut self,
        first_sequence: u64,
        records: u32,
        payload: &[u8],
    ) -> Result<(), Error> {
        let len = frame::frame_bytes(payload.len());
        if self.current.end + len > self.file_bytes {
            self.roll()?;
        }
        let head = frame::FrameHead { records, first_sequence, number: self.current.number };
        let bytes = frame::encode(&self.store, self.current.end, head, payload);
        let name = Naming::log(self.current.number);
        let poison = |action: &str, source| {
            Error::poisoned(format!("could not {action} log file \"{name}\""), Some(source))
        };
        let current = &mut self.current;
        current.file.write_at(current.end, &bytes).map_err(|source| poison("write", source))?;
        if !planted::active(Bug::AcknowledgeBeforeSync) && !planted::skips_sync() {
            let mut synced = current.file.sync();
            if planted::active(Bug::RetrySync) && synced.is_err() {
                synced = current.file.sync();
            }
            synced.map_err(|source| poison("sync", source))?;
        }
        current.end += len;
        current.last_sequence = first_sequence + u64::from(records) - 1;
        Ok(())
    }

    /// Goes on in a file that takes next to no space.
    ///
    /// # Errors
    /// As the operating system says; the log goes on in the current file.
    pub(crate) fn roll_short(&mut self) -> Result<(), Error> {
        let next = Current::from(self.files.take_short()?);
        let full = std::mem::replace(&mut self.current, next);
        self.full.push(FullFile { number: full.number, last_sequence: full.last_sequence });
        Ok(())
    }

    /// Goes on in the next file.
    fn roll(&mut self) -> Result<(), Error> {
        let next = Current::from(self.files.take()?);
        let full = std::mem::replace(&mut self.current, next);
        self.full.push(FullFile { number: full.number, last_sequence: full.last_sequence });
        Ok(())
    }

    /// The files before, after and aside of those that frames go to: they can be made ready and
    /// put aside while frames are written.
    pub(crate) fn files(&self) -> Arc<Files> {
        Arc::clone(&self.files)
    }

    /// The number of the first file that has, or will have, a frame after `checkpoint`.
    pub(crate) fn first_needed(&self, checkpoint: u64) -> u64 {
        let needed = self.full.iter().find(|file| file.last_sequence > checkpoint);
        needed.map_or(self.current.number, |file| file.number)
    }

    /// Gives up the oldest file, if it is before `first_needed`: its number, for
    /// [`Files::retire`]. The manifest that says that none of them is needed is durable: what it
    /// needs is its word, not what this log knows since.
    pub(crate) fn give_up(&mut self, first_needed: u64) -> Option<u64> {
        let at = self.full.iter().position(|file| file.number < first_needed)?;
        Some(self.full.remove(at).number)
    }

    /// Bytes of the files in use, spares not counted.
    pub(crate) fn bytes(&self) -> u64 {
        (self.full.len() as u64 + 1) * self.file_bytes
    }

    /// Bytes that frames take, from the oldest file that is still needed.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.full.len() as u64 * self.file_bytes + self.current.end
    }
}

/// A new log of one empty file with this number, for a new store.
///
/// # Errors
/// As the operating system says.
pub(crate) fn create(
    disk: &Arc<dyn Disk>,
    store: StoreId,
    file_bytes: u64,
    number: u64,
) -> Result<(), Error> {
    Files::new(Arc::clone(disk), store, file_bytes, number, Vec::new()).take().map(drop)
}

/// Opens the log and hands over every record after `checkpoint`, in order.
///
/// # Errors
/// [`ErrorKind::Corrupt`] where a record that was acknowledged cannot be read.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    store: StoreId,
    file_bytes: u64,
    from: recovery::From,
    apply: &mut dyn FnMut(u64, Record) -> Result<(), Error>,
) -> Result<Log, Error> {
    recovery::recover(disk, store, file_bytes, from, apply)
}

pub(crate) use recovery::From as RecoverFrom;
pub(crate) use survey::{Gap, survey};

/// Whether the directory holds log files although it has no manifest: with frames in them that
/// is damage, without any it is a store that was never finished.
pub(crate) fn has_frames(disk: &dyn Disk) -> Result<bool, Error> {
    recovery::has_frames(disk)
}

/// The store that a log file belongs to.
pub(crate) fn header_of(disk: &dyn Disk, name: &str) -> Result<StoreId, Error> {
    let mut bytes = vec![0; FILE_HEADER_BYTES];
    let read = disk.open(name).and_then(|file| file.read_at(0, &mut bytes));
    read.map_err(|source| Error::io("read", name, source))?;
    let header = frame::decode_file_header(&bytes);
    header.map(|(store, _)| store).map_err(|what| Error::corrupt(name, what))
}

/// An error for a batch that no frame can hold.
pub(crate) fn too_large(bytes: usize, most: usize) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("a batch takes {bytes} bytes in the log, which holds at most {most} at once"),
        "write fewer samples at once, or raise log_file_size",
    )
}
