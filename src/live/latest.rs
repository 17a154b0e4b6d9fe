//! The latest values of some tags: first all of them, then what changed.
//!
//! *Invariant.* Each change leads from a state that the store had to a later one, never back, and
//! when the store rests the follower has exactly its latest values. A value that was sent is not
//! sent again until it changed. A follower that reads slowly misses states in between, never the
//! last one.
//!
//! *Not here.* Every sample of a tag: a query's tail.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tacitus_model::{Sample, TagId};
use tacitus_storage::{Engine, Error, TagQuery};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::{Feed, Mark};

/// LIMIT: the most tags one follower may select; a person sees fewer, a program asks twice.
pub(crate) const TAGS_MAX: usize = 10_000;

/// How long a follower rests between two updates: screens show no more, and many small commits
/// become one message.
const REST: Duration = Duration::from_millis(50);

/// What an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateKind {
    /// Every selected tag that has a value.
    Snapshot,
    /// What changed since the update before.
    Changes,
}

/// One update.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) kind: UpdateKind,
    /// Nothing committed up to here is missing.
    pub(crate) sequence: u64,
    /// The tag, and its latest sample; `None` where its samples were deleted.
    pub(crate) values: Vec<(TagId, Option<Sample>)>,
}

/// One who follows the latest values of some tags.
#[derive(Debug)]
pub(crate) struct Latest {
    engine: Arc<Engine>,
    feed: Arc<Feed>,
    query: TagQuery,
    news: watch::Receiver<Mark>,
    /// What the follower has.
    known: Known,
    /// Not to be sent again before this.
    rested: Instant,
    begun: bool,
}

#[derive(Debug)]
struct Known {
    mark: Mark,
    /// No tag beyond this one was met, so all that are not beyond it have been selected from.
    highest: TagId,
    /// What was sent last of each selected tag.
    sent: BTreeMap<TagId, Sent>,
}

/// What a follower has of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    /// What it had when it came back.
    Before,
    /// This.
    This(Option<Sample>),
}

/// Why tags cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The selection makes no sense.
    #[error("{0}")]
    Selection(#[from] Error),
    /// The selection is too large.
    #[error("{0} tags are selected, at most {TAGS_MAX}")]
    TooMany(usize),
}

impl Latest {
    /// Follows the tags that pass a query. With a position, what the follower has up to there is
    /// not sent again, if the feed still goes back to it.
    pub(crate) fn new(
        engine: Arc<Engine>,
        feed: Arc<Feed>,
        query: TagQuery,
        position: Option<u64>,
    ) -> Result<Self, Refusal> {
        let mut news = feed.watch();
        let mark = *news.borrow_and_update();
        let mut latest = Self {
            known: Known { mark, highest: TagId(0), sent: BTreeMap::new() },
            engine,
            feed,
            query,
            news,
            rested: Instant::now(),
            begun: false,
        };
        latest.select()?;
        if let Some(position) = position.filter(|position| *position <= mark.sequence) {
            latest.resume(position);
        }
        Ok(latest)
    }

    /// Selects the tags anew.
    fn select(&mut self) -> Result<(), Refusal> {
        let tags = self.engine.snapshot().select_ids(&self.query)?;
        if tags.len() > TAGS_MAX {
            return Err(Refusal::TooMany(tags.len()));
        }
        let sent = &mut self.known.sent;
        let had = |tag| (tag, sent.remove(&tag).unwrap_or(Sent::This(None)));
        *sent = tags.into_iter().map(had).collect();
        Ok(())
    }

    /// Takes for sent what did not change after a position.
    fn resume(&mut self, position: u64) {
        let Ok(entries) = self.feed.after(position) else { return };
        let changed: HashSet<TagId> =
            entries.iter().flat_map(|entry| entry.batch.tags()).copied().collect();
        for (tag, sent) in &mut self.known.sent {
            if !changed.contains(tag) {
                *sent = Sent::Before;
            }
        }
        self.known.mark.sequence = position;
        self.begun = true;
    }

    /// Waits for the next update. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Update, Refusal> {
        if !self.begun {
            let values = self.changes(None);
            self.begun = true;
            self.rested = Instant::now() + REST;
            let sequence = self.known.mark.sequence;
            return Ok(Update { kind: UpdateKind::Snapshot, sequence, values });
        }
        loop {
            let mark = self.known.mark;
            // The feed is kept as long as the follower, so that this ends only with news.
            drop(self.news.wait_for(|now| *now != mark).await);
            tokio::time::sleep_until(self.rested).await;
            let values = self.look()?;
            self.rested = Instant::now() + REST;
            if !values.is_empty() {
                let sequence = self.known.mark.sequence;
                return Ok(Update { kind: UpdateKind::Changes, sequence, values });
            }
        }
    }

    /// What changed since the last look.
    fn look(&mut self) -> Result<Vec<(TagId, Option<Sample>)>, Refusal> {
        // Read before the values: what comes between is looked at again next time.
        let mark = *self.news.borrow_and_update();
        let entries = self.feed.after(self.known.mark.sequence);
        let reset = mark.resets != self.known.mark.resets;
        let tags = entries.iter().flatten().flat_map(|entry| entry.batch.tags());
        // Tags are committed in the order of their ids: below a new one, all are there.
        let highest = tags.max().copied().unwrap_or(TagId(0));
        if reset || highest > self.known.highest || entries.is_err() {
            self.select()?;
            self.known.highest = self.known.highest.max(highest);
        }
        let values = match entries {
            Ok(entries) if !reset => {
                let rows = entries.iter().flat_map(|entry| entry.batch.tags());
                let touched: HashSet<TagId> =
                    rows.filter(|tag| self.known.sent.contains_key(tag)).copied().collect();
                self.changes(Some(&touched))
            }
            _ => self.changes(None),
        };
        self.known.mark = mark;
        Ok(values)
    }

    /// The latest values, of these tags or of all selected ones, that the follower does not have.
    fn changes(&mut self, of: Option<&HashSet<TagId>>) -> Vec<(TagId, Option<Sample>)> {
        let snapshot = self.engine.snapshot();
        let mut changes = Vec::new();
        for (tag, sent) in &mut self.known.sent {
            if of.is_some_and(|of| !of.contains(tag)) {
                continue;
            }
            let now = snapshot.latest(*tag);
            if !matches!(sent, Sent::This(sent) if *sent == now) {
                *sent = Sent::This(now.clone());
                changes.push((*tag, now));
            }
        }
        changes
    }
}
