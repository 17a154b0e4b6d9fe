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

mod ledger;

use std::collections::BTreeMap;
use std::sync::Arc;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};

use crate::backup::BackupOptions;
use crate::block::{Block, Row};
use crate::chance::{Chance, SeededChance};
use crate::clock::FixedClock;
use crate::disk::{SimDisk, SimFaults, Survival};
use crate::documents::{Collection, Document};
use crate::engine::{Engine, Parts, Settings};
use crate::planted::{Bug, plant};
use ledger::Ledger;

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
