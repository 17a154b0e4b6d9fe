//! The ledger of gaps: when nothing could be recorded of which tags, why, and what became of it.
//!
//! ```text
//!  open ─▶ lasting ─ close ─▶ missing ─ settle ─▶ back-filled
//!                                         └─────▶ lost
//! ```
//!
//! *Invariant.* Every interruption a collector knows of stands here from its beginning, and stays
//! until it is settled. A server that is killed finds its lasting gaps again, and its collectors
//! close them when they are back.
//!
//! *Not here.* The sample without a value that shows the gap in a trend: the collector writes it.

mod gap;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacitus_model::Timestamp;
use tacitus_storage::Document;
use tokio::sync::Notify;

pub use gap::{Cause, Gap, Outcome};

use crate::documents::GAPS;
use crate::keeper::Keeper;

/// LIMIT: gaps in the ledger, about 200 bytes each with a name or two. Beyond it the oldest settled
/// one is forgotten for each that is opened.
pub const GAPS_MAX: usize = 100_000;

/// LIMIT: tags a gap names one by one. A gap of more is one of the whole source.
pub const TAGS_NAMED_MAX: usize = 1_000;

/// LIMIT: records kept by one write.
const KEPT_AT_ONCE_MAX: usize = 1_000;

/// The ledger.
pub struct Gaps {
    keeper: Arc<dyn Keeper>,
    book: Mutex<Book>,
    changed: Notify,
    /// Counts the gaps that were closed: news for who fills them.
    closed: AtomicU64,
}

#[derive(Default)]
struct Book {
    gaps: BTreeMap<u64, Arc<Gap>>,
    last: u64,
    /// Entries that are not on disk as they are here.
    dirty: BTreeSet<u64>,
}

impl Gaps {
    /// The ledger as it was kept. What cannot be read is left out and said so.
    #[must_use]
    pub fn new(keeper: Arc<dyn Keeper>) -> Self {
        let mut book = Book::default();
        for (key, body) in keeper.kept(GAPS) {
            match Gap::read(&body) {
                Ok(gap) => drop(book.gaps.insert(gap.id, Arc::new(gap))),
                Err(error) => tracing::warn!(?key, %error, "an entry of the gaps is unreadable"),
            }
        }
        book.last = book.gaps.keys().next_back().copied().unwrap_or(0);
        Self { keeper, book: Mutex::new(book), changed: Notify::new(), closed: AtomicU64::new(1) }
    }

    /// Writes down that a source is interrupted since `from`: all its tags, or these. Returns the
    /// gap's number.
    pub fn open(
        &self,
        source: &str,
        tags: Option<Vec<String>>,
        from: Timestamp,
        cause: Cause,
    ) -> u64 {
        let mut book = self.book();
        book.last += 1;
        let id = book.last;
        let tags = tags.filter(|tags| tags.len() <= TAGS_NAMED_MAX);
        let gap = Gap {
            id,
            source: source.to_owned(),
            tags,
            from,
            to: None,
            cause,
            outcome: Outcome::Open,
            filled_from: None,
            recovered: 0,
        };
        book.enter(gap);
        while book.gaps.len() > GAPS_MAX {
            let settled = book.gaps.values().find(|gap| gap.outcome != Outcome::Open);
            let Some(oldest) = settled.or(book.gaps.values().next()).map(|gap| gap.id) else {
                break;
            };
            book.gaps.remove(&oldest);
            book.dirty.insert(oldest);
        }
        drop(book);
        self.changed.notify_one();
        id
    }

    /// The interruption is over; what lies between is missing. The cause may be known better now.
    pub fn close(&self, id: u64, to: Timestamp, cause: Option<Cause>) {
        self.change(id, |gap| {
            gap.to = Some(to.max(gap.from));
            gap.cause = cause.unwrap_or(gap.cause);
        });
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that changes whenever a gap is closed.
    #[must_use]
    pub fn closings(&self) -> u64 {
        self.closed.load(Ordering::Relaxed)
    }

    /// All from `filled_from` to the end of the gap has been fetched: `samples` more than before.
    pub fn progress(&self, id: u64, filled_from: Timestamp, samples: u64) {
        self.change(id, |gap| {
            gap.filled_from = Some(filled_from);
            gap.recovered = gap.recovered.saturating_add(samples);
        });
    }

    /// What became of the gap.
    pub fn settle(&self, id: u64, outcome: Outcome) {
        self.change(id, |gap| gap.outcome = outcome);
    }

    /// Only these tags of the gap are meant, as others fared differently.
    pub fn narrow(&self, id: u64, tags: Vec<String>) {
        self.change(id, |gap| gap.tags = Some(tags).filter(|tags| tags.len() <= TAGS_NAMED_MAX));
    }

    /// The gaps of a source that last still.
    #[must_use]
    pub fn lasting(&self, source: &str) -> Vec<Arc<Gap>> {
        self.of(source, |gap| gap.outcome == Outcome::Open && gap.to.is_none())
    }

    /// The gaps of a source that are over and not settled, the newest first.
    #[must_use]
    pub fn missing(&self, source: &str) -> Vec<Arc<Gap>> {
        let mut missing = self.of(source, |gap| gap.outcome == Outcome::Open && gap.to.is_some());
        missing.sort_by_key(|gap| std::cmp::Reverse(gap.to));
        missing
    }

    /// Ends what a source that is gone for good left open.
    pub fn abandon(&self, source: &str, now: Timestamp) {
        for gap in self.of(source, |gap| gap.outcome == Outcome::Open) {
            self.close(gap.id, gap.to.unwrap_or(now), None);
            self.settle(gap.id, Outcome::Lost);
        }
    }

    /// Every gap, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Gap>> {
        self.book().gaps.values().cloned().collect()
    }

    /// One gap.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<Gap>> {
        self.book().gaps.get(&id).cloned()
    }

    /// Keeps what changes, for ever.
    pub async fn keep(self: Arc<Self>) {
        loop {
            self.changed.notified().await;
            self.flush().await;
        }
    }

    /// Keeps what changed until now. What could not be kept is tried again with the next change.
    pub async fn flush(&self) {
        loop {
            let records = self.book().take_dirty();
            if records.is_empty() {
                return;
            }
            let ids: Vec<u64> = records.iter().map(|(id, _)| *id).collect();
            let records = records.into_iter().map(|(_, record)| record).collect();
            if let Err(error) = self.keeper.keep(records).await {
                tracing::warn!(%error, "changes of the ledger of gaps wait for the disk");
                self.book().dirty.extend(ids);
                return;
            }
        }
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Gap)) {
        let mut book = self.book();
        let Some(gap) = book.gaps.get(&id) else { return };
        let mut gap = Gap::clone(gap);
        change(&mut gap);
        book.enter(gap);
        drop(book);
        self.changed.notify_one();
    }

    fn of(&self, source: &str, filter: impl Fn(&Gap) -> bool) -> Vec<Arc<Gap>> {
        let book = self.book();
        let own = book.gaps.values().filter(|gap| gap.source == source && filter(gap));
        own.cloned().collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn enter(&mut self, gap: Gap) {
        self.dirty.insert(gap.id);
        self.gaps.insert(gap.id, Arc::new(gap));
    }

    fn take_dirty(&mut self) -> Vec<(u64, Document)> {
        let ids: BTreeSet<u64> = self.dirty.iter().take(KEPT_AT_ONCE_MAX).copied().collect();
        let record = |id: u64| Document {
            collection: GAPS,
            key: id.to_be_bytes().to_vec(),
            body: self.gaps.get(&id).map(|gap| gap.written()),
        };
        let records = ids.iter().map(|id| (*id, record(*id))).collect();
        self.dirty.retain(|id| !ids.contains(id));
        records
    }
}

impl fmt::Debug for Gaps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gaps = self.book().gaps.len();
        out.debug_struct("Gaps").field("gaps", &gaps).finish_non_exhaustive()
    }
}
