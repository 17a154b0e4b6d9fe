//! What must stay readable as it was committed, for those who copy the store and are behind.
//!
//! A hold says: every row after this sequence is still to be read. Until it moves on or is
//! released, upkeep leaves such rows their own sequences, lets none of them expire, and does not
//! mix them with older ones of their partition, so that they can be read in the order in which
//! they came.
//!
//! *Invariant.* A row after the lowest hold is not given up for its age, and a rewriting does not
//! make it look older than it is.
//!
//! *Not here.* How long a hold may last and how much it may cost: whoever holds decides. Holds are
//! not kept over a restart: they are set again before upkeep begins.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use tacitus_model::{TagId, TimeRange, Timestamp};

use crate::engine::Engine;
use crate::head::Head;
use crate::manifest::{SegmentRecord, Tier};
use crate::planted::{Bug, active};
use crate::segment::Segment;
use crate::snapshot::Stretch;

/// Holds by the name of their holder.
pub(super) type Holds = BTreeMap<String, u64>;

/// What was committed after a sequence and is stored. Where a segment has older rows too, its part
/// is an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Samples.
    pub samples: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// The times of the samples; `None` without any.
    pub range: Option<TimeRange>,
}

impl Engine {
    /// Holds every row after a sequence until the same holder names a later one, or releases it.
    pub fn hold(&self, holder: &str, after: u64) {
        self.lock_holds().insert(holder.to_owned(), after);
    }

    /// Ends a hold.
    pub fn release(&self, holder: &str) {
        self.lock_holds().remove(holder);
    }

    /// The holds there are: holder, and the last sequence that need not be held.
    pub fn holds(&self) -> Vec<(String, u64)> {
        self.lock_holds().iter().map(|(holder, after)| (holder.clone(), *after)).collect()
    }

    /// The last sequence that nobody holds; `u64::MAX` without a hold.
    pub(super) fn held_after(&self) -> u64 {
        if active(Bug::IgnoreHold) {
            return u64::MAX;
        }
        self.lock_holds().values().min().copied().unwrap_or(u64::MAX)
    }

    /// Whether a segment has rows that are held.
    pub(super) fn is_held(&self, record: &SegmentRecord) -> bool {
        record.file.last_sequence > self.held_after()
    }

    /// What there is of some tags within a stretch. Looks at every tag of it.
    pub fn backlog_of(&self, stretch: Stretch, select: impl Fn(TagId) -> bool) -> Backlog {
        let share = |segment: &Segment| {
            // What cannot be read is taken for lost as well.
            let rows = segment.tags().filter(|tag| select(*tag)).map(|tag| {
                segment.tag(tag).ok().flatten().map_or(0, |entry| entry.statistics.rows)
            });
            rows.sum()
        };
        let fresh = |head: &Head| {
            let tags: Vec<TagId> = head.tags().collect();
            let chosen = tags.iter().filter(|tag| select(**tag)).count() as u64;
            Part { inside: chosen, all: (tags.len() as u64).max(1) }.share(head.rows() as u64)
        };
        self.backlog_with(stretch, share, fresh)
    }

    /// The bytes of segments within a stretch.
    pub fn backlog_bytes(&self, stretch: Stretch) -> u64 {
        let version = self.shared.version.load_full();
        let records = version.segments.iter().map(|segment| segment.record());
        let raw = records.filter(|record| !record.replaced && record.tier == Tier::Raw);
        let share = |record: &SegmentRecord| {
            let file = &record.file;
            Part::of(stretch, file.first_sequence, file.last_sequence).share(file.bytes)
        };
        raw.map(share).sum()
    }

    /// What there is within a stretch.
    pub fn backlog(&self, stretch: Stretch) -> Backlog {
        self.backlog_with(stretch, |own| own.record().samples, |head| head.rows() as u64)
    }

    /// The same of so many samples of each segment and head.
    fn backlog_with(
        &self,
        stretch: Stretch,
        of_segment: impl Fn(&Segment) -> u64,
        of_head: impl Fn(&Head) -> u64,
    ) -> Backlog {
        let version = self.shared.version.load_full();
        let mut backlog = Backlog::default();
        for segment in &version.segments {
            let record = segment.record();
            if record.replaced || record.tier != Tier::Raw {
                continue;
            }
            let file = &record.file;
            let part = Part::of(stretch, file.first_sequence, file.last_sequence);
            if part.inside == 0 {
                continue;
            }
            let samples = of_segment(segment);
            let bytes = Part { inside: samples, all: record.samples.max(1) }.share(file.bytes);
            backlog.add(part, samples, bytes, || Some((record.first_ns, record.last_ns)));
        }
        for head in version.heads() {
            let part = Part::of(stretch, head.first_sequence(), head.last_sequence());
            let times = || {
                let first = head.first_time_after(stretch.after)?;
                Some((first, first))
            };
            backlog.add(part, of_head(head), 0, times);
        }
        backlog
    }

    /// Whether little more than the reserve is free, when last looked.
    pub fn is_nearly_full(&self) -> bool {
        let scarce = self.reserve_bytes.saturating_add(self.reserve_bytes / 2);
        self.free_bytes.load(Ordering::Relaxed) < scarce
    }

    /// The last sequence of what holds alone keep from expiring, of the partition that is due
    /// first: once nobody holds that, its space is given back.
    pub fn held_from_expiring(&self) -> Option<u64> {
        let now = self.retention_now()?;
        let version = self.shared.version.load_full();
        let held = version.segments.iter().map(|segment| segment.record());
        let held = held.filter(|record| record.level > 0 && self.is_held(record));
        let due = held.filter(|record| {
            let tier = self.partitions.tier(&record.class, record.last_ns, now);
            tier.is_none_or(|tier| record.tier < tier)
        });
        due.map(|record| record.file.last_sequence).min()
    }

    fn lock_holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of some sequences is within a stretch.
#[derive(Clone, Copy)]
struct Part {
    inside: u64,
    all: u64,
}

impl Part {
    fn of(stretch: Stretch, first: u64, last: u64) -> Self {
        let from = first.max(stretch.after.saturating_add(1));
        let inside = last.min(stretch.until).saturating_add(1).saturating_sub(from);
        Self { inside, all: last.saturating_add(1).saturating_sub(first).max(1) }
    }

    fn share(self, whole: u64) -> u64 {
        let share = u128::from(whole) * u128::from(self.inside) / u128::from(self.all);
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

impl Backlog {
    fn add(
        &mut self,
        part: Part,
        samples: u64,
        bytes: u64,
        times: impl FnOnce() -> Option<(i64, i64)>,
    ) {
        if part.inside == 0 || samples == 0 {
            return;
        }
        self.samples = self.samples.saturating_add(part.share(samples));
        self.bytes = self.bytes.saturating_add(part.share(bytes));
        let Some((first, last)) = times() else { return };
        let (first, last) = (Timestamp::from_nanos(first), Timestamp::from_nanos(last));
        self.range = Some(self.range.map_or(TimeRange { first, last }, |own| TimeRange {
            first: own.first.min(first),
            last: own.last.max(last),
        }));
    }
}
