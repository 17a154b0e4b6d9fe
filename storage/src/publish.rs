//! Making a whole file appear at once: write under a temporary name, sync, rename, sync names.
//!
//! *Invariant.* A file under its final name is complete and durable, or the name is not there.

use std::io;

use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::naming::Naming;
use crate::planted::{self, Bug};

/// A file being written under a temporary name.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    disk: &'a dyn Disk,
    name: String,
    file: Box<dyn DiskFile>,
}

impl<'a> Draft<'a> {
    /// Begins a file that will have this name.
    pub(crate) fn begin(disk: &'a dyn Disk, name: &str) -> Result<Self, Error> {
        let temporary = Naming::temporary(name);
        let begin = || {
            if disk.list()?.contains(&temporary) {
                disk.remove(&temporary)?;
            }
            disk.create(&temporary)
        };
        let file = begin().map_err(|source| Error::io("make", &temporary, source))?;
        Ok(Self { disk, name: name.to_owned(), file })
    }

    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.checked("write", self.file.write_at(offset, bytes))
    }

    /// Makes the file appear; it stays open for reading.
    pub(crate) fn publish(self) -> Result<Box<dyn DiskFile>, Error> {
        let finish = || {
            let hurried = planted::active(Bug::RenameBeforeSync);
            if !hurried && !planted::skips_sync() {
                self.file.sync()?;
            }
            self.disk.rename(&Naming::temporary(&self.name), &self.name)?;
            if planted::active(Bug::ForgetManifest) && Naming::manifest_number(&self.name).is_some()
            {
                return Ok(());
            }
            self.disk.sync_dir()?;
            if hurried { self.file.sync() } else { Ok(()) }
        };
        self.checked("publish", finish())?;
        Ok(self.file)
    }

    /// Syncs the file, reads it back and gives it its name, which is not durable before the
    /// directory is synced; what reading back gave.
    pub(crate) fn settle<T>(
        self,
        read_back: impl FnOnce(&dyn DiskFile) -> io::Result<T>,
    ) -> Result<T, Error> {
        let finish = || {
            self.file.sync()?;
            let read = read_back(&*self.file)?;
            self.disk.rename(&Naming::temporary(&self.name), &self.name)?;
            Ok(read)
        };
        finish().map_err(|source| self.give_up("publish", source))
    }

    /// Gives the file up.
    pub(crate) fn abandon(self) {
        // What stays is removed at the next start.
        drop(self.disk.remove(&Naming::temporary(&self.name)));
    }

    /// Takes the temporary file away where something failed: it would only hold space.
    fn checked(&self, action: &str, result: io::Result<()>) -> Result<(), Error> {
        result.map_err(|source| self.give_up(action, source))
    }

    fn give_up(&self, action: &str, source: io::Error) -> Error {
        drop(self.disk.remove(&Naming::temporary(&self.name)));
        Error::io(action, &self.name, source)
    }
}

/// Makes a file of these bytes appear.
pub(crate) fn publish(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let draft = Draft::begin(disk, name)?;
    draft.write_at(0, bytes)?;
    draft.publish().map(drop)
}

/// A whole file in memory.
pub(crate) fn read_whole(
    disk: &dyn Disk,
    name: &str,
) -> Result<(Box<dyn DiskFile>, Vec<u8>), Error> {
    let read = || {
        let file = disk.open(name)?;
        let mut bytes = vec![0; usize::try_from(file.size()?).map_err(io::Error::other)?];
        file.read_at(0, &mut bytes)?;
        Ok((file, bytes))
    };
    read().map_err(|source| Error::io("read", name, source))
}
