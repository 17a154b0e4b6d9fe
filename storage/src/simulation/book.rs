//! What a plain map says the store must hold, now and at every earlier moment.
//!
//! *Invariant.* There is one state, but while the fate of a write is open: then there is one for
//! each way it may have ended, the oldest first.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tacitus_model::{Batch, Quality, TagId, TimeRange, Timestamp, Value};

pub(super) const HOUR_NS: i64 = 3_600_000_000_000;
pub(super) const DAY_NS: i64 = 24 * HOUR_NS;

/// How long the classes keep samples.
pub(super) const RAW_NS: i64 = 2 * DAY_NS;

/// How wrong a clock that is believed may be in a simulation.
pub(super) const SLACK_NS: i64 = 12 * HOUR_NS;

/// Moments that can be looked back at.
const MOMENTS: usize = 24;

/// Samples by tag and time.
pub(super) type Rows = BTreeMap<(u32, i64), (Value, Quality)>;

/// How long the samples of a tag are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Ever,
    /// Gone after [`RAW_NS`].
    Short,
    /// Statistics of minutes, then of hours, after [`RAW_NS`].
    Chain,
}

impl Class {
    pub(super) const ALL: [Self; 3] = [Self::Ever, Self::Short, Self::Chain];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ever => "",
            Self::Short => "short",
            Self::Chain => "chain",
        }
    }
}

/// Which samples need not be there any more.
#[derive(Debug, Clone)]
pub(super) struct Expiry {
    /// By tag id − 1.
    pub(super) classes: Vec<Class>,
    /// The latest true time so far.
    pub(super) now_ns: i64,
}

impl Expiry {
    pub(super) fn class(&self, tag: u32) -> Class {
        let at = usize::try_from(tag).unwrap().checked_sub(1);
        at.and_then(|at| self.classes.get(at)).copied().unwrap_or(Class::Ever)
    }

    /// From when on every sample of a tag with a retention is there.
    pub(super) fn certain_ns(&self) -> i64 {
        self.now_ns + SLACK_NS - RAW_NS
    }

    fn may_be_gone(&self, tag: u32, ts: i64) -> bool {
        self.class(tag) != Class::Ever && ts < self.certain_ns()
    }

    /// Whether what was found is what had to be, but for what may be gone.
    pub(super) fn agree(&self, found: &Rows, wanted: &Rows) -> Result<(), String> {
        for (key, row) in found {
            match wanted.get(key) {
                Some(own) if own == row => {}
                Some(own) => return Err(format!("{key:?} is {row:?}, not {own:?}")),
                None => return Err(format!("{key:?} has {row:?}, and should not be there")),
            }
        }
        let missing = |(key, _): &(&(u32, i64), _)| {
            !found.contains_key(key) && !self.may_be_gone(key.0, key.1)
        };
        match wanted.iter().find(missing) {
            Some((key, row)) => Err(format!("{key:?}, {row:?}, is missing")),
            None => Ok(()),
        }
    }
}

/// What a write does.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    Put(Batch),
    Hide(Vec<TagId>, TimeRange),
}

impl Effect {
    fn apply(&self, rows: &mut Rows) {
        match self {
            Self::Put(batch) => {
                for (tag, ts, value, quality) in batch.iter() {
                    rows.insert((tag.0, ts.nanos()), (value.clone(), quality));
                }
            }
            Self::Hide(tags, range) => {
                let hidden = |tag: u32, ts: i64| {
                    tags.contains(&TagId(tag)) && range.contains(Timestamp::from_nanos(ts))
                };
                rows.retain(|(tag, ts), _| !hidden(*tag, *ts));
            }
        }
    }

    /// The tags it touches before this time.
    fn touches(&self, before_ns: i64) -> Vec<u32> {
        match self {
            Self::Put(batch) => {
                let rows = batch.iter().filter(|(_, ts, ..)| ts.nanos() < before_ns);
                rows.map(|(tag, ..)| tag.0).collect()
            }
            Self::Hide(tags, range) if range.first.nanos() < before_ns => {
                tags.iter().map(|tag| tag.0).collect()
            }
            Self::Hide(..) => Vec::new(),
        }
    }
}

/// What the store held when a sequence was the last.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) sequence: u64,
    /// When the next one came.
    pub(super) until_ns: i64,
    pub(super) rows: Rc<Rows>,
}

/// The map, and what it was.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) states: Vec<Rc<Rows>>,
    pub(super) pasts: Vec<Past>,
    /// Tags of which samples were written or deleted whose minute may be over already: what their
    /// statistics say is not told by the map any more.
    pub(super) blurred: BTreeSet<u32>,
}

impl Book {
    pub(super) fn new() -> Self {
        let (pasts, blurred) = (Vec::new(), BTreeSet::new());
        Self { states: vec![Rc::default()], pasts, blurred }
    }

    /// The state that is sure.
    pub(super) fn sure(&self) -> &Rc<Rows> {
        &self.states[0]
    }

    /// The states after none, one, two and so on of these.
    pub(super) fn prefixes(&self, effects: &[Effect]) -> Vec<Rc<Rows>> {
        let mut states = vec![Rc::clone(self.sure())];
        for effect in effects {
            let mut rows = states.last().map(|rows| Rows::clone(rows)).unwrap_or_default();
            effect.apply(&mut rows);
            states.push(Rc::new(rows));
        }
        states
    }

    /// Remembers whose old samples were touched.
    pub(super) fn blur(&mut self, effects: &[Effect], now_ns: i64) {
        for effect in effects {
            self.blurred.extend(effect.touches(now_ns - DAY_NS));
        }
    }

    /// The fate of every write is known: this is what the store holds.
    pub(super) fn settle(&mut self, rows: Rc<Rows>, sequence: u64, now_ns: i64, drop_at: usize) {
        if let Some(last) = self.pasts.last_mut() {
            last.until_ns = now_ns;
        }
        if self.pasts.last().is_some_and(|last| last.sequence == sequence) {
            self.pasts.pop();
        } else if self.pasts.len() >= MOMENTS {
            self.pasts.remove(drop_at % (MOMENTS / 2));
        }
        self.pasts.push(Past { sequence, until_ns: i64::MAX, rows: Rc::clone(&rows) });
        self.states = vec![rows];
    }

    /// What the store held at a sequence.
    pub(super) fn at(&self, sequence: u64) -> Option<Rc<Rows>> {
        let at = self.pasts.partition_point(|past| past.sequence <= sequence);
        at.checked_sub(1).map(|at| Rc::clone(&self.pasts[at].rows))
    }
}
