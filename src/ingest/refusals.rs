//! What was refused: counted by reason, the last ones kept for a person to look at.
//!
//! *Invariant.* Memory is bounded whatever senders do: reasons come from a closed set, and a
//! remembered refusal holds the beginnings of its texts only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tacitus_model::Timestamp;

/// LIMIT: enough to see a pattern; a person reads no more.
const REFUSALS_KEPT: usize = 100;

/// LIMIT: the first bytes of a payload tell what it is.
const PAYLOAD_BYTES_KEPT: usize = 64;

/// LIMIT: of the last payload of each reason a person wants to see more; reasons are few.
const SAMPLE_BYTES_KEPT: usize = 4096;

/// LIMIT: names and reasons may hold a whole topic; a line of a table does not.
const TEXT_CHARS_KEPT: usize = 200;

/// A refused point or payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// The word of the reason, as it is counted.
    pub code: &'static str,
    /// Who sent it: `mqtt:CLIENT`, `line`, `http`, `opcua:NAME`.
    pub source: String,
    /// The topic or path it came under.
    pub name: String,
    /// Why it was refused.
    pub reason: String,
    /// The first bytes of what came, escaped.
    pub payload: String,
}

impl Refusal {
    /// A refusal that keeps the beginnings of its texts.
    pub(super) fn new(
        at: Timestamp,
        source: &str,
        name: &str,
        (code, reason): (&'static str, &str),
        payload: &[u8],
    ) -> Self {
        let start = |text: &str| text.chars().take(TEXT_CHARS_KEPT).collect();
        let bytes = payload.get(..SAMPLE_BYTES_KEPT).unwrap_or(payload);
        Self {
            at,
            code,
            source: start(source),
            name: start(name),
            reason: start(reason),
            payload: printable(bytes),
        }
    }

    /// The same with the first bytes of its payload only.
    fn shortened(mut self) -> Self {
        let end = self.payload.char_indices().nth(PAYLOAD_BYTES_KEPT).map(|(index, _)| index);
        self.payload.truncate(end.unwrap_or(self.payload.len()));
        self
    }
}

/// Bytes as a person can read them: text as it is, control characters and what is no text escaped.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
        }
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
}

/// What went through ingestion since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Samples committed.
    pub samples: u64,
    /// Commits, each with one sync.
    pub commits: u64,
    /// Samples that were accepted without a promise (QoS 0, a sender that hung up) and then could
    /// not be written.
    pub samples_lost: u64,
    /// Bytes of batches that wait or are being committed.
    pub queue_bytes: usize,
    /// Their bound.
    pub queue_bytes_max: usize,
    /// Refused points and payloads by reason, the reasons from a closed set.
    pub refused: BTreeMap<&'static str, u64>,
}

/// The memory of refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: BTreeMap<&'static str, u64>,
    last: BTreeMap<&'static str, Refusal>,
    recent: VecDeque<Refusal>,
}

impl Refusals {
    pub(super) fn add(&self, refusal: Refusal) {
        self.add_first_of(refusal, 1);
    }

    /// Adds the first of so many that were refused for one reason.
    pub(super) fn add_first_of(&self, refusal: Refusal, count: usize) {
        let mut inner = self.lock();
        let code = refusal.code;
        *inner.counts.entry(code).or_default() += count as u64;
        if inner.recent.len() == REFUSALS_KEPT {
            inner.recent.pop_back();
        }
        inner.last.insert(code, refusal.clone());
        inner.recent.push_front(refusal.shortened());
    }

    /// The last refusal of each reason, with more of its payload.
    pub(super) fn last(&self) -> BTreeMap<&'static str, Refusal> {
        self.lock().last.clone()
    }

    pub(super) fn recent(&self) -> Vec<Refusal> {
        self.lock().recent.iter().cloned().collect()
    }

    /// All that are remembered, newest first, the last of each reason with more of its payload; and how
    /// often there was each reason.
    pub(super) fn all(&self) -> Vec<(Refusal, u64)> {
        let inner = self.lock();
        let mut whole = inner.last.clone();
        let recent = inner.recent.iter();
        let mut all: Vec<Refusal> =
            recent.map(|own| whole.remove(own.code).unwrap_or_else(|| own.clone())).collect();
        let mut older: Vec<Refusal> = whole.into_values().collect();
        older.sort_by_key(|one| std::cmp::Reverse(one.at));
        all.append(&mut older);
        let count = |own: &Refusal| inner.counts.get(own.code).copied().unwrap_or_default();
        let counted = |own: Refusal| {
            let count = count(&own);
            (own, count)
        };
        all.into_iter().map(counted).collect()
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
