//! Who changed stored samples, when and why: the record of edits and deletions.
//!
//! The old values are not in it: the store as it was at the sequence before is
//! ([`crate::Engine::snapshot_as_of`]), for as long as the audit retention lasts.
//!
//! ```text
//! file   magic 8 │ version 4 │ crc 4 │ store id 16 │ number 8 │ entries
//! ```
//! Layout: `docs/format/audit.md`.
//!
//! *Invariant.* An entry is in the log before the change it tells of, in the same frame; entries
//! are never changed or removed.

use std::sync::{Arc, PoisonError, RwLock};

use tacitus_model::{TagId, TimeRange, Timestamp};

use crate::cursor::{Cursor, put_text, put_varint, put_zigzag};
use crate::disk::Disk;
use crate::envelope::Envelope;
use crate::error::{Error, ErrorKind};
use crate::limits::{AUDIT_ENTRIES_MAX, AUDIT_TEXT_BYTES_MAX};
use crate::log::StoreId;
use crate::manifest::{Deletion, FileRecord, put_deletion, take_deletion};
use crate::naming::Naming;
use crate::publish;

const ENVELOPE: Envelope =
    Envelope { magic: *b"TACAUD1\0", version: 1, otherwise: "it is no audit file" };

/// What was done to stored samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Samples were written over stored ones, or added by hand; they have the next sequence.
    Edited,
    /// Samples were deleted.
    Deleted,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The sequence of the entry.
    pub sequence: u64,
    /// The wall clock when it was asked for.
    pub at: Timestamp,
    /// Who asked for it.
    pub user: String,
    /// Why, in their words.
    pub reason: String,
    /// What was done.
    pub change: Change,
    /// The tags it touched.
    pub tags: Vec<TagId>,
    /// The times it touched.
    pub range: TimeRange,
}

impl AuditEntry {
    /// What it hides, if it is a deletion.
    pub(crate) fn deletion(&self) -> Option<Deletion> {
        let Self { sequence, tags, range, .. } = self;
        (self.change == Change::Deleted).then(|| Deletion {
            sequence: *sequence,
            tags: tags.clone(),
            range: *range,
        })
    }
}

/// The entries of a store.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    entries: RwLock<Vec<Arc<AuditEntry>>>,
}

impl Audit {
    /// All entries, in the order of their sequences.
    pub(crate) fn entries(&self) -> Vec<Arc<AuditEntry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn enter(&self, entry: AuditEntry) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.push(Arc::new(entry));
    }

    /// Refuses a change that could not be recorded.
    pub(crate) fn check(&self, user: &str, reason: &str, tags: usize) -> Result<(), Error> {
        let refuse = |kind, what, hint| Err(Error::new(kind, what, hint));
        if user.is_empty() || reason.is_empty() {
            let hint = "say who asks for the change, and why";
            return refuse(ErrorKind::Invalid, "a change needs a user and a reason".into(), hint);
        }
        let bytes = user.len() + reason.len() + tags * 5;
        if bytes > AUDIT_TEXT_BYTES_MAX {
            let hint = "shorten the reason, or change fewer tags at a time";
            let what =
                format!("the change takes {bytes} bytes to record, at most {AUDIT_TEXT_BYTES_MAX}");
            return refuse(ErrorKind::Invalid, what, hint);
        }
        if self.entries().len() >= AUDIT_ENTRIES_MAX {
            let hint = "change samples in larger groups, or export and import them anew";
            let what = format!("the store has {AUDIT_ENTRIES_MAX} audit entries, its limit");
            return refuse(ErrorKind::Busy, what, hint);
        }
        Ok(())
    }
}

/// Appends an entry. The sequence is not part of it: the log frame or the audit file says.
pub(crate) fn encode_entry(out: &mut Vec<u8>, entry: &AuditEntry) {
    out.push(match entry.change {
        Change::Edited => 1,
        Change::Deleted => 2,
    });
    put_zigzag(out, entry.at.nanos());
    put_text(out, &entry.user);
    put_text(out, &entry.reason);
    put_deletion(out, &entry.tags, entry.range);
}

/// Reads an entry that was committed at `sequence`.
pub(crate) fn decode_entry(from: &mut Cursor<'_>, sequence: u64) -> Option<AuditEntry> {
    let change = match from.u8()? {
        1 => Change::Edited,
        2 => Change::Deleted,
        _ => return None,
    };
    let at = Timestamp::from_nanos(from.zigzag()?);
    let user = from.text()?.to_owned();
    let reason = from.text()?.to_owned();
    let (tags, range) = take_deletion(from)?;
    Some(AuditEntry { sequence, at, user, reason, change, tags, range })
}

/// Publishes a file of these entries; its length.
pub(crate) fn write_audit(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
    entries: &[Arc<AuditEntry>],
) -> Result<FileRecord, Error> {
    let mut body = Vec::new();
    body.extend_from_slice(store);
    body.extend_from_slice(&number.to_le_bytes());
    put_varint(&mut body, entries.len() as u64);
    for entry in entries {
        put_varint(&mut body, entry.sequence);
        encode_entry(&mut body, entry);
    }
    let bytes = ENVELOPE.seal(&body);
    publish::publish(disk, &Naming::audit(number), &bytes)?;
    let sequence = |entry: Option<&Arc<AuditEntry>>| entry.map_or(0, |entry| entry.sequence);
    Ok(FileRecord {
        number,
        bytes: bytes.len() as u64,
        first_sequence: sequence(entries.first()),
        last_sequence: sequence(entries.last()),
    })
}

/// Reads a file of entries.
pub(crate) fn read_audit(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
) -> Result<Vec<AuditEntry>, Error> {
    let name = Naming::audit(number);
    let (_, bytes) = publish::read_whole(disk, &name)?;
    decode(store, number, &bytes).map_err(|what| Error::corrupt(&name, what))
}

fn decode(store: &StoreId, number: u64, bytes: &[u8]) -> Result<Vec<AuditEntry>, &'static str> {
    let short = "it is cut off";
    let mut from = ENVELOPE.open(bytes)?;
    if from.array().ok_or(short)? != *store {
        return Err("it belongs to another store");
    }
    if from.u64().ok_or(short)? != number {
        return Err("it has another file's name");
    }
    decode_entries(from).ok_or("its content makes no sense")
}

fn decode_entries(mut from: Cursor<'_>) -> Option<Vec<AuditEntry>> {
    let count = from.count()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let sequence = from.varint()?;
        entries.push(decode_entry(&mut from, sequence)?);
    }
    from.is_empty().then_some(entries)
}

/// Decodes the entries of a file, past their checksum.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    drop(decode_entries(Cursor::new(bytes)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    #[test]
    fn entries_come_back_and_a_flipped_bit_is_noticed() {
        let entry = |sequence, change| {
            Arc::new(AuditEntry {
                sequence,
                at: Timestamp::from_nanos(-5),
                user: "anna".into(),
                reason: "sensor swapped".into(),
                change,
                tags: vec![TagId(7), TagId(2)],
                range: TimeRange::ALL,
            })
        };
        let entries = [entry(4, Change::Edited), entry(9, Change::Deleted)];
        let disk = SimDisk::new();
        let record = write_audit(&disk, &[1; 16], 3, &entries).unwrap();
        let read = read_audit(&disk, &[1; 16], 3).unwrap();
        assert!(read.iter().eq(entries.iter().map(|entry| &**entry)));
        assert_eq!((record.first_sequence, record.last_sequence), (4, 9));
        let (_, bytes) = publish::read_whole(&disk, &Naming::audit(3)).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&[1; 16], 3, &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_change_without_user_or_reason_is_refused() {
        let audit = Audit::default();
        assert!(audit.check("anna", "drift", 1).is_ok());
        for (user, reason, tags) in [("", "drift", 1), ("anna", "", 1), ("anna", "x", 1 << 20)] {
            assert_eq!(audit.check(user, reason, tags).unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
}
