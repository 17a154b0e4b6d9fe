//! A store from a backup: checked whole, then copied, then given its manifest.
//!
//! *Invariant.* Nothing is written before every file of the backup was read and found as it was
//! written. The manifest comes last: a restore that was cut off leaves a directory that no
//! Tacitus opens, and that the same restore completes.

use std::sync::Arc;

use tacitus_model::Timestamp;

use crate::backup::copy::{copy, refuse};
use crate::backup::list::List;
use crate::backup::list_names;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::log;
use crate::marks::Marks;
use crate::naming::Naming;

/// What to restore, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestoreOptions {
    /// The number of the backup; `None` for the newest.
    pub generation: Option<u64>,
    /// The length of a log file of the restored store; at least 4096.
    pub log_file_bytes: u64,
}

/// What a restore came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreReport {
    /// The restored store holds everything up to this sequence, and nothing later.
    pub sequence: u64,
    /// The number of the backup that was restored.
    pub generation: u64,
    /// When the backup was taken.
    pub taken_at: Timestamp,
    /// Files that were copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Makes a store from a backup, in an empty directory.
///
/// The restored store believes no clock that is more than a day from when the backup was taken,
/// until somebody confirms it: else a retention would delete at once what was just restored.
///
/// # Errors
/// [`ErrorKind::Invalid`] where the directory is not empty or there is no such backup,
/// [`ErrorKind::Corrupt`] where any part of the backup is damaged or missing, or what the
/// operating system refuses. Nothing was changed in the first two cases.
pub fn restore(
    from: &dyn Disk,
    to: &Arc<dyn Disk>,
    options: RestoreOptions,
) -> Result<RestoreReport, Error> {
    let generation = options.generation.map_or_else(|| newest(from), Ok)?;
    let list = List::load(from, generation)?;
    check_target(&**to, &list)?;
    if let Some(damage) = list.damages(from).first() {
        let hint = "restore another backup; tacitus verify lists all that is damaged";
        let what = format!("the backup cannot be restored: {}", damage.what);
        return Err(Error::new(ErrorKind::Corrupt, what, hint));
    }
    let mut report = RestoreReport {
        sequence: list.manifest.checkpoint,
        generation,
        taken_at: list.taken_at,
        files: 0,
        bytes: 0,
    };
    for entry in &list.entries {
        let name = entry.name.in_words();
        let file = from.open(&name).map_err(|source| Error::io("open", &name, source))?;
        copy(&*file, &**to, &name, entry.crc)?;
        report.files += 1;
        report.bytes += entry.fingerprint.bytes;
    }
    let manifest = &list.manifest;
    let high_water_ns = list.taken_at.nanos();
    Marks { high_water_ns, ..Marks::default() }.publish(&**to, &manifest.store)?;
    discard_log(&**to, manifest.first_log)?;
    log::create(to, manifest.store, options.log_file_bytes, manifest.first_log)?;
    to.sync_dir().map_err(|source| Error::io("sync", "the data directory", source))?;
    manifest.publish(&**to)?;
    Ok(report)
}

fn newest(from: &dyn Disk) -> Result<u64, Error> {
    let names = list_names(from)?;
    names.iter().filter_map(|name| Naming::backup_number(name)).max().ok_or_else(|| {
        refuse("there is no backup in the directory".into(), "name a directory of backups")
    })
}

/// Refuses a directory with anything in it but what an interrupted restore of this very backup
/// leaves.
fn check_target(to: &dyn Disk, list: &List) -> Result<(), Error> {
    let ours = |name: &str| {
        name == Naming::LOCK
            || name == Naming::MARKS
            || Naming::is_temporary(name)
            || Naming::log_number(name) == Some(list.manifest.first_log)
            || list.entries.iter().any(|entry| entry.name.in_words() == name)
    };
    let names = to.list().map_err(|source| Error::io("list", "the data directory", source))?;
    if let Some(name) = names.iter().find(|name| !ours(name)) {
        let what = format!("the data directory is not empty: it holds \"{name}\"");
        return Err(refuse(what, "restore into an empty directory"));
    }
    if log::has_frames(to)? {
        let what = "the data directory holds a log with records";
        return Err(refuse(what.into(), "restore into an empty directory"));
    }
    Ok(())
}

/// Removes the empty log file of a restore that was cut off.
fn discard_log(to: &dyn Disk, number: u64) -> Result<(), Error> {
    let name = Naming::log(number);
    let discard = || if to.list()?.contains(&name) { to.remove(&name) } else { Ok(()) };
    discard().map_err(|source| Error::io("remove", &name, source))
}
