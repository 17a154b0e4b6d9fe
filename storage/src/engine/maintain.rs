//! Rewriting and expiry of segments, one job a call.
//!
//! ```text
//! gather   sealed and imported segments ─▶ one dense segment a class and partition
//! fold     several segments of a partition ─▶ one
//! expire   a partition whose samples are too old ─▶ statistics by minute, by hour, nothing
//! forget   what was replaced or deleted, once nobody may look back as far
//! ```
//! A job reads and writes without any lock that a commit or a seal waits for; only its manifest
//! is published under the keeper's.
//!
//! *Invariant.* What somebody holds (`engine/holds.rs`) does not expire. Inputs of a job are neighbours in the order of precedence among all that overlap
//! them, so that its output can take their place. A file goes only after the manifest without it
//! is durable and its last reader is gone. A clock that is in doubt expires nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tacitus_model::Timestamp;

use crate::compaction::{Workshop, summarise};
use crate::engine::{Engine, Progress};
use crate::error::{Error, ErrorKind};
use crate::limits::{COMPACTION_BYTES_MAX, COMPACTION_INPUTS_MAX};
use crate::manifest::{Manifest, SegmentRecord, Tier};
use crate::segment::Segment;
use crate::version::Version;

/// Segments of a partition that are folded without being asked for.
const FOLD_SEGMENTS: usize = 4;

/// A segment is folded with newer ones once these together have this part of its bytes.
const FOLD_PART: u64 = 4;

/// How eager a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zeal {
    /// What is worth its cost.
    WhenDue,
    /// Everything that can be done.
    Everything,
}

/// What is to be done.
#[derive(Debug)]
enum Job {
    Merge(Vec<Arc<Segment>>),
    /// Statistics in place of the first; the second only hold what was replaced in them.
    Summarise(Vec<Arc<Segment>>, Vec<Arc<Segment>>, Tier),
    Drop(Vec<Arc<Segment>>),
}

impl Engine {
    /// Does one piece of upkeep, if any is due: rewrites segments, expires what is too old. May
    /// take minutes; commits, seals and readers go on. To be called from a thread of its own.
    ///
    /// # Errors
    /// As the operating system says, or [`ErrorKind::Corrupt`] for a damaged input: it stays as
    /// it is, and other jobs go on. The same job is tried again later.
    pub fn maintain(&self) -> Result<Progress, Error> {
        self.maintain_with(Zeal::WhenDue)
    }

    /// Seals everything, and rewrites all segments that are not yet as dense as they can be.
    ///
    /// # Errors
    /// As [`Engine::maintain`].
    pub fn compact(&self) -> Result<(), Error> {
        self.seal()?;
        while self.maintain_with(Zeal::Everything)? == Progress::Did {}
        Ok(())
    }

    /// Ends upkeep for good: a job under way is given up as soon as it can be, and leaves nothing
    /// behind; later calls do nothing. To be called before the store is closed.
    pub fn halt_upkeep(&self) {
        self.halted.store(true, Ordering::Release);
    }

    /// Whether upkeep was ended.
    pub fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    fn maintain_with(&self, zeal: Zeal) -> Result<Progress, Error> {
        let _one_at_a_time = self.lock_upkeep();
        self.check_poison()?;
        if self.is_halted() {
            return Ok(Progress::Idle);
        }
        let now = self.parts.clock.now();
        let mut sealed = false;
        let (manifest, history, job) = loop {
            let (version, manifest) = {
                let keeper = self.lock_keeper();
                (self.shared.version.load_full(), keeper.manifest.clone())
            };
            let history = self.history(&manifest, now);
            let Some(job) = self.pick(&version, &manifest, zeal, now, history) else {
                return Ok(Progress::Idle);
            };
            // Statistics are made of the samples that hold, so that later ones must be at hand.
            let waiting = version.heads().any(|head| head.rows() > 0);
            if sealed || !waiting || !matches!(job, Job::Summarise(..)) {
                break (manifest, history, job);
            }
            self.seal()?;
            sealed = true;
        };
        let workshop = Workshop {
            disk: &self.parts.disk,
            store: manifest.store,
            catalog: &self.shared.catalog,
            cache: &self.shared.cache,
            pins: &self.pins,
            halted: &self.halted,
            numbers: &self.numbers,
            partitions: &self.partitions,
            deletions: &manifest.deletions,
            history,
            exact_after: history.min(self.held_after()),
            now_ns: now.nanos(),
        };
        let (inputs, outputs) = match job {
            Job::Merge(inputs) => {
                self.check_space(&inputs)?;
                let outputs = workshop.merge(&inputs)?;
                (inputs, outputs)
            }
            Job::Summarise(mut inputs, past, tier) => {
                let output = summarise(&workshop, &inputs, tier)?;
                inputs.extend(past);
                (inputs, output.into_iter().collect())
            }
            Job::Drop(inputs) => (inputs, Vec::new()),
        };
        self.replace(&inputs, &outputs, history)?;
        Ok(Progress::Did)
    }

    /// The sequence from which on the store must be readable as it was.
    fn history(&self, manifest: &Manifest, now: Timestamp) -> u64 {
        // A clock that jumped must not make anyone forget earlier than was promised.
        if self.settings.audit_ns > 0 && self.retention_now().is_none() {
            return manifest.history;
        }
        let kept = self.settings.audit_ns;
        let floor = if kept == 0 {
            manifest.checkpoint
        } else {
            manifest.sequence_at(now.nanos().saturating_sub(kept))
        };
        floor.max(manifest.history)
    }

    fn pick(
        &self,
        version: &Version,
        manifest: &Manifest,
        zeal: Zeal,
        now: Timestamp,
        history: u64,
    ) -> Option<Job> {
        let live = |segment: &&Arc<Segment>| {
            manifest.segments.iter().any(|own| own.file.number == segment.record().file.number)
        };
        let segments: Vec<&Arc<Segment>> = version.segments.iter().filter(live).collect();
        self.gather(&segments, zeal)
            .or_else(|| self.fold(&segments, manifest, zeal, now))
            .or_else(|| self.expire(&segments, now))
            .or_else(|| forget(&segments, history))
    }

    /// The oldest segments of level 0, where they are many, large, or asked for.
    fn gather(&self, segments: &[&Arc<Segment>], zeal: Zeal) -> Option<Job> {
        let fresh = segments
            .iter()
            .filter(|segment| segment.record().level == 0 && !segment.record().replaced);
        let mut bytes = 0;
        let within = |segment: &&&Arc<Segment>| {
            bytes += segment.record().file.bytes;
            bytes == segment.record().file.bytes || bytes <= COMPACTION_BYTES_MAX
        };
        let inputs: Vec<Arc<Segment>> = fresh
            .take(COMPACTION_INPUTS_MAX)
            .take_while(within)
            .map(|segment| Arc::clone(segment))
            .collect();
        let bytes: u64 = inputs.iter().map(|input| input.record().file.bytes).sum();
        let due = inputs.len() >= self.settings.compact_segments
            || bytes >= self.settings.compact_bytes
            || zeal == Zeal::Everything;
        let last = inputs.last()?.record().file.last_sequence;
        // What was replaced in them goes to the partitions too, so that both expire together.
        let room = COMPACTION_INPUTS_MAX - inputs.len();
        let past = segments.iter().filter(|segment| {
            let record = segment.record();
            record.level == 0 && record.replaced && record.file.last_sequence <= last
        });
        let mut inputs = inputs;
        inputs.extend(past.take(room).map(|segment| Arc::clone(segment)));
        inputs.sort_by_key(|segment| segment.record().rank());
        due.then_some(Job::Merge(inputs))
    }

    /// Segments of one class and partition that belong together.
    fn fold(
        &self,
        segments: &[&Arc<Segment>],
        manifest: &Manifest,
        zeal: Zeal,
        now: Timestamp,
    ) -> Option<Job> {
        let dense = |segment: &&&Arc<Segment>| {
            let record = segment.record();
            let is_raw = !record.replaced && record.tier == Tier::Raw;
            // What is held keeps its place in the order in which it came.
            record.level > 0 && is_raw && !self.is_held(record)
        };
        let dense: Vec<&Arc<Segment>> = segments.iter().filter(dense).copied().collect();
        let shelf = |record: &SegmentRecord| {
            (record.class.clone(), self.partitions.of(&record.class, record.first_ns))
        };
        let mut shelves: Vec<_> = dense.iter().map(|segment| shelf(segment.record())).collect();
        shelves.sort();
        shelves.dedup();
        shelves.into_iter().find_map(|own| {
            let of_shelf = dense.iter().filter(|segment| shelf(segment.record()) == own);
            let of_shelf: Vec<Arc<Segment>> = of_shelf.map(|segment| Arc::clone(segment)).collect();
            let over = self
                .partitions
                .end(&own.0, own.1)
                .is_some_and(|end| end < now.nanos() && self.clock_is_sound(now));
            let bytes: u64 = of_shelf.iter().map(|segment| segment.record().file.bytes).sum();
            if of_shelf.len() > 1 && bytes <= COMPACTION_BYTES_MAX {
                let closed = over && of_shelf.len() >= FOLD_SEGMENTS / 2;
                if zeal == Zeal::Everything || closed {
                    return Some(Job::Merge(of_shelf));
                }
                let run = newest_of_a_size(&of_shelf);
                if run.len() >= FOLD_SEGMENTS {
                    return Some(Job::Merge(run));
                }
            }
            let stale = of_shelf.iter().filter(|_| zeal == Zeal::Everything).find(|segment| {
                manifest.deletions.iter().any(|deletion| {
                    let record = segment.record();
                    record.applied < deletion.sequence
                        && record.file.first_sequence < deletion.sequence
                        && record.range().overlaps(&deletion.range)
                        && deletion.tags.iter().any(|tag| segment.tag_set().contains(tag.0))
                })
            });
            stale.map(|segment| Job::Merge(vec![Arc::clone(segment)]))
        })
    }

    /// A partition whose samples, or statistics, are too old for what they are. It goes as a whole:
    /// a part of it could be what another part replaced.
    fn expire(&self, segments: &[&Arc<Segment>], now: Timestamp) -> Option<Job> {
        if !self.clock_is_sound(now) {
            return None;
        }
        let dense = segments.iter().filter(|segment| segment.record().level > 0);
        let mut shelves: BTreeMap<(&str, i64), Vec<Arc<Segment>>> = BTreeMap::new();
        for segment in dense {
            let record = segment.record();
            let partition = self.partitions.of(&record.class, record.first_ns);
            shelves.entry((&record.class, partition)).or_default().push(Arc::clone(segment));
        }
        shelves.into_iter().find_map(|((class, _), shelf)| {
            if shelf.iter().any(|segment| self.is_held(segment.record())) {
                return None;
            }
            let last_ns = shelf.iter().map(|segment| segment.record().last_ns).max()?;
            let Some(tier) = self.partitions.tier(class, last_ns, now) else {
                return Some(Job::Drop(shelf));
            };
            let older = shelf.into_iter().filter(|segment| segment.record().tier < tier);
            let (raw, summed): (Vec<_>, Vec<_>) =
                older.partition(|segment| segment.record().tier == Tier::Raw);
            let (past, raw): (Vec<_>, Vec<_>) =
                raw.into_iter().partition(|segment| segment.record().replaced);
            if raw.iter().any(|own| Self::is_overlaid(own, segments)) {
                return self.gather(segments, Zeal::Everything);
            }
            if !raw.is_empty() || !past.is_empty() {
                return Some(Job::Summarise(raw, past, tier));
            }
            summed.into_iter().next().map(|one| Job::Summarise(vec![one], Vec::new(), tier))
        })
    }

    /// Whether what came later and lies elsewhere may replace samples of a segment.
    fn is_overlaid(own: &Segment, segments: &[&Arc<Segment>]) -> bool {
        segments.iter().any(|other| {
            let record = other.record();
            record.level == 0 && !record.replaced && record.range().overlaps(&own.record().range())
        })
    }

    /// A rewriting needs room for its outputs beside its inputs.
    fn check_space(&self, inputs: &[Arc<Segment>]) -> Result<(), Error> {
        let needed: u64 = inputs.iter().map(|input| input.record().file.bytes).sum();
        let free = self.parts.disk.free_bytes();
        let free = free.map_err(|source| Error::io("ask for free space of", "the disk", source))?;
        if free < needed.saturating_add(self.reserve_bytes) {
            let what = format!("compaction waits: it needs {needed} bytes, {free} are free");
            let hint = "free space on the disk of the data directory; upkeep resumes by itself";
            return Err(Error::new(ErrorKind::Full, what, hint));
        }
        Ok(())
    }

    /// Publishes a manifest with the outputs in place of the inputs, shows them, and lets the
    /// inputs' files go with their last reader.
    fn replace(
        &self,
        inputs: &[Arc<Segment>],
        outputs: &[Arc<Segment>],
        history: u64,
    ) -> Result<(), Error> {
        let mut keeper = self.lock_keeper();
        self.check_poison()?;
        let gone = |number: u64| inputs.iter().any(|own| own.record().file.number == number);
        let mut manifest = keeper.next_manifest();
        manifest.segments.retain(|own| !gone(own.file.number));
        manifest.segments.extend(outputs.iter().map(|output| output.record().clone()));
        manifest.sort();
        manifest.next_number = self.numbers.load(Ordering::Relaxed);
        // A seal meanwhile may have left out what was replaced up to it already.
        manifest.history = manifest.history.max(history);
        drop_settled(&mut manifest);
        manifest.publish(&*self.parts.disk)?;
        let deletions = manifest.deletions.clone();
        keeper.manifest = manifest;
        {
            let _writer = self.lock_writer();
            let version = self.shared.version.load_full();
            let old = version.segments.iter().filter(|own| !gone(own.record().file.number));
            let mut segments: Vec<_> = old.chain(outputs).map(Arc::clone).collect();
            segments.sort_by_key(|segment| segment.record().rank());
            // Deletions that came meanwhile are in the version and not in the manifest yet.
            let later = version.deletions.iter().filter(|own| own.sequence > version.checkpoint);
            let mut all = deletions;
            all.extend(later.cloned());
            all.dedup_by_key(|own| own.sequence);
            self.shared.version.store(Arc::new(Version {
                segments,
                deletions: Arc::new(all),
                ..version.share()
            }));
        }
        inputs.iter().for_each(|input| input.doom(&self.pins));
        Ok(())
    }
}

/// The newest segments, with older ones as long as these are not much larger.
fn newest_of_a_size(segments: &[Arc<Segment>]) -> Vec<Arc<Segment>> {
    let mut run: Vec<Arc<Segment>> = Vec::new();
    let mut bytes = 0;
    for segment in segments.iter().rev() {
        let own = segment.record().file.bytes;
        if !run.is_empty() && own > bytes * FOLD_PART {
            break;
        }
        bytes += own;
        run.push(Arc::clone(segment));
    }
    run.reverse();
    run
}

/// What was replaced or deleted before anyone may look back. The rows are older than the deletion
/// that put them away, and seen until it.
fn forget(segments: &[&Arc<Segment>], history: u64) -> Option<Job> {
    let past = segments.iter().filter(|segment| {
        let record = segment.record();
        record.replaced && record.file.last_sequence.max(record.applied) <= history
    });
    let past: Vec<Arc<Segment>> = past.map(|segment| Arc::clone(segment)).collect();
    (!past.is_empty()).then_some(Job::Drop(past))
}

/// Drops deletions that every segment has applied, where nobody may look back behind them. What was
/// put away for those who look back is still there, and hidden by nothing else.
fn drop_settled(manifest: &mut Manifest) {
    let Manifest { deletions, segments, history, .. } = manifest;
    deletions.retain(|deletion| {
        deletion.sequence > *history
            || segments.iter().any(|segment| {
                segment.file.first_sequence < deletion.sequence
                    && (segment.replaced || segment.applied < deletion.sequence)
                    && segment.range().overlaps(&deletion.range)
            })
    });
}
