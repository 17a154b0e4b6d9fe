//! An immutable file, read through a mapping.
//!
//! A mapping shows a failing disk as a signal that ends the process; so before a region is read
//! for the first time the kernel is asked to fetch it, which answers with an error instead. A
//! region that was fetched, thrown out of memory and then cannot be read again still ends the
//! process; `io = "pread"` is there for disks where that matters more than speed.
//!
//! *Invariant.* Only files that nobody changes or shortens are mapped, at the length they had;
//! a read beyond it is an error.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Advice, Mmap};

use crate::disk::DiskFile;

/// What is fetched at a time.
const REGION_BYTES: usize = 64 * 1024;

/// A file and its mapping.
#[derive(Debug)]
pub(crate) struct MappedFile {
    file: File,
    map: Mmap,
    /// One bit a region: fetched once.
    fetched: Box<[AtomicU64]>,
}

impl MappedFile {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        // SAFETY: the file is immutable under its final name: the store never writes to or
        // shortens it again, and holds the lock on its directory.
        #[expect(unsafe_code, reason = "the one mapping of immutable files")]
        let map = unsafe { Mmap::map(&file)? };
        let regions = map.len().div_ceil(REGION_BYTES);
        let words = std::iter::repeat_with(AtomicU64::default).take(regions.div_ceil(64));
        Ok(Self { file, fetched: words.collect(), map })
    }

    /// Has the regions of these bytes fetched, where they were not yet.
    fn fetch(&self, offset: usize, len: usize) -> io::Result<()> {
        let last = (offset + len).saturating_sub(1) / REGION_BYTES;
        for region in offset / REGION_BYTES..=last {
            let bit = 1 << (region % 64);
            let Some(word) = self.fetched.get(region / 64) else { continue };
            if word.load(Ordering::Relaxed) & bit != 0 {
                continue;
            }
            let from = region * REGION_BYTES;
            let len = REGION_BYTES.min(self.map.len() - from);
            match self.map.advise_range(Advice::PopulateRead, from, len) {
                Ok(()) => {}
                // Kernels before 5.14 do not know the advice: a plain read finds the error.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.file.read_exact_at(&mut vec![0; len], from as u64)?;
                }
                Err(error) => return Err(error),
            }
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl DiskFile for MappedFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn view(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>> {
        let beyond = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let from = usize::try_from(offset).ok().ok_or_else(beyond)?;
        let end = from.checked_add(len).ok_or_else(beyond)?;
        let bytes = self.map.get(from..end).ok_or_else(beyond)?;
        self.fetch(from, len)?;
        Ok(Cow::Borrowed(bytes))
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::PermissionDenied))
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_the_bytes_of_the_file_and_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a");
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        std::fs::write(&place, &bytes).unwrap();
        let mapped = MappedFile::new(File::open(&place).unwrap()).unwrap();
        for (offset, len) in [(0, 1), (65_530, 20), (131_000, 69_000), (199_999, 1), (7, 0)] {
            assert_eq!(*mapped.view(offset as u64, len).unwrap(), bytes[offset..offset + len]);
        }
        assert!(mapped.view(199_999, 2).is_err());
        assert!(mapped.view(u64::MAX, 2).is_err());
    }
}
