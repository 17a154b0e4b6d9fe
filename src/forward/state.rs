//! What a forwarder is doing, for the status page, the relation `forwards` and the metrics.
//!
//! *Invariant.* Counters only grow while the server runs. Reading never waits for the sender.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacitus_model::Timestamp;
use tacitus_storage::{Clock, Engine};

use super::cursor::{Cursor, Lost};
use crate::collect;

/// What a forwarder is doing.
pub struct State {
    line: collect::State,
    cursor: Mutex<Cursor>,
    messages: AtomicU64,
    refused: AtomicU64,
    last_refusal: Mutex<Option<String>>,
}

/// One look at a forwarder.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Its connection, its rate, its last error.
    pub line: collect::Status,
    /// The last sequence that the upstream has with all before it.
    pub cursor: u64,
    /// Samples that wait, about.
    pub backlog_samples: u64,
    /// The bytes these take here, about.
    pub backlog_bytes: u64,
    /// The time of the oldest sample that waits.
    pub oldest: Option<Timestamp>,
    /// How old that is, in nanoseconds; 0 where nothing waits.
    pub lag_ns: i64,
    /// Messages that were acknowledged.
    pub messages_total: u64,
    /// Samples that the upstream refused.
    pub refused_total: u64,
    /// Why it refused some last.
    pub last_refusal: Option<String>,
    /// Samples that were let go, since the forwarder began.
    pub lost_samples: u64,
    /// The bytes these took here.
    pub lost_bytes: u64,
}

impl State {
    /// The state of a forwarder that has come so far.
    pub(super) fn new(name: &str, url: &str, clock: &Arc<dyn Clock>, cursor: Cursor) -> Self {
        Self {
            line: collect::State::new(name, "forward", url, clock),
            cursor: Mutex::new(cursor),
            messages: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            last_refusal: Mutex::default(),
        }
    }

    /// Its connection, its rate, its last error.
    pub(super) fn line(&self) -> &collect::State {
        &self.line
    }

    /// How far it has come. The sender alone changes it.
    pub(super) fn cursor(&self) -> MutexGuard<'_, Cursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message was acknowledged.
    pub(super) fn sent(&self, samples: u64) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.line.received(samples);
    }

    /// The upstream refused samples.
    pub(super) fn refused(&self, samples: u64, why: String) {
        self.refused.fetch_add(samples, Ordering::Relaxed);
        *self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// What there is to see.
    pub(super) fn status(&self, engine: &Engine, now: Timestamp) -> Status {
        let cursor = self.cursor().clone();
        let Lost { samples: lost_samples, bytes: lost_bytes, .. } = cursor.lost;
        let mut status = Status {
            line: self.line.status(),
            cursor: cursor.through(),
            messages_total: self.messages.load(Ordering::Relaxed),
            refused_total: self.refused.load(Ordering::Relaxed),
            last_refusal: self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            lost_samples,
            lost_bytes,
            ..Status::default()
        };
        for stretch in cursor.waiting(engine.snapshot().sequence()) {
            let backlog = engine.backlog(stretch);
            status.backlog_samples += backlog.samples;
            status.backlog_bytes += backlog.bytes;
            let first = backlog.range.map(|range| range.first);
            status.oldest = [status.oldest, first].into_iter().flatten().min();
        }
        let age = |oldest: Timestamp| now.nanos().saturating_sub(oldest.nanos()).max(0);
        status.lag_ns = status.oldest.map_or(0, age);
        status
    }
}

impl fmt::Debug for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("State").field("cursor", &self.cursor()).finish_non_exhaustive()
    }
}
