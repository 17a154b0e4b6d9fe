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
mod block;
mod cache;
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
mod merge;
mod naming;
mod planted;
mod publish;
mod scan;
mod segment;
mod snapshot;
mod statistics;
mod table;
mod version;
mod visibility;

pub use aggregate::{Edges, Windows};
pub use block::Block;
pub use catalog::Catalog;
pub use chance::{Chance, SeededChance};
pub use clock::{Clock, FixedClock};
pub use disk::{Disk, DiskFile, OsDisk, SimDisk, SimFaults, Survival};
pub use engine::{Engine, EngineStatus, Parts, Progress, Settings};
pub use error::{Error, ErrorKind, Outcome};
pub use limits::{BLOCK_ROWS_MAX, TAGS_MAX};
pub use scan::TagScan;
pub use segment::StateTime;
pub use snapshot::Snapshot;
pub use statistics::Statistics;
