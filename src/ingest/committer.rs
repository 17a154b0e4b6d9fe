//! The threads behind the queue: one commits what waits, one tends the store.
//!
//! Everything that waits becomes one commit, so the cost of a sync is shared by as many senders
//! as arrived during the one before. Background work has a thread of its own: sealing a head
//! takes longer than any sender should wait for an acknowledgement.
//!
//! *Invariant.* Only the committing thread calls [`Engine::commit`]. After a failed write or sync
//! of the log, or a panic, it commits nothing more: every waiting and later sender is told so.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tacitus_model::Batch;
use tacitus_storage::{Document, Engine, Error, ErrorKind, Progress};
use tokio::sync::watch;

use super::WriteError;
use super::queue::{Entry, Parcel, Queue};
use crate::live::Feed;

/// About how many bytes of batches become one commit. LIMIT: the last of a group waits for all of
/// it, and the group must fit a log file.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// How long the tending thread rests when there was nothing to do, or the store refused.
const REST: Duration = Duration::from_millis(250);

/// How long upkeep rests while nothing is due.
const UPKEEP_REST: Duration = Duration::from_secs(5);

/// How long it rests after a job that failed.
const UPKEEP_REFUSED_REST: Duration = Duration::from_mins(1);

/// How long a commit waits for a seal before its senders are told that the store is busy.
const SEAL_WAIT: Duration = Duration::from_secs(5);

/// How long it rests after a refusal: what was accepted is tried again, but not in a busy loop.
const REFUSED_REST: Duration = Duration::from_millis(50);

/// How often it looks.
const SEAL_ASKED_EVERY: Duration = Duration::from_millis(5);

/// Why the store takes nothing more until a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub message: String,
    /// What a person can do.
    pub hint: &'static str,
}

/// The owner of the threads.
#[derive(Debug)]
pub struct Committer {
    queue: Arc<Queue>,
    failed: watch::Receiver<Option<Failure>>,
    engine: Arc<Engine>,
    committing: JoinHandle<()>,
    tending: JoinHandle<()>,
    keeping: JoinHandle<()>,
    /// Dropped to stop tending.
    tend: mpsc::Sender<()>,
}

impl Committer {
    pub(super) fn start(
        engine: Arc<Engine>,
        queue: Arc<Queue>,
        feed: Arc<Feed>,
    ) -> std::io::Result<Self> {
        let (fail, failed) = watch::channel(None);
        let (tend, stop) = mpsc::channel();
        let guard = Guard { queue: Arc::clone(&queue), fail };
        let committing = {
            let (engine, guard) = (Arc::clone(&engine), guard.clone());
            std::thread::Builder::new().name("commit".to_owned()).spawn(move || {
                commit_all(&engine, &feed, &guard);
            })?
        };
        let keeping = {
            let (engine, guard) = (Arc::clone(&engine), guard.clone());
            std::thread::Builder::new()
                .name("upkeep".to_owned())
                .spawn(move || keep_up(&engine, &guard))?
        };
        let tending = {
            let engine = Arc::clone(&engine);
            std::thread::Builder::new()
                .name("tend".to_owned())
                .spawn(move || tend_until(&engine, &guard, &stop))?
        };
        Ok(Self { queue, failed, engine, committing, tending, keeping, tend })
    }

    /// Returns when the store has failed: whoever runs the process should end it with exit code
    /// 4, so that a restart reads back what was really kept.
    pub async fn failed(&self) -> Failure {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(failure) => failure.clone().unwrap_or_else(Failure::panicked),
            // Both threads have ended without a failure: the server is stopping.
            Err(_closed) => std::future::pending().await,
        }
    }

    /// Takes nothing more, writes what waits, and ends the threads. Blocks until that is done.
    pub fn stop(self) {
        self.queue.close(WriteError::Stopped);
        // The last commits may have to wait for a seal, so tending ends after them.
        let committed = self.committing.join();
        drop(self.tend);
        self.engine.halt_upkeep();
        self.keeping.thread().unpark();
        if committed.and(self.tending.join()).and(self.keeping.join()).is_err() {
            tracing::error!("a storage thread ended in a panic");
        }
    }
}

impl Failure {
    fn panicked() -> Self {
        Self {
            message: "a storage thread ended in a panic".to_owned(),
            hint: "restart Tacitus, and report the panic message from the log",
        }
    }
}

/// Makes a failure known: to those who wait, to those who come, to the owner of the process.
#[derive(Clone)]
struct Guard {
    queue: Arc<Queue>,
    fail: watch::Sender<Option<Failure>>,
}

impl Guard {
    fn fail(&self, failure: Failure) {
        self.queue.abandon(WriteError::Poisoned);
        self.fail.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                tracing::error!(hint = failure.hint, "{}", failure.message);
                *known = Some(failure);
            }
            first
        });
    }

    fn fail_with(&self, error: &Error) {
        self.fail(Failure { message: error.to_string(), hint: error.hint() });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fail(Failure::panicked());
        }
    }
}

fn commit_all(engine: &Engine, feed: &Feed, guard: &Guard) {
    // Moved in, so that a panic drops it on this thread.
    let guard = guard.clone();
    let mut refusing = None;
    while let Some(mut group) = guard.queue.take(GROUP_BYTES_MAX) {
        let (batches, documents): (Vec<Batch>, Vec<Vec<Document>>) = group
            .iter_mut()
            .map(|entry| std::mem::take(&mut entry.parcel))
            .map(|Parcel { batch, documents }| (batch, documents))
            .unzip();
        let result = commit(engine, &batches, &documents.concat());
        let invalid = matches!(&result, Err(error) if error.kind() == ErrorKind::Invalid);
        for (entry, (batch, documents)) in group.iter_mut().zip(batches.into_iter().zip(documents))
        {
            entry.parcel = Parcel { batch, documents };
        }
        if invalid {
            // One batch that cannot be kept must not stop those that came with it.
            for entry in group {
                let Parcel { batch, documents } = &entry.parcel;
                let result = commit(engine, std::slice::from_ref(batch), documents);
                settle(vec![entry], result, feed, &guard, &mut refusing);
            }
        } else {
            settle(group, result, feed, &guard, &mut refusing);
        }
    }
    let lost = guard.queue.lost();
    if lost > 0 {
        tracing::error!(lost, "samples that were accepted without a promise could not be written");
    }
}

/// Tells the senders of a group what became of it, and those who follow before them.
fn settle(
    mut group: Vec<Entry>,
    result: Result<u64, Error>,
    feed: &Feed,
    guard: &Guard,
    refusing: &mut Option<ErrorKind>,
) {
    let queue = &guard.queue;
    let error = match result {
        Ok(sequence) => {
            queue.note_commit(group.iter().map(|entry| entry.parcel.batch.len()).sum());
            let documents = group.iter().any(|entry| !entry.parcel.documents.is_empty());
            let behind = u64::from(documents);
            let batches = group.iter_mut().map(|entry| std::mem::take(&mut entry.parcel.batch));
            // Documents have one sequence, behind the batches.
            feed.publish(sequence, behind, batches);
            if refusing.take().is_some() {
                tracing::info!("writing again");
            }
            return queue.complete(group, Ok(sequence));
        }
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::Poisoned => {
            guard.fail_with(&error);
            return queue.complete(group, Err(WriteError::Poisoned));
        }
        ErrorKind::Invalid => {
            tracing::error!(%error, hint = error.hint(), "a batch cannot be kept");
            return queue.complete(group, Err(WriteError::Invalid));
        }
        kind => {
            // One line for each change of mind, not for each batch.
            if refusing.replace(kind) != Some(kind) {
                tracing::warn!(%error, hint = error.hint(), "writing is refused");
            }
            let full = kind == ErrorKind::Full;
            queue.refuse(group, if full { WriteError::Full } else { WriteError::Busy });
        }
    }
    std::thread::sleep(REFUSED_REST);
}

/// Commits; waits while samples arrive faster than the tending thread can seal them, so that the
/// queue fills and slows the senders.
fn commit(engine: &Engine, batches: &[Batch], documents: &[Document]) -> Result<u64, Error> {
    let deadline = Instant::now() + SEAL_WAIT;
    loop {
        match engine.commit_with(batches, documents) {
            Err(error) if error.kind() == ErrorKind::Busy && Instant::now() < deadline => {
                std::thread::sleep(SEAL_ASKED_EVERY);
            }
            result => return result,
        }
    }
}

/// Rewrites and expires segments until upkeep is halted; rests while nothing is due, longer after
/// a job that failed: it is tried again, and others go on meanwhile.
fn keep_up(engine: &Engine, guard: &Guard) {
    let _guard = guard.clone();
    while !engine.is_halted() {
        match engine.maintain() {
            Ok(Progress::Did) => {}
            Ok(Progress::Idle) => std::thread::park_timeout(UPKEEP_REST),
            Err(_) if engine.is_halted() => return,
            Err(error) => {
                tracing::warn!(%error, hint = error.hint(), "upkeep is refused");
                std::thread::park_timeout(UPKEEP_REFUSED_REST);
            }
        }
    }
}

/// Does background work until told to stop; rests while there is none. A full disk is no reason
/// to stop trying: that is how writing resumes by itself.
fn tend_until(engine: &Engine, guard: &Guard, stop: &mpsc::Receiver<()>) {
    let guard = guard.clone();
    let mut refused = None;
    loop {
        match engine.step() {
            Ok(Progress::Did) => {
                refused = None;
                if stop.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
                    return;
                }
                continue;
            }
            Ok(Progress::Idle) => refused = None,
            Err(error) if error.kind() == ErrorKind::Poisoned => return guard.fail_with(&error),
            Err(error) => {
                if refused.replace(error.kind()) != Some(error.kind()) {
                    tracing::warn!(%error, hint = error.hint(), "background work is refused");
                }
            }
        }
        if stop.recv_timeout(REST) != Err(mpsc::RecvTimeoutError::Timeout) {
            return;
        }
    }
}
