//! What the store does in the background, and what others do meanwhile.
//!
//! *Invariant.* Background work changes nothing that anyone can see, whatever comes in between.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use tacitus_model::{Batch, Sample, TagId, Timestamp};

use crate::backup::{BackupOptions, RestoreOptions, restore};
use crate::block::{Block, Row};
use crate::disk::{Disk, SimDisk};
use crate::engine::{Engine, Parts};
use crate::error::Error;
use crate::moment::{Moment, watched};
use crate::simulation::book::{Effect, Rows};
use crate::simulation::checks::{self, Unread};
use crate::simulation::world::{Shared, World};

/// Acts of others in the middle of one piece of work.
const OTHERS: u32 = 3;

pub(super) const BACKUPS: &str = "backups";

/// Runs a piece of background work; others act in the middle of it.
fn labour<T>(
    world: &Shared,
    what: &str,
    work: impl FnOnce(&Engine) -> Result<T, Error>,
) -> Result<Option<T>, String> {
    world.borrow_mut().note(what);
    world.borrow_mut().others = OTHERS;
    let engine = world.borrow().engine();
    let watching = Rc::clone(world);
    let done = watched(move |moment| watching.borrow_mut().meanwhile(moment), || work(&engine));
    drop(engine);
    let mut world = world.borrow_mut();
    world.violation.take().map_or(Ok(()), Err)?;
    match done {
        Ok(done) => {
            world.note("  done");
            Ok(Some(done))
        }
        Err(error) => world.refused(&error).map(|()| None),
    }
}

pub(super) fn step(world: &Shared) -> Result<(), String> {
    let times = world.borrow().dice.below(6) + 1;
    for _ in 0..times {
        let progress = labour(world, "step", Engine::step)?;
        world.borrow_mut().note(&format!("  {progress:?}"));
    }
    Ok(())
}

pub(super) fn seal(world: &Shared) -> Result<(), String> {
    labour(world, "seal", Engine::seal).map(drop)
}

pub(super) fn maintain(world: &Shared) -> Result<(), String> {
    let progress = labour(world, "maintain", Engine::maintain)?;
    world.borrow_mut().note(&format!("  {progress:?}"));
    Ok(())
}

pub(super) fn compact(world: &Shared) -> Result<(), String> {
    labour(world, "compact", Engine::compact).map(drop)
}

pub(super) fn rest(world: &Shared) -> Result<(), String> {
    labour(world, "rest", Engine::rest).map(drop)
}

pub(super) fn scrub(world: &Shared) -> Result<(), String> {
    let budget = world.borrow().dice.below(60_000);
    let progress = labour(world, "scrub", |engine| Ok(engine.scrub_step(budget)))?;
    let Some(progress) = progress else { return Ok(()) };
    world.borrow_mut().note(&format!("  {} bytes, {}", progress.bytes, progress.finished));
    let trouble = world.borrow().in_trouble();
    if !progress.damages.is_empty() && !trouble {
        return Err(format!("the scrub finds {:?}", progress.damages));
    }
    Ok(())
}

/// Sorted rows straight into segments; others write while they are read.
pub(super) fn import(world: &Shared) -> Result<(), String> {
    if !world.borrow_mut().write_names()? {
        return Ok(());
    }
    let (blocks, effect) = world.borrow().sorted_rows();
    if blocks.is_empty() {
        return Ok(());
    }
    let feeding = Rc::clone(world);
    let rows = blocks.into_iter().map(move |own| {
        feeding.borrow_mut().meanwhile(Moment::Seal);
        Ok(own)
    });
    world.borrow_mut().note("import");
    world.borrow_mut().others = OTHERS;
    let engine = world.borrow().engine();
    let done = engine.import(rows);
    drop(engine);
    let mut world = world.borrow_mut();
    world.violation.take().map_or(Ok(()), Err)?;
    match done {
        Ok(_) => {
            world.acknowledge(&[effect]);
            Ok(())
        }
        Err(error) => world.failed(&[effect], &error),
    }
}

/// A backup; often it is restored and looked at.
pub(super) fn backup(world: &Shared) -> Result<(), String> {
    let (folder, options) = {
        let world = world.borrow();
        let options =
            BackupOptions { links: world.dice.one_in(2), generations: world.dice.index(3) + 1 };
        (world.disk.folder(BACKUPS), options)
    };
    let report = labour(world, "backup", |engine| engine.backup(&folder, options))?;
    let mut world = world.borrow_mut();
    let Some(report) = report else {
        world.backed_up = None;
        return Ok(());
    };
    world.note(&format!("  {report:?}"));
    world.backed_up = world.book.at(report.sequence);
    if world.dice.one_in(2) { world.check_backup() } else { Ok(()) }
}

impl World {
    /// The newest backup, restored, holds what the store held when it began.
    pub(super) fn check_backup(&mut self) -> Result<(), String> {
        let Some(wanted) = self.backed_up.clone() else { return Ok(()) };
        self.counts.restores += 1;
        let outcome = self.restored();
        self.note(&format!("restore: {}", outcome.is_ok()));
        match outcome {
            Ok(found) => {
                self.expiry().agree(&found, &wanted).map_err(|what| format!("a backup: {what}"))
            }
            Err(unread) => self.unread(unread),
        }
    }

    fn restored(&self) -> Result<Rows, Unread> {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let options = RestoreOptions { generation: None, log_file_bytes: 4096 };
        restore(&self.disk.folder(BACKUPS), &disk, options)?;
        let engine = Engine::open(Parts { disk, ..self.parts() }, self.settings.clone())?;
        checks::rows_of(&engine.snapshot())
    }

    /// Commits what was defined and nothing else; whether it was.
    fn write_names(&mut self) -> Result<bool, String> {
        match self.engine().commit(&[]) {
            Ok(_) => {
                self.acknowledge(&[]);
                self.names.commit();
                Ok(true)
            }
            Err(error) => self.failed(&[], &error).map(|()| false),
        }
    }

    /// What others do in the middle of something.
    fn meanwhile(&mut self, moment: Moment) {
        let others = self.others > 0 && moment != Moment::Append;
        if self.violation.is_some() || !others || !self.dice.one_in(4) {
            return;
        }
        self.others -= 1;
        self.counts.meanwhile += 1;
        self.note(&format!("  meanwhile, {moment:?}:"));
        let done = match (moment, self.dice.below(7)) {
            (_, 0) => self.define(),
            (_, 1) => self.edit(),
            (_, 2) => self.delete(),
            (_, 3) => self.follow(),
            (Moment::Rewrite | Moment::Copy, 4) => self.plainly("seal", Engine::seal),
            (Moment::Copy, 5) => self.plainly("compact", Engine::compact),
            (Moment::Rewrite, 5) => self.plainly("step", |engine| engine.step().map(drop)),
            _ => self.send(),
        };
        self.violation = done.err();
    }

    fn plainly(
        &mut self,
        what: &str,
        work: impl FnOnce(&Engine) -> Result<(), Error>,
    ) -> Result<(), String> {
        self.note(&format!("  {what}"));
        work(&self.engine()).or_else(|error| self.refused(&error))
    }

    /// Rows as an import wants them.
    fn sorted_rows(&self) -> (Vec<(TagId, Block)>, Effect) {
        let most = if self.dice.one_in(4) { 4000 } else { 60 };
        let tags = &self.names.now().tags;
        let mut rows: BTreeMap<(TagId, i64), Sample> = BTreeMap::new();
        if !tags.is_empty() {
            let many = self.dice.below(most) + 1;
            let samples = (0..many).map(|_| self.sample());
            rows.extend(samples.map(|own| ((own.tag, own.ts.nanos()), own)));
        }
        let mut blocks: Vec<(TagId, Block)> = Vec::new();
        for ((tag, ts), sample) in &rows {
            if blocks.last().is_none_or(|(own, block)| own != tag || block.len() == 500) {
                let kind = tags[usize::try_from(tag.0).unwrap() - 1].kind;
                blocks.push((*tag, Block::empty(kind)));
            }
            let row = Row::of(Timestamp::from_nanos(*ts), &sample.value, sample.quality);
            blocks.last_mut().unwrap().1.push(row);
        }
        (blocks, Effect::Put(rows.into_values().collect::<Batch>()))
    }
}
