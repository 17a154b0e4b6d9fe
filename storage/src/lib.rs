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

mod block;
mod catalog;
mod chance;
mod checksum;
mod clock;
mod codec;
#[cfg(test)]
mod crash_tests;
mod cursor;
mod disk;
mod engine;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod head;
mod limits;
mod log;
mod manifest;
mod naming;
mod planted;
mod publish;
mod scan;
mod segment;
mod snapshot;
mod table;
#[cfg_attr(not(test), expect(dead_code, reason = "for the seal"))]
mod thinning;
mod version;

pub use block::Block;
pub use catalog::{Catalog, TagName, TagQuery};
pub use chance::{Chance, SeededChance};
pub use clock::{Clock, FixedClock};
pub use disk::{Disk, DiskFile, OsDisk, SimDisk, SimFaults, Survival};
pub use engine::{Engine, EngineStatus, Parts, Progress, Settings};
pub use error::{Error, ErrorKind, Outcome};
pub use limits::{
    BLOCK_ROWS_MAX, PATTERN_BYTES_MAX, TAG_CONDITIONS_DEEP_MAX, TAG_CONDITIONS_MAX, TAGS_MAX,
};
pub use scan::TagScan;
pub use snapshot::Snapshot;
