//! Reading a log that may be damaged: every intact frame, and exactly what lies between them.
//!
//! *Invariant.* Nothing is changed. A frame counts only where it verifies and goes on behind the
//! one before it; what a gap may have held is told by the sequences on either side.
//!
//! *Not here.* Start-up: it refuses a log with a gap (`recovery`).

use crate::disk::Disk;
use crate::error::Error;
use crate::log::StoreId;
use crate::log::frame::{self, FILE_HEADER_BYTES, decode_file_header};
use crate::log::record::{Record, decode_records};
use crate::log::recovery::From;
use crate::naming::Naming;
use crate::publish::read_whole;
use crate::verify::Damage;

/// What was found besides records.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) files: u64,
    pub(crate) gaps: Vec<Gap>,
    /// The number after the last log file there is.
    pub(crate) next_file: u64,
}

/// A place of which nothing can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) file: String,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// The first sequence that is missing, and the first that is there again; equal where none is
    /// missing.
    pub(crate) sequences: (u64, u64),
    pub(crate) what: String,
}

impl Gap {
    /// The gap as one damage among others.
    pub(crate) fn damage(self) -> Damage {
        let (first, next) = self.sequences;
        let missing = match next.saturating_sub(first) {
            0 => String::new(),
            1 => format!("; sequence {first} is missing"),
            _ => format!("; sequences {first} to {} are missing", next - 1),
        };
        Damage::at(&self.file, self.offset, self.bytes, &format!("{}{missing}", self.what))
    }
}

/// Hands over every record after the checkpoint that can be read, in order of sequence.
///
/// # Errors
/// As the operating system says when the directory is listed.
pub(crate) fn survey(
    disk: &dyn Disk,
    store: StoreId,
    from: From,
    apply: &mut dyn FnMut(u64, Record),
) -> Result<Survey, Error> {
    let names = disk.list().map_err(|source| Error::io("list", "the data directory", source))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| Naming::log_number(name)).collect();
    numbers.retain(|number| *number >= from.first_file);
    numbers.sort_unstable();
    let next_file = numbers.last().map_or(from.first_file, |number| number.saturating_add(1));
    let mut reader = Reader {
        store,
        checkpoint: from.checkpoint,
        expected: None,
        place: (Naming::log(from.first_file), FILE_HEADER_BYTES as u64),
        apply,
        survey: Survey { next_file, ..Survey::default() },
    };
    let mut wanted = from.first_file;
    for number in numbers.iter().copied() {
        if number != wanted {
            reader.gap(&Naming::log(wanted), 0, 0, "it is missing");
        }
        reader.file(disk, number);
        wanted = number.saturating_add(1);
    }
    if numbers.is_empty() {
        reader.gap(&Naming::log(from.first_file), 0, 0, "it is missing");
    }
    Ok(reader.survey)
}

struct Reader<'a> {
    store: StoreId,
    checkpoint: u64,
    /// The sequence that comes next; unknown before the first frame.
    expected: Option<u64>,
    /// Where the last intact frame ended.
    place: (String, u64),
    apply: &'a mut dyn FnMut(u64, Record),
    survey: Survey,
}

impl Reader<'_> {
    fn gap(&mut self, file: &str, offset: u64, bytes: u64, what: &str) {
        let next = self.expected.unwrap_or(self.checkpoint + 1);
        self.gap_of(file, offset, bytes, what, (next, next));
    }

    fn gap_of(&mut self, file: &str, offset: u64, bytes: u64, what: &str, sequences: (u64, u64)) {
        // What is sealed is not missing.
        let (first, next) = sequences;
        let sequences = (first.max(self.checkpoint.saturating_add(1)).min(next), next);
        let (file, what) = (file.to_owned(), what.to_owned());
        self.survey.gaps.push(Gap { file, offset, bytes, sequences, what });
    }

    fn file(&mut self, disk: &dyn Disk, number: u64) {
        let name = Naming::log(number);
        self.survey.files += 1;
        let bytes = match read_whole(disk, &name) {
            Ok((_, bytes)) => bytes,
            Err(error) => return self.gap(&name, 0, 0, &error.to_string()),
        };
        let header = match decode_file_header(&bytes) {
            Ok((store, own)) if store == self.store && own == number => None,
            Ok(_) => Some("its header belongs to another file"),
            Err(what) => Some(what),
        };
        if let Some(what) = header {
            // Every frame says for itself whether it belongs here.
            self.gap(&name, 0, FILE_HEADER_BYTES as u64, what);
        }
        let mut end = FILE_HEADER_BYTES as u64;
        let mut offset = end;
        while offset < bytes.len() as u64 {
            let Some(frame) = frame::decode(&self.store, number, &bytes, offset) else {
                offset += 8;
                continue;
            };
            if offset > end {
                self.between(&name, end, offset, frame.head.first_sequence);
            }
            self.take(&name, offset, frame);
            end = frame.next;
            offset = end;
        }
    }

    /// Unreadable bytes before an intact frame.
    fn between(&mut self, name: &str, from: u64, to: u64, next: u64) {
        let first = self.expected.unwrap_or(self.checkpoint + 1);
        let what = "it is unreadable before an intact frame";
        self.gap_of(name, from, to - from, what, (first.min(next), next));
        self.expected = Some(self.expected.map_or(next, |expected| expected.max(next)));
    }

    fn take(&mut self, name: &str, offset: u64, frame: frame::Frame<'_>) {
        let first = frame.head.first_sequence;
        let bytes = frame.next - offset;
        let expected = self.expected.unwrap_or_else(|| first.min(self.checkpoint + 1));
        let Some(next) = first.checked_add(u64::from(frame.head.records)) else {
            return self.gap(name, offset, bytes, "a frame's sequence makes no sense");
        };
        if first < expected {
            return self.gap(name, offset, bytes, "a frame stands behind later ones");
        }
        if first > expected {
            // The frames between were the last of an earlier file.
            let (file, at) = self.place.clone();
            self.gap_of(&file, at, 0, "it does not go on where it should", (expected, first));
        }
        let records = decode_records(frame.payload)
            .filter(|records| records.len() == frame.head.records as usize);
        self.expected = Some(next);
        self.place = (name.to_owned(), frame.next);
        match records {
            Some(records) => {
                let fresh = records.into_iter().zip(first..);
                fresh
                    .filter(|(_, sequence)| *sequence > self.checkpoint)
                    .for_each(|(record, sequence)| (self.apply)(sequence, record));
            }
            None => {
                self.gap_of(name, offset, bytes, "a frame makes no sense", (first, next));
            }
        }
    }
}
