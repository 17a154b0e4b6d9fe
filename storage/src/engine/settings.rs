//! What the engine runs on (components) and what it may use (settings).

use std::sync::Arc;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::compaction::Retention;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::limits::{LOG_FILE_BYTES_MIN, RESERVE_BYTES_MIN, RESERVE_PERCENT};

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
    /// Log written since the last seal, at which the head is sealed. Larger: fewer and larger
    /// segments, but a longer restart.
    pub log_bytes_max: u64,
    /// Memory of the head at which it is sealed; writes wait when it reaches twice as much.
    pub head_bytes_max: usize,
    /// Memory for what was read from segments: blocks of statistics, chunks of pages.
    pub cache_bytes_max: usize,
    /// Age of the head's first record at which it is sealed.
    pub seal_after_s: u64,
    /// Segments sealed from the head at which they are rewritten.
    pub compact_segments: usize,
    /// Bytes of them at which they are rewritten.
    pub compact_bytes: u64,
    /// How long the store can be read as it was, in nanoseconds: what was replaced or deleted is
    /// kept as long.
    pub audit_ns: i64,
    /// How long the classes of tags are kept; those not named are kept for ever.
    pub retention: Vec<Retention>,
    /// Space that must stay free on the disk; below it writes are refused. `None`: 2 % of the disk,
    /// and at least 256 MiB.
    pub reserve_bytes: Option<u64>,
    /// How long a tour of the scrub over all files takes, in seconds. Shorter: rot is found earlier,
    /// for more reading.
    pub scrub_tour_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            log_file_bytes: 16 << 20,
            log_bytes_max: 256 << 20,
            head_bytes_max: 256 << 20,
            cache_bytes_max: 128 << 20,
            seal_after_s: 600,
            compact_segments: 8,
            compact_bytes: 256 << 20,
            audit_ns: 7 * 86_400_000_000_000,
            retention: Vec::new(),
            reserve_bytes: None,
            scrub_tour_s: 14 * 24 * 3600,
        }
    }
}

impl Settings {
    /// The usual settings of a store that may take so much memory: a fifth each for the head that
    /// fills, the one that is being sealed, and one more while sealing is slow; a fifth for what
    /// was read from segments; and one for upkeep and queries.
    #[must_use]
    pub fn with_memory(bytes: u64) -> Self {
        let fifth = usize::try_from(bytes / 5).unwrap_or(usize::MAX);
        Self { head_bytes_max: fifth, cache_bytes_max: fifth, ..Self::default() }
    }

    /// The space that stays free on this disk.
    pub(crate) fn reserve_on(&self, disk: &dyn Disk) -> Result<u64, Error> {
        if let Some(bytes) = self.reserve_bytes {
            return Ok(bytes);
        }
        let total = disk.total_bytes();
        let total = total.map_err(|source| Error::io("ask for the size of", "the disk", source))?;
        Ok(RESERVE_BYTES_MIN.max(total / 100 * RESERVE_PERCENT))
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.log_file_bytes < LOG_FILE_BYTES_MIN || !self.log_file_bytes.is_multiple_of(512) {
            let what = format!("a log file of {} bytes cannot be used", self.log_file_bytes);
            let hint = "choose a multiple of 512 of at least 4096 bytes";
            return Err(Error::new(ErrorKind::Invalid, what, hint));
        }
        Ok(())
    }
}
