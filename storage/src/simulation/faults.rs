//! What goes wrong: power, disk, space, bits, clocks; and the way back.
//!
//! *Invariant.* After every fault there is a start at which the store opens and has what it has to
//! have; a flipped bit is put back once everybody has looked at it.

use std::sync::Arc;

use tacitus_model::TagId;

use crate::disk::{Disk, SimDisk, SimFaults, Survival};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::naming::Naming;
use crate::repair::{RepairOptions, repair};
use crate::simulation::book::{DAY_NS, Expiry, HOUR_NS, Rows, SLACK_NS};
use crate::simulation::checks::{self, Unread};
use crate::simulation::world::{World, changeable};
use crate::verify::verify;

impl World {
    /// Something will go wrong soon.
    pub(super) fn strike(&mut self) {
        self.counts.faults += 1;
        let ahead = self.dice.below(40) + 1;
        let operation = Some(self.disk.operations() + ahead);
        let faults = match self.dice.below(5) {
            0 => SimFaults { dies_at: operation, ..SimFaults::default() },
            1 => SimFaults { sync_fails_at: operation, ..SimFaults::default() },
            2 => SimFaults { fails_once_at: operation, ..SimFaults::default() },
            3 => {
                let bytes = self.disk.used_bytes().unwrap_or_default();
                let bytes_max = Some(bytes + self.dice.below(60_000));
                SimFaults { bytes_max, ..SimFaults::default() }
            }
            _ => {
                let read = Some(self.disk.reads() + self.dice.below(200) + 1);
                SimFaults { read_fails_once_at: read, ..SimFaults::default() }
            }
        };
        self.note(&format!("strike {faults:?}"));
        self.arm(faults);
    }

    /// The fault is over: writing goes on by itself, or after a start.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        let died = self.faults.dies_at.is_some();
        let failed = self.engine().status().poisoned;
        self.arm(SimFaults::default());
        self.note("heal");
        if died || failed || self.dice.one_in(4) {
            return if died || self.dice.one_in(2) { self.cut() } else { self.restart() };
        }
        self.clock.advance(1_000_000_000);
        for _ in 0..30 {
            self.engine().step().map_err(|error| format!("a step after healing: {error}"))?;
        }
        self.send()
    }

    /// Power fails: of what was not synced, anything survives.
    pub(super) fn cut(&mut self) -> Result<(), String> {
        self.counts.cuts += 1;
        self.engine = None;
        let (lost, kept) = (self.dice.below(4), self.dice.below(4) + 1);
        let dice = &self.dice;
        let survivor = self.disk.crash(|_| match dice.below(lost + kept + 1) {
            0 => Survival::Torn(dice.index(512)),
            at if at <= lost => Survival::Lost,
            _ => Survival::Kept,
        });
        self.note("cut");
        self.disk = survivor;
        self.start()
    }

    /// The process ends and is started again; what the system has in memory stays, or was thrown
    /// out.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        self.counts.restarts += 1;
        self.engine = None;
        let evicted = self.dice.one_in(2);
        if evicted {
            self.disk.evict();
        }
        self.note(&format!("restart, evicted: {evicted}"));
        self.start()
    }

    /// Starts, sometimes through more faults; in the end the store opens.
    fn start(&mut self) -> Result<(), String> {
        self.arm(SimFaults::default());
        if self.dice.one_in(3) {
            self.settings = changeable(&self.dice, &self.settings);
            self.note(&format!("{:?}", self.settings.clone()));
        }
        if self.dice.one_in(4) {
            self.clock.advance(self.dice.between(0, DAY_NS / 4));
        }
        if self.dice.one_in(4) {
            self.strike();
            let opened = Engine::open(self.parts(), self.settings.clone());
            let refused = opened.as_ref().err().map(ToString::to_string);
            self.note(&format!("  opening: {refused:?}"));
            if opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corrupt) {
                return Err(format!("damage after a fault: {refused:?}"));
            }
            drop(opened);
            let died = self.faults.dies_at.is_some();
            self.arm(SimFaults::default());
            return if died { self.cut() } else { self.restart() };
        }
        self.open()
    }

    /// Opens the store and finds out what became of open writes.
    pub(super) fn open(&mut self) -> Result<(), String> {
        let opened = Engine::open(self.parts(), self.settings.clone());
        let engine = opened.map_err(|error| format!("the store does not open: {error}"))?;
        let sequence = engine.snapshot().sequence();
        self.names.settle(&engine.snapshot())?;
        self.engine = Some(Arc::new(engine));
        self.hold_again();
        let acknowledged = self.book.pasts.last().map_or(0, |past| past.sequence);
        if sequence < acknowledged {
            return Err(format!("it opens at {sequence}, {acknowledged} was acknowledged"));
        }
        self.resolve().map_err(|what| format!("after a start: {what}"))?;
        let entries = self.engine().audit().len();
        if !(self.changes.0..=self.changes.1).contains(&entries) {
            return Err(format!("{entries} changes on record, not {:?}", self.changes));
        }
        self.changes = (entries, entries);
        let tags = self.names.committed.tags.len();
        for writer in &mut self.writers {
            // A tag that was never committed is defined anew, with another id.
            let known = |tag: &TagId| usize::try_from(tag.0).unwrap() <= tags;
            writer.take_if(|batch| !batch.tags().iter().all(known));
        }
        self.note(&format!("  open at {sequence}, {tags} tags"));
        Ok(())
    }

    /// Time passes, mostly little.
    pub(super) fn pass_time(&mut self) -> Result<(), String> {
        let by_ns = match self.dice.below(12) {
            0 => self.dice.between(DAY_NS, 3 * DAY_NS),
            1 | 2 => self.dice.between(0, DAY_NS),
            3 | 4 => self.dice.between(0, HOUR_NS),
            _ => self.dice.between(0, 120_000_000_000),
        };
        self.clock.advance(by_ns);
        self.note(&format!("{by_ns} ns pass"));
        self.believe()
    }

    /// The time of day jumps, or is set right.
    pub(super) fn jump(&mut self) -> Result<(), String> {
        self.counts.jumps += 1;
        let now = self.clock.truth_ns();
        let offset = match self.dice.below(6) {
            0 => 3650 * DAY_NS,
            1 => -now + self.dice.between(0, DAY_NS),
            2 => *self.dice.pick(&[-4 * DAY_NS, 4 * DAY_NS]),
            3 => self.dice.between(-SLACK_NS, SLACK_NS),
            _ => 0,
        };
        self.clock.set_offset(offset);
        self.note(&format!("the clock is off by {offset}"));
        self.believe()
    }

    /// Somebody confirms a clock that is right and not believed.
    fn believe(&mut self) -> Result<(), String> {
        let engine = self.engine();
        let is_right = self.clock.offset_ns().abs() <= SLACK_NS;
        if is_right && engine.retention_now().is_none() && self.dice.one_in(2) {
            self.note("confirm the clock");
            engine.confirm_clock().or_else(|error| self.refused(&error))?;
        }
        Ok(())
    }

    /// A bit of a file flips: nobody reads a wrong value, and a check says where.
    pub(super) fn flip(&mut self) -> Result<(), String> {
        let names = self.disk.list().map_err(|error| error.to_string())?;
        let immutable = |name: &&String| {
            Naming::segment_number(name).is_some()
                || Naming::catalog_number(name).is_some()
                || Naming::audit_number(name).is_some()
                || Naming::manifest_number(name).is_some()
        };
        let files: Vec<&String> = names.iter().filter(immutable).collect();
        if files.is_empty() || self.in_trouble() || self.engine().status().poisoned {
            return Ok(());
        }
        self.counts.flips += 1;
        let name = (*self.dice.pick(&files)).clone();
        let size = self.disk.open(&name).and_then(|file| file.size()).unwrap_or(1);
        let at = usize::try_from(self.dice.below(size)).unwrap();
        let bit = u8::try_from(self.dice.below(8)).unwrap();
        self.note(&format!("flip {name}, byte {at}, bit {bit}"));
        self.disk.flip(&name, at, bit);
        let outcome = self.look_at_damage(Naming::manifest_number(&name).is_some());
        self.disk.flip(&name, at, bit);
        outcome.map_err(|what| format!("{name}, byte {at}, bit {bit}: {what}"))
    }

    fn look_at_damage(&mut self, is_manifest: bool) -> Result<(), String> {
        let (expiry, wanted) = (self.expiry(), self.book.sure().clone());
        let damages = verify(&self.disk.fork()).map_err(|error| error.to_string())?.damages;
        self.note(&format!("  {} damages", damages.len()));
        let mut fails = read_or_refuse(&self.engine(), &expiry, &wanted)?;
        let fork = self.disk.fork();
        match self.open_fork(&fork) {
            Ok(engine) => {
                fails |= read_or_refuse(&engine, &expiry, &wanted)?;
                if let Err(error) = engine.compact()
                    && error.kind() != ErrorKind::Corrupt
                {
                    return Err(format!("a compaction of damage: {error}"));
                }
                read_or_refuse(&engine, &expiry, &wanted)?;
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => fails = true,
            Err(error) => return Err(format!("opening says {error}")),
        }
        if fails && damages.is_empty() {
            return Err("it cannot be read, yet a check finds it sound".into());
        }
        if damages.is_empty() {
            return Ok(());
        }
        let fork = self.disk.fork();
        let disk: Arc<dyn Disk> = Arc::new(fork.clone());
        let options = RepairOptions { salvage: true, log_file_bytes: 4096 };
        let repaired = match repair(&disk, options) {
            Ok(repaired) => repaired,
            // What the manifest alone knew cannot always be told from the files.
            Err(error) if is_manifest && error.kind() == ErrorKind::Corrupt => return Ok(()),
            Err(error) => return Err(format!("no repair: {error}")),
        };
        if !repaired.after.damages.is_empty() {
            return Err(format!("after a repair: {:?}", repaired.after.damages));
        }
        let engine = self.open_fork(&fork).map_err(|error| format!("after a repair: {error}"))?;
        // What was lost may have hidden something older.
        match checks::rows_of(&engine.snapshot()) {
            Ok(_) => Ok(()),
            Err(unread) => Err(format!("a repaired store says {unread:?}")),
        }
    }

    fn open_fork(&self, fork: &SimDisk) -> Result<Engine, Error> {
        let parts = crate::engine::Parts { disk: Arc::new(fork.clone()), ..self.parts() };
        Engine::open(parts, self.settings.clone())
    }
}

/// Reads every tag: it is as it has to be, or it is refused; whether any was.
fn read_or_refuse(engine: &Engine, expiry: &Expiry, wanted: &Rows) -> Result<bool, String> {
    let mut fails = false;
    let snapshot = engine.snapshot();
    for tag in snapshot.tags() {
        let mut found = Rows::new();
        match checks::rows_of_tag(&snapshot, tag.id, &mut found) {
            Ok(()) => {
                let own = wanted.range((tag.id.0, i64::MIN)..=(tag.id.0, i64::MAX));
                let own = own.map(|(key, row)| (*key, row.clone())).collect();
                expiry.agree(&found, &own)?;
            }
            Err(Unread::Refused(error)) if error.kind() == ErrorKind::Corrupt => fails = true,
            Err(Unread::Refused(error)) => return Err(format!("reading says {error}")),
            Err(Unread::Wrong(what)) => return Err(what),
        }
    }
    Ok(fails)
}
