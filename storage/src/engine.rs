//! The engine: one writer, any number of readers, background work in steps.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tacitus_model::{Batch, Tag};

use crate::catalog::Catalog;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::Error;
use crate::head::{Head, LastValues};
use crate::snapshot::Snapshot;
use crate::version::Version;

/// What the engine runs on.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The directory of the store.
    pub disk: Arc<dyn Disk>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for the identity of a new store.
    pub chance: Arc<dyn Chance>,
}

/// What the engine may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The length of one log file. Larger: fewer rolls, more disk held. It also bounds a batch.
    pub log_file_bytes: u64,
    /// Log written since the last seal, at which the head is sealed. Larger: longer restart.
    pub log_bytes_max: u64,
    /// Memory of the head at which it is sealed.
    pub head_bytes_max: usize,
    /// Age of the head's first sample at which it is sealed.
    pub seal_after_s: u64,
    /// Space that must stay free; below it writes are refused.
    pub reserve_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            log_file_bytes: 16 << 20,
            log_bytes_max: 256 << 20,
            head_bytes_max: 256 << 20,
            seal_after_s: 600,
            reserve_bytes: 256 << 20,
        }
    }
}

/// What one step of background work did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing: there is nothing to do.
    Idle,
    /// Something: there may be more.
    Did,
}

/// Figures for people and machines that watch the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineStatus {
    /// Tags in the catalog.
    pub tags: u64,
    /// Samples stored; samples that a later one replaced count until they are sealed away.
    pub samples: u64,
    /// Bytes of all files in the data directory.
    pub bytes_on_disk: u64,
    /// The last committed sequence.
    pub sequence: u64,
    /// Bytes of log files in use.
    pub log_bytes: u64,
    /// Memory of the head.
    pub head_bytes: u64,
    /// Segments in the store.
    pub segments: u64,
    /// Bytes that may still be written to the disk.
    pub free_bytes: u64,
    /// Whether writes are refused because the disk is full to its reserve.
    pub full: bool,
    /// Whether the log failed and only a restart helps.
    pub poisoned: bool,
}

/// What readers and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) catalog: Catalog,
    pub(crate) last: LastValues,
    version: ArcSwap<Version>,
    visible: AtomicU64,
    full: AtomicBool,
}

/// The store.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    writer: Mutex<()>,
}

impl Engine {
    /// Opens.
    ///
    /// # Errors
    /// Whatever.
    pub fn open(_parts: Parts, _settings: Settings) -> Result<Self, Error> {
        let version = Version { segments: Vec::new(), frozen: None, head: Arc::new(Head::new(1)) };
        let shared = Shared {
            catalog: Catalog::default(),
            last: LastValues::new(),
            version: ArcSwap::from_pointee(version),
            visible: AtomicU64::new(0),
            full: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared), writer: Mutex::new(()) })
    }

    /// The tags.
    pub fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    /// Makes batches durable and shows them.
    ///
    /// # Errors
    /// Whatever.
    pub fn commit(&self, batches: &[Batch]) -> Result<u64, Error> {
        let guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sequence = self.shared.visible.load(Ordering::Acquire);
        let version = self.shared.version.load_full();
        for tag in self.shared.catalog.take_pending() {
            sequence += 1;
            self.shared.catalog.enter(Tag { sequence, ..(*tag).clone() })?;
            version.head.note_sequence(sequence);
        }
        for batch in batches {
            sequence += 1;
            version.head.append(batch, sequence);
            self.shared.last.note(batch);
        }
        self.shared.visible.store(sequence, Ordering::Release);
        drop(guard);
        Ok(sequence)
    }

    /// The store at this moment.
    pub fn snapshot(&self) -> Snapshot {
        loop {
            let version = self.shared.version.load_full();
            let sequence = self.shared.visible.load(Ordering::Acquire);
            if Arc::ptr_eq(&version, &self.shared.version.load()) {
                return Snapshot::new(Arc::clone(&self.shared), version, sequence);
            }
        }
    }

    /// One piece of background work.
    ///
    /// # Errors
    /// Whatever.
    pub fn step(&self) -> Result<Progress, Error> {
        Ok(Progress::Idle)
    }

    /// Figures.
    pub fn status(&self) -> EngineStatus {
        let version = self.shared.version.load();
        EngineStatus {
            tags: self.shared.catalog.len() as u64,
            samples: version.head.rows() as u64,
            sequence: self.shared.visible.load(Ordering::Acquire),
            head_bytes: version.head.bytes() as u64,
            full: self.shared.full.load(Ordering::Relaxed),
            ..EngineStatus::default()
        }
    }

    /// Ends the use of the store.
    ///
    /// # Errors
    /// Whatever.
    pub fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
