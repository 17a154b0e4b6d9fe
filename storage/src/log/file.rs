//! The files of the log: their names, how one is made, and how one is put aside for reuse.
//!
//! ```text
//! N.log.tmp ──zeros, header, sync──▶ rename ──sync dir──▶ N.log
//! N.log ──rename, sync dir──▶ N.spare ──header of M, sync──▶ rename ──sync dir──▶ M.log
//! ```
//!
//! *Invariant.* A file named `N.log` has a durable header that says N. Frames of a former life
//! carry another number in their checksum and never verify.

use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::log::frame::{FILE_HEADER_BYTES, encode_file_header};
use crate::log::{StoreId, keep_spare};
use crate::naming::Naming;
use crate::planted::{self, Bug};

/// A new file of the full length, zeros throughout, under a temporary name.
pub(crate) fn blank(
    disk: &dyn Disk,
    number: u64,
    file_bytes: u64,
) -> Result<(String, Box<dyn DiskFile>), Error> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let name = Naming::temporary(&Naming::log(number));
    let fill = || {
        if disk.list()?.contains(&name) {
            disk.remove(&name)?;
        }
        let file = disk.create(&name)?;
        let mut at = 0;
        while at < file_bytes {
            let len = usize::try_from(file_bytes - at).unwrap_or(usize::MAX).min(ZEROS.len());
            file.write_at(at, ZEROS.get(..len).unwrap_or(&ZEROS))?;
            at += len as u64;
        }
        Ok(file)
    };
    match fill() {
        Ok(file) => Ok((name, file)),
        Err(source) => {
            // What was written of it would only fill the disk further.
            drop(disk.remove(&name));
            Err(Error::io("make log file", &name, source))
        }
    }
}

/// Gives a blank or spare file its header and then its name.
pub(crate) fn name_log_file(
    disk: &dyn Disk,
    store: &StoreId,
    from: &str,
    file: &dyn DiskFile,
    number: u64,
) -> Result<(), Error> {
    let name = Naming::log(number);
    let header: [u8; FILE_HEADER_BYTES] = encode_file_header(store, number);
    let finish = || {
        file.write_at(0, &header)?;
        file.sync()?;
        disk.rename(from, &name)?;
        if planted::active(Bug::SkipDirectorySync) {
            return Ok(());
        }
        disk.sync_dir()
    };
    finish().map_err(|source| Error::io("make log file", &name, source))
}

/// Puts a file aside; the name of the spare, unless there are enough and it was removed.
pub(crate) fn retire(disk: &dyn Disk, number: u64, spares: usize) -> Result<Option<String>, Error> {
    let name = Naming::log(number);
    let spare = Naming::spare(number);
    let keep = keep_spare(spares);
    let retire = || {
        if keep {
            disk.rename(&name, &spare)?;
        } else {
            disk.remove(&name)?;
        }
        disk.sync_dir()
    };
    retire().map_err(|source| Error::io("retire log file", &name, source))?;
    Ok(keep.then_some(spare))
}
