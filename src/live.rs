//! What was committed lately, for those who follow the store.
//!
//! ```text
//! committer ─ batches, in order ─▶ feed (bounded in bytes) ─▶ follower: position ─▶ next position
//! edit, delete, tag change ──────▶ reset: look at everything anew
//! ```
//!
//! *Invariant.* A follower that asks for what came after its position gets all of it, in the order
//! of the sequence and once, or is told that it lags. Followers cost the committer nothing: they
//! have no queues; each asks when it has sent what it had.
//!
//! *Not here.* How followers are spoken to: HTTP.

mod latest;
mod replay;
mod tail;
#[cfg(test)]
mod tests;

pub(crate) use latest::{Latest, Refusal, Update, UpdateKind};
pub(crate) use replay::{Broken, Replay};
pub(crate) use tail::{Following, Part};

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacitus_model::Batch;
use tokio::sync::watch;

/// How many bytes of batches are kept for those who follow. LIMIT: some seconds of a busy plant,
/// so that a follower that was away for a moment goes on where it was.
const FEED_BYTES_MAX: usize = 16 << 20;

/// What was committed lately.
#[derive(Debug)]
pub(crate) struct Feed {
    ring: Mutex<Ring>,
    mark: watch::Sender<Mark>,
}

/// How far the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The sequence up to which the feed knows of everything.
    pub(crate) sequence: u64,
    /// How often what is known had to be looked at anew.
    pub(crate) resets: u64,
}

/// One committed batch.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) batch: Arc<Batch>,
}

#[derive(Debug)]
struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Everything after this sequence is here.
    floor: u64,
}

/// What came after a position is not here any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lagged;

impl Feed {
    /// A feed of a store that is at this sequence.
    pub(crate) fn new(sequence: u64) -> Self {
        let ring = Ring { entries: VecDeque::new(), bytes: 0, floor: sequence };
        Self { ring: Mutex::new(ring), mark: watch::Sender::new(Mark { sequence, resets: 0 }) }
    }

    /// Takes the batches of one commit that ended with sequence `last`; `behind` of its sequences
    /// came after the last batch. Only the one committer calls this.
    pub(crate) fn publish(&self, last: u64, behind: u64, batches: impl IntoIterator<Item = Batch>) {
        // A commit gives consecutive sequences to the batches that are not empty.
        let batches: Vec<Batch> = batches.into_iter().filter(|batch| !batch.is_empty()).collect();
        let first = (last + 1).saturating_sub(behind + batches.len() as u64);
        let mut ring = self.lock();
        for (sequence, batch) in (first..).zip(batches) {
            ring.bytes += batch.size_bytes();
            ring.entries.push_back(Entry { sequence, batch: Arc::new(batch) });
        }
        while ring.bytes > FEED_BYTES_MAX
            && let Some(oldest) = ring.entries.pop_front()
        {
            ring.bytes -= oldest.batch.size_bytes();
            ring.floor = oldest.sequence;
        }
        drop(ring);
        self.mark.send_modify(|mark| mark.sequence = mark.sequence.max(last));
    }

    /// Says that something changed that no batch tells of.
    pub(crate) fn reset(&self, sequence: u64) {
        let mut ring = self.lock();
        // Whoever comes back from before this starts anew.
        ring.floor = ring.floor.max(sequence);
        drop(ring);
        self.mark.send_modify(|mark| mark.resets += 1);
    }

    /// How far the store is, and news of it.
    pub(crate) fn watch(&self) -> watch::Receiver<Mark> {
        self.mark.subscribe()
    }

    /// What came after a position, in order.
    pub(crate) fn after(&self, position: u64) -> Result<Vec<Entry>, Lagged> {
        let ring = self.lock();
        if position < ring.floor {
            return Err(Lagged);
        }
        let from = ring.entries.partition_point(|entry| entry.sequence <= position);
        Ok(ring.entries.range(from..).cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
