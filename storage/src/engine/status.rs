//! Figures of the store, for people and machines that watch it.

use std::sync::atomic::Ordering;

use crate::engine::Engine;

/// Figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineStatus {
    /// Tags in the catalog.
    pub tags: u64,
    /// Samples stored; one that a later one replaced counts until both are merged.
    pub samples: u64,
    /// Bytes of all files in the data directory.
    pub bytes_on_disk: u64,
    /// The last committed sequence.
    pub sequence: u64,
    /// The last sequence that is sealed.
    pub checkpoint: u64,
    /// Bytes of log files in use.
    pub log_bytes: u64,
    /// Memory of the samples not yet sealed.
    pub head_bytes: u64,
    /// Segments in the store.
    pub segments: u64,
    /// Bytes of the segments.
    pub segment_bytes: u64,
    /// Memory of what was read from segments and kept.
    pub cache_bytes: u64,
    /// Bytes that may still be written to the disk, when last asked for.
    pub free_bytes: u64,
    /// Bytes that stay free: below that writes are refused.
    pub reserve_bytes: u64,
    /// Whether the time of day is not believed, so that nothing is deleted for its age.
    pub clock_suspect: bool,
    /// Places found damaged since the store was opened.
    pub damages: u64,
    /// Tours over all files that the scrub finished.
    pub scrub_tours: u64,
    /// Whether writes are refused because the disk is full to its reserve.
    pub full: bool,
    /// Whether the log failed and only a restart helps.
    pub poisoned: bool,
}

impl Engine {
    /// Figures at this moment.
    pub fn status(&self) -> EngineStatus {
        let version = self.shared.version.load_full();
        let sealed: u64 = version.segments.iter().map(|segment| segment.samples()).sum();
        let rows: usize = version.heads().map(|head| head.rows()).sum();
        let head_bytes: usize = version.heads().map(|head| head.bytes()).sum();
        EngineStatus {
            tags: self.shared.catalog.len() as u64,
            samples: sealed + rows as u64,
            // A disk that cannot be asked is no reason to fail; writes will say what is wrong.
            bytes_on_disk: self.parts.disk.used_bytes().unwrap_or_default(),
            sequence: self.shared.visible.load(Ordering::Acquire),
            checkpoint: version.checkpoint,
            log_bytes: self.log_bytes.load(Ordering::Relaxed),
            head_bytes: head_bytes as u64,
            segments: version.segments.len() as u64,
            segment_bytes: version.segments.iter().map(|own| own.record().file.bytes).sum(),
            cache_bytes: self.shared.cache.bytes(),
            free_bytes: self.free_bytes.load(Ordering::Relaxed),
            reserve_bytes: self.reserve_bytes,
            clock_suspect: self.clock_suspect(),
            damages: self.lock_findings().len() as u64,
            scrub_tours: self.scrub_tours.load(Ordering::Relaxed),
            full: self.full.load(Ordering::Relaxed),
            poisoned: self.poisoned.load(Ordering::Relaxed),
        }
    }
}
