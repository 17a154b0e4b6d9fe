//! The conditions of a machine, read from its state tag.
//!
//! ```text
//!            from                    to
//! ───┬────────┼───────────────────────┼──────┬──
//!    └ the stop that lasts at `from`         └ the end of the one that lasts at `to`
//!      is read from its start                  is looked for
//! ```
//! *Invariant.* A bad sample, and one without a value, says that nobody knows. Both ends of a stop
//! are looked for, so that it has its whole length, but no further than [`LOOK_NS`].

use std::sync::Arc;

use datafusion::error::Result;
use tacitus_model::Kind;
use tacitus_storage::{Block, TagScan};

use super::super::producer::stored;
use super::super::series::TagSamples;
use super::too_much;
use crate::limits::CONDITION_CHANGES_MAX;
use crate::limits::STOP_CAUSES_MAX;
use crate::oee::{Causes, Condition, OeeModel, Reading, StopClass, Timeline};

/// How far the ends of a stop are looked for. LIMIT: a month of samples is read at most; no micro
/// stop is so long.
pub(super) const LOOK_NS: i64 = 31 * 86_400 * 1_000_000_000;

/// A state tag on its way to a timeline.
pub(super) struct States {
    samples: TagSamples,
    model: Arc<OeeModel>,
    to: i64,
    scan: TagScan,
    timeline: Timeline<Condition>,
    causes: Causes,
    /// The last value, and what it means.
    known: Option<(Raw, Condition)>,
    /// The time of the last sample.
    last: Option<i64>,
    /// Whether the end of a stop was found.
    is_over: bool,
}

/// What tells a value from another.
#[derive(Debug, Clone, PartialEq)]
struct Raw {
    bits: u64,
    text: Option<Arc<str>>,
}

/// What was read.
pub(super) struct Told {
    pub(super) timeline: Timeline<Condition>,
    pub(super) causes: Causes,
    /// The time of the last sample read.
    pub(super) last: Option<i64>,
}

impl States {
    /// The conditions between two times.
    pub(super) fn open(
        samples: TagSamples,
        model: Arc<OeeModel>,
        (from, to): (i64, i64),
    ) -> Result<Self> {
        let scan = samples.scan(from, from);
        let mut states = Self {
            samples,
            model,
            to,
            scan,
            timeline: Timeline::default(),
            causes: Causes::default(),
            known: None,
            last: None,
            is_over: false,
        };
        let start = states.start(from)?;
        states.scan = states.samples.scan(start, to.saturating_add(LOOK_NS));
        Ok(states)
    }

    /// From when on is read: the last sample before, or before the stop that it is part of.
    fn start(&mut self, from: i64) -> Result<i64> {
        let any = |_: &crate::aggregate::Point| true;
        let Some(before) = self.samples.last(from, &any).map_err(stored)? else {
            return Ok(from);
        };
        let mut class = None;
        for block in self.samples.scan(before.ts, before.ts) {
            class = self.condition(&block.map_err(stored)?, 0)?.stop();
        }
        let Some(class) = class else { return Ok(before.ts) };
        let bound = from.saturating_sub(LOOK_NS);
        Ok(self.other(before.ts, class, bound)?.unwrap_or_else(|| bound.min(before.ts)))
    }

    /// The last sample before a time that is no stop of a class.
    fn other(&mut self, before: i64, class: StopClass, bound: i64) -> Result<Option<i64>> {
        const FIRST_WIDTH_NS: i64 = 1_000_000_000;
        const WIDER: i64 = 16;
        let first = self.samples.extent().map_or(before, |(first, _)| first).max(bound);
        let (mut end, mut width_ns) = (before.saturating_sub(1), FIRST_WIDTH_NS);
        while end >= first {
            let begin = end.saturating_sub(width_ns).max(first);
            let mut found = None;
            for block in self.samples.scan(begin, end) {
                let block = block.map_err(stored)?;
                for (row, at) in block.times.iter().enumerate() {
                    if self.condition(&block, row)?.stop() != Some(class) {
                        found = Some(*at);
                    }
                }
            }
            if found.is_some() {
                return Ok(found);
            }
            end = begin.saturating_sub(1);
            width_ns = width_ns.saturating_mul(WIDER);
        }
        Ok(None)
    }

    /// Does a piece of work; whether there is more.
    pub(super) fn step(&mut self) -> Result<bool> {
        if self.is_over {
            return Ok(false);
        }
        let Some(block) = self.scan.next() else {
            self.go_stale(None);
            self.is_over = true;
            return Ok(false);
        };
        let block = block.map_err(stored)?;
        for (row, at) in block.times.iter().enumerate() {
            self.go_stale(Some(*at));
            let held = self.timeline.last().and_then(|own| own.stop());
            if *at >= self.to && held.is_none() {
                self.is_over = true;
                return Ok(false);
            }
            let condition = self.condition(&block, row)?;
            self.timeline.push(*at, condition);
            self.last = Some(*at);
            if *at >= self.to && condition.stop() != held {
                self.is_over = true;
                return Ok(false);
            }
        }
        if self.timeline.len() > CONDITION_CHANGES_MAX {
            let path = &self.samples.tag.definition.path;
            let what = format!("\"{path}\" changes more than {CONDITION_CHANGES_MAX} times");
            return Err(too_much(what, "ask for a shorter time").into());
        }
        Ok(true)
    }

    /// All of it.
    pub(super) fn finish(self) -> Told {
        Told { timeline: self.timeline, causes: self.causes, last: self.last }
    }

    /// Says that nobody knows, where the last sample is too old at a time, or for ever.
    fn go_stale(&mut self, at: Option<i64>) {
        let stale_after = self.model.state().and_then(|rules| rules.stale_after_ns);
        let (Some(stale_after_ns), Some(last)) = (stale_after, self.last) else { return };
        let stale = last.saturating_add(stale_after_ns);
        if at.is_none_or(|at| stale < at) {
            self.timeline.push(stale, Condition::Unknown);
        }
    }

    /// What a row says.
    fn condition(&mut self, block: &Block, row: usize) -> Result<Condition> {
        let is_known = !block.quality(row).is_bad() && !block.is_null(row);
        let Some(bits) = block.bits.get(row).copied().filter(|_| is_known) else {
            return Ok(Condition::Unknown);
        };
        let text = match block.kind {
            Kind::Text => usize::try_from(bits).ok().and_then(|at| block.texts.get(at)).cloned(),
            _ => None,
        };
        // Of a text, the bits are a place in the block.
        let raw = Raw { bits: if text.is_some() { 0 } else { bits }, text };
        if let Some((known, condition)) = &self.known
            && *known == raw
        {
            return Ok(*condition);
        }
        let condition = self.judge(block.kind, &raw)?;
        self.known = Some((raw, condition));
        Ok(condition)
    }

    fn judge(&mut self, kind: Kind, raw: &Raw) -> Result<Condition> {
        let Some(rules) = self.model.state() else { return Ok(Condition::Unknown) };
        let states = &self.samples.tag.definition.states;
        #[expect(clippy::cast_precision_loss, reason = "documented: nearest float")]
        let (number, text) = match kind {
            Kind::Float => (Some(f64::from_bits(raw.bits)), None),
            Kind::Int => (Some(raw.bits.cast_signed() as f64), None),
            Kind::Bool => {
                (Some(raw.bits as f64), Some(if raw.bits == 0 { "false" } else { "true" }))
            }
            Kind::State => {
                let name = usize::try_from(raw.bits).ok().and_then(|index| states.get(index));
                (Some(raw.bits as f64), name.map(String::as_str))
            }
            Kind::Text => (None, raw.text.as_deref()),
        };
        let judged = rules.judge(&Reading { number, text }, &mut self.causes);
        judged.ok_or_else(|| {
            let path = &self.samples.tag.definition.path;
            let what = format!("\"{path}\" has more than {STOP_CAUSES_MAX} values that are stops");
            too_much(what, "give ranges of its values a reason in the definition").into()
        })
    }
}
