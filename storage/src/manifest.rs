//! Which files make up the store: one small file, written whole with every change.
//!
//! ```text
//! magic 8 │ version 4 │ crc 4 │ store id 16 │ generation 8 │ checkpoint 8 │ first log file 8
//! │ next number 8 │ segments 4 │ catalogs 4 │ segment records … │ catalog records …
//! ```
//! The generation is also in the name; the highest there is counts. Layout and the argument for
//! every crash point: `docs/format/manifest.md`; why not a log of edits: the record on it under
//! `docs/adr/`.
//!
//! *Invariant.* Every file a manifest names was durable under its final name before the manifest
//! was published, and no file it needs is removed or reused while it is the newest.

use crate::checksum::checksum;
use crate::cursor::Cursor;
use crate::disk::Disk;
use crate::error::Error;
use crate::log::StoreId;
use crate::naming::Naming;
use crate::publish;

const MAGIC: [u8; 8] = *b"TACMAN1\0";
const VERSION: u32 = 1;

/// What the store is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) store: StoreId,
    /// Rises by one with every manifest.
    pub(crate) generation: u64,
    /// Every record up to this sequence is in the files below.
    pub(crate) checkpoint: u64,
    /// The first log file that may hold a later record.
    pub(crate) first_log: u64,
    /// The number of the next segment or catalog file.
    pub(crate) next_number: u64,
    /// In order of sequence.
    pub(crate) segments: Vec<FileRecord>,
    /// In order of sequence.
    pub(crate) catalogs: Vec<FileRecord>,
}

/// One immutable file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileRecord {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
}

/// What kind of immutable file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Segment,
    Catalog,
}

/// An immutable file of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileName {
    pub(crate) kind: FileKind,
    pub(crate) number: u64,
}

impl FileKind {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Segment => 1,
            Self::Catalog => 2,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Segment, Self::Catalog].into_iter().find(|kind| kind.code() == code)
    }
}

impl FileName {
    /// The name in the directory.
    pub(crate) fn in_words(self) -> String {
        match self.kind {
            FileKind::Segment => Naming::segment(self.number),
            FileKind::Catalog => Naming::catalog(self.number),
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let segment = Naming::segment_number(name).map(|number| (FileKind::Segment, number));
        let found = segment.or_else(|| Some((FileKind::Catalog, Naming::catalog_number(name)?)));
        found.map(|(kind, number)| Self { kind, number })
    }
}

impl Manifest {
    /// Every immutable file of the store.
    pub(crate) fn files(&self) -> impl Iterator<Item = (FileName, FileRecord)> {
        let named = |kind| move |file: &FileRecord| (FileName { kind, number: file.number }, *file);
        let segments = self.segments.iter().map(named(FileKind::Segment));
        segments.chain(self.catalogs.iter().map(named(FileKind::Catalog)))
    }

    /// The manifest of a store without any file but its log.
    pub(crate) fn new(store: StoreId) -> Self {
        Self {
            store,
            generation: 1,
            checkpoint: 0,
            first_log: 1,
            next_number: 1,
            segments: Vec::new(),
            catalogs: Vec::new(),
        }
    }

    /// Makes this the manifest of the store, then drops the one before it.
    pub(crate) fn publish(&self, disk: &dyn Disk) -> Result<(), Error> {
        self.put(disk)?;
        // Whether the old one goes is of no consequence: the highest generation counts.
        drop(disk.remove(&Naming::manifest(self.generation.saturating_sub(1))));
        Ok(())
    }

    /// Makes this the manifest of the store.
    pub(crate) fn put(&self, disk: &dyn Disk) -> Result<(), Error> {
        publish::publish(disk, &Naming::manifest(self.generation), &self.encode())
    }

    /// The manifest with the highest generation; `None` in a directory without any.
    pub(crate) fn load(disk: &dyn Disk) -> Result<Option<Self>, Error> {
        let names =
            disk.list().map_err(|source| Error::io("list", "the data directory", source))?;
        let Some(generation) = names.iter().filter_map(|name| Naming::manifest_number(name)).max()
        else {
            return Ok(None);
        };
        let name = Naming::manifest(generation);
        let (_, bytes) = publish::read_whole(disk, &name)?;
        let manifest = Self::decode(&bytes).map_err(|what| Error::corrupt(&name, what))?;
        if manifest.generation != generation {
            let what = format!("it says it is generation {}", manifest.generation);
            return Err(Error::corrupt(&name, what));
        }
        Ok(Some(manifest))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.store);
        for word in [self.generation, self.checkpoint, self.first_log, self.next_number] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        for list in [&self.segments, &self.catalogs] {
            let count = u32::try_from(list.len()).unwrap_or(u32::MAX);
            body.extend_from_slice(&count.to_le_bytes());
        }
        for file in self.segments.iter().chain(&self.catalogs) {
            for word in [file.number, file.bytes, file.first_sequence, file.last_sequence] {
                body.extend_from_slice(&word.to_le_bytes());
            }
        }
        let version = VERSION.to_le_bytes();
        let crc = checksum(&[&MAGIC, &version, &body]).to_le_bytes();
        [&MAGIC[..], &version, &crc, &body].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let short = "it is cut off";
        let mut from = Cursor::new(bytes);
        if from.array().ok_or(short)? != MAGIC {
            return Err("it is no manifest");
        }
        let version = from.u32().ok_or(short)?;
        if version != VERSION {
            return Err("a newer version of Tacitus wrote it; nothing was touched");
        }
        let crc = from.u32().ok_or(short)?;
        let body = bytes.get(16..).ok_or(short)?;
        if crc != checksum(&[&MAGIC, &version.to_le_bytes(), body]) {
            return Err("its checksum is wrong");
        }
        Self::decode_body(from).ok_or("its content makes no sense")
    }

    fn decode_body(mut from: Cursor<'_>) -> Option<Self> {
        let store = from.array()?;
        let [generation, checkpoint, first_log, next_number] =
            [from.u64()?, from.u64()?, from.u64()?, from.u64()?];
        let (segments, catalogs) = (from.u32()? as usize, from.u32()? as usize);
        // Each record takes 32 bytes of what is left, so a count cannot ask for more memory.
        if (segments + catalogs).checked_mul(32)? != from.remaining() {
            return None;
        }
        let mut files = || {
            Some(FileRecord {
                number: from.u64()?,
                bytes: from.u64()?,
                first_sequence: from.u64()?,
                last_sequence: from.u64()?,
            })
        };
        let segments = (0..segments).map(|_| files()).collect::<Option<_>>()?;
        let catalogs = (0..catalogs).map(|_| files()).collect::<Option<_>>()?;
        Some(Self { store, generation, checkpoint, first_log, next_number, segments, catalogs })
    }
}

/// Decodes the body of a manifest, past its checksum.
#[cfg(fuzzing)]
pub(crate) fn fuzz(body: &[u8]) {
    drop(Manifest::decode_body(Cursor::new(body)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    fn manifest(generation: u64) -> Manifest {
        let file = |number| FileRecord { number, bytes: 9, first_sequence: 1, last_sequence: 7 };
        Manifest {
            generation,
            segments: vec![file(1), file(3)],
            catalogs: vec![file(2)],
            ..Manifest::new([5; 16])
        }
    }

    #[test]
    fn the_highest_generation_counts() {
        let disk = SimDisk::new();
        for generation in [1, 2, 10] {
            manifest(generation).publish(&disk).unwrap();
        }
        assert_eq!(Manifest::load(&disk).unwrap(), Some(manifest(10)));
    }

    #[test]
    fn a_manifest_with_any_bit_flipped_is_refused() {
        let bytes = manifest(1).encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_manifest_is_refused() {
        let bytes = manifest(1).encode();
        for len in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
    }
}
