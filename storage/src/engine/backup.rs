//! A backup while writes go on.
//!
//! *Invariant.* The sequence of a backup is the one of a seal: everything committed before is in
//! it, nothing later. The files it needs keep their names until it is done.

use crate::backup::{self, BackupOptions, BackupReport, Sealed};
use crate::disk::Disk;
use crate::engine::Engine;
use crate::error::Error;

impl Engine {
    /// Brings a directory of backups up to everything committed so far. Commits wait only for the
    /// moment in which the head is exchanged; steps wait for the seal.
    ///
    /// Cut anywhere, the directory holds the backup from before, or this one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] where the directory belongs to something else,
    /// [`crate::ErrorKind::Corrupt`] where a file of the store is damaged (the directory keeps its
    /// former backup), or what the operating system refuses.
    pub fn backup(&self, to: &dyn Disk, options: BackupOptions) -> Result<BackupReport, Error> {
        let (manifest, _pin) = {
            let mut keeper = self.lock_keeper();
            self.seal_all(&mut keeper)?;
            (keeper.manifest.clone(), self.pins.hold())
        };
        let taken_at = self.parts.clock.now();
        backup::backup(&Sealed { disk: &*self.parts.disk, manifest, taken_at }, to, options)
    }
}
