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
use tacitus_storage::Document;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::WriteError;

/// What a sender is told of its batch.
pub(super) type Outcome = Result<u64, WriteError>;

/// What is kept together.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    pub(super) batch: Batch,
    pub(super) documents: Vec<Document>,
}

impl Parcel {
    fn size_bytes(&self) -> usize {
        let documents: usize = self.documents.iter().map(Document::size_bytes).sum();
        self.batch.size_bytes() + documents
    }
}

impl From<Batch> for Parcel {
    fn from(batch: Batch) -> Self {
        Self { batch, documents: Vec::new() }
    }
}

/// A parcel that waits.
pub(super) struct Entry {
    pub(super) parcel: Parcel,
    /// Who waits for its outcome; `None`: it was accepted, and must not be given up.
    done: Option<oneshot::Sender<Outcome>>,
    /// Its share of the bound, given back when the entry is dropped.
    _room: OwnedSemaphorePermit,
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
    lost: AtomicU64,
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
            lost: AtomicU64::new(0),
        }
    }

    /// Waits for room and puts a parcel in; the receiver gets its outcome.
    pub(super) async fn push(
        &self,
        parcel: impl Into<Parcel>,
        room_wait: Duration,
    ) -> Result<oneshot::Receiver<Outcome>, WriteError> {
        let (done, outcome) = oneshot::channel();
        self.admit(parcel.into(), Some(done), room_wait).await?;
        Ok(outcome)
    }

    /// Waits for room and puts a parcel in, for good.
    pub(super) async fn accept(
        &self,
        parcel: impl Into<Parcel>,
        room_wait: Duration,
    ) -> Result<(), WriteError> {
        self.admit(parcel.into(), None, room_wait).await
    }

    async fn admit(
        &self,
        parcel: Parcel,
        done: Option<oneshot::Sender<Outcome>>,
        room_wait: Duration,
    ) -> Result<(), WriteError> {
        let bytes = u32::try_from(parcel.size_bytes().min(self.bytes_max)).unwrap_or(u32::MAX);
        let enter = async {
            let door = self.door.lock().await;
            let room = Arc::clone(&self.room).acquire_many_owned(bytes).await;
            let mut waiting = self.lock();
            match (waiting.closed, room) {
                (None, Ok(room)) => {
                    waiting.entries.push_back(Entry { parcel, done, _room: room });
                    drop(waiting);
                    drop(door);
                    self.arrived.notify_one();
                    Ok(())
                }
                // The semaphore is closed together with the queue.
                (why, _) => Err(why.unwrap_or(WriteError::Stopped)),
            }
        };
        tokio::time::timeout(room_wait, enter).await.unwrap_or(Err(WriteError::Busy))
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
            bytes += entry.parcel.size_bytes();
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

    /// Closes and gives up what is inside.
    pub(super) fn abandon(&self, why: WriteError) {
        self.close(why);
        let entries = std::mem::take(&mut self.lock().entries);
        self.complete(entries, Err(why));
    }

    /// Ends entries: tells who waits for them, and counts what was accepted and not written.
    pub(super) fn complete(&self, entries: impl IntoIterator<Item = Entry>, outcome: Outcome) {
        for entry in entries {
            match entry.done {
                // Who hung up was promised nothing.
                Some(done) => drop(done.send(outcome).ok()),
                None if outcome.is_err() => {
                    self.lost.fetch_add(entry.parcel.batch.len() as u64, Ordering::Relaxed);
                }
                None => {}
            }
        }
    }

    /// Refuses a group and all who wait behind it; what was accepted goes back to the front, to
    /// be tried again. Once the queue is closed there is no again.
    pub(super) fn refuse(&self, group: Vec<Entry>, why: WriteError) {
        let mut waiting = self.lock();
        let behind = std::mem::take(&mut waiting.entries);
        let keeps = waiting.closed.is_none();
        let (accepted, refused): (Vec<_>, Vec<_>) =
            group.into_iter().chain(behind).partition(|entry| keeps && entry.done.is_none());
        waiting.entries = accepted.into();
        drop(waiting);
        self.complete(refused, Err(why));
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

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
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

#[cfg(test)]
mod tests {
    use super::*;
    use tacitus_model::{Quality, Sample, TagId, Timestamp, Value};

    const PATIENT: Duration = Duration::from_mins(1);
    const IMPATIENT: Duration = Duration::from_millis(1);

    fn one(ts: i64) -> Batch {
        Batch::from_iter([Sample {
            tag: TagId(1),
            ts: Timestamp::from_nanos(ts),
            value: Value::Float(1.0),
            quality: Quality::GOOD,
        }])
    }

    fn times(group: &[Entry]) -> Vec<i64> {
        group.iter().map(|entry| entry.parcel.batch.times()[0].nanos()).collect()
    }

    #[tokio::test]
    async fn all_that_waits_leaves_as_one_group_in_order() {
        let queue = Queue::new(1 << 20);
        for ts in 0..5 {
            queue.push(one(ts), PATIENT).await.unwrap();
        }
        let group = queue.take(1 << 20).unwrap();
        assert_eq!(times(&group), [0, 1, 2, 3, 4]);
        assert_eq!(queue.bytes_waiting(), 5 * one(0).size_bytes());
        drop(group);
        assert_eq!(queue.bytes_waiting(), 0);
    }

    #[tokio::test]
    async fn a_group_ends_at_its_bound_but_holds_at_least_one() {
        let queue = Queue::new(1 << 20);
        for ts in 0..3 {
            queue.push(one(ts), PATIENT).await.unwrap();
        }
        assert_eq!(times(&queue.take(1).unwrap()), [0]);
        assert_eq!(times(&queue.take(2 * one(0).size_bytes()).unwrap()), [1, 2]);
    }

    #[tokio::test]
    async fn who_finds_no_room_waits_in_order_or_is_told_that_the_store_is_busy() {
        let queue = Queue::new(one(0).size_bytes());
        queue.push(one(0), PATIENT).await.unwrap();
        assert_eq!(queue.push(one(1), IMPATIENT).await.unwrap_err(), WriteError::Busy);
        let drain = async {
            let mut seen = Vec::new();
            while seen.len() < 3 {
                // Let those who wait come to the door.
                tokio::task::yield_now().await;
                seen.extend(times(&queue.take(1).unwrap()));
            }
            seen
        };
        let (second, third, seen) =
            tokio::join!(queue.push(one(2), PATIENT), queue.push(one(3), PATIENT), drain);
        assert!(second.is_ok() && third.is_ok());
        assert_eq!(seen, [0, 2, 3]);
    }

    #[tokio::test]
    async fn a_batch_larger_than_the_queue_fits_it_alone() {
        let queue = Queue::new(1);
        assert!(queue.push(one(0), PATIENT).await.is_ok());
        assert_eq!(queue.push(one(1), IMPATIENT).await.unwrap_err(), WriteError::Busy);
    }

    #[tokio::test]
    async fn closing_lets_out_what_is_inside_and_tells_those_who_wait() {
        let queue = Queue::new(one(0).size_bytes());
        let inside = queue.push(one(0), PATIENT).await.unwrap();
        let close = async { queue.close(WriteError::Stopped) };
        let (outside, ()) = tokio::join!(queue.push(one(1), PATIENT), close);
        assert_eq!(outside.unwrap_err(), WriteError::Stopped);
        queue.complete(queue.take(1).unwrap(), Ok(7));
        assert_eq!(inside.await, Ok(Ok(7)));
        assert!(queue.take(1).is_none());
    }

    #[tokio::test]
    async fn refusing_tells_those_who_wait_and_keeps_what_was_accepted() {
        let queue = Queue::new(1 << 20);
        let mut waits = Vec::new();
        for ts in 0..2 {
            waits.push(queue.push(one(10 * ts), PATIENT).await.unwrap());
            queue.accept(one(10 * ts + 1), PATIENT).await.unwrap();
        }
        let group = queue.take(1).unwrap();
        queue.refuse(group, WriteError::Full);
        for outcome in waits {
            assert_eq!(outcome.await, Ok(Err(WriteError::Full)));
        }
        let group = queue.take(1 << 20).unwrap();
        assert_eq!(times(&group), [1, 11]);
        queue.close(WriteError::Stopped);
        queue.refuse(group, WriteError::Full);
        assert_eq!((queue.lost(), queue.take(1).is_none()), (2, true));
    }

    #[tokio::test]
    async fn abandoning_tells_everyone_and_counts_what_nobody_waits_for() {
        let queue = Queue::new(1 << 20);
        let waits = queue.push(one(0), PATIENT).await.unwrap();
        queue.accept(one(1), PATIENT).await.unwrap();
        queue.abandon(WriteError::Poisoned);
        queue.close(WriteError::Stopped);
        assert_eq!(waits.await, Ok(Err(WriteError::Poisoned)));
        assert_eq!(queue.lost(), 1);
        assert_eq!(queue.push(one(2), PATIENT).await.unwrap_err(), WriteError::Poisoned);
    }
}
