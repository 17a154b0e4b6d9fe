//! What the store remembers between runs besides data: how late it was, how far the scrub got.
//!
//! ```text
//! magic 8 │ version 4 │ crc 4 │ store id 16 │ clock high water 8 │ tours 8 │ tour began 8
//! │ file 8 │ offset 8
//! ```
//! Layout: `docs/format/marks.md`.
//!
//! *Invariant.* Nothing here is needed to read a sample: a store without its marks, or with
//! damaged ones, opens, believes no clock until somebody confirms it, and begins a new tour.

use crate::checksum::checksum;
use crate::cursor::Cursor;
use crate::disk::Disk;
use crate::error::Error;
use crate::log::StoreId;
use crate::naming::Naming;
use crate::publish;

const MAGIC: [u8; 8] = *b"TACMRK1\0";
const VERSION: u32 = 1;
const BYTES: usize = 72;

/// What is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    /// The latest time of day that was believed, in nanoseconds since 1970.
    pub(crate) high_water_ns: i64,
    pub(crate) scrub: ScrubMark,
}

/// How far the scrub got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ScrubMark {
    /// Tours that were finished.
    pub(crate) tours: u64,
    /// When this tour began, in nanoseconds since 1970.
    pub(crate) began_ns: i64,
    /// The number of the file being read, or the next one.
    pub(crate) file: u64,
    /// Where in that file.
    pub(crate) offset: u64,
}

impl Marks {
    /// Replaces the marks of the store.
    pub(crate) fn publish(&self, disk: &dyn Disk, store: &StoreId) -> Result<(), Error> {
        publish::publish(disk, Naming::MARKS, &self.encode(store))
    }

    /// The marks of the store; `None` where there are none yet.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] where they are not what was written.
    pub(crate) fn load(disk: &dyn Disk, store: &StoreId) -> Result<Option<Self>, Error> {
        let names =
            disk.list().map_err(|source| Error::io("list", "the data directory", source))?;
        if !names.iter().any(|name| name == Naming::MARKS) {
            return Ok(None);
        }
        let (_, bytes) = publish::read_whole(disk, Naming::MARKS)?;
        let marks = Self::decode(store, &bytes);
        marks.map(Some).map_err(|what| Error::corrupt(Naming::MARKS, what))
    }

    fn encode(&self, store: &StoreId) -> Vec<u8> {
        let ScrubMark { tours, began_ns, file, offset } = self.scrub;
        let mut body = store.to_vec();
        for word in
            [self.high_water_ns.cast_unsigned(), tours, began_ns.cast_unsigned(), file, offset]
        {
            body.extend_from_slice(&word.to_le_bytes());
        }
        let version = VERSION.to_le_bytes();
        let crc = checksum(&[&MAGIC, &version, &body]).to_le_bytes();
        [&MAGIC[..], &version, &crc, &body].concat()
    }

    fn decode(store: &StoreId, bytes: &[u8]) -> Result<Self, &'static str> {
        let short = "it is cut off";
        let mut from = Cursor::new(bytes);
        if from.array().ok_or(short)? != MAGIC {
            return Err("it holds no marks");
        }
        let version = from.u32().ok_or(short)?;
        if version != VERSION {
            return Err("a newer version of Tacitus wrote it; nothing was touched");
        }
        let crc = from.u32().ok_or(short)?;
        let body = bytes.get(16..).ok_or(short)?;
        if bytes.len() != BYTES || crc != checksum(&[&MAGIC, &version.to_le_bytes(), body]) {
            return Err("its checksum is wrong");
        }
        Self::decode_body(store, from)
    }

    fn decode_body(store: &StoreId, mut from: Cursor<'_>) -> Result<Self, &'static str> {
        let short = "it is cut off";
        if from.array().ok_or(short)? != *store {
            return Err("it belongs to another store");
        }
        let mut word = || from.u64().ok_or(short);
        let high_water_ns = word()?.cast_signed();
        let scrub = ScrubMark {
            tours: word()?,
            began_ns: word()?.cast_signed(),
            file: word()?,
            offset: word()?,
        };
        Ok(Self { high_water_ns, scrub })
    }
}

/// Decodes the body of marks, past the checksum.
#[cfg(fuzzing)]
pub(crate) fn fuzz(body: &[u8]) {
    Marks::decode_body(&[5; 16], Cursor::new(body)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;
    use crate::error::ErrorKind;

    fn marks() -> Marks {
        let scrub = ScrubMark { tours: 3, began_ns: -7, file: 9, offset: 4096 };
        Marks { high_water_ns: 1_700_000_000_000_000_000, scrub }
    }

    #[test]
    fn marks_come_back_and_are_replaced() {
        let disk = SimDisk::new();
        assert_eq!(Marks::load(&disk, &[1; 16]).unwrap(), None);
        Marks::default().publish(&disk, &[1; 16]).unwrap();
        marks().publish(&disk, &[1; 16]).unwrap();
        assert_eq!(Marks::load(&disk, &[1; 16]).unwrap(), Some(marks()));
        assert_eq!(Marks::load(&disk, &[2; 16]).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn marks_with_any_bit_flipped_or_cut_are_refused() {
        let bytes = marks().encode(&[1; 16]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Marks::decode(&[1; 16], &flipped).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Marks::decode(&[1; 16], &bytes[..len]).is_err(), "cut at {len}");
        }
    }
}
