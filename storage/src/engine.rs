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

mod backup;
mod commit;
mod history;
mod holds;
mod import;
mod maintain;
mod pins;
mod recover;
mod scrub;
mod seal;
mod settings;
mod status;
mod wall;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::audit::{Audit, AuditEntry};
use crate::cache::BlockCache;
use crate::catalog::Catalog;
use crate::compaction::Partitions;
use crate::documents::{Collection, Document, Documents, Kept, changes_of};
use crate::error::Error;
use crate::head::{Head, LastValues};
use crate::log::Log;
use crate::manifest::Manifest;
use crate::scrub::Tour;
use crate::snapshot::Snapshot;
use crate::verify::Damage;
use crate::version::Version;

pub use holds::Backlog;
use holds::Holds;
pub use import::Imported;
pub(crate) use pins::Pins;
pub use seal::Progress;
pub use settings::{Parts, Settings};
pub use status::EngineStatus;
use wall::Wall;

/// The store. Shared between threads by reference.
#[derive(Debug)]
pub struct Engine {
    parts: Parts,
    settings: Settings,
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
    keeper: Mutex<Keeper>,
    /// Held by the one job of upkeep that runs.
    upkeep: Mutex<()>,
    /// Upkeep is to end, and no more of it to begin.
    halted: AtomicBool,
    partitions: Partitions,
    /// The number of the next file.
    numbers: AtomicU64,
    /// The disk is full to its reserve.
    full: AtomicBool,
    /// The log failed.
    poisoned: AtomicBool,
    free_bytes: AtomicU64,
    /// Space that stays free: as set, or as the size of the disk asks for.
    reserve_bytes: u64,
    /// The time of day is not believed.
    clock_suspect: AtomicBool,
    /// Monotonic time of the first record in the head; 0 while it has none.
    head_since_ns: AtomicU64,
    log_bytes: AtomicU64,
    /// Who removes files.
    pins: Arc<Pins>,
    /// What must stay as it was committed.
    holds: Mutex<Holds>,
    /// What the scrub found.
    findings: Mutex<Vec<Damage>>,
    scrub_tours: AtomicU64,
}

/// What readers and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) catalog: Catalog,
    pub(crate) last: LastValues,
    pub(crate) cache: BlockCache,
    pub(crate) audit: Audit,
    pub(crate) documents: Documents,
    version: ArcSwap<Version>,
    /// The last sequence that is durable and applied.
    visible: AtomicU64,
}

/// What a commit needs for itself.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Log,
    next_sequence: u64,
}

/// What a step needs for itself.
#[derive(Debug)]
struct Keeper {
    manifest: Manifest,
    /// Monotonic time at which the free space was last asked for.
    space_asked_ns: Option<u64>,
    wall: Wall,
    scrub: Tour,
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

    /// Which store this is: bytes that were drawn when it was made, and that a copy of its files
    /// has too.
    pub fn identity(&self) -> [u8; 16] {
        self.lock_keeper().manifest.store
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

    /// The content of a document.
    pub fn document(&self, collection: Collection, key: &[u8]) -> Option<Arc<[u8]>> {
        self.shared.documents.get(collection, key)
    }

    /// Keys and contents of a collection, by key.
    pub fn documents(&self, collection: Collection) -> Vec<Kept> {
        self.shared.documents.all(collection)
    }

    fn lock_keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_upkeep(&self) -> MutexGuard<'_, ()> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the time of day can be believed enough to let samples go.
    fn clock_is_sound(&self, now: tacitus_model::Timestamp) -> bool {
        now.nanos() > 0 && self.retention_now().is_some()
    }

    fn check_poison(&self) -> Result<(), Error> {
        if self.poisoned.load(Ordering::Acquire) { Err(Error::already_poisoned()) } else { Ok(()) }
    }
}

impl Keeper {
    /// The manifest that comes next, to be changed before it is published.
    fn next_manifest(&self) -> Manifest {
        let mut manifest = self.manifest.clone();
        manifest.generation += 1;
        manifest
    }
}

impl Shared {
    /// Enters a change that is on disk; a deletion hides rows from now on.
    pub(crate) fn enter_change(&self, entry: AuditEntry) {
        if let Some(deletion) = entry.deletion() {
            let version = self.version.load_full();
            let mut deletions = version.deletions.to_vec();
            deletions.push(deletion);
            let deletions = Arc::new(deletions);
            self.version.store(Arc::new(Version { deletions, ..version.share() }));
        }
        self.audit.enter(entry);
    }

    /// Enters documents that are on disk.
    pub(crate) fn keep_documents(&self, head: &Head, documents: &[Document], sequence: u64) {
        for (address, change) in changes_of(documents) {
            head.note_document(address.clone(), change.clone());
            self.documents.apply(address, change);
        }
        head.note_sequence(sequence);
    }
}

#[cfg(test)]
mod changes_tests;
#[cfg(test)]
mod program_tests;
#[cfg(test)]
mod tests;
