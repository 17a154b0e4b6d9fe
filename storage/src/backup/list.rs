//! What belongs to a backup: `N.backup`.
//!
//! ```text
//! magic 8 │ version 4 │ crc 4 │ generation 8 │ taken at 8 │ manifest length 4 │ files 4
//! │ the store's manifest … │ kind 1, number 8, bytes 8, crc of the ends 4, crc 4 for each file
//! ```
//!
//! *Invariant.* A list names exactly the files that its manifest names.

use tacitus_model::Timestamp;

use crate::backup::copy::{Fingerprint, file_checksum};
use crate::cursor::Cursor;
use crate::disk::Disk;
use crate::envelope::Envelope;
use crate::error::Error;
use crate::manifest::{FileKind, FileName, Manifest};
use crate::naming::Naming;
use crate::publish;
use crate::verify::Damage;

const ENVELOPE: Envelope =
    Envelope { magic: *b"TACBAK1\0", version: 1, otherwise: "it is no list of a backup" };
const ENTRY_BYTES: usize = 25;

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    /// Rises by one with every backup in a directory.
    pub(crate) generation: u64,
    pub(crate) taken_at: Timestamp,
    /// The manifest of the store at that moment.
    pub(crate) manifest: Manifest,
    pub(crate) entries: Vec<Entry>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: FileName,
    pub(crate) fingerprint: Fingerprint,
    /// CRC-32 of the whole file.
    pub(crate) crc: u32,
}

impl List {
    pub(crate) fn publish(&self, disk: &dyn Disk) -> Result<(), Error> {
        publish::publish(disk, &Naming::backup(self.generation), &self.encode())
    }

    pub(crate) fn load(disk: &dyn Disk, generation: u64) -> Result<Self, Error> {
        let name = Naming::backup(generation);
        let (_, bytes) = publish::read_whole(disk, &name)?;
        let list = Self::decode(&bytes).map_err(|what| Error::corrupt(&name, what))?;
        if list.generation != generation {
            let what = format!("it says it is generation {}", list.generation);
            return Err(Error::corrupt(&name, what));
        }
        Ok(list)
    }

    /// What of its files is not as it was written.
    pub(crate) fn damages(&self, disk: &dyn Disk) -> Vec<Damage> {
        self.entries.iter().filter_map(|entry| entry.check(disk)).collect()
    }

    fn encode(&self) -> Vec<u8> {
        let manifest = self.manifest.encode();
        let mut body = Vec::new();
        body.extend_from_slice(&self.generation.to_le_bytes());
        body.extend_from_slice(&self.taken_at.nanos().to_le_bytes());
        for count in [manifest.len(), self.entries.len()] {
            body.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        }
        body.extend_from_slice(&manifest);
        for Entry { name, fingerprint, crc } in &self.entries {
            body.push(name.kind.code());
            body.extend_from_slice(&name.number.to_le_bytes());
            body.extend_from_slice(&fingerprint.bytes.to_le_bytes());
            body.extend_from_slice(&fingerprint.ends.to_le_bytes());
            body.extend_from_slice(&crc.to_le_bytes());
        }
        ENVELOPE.seal(&body)
    }

    fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        Self::decode_body(ENVELOPE.open(bytes)?).ok_or("its content makes no sense")
    }

    fn decode_body(mut from: Cursor<'_>) -> Option<Self> {
        let generation = from.u64()?;
        let taken_at = Timestamp::from_nanos(from.i64()?);
        let (len, files) = (from.u32()? as usize, from.u32()? as usize);
        let manifest = Manifest::decode(from.take(len)?).ok()?;
        if files.checked_mul(ENTRY_BYTES)? != from.remaining() {
            return None;
        }
        let mut entry = || {
            let name = FileName { kind: FileKind::from_code(from.u8()?)?, number: from.u64()? };
            let fingerprint = Fingerprint { bytes: from.u64()?, ends: from.u32()? };
            Some(Entry { name, fingerprint, crc: from.u32()? })
        };
        let entries = (0..files).map(|_| entry()).collect::<Option<Vec<_>>>()?;
        let wanted = manifest.files().map(|(name, record)| (name, record.bytes));
        let listed = entries.iter().map(|entry| (entry.name, entry.fingerprint.bytes));
        wanted.eq(listed).then_some(Self { generation, taken_at, manifest, entries })
    }
}

impl Entry {
    /// Reads the whole file and compares it with what was written; what is wrong with it.
    pub(crate) fn check(&self, disk: &dyn Disk) -> Option<Damage> {
        let name = self.name.in_words();
        let read = || {
            let file = disk.open(&name)?;
            Ok((file.size()?, file_checksum(&*file)?))
        };
        let found = read().map_err(|source| Error::io("read", &name, source));
        let damage = match found {
            Ok(found) if found == (self.fingerprint.bytes, self.crc) => return None,
            Ok((bytes, _)) if bytes != self.fingerprint.bytes => {
                let what = format!("it has {bytes} bytes, not {}", self.fingerprint.bytes);
                Error::corrupt(&name, what)
            }
            Ok(_) => Error::corrupt(&name, "its checksum is wrong"),
            Err(error) => error,
        };
        Some(Damage::whole(&name, &damage))
    }
}

/// Decodes the body of a list, past its checksum.
#[cfg(fuzzing)]
pub(crate) fn fuzz(body: &[u8]) {
    drop(List::decode_body(Cursor::new(body)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{FileRecord, SegmentRecord};

    fn list() -> List {
        let record = |number| FileRecord { number, bytes: 9, first_sequence: 1, last_sequence: 7 };
        let manifest = Manifest {
            segments: vec![SegmentRecord::example(1), SegmentRecord::example(3)],
            catalogs: vec![record(2)],
            ..Manifest::new([5; 16])
        };
        let fingerprint = Fingerprint { bytes: 9, ends: 3 };
        let entry = |(name, _)| Entry { name, fingerprint, crc: 4 };
        let entries = manifest.files().map(entry).collect();
        List { generation: 2, taken_at: Timestamp::from_nanos(-1), manifest, entries }
    }

    #[test]
    fn a_list_comes_back() {
        assert_eq!(List::decode(&list().encode()), Ok(list()));
    }

    #[test]
    fn a_list_with_any_bit_flipped_or_cut_is_refused() {
        let bytes = list().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(List::decode(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(List::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn a_list_that_does_not_name_the_files_of_its_manifest_is_refused() {
        let mut fewer = list();
        fewer.entries.pop();
        assert_eq!(List::decode(&fewer.encode()), Err("its content makes no sense"));
    }
}
