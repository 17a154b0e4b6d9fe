//! The subgroups of a plan, as they are read from the store.
//!
//! ```text
//! tag ─ cursor ─┐
//! sizes, others ┼─ held at each sample ─▶ Observation ─▶ Grouper ─▶ Subgroup
//! trigger ──────┘
//! ```
//! A count's size, the other variables of T² and the trigger are as they were last said at or
//! before each sample of the tag; what was said last must be good.
//!
//! *Invariant.* A sample that is not good, or not a number, is left out and counted. What is not
//! asked for is not read, but for the sample that completes the last subgroup.

use std::sync::Arc;

use datafusion::error::Result;
use tacitus_model::{Kind, Tag};
use tacitus_storage::Snapshot;

use super::producer::stored;
use super::selection::one;
use super::series::{Cursor, TagSamples};
use crate::aggregate::{Class, Point};
use crate::error::{QueryError, SqlState};
use crate::spc::{ChartKind, End, Exclusion, Grouper, Observation, Plan, Subgroup};

/// Samples that a piece of work looks at. LIMIT: a tenth of a millisecond; a poll does some dozen.
const SAMPLES_AT_ONCE: usize = 1024;
/// Changes of a trigger that are looked at for whether the last batch is over. LIMIT: a trigger that
/// says the same so often is taken to last.
const TRIGGER_SAMPLES_MAX: usize = 65_536;

/// The tags of a plan, as a snapshot has them.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    snapshot: Snapshot,
    kind: ChartKind,
    tags: Vec<Arc<Tag>>,
    size_tag: Option<Arc<Tag>>,
    trigger: Option<Arc<Tag>>,
    /// Of how many units a count is, where no tag says.
    size: f64,
}

impl Sources {
    /// Finds the tags of a plan.
    pub(super) fn of(snapshot: &Snapshot, plan: &Plan) -> Result<Self> {
        let numeric = |path: &String| {
            let tag = one(snapshot, path)?;
            if tag.definition.kind == Kind::Text {
                let what = format!("tag \"{path}\" is of texts, which cannot be charted");
                let error = QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what);
                return Err(error.with_hint("name a tag of numbers in the plan").into());
            }
            Ok(tag)
        };
        let tags: Result<Vec<Arc<Tag>>> = plan.tags.iter().map(numeric).collect();
        let size_tag = plan.size_tag.as_ref().map(numeric).transpose()?;
        let trigger = plan.trigger.as_ref().map(|path| one(snapshot, path)).transpose()?;
        let (snapshot, kind, size) = (snapshot.clone(), plan.recipe.kind, plan.size);
        Ok(Self { snapshot, kind, tags: tags?, size_tag, trigger, size })
    }

    /// The tags whose samples are charted.
    pub(super) fn tags(&self) -> &[Arc<Tag>] {
        &self.tags
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    fn samples(&self, tag: &Arc<Tag>) -> TagSamples {
        TagSamples::new(self.snapshot.clone(), Arc::clone(tag))
    }
}

/// What another tag said last.
#[derive(Debug)]
struct Held {
    cursor: Cursor,
    now: Option<Point>,
}

impl Held {
    fn new(samples: &TagSamples, start: i64) -> Result<Self> {
        let now = samples.last(start, &|_| true).map_err(stored)?;
        Ok(Self { cursor: Cursor::new(samples.scan(start, i64::MAX)), now })
    }

    /// The number at a time, if it is good.
    fn at(&mut self, ts: i64) -> Result<Option<f64>> {
        while let Some(point) = self.cursor.peek().map_err(stored)?.filter(|own| own.ts <= ts) {
            self.now = Some(point);
            self.cursor.pass();
        }
        Ok(self.now.filter(|own| own.class() == Class::Good).map(|own| own.number))
    }
}

/// The batches that a trigger tells.
#[derive(Debug)]
struct Batches {
    cursor: Cursor,
    /// What it says, as bits, and since when.
    now: Option<(u64, i64)>,
}

impl Batches {
    fn new(samples: &TagSamples, start: i64) -> Result<Self> {
        let good = |point: &Point| point.class() == Class::Good;
        let before = samples.last(start, &good).map_err(stored)?;
        // Since when is not known, and not needed: it is before all that is read.
        let now = before.map(|own| (own.number.to_bits(), i64::MIN));
        Ok(Self { cursor: Cursor::new(samples.scan(start, i64::MAX)), now })
    }

    /// Since when the batch of a time lasts.
    fn at(&mut self, ts: i64) -> Result<i64> {
        while let Some(point) = self.cursor.peek().map_err(stored)?.filter(|own| own.ts <= ts) {
            self.cursor.pass();
            self.tell(&point);
        }
        Ok(self.now.map_or(i64::MIN, |(_, since)| since))
    }

    /// Takes what it says; whether that is another batch.
    fn tell(&mut self, point: &Point) -> bool {
        let bits = point.number.to_bits();
        let other = point.class() == Class::Good && self.now.is_none_or(|(own, _)| own != bits);
        if other {
            self.now = Some((bits, point.ts));
        }
        other
    }

    /// Whether it says another batch later.
    fn is_over(&mut self) -> Result<bool> {
        for _ in 0..TRIGGER_SAMPLES_MAX {
            let Some(point) = self.cursor.peek().map_err(stored)? else { return Ok(false) };
            self.cursor.pass();
            if self.tell(&point) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Which subgroups are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// From where samples are read.
    pub(super) start: i64,
    /// Before when the last sample of a subgroup is.
    pub(super) to: i64,
    /// From when on other limits hold.
    pub(super) cut: i64,
}

/// The subgroups of a span, piece by piece.
pub(super) struct Groups {
    main: Cursor,
    others: Vec<Held>,
    size: Option<Held>,
    batches: Option<Batches>,
    kind: ChartKind,
    usual_size: f64,
    pub(super) grouper: Grouper,
    exclusions: Arc<[Exclusion]>,
    span: Span,
    /// The values of one moment.
    row: Vec<f64>,
    over: bool,
}

impl Groups {
    /// Begins to read.
    pub(super) fn open(
        sources: &Sources,
        grouper: Grouper,
        exclusions: Arc<[Exclusion]>,
        span: Span,
    ) -> Result<Self> {
        let held = |tag: &Arc<Tag>| Held::new(&sources.samples(tag), span.start);
        let Some(first) = sources.tags.first() else {
            return datafusion::common::internal_err!("a plan has no tag");
        };
        let last = span.cut.saturating_sub(1).max(span.start);
        let trigger = sources.trigger.as_ref();
        let batches = trigger.map(|tag| Batches::new(&sources.samples(tag), span.start));
        Ok(Self {
            main: Cursor::new(sources.samples(first).scan(span.start, last)),
            others: sources.tags.iter().skip(1).map(held).collect::<Result<_>>()?,
            size: sources.size_tag.as_ref().map(held).transpose()?,
            batches: batches.transpose()?,
            kind: sources.kind,
            usual_size: sources.size,
            grouper,
            exclusions,
            span,
            row: Vec::with_capacity(sources.tags.len()),
            over: span.start >= span.cut,
        })
    }

    /// Gives some more subgroups; false when there are no more.
    pub(super) fn piece(&mut self, out: &mut Vec<Subgroup>) -> Result<bool> {
        for _ in 0..SAMPLES_AT_ONCE {
            if self.over {
                return Ok(false);
            }
            self.step(out)?;
        }
        Ok(true)
    }

    fn step(&mut self, out: &mut Vec<Subgroup>) -> Result<()> {
        let Some(point) = self.main.peek().map_err(stored)? else {
            let end = self.end()?;
            let last = self.grouper.finish(end);
            self.give(last, out);
            return Ok(());
        };
        let beyond = point.ts >= self.span.to;
        if beyond && !self.grouper.waits() {
            self.grouper.finish(End::Known { to: self.span.to, batch_is_over: false });
            self.over = true;
            return Ok(());
        }
        self.main.pass();
        let batch = self.batches.as_mut().map_or(Ok(0), |own| own.at(point.ts))?;
        let Some(observed) = self.observe(&point)? else {
            if !beyond {
                self.grouper.leave_out(point.ts, batch);
            }
            return Ok(());
        };
        let made = match observed {
            Observed::Value(value) => self.grouper.take(point.ts, batch, Observation::Value(value)),
            Observed::Count(count, size) => {
                self.grouper.take(point.ts, batch, Observation::Count { count, size })
            }
            Observed::Row => self.grouper.take(point.ts, batch, Observation::Vector(&self.row)),
        };
        for group in made {
            self.give(group, out);
        }
        self.over |= beyond;
        Ok(())
    }

    fn end(&mut self) -> Result<End> {
        self.over = true;
        if self.span.cut <= self.span.to && self.span.cut < i64::MAX {
            return Ok(End::Cut);
        }
        let batch_is_over = self.batches.as_mut().map_or(Ok(false), Batches::is_over)?;
        Ok(End::Known { to: self.span.to, batch_is_over })
    }

    fn give(&self, group: Option<Subgroup>, out: &mut Vec<Subgroup>) {
        let Some(mut group) = group.filter(|group| group.end < self.span.to) else { return };
        group.excluded = Plan::excludes(&self.exclusions, group.start, group.end);
        out.push(group);
    }

    /// What a sample says, if it is good for something.
    fn observe(&mut self, point: &Point) -> Result<Option<Observed>> {
        // What others say is gone through in any case: they go forward only.
        self.row.clear();
        self.row.push(point.number);
        let mut complete = point.class() == Class::Good;
        for held in &mut self.others {
            match held.at(point.ts)? {
                Some(number) => self.row.push(number),
                None => complete = false,
            }
        }
        let size = match &mut self.size {
            Some(held) => held.at(point.ts)?,
            None => Some(self.usual_size),
        };
        if !complete {
            return Ok(None);
        }
        if self.kind == ChartKind::TSquared {
            return Ok(Some(Observed::Row));
        }
        if !self.kind.is_of_counts() {
            return Ok(Some(Observed::Value(point.number)));
        }
        let (count, size) = (point.number, size.unwrap_or_default());
        let share = matches!(self.kind, ChartKind::P | ChartKind::Np | ChartKind::LaneyP);
        let possible = count >= 0.0 && size > 0.0 && !(share && count > size);
        Ok(possible.then_some(Observed::Count(count, size)))
    }
}

/// What a sample says.
enum Observed {
    Value(f64),
    Count(f64, f64),
    /// The values of one moment.
    Row,
}
