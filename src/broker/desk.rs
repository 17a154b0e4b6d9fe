//! Where the broker's own records wait to be written: sessions, subscriptions, wills, and what is
//! to be forgotten.
//!
//! ```text
//! greeting, subscribe, leave ─ write, put ─▶ desk ─ all that waits, one at a time ─▶ intake
//! ```
//!
//! *Invariant.* What is put here is written in the order of its coming, so that a record that is
//! forgotten and made anew ends as the new one. Who waits is told after the sync; what nobody
//! waits for is tried again until it is written or the store has failed.
//!
//! *Not here.* Records that belong to published messages: they are written with them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacitus_storage::Document;
use tokio::sync::{Notify, oneshot};

use super::intake::{Intake, StoreError};
use super::limits::{DESK_DOCUMENTS_MAX, DESK_REST};

/// One thing to write.
#[derive(Debug)]
struct Entry {
    documents: Vec<Document>,
    /// `None`: nobody waits.
    done: Option<oneshot::Sender<Result<(), StoreError>>>,
}

/// The desk.
#[derive(Debug, Default)]
pub(super) struct Desk {
    waiting: Mutex<Vec<Entry>>,
    arrived: Notify,
    is_closed: AtomicBool,
}

impl Desk {
    fn waiting(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, entry: Entry) {
        self.waiting().push(entry);
        self.arrived.notify_one();
    }

    /// Leaves documents to be written soon.
    pub(super) fn put(&self, documents: Vec<Document>) {
        if !documents.is_empty() {
            self.add(Entry { documents, done: None });
        }
    }

    /// Waits until documents are on disk.
    pub(super) async fn write(&self, documents: Vec<Document>) -> Result<(), StoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        let (done, written) = oneshot::channel();
        self.add(Entry { documents, done: Some(done) });
        // The clerk is gone only when the broker has stopped.
        written.await.unwrap_or(Err(StoreError::Failed))
    }

    /// Writes what waits until the desk is closed and empty, or the store has failed.
    pub(super) async fn serve(&self, intake: Arc<dyn Intake>) {
        loop {
            while !self.waiting().is_empty() {
                if self.flush(&*intake).await == Err(StoreError::Failed) {
                    return;
                }
            }
            if self.is_closed.load(Ordering::Acquire) {
                return;
            }
            self.arrived.notified().await;
        }
    }

    /// Lets [`Desk::serve`] end when it has written all that waits.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// Writes some of what waits.
    async fn flush(&self, intake: &dyn Intake) -> Result<(), StoreError> {
        let mut entries = self.take();
        let documents: Vec<Document> =
            entries.iter().flat_map(|entry| entry.documents.iter().cloned()).collect();
        if documents.is_empty() {
            return Ok(());
        }
        let result = intake.store(&[], documents).await;
        for entry in &mut entries {
            if let Some(done) = entry.done.take() {
                entry.documents.clear();
                // Who hung up does not care.
                done.send(result).ok();
            }
        }
        if result.is_err() {
            self.put_back(entries);
            tokio::time::sleep(DESK_REST).await;
        }
        result
    }

    /// What nobody waits for stays, before what came meanwhile.
    fn put_back(&self, mut entries: Vec<Entry>) {
        entries.retain(|entry| !entry.documents.is_empty());
        let mut waiting = self.waiting();
        entries.append(&mut waiting);
        *waiting = entries;
    }

    /// The oldest entries, with about as many documents as one write takes.
    fn take(&self) -> Vec<Entry> {
        let mut waiting = self.waiting();
        let mut documents = 0;
        let mut count = 0;
        for entry in waiting.iter() {
            if count > 0 && documents + entry.documents.len() > DESK_DOCUMENTS_MAX {
                break;
            }
            documents += entry.documents.len();
            count += 1;
        }
        waiting.drain(..count).collect()
    }
}
