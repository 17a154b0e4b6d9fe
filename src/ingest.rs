//! The one way in: from points of any source to samples on disk.
//!
//! ```text
//! points ─▶ resolve ─▶ batch ─▶ queue (bounded in bytes) ─▶ committer thread ─▶ Engine::commit
//!             │                   │ full: the sender waits     │ one sync for all that wait
//!             └▶ refusals         └▶ Busy after its patience   └▶ waiters are told, in order
//! ```
//!
//! *Invariant.* [`Ingest::write`] returns `Ok` only after the sync that covers the batch; what
//! was accepted is never dropped, and a batch is refused only with a reason its sender gets.
//! After a commit of unknown outcome nothing is acknowledged any more.
//!
//! *Not here.* How bytes become points (`tacitus-protocol`), and how a sender is told in the
//! terms of its protocol (`broker`, `http`).

mod committer;
mod listed;
mod mqtt;
mod queue;
mod refusals;
mod resolve;
mod sparkplug;
mod spellings;
mod story;
#[cfg(test)]
mod tests;
mod trial;

pub use committer::{Committer, Failure};
pub(crate) use listed::Listed;
pub use mqtt::Mqtt;
pub use refusals::{Counters, Refusal};
pub use resolve::{Refused, Resolved};
pub use sparkplug::Sparkplug;
pub(crate) use sparkplug::Uncommanded;
pub(crate) use trial::run as try_out;

use std::sync::Arc;
use std::time::Duration;

use tacitus_model::{Batch, Sample, Tag, TagDefinition, Timestamp};
use tacitus_protocol::{Point, line};
use tacitus_storage::{Clock, Collection, Document, Engine, Kept};

use crate::live::Feed;
use crate::sources::Sources;
use queue::{Parcel, Queue};
use refusals::Refusals;
use resolve::{Origin, REFUSED_NAMED_MAX, Resolver};
use spellings::Spellings;

/// What ingestion may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of batches that may wait for a commit. Larger: more is held in memory when the disk
    /// is slow; smaller: senders wait sooner.
    pub queue_bytes_max: usize,
    /// The most bytes of one batch in the queue; a larger one is committed in parts, of which each
    /// must fit a log file.
    pub batch_bytes_max: usize,
    /// How long a sender waits for room in the queue before it is told that the store is busy.
    pub room_wait: Duration,
    /// How many tags senders may create; beyond, only known tags are written.
    pub tags_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_bytes_max: 64 << 20,
            batch_bytes_max: 4 << 20,
            room_wait: Duration::from_secs(5),
            tags_max: tacitus_storage::TAGS_MAX,
        }
    }
}

/// Why a batch was not written, said as what its sender can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The disk is full to its reserve, and not all of the batch was written. Send it again later.
    #[error("the disk is full to its reserve")]
    Full,
    /// There was no room in time, or the store refused for now. Send again soon.
    #[error("the store is busy")]
    Busy,
    /// The batch names no tag of the store, or values of another kind. Sending it again is no use.
    #[error("the samples do not belong to tags of this store")]
    Invalid,
    /// A write to disk failed, so it is not known whether the batch was kept. Send it again after
    /// the restart: the same samples written twice are the same samples.
    #[error("a write to disk failed, it is unknown whether the samples were kept")]
    Poisoned,
    /// The server is stopping; nothing was written. Send again after the restart.
    #[error("the server is stopping")]
    Stopped,
}

/// The way in. Cloning shares the queue.
#[derive(Debug, Clone)]
pub struct Ingest {
    queue: Arc<Queue>,
    resolver: Arc<Resolver>,
    spellings: Arc<Spellings>,
    refusals: Arc<Refusals>,
    feed: Arc<Feed>,
    sources: Arc<Sources>,
    clock: Arc<dyn Clock>,
    batch_bytes_max: usize,
    room_wait: Duration,
}

impl Ingest {
    /// Starts the threads that write to the engine.
    ///
    /// # Errors
    /// The operating system gave no thread.
    pub fn start(
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        settings: &Settings,
    ) -> std::io::Result<(Self, Committer)> {
        let refusals = Arc::new(Refusals::default());
        let queue = Arc::new(Queue::new(settings.queue_bytes_max));
        let spellings = Arc::new(Spellings::new(Arc::clone(&engine)));
        let resolver = Resolver::new(Arc::clone(&engine), settings.tags_max, Arc::clone(&refusals));
        let feed = Arc::new(Feed::new(engine.snapshot().sequence()));
        let committer = Committer::start(engine, Arc::clone(&queue), Arc::clone(&feed))?;
        let ingest = Self {
            queue,
            resolver: Arc::new(resolver),
            spellings,
            refusals,
            feed,
            sources: Arc::new(Sources::new(Arc::clone(&clock))),
            clock,
            batch_bytes_max: settings.batch_bytes_max,
            room_wait: settings.room_wait,
        };
        Ok((ingest, committer))
    }

    /// The same way in for a sender with another patience than that of the settings.
    #[must_use]
    pub fn with_room_wait(&self, room_wait: Duration) -> Self {
        Self { room_wait, ..self.clone() }
    }

    /// Turns points into samples of tags: creates tags for new names and makes values fit their
    /// tag's kind. A point that does not fit is refused alone, counted and remembered under
    /// `source` (`mqtt`, `line`, `http`, `opcua:NAME`).
    pub fn resolve(&self, points: Vec<Point>, source: &str) -> Resolved {
        self.resolver.resolve(points, source, self.clock.now())
    }

    /// Reads on in lines, those of known series without making their names, and makes samples of
    /// them; `None` when nothing is left. `sender` is whose clock their times tell of.
    pub(crate) fn resolve_lines(
        &self,
        lines: &mut line::Lines<'_>,
        points_max: usize,
        sender: &str,
    ) -> Option<(line::Parsed, Resolved)> {
        let releases = self.spellings.releases();
        let mut parsed = lines.read_knowing(points_max, Some(&*self.spellings))?;
        let points = std::mem::take(&mut parsed.points);
        self.heard(sender, &points);
        let mut spellings = std::mem::take(&mut parsed.spellings).into_iter().peekable();
        let learn = |place: usize, tag| {
            while spellings.next_if(|(own, _)| *own < place).is_some() {}
            if let Some((_, spelling)) = spellings.next_if(|(own, _)| *own == place) {
                self.spellings.learn(spelling, tag, releases);
            }
        };
        let origin =
            Origin { source: "line", form: None, now: self.clock.now(), is_unheard: false };
        let resolved = self.resolver.resolve_telling(points, origin, learn);
        Some((parsed, resolved))
    }

    /// Takes note of a source and of the times that its live points have, before they are resolved.
    /// What comes from a history is not meant.
    pub(crate) fn heard(&self, source: &str, points: &[Point]) {
        match points.iter().filter_map(|point| point.ts).max() {
            Some(newest) => self.sources.heard(source, newest),
            None if !points.is_empty() => self.sources.arrived(source),
            None => {}
        }
    }

    /// How far the clocks of sources can be trusted.
    pub(crate) fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    /// The same for a sender all of whose values are numbers: a first sample without a value makes
    /// its tag too.
    pub fn resolve_numbers(&self, points: Vec<Point>, source: &str) -> Resolved {
        self.resolver.resolve_unheard(points, source, self.clock.now())
    }

    /// A new tag, unless there are as many as senders may make.
    ///
    /// # Errors
    /// Why there can be none.
    pub(crate) fn define(&self, definition: TagDefinition) -> Result<Arc<Tag>, String> {
        self.resolver.define(definition).map_err(|reason| reason.to_string())
    }

    /// Waits for room and then for the sync that covers the batch. `Ok` is the sequence up to
    /// which everything is on disk.
    ///
    /// # Errors
    /// Why not all of the batch is known to be on disk. Of a large batch, which is written in
    /// parts, some may have been kept.
    pub async fn write(&self, batch: Batch) -> Result<u64, WriteError> {
        self.write_all(vec![batch]).await
    }

    /// The same for several batches of one sender, which wait for the same syncs.
    ///
    /// # Errors
    /// Why not all of the batches are known to be on disk; some may have been kept.
    pub async fn write_all(&self, batches: Vec<Batch>) -> Result<u64, WriteError> {
        let mut waiting = Vec::with_capacity(batches.len());
        for part in batches.into_iter().flat_map(|batch| parts(batch, self.batch_bytes_max)) {
            waiting.push(self.queue.push(part, self.room_wait).await?);
        }
        let mut sequence = 0;
        for done in waiting {
            // The sender is dropped unsent only if the committer thread is gone.
            sequence = done.await.unwrap_or(Err(WriteError::Poisoned))?;
        }
        Ok(sequence)
    }

    /// The same, with documents that are kept together with the last of the batches.
    ///
    /// # Errors
    /// As [`Ingest::write_all`]. Where it is sure that not all was written, no document was.
    pub async fn write_with(
        &self,
        batches: Vec<Batch>,
        documents: Vec<Document>,
    ) -> Result<u64, WriteError> {
        if documents.is_empty() {
            return self.write_all(batches).await;
        }
        let mut parts: Vec<Batch> =
            batches.into_iter().flat_map(|batch| parts(batch, self.batch_bytes_max)).collect();
        let batch = parts.pop().unwrap_or_default();
        if !parts.is_empty() {
            self.write_all(parts).await?;
        }
        let done = self.queue.push(Parcel { batch, documents }, self.room_wait).await?;
        done.await.unwrap_or(Err(WriteError::Poisoned))
    }

    /// The documents of a collection, by key.
    pub fn documents(&self, collection: Collection) -> Vec<Kept> {
        self.resolver.documents(collection)
    }

    /// Waits for room only: the samples are accepted, and on disk a little later. While the disk is
    /// full they wait in the queue, until it is full too.
    ///
    /// # Errors
    /// Why not all of the batch was accepted.
    pub async fn enqueue(&self, batch: Batch) -> Result<(), WriteError> {
        for part in parts(batch, self.batch_bytes_max) {
            self.queue.accept(part, self.room_wait).await?;
        }
        Ok(())
    }

    /// The time samples that arrive get.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What was committed lately.
    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// The last refused points and payloads, newest first.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.refusals.recent()
    }

    /// The last refusal of each reason, by the reason's word.
    pub fn refused_last(&self) -> std::collections::BTreeMap<&'static str, Refusal> {
        self.refusals.last()
    }

    /// All refusals that are remembered, newest first, the last of each reason with more of its
    /// payload; and how often there was its reason since the start.
    pub fn refusals_counted(&self) -> Vec<(Refusal, u64)> {
        self.refusals.all()
    }

    /// Takes note of so many lines, rows or series of which a sender was told that they are wrong, and
    /// of the first of them.
    pub(crate) fn refused(
        &self,
        (source, name): (&str, &str),
        why: (&'static str, &str),
        payload: &[u8],
        count: usize,
    ) {
        let refusal = Refusal::new(self.clock.now(), source, name, why, payload);
        self.refusals.add_first_of(refusal, count);
    }

    /// What was taken, written and refused since the start.
    pub fn counters(&self) -> Counters {
        Counters {
            samples: self.queue.samples(),
            commits: self.queue.commits(),
            samples_lost: self.queue.lost(),
            queue_bytes: self.queue.bytes_waiting(),
            queue_bytes_max: self.queue.bytes_max(),
            refused: self.refusals.counts(),
        }
    }
}

/// A batch in parts that each fit the log.
fn parts(batch: Batch, bytes_max: usize) -> Vec<Batch> {
    if batch.is_empty() {
        return Vec::new();
    }
    if batch.size_bytes() <= bytes_max {
        return vec![batch];
    }
    let mut parts = vec![Batch::default()];
    let mut bytes = 0;
    for (tag, ts, value, quality) in batch.iter() {
        let sample = Sample { tag, ts, value: value.clone(), quality };
        let row = Batch::from_iter([sample.clone()]).size_bytes();
        if bytes + row > bytes_max {
            parts.push(Batch::default());
            bytes = 0;
        }
        bytes += row;
        if let Some(part) = parts.last_mut() {
            part.push(sample);
        }
    }
    parts
}
