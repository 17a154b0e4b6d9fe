//! The queue between senders and the committer, bounded in bytes.
//!
//! *Invariant.* Batches leave in the order in which their senders first asked, so that of two
//! samples with one time the later sent is the one that stays. The bytes of all batches inside
//! are at most the bound, but one batch always fits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tacitus_model::Batch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::WriteError;

/// What a sender is told of its batch.
pub(super) type Outcome = Result<u64, WriteError>;

/// A batch that waits, and who waits for it.
pub(super) struct Entry {
    pub(super) batch: Batch,
    done: oneshot::Sender<Outcome>,
    /// Its share of the bound, given back when the entry is dropped.
    _room: OwnedSemaphorePermit,
}

impl Entry {
    /// Tells the sender, if it still listens.
    pub(super) fn complete(self, outcome: Outcome) {
        // A sender that enqueued, or hung up, does not listen.
        self.done.send(outcome).ok();
    }
}

/// The queue.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Held from the first question for room until the batch is inside: keeps the order.
    door: tokio::sync::Mutex<()>,
    room: Arc<Semaphore>,
    bytes_max: usize,
    samples: AtomicU64,
    commits: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// Why nothing more is taken.
    closed: Option<WriteError>,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Self {
        // LIMIT: a semaphore counts to this.
        let bytes_max = bytes_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            door: tokio::sync::Mutex::new(()),
            room: Arc::new(Semaphore::new(bytes_max)),
            bytes_max,
            samples: AtomicU64::new(0),
            commits: AtomicU64::new(0),
        }
    }

    /// Waits for room and puts the batch in; the receiver gets its outcome.
    pub(super) async fn push(
        &self,
        batch: Batch,
        room_wait: Duration,
    ) -> Result<oneshot::Receiver<Outcome>, WriteError> {
        let admitted = tokio::time::timeout(room_wait, self.admit(batch)).await;
        admitted.unwrap_or(Err(WriteError::Busy))
    }

    async fn admit(&self, batch: Batch) -> Result<oneshot::Receiver<Outcome>, WriteError> {
        let bytes = u32::try_from(batch.size_bytes().min(self.bytes_max)).unwrap_or(u32::MAX);
        let door = self.door.lock().await;
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await;
        // The semaphore is closed together with the queue.
        let Ok(room) = room else {
            return Err(self.lock().closed.unwrap_or(WriteError::Stopped));
        };
        let (done, outcome) = oneshot::channel();
        let mut waiting = self.lock();
        if let Some(why) = waiting.closed {
            return Err(why);
        }
        waiting.entries.push_back(Entry { batch, done, _room: room });
        drop(waiting);
        drop(door);
        self.arrived.notify_one();
        Ok(outcome)
    }

    /// Takes what waits, up to about `bytes_max`; waits until there is something. `None`: the
    /// queue is closed and empty.
    pub(super) fn take(&self, bytes_max: usize) -> Option<Vec<Entry>> {
        let mut waiting = self.lock();
        while waiting.entries.is_empty() {
            if waiting.closed.is_some() {
                return None;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let mut group = Vec::new();
        while let Some(entry) = waiting.entries.front() {
            bytes += entry.batch.size_bytes();
            if bytes > bytes_max && !group.is_empty() {
                break;
            }
            group.extend(waiting.entries.pop_front());
        }
        Some(group)
    }

    /// Takes nothing more, for this reason; what is inside can still be taken out.
    pub(super) fn close(&self, why: WriteError) {
        let mut waiting = self.lock();
        // Once the log is poisoned, that is the answer, also while stopping.
        if waiting.closed != Some(WriteError::Poisoned) {
            waiting.closed = Some(why);
        }
        drop(waiting);
        self.room.close();
        self.arrived.notify_all();
    }

    /// Closes and tells everyone inside.
    pub(super) fn abandon(&self, why: WriteError) {
        self.close(why);
        let entries = std::mem::take(&mut self.lock().entries);
        for entry in entries {
            entry.complete(Err(why));
        }
    }

    /// Counts a commit.
    pub(super) fn note_commit(&self, samples: usize) {
        self.samples.fetch_add(samples as u64, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Bytes of the batches inside, those being committed included.
    pub(super) fn bytes_waiting(&self) -> usize {
        self.bytes_max.saturating_sub(self.room.available_permits())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Queue").field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}
