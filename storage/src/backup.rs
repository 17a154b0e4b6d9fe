//! Copies of a store as it was at one sequence, in a directory of their own.
//!
//! ```text
//! backup    seal at S ─▶ files the directory lacks: copy, sync, read back ─▶ sync names
//!           ─▶ N.backup published: what belongs to it ─▶ older lists and their files removed
//! restore   every file of the list checked ─▶ copied, checked ─▶ empty log ─▶ manifest published
//! ```
//! Segments and catalog files never change, so a file that the directory has already is not
//! copied again. Layout: `docs/format/backup.md`.
//!
//! *Invariant.* The newest list is published last and names only files that are durable, complete
//! and compared with their source; cut anywhere, the directory holds the former backup or the new
//! one. A restored store has no manifest before all of its files are in place.
//!
//! *Not here.* The log: a backup is taken right behind a seal, so none is needed.

mod copy;
mod list;
mod restore;

use tacitus_model::Timestamp;

use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::manifest::{FileName, Manifest};
use crate::moment::{self, Moment};
use crate::naming::Naming;
use copy::{Fingerprint, Source};
use list::{Entry, List};

pub use restore::{RestoreOptions, RestoreReport, restore};

/// How a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupOptions {
    /// Share files with the store instead of copying them, where the directory is on the same
    /// file system. Fast and small, but one damaged disk takes both.
    pub links: bool,
    /// How many backups the directory keeps, this one included; at least 1.
    pub generations: usize,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self { links: true, generations: 1 }
    }
}

/// What a backup came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupReport {
    /// The backup holds everything up to this sequence, and nothing later.
    pub sequence: u64,
    /// The number of the backup in its directory.
    pub generation: u64,
    /// Files that belong to it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were copied now.
    pub files_copied: u64,
    /// Their bytes.
    pub bytes_copied: u64,
    /// Files that were linked now.
    pub files_linked: u64,
}

/// What to back up: files that nobody removes meanwhile.
#[derive(Debug)]
pub(crate) struct Sealed<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) manifest: Manifest,
    pub(crate) taken_at: Timestamp,
}

/// Makes a backup of sealed files in a directory that may have earlier ones.
pub(crate) fn backup(
    sealed: &Sealed<'_>,
    to: &dyn Disk,
    options: BackupOptions,
) -> Result<BackupReport, Error> {
    let manifest = &sealed.manifest;
    let former = Former::read(to, manifest)?;
    let mut report = BackupReport {
        sequence: manifest.checkpoint,
        generation: former.last_generation + 1,
        ..BackupReport::default()
    };
    let mut entries = Vec::new();
    for (name, record) in manifest.files() {
        moment::pass(Moment::Copy);
        let source = Source::open(sealed.disk, manifest, name, &record)?;
        let fingerprint = source.fingerprint()?;
        let entry = former.entry(to, name, &fingerprint, &source)?;
        let entry = if let Some(entry) = entry {
            entry
        } else {
            let linked = options.links && copy::link(sealed.disk, to, name)?;
            let crc = if linked { source.check()? } else { source.copy(to)? };
            if linked {
                report.files_linked += 1;
            } else {
                report.files_copied += 1;
                report.bytes_copied += record.bytes;
            }
            Entry { name, fingerprint, crc }
        };
        report.files += 1;
        report.bytes += record.bytes;
        entries.push(entry);
    }
    let list = List {
        generation: report.generation,
        taken_at: sealed.taken_at,
        manifest: manifest.clone(),
        entries,
    };
    to.sync_dir().map_err(|source| Error::io("sync", "the backup directory", source))?;
    list.publish(to)?;
    prune(to, options.generations.max(1))?;
    Ok(report)
}

/// What a directory of backups holds already.
struct Former {
    /// Newest first; lists that cannot be read protect nothing and are left out.
    lists: Vec<List>,
    last_generation: u64,
}

impl Former {
    fn read(to: &dyn Disk, manifest: &Manifest) -> Result<Self, Error> {
        let names = list_names(to)?;
        let store = |name: &&String| {
            Naming::manifest_number(name).is_some() || Naming::log_number(name).is_some()
        };
        if let Some(name) = names.iter().find(store) {
            let what = format!("the directory holds \"{name}\": it is a store, not a backup");
            return Err(Error::new(ErrorKind::Invalid, what, OWN_DIRECTORY));
        }
        let mut generations: Vec<u64> =
            names.iter().filter_map(|name| Naming::backup_number(name)).collect();
        generations.sort_unstable_by(|a, b| b.cmp(a));
        let read = generations.iter().filter_map(|generation| List::load(to, *generation).ok());
        let lists: Vec<List> = read.collect();
        if lists.iter().any(|list| list.manifest.store != manifest.store) {
            let what = "the directory holds a backup of another store";
            return Err(Error::new(ErrorKind::Invalid, what, OWN_DIRECTORY));
        }
        let last_generation = generations.first().copied().unwrap_or(0);
        Ok(Self { lists, last_generation })
    }

    /// The entry of a file that need not be copied; `None` for one that must.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where an earlier backup has another file of this name: two copies
    /// of one store went different ways; or what is wrong with the file.
    fn entry(
        &self,
        to: &dyn Disk,
        name: FileName,
        wanted: &Fingerprint,
        source: &Source<'_>,
    ) -> Result<Option<Entry>, Error> {
        let known = self.lists.iter().flat_map(|list| &list.entries);
        let Some(known) = known.into_iter().find(|entry| entry.name == name) else {
            return Ok(None);
        };
        if known.fingerprint != *wanted {
            source.check()?;
            let what = format!("the directory has another file \"{}\"", name.in_words());
            return Err(Error::new(ErrorKind::Invalid, what, OWN_DIRECTORY));
        }
        // A file that is listed and yet missing, or not itself, is copied again.
        let found = Fingerprint::of(to, &name.in_words()).ok();
        Ok((found.as_ref() == Some(wanted)).then(|| known.clone()))
    }
}

const OWN_DIRECTORY: &str = "give the backups of this store a directory of their own";

/// Removes all but the newest lists, and the files that none of those names.
fn prune(to: &dyn Disk, keep: usize) -> Result<(), Error> {
    let names = list_names(to)?;
    let mut generations: Vec<u64> =
        names.iter().filter_map(|name| Naming::backup_number(name)).collect();
    generations.sort_unstable_by(|a, b| b.cmp(a));
    let (kept, dropped) = generations.split_at(keep.min(generations.len()));
    // An older list that cannot be read names no files; nothing may be removed for its sake.
    let Ok(lists) = kept.iter().map(|at| List::load(to, *at)).collect::<Result<Vec<_>, _>>() else {
        return Ok(());
    };
    let listed = |name: &str| {
        let mut entries = lists.iter().flat_map(|list| &list.entries);
        entries.any(|entry| entry.name.in_words() == name)
    };
    let remove = || {
        for generation in dropped {
            to.remove(&Naming::backup(*generation))?;
        }
        // The lists are gone for good before the files that they name.
        to.sync_dir()?;
        for name in &names {
            let ours = FileName::parse(name).is_some() || Naming::is_temporary(name);
            if ours && !listed(name) {
                to.remove(name)?;
            }
        }
        to.sync_dir()
    };
    remove().map_err(|source| Error::io("tidy", "the backup directory", source))
}

fn list_names(disk: &dyn Disk) -> Result<Vec<String>, Error> {
    disk.list().map_err(|source| Error::io("list", "the backup directory", source))
}

/// Checks every file of every backup in a directory.
pub(crate) fn verify(disk: &dyn Disk) -> Result<Vec<crate::verify::Damage>, Error> {
    let mut damages = Vec::new();
    let names = list_names(disk)?;
    for generation in names.iter().filter_map(|name| Naming::backup_number(name)) {
        let name = Naming::backup(generation);
        match List::load(disk, generation) {
            Ok(list) => damages.extend(list.damages(disk)),
            Err(error) => damages.push(crate::verify::Damage::whole(&name, &error)),
        }
    }
    damages.sort_by(|a, b| a.file.cmp(&b.file));
    damages.dedup();
    Ok(damages)
}

/// Decodes a list, past its checksum.
#[cfg(fuzzing)]
pub(crate) fn fuzz(body: &[u8]) {
    list::fuzz(body);
}

#[cfg(test)]
mod tests;
