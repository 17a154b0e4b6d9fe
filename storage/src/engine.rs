//! The engine: one writer, any number of readers, background work in steps.
//!
//! ```text
//! commit   writer lock ─▶ log frame, sync ─▶ catalog, head, latest values ─▶ visible sequence
//! step     step lock   ─▶ freeze │ seal │ recycle │ prepare: one of them a call
//! snapshot no lock     ─▶ version + visible sequence
//! ```
//!
//! *Invariant.* A sequence becomes visible only after the sync of its frame returned `Ok`. After
//! a failed write or sync of the log nothing is acknowledged any more.
//!
//! *Not here.* Threads and timers: the caller runs `commit` and `step` when it likes, from
//! whatever threads it likes.

mod commit;
mod recover;
mod seal;
mod settings;
mod status;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::cache::BlockCache;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::head::LastValues;
use crate::log::Log;
use crate::manifest::Manifest;
use crate::snapshot::Snapshot;
use crate::version::Version;

pub use seal::Progress;
pub use settings::{Parts, Settings};
pub use status::EngineStatus;

/// The store. Shared between threads by reference.
#[derive(Debug)]
pub struct Engine {
    parts: Parts,
    settings: Settings,
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
    keeper: Mutex<Keeper>,
    /// The disk is full to its reserve.
    full: AtomicBool,
    /// The log failed.
    poisoned: AtomicBool,
    free_bytes: AtomicU64,
    /// Monotonic time of the first record in the head; 0 while it has none.
    head_since_ns: AtomicU64,
    log_bytes: AtomicU64,
}

/// What readers and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) catalog: Catalog,
    pub(crate) last: LastValues,
    pub(crate) cache: BlockCache,
    version: ArcSwap<Version>,
    /// The last sequence that is durable and applied.
    visible: AtomicU64,
}

/// What a commit needs for itself.
#[derive(Debug)]
struct Writer {
    log: Log,
    next_sequence: u64,
}

/// What a step needs for itself.
#[derive(Debug)]
struct Keeper {
    manifest: Manifest,
    /// Monotonic time at which the free space was last asked for.
    space_asked_ns: Option<u64>,
}

impl Engine {
    /// Opens a store, makes one in an empty directory, and brings back all that was acknowledged.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] where something acknowledged cannot be read (the directory
    /// is left as it is), or what the operating system refuses.
    pub fn open(parts: Parts, settings: Settings) -> Result<Self, Error> {
        recover::open(parts, settings)
    }

    /// The tags.
    pub fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    /// The store at this moment.
    pub fn snapshot(&self) -> Snapshot {
        loop {
            let version = self.shared.version.load_full();
            let sequence = self.shared.visible.load(Ordering::Acquire);
            // A version in which this sequence was visible has all the rows up to it; if the
            // version changed meanwhile, a seal may have begun a new head for some of them.
            if Arc::ptr_eq(&version, &self.shared.version.load()) {
                return Snapshot::new(Arc::clone(&self.shared), version, sequence);
            }
        }
    }

    fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_poison(&self) -> Result<(), Error> {
        if self.poisoned.load(Ordering::Acquire) { Err(Error::already_poisoned()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
