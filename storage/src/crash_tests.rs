//! Power cuts at every operation of the disk, in every way a disk may survive them.
//!
//! A workload runs on a simulated disk that dies at its k-th operation, for every k. What is
//! pending then survives in every subset (sampled, where there are too many), torn sectors
//! included. Each survivor is opened, and compared with a ledger of what was sent and what was
//! acknowledged:
//!
//! - every acknowledged sample is there with its exact bits, once;
//! - a batch that was not acknowledged is there whole or not at all;
//! - nothing else is there;
//! - documents are those of the last acknowledged batch, or of a later one that is there;
//! - a tag has its last acknowledged path or a later one, and all acknowledged ones lead to it;
//! - the last finished backup, or the one under way, is there whole, and a store restored from it
//!   holds exactly what was acknowledged when it began;
//! - the store takes new samples, and keeps them.
//!
//! Survivors are also crashed while they are being opened. The harness itself is tested: with a
//! fault planted in the engine it must find a violation.

#![expect(clippy::print_stdout, reason = "the counts are part of what the run shows")]

use std::collections::BTreeMap;
use std::sync::Arc;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};

use crate::backup::{BackupOptions, RestoreOptions, restore};
use crate::block::{Block, Row};
use crate::chance::{Chance, SeededChance};
use crate::clock::FixedClock;
use crate::disk::{Disk, SimDisk, SimFaults, Survival};
use crate::documents::{Collection, Document};
use crate::engine::{Engine, Parts, Settings};
use crate::planted::{Bug, plant};

/// One thing a workload does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    /// A batch that fits a sector.
    Append,
    /// A batch of several sectors: rolls the log after two or three.
    AppendLarge,
    /// Samples before, and at the times of, earlier ones.
    AppendLate,
    /// A new tag, and a sample of it in the same group.
    Define,
    /// Another path for the youngest tag, and a sample in the same group.
    Rename,
    /// Seal, manifest, recycling.
    Seal,
    /// A step of background work: makes the next log file ready.
    Step,
    /// Seal, then every segment rewritten into one.
    Compact,
    /// One job of upkeep, if one is due.
    Maintain,
    /// Everything sealed, the log as short as it can be.
    Rest,
    /// Samples straight into a segment, some at the times of earlier ones.
    Import,
    /// Samples of a tag are deleted, on the record.
    Delete,
    /// Samples are written over earlier ones, on the record.
    Edit,
    /// A backup to another directory of the same medium, files linked and copied in turn.
    Backup,
}

const OPS: [Op; 14] = [
    Op::Append,
    Op::AppendLarge,
    Op::AppendLate,
    Op::Define,
    Op::Rename,
    Op::Seal,
    Op::Step,
    Op::Backup,
    Op::Compact,
    Op::Maintain,
    Op::Rest,
    Op::Import,
    Op::Delete,
    Op::Edit,
];

/// Documents of the number of samples written so far: `last` has it, `even` is there if it is even.
const WRITTEN: Collection = Collection(1);

const BACKUPS: &str = "backups";

/// What stands in the ledger where a sample was deleted.
const DELETED: f64 = f64::from_bits(0x7ff8_0000_0000_dead);

/// What was sent and what was acknowledged.
#[derive(Debug, Clone, Default)]
struct Ledger {
    /// By tag and time, all values sent, in order.
    sent: BTreeMap<(u32, i64), Vec<f64>>,
    /// How many of them are acknowledged.
    acked: BTreeMap<(u32, i64), usize>,
    tags_acked: usize,
    /// The paths each tag was given, in order, and how many of them are acknowledged.
    paths: BTreeMap<u32, (Vec<String>, usize)>,
    /// What `last` was to say, and how many of these are acknowledged.
    documents: (Vec<u64>, usize),
    /// The batch whose fate is open.
    open: Vec<(u32, i64)>,
    /// What the last finished backup holds.
    backed_up: Option<State>,
    /// What the backup under way would hold.
    backing_up: Option<State>,
}

/// The bits of the last value of each sample; what `last` says, as if it were one of tag 0.
type State = BTreeMap<(u32, i64), u64>;

impl Ledger {
    /// What is acknowledged; only between writes.
    fn state(&self) -> State {
        let last = |(key, count): (&(u32, i64), &usize)| {
            let value = self.sent.get(key)?.get(count.checked_sub(1)?)?;
            (value.to_bits() != DELETED.to_bits()).then_some((*key, value.to_bits()))
        };
        let (sent, acked) = &self.documents;
        let document = acked.checked_sub(1).and_then(|at| sent.get(at));
        let document = document.map(|written| ((0, 0), *written));
        self.acked.iter().filter_map(last).chain(document).collect()
    }

    /// Restores the newest backup and compares it with what it must hold.
    fn check_backup(&self, survivor: &SimDisk) -> Result<(), String> {
        let restored = SimDisk::new();
        let to: Arc<dyn Disk> = Arc::new(restored.clone());
        let options = RestoreOptions { generation: None, log_file_bytes: 4096 };
        if let Err(error) = restore(&survivor.folder(BACKUPS), &to, options) {
            return match &self.backed_up {
                Some(_) => Err(format!("a finished backup cannot be restored: {error}")),
                None => Ok(()),
            };
        }
        let engine = open(&restored)?;
        let found = found(&engine);
        let mut state: State = found.iter().map(|(key, value)| (*key, value.to_bits())).collect();
        state.extend(written(&engine)?.map(|written| ((0, 0), written)));
        if [&self.backed_up, &self.backing_up].into_iter().any(|own| own.as_ref() == Some(&state)) {
            return Ok(());
        }
        Err("a backup holds neither the former state nor the new one".into())
    }

    fn send(&mut self, rows: &[(u32, i64, f64)]) {
        for (tag, ts, value) in rows {
            self.sent.entry((*tag, *ts)).or_default().push(*value);
        }
        self.open = rows.iter().map(|(tag, ts, _)| (*tag, *ts)).collect();
    }

    fn acknowledge(&mut self, tags: usize) {
        for key in self.open.drain(..) {
            self.acked.insert(key, self.sent.get(&key).map_or(0, Vec::len));
        }
        self.tags_acked = tags;
        self.documents.1 = self.documents.0.len();
        self.paths.values_mut().for_each(|(paths, acked)| *acked = paths.len());
    }

    fn name(&mut self, tag: u32, path: &str) {
        self.paths.entry(tag).or_default().0.push(path.to_owned());
    }

    /// A tag has the last acknowledged path or one sent later, and every acknowledged one leads
    /// to it.
    fn check_paths(&self, engine: &Engine) -> Result<(), String> {
        let snapshot = engine.snapshot();
        for (tag, (paths, acked)) in &self.paths {
            let Some(found) = snapshot.tag(TagId(*tag)) else { continue };
            let found = found.definition.path.as_str();
            let at = paths.iter().position(|path| path == found);
            if at.is_none_or(|at| at + 1 < *acked) {
                return Err(format!(
                    "tag {tag} is \"{found}\", of {paths:?}, {acked} acknowledged"
                ));
            }
            for path in paths.iter().take(*acked) {
                if snapshot.find(path).is_none_or(|own| own.id.0 != *tag) {
                    return Err(format!("\"{path}\" no longer leads to tag {tag}"));
                }
            }
        }
        Ok(())
    }

    /// Compares a store with the ledger.
    fn check(&self, engine: &Engine) -> Result<(), String> {
        let snapshot = engine.snapshot();
        let tags = snapshot.tags();
        if tags.len() < self.tags_acked {
            return Err(format!("{} of {} tags are there", tags.len(), self.tags_acked));
        }
        let mut found: BTreeMap<(u32, i64), f64> = BTreeMap::new();
        for tag in &tags {
            for block in snapshot.scan(tag.id, TimeRange::ALL) {
                let block = block.map_err(|error| error.to_string())?;
                for (ts, bits) in block.times.iter().zip(&block.bits) {
                    if found.insert((tag.id.0, *ts), f64::from_bits(*bits)).is_some() {
                        return Err(format!("tag {} has two samples at {ts}", tag.id.0));
                    }
                }
            }
        }
        self.check_values(&found)?;
        self.check_paths(engine)?;
        let holds = |key: &(u32, i64), range: std::ops::Range<usize>| {
            let sent = self.sent.get(key).map(Vec::as_slice).unwrap_or_default();
            let value = found.get(key).copied().unwrap_or(DELETED);
            let known = sent.get(range.start.min(range.end)..range.end).unwrap_or_default();
            known.iter().any(|sent| sent.to_bits() == value.to_bits())
        };
        let count = |key: &(u32, i64)| self.sent.get(key).map_or(0, Vec::len);
        let old = |key: &(u32, i64)| {
            let acked = self.acked.get(key).copied().unwrap_or_default();
            let none = acked == 0 && !found.contains_key(key);
            none || holds(key, acked.saturating_sub(1)..count(key).saturating_sub(1))
        };
        let new = |key: &(u32, i64)| holds(key, count(key).saturating_sub(1)..count(key));
        let (sent, acked) = &self.documents;
        let written = written(engine)?;
        let at = written.map(|written| sent.iter().rposition(|own| *own == written));
        let at = match at {
            Some(None) => return Err(format!("{written:?} was never written")),
            at => at.flatten().map_or(0, |at| at + 1),
        };
        if at < *acked {
            return Err(format!("documents of commit {at}, {acked} are acknowledged"));
        }
        if at > *acked && !self.open.iter().all(new) {
            return Err("documents of a batch that is not there".into());
        }
        if !self.open.iter().all(new) && !self.open.iter().all(old) {
            let there = self.open.iter().filter(|key| new(key)).count();
            return Err(format!("{there} of {} samples of a batch are there", self.open.len()));
        }
        Ok(())
    }

    /// Every sample is as it was acknowledged last, or as it was sent since.
    fn check_values(&self, found: &BTreeMap<(u32, i64), f64>) -> Result<(), String> {
        if let Some((key, value)) = found.iter().find(|(key, _)| !self.sent.contains_key(key)) {
            return Err(format!("{key:?} has {value}, which nobody sent"));
        }
        for (key, sent) in &self.sent {
            let value = found.get(key).copied().unwrap_or(DELETED);
            let acked = self.acked.get(key).copied().unwrap_or_default();
            let known = |sent: &f64| sent.to_bits() == value.to_bits();
            let since = sent.get(acked.saturating_sub(1)..).unwrap_or_default();
            if since.iter().any(known) || (acked == 0 && !found.contains_key(key)) {
                continue;
            }
            let what = match (found.get(key), sent.iter().any(known)) {
                (None, _) => "was acknowledged and is not there".to_owned(),
                (Some(value), false) => format!("has {value}, which nobody sent"),
                (Some(value), true) => format!("has {value}, which was overwritten"),
            };
            return Err(format!("{key:?} {what}"));
        }
        Ok(())
    }

    /// Takes what a recovered store holds for acknowledged, and the rest for never sent.
    fn settle(&mut self, found: &BTreeMap<(u32, i64), f64>) {
        self.sent.retain(|key, sent| {
            let value = found.get(key).copied().unwrap_or(DELETED);
            let at = sent.iter().rposition(|sent| sent.to_bits() == value.to_bits());
            sent.truncate(at.map_or(0, |at| at + 1));
            !sent.is_empty()
        });
        self.acked = self.sent.iter().map(|(key, sent)| (*key, sent.len())).collect();
        self.open.clear();
    }
}

fn settings() -> Settings {
    Settings {
        log_file_bytes: 4096,
        compact_segments: 2,
        reserve_bytes: Some(0),
        ..Settings::default()
    }
}

fn open(disk: &SimDisk) -> Result<Engine, String> {
    let parts = Parts {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(FixedClock::default()),
        chance: Arc::new(SeededChance::new(disk.operations())),
    };
    Engine::open(parts, settings()).map_err(|error| error.to_string())
}

fn batch(rows: &[(u32, i64, f64)]) -> Batch {
    let sample = |(tag, ts, value): &(u32, i64, f64)| Sample {
        tag: TagId(*tag),
        ts: Timestamp::from_nanos(*ts),
        value: Value::Float(*value),
        quality: Quality::GOOD,
    };
    rows.iter().map(sample).collect()
}

/// A workload under way.
struct Run {
    disk: SimDisk,
    engine: Engine,
    ledger: Ledger,
    next: i64,
    written: u32,
}

impl Run {
    fn start(disk: &SimDisk) -> Option<Self> {
        let engine = open(disk).ok()?;
        let disk = disk.clone();
        Some(Self { disk, engine, ledger: Ledger::default(), next: 1, written: 0 })
    }

    /// Does one thing; `false` when the disk refused.
    fn perform(&mut self, op: Op) -> bool {
        match op {
            Op::Append => self.append(3, 0),
            Op::AppendLarge => self.append(90, 0),
            Op::AppendLate => self.append(4, 7),
            Op::Define => self.define() && self.append(1, 0),
            Op::Rename => self.rename() && self.append(1, 0),
            Op::Seal => self.engine.seal().is_ok(),
            Op::Step => self.engine.step().is_ok(),
            Op::Backup => self.back_up(),
            Op::Compact => self.engine.compact().is_ok(),
            Op::Maintain => self.engine.maintain().is_ok(),
            Op::Rest => self.engine.rest().is_ok(),
            Op::Import => self.import(),
            Op::Delete => self.delete(),
            Op::Edit => self.edit(),
        }
    }

    fn back_up(&mut self) -> bool {
        self.ledger.backing_up = Some(self.ledger.state());
        let options = BackupOptions { links: self.written.is_multiple_of(2), generations: 1 };
        let done = self.engine.backup(&self.disk.folder(BACKUPS), options).is_ok();
        if done {
            self.ledger.backed_up = self.ledger.backing_up.take();
        }
        done
    }

    fn define(&mut self) -> bool {
        let text = format!("line/{}", self.engine.catalog().len());
        let Ok(path) = TagPath::new(&text) else { return false };
        let definition = TagDefinition::new(path, Kind::Float, "test");
        let Ok(tag) = self.engine.catalog().define(definition) else { return false };
        self.ledger.name(tag.id.0, &text);
        true
    }

    fn rename(&mut self) -> bool {
        if self.engine.catalog().is_empty() && !self.define() {
            return false;
        }
        let tag = u32::try_from(self.engine.catalog().len()).unwrap();
        let text = format!("moved/{}", self.written);
        let Ok(path) = TagPath::new(&text) else { return false };
        self.ledger.name(tag, &text);
        self.engine.catalog().rename(TagId(tag), path).is_ok()
    }

    /// Rows of this run that begin `back` before where the last ended.
    fn rows(&mut self, count: i64, back: i64) -> Vec<(u32, i64, f64)> {
        let tags = u32::try_from(self.engine.catalog().len()).unwrap();
        let first = (self.next - back).max(1);
        self.next = self.next.max(first + count);
        let row = |n: i64| {
            self.written += 1;
            let tag = u32::try_from(n).unwrap() % tags + 1;
            (tag, n * 1_000, f64::from(self.written) / 8.0)
        };
        (first..first + count).map(row).collect()
    }

    fn import(&mut self) -> bool {
        if self.engine.catalog().is_empty() && !self.define() {
            return false;
        }
        let mut rows = self.rows(20, 5);
        rows.sort_by_key(|(tag, ts, _)| (*tag, *ts));
        self.ledger.send(&rows);
        let blocks = rows.chunk_by(|a, b| a.0 == b.0).map(|rows| {
            let mut block = Block::empty(Kind::Float);
            for (_, ts, value) in rows {
                let value = Value::Float(*value);
                block.push(Row::of(Timestamp::from_nanos(*ts), &value, Quality::GOOD));
            }
            Ok((TagId(rows[0].0), block))
        });
        self.engine.import(blocks).is_ok() && self.acknowledged()
    }

    /// Deletes the last third of what one tag has.
    fn delete(&mut self) -> bool {
        if self.engine.catalog().is_empty() {
            return true;
        }
        let range = TimeRange {
            first: Timestamp::from_nanos(self.next * 667),
            last: Timestamp::from_nanos(self.next * 1_000),
        };
        let hidden = |key: &&(u32, i64)| key.0 == 1 && range.contains(Timestamp::from_nanos(key.1));
        let keys: Vec<(u32, i64)> = self.ledger.sent.keys().filter(hidden).copied().collect();
        let rows: Vec<_> = keys.into_iter().map(|(tag, ts)| (tag, ts, DELETED)).collect();
        self.ledger.send(&rows);
        self.engine.delete(&[TagId(1)], range, "anna", "test").is_ok() && self.acknowledged()
    }

    fn edit(&mut self) -> bool {
        if self.engine.catalog().is_empty() {
            return true;
        }
        let rows = self.rows(3, 6);
        self.ledger.send(&rows);
        self.engine.edit(&batch(&rows), "anna", "test").is_ok() && self.acknowledged()
    }

    fn acknowledged(&mut self) -> bool {
        self.ledger.acknowledge(self.engine.catalog().len());
        true
    }

    /// Appends `count` samples that begin `back` before where the last ended.
    fn append(&mut self, count: i64, back: i64) -> bool {
        if self.engine.catalog().is_empty() && !self.define() {
            return false;
        }
        let rows = self.rows(count, back);
        self.ledger.send(&rows);
        let document = |key: &[u8], body: Option<Vec<u8>>| Document {
            collection: WRITTEN,
            key: key.to_vec(),
            body,
        };
        let last = u64::from(self.written).to_le_bytes().to_vec();
        let even = self.written.is_multiple_of(2).then(Vec::new);
        let documents = [document(b"last", Some(last)), document(b"even", even)];
        self.ledger.documents.0.push(u64::from(self.written));
        self.engine.commit_with(&[batch(&rows)], &documents).is_ok() && self.acknowledged()
    }
}

/// Counts what was tried, and keeps the chance.
struct Harness {
    chance: SeededChance,
    states: u64,
    subsets_max: u64,
}

impl Harness {
    fn new(seed: u64, subsets_max: u64) -> Self {
        Self { chance: SeededChance::new(seed), states: 0, subsets_max }
    }

    /// Crashes a workload at every operation.
    fn crash_everywhere(&mut self, workload: &[Op]) -> Result<(), String> {
        let whole = SimDisk::new();
        let mut run = Run::start(&whole).ok_or("the workload cannot start")?;
        if !workload.iter().all(|op| run.perform(*op)) {
            return Err(format!("{workload:?} fails on a sound disk"));
        }
        drop(run);
        for at in 1..=whole.operations() + 1 {
            let faults = SimFaults { dies_at: Some(at), ..SimFaults::default() };
            let (disk, ledger) = run_with(workload, faults);
            self.survive(&disk, &ledger)
                .map_err(|what| format!("{workload:?} cut at operation {at}: {what}"))?;
        }
        Ok(())
    }

    /// Opens what a power cut may leave of this disk, in every way.
    fn survive(&mut self, disk: &SimDisk, ledger: &Ledger) -> Result<(), String> {
        let pending = disk.pending();
        let exhaustive = pending < 63 && 1 << pending <= self.subsets_max;
        let count = if exhaustive { 1 << pending } else { self.subsets_max };
        for number in 0..count {
            let mask = if exhaustive { number } else { self.chance.next_u64() };
            let torn = if exhaustive { None } else { Some(self.chance.next_u64()) };
            let survivor = disk.crash(|unit| fate(unit, mask, torn));
            self.states += 1;
            if !exhaustive || number + 1 == count {
                self.crash_while_opening(&survivor, ledger)?;
            }
            self.check(&survivor, ledger).map_err(|what| format!("survivor {mask:#x}: {what}"))?;
        }
        Ok(())
    }

    fn check(&mut self, survivor: &SimDisk, ledger: &Ledger) -> Result<(), String> {
        let engine = open(survivor)?;
        ledger.check(&engine)?;
        let any = ledger.backed_up.is_some() || ledger.backing_up.is_some();
        // A restore costs as much as all the rest, so it is tried on some of the states.
        if any && self.chance.next_u64().is_multiple_of(4) {
            ledger.check_backup(survivor)?;
        }
        if !self.chance.next_u64().is_multiple_of(8) {
            return Ok(());
        }
        // The store goes on: a new sample is kept, with all that was there.
        let mut ledger = ledger.clone();
        ledger.settle(&found(&engine));
        let written: Vec<u64> = written(&engine)?.into_iter().collect();
        ledger.documents = (written.clone(), written.len());
        ledger.paths.retain(|tag, (paths, acked)| {
            let Some(found) = engine.catalog().get(TagId(*tag)) else { return false };
            let found = &found.definition.path;
            paths.truncate(
                paths.iter().take_while(|path| path.as_str() != found.as_str()).count() + 1,
            );
            *acked = paths.len();
            true
        });
        let disk = survivor.clone();
        let mut run = Run { disk, engine, ledger, next: 1_000, written: 1_000_000 };
        if !run.append(2, 0) {
            return Err("the recovered store refuses a sample".into());
        }
        let Run { engine, ledger, .. } = run;
        drop(engine);
        let again = open(&survivor.crash(|_| Survival::Lost))?;
        ledger.check(&again).map_err(|what| format!("after going on: {what}"))
    }

    /// A second cut, at some operation of the recovery from the first.
    fn crash_while_opening(&mut self, survivor: &SimDisk, ledger: &Ledger) -> Result<(), String> {
        let disk = survivor.fork();
        open(&disk)?;
        let operations = disk.operations();
        if operations == 0 {
            return Ok(());
        }
        let disk = survivor.fork();
        let at = self.chance.next_u64() % operations + 1;
        disk.set_faults(SimFaults { dies_at: Some(at), ..SimFaults::default() });
        drop(open(&disk));
        let mask = self.chance.next_u64();
        let twice = disk.crash(|unit| fate(unit, mask, None));
        self.states += 1;
        let engine = open(&twice).map_err(|what| format!("cut again at {at}: {what}"))?;
        ledger.check(&engine).map_err(|what| format!("cut again at {at}: {what}"))
    }
}

fn found(engine: &Engine) -> BTreeMap<(u32, i64), f64> {
    let snapshot = engine.snapshot();
    let mut found = BTreeMap::new();
    for tag in snapshot.tags() {
        for block in snapshot.scan(tag.id, TimeRange::ALL).flatten() {
            let rows = block.times.iter().zip(&block.bits);
            found.extend(rows.map(|(ts, bits)| ((tag.id.0, *ts), f64::from_bits(*bits))));
        }
    }
    found
}

/// What the documents say, which belong together.
fn written(engine: &Engine) -> Result<Option<u64>, String> {
    let Some(last) = engine.document(WRITTEN, b"last") else { return Ok(None) };
    let last =
        u64::from_le_bytes(last[..].try_into().map_err(|_short| "a document of another length")?);
    let keys: Vec<Vec<u8>> =
        engine.documents(WRITTEN).iter().map(|(key, _)| key.to_vec()).collect();
    let wanted: &[&[u8]] = if last.is_multiple_of(2) { &[b"even", b"last"] } else { &[b"last"] };
    if keys != wanted {
        return Err(format!("{last} is written and {keys:?} are there"));
    }
    Ok(Some(last))
}

/// Whether the `unit`-th pending change survives.
fn fate(unit: usize, mask: u64, torn: Option<u64>) -> Survival {
    if torn.is_some_and(|torn| (torn >> (unit % 61)).is_multiple_of(8)) {
        return Survival::Torn((unit * 37 + usize::try_from(mask % 500).unwrap()) % 512);
    }
    if mask >> (unit % 64) & 1 == 1 { Survival::Kept } else { Survival::Lost }
}

/// Runs a workload until the disk refuses.
fn run_with(workload: &[Op], faults: SimFaults) -> (SimDisk, Ledger) {
    let disk = SimDisk::new();
    disk.set_faults(faults);
    let ledger = Run::start(&disk).map_or_else(Ledger::default, |mut run| {
        let _done = workload.iter().all(|op| run.perform(*op));
        run.ledger
    });
    (disk, ledger)
}

/// Every workload of this length.
fn workloads(length: usize) -> impl Iterator<Item = Vec<Op>> {
    let count = OPS.len().pow(u32::try_from(length).unwrap());
    (0..count).map(move |mut number| {
        (0..length)
            .map(|_| {
                let op = OPS[number % OPS.len()];
                number /= OPS.len();
                op
            })
            .collect()
    })
}

fn random_workload(chance: &dyn Chance, length: usize, ops: &[Op]) -> Vec<Op> {
    (0..length).map(|_| ops[usize::try_from(chance.next_u64()).unwrap() % ops.len()]).collect()
}

#[test]
fn every_short_workload_survives_a_cut_at_every_operation() {
    let mut harness = Harness::new(1, 32);
    let longest = std::env::var("TACITUS_CRASH_LENGTH").ok();
    let longest = longest.and_then(|text| text.parse().ok()).unwrap_or(2);
    for length in 1..=longest {
        for workload in workloads(length) {
            harness.crash_everywhere(&workload).unwrap();
        }
    }
    println!("{} crash states of all workloads up to length {longest}", harness.states);
    assert!(harness.states > 10_000, "only {} states were tried", harness.states);
}

#[test]
fn long_workloads_survive_cuts_at_every_operation() {
    let wanted = std::env::var("TACITUS_CRASH_STATES").ok();
    let wanted = wanted.and_then(|text| text.parse().ok()).unwrap_or(250_000);
    let mut harness = Harness::new(2, 64);
    let seeds = SeededChance::new(3);
    while harness.states < wanted {
        harness.crash_everywhere(&random_workload(&seeds, 12, &OPS)).unwrap();
    }
    println!("{} crash states of workloads of length 12", harness.states);
}

#[test]
fn nothing_is_acknowledged_after_a_sync_failed() {
    let workload = [Op::Append, Op::AppendLarge, Op::Define, Op::Seal, Op::AppendLate, Op::Append];
    let mut harness = Harness::new(4, 64);
    for at in 1..150 {
        let faults = SimFaults { sync_fails_at: Some(at), ..SimFaults::default() };
        let disk = SimDisk::new();
        disk.set_faults(faults);
        let Some(mut run) = Run::start(&disk) else { continue };
        // The workload goes on where a seal failed, as the server does, but a log that failed
        // must refuse every later sample.
        let mut refused = false;
        for op in workload {
            let open = std::mem::take(&mut run.ledger.open);
            let done = run.perform(op);
            if refused && !matches!(op, Op::Seal | Op::Step | Op::Backup) {
                assert!(!done, "a sample was acknowledged after the log failed");
                run.ledger
                    .sent
                    .retain(|key, _| open.contains(key) || run.ledger.acked.contains_key(key));
                run.ledger.open = open;
            }
            refused |= run.engine.status().poisoned;
        }
        let ledger = run.ledger;
        drop(run.engine);
        harness.survive(&disk, &ledger).unwrap();
    }
}

#[test]
fn one_failed_operation_of_the_disk_is_contained() {
    let workload =
        [Op::Append, Op::Define, Op::Seal, Op::Append, Op::Step, Op::AppendLarge, Op::Seal];
    let mut harness = Harness::new(5, 16);
    for at in 1..150 {
        let faults = SimFaults { fails_once_at: Some(at), ..SimFaults::default() };
        let (disk, ledger) = run_with(&workload, faults);
        harness.survive(&disk, &ledger).unwrap();
    }
}

/// A fault planted in the engine must be found within as many states as a run tries.
#[track_caller]
fn finds(bug: Bug) {
    finds_with(bug, &OPS);
}

/// The same, with workloads of some things only.
#[track_caller]
fn finds_with(bug: Bug, ops: &[Op]) {
    plant(Some(bug));
    let mut harness = Harness::new(6, 32);
    let seeds = SeededChance::new(7);
    let mut found = None;
    while found.is_none() && harness.states < 1_000_000 {
        let workload = random_workload(&seeds, 12, ops);
        found = harness.crash_everywhere(&workload).err();
    }
    plant(None);
    println!("{bug:?} found after {} states: {found:?}", harness.states);
    assert!(found.is_some(), "{bug:?} was not found in {} states", harness.states);
}

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    finds(Bug::AcknowledgeBeforeSync);
}

#[test]
fn a_skipped_sync_of_the_directory_is_found() {
    finds(Bug::SkipDirectorySync);
}

#[test]
fn every_third_sync_left_out_is_found() {
    finds(Bug::SkipSomeSyncs);
}

#[test]
fn a_name_given_before_the_sync_is_found() {
    finds(Bug::RenameBeforeSync);
}

#[test]
fn a_manifest_whose_name_is_not_durable_is_found() {
    finds(Bug::ForgetManifest);
}

#[test]
fn an_accepted_torn_tail_is_found() {
    finds(Bug::AcceptTornTail);
}

#[test]
fn a_replayed_frame_of_a_recycled_file_is_found() {
    finds_with(Bug::ReplayRecycledFrame, &[Op::Append, Op::AppendLarge, Op::Seal, Op::Step]);
}
