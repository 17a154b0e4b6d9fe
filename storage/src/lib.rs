//! The storage engine of Tacitus: a log, a head in memory, sealed segments, one sequence.
//!
//! ```text
//! commit ─▶ log (one write, one sync) ─▶ head ─▶ acknowledged
//! step   ─▶ head frozen ─▶ segment + catalog file ─▶ manifest ─▶ log files reused
//! read   ─▶ snapshot: segments + frozen head + head, up to one sequence
//! ```
//!
//! The engine has no threads, no clock and no randomness of its own: [`Disk`], [`Clock`] and
//! [`Chance`] are passed in, and background work is [`Engine::step`]. That is what lets a
//! simulated disk crash it at every instant.
//!
//! *Not here.* Names of users, protocols, SQL: this crate stores samples and definitions.

mod aggregate;
mod audit;
mod backup;
mod block;
mod cache;
mod catalog;
mod chance;
mod checksum;
mod clock;
mod codec;
mod compaction;
#[cfg(test)]
mod crash_tests;
mod cursor;
#[cfg(test)]
mod damage_tests;
mod disk;
mod documents;
mod engine;
mod envelope;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gaps;
#[cfg(test)]
mod golden;
mod head;
#[cfg(feature = "kernels")]
pub mod kernels;
mod limits;
mod log;
mod manifest;
mod marks;
mod merge;
mod moment;
mod naming;
mod planted;
mod publish;
mod repair;
mod scan;
mod scrub;
mod segment;
#[cfg(test)]
mod simulation;
mod snapshot;
mod statistics;
mod table;
mod thinning;
mod verify;
mod version;
mod visibility;

pub use aggregate::{Edges, Windows};
pub use audit::{AuditEntry, Change};
pub use backup::{BackupOptions, BackupReport, RestoreOptions, RestoreReport, restore};
pub use block::Block;
pub use catalog::{Catalog, Glob, TagFit, TagName, TagQuery};
pub use chance::{Chance, SeededChance};
pub use clock::{Clock, FixedClock};
pub use codec::Totals;
pub use compaction::Retention;
pub use disk::{Disk, DiskFile, OsDisk, SimDisk, SimFaults, Survival};
pub use documents::{Collection, Document, Kept};
pub use engine::{Backlog, Engine, EngineStatus, Imported, Parts, Progress, Settings};
pub use error::{Error, ErrorKind, Outcome};
pub use gaps::Gap;
pub use limits::{
    BLOCK_ROWS_MAX, PATTERN_BYTES_MAX, TAG_CONDITIONS_DEEP_MAX, TAG_CONDITIONS_MAX, TAGS_MAX,
};
pub use log::{rows_from_bytes, rows_to_bytes};
pub use repair::{RepairOptions, RepairReport, repair};
pub use scan::TagScan;
pub use scrub::ScrubProgress;
pub use segment::StateTime;
pub use snapshot::{Bookmark, Changes, ChangesMax, Snapshot, Stretch};
pub use statistics::Statistics;
pub use verify::{Damage, VerifyReport, verify};
