//! The files of the log: their names, how one is made, and how one is put aside for reuse.
//!
//! ```text
//! N.log.tmp ──zeros, header, sync──▶ rename ──sync dir──▶ N.log
//! N.log ──rename, sync dir──▶ N.spare ──header of M, sync──▶ rename ──sync dir──▶ M.log
//! ```
//!
//! *Invariant.* A file named `N.log` has a durable header that says N. Frames of a former life
//! carry another number in their checksum and never verify.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::limits::{LOG_FILE_BYTES_MIN, LOG_SPARES_MAX};
use crate::log::StoreId;
use crate::log::frame::{FILE_HEADER_BYTES, encode_file_header};
use crate::naming::Naming;
use crate::planted::{self, Bug};

/// The files of the log that no frames go to: the next one, and those put aside.
///
/// It has a lock of its own, so that the next file can be filled with zeros while frames go to
/// the current one.
#[derive(Debug)]
pub(crate) struct Files {
    disk: Arc<dyn Disk>,
    store: StoreId,
    file_bytes: u64,
    stock: Mutex<Stock>,
}

#[derive(Debug)]
struct Stock {
    /// The number of the next file to make ready.
    next_number: u64,
    prepared: Option<Ready>,
    /// Names of files to reuse.
    spares: Vec<String>,
}

/// A file that is ready for its first frame.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) number: u64,
    pub(crate) file: Box<dyn DiskFile>,
}

impl Files {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        store: StoreId,
        file_bytes: u64,
        next_number: u64,
        spares: Vec<String>,
    ) -> Self {
        let stock = Mutex::new(Stock { next_number, prepared: None, spares });
        Self { disk, store, file_bytes, stock }
    }

    /// Enters a file that was found ready.
    pub(crate) fn enter(&self, ready: Ready) {
        let mut stock = self.lock();
        stock.next_number = ready.number + 1;
        stock.prepared = Some(ready);
    }

    /// Makes the next file ready, so that a roll costs no more than a switch; `false` where it is
    /// ready already.
    ///
    /// # Errors
    /// As the operating system says; the log goes on in the current file.
    pub(crate) fn prepare(&self) -> Result<bool, Error> {
        let mut stock = self.lock();
        if stock.prepared.is_some() {
            return Ok(false);
        }
        stock.prepared = Some(self.make(&mut stock)?);
        Ok(true)
    }

    /// The next file; made now, where it was not made ready.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn take(&self) -> Result<Ready, Error> {
        let mut stock = self.lock();
        match stock.prepared.take() {
            Some(ready) => Ok(ready),
            None => self.make(&mut stock),
        }
    }

    /// The next file, as short as one can be; every spare goes. A log that rests takes no space;
    /// when it is written to, the file grows.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn take_short(&self) -> Result<Ready, Error> {
        let mut stock = self.lock();
        for spare in std::mem::take(&mut stock.spares) {
            self.disk.remove(&spare).map_err(|source| Error::io("remove", &spare, source))?;
        }
        // A file that was made ready already gives its place to the short one.
        let ready = stock.prepared.take().map(|ready| ready.number);
        let number = ready.unwrap_or(stock.next_number);
        // Where this fails the number is still to be made: a gap would be taken for damage.
        stock.next_number = number;
        let (from, file) = blank(&*self.disk, number, LOG_FILE_BYTES_MIN)?;
        name_log_file(&*self.disk, &self.store, &from, &*file, number)?;
        stock.next_number = number + 1;
        Ok(Ready { number, file })
    }

    /// Removes a file that nobody needs.
    ///
    /// # Errors
    /// As the operating system says; the next start puts the file aside.
    pub(crate) fn drop_file(&self, number: u64) -> Result<(), Error> {
        let name = Naming::log(number);
        let gone = self.disk.remove(&name).and_then(|()| self.disk.sync_dir());
        gone.map_err(|source| Error::io("remove", &name, source))
    }

    /// Puts a file aside for reuse, or removes it where there are spares enough.
    ///
    /// # Errors
    /// As the operating system says; the next start puts the file aside.
    pub(crate) fn retire(&self, number: u64) -> Result<(), Error> {
        let mut stock = self.lock();
        let keep = stock.spares.len() < LOG_SPARES_MAX;
        let (name, spare) = (Naming::log(number), Naming::spare(number));
        let retire = || {
            if keep {
                self.disk.rename(&name, &spare)?;
            } else {
                self.disk.remove(&name)?;
            }
            self.disk.sync_dir()
        };
        retire().map_err(|source| Error::io("retire log file", &name, source))?;
        stock.spares.extend(keep.then_some(spare));
        Ok(())
    }

    /// A file with the next number, from a spare where there is one. Its header is durable before
    /// it gets its name, and its name before it gets a frame.
    fn make(&self, stock: &mut Stock) -> Result<Ready, Error> {
        let number = stock.next_number;
        let (from, file) = match stock.spares.pop() {
            Some(spare) => {
                let file = self.disk.open(&spare);
                let file = file.map_err(|source| Error::io("open", &spare, source))?;
                (spare, file)
            }
            None => blank(&*self.disk, number, self.file_bytes)?,
        };
        name_log_file(&*self.disk, &self.store, &from, &*file, number)?;
        stock.next_number += 1;
        Ok(Ready { number, file })
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Ready> for super::Current {
    fn from(ready: Ready) -> Self {
        let end = FILE_HEADER_BYTES as u64;
        Self { number: ready.number, file: ready.file, end, last_sequence: 0 }
    }
}

/// A new file of the full length, zeros throughout, under a temporary name.
fn blank(
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
fn name_log_file(
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
