//! A store, those who write to it, and what goes wrong around them.
//!
//! *Invariant.* Whatever the store refuses, it had a reason for: while nothing is wrong with disk
//! and space, every act succeeds.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tacitus_model::Batch;

use crate::chance::SeededChance;
use crate::clock::Clock;
use crate::compaction::Retention;
use crate::disk::{SimDisk, SimFaults};
use crate::engine::{Engine, Parts, Settings};
use crate::error::{Error, ErrorKind, Outcome};
use crate::simulation::book::{Book, Class, DAY_NS, Effect, Expiry, RAW_NS, SLACK_NS};
use crate::simulation::checks::{self, Unread};
use crate::simulation::dice::Dice;
use crate::simulation::follower::Follower;
use crate::simulation::hands::Hands;
use crate::simulation::names::Names;
use crate::simulation::trace::Trace;

/// A world that an act of the store may come back to while it is under way.
pub(super) type Shared = Rc<RefCell<World>>;

/// What was done, for people.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) acts: u64,
    pub(super) meanwhile: u64,
    pub(super) samples: u64,
    pub(super) resends: u64,
    pub(super) cuts: u64,
    pub(super) restarts: u64,
    pub(super) faults: u64,
    pub(super) flips: u64,
    pub(super) jumps: u64,
    pub(super) restores: u64,
    pub(super) checks: u64,
    pub(super) copies: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.acts += other.acts;
        self.meanwhile += other.meanwhile;
        self.samples += other.samples;
        self.resends += other.resends;
        self.cuts += other.cuts;
        self.restarts += other.restarts;
        self.faults += other.faults;
        self.flips += other.flips;
        self.jumps += other.jumps;
        self.restores += other.restores;
        self.checks += other.checks;
        self.copies += other.copies;
    }
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) trace: Trace,
    pub(super) counts: Counts,
    pub(super) clock: Arc<Hands>,
    pub(super) disk: SimDisk,
    pub(super) settings: Settings,
    pub(super) engine: Option<Arc<Engine>>,
    pub(super) book: Book,
    pub(super) names: Names,
    /// What each writer sent and was not told of.
    pub(super) writers: [Option<Batch>; 3],
    pub(super) faults: SimFaults,
    /// Entries of the audit: at least, and at most.
    pub(super) changes: (usize, usize),
    /// What the newest backup may hold; nothing is known of it after one that failed.
    pub(super) backed_up: Option<Rc<super::book::Rows>>,
    /// Who keeps a copy.
    pub(super) follower: Option<Follower>,
    /// Acts that may still come in the middle of the work under way.
    pub(super) others: u32,
    /// What a nested act found wrong.
    pub(super) violation: Option<String>,
}

impl World {
    pub(super) fn begin(seed: u64) -> Result<Self, String> {
        let dice = Dice::new(seed);
        let settings = settings(&dice);
        let mut world = Self {
            trace: Trace::new(),
            counts: Counts::default(),
            clock: Arc::new(Hands::new()),
            disk: SimDisk::new(),
            engine: None,
            book: Book::new(),
            names: Names::default(),
            writers: [const { None }; 3],
            faults: SimFaults::default(),
            changes: (0, 0),
            backed_up: None,
            follower: None,
            others: 0,
            violation: None,
            settings,
            dice,
        };
        world.note(&format!("{:?}", world.settings.clone()));
        world.open()?;
        Ok(world)
    }

    /// One line of what happened, and how the disk stands.
    pub(super) fn note(&mut self, what: &str) {
        let line = format!("{} [{}]", what, self.disk.operations());
        self.trace.note(line);
    }

    pub(super) fn engine(&self) -> Arc<Engine> {
        Arc::clone(self.engine.as_ref().expect("a store is open between acts"))
    }

    pub(super) fn expiry(&self) -> Expiry {
        let classes = self.names.now().tags.iter().map(|tag| tag.class).collect();
        Expiry { classes, now_ns: self.clock.truth_ns() }
    }

    pub(super) fn arm(&mut self, faults: SimFaults) {
        self.faults = faults;
        self.disk.set_faults(faults);
    }

    pub(super) fn in_trouble(&self) -> bool {
        self.faults != SimFaults::default()
    }

    /// A refusal that has a reason; one without is a violation.
    pub(super) fn refused(&mut self, error: &Error) -> Result<(), String> {
        self.note(&format!("  refused: {error}, {:?}", error.outcome()));
        let poisoned = self.engine.as_ref().is_some_and(|engine| engine.status().poisoned);
        match error.kind() {
            // A check takes what it cannot read for damage.
            ErrorKind::Corrupt if self.faults.read_fails_once_at.is_none() => {
                Err(format!("damage on a sound disk: {error}"))
            }
            ErrorKind::Busy => Ok(()),
            _ if self.in_trouble() || poisoned => Ok(()),
            _ => Err(format!("refused without a reason: {error}")),
        }
    }

    pub(super) fn unread(&mut self, unread: Unread) -> Result<(), String> {
        match unread {
            Unread::Refused(error) => self.refused(&error),
            Unread::Wrong(what) => Err(what),
        }
    }

    /// A write was acknowledged.
    pub(super) fn acknowledge(&mut self, effects: &[Effect]) {
        self.book.blur(effects, self.clock.truth_ns());
        let rows = self.book.prefixes(effects).pop().unwrap_or_default();
        let sequence = self.engine().snapshot().sequence();
        let at = self.dice.index(1 << 16);
        self.book.settle(rows, sequence, self.clock.truth_ns(), at);
        self.note(&format!("  acknowledged: {sequence}"));
    }

    /// A write failed; what is known of it is what the error says.
    pub(super) fn failed(&mut self, effects: &[Effect], error: &Error) -> Result<(), String> {
        self.refused(error)?;
        if error.outcome() == Outcome::NotWritten {
            return Ok(());
        }
        self.book.blur(effects, self.clock.truth_ns());
        self.book.states = self.book.prefixes(effects);
        self.names.open = true;
        if effects.iter().any(|effect| matches!(effect, Effect::Hide(..))) {
            self.changes.1 += 1;
        }
        if !self.engine().status().poisoned {
            // The store goes on, so it can be asked.
            self.resolve()?;
        }
        Ok(())
    }

    /// Finds out which of the open states it is.
    pub(super) fn resolve(&mut self) -> Result<(), String> {
        let snapshot = self.engine().snapshot();
        let found = match checks::rows_of(&snapshot) {
            Ok(found) => found,
            Err(unread) => return self.unread(unread),
        };
        let at = checks::check_states(&found, &self.book.states, &self.expiry())?;
        let rows = Rc::clone(&self.book.states[at]);
        let drop_at = self.dice.index(1 << 16);
        self.book.settle(rows, snapshot.sequence(), self.clock.truth_ns(), drop_at);
        Ok(())
    }

    /// Everything that can be read is as it has to be.
    pub(super) fn check(&mut self) -> Result<(), String> {
        self.counts.checks += 1;
        let engine = self.engine();
        if engine.status().poisoned {
            return Ok(());
        }
        let outcome = self.check_reads(&engine);
        self.note(&format!("check: {}", outcome.is_ok()));
        outcome.or_else(|unread| self.unread(unread))?;
        let entries = engine.audit().len();
        if !(self.changes.0..=self.changes.1).contains(&entries) {
            return Err(format!("{entries} changes on record, not {:?}", self.changes));
        }
        Ok(())
    }

    fn check_reads(&self, engine: &Engine) -> Result<(), Unread> {
        let (snapshot, expiry) = (engine.snapshot(), self.expiry());
        let found = checks::rows_of(&snapshot)?;
        checks::check_states(&found, &self.book.states, &expiry)?;
        self.names.check(&snapshot)?;
        if self.book.states.len() == 1 {
            checks::check_tags(&snapshot, &found, &self.book, &expiry, &self.dice)?;
        }
        for _ in 0..2 {
            self.check_past(engine)?;
        }
        Ok(())
    }

    /// A moment that can be looked back at is as it was.
    fn check_past(&self, engine: &Engine) -> Result<(), Unread> {
        if self.book.pasts.is_empty() {
            return Ok(());
        }
        let past = self.dice.pick(&self.book.pasts);
        let age_ns = self.clock.truth_ns().saturating_sub(past.until_ns);
        let promised = age_ns.saturating_add(3 * SLACK_NS) < self.settings.audit_ns;
        match engine.snapshot_as_of(past.sequence) {
            Ok(snapshot) => {
                let found = checks::rows_of(&snapshot)?;
                let agree = self.expiry().agree(&found, &past.rows);
                agree.map_err(|what| format!("as of {}: {what}", past.sequence).into())
            }
            Err(error) if promised => Err(format!("as of {}: {error}", past.sequence).into()),
            Err(_) => Ok(()),
        }
    }

    pub(super) fn parts(&self) -> Parts {
        Parts {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            chance: Arc::new(SeededChance::new(self.dice.bits())),
        }
    }
}

fn settings(dice: &Dice) -> Settings {
    let class = |class: Class, minute_ns, hour_ns| Retention {
        class: class.name().into(),
        raw_ns: Some(RAW_NS),
        minute_ns,
        hour_ns,
    };
    let retention =
        vec![class(Class::Short, Some(0), Some(0)), class(Class::Chain, Some(6 * DAY_NS), None)];
    let settings = Settings {
        audit_ns: *dice.pick(&[0, 3 * DAY_NS, 7 * DAY_NS]),
        reserve_bytes: Some(*dice.pick(&[0, 10_000])),
        scrub_tour_s: 3600,
        retention,
        ..Settings::default()
    };
    changeable(dice, &settings)
}

/// What may be another with every start.
pub(super) fn changeable(dice: &Dice, settings: &Settings) -> Settings {
    Settings {
        log_file_bytes: *dice.pick(&[4096, 8192, 16_384]),
        compact_segments: dice.index(4) + 2,
        seal_after_s: *dice.pick(&[30, 600, 100_000]),
        head_bytes_max: *dice.pick(&[16 << 10, 256 << 20]),
        cache_bytes_max: *dice.pick(&[0, 128 << 20]),
        ..settings.clone()
    }
}
