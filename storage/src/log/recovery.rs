//! Reading the log back at start: which records count, and where writing goes on.
//!
//! *Invariant.* Every frame that was synced is handed over, once, in order of sequence; a torn
//! last frame is dropped whole. Whatever else does not fit (a hole in the sequence, a damaged
//! frame before an intact one, a missing file) is damage: nothing is guessed, nothing is changed.

use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::limits::LOG_SPARES_MAX;
use crate::log::file::{Files, Ready};
use crate::log::frame::{self, FILE_HEADER_BYTES, decode_file_header};
use crate::log::record::{Record, decode_records};
use crate::log::{Current, FullFile, Log, StoreId};
use crate::naming::Naming;
use crate::planted::{self, Bug};
use crate::publish::read_whole;

/// Where the manifest says reading starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From {
    /// The last sequence that is sealed.
    pub(crate) checkpoint: u64,
    /// The first file that may hold a later one.
    pub(crate) first_file: u64,
}

/// One log file, read.
struct ReadFile {
    number: u64,
    file: Box<dyn DiskFile>,
    end: u64,
    last_sequence: u64,
    /// Its last frame and where it begins; kept only of the last file with frames.
    last_frame: Option<(u64, Vec<u8>)>,
}

pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    store: StoreId,
    file_bytes: u64,
    from: From,
    apply: &mut dyn FnMut(u64, Record) -> Result<(), Error>,
) -> Result<Log, Error> {
    let numbers = needed_numbers(&**disk, from.first_file)?;
    let mut replay = Replay { store, checkpoint: from.checkpoint, expected: None, apply };
    let mut files = Vec::with_capacity(numbers.len());
    for number in numbers {
        let file = replay.read(&**disk, number)?;
        if file.last_sequence > 0 {
            files.iter_mut().for_each(|earlier: &mut ReadFile| earlier.last_frame = None);
        }
        files.push(file);
    }
    // Files made ready but never written follow the last one with frames.
    let written = files.iter().rposition(|file| file.last_sequence > 0).unwrap_or(0);
    let mut behind = files.split_off(files.len().min(written + 1)).into_iter();
    let Some(last) = files.pop() else {
        return Err(Error::corrupt(&Naming::log(from.first_file), "it is missing"));
    };
    let full = files
        .iter()
        .map(|file| FullFile { number: file.number, last_sequence: file.last_sequence })
        .collect();
    // A frame that a killed process wrote may so far be only in the system's cache; what is shown
    // to a reader from here on must outlive a power cut. Where its sync failed the system takes it
    // for clean, so that it has to be written again to be synced at all.
    let name = Naming::log(last.number);
    if let Some((offset, frame)) = &last.last_frame {
        let written = last.file.write_at(*offset, frame);
        written.map_err(|source| Error::io("write", &name, source))?;
    }
    let current = Current::from(last);
    current.file.sync().map_err(|source| Error::io("sync", &name, source))?;
    disk.sync_dir().map_err(|source| Error::io("sync the directory of", &name, source))?;
    let prepared = behind.next();
    // One that nothing came to since the log rolled to it, and one made ready behind that: the
    // second is made anew when its turn comes.
    drop(behind.next());
    if let Some(surplus) = behind.next() {
        let name = Naming::log(surplus.number);
        return Err(Error::corrupt(&name, "it is empty, and so are the files before it"));
    }
    // Only now, with everything read and sound, is anything in the directory changed.
    let spares = spares(&**disk, from.first_file, file_bytes)?;
    let files = Files::new(Arc::clone(disk), store, file_bytes, current.number + 1, spares);
    if let Some(ReadFile { number, file, .. }) = prepared {
        files.enter(Ready { number, file });
    }
    Ok(Log { store, file_bytes, full, current, files: Arc::new(files) })
}

impl std::convert::From<ReadFile> for Current {
    fn from(read: ReadFile) -> Self {
        let ReadFile { number, file, end, last_sequence, .. } = read;
        Self { number, file, end, last_sequence }
    }
}

/// The numbers of the files to read: without a gap, from the first on.
fn needed_numbers(disk: &dyn Disk, first: u64) -> Result<Vec<u64>, Error> {
    let names = disk.list().map_err(|source| Error::io("list", "the data directory", source))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| Naming::log_number(name)).collect();
    numbers.retain(|number| *number >= first);
    numbers.sort_unstable();
    for (number, expected) in numbers.iter().zip(first..) {
        if *number != expected {
            return Err(Error::corrupt(&Naming::log(expected), "it is missing"));
        }
    }
    Ok(numbers)
}

/// The files to reuse: spares, and files older than the first needed, which a crash kept from
/// becoming spares. Files of another length, from before a change of settings, are removed.
fn spares(disk: &dyn Disk, first: u64, file_bytes: u64) -> Result<Vec<String>, Error> {
    let mut spares = Vec::new();
    let tidy = || -> std::io::Result<Vec<String>> {
        for name in disk.list()? {
            let old = Naming::log_number(&name).is_some_and(|number| number < first);
            if !old && Naming::spare_number(&name).is_none() {
                continue;
            }
            let usable = disk.open(&name)?.size()? == file_bytes;
            if !usable || spares.len() >= LOG_SPARES_MAX {
                disk.remove(&name)?;
                continue;
            }
            let number = Naming::log_number(&name).or_else(|| Naming::spare_number(&name));
            let spare = Naming::spare(number.unwrap_or_default());
            if name != spare {
                disk.rename(&name, &spare)?;
            }
            spares.push(spare);
        }
        disk.sync_dir()?;
        Ok(spares)
    };
    tidy().map_err(|source| Error::io("tidy", "the data directory", source))
}

struct Replay<'a> {
    store: StoreId,
    checkpoint: u64,
    /// The sequence that must come next; unknown before the first frame.
    expected: Option<u64>,
    apply: &'a mut dyn FnMut(u64, Record) -> Result<(), Error>,
}

impl Replay<'_> {
    fn read(&mut self, disk: &dyn Disk, number: u64) -> Result<ReadFile, Error> {
        let name = Naming::log(number);
        let (file, bytes) = read_whole(disk, &name)?;
        let (store, own) =
            decode_file_header(&bytes).map_err(|what| Error::corrupt(&name, what))?;
        if store != self.store {
            return Err(Error::corrupt(&name, "it belongs to another store"));
        }
        if own != number && !planted::active(Bug::ReplayRecycledFrame) {
            return Err(Error::corrupt(&name, format!("it says it is number {own}")));
        }
        let mut end = FILE_HEADER_BYTES as u64;
        let mut last_sequence = 0;
        let mut last_begins = None;
        while let Some(frame) = frame::decode(&self.store, number, &bytes, end) {
            self.take(&name, end, frame)?;
            last_sequence = frame.head.first_sequence + u64::from(frame.head.records) - 1;
            last_begins = Some(end);
            end = frame.next;
        }
        self.refuse_frames_behind(&name, &bytes, number, end)?;
        let last_frame = last_begins.and_then(|from| {
            let range = usize::try_from(from).ok()?..usize::try_from(end).ok()?;
            Some((from, bytes.get(range)?.to_vec()))
        });
        Ok(ReadFile { number, file, end, last_sequence, last_frame })
    }

    fn take(&mut self, name: &str, offset: u64, frame: frame::Frame<'_>) -> Result<(), Error> {
        let first = frame.head.first_sequence;
        let fits = match self.expected {
            Some(expected) => first == expected || planted::active(Bug::CutMiddle),
            None => first <= self.checkpoint.saturating_add(1),
        };
        if !fits {
            let wanted = self.expected.unwrap_or(self.checkpoint + 1);
            let what = format!("at {offset} it goes on with sequence {first}, not {wanted}");
            return Err(Error::corrupt(name, what));
        }
        let unreadable = || Error::corrupt(name, format!("the frame at {offset} makes no sense"));
        let next = first.checked_add(u64::from(frame.head.records)).ok_or_else(unreadable)?;
        self.expected = Some(next);
        if next <= self.checkpoint + 1 {
            return Ok(());
        }
        let records = decode_records(frame.payload).ok_or_else(unreadable)?;
        if records.len() != frame.head.records as usize {
            return Err(unreadable());
        }
        for (record, sequence) in records.into_iter().zip(first..) {
            if sequence > self.checkpoint {
                (self.apply)(sequence, record)?;
            }
        }
        Ok(())
    }

    /// A frame is written only after the one before it was synced, so an intact frame behind
    /// rubbish proves that the rubbish was once acknowledged.
    fn refuse_frames_behind(
        &self,
        name: &str,
        bytes: &[u8],
        number: u64,
        end: u64,
    ) -> Result<(), Error> {
        let mut offset = end;
        while offset < bytes.len() as u64 && !planted::active(Bug::CutMiddle) {
            if let Some(frame) = frame::decode(&self.store, number, bytes, offset) {
                let found = frame.head.first_sequence;
                let what =
                    format!("bytes {end} to {offset} are unreadable, yet sequence {found} follows");
                return Err(Error::corrupt(name, what));
            }
            offset += 8;
        }
        Ok(())
    }
}

/// Whether any log file has something like a frame in it.
pub(crate) fn has_frames(disk: &dyn Disk) -> Result<bool, Error> {
    let names = disk.list().map_err(|source| Error::io("list", "the data directory", source))?;
    for name in names.iter().filter(|name| Naming::log_number(name).is_some()) {
        let (_, bytes) = read_whole(disk, name)?;
        if bytes.iter().skip(FILE_HEADER_BYTES).any(|byte| *byte != 0) {
            return Ok(true);
        }
    }
    Ok(false)
}
