//! Every sample of some tags: those of a time range in time order, then each as it is committed.
//!
//! ```text
//! open ─▶ snapshot at sequence S ─ slices of time, each sorted ─▶ feed after S ─ in order ─▶ …
//! ```
//!
//! *Invariant.* Each sample is told once: what the snapshot holds was committed up to its
//! sequence, what the feed tells was committed after it. While the past is told, what is committed
//! is put aside; one who reads so slowly that it does not fit, or that the feed has forgotten it,
//! is told that it lags.
//!
//! *Not here.* Corrections of what was told: a replay tells samples, not their end.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tacitus_model::{Sample, Tag, TagId, TimeRange, Timestamp};
use tacitus_storage::{Engine, Error, Snapshot};
use tokio::sync::watch;

use super::{Feed, Mark};

/// LIMIT: samples of one slice. A slice with more is halved, as long as it is longer than a
/// nanosecond.
const SLICE_SAMPLES_MAX: usize = 20_000;

/// The first slice: what is found in it decides how long the next one is.
const SLICE_NS_FIRST: i64 = 60_000_000_000;

/// LIMIT: samples that are put aside while the past is told.
const ASIDE_MAX: usize = 200_000;

/// LIMIT: tags of one replay.
const TAGS_MAX: usize = 10_000;

/// Whether a path is selected.
pub(crate) type Selects = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A sample and its tag.
pub(crate) type Told = (Arc<Tag>, Sample);

/// Why a replay ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// What was committed came faster than it was read.
    #[error("samples are committed faster than they are read")]
    Lagged,
    /// Too many tags.
    #[error("{0} tags are selected, at most {TAGS_MAX}")]
    TooMany(usize),
    /// The store cannot be read.
    #[error("{0}")]
    Store(#[from] Error),
    /// The thread that read the store ended.
    #[error("the store was not read to the end")]
    Unread,
}

/// One who is told.
pub(crate) struct Replay {
    engine: Arc<Engine>,
    feed: Arc<Feed>,
    news: watch::Receiver<Mark>,
    selects: Selects,
    /// From here on, also for what is committed late.
    first: Timestamp,
    past: Option<Past>,
    /// All up to this sequence is in the snapshot, was put aside or was told.
    position: u64,
    aside: VecDeque<Told>,
    /// `false`: it ends with the range.
    goes_on: bool,
    known: HashMap<TagId, Option<Arc<Tag>>>,
}

/// What is left of the range.
struct Past {
    snapshot: Snapshot,
    tags: Arc<[Arc<Tag>]>,
    next: i64,
    last: i64,
    slice_ns: i64,
}

impl Replay {
    /// Begins. With `goes_on`, what is committed follows when the range is told.
    pub(crate) fn open(
        engine: Arc<Engine>,
        feed: Arc<Feed>,
        selects: Selects,
        range: TimeRange,
        goes_on: bool,
    ) -> Result<Self, Broken> {
        let news = feed.watch();
        let snapshot = engine.snapshot();
        let tags: Vec<Arc<Tag>> = snapshot
            .tags()
            .into_iter()
            .filter(|tag| selects(tag.definition.path.as_str()))
            .collect();
        if tags.len() > TAGS_MAX {
            return Err(Broken::TooMany(tags.len()));
        }
        let extents: Vec<TimeRange> =
            tags.iter().filter_map(|tag| snapshot.extent(tag.id)).collect();
        let begin = extents.iter().map(|extent| extent.first).min();
        let end = extents.iter().map(|extent| extent.last).max();
        let past = begin.zip(end).map(|(begin, end)| Past {
            next: range.first.max(begin).nanos(),
            last: range.last.min(end).nanos(),
            slice_ns: SLICE_NS_FIRST,
            tags: tags.into(),
            snapshot: snapshot.clone(),
        });
        Ok(Self {
            position: snapshot.sequence(),
            first: range.first,
            engine,
            feed,
            news,
            selects,
            past,
            aside: VecDeque::new(),
            goes_on,
            known: HashMap::new(),
        })
    }

    /// The next samples; none when the range is over and nothing follows it.
    pub(crate) async fn next(&mut self) -> Result<Vec<Told>, Broken> {
        while let Some(past) = self.past.take() {
            if past.next > past.last {
                break;
            }
            let read = tokio::task::spawn_blocking(move || past.slice());
            let (past, told) = read.await.map_err(|_panicked| Broken::Unread)??;
            self.past = Some(past);
            if self.goes_on {
                self.put_aside()?;
            }
            if !told.is_empty() {
                return Ok(told);
            }
        }
        if !self.goes_on {
            return Ok(Vec::new());
        }
        loop {
            self.put_aside()?;
            if !self.aside.is_empty() {
                return Ok(self.aside.drain(..).collect());
            }
            let position = self.position;
            // The feed is kept as long as the replay, so that this ends only with news.
            drop(self.news.wait_for(|mark| mark.sequence > position).await);
        }
    }

    /// Takes what was committed meanwhile.
    fn put_aside(&mut self) -> Result<(), Broken> {
        let entries = self.feed.after(self.position).map_err(|_lagged| Broken::Lagged)?;
        for entry in entries {
            self.position = entry.sequence;
            for (id, ts, value, quality) in entry.batch.iter() {
                if ts < self.first {
                    continue;
                }
                if let Some(tag) = self.tag(id) {
                    let sample = Sample { tag: id, ts, value: value.clone(), quality };
                    self.aside.push_back((tag, sample));
                }
            }
        }
        if self.aside.len() > ASIDE_MAX { Err(Broken::Lagged) } else { Ok(()) }
    }

    /// The tag, if it is selected.
    fn tag(&mut self, id: TagId) -> Option<Arc<Tag>> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let tag = self.engine.catalog().get(id);
        let selected = tag.filter(|tag| (self.selects)(tag.definition.path.as_str()));
        self.known.insert(id, selected.clone());
        selected
    }
}

impl Past {
    /// Reads the next slice.
    fn slice(mut self) -> Result<(Self, Vec<Told>), Broken> {
        loop {
            let last = self.next.saturating_add(self.slice_ns - 1).min(self.last);
            let range = TimeRange {
                first: Timestamp::from_nanos(self.next),
                last: Timestamp::from_nanos(last),
            };
            let Some(told) = self.read(range)? else {
                self.slice_ns = (self.slice_ns / 2).max(1);
                continue;
            };
            if told.len() < SLICE_SAMPLES_MAX / 4 {
                self.slice_ns = self.slice_ns.saturating_mul(2);
            }
            // The end of time has no next.
            match last.checked_add(1) {
                Some(next) => self.next = next,
                None => self.last = i64::MIN,
            }
            if !told.is_empty() || self.next > self.last {
                return Ok((self, told));
            }
        }
    }

    /// The samples of a slice in time order; `None` if they are too many and it can be shorter.
    fn read(&self, range: TimeRange) -> Result<Option<Vec<Told>>, Broken> {
        let is_shortest = range.first == range.last;
        let mut by_time: BTreeMap<(Timestamp, usize), Told> = BTreeMap::new();
        for (place, tag) in self.tags.iter().enumerate() {
            for block in self.snapshot.scan(tag.id, range) {
                let block = block?;
                for (row, ts) in block.times.iter().enumerate() {
                    let ts = Timestamp::from_nanos(*ts);
                    let (value, quality) = (block.value(row), block.quality(row));
                    let sample = Sample { tag: tag.id, ts, value, quality };
                    by_time.insert((ts, place), (Arc::clone(tag), sample));
                }
                if by_time.len() > SLICE_SAMPLES_MAX && !is_shortest {
                    return Ok(None);
                }
            }
        }
        Ok(Some(by_time.into_values().collect()))
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("position", &self.position).finish_non_exhaustive()
    }
}
