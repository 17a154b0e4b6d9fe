//! The directory of a store on a real file system.
//!
//! *Invariant.* No name with a path separator is ever opened. One process has the directory: the
//! lock is held on the file `lock` for the life of this value.

use std::any::Any;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::disk::mapped::MappedFile;
use crate::disk::{Disk, DiskFile};
use crate::error::{Error, ErrorKind};
use crate::naming::Naming;

/// A directory on a local file system.
#[derive(Debug)]
pub struct OsDisk {
    path: PathBuf,
    /// Open for `fsync` of the names.
    directory: File,
    /// Locked for as long as it is open.
    _lock: File,
    /// Whether immutable files are mapped.
    maps: bool,
}

impl OsDisk {
    /// Opens a directory, making it where it is not there, and locks it against other processes.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] where another process has it, [`ErrorKind::Io`] or
    /// [`ErrorKind::Full`] where the operating system refuses.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let shown = path.display().to_string();
        std::fs::create_dir_all(path)
            .map_err(|source| Error::io("make the data directory", &shown, source))?;
        let directory = File::open(path)
            .map_err(|source| Error::io("open the data directory", &shown, source))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(Naming::LOCK))
            .map_err(|source| Error::io("open the lock file in", &shown, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), directory, _lock: lock, maps: true }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Locked,
                format!("another process has the data directory \"{shown}\" open"),
                "stop the other Tacitus, or give this one a directory of its own with --data",
            )),
            Err(TryLockError::Error(source)) => {
                Err(Error::io("lock the data directory", &shown, source))
            }
        }
    }

    /// Reads immutable files by `pread` instead of through mappings: for network file systems and
    /// failing disks.
    #[must_use]
    pub fn without_mappings(self) -> Self {
        Self { maps: false, ..self }
    }

    /// Opens a directory as [`OsDisk::open`] does, and makes none.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where there is no such directory, else as [`OsDisk::open`].
    pub fn open_existing(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Self::open(path);
        }
        let what = format!("there is no directory \"{}\"", path.display());
        Err(Error::new(ErrorKind::Invalid, what, "name the directory with --data, or as argument"))
    }

    fn place(&self, name: &str) -> io::Result<PathBuf> {
        if name.contains(['/', '\\', '\0']) || name.starts_with('.') {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a file name of the store",
            ));
        }
        Ok(self.path.join(name))
    }
}

impl Disk for OsDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let place = self.place(name)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(place)?;
        Ok(Box::new(OsFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.place(name)?)?;
        Ok(Box::new(OsFile(file)))
    }

    fn open_immutable(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = File::open(self.place(name)?)?;
        if self.maps && file.metadata()?.len() > 0 {
            return Ok(Box::new(MappedFile::new(file)?));
        }
        Ok(Box::new(OsFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.place(from)?, self.place(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.place(name)?)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            // A name that is no UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn used_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(&self.path)? {
            // A file that went away since it was listed takes no space.
            bytes += entry?.metadata().map_or(0, |metadata| metadata.len());
        }
        Ok(bytes)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = rustix::fs::fstatvfs(&self.directory)?;
        Ok(state.f_bavail.saturating_mul(state.f_frsize))
    }

    fn total_bytes(&self) -> io::Result<u64> {
        let state = rustix::fs::fstatvfs(&self.directory)?;
        Ok(state.f_blocks.saturating_mul(state.f_frsize))
    }

    fn link(&self, name: &str, to: &dyn Disk) -> io::Result<()> {
        let to: &dyn Any = to;
        let to: &Self = to.downcast_ref().ok_or(io::ErrorKind::Unsupported)?;
        std::fs::hard_link(self.place(name)?, to.place(name)?)
    }
}

#[derive(Debug)]
struct OsFile(File);

impl DiskFile for OsFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opening_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = OsDisk::open(dir.path()).unwrap();
        assert_eq!(OsDisk::open(dir.path()).unwrap_err().kind(), ErrorKind::Locked);
        drop(first);
        assert!(OsDisk::open(dir.path()).is_ok());
    }

    #[test]
    fn a_directory_that_is_not_there_is_not_made_for_those_who_only_read() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("none");
        assert_eq!(OsDisk::open_existing(&place).unwrap_err().kind(), ErrorKind::Invalid);
        assert!(!place.exists());
    }

    #[test]
    fn a_name_that_leaves_the_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let disk = OsDisk::open(dir.path()).unwrap();
        for name in ["../x", "/etc/passwd", ".", "..", "a/b", "a\0b"] {
            assert!(disk.create(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn bytes_written_are_read_back_under_a_new_name() {
        let dir = tempfile::tempdir().unwrap();
        let disk = OsDisk::open(dir.path()).unwrap();
        disk.create("a").unwrap().write_at(3, b"xyz").unwrap();
        disk.rename("a", "b").unwrap();
        let file = disk.open("b").unwrap();
        let mut bytes = [9; 6];
        file.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, *b"\0\0\0xyz");
        assert_eq!(file.size().unwrap(), 6);
        assert_eq!(disk.list().unwrap(), ["b", "lock"]);
    }

    #[test]
    fn a_linked_file_outlives_its_first_name() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [disk, other] = dirs.each_ref().map(|dir| OsDisk::open(dir.path()).unwrap());
        disk.create("a").unwrap().write_at(0, b"xyz").unwrap();
        disk.link("a", &other).unwrap();
        disk.remove("a").unwrap();
        assert_eq!(other.open("a").unwrap().size().unwrap(), 3);
        let elsewhere = other.link("a", &crate::disk::SimDisk::new()).unwrap_err();
        assert_eq!(elsewhere.kind(), io::ErrorKind::Unsupported);
        assert!(disk.total_bytes().unwrap() >= disk.free_bytes().unwrap());
    }

    /// Bytes of mapped segments of a directory that are in memory, by what the system says.
    fn mapped_bytes(directory: &Path) -> (usize, u64) {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut mappings, mut bytes, mut ours) = (0, 0, false);
        for line in maps.lines() {
            if let Some(kilobytes) = line.strip_prefix("Rss:").filter(|_| ours) {
                bytes += kilobytes.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024;
            } else if line.starts_with(|first: char| first.is_ascii_hexdigit())
                && line.contains('-')
            {
                ours = line.contains(directory.to_str().unwrap())
                    && line
                        .split('/')
                        .next_back()
                        .is_some_and(|name| Naming::segment_number(name).is_some());
                mappings += usize::from(ours);
            }
        }
        (mappings, bytes)
    }

    #[test]
    fn segments_are_read_through_mappings_or_without_one_as_asked() {
        use tacitus_model::{Batch, Kind, Quality, Sample, TagId, TimeRange, Timestamp, Value};

        for maps in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let disk = OsDisk::open(dir.path()).unwrap();
            let disk = if maps { disk } else { disk.without_mappings() };
            let parts = crate::Parts {
                disk: std::sync::Arc::new(disk),
                clock: std::sync::Arc::new(crate::FixedClock::default()),
                chance: std::sync::Arc::new(crate::SeededChance::new(1)),
            };
            // Without a cache every read goes to the file.
            let settings = crate::Settings {
                reserve_bytes: Some(0),
                cache_bytes_max: 0,
                ..crate::Settings::default()
            };
            let engine = crate::Engine::open(parts, settings).unwrap();
            let tag = crate::golden::define(&engine, "a", Kind::Float);
            let sample = |n: i64| Sample {
                tag: TagId(tag.0),
                ts: Timestamp::from_nanos(n * n),
                // Bits that no codec makes small.
                value: Value::Float(f64::from_bits(
                    n.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 2,
                )),
                quality: Quality::GOOD,
            };
            for first in (0..100_000).step_by(10_000) {
                let batch: Batch = (first..first + 10_000).map(sample).collect();
                engine.commit(&[batch]).unwrap();
            }
            engine.seal().unwrap();
            let read = || -> usize {
                let snapshot = engine.snapshot();
                snapshot.scan(tag, TimeRange::ALL).map(|block| block.unwrap().len()).sum()
            };
            let (mappings, before) = mapped_bytes(dir.path());
            assert_eq!(mappings, usize::from(maps));
            assert_eq!(read(), 100_000);
            let (_, after) = mapped_bytes(dir.path());
            let bytes = engine.status().segment_bytes;
            assert!(bytes > 300_000, "{bytes}");
            let through = after > before && after * 10 > bytes * 9;
            assert_eq!(through, maps, "{before}, then {after} of {bytes} bytes");
        }
    }
}
