//! What those do who use the store: writers, people who correct, people who name.
//!
//! *Invariant.* A writer that was not told of a batch sends the same batch again, until it is.

use std::cell::RefCell;
use std::rc::Rc;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagChange, TagDefinition, TagId, TagPath, TimeRange, Timestamp,
};

use crate::error::{Error, ErrorKind};
use crate::moment::{Moment, watched};
use crate::simulation::book::{Class, DAY_NS, Effect, HOUR_NS};
use crate::simulation::checks;
use crate::simulation::names::{Known, pool};
use crate::simulation::world::World;

const SECOND_NS: i64 = 1_000_000_000;

/// A batch of so many rows may be more than a log file takes.
const LARGE: usize = 100;

impl World {
    /// Some of the writers send, as one group; a reader looks on.
    pub(super) fn send(&mut self) -> Result<(), String> {
        if self.names.now().tags.is_empty() {
            self.define()?;
        }
        let mut group = Vec::new();
        for at in 0..self.writers.len() {
            if !(at == 0 || self.dice.one_in(2)) {
                continue;
            }
            let batch = match &self.writers[at] {
                Some(batch) => {
                    self.counts.resends += 1;
                    batch.clone()
                }
                None => self.batch(),
            };
            self.writers[at] = Some(batch.clone());
            group.push((at, batch));
        }
        let batches: Vec<Batch> = group.iter().map(|(_, batch)| batch.clone()).collect();
        let effects: Vec<Effect> = batches.iter().cloned().map(Effect::Put).collect();
        let rows: usize = batches.iter().map(Batch::len).sum();
        self.counts.samples += rows as u64;
        self.note(&format!("send {} batches, {rows} rows", batches.len()));
        match self.commit_watched(&batches, &effects, rows)? {
            Ok(_) => {
                self.acknowledge(&effects);
                self.names.commit();
                group.iter().for_each(|(at, _)| self.writers[*at] = None);
            }
            Err(error) if error.kind() == ErrorKind::Invalid => {
                self.note(&format!("  refused: {error}"));
                if batches.iter().all(|batch| batch.len() < LARGE) {
                    return Err(format!("a sound batch was refused: {error}"));
                }
                group.iter().for_each(|(at, _)| self.writers[*at] = None);
            }
            Err(error) => self.failed(&effects, &error)?,
        }
        Ok(())
    }

    /// Commits, and looks on in the middle of it: there is one of the states, never half of a
    /// batch.
    fn commit_watched(
        &mut self,
        batches: &[Batch],
        effects: &[Effect],
        rows: usize,
    ) -> Result<Result<u64, Error>, String> {
        let engine = self.engine();
        let (states, expiry) = (self.book.prefixes(effects), self.expiry());
        let sure = self.book.states.len() == 1;
        let mut ahead = self.dice.index(rows * 2 + 1);
        let seen = Rc::new(RefCell::new(Ok(())));
        let (watcher, noted) = (engine.clone(), Rc::clone(&seen));
        let look = move |moment| {
            let due = moment == Moment::Append && ahead == 0 && sure;
            ahead = ahead.wrapping_sub(1);
            if due && let Ok(found) = checks::rows_of(&watcher.snapshot()) {
                *noted.borrow_mut() = checks::check_states(&found, &states, &expiry).map(drop);
            }
        };
        let done = watched(look, || engine.commit(batches));
        let seen = std::mem::replace(&mut *seen.borrow_mut(), Ok(()));
        seen.map_err(|what| format!("in the middle of a commit: {what}"))?;
        Ok(done)
    }

    /// A batch of new samples, some at times that have one.
    fn batch(&self) -> Batch {
        let most = if self.dice.one_in(25) { 8 * LARGE } else { 40 };
        let rows = self.dice.index(most) + 1;
        (0..rows).map(|_| self.sample()).collect()
    }

    pub(super) fn sample(&self) -> Sample {
        let tags = &self.names.now().tags;
        let at = self.dice.index(tags.len());
        let value = checks::value(&self.dice, tags[at].kind);
        let quality = match self.dice.below(8) {
            0 => Quality(0x8000_0000),
            1 => Quality(u32::try_from(self.dice.bits() >> 32).unwrap()),
            _ => Quality::GOOD,
        };
        let ts = Timestamp::from_nanos(self.time(tags[at].class));
        Sample { tag: TagId(u32::try_from(at + 1).unwrap()), ts, value, quality }
    }

    /// A time near now; of a tag that is kept for ever sometimes any other.
    fn time(&self, class: Class) -> i64 {
        let second = self.clock.truth_ns().div_euclid(SECOND_NS);
        let near = (second - self.dice.between(0, 600)) * SECOND_NS;
        match (self.dice.below(200), class) {
            (0, Class::Ever) => *self.dice.pick(&[i64::MIN, 0, i64::MAX]),
            (1..4, Class::Ever) => near - self.dice.between(0, 90) * DAY_NS,
            (4..60, _) => near - self.dice.between(0, 18) * HOUR_NS,
            (60..70, _) => near + self.dice.between(0, HOUR_NS),
            _ => near,
        }
    }

    /// Somebody corrects samples that are there.
    pub(super) fn edit(&mut self) -> Result<(), String> {
        let keys: Vec<(u32, i64)> = self.recent().collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for _ in 0..=self.dice.below(4) {
            let (tag, ts) = *self.dice.pick(&keys);
            let kind = self.names.now().tags[usize::try_from(tag).unwrap() - 1].kind;
            let value = checks::value(&self.dice, kind);
            let (tag, ts) = (TagId(tag), Timestamp::from_nanos(ts));
            batch.push(Sample { tag, ts, value, quality: Quality::GOOD });
        }
        self.note(&format!("edit {} rows", batch.len()));
        let done = self.engine().edit(&batch, "anna", "checked");
        self.changed(Effect::Put(batch), done)
    }

    /// Somebody deletes samples.
    pub(super) fn delete(&mut self) -> Result<(), String> {
        let keys: Vec<(u32, i64)> = self.recent().collect();
        let Some((tag, ts)) = (!keys.is_empty()).then(|| *self.dice.pick(&keys)) else {
            return Ok(());
        };
        let class = self.expiry().class(tag);
        let mut first = ts.saturating_sub(self.dice.between(0, HOUR_NS));
        let mut last = ts.saturating_add(self.dice.between(0, HOUR_NS));
        if class == Class::Ever && self.dice.one_in(8) {
            (first, last) = (i64::MIN, i64::MAX);
        }
        if class != Class::Ever {
            first = first.max(self.clock.truth_ns() - 20 * HOUR_NS);
            last = last.max(first);
        }
        let range =
            TimeRange { first: Timestamp::from_nanos(first), last: Timestamp::from_nanos(last) };
        self.note(&format!("delete tag {tag} from {first} to {last}"));
        let done = self.engine().delete(&[TagId(tag)], range, "anna", "wrong");
        self.changed(Effect::Hide(vec![TagId(tag)], range), done)
    }

    /// The samples that somebody may change: all of some tags, the youngest of the others.
    fn recent(&self) -> impl Iterator<Item = (u32, i64)> {
        let expiry = self.expiry();
        let from = self.clock.truth_ns() - 20 * HOUR_NS;
        let rows = self.book.sure().keys().copied().collect::<Vec<_>>();
        rows.into_iter().filter(move |(tag, ts)| expiry.class(*tag) == Class::Ever || *ts > from)
    }

    fn changed(&mut self, effect: Effect, done: Result<u64, Error>) -> Result<(), String> {
        match done {
            Ok(_) => {
                self.changes = (self.changes.0 + 1, self.changes.1 + 1);
                self.acknowledge(&[effect]);
                self.names.commit();
                Ok(())
            }
            Err(error) => {
                let hides = matches!(effect, Effect::Hide(..));
                self.changes.1 += usize::from(!hides);
                self.failed(&[effect], &error)
            }
        }
    }

    /// A tag of a name that leads nowhere yet, or nothing.
    pub(super) fn define(&mut self) -> Result<(), String> {
        let path = self.name();
        let kind = *self.dice.pick(&Kind::ALL);
        let class = *self.dice.pick(&[Class::Ever, Class::Ever, Class::Short, Class::Chain]);
        let mut definition = TagDefinition::new(TagPath::new(&path).unwrap(), kind, "test");
        definition.retention = class.name().into();
        definition.unit = ["bar", "mm"][self.dice.index(2)].into();
        if kind == Kind::State {
            definition.states = ["off", "on", "fault"].map(str::to_owned).to_vec();
        }
        let unit = definition.unit.clone();
        self.note(&format!("define \"{path}\", {kind}, {class:?}"));
        let known = self.names.now().names.contains_key(&path);
        let tag = self.engine().catalog().define(definition).map_err(|error| error.to_string())?;
        if !known {
            let id = u32::try_from(self.names.now().tags.len() + 1).unwrap();
            if tag.id.0 != id {
                return Err(format!("a new tag got id {}, not {id}", tag.id.0));
            }
            self.names.change(|version| {
                version.tags.push(Known { path: path.clone(), unit, kind, class });
                version.names.insert(path, id);
            });
        }
        Ok(())
    }

    /// A tag gets another path, another name or another unit; a name is released.
    pub(super) fn rename(&mut self) -> Result<(), String> {
        let tags = self.names.now().tags.len();
        if tags == 0 {
            return Ok(());
        }
        let at = self.dice.index(tags);
        let id = u32::try_from(at + 1).unwrap();
        let (name, engine) = (self.name(), self.engine());
        let path = TagPath::new(&name).unwrap();
        let now = self.names.now();
        let free = now.names.get(&name).is_none_or(|own| *own == id);
        let is_path = now.tags.iter().any(|tag| tag.path == name);
        let led = now.names.contains_key(&name);
        let what = self.dice.below(4);
        let done = match what {
            0 => engine.catalog().rename(TagId(id), path).map(drop),
            1 => engine.catalog().alias(TagId(id), &path).map(drop),
            2 => engine.catalog().release(&name),
            _ => {
                let unit = TagChange::Unit(name.clone());
                engine.catalog().redefine(TagId(id), [unit]).map(drop)
            }
        };
        self.note(&format!("name {what} tag {id} \"{name}\": {}", done.is_ok()));
        let may = match what {
            0 | 1 => free,
            2 => led && !is_path,
            _ => true,
        };
        if done.is_ok() != may {
            return Err(format!("naming came to {done:?}"));
        }
        if may {
            self.names.change(|version| match what {
                0 => {
                    version.tags[at].path.clone_from(&name);
                    version.names.insert(name, id);
                }
                1 => drop(version.names.insert(name, id)),
                2 => drop(version.names.remove(&name)),
                _ => version.tags[at].unit = name,
            });
        }
        Ok(())
    }

    fn name(&self) -> String {
        let at = self.dice.index(pool().count());
        pool().nth(at).unwrap()
    }
}
