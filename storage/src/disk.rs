//! Files, as the store needs them: one flat directory of named files.
//!
//! [`OsDisk`] serves in production; [`SimDisk`] in tests, where it loses, keeps or tears whatever
//! was not synced.
//!
//! *Invariant.* A write is volatile until `sync` of its file returned `Ok`; a created, renamed or
//! removed name is volatile until `sync_dir` did. After a failed `sync` nothing is known of the
//! file's unsynced bytes, and it must not be written again.

mod mapped;
mod os;
mod sim;

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;
use std::io;

pub use os::OsDisk;
pub use sim::{SimDisk, SimFaults, Survival};

/// The directory of a store.
pub trait Disk: Any + Debug + Send + Sync {
    /// Makes a new, empty file.
    ///
    /// # Errors
    /// `AlreadyExists`, or whatever the operating system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, or whatever the operating system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that nobody will change any more; it may be read through a mapping.
    ///
    /// # Errors
    /// `NotFound`, or whatever the operating system says.
    fn open_immutable(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.open(name)
    }

    /// Gives a file another name, replacing what had it.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name; files that are open stay readable.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names there are, sorted.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes all names durable.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn sync_dir(&self) -> io::Result<()>;

    /// Bytes of all files in the directory.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn used_bytes(&self) -> io::Result<u64>;

    /// Bytes that may still be written.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Bytes of the whole medium, used and free.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn total_bytes(&self) -> io::Result<u64>;

    /// Gives a file, that nobody may write to any more, the same name in another directory too,
    /// without a copy.
    ///
    /// # Errors
    /// `Unsupported` or `CrossesDevices` where the other directory is not of the same file
    /// system, `AlreadyExists`, or whatever the operating system says.
    fn link(&self, name: &str, to: &dyn Disk) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Fills `bytes` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file ends earlier, or whatever the operating system says.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// `len` bytes from `offset`, without a copy where the file is mapped.
    ///
    /// # Errors
    /// As [`DiskFile::read_at`].
    fn view(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>> {
        let mut bytes = vec![0; len];
        self.read_at(offset, &mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    /// Writes `bytes` at `offset`, making the file longer where needed.
    ///
    /// # Errors
    /// Whatever the operating system says; a part may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes all bytes written so far durable.
    ///
    /// # Errors
    /// Whatever the operating system says; see the module's invariant.
    fn sync(&self) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn size(&self) -> io::Result<u64>;
}
