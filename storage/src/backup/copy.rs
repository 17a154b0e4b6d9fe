//! One file on its way into a directory, compared with what was read.
//!
//! *Invariant.* A copy gets its name only after it was synced and read back with the checksum of
//! its source, and the source is what the store takes for sound.

use std::io;

use crc32fast::Hasher;

use crate::audit::read_audit;
use crate::cache::BlockCache;
use crate::catalog::read_catalog;
use crate::checksum::checksum;
use crate::disk::{Disk, DiskFile};
use crate::documents::read_documents;
use crate::error::{Error, ErrorKind};
use crate::limits::{CHECK_CACHE_BYTES, COPY_BYTES};
use crate::manifest::{FileKind, FileName, FileRecord, Manifest};
use crate::publish::Draft;
use crate::segment::Segment;

/// The bytes at either end that identify a file.
const END_BYTES: u64 = 128;

/// What tells two files apart without reading them whole: the ends of a segment and of a catalog
/// file hold checksums over everything between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) bytes: u64,
    /// CRC-32 of the first and the last 128 bytes.
    pub(crate) ends: u32,
}

impl Fingerprint {
    pub(crate) fn of(disk: &dyn Disk, name: &str) -> Result<Self, Error> {
        let read = || Self::read(&*disk.open(name)?);
        read().map_err(|source| Error::io("read", name, source))
    }

    fn read(file: &dyn DiskFile) -> io::Result<Self> {
        let bytes = file.size()?;
        let len = bytes.min(END_BYTES);
        let read = |offset: u64| {
            let mut end = vec![0; usize::try_from(len).map_err(io::Error::other)?];
            file.read_at(offset, &mut end)?;
            io::Result::Ok(end)
        };
        Ok(Self { bytes, ends: checksum(&[&read(0)?, &read(bytes - len)?]) })
    }
}

/// A file of the store.
pub(crate) struct Source<'a> {
    disk: &'a dyn Disk,
    manifest: &'a Manifest,
    name: FileName,
    record: FileRecord,
    words: String,
    file: Box<dyn DiskFile>,
}

impl<'a> Source<'a> {
    pub(crate) fn open(
        disk: &'a dyn Disk,
        manifest: &'a Manifest,
        name: FileName,
        record: &FileRecord,
    ) -> Result<Self, Error> {
        let words = name.in_words();
        let file = disk.open(&words).map_err(|source| Error::io("open", &words, source))?;
        Ok(Self { disk, manifest, name, record: *record, words, file })
    }

    pub(crate) fn fingerprint(&self) -> Result<Fingerprint, Error> {
        let read = Fingerprint::read(&*self.file);
        let found = read.map_err(|source| Error::io("read", &self.words, source))?;
        if found.bytes != self.record.bytes {
            let what = format!("it has {} bytes, not {}", found.bytes, self.record.bytes);
            return Err(Error::corrupt(&self.words, what));
        }
        Ok(found)
    }

    /// Reads the whole file and checks that the store could use it; its checksum.
    pub(crate) fn check(&self) -> Result<u32, Error> {
        let store = &self.manifest.store;
        match self.name.kind {
            FileKind::Catalog => read_catalog(self.disk, store, self.name.number).map(drop)?,
            FileKind::Documents => {
                read_documents(self.disk, store, self.name.number).map(drop)?;
            }
            FileKind::Audit => read_audit(self.disk, store, self.name.number).map(drop)?,
            FileKind::Segment => {
                let segment = {
                    let cache = BlockCache::new(CHECK_CACHE_BYTES);
                    let record = self.manifest.segment(self.name.number);
                    let record = record.ok_or_else(|| {
                        Error::corrupt(&self.words, "the manifest does not name it")
                    })?;
                    Segment::open(self.disk, store, record.clone(), &cache)?
                };
                if let Some(damage) = segment.verify().into_iter().next() {
                    return Err(Error::corrupt(&self.words, damage.what));
                }
            }
        }
        file_checksum(&*self.file).map_err(|source| Error::io("read", &self.words, source))
    }

    /// Copies the file; its checksum.
    pub(crate) fn copy(&self, to: &dyn Disk) -> Result<u32, Error> {
        let wanted = self.check()?;
        copy(&*self.file, to, &self.words, wanted)?;
        Ok(wanted)
    }
}

/// Copies an open file under a name and compares what arrived; its name is not durable before
/// the directory is synced.
pub(crate) fn copy(
    file: &dyn DiskFile,
    to: &dyn Disk,
    name: &str,
    wanted: u32,
) -> Result<(), Error> {
    let draft = Draft::begin(to, name)?;
    let mut outcome = Ok(());
    let read = pieces(file, |offset, piece| {
        outcome = draft.write_at(offset, piece);
        outcome.is_ok()
    });
    outcome?;
    read.map_err(|source| Error::io("read", name, source))?;
    let arrived = draft.settle(file_checksum)?;
    if arrived == wanted {
        return Ok(());
    }
    drop(to.remove(name));
    Err(Error::corrupt(name, "its copy is not what was read"))
}

/// Shares a file with a directory on the same file system; `false` where it has to be copied.
pub(crate) fn link(from: &dyn Disk, to: &dyn Disk, name: FileName) -> Result<bool, Error> {
    let name = name.in_words();
    let link = || {
        if to.list()?.contains(&name) {
            // An earlier backup was cut off before its list named this file.
            to.remove(&name)?;
        }
        from.link(&name, to)
    };
    match link() {
        Ok(()) => Ok(true),
        Err(source)
            if matches!(
                source.kind(),
                io::ErrorKind::Unsupported
                    | io::ErrorKind::CrossesDevices
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::TooManyLinks
            ) =>
        {
            Ok(false)
        }
        Err(source) => Err(Error::io("link", &name, source)),
    }
}

/// The checksum of a whole file.
pub(crate) fn file_checksum(file: &dyn DiskFile) -> io::Result<u32> {
    let mut hasher = Hasher::new();
    pieces(file, |_, piece| {
        hasher.update(piece);
        true
    })?;
    Ok(hasher.finalize())
}

/// Reads a file piece by piece, as long as the reader wants more.
fn pieces(file: &dyn DiskFile, mut take: impl FnMut(u64, &[u8]) -> bool) -> io::Result<()> {
    let size = file.size()?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < size {
        let len = usize::try_from(size - offset).unwrap_or(usize::MAX).min(COPY_BYTES);
        let piece = buffer.get_mut(..len).unwrap_or_default();
        file.read_at(offset, piece)?;
        if !take(offset, piece) {
            return Ok(());
        }
        offset += len as u64;
    }
    Ok(())
}

/// Refuses a directory that has what does not belong there.
pub(crate) fn refuse(what: String, hint: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, what, hint)
}
