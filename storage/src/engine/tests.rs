//! The engine against a plain map, under load, on a full disk, over damaged files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};

use crate::block::{Block, Row};
use crate::chance::SeededChance;
use crate::clock::{Clock, FixedClock};
use crate::disk::{Disk, SimDisk, SimFaults, Survival};
use crate::engine::{Engine, Parts, Progress, Settings};
use crate::error::{Error, ErrorKind, Outcome};
use crate::limits::BLOCK_ROWS_MAX;
use crate::naming::Naming;

pub(super) fn small() -> Settings {
    Settings { log_file_bytes: 8192, reserve_bytes: Some(0), ..Settings::default() }
}

pub(super) fn open_with(
    disk: &SimDisk,
    clock: &Arc<FixedClock>,
    settings: Settings,
) -> Result<Engine, Error> {
    let parts = Parts {
        disk: Arc::new(disk.clone()),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        chance: Arc::new(SeededChance::new(1)),
    };
    Engine::open(parts, settings)
}

fn open(disk: &SimDisk) -> Engine {
    open_with(disk, &Arc::default(), small()).unwrap()
}

fn define(engine: &Engine, path: &str, kind: Kind) -> TagId {
    engine
        .catalog()
        .define(TagDefinition::new(TagPath::new(path).unwrap(), kind, "test"))
        .unwrap()
        .id
}

fn sample(tag: TagId, ts: i64, value: Value) -> Sample {
    Sample { tag, ts: Timestamp::from_nanos(ts), value, quality: Quality::GOOD }
}

pub(super) fn floats(tag: TagId, times: impl IntoIterator<Item = i32>) -> Batch {
    times.into_iter().map(|n| sample(tag, i64::from(n), Value::Float(f64::from(n)))).collect()
}

pub(super) fn blocks(engine: &Engine, tag: TagId, range: TimeRange) -> Vec<Block> {
    engine.snapshot().scan(tag, range).collect::<Result<_, _>>().unwrap()
}

pub(super) fn rows(engine: &Engine, tag: TagId, range: TimeRange) -> Vec<(i64, Value, Quality)> {
    rows_of(&blocks(engine, tag, range))
}

pub(super) fn rows_of(blocks: &[Block]) -> Vec<(i64, Value, Quality)> {
    let row = |block: &Block, row| (block.times[row], block.value(row), block.quality(row));
    blocks
        .iter()
        .flat_map(|block| (0..block.len()).map(|n| row(block, n)).collect::<Vec<_>>())
        .collect()
}

pub(super) fn range(first: i64, last: i64) -> TimeRange {
    TimeRange { first: Timestamp::from_nanos(first), last: Timestamp::from_nanos(last) }
}

#[test]
fn a_reader_never_sees_half_a_batch() {
    let disk = SimDisk::new();
    let engine = Arc::new(open_with(&disk, &Arc::default(), Settings::default()).unwrap());
    let tags: Vec<TagId> = (0..20).map(|n| define(&engine, &format!("t/{n}"), Kind::Int)).collect();
    engine.commit(&[]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut moments = 0_u32;
            while !done.load(Ordering::Relaxed) || moments < 50 {
                let snapshot = engine.snapshot();
                let counts: Vec<usize> = tags
                    .iter()
                    .map(|tag| {
                        snapshot.scan(*tag, TimeRange::ALL).map(|block| block.unwrap().len()).sum()
                    })
                    .collect();
                assert!(counts.array_windows().all(|[a, b]| a == b), "{counts:?}");
                moments += 1;
            }
        });
        for n in 0..3_000_i64 {
            let batch: Batch = tags.iter().map(|tag| sample(*tag, n, Value::Int(n))).collect();
            engine.commit(&[batch]).unwrap();
            if n % 500 == 499 {
                engine.seal().unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(rows(&engine, tags[0], TimeRange::ALL).len(), 3_000);
}

#[test]
fn blocks_are_bounded_and_whole() {
    let disk = SimDisk::new();
    let engine = open_with(&disk, &Arc::default(), Settings::default()).unwrap();
    let tag = define(&engine, "a", Kind::Float);
    engine.commit(&[floats(tag, 0..30_000)]).unwrap();
    engine.seal().unwrap();
    engine.commit(&[floats(tag, 20_000..50_000)]).unwrap();
    let blocks = blocks(&engine, tag, TimeRange::ALL);
    assert!(blocks.iter().all(|block| block.len() <= BLOCK_ROWS_MAX));
    let times: Vec<i64> = blocks.iter().flat_map(|block| block.times.clone()).collect();
    assert_eq!(times, (0..50_000).collect::<Vec<_>>());
}

#[test]
fn the_store_seals_by_age_and_by_size() {
    let settings = [
        Settings { seal_after_s: 1, ..small() },
        Settings { head_bytes_max: 1, ..small() },
        Settings { log_bytes_max: 1, ..small() },
    ];
    for settings in settings {
        let (disk, clock) = (SimDisk::new(), Arc::new(FixedClock::default()));
        let engine = open_with(&disk, &clock, settings).unwrap();
        let tag = define(&engine, "a", Kind::Float);
        engine.commit(&[floats(tag, 0..3)]).unwrap();
        clock.advance_ns(1_500_000_000);
        while engine.step().unwrap() == Progress::Did {}
        let status = engine.status();
        assert_eq!((status.segments, status.samples, status.checkpoint), (1, 3, status.sequence));
    }
}

#[test]
fn many_seals_with_new_tags_leave_few_catalog_files() {
    let disk = SimDisk::new();
    let engine = open(&disk);
    for n in 0..40 {
        let tag = define(&engine, &format!("t/{n}"), Kind::Float);
        engine.commit(&[floats(tag, 0..2)]).unwrap();
        engine.seal().unwrap();
    }
    let names = disk.list().unwrap();
    let catalogs = names.iter().filter(|name| Naming::catalog_number(name).is_some()).count();
    assert!(catalogs <= 16, "{catalogs} catalog files");
    drop(engine);
    let engine = open(&disk);
    assert_eq!(engine.snapshot().tags().len(), 40);
    assert!(engine.snapshot().find("t/39").is_some());
}

#[test]
fn a_full_disk_refuses_writes_answers_reads_and_heals_by_itself() {
    let (disk, clock) = (SimDisk::new(), Arc::new(FixedClock::default()));
    let engine =
        open_with(&disk, &clock, Settings { reserve_bytes: Some(10_000), ..small() }).unwrap();
    let tag = define(&engine, "a", Kind::Float);
    engine.commit(&[floats(tag, 0..10)]).unwrap();
    let used = disk.used_bytes().unwrap();
    disk.set_faults(SimFaults { bytes_max: Some(used + 9_999), ..SimFaults::default() });
    clock.advance_ns(1_000_000_000);
    engine.step().unwrap();
    let refused = engine.commit(&[floats(tag, 10..20)]).unwrap_err();
    assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Full, Outcome::NotWritten));
    assert_eq!(rows(&engine, tag, TimeRange::ALL).len(), 10);
    disk.set_faults(SimFaults::default());
    clock.advance_ns(1_000_000_000);
    engine.step().unwrap();
    engine.commit(&[floats(tag, 10..20)]).unwrap();
    assert_eq!(rows(&engine, tag, TimeRange::ALL).len(), 20);
}

#[test]
fn a_disk_without_room_for_the_next_log_file_is_full_not_broken() {
    let (disk, clock) = (SimDisk::new(), Arc::new(FixedClock::default()));
    let engine = open_with(&disk, &clock, small()).unwrap();
    let tag = define(&engine, "a", Kind::Float);
    engine.commit(&[floats(tag, 0..1)]).unwrap();
    let used = disk.used_bytes().unwrap();
    disk.set_faults(SimFaults { bytes_max: Some(used + 100), ..SimFaults::default() });
    let mut written = 1;
    let refused = loop {
        match engine.commit(&[floats(tag, written..written + 50)]) {
            Ok(_) => written += 50,
            Err(error) => break error,
        }
    };
    assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Full, Outcome::NotWritten));
    disk.set_faults(SimFaults::default());
    clock.advance_ns(1_000_000_000);
    engine.step().unwrap();
    engine.commit(&[floats(tag, written..written + 50)]).unwrap();
    drop(engine);
    let kept = rows(&open(&disk), tag, TimeRange::ALL).len();
    assert_eq!(kept, usize::try_from(written).unwrap() + 50);
}

#[test]
fn a_batch_that_cannot_be_kept_is_refused_and_leaves_nothing() {
    let engine = open(&SimDisk::new());
    let tag = define(&engine, "a", Kind::Float);
    engine.commit(&[]).unwrap();
    let unknown = [sample(TagId(9), 1, Value::Float(1.0))].into_iter().collect();
    let wrong_kind = [sample(tag, 1, Value::Int(1))].into_iter().collect();
    let too_large = floats(tag, 0..5_000);
    for batch in [unknown, wrong_kind, too_large] {
        let refused = engine.commit(&[batch]).unwrap_err();
        assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Invalid, Outcome::NotWritten));
    }
    assert_eq!(engine.status().samples, 0);
}

#[test]
fn a_group_with_one_batch_too_large_is_refused_whole() {
    let engine = open(&SimDisk::new());
    let tag = define(&engine, "a", Kind::Float);
    let group = [floats(tag, 0..400), floats(tag, 500..900), floats(tag, 1_000..6_000)];
    let refused = engine.commit(&group).unwrap_err();
    assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Invalid, Outcome::NotWritten));
    assert_eq!(rows(&engine, tag, TimeRange::ALL), []);
    engine.commit(&[floats(tag, 0..400), floats(tag, 500..900)]).unwrap();
    assert_eq!(rows(&engine, tag, TimeRange::ALL).len(), 800);
}

#[test]
fn a_group_of_which_the_disk_took_a_part_is_said_to_be_perhaps_written() {
    let disk = SimDisk::new();
    let engine = open(&disk);
    let tag = define(&engine, "a", Kind::Float);
    engine.commit(&[]).unwrap();
    let used = disk.used_bytes().unwrap();
    disk.set_faults(SimFaults { bytes_max: Some(used), ..SimFaults::default() });
    let group = [floats(tag, 0..400), floats(tag, 500..900)];
    let refused = engine.commit(&group).unwrap_err();
    assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Full, Outcome::Unknown));
    assert_eq!(rows(&engine, tag, TimeRange::ALL).len(), 400);
}

/// A store with a segment, a catalog file and three frames in the log.
fn store_of_every_file() -> (SimDisk, Vec<(i64, Value, Quality)>) {
    let disk = SimDisk::new();
    let engine = open(&disk);
    let tag = define(&engine, "a", Kind::Float);
    let text = define(&engine, "b", Kind::Text);
    let note = [sample(text, 5, Value::Text("Störung".into()))].into_iter().collect();
    engine.commit(&[floats(tag, 0..20), note]).unwrap();
    engine.seal().unwrap();
    for first in [100, 200, 300] {
        engine.commit(&[floats(tag, first..first + 5)]).unwrap();
    }
    let rows = rows(&engine, tag, TimeRange::ALL);
    (disk, rows)
}

/// What a store says of a tag: its rows, or that something is damaged.
fn read_or_refuse(disk: &SimDisk, tag: TagId) -> Result<Vec<(i64, Value, Quality)>, Error> {
    let engine = open_with(disk, &Arc::default(), small())?;
    let blocks = engine.snapshot().scan(tag, TimeRange::ALL).collect::<Result<Vec<_>, _>>()?;
    let row = |block: &Block, row| (block.times[row], block.value(row), block.quality(row));
    Ok(blocks
        .iter()
        .flat_map(|block| (0..block.len()).map(|n| row(block, n)).collect::<Vec<_>>())
        .collect())
}

#[test]
fn a_flipped_bit_is_found_or_harmless() {
    let (disk, rows) = store_of_every_file();
    let mut refused = 0;
    for name in disk.list().unwrap() {
        let is_log = Naming::log_number(&name).is_some();
        let size = usize::try_from(disk.open(&name).unwrap().size().unwrap()).unwrap();
        for at in 0..size {
            let flipped = disk.fork();
            flipped.flip(&name, at, u8::try_from(at % 8).unwrap());
            match read_or_refuse(&flipped, TagId(1)) {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{name} {at}: {error}");
                    refused += 1;
                }
                // The last frame of the log cannot be told from one that a power cut tore.
                Ok(read) if is_log => {
                    let torn = rows[..rows.len() - 5].to_vec();
                    assert!(read == rows || read == torn, "{name} {at}");
                }
                Ok(read) => assert_eq!(read, rows, "{name} {at}"),
            }
        }
    }
    assert!(refused > 500, "only {refused} flips were refused");
}

#[test]
fn a_missing_file_is_named_and_nothing_is_changed() {
    let (disk, _) = store_of_every_file();
    for name in disk.list().unwrap().into_iter().filter(|name| name != Naming::MARKS) {
        let damaged = disk.fork();
        damaged.remove(&name).unwrap();
        let names = damaged.list().unwrap();
        let error = open_with(&damaged, &Arc::default(), small()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io), "{name}: {error}");
        assert_eq!(damaged.list().unwrap(), names, "{name}: the directory was changed");
    }
}

#[test]
fn a_file_of_another_store_is_refused() {
    let (disk, _) = store_of_every_file();
    let other = SimDisk::new();
    let parts = Parts {
        disk: Arc::new(other.clone()),
        clock: Arc::new(FixedClock::default()),
        chance: Arc::new(SeededChance::new(2)),
    };
    let engine = Engine::open(parts, small()).unwrap();
    let tag = define(&engine, "a", Kind::Float);
    engine.commit(&[floats(tag, 0..20)]).unwrap();
    engine.seal().unwrap();
    engine.commit(&[floats(tag, 20..40)]).unwrap();
    drop(engine);
    for name in [Naming::log(1), Naming::catalog(1), Naming::segment(2)] {
        let mixed = disk.fork();
        let file = other.open(&name).unwrap();
        let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        mixed.remove(&name).unwrap();
        mixed.create(&name).unwrap().write_at(0, &bytes).unwrap();
        let error = open_with(&mixed, &Arc::default(), small()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
    }
}

#[test]
fn a_closed_store_refuses_writes_and_still_answers() {
    let engine = open(&SimDisk::new());
    let tag = define(&engine, "a", Kind::Float);
    engine.commit(&[floats(tag, 0..3)]).unwrap();
    engine.close();
    let refused = engine.commit(&[floats(tag, 3..6)]).unwrap_err();
    assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Poisoned, Outcome::NotWritten));
    assert_eq!(rows(&engine, tag, TimeRange::ALL).len(), 3);
}

/// The number of the file that had been made ready was left out, and the next start took the gap
/// for damage.
#[test]
fn a_rest_without_room_leaves_no_gap_in_the_log() {
    let (disk, clock) = (SimDisk::new(), Arc::new(FixedClock::default()));
    let engine = open_with(&disk, &clock, small()).unwrap();
    let tag = define(&engine, "a", Kind::Float);
    engine.commit(&[floats(tag, 0..10)]).unwrap();
    while engine.step().unwrap() == Progress::Did {}
    engine.seal().unwrap();
    let used = disk.used_bytes().unwrap();
    disk.set_faults(SimFaults { bytes_max: Some(used), ..SimFaults::default() });
    assert_eq!(engine.rest().unwrap_err().kind(), ErrorKind::Full);
    disk.set_faults(SimFaults::default());
    engine.commit(&[floats(tag, 10..20)]).unwrap();
    clock.advance_ns(1_000_000_000);
    while engine.step().unwrap() == Progress::Did {}
    drop(engine);
    assert_eq!(rows(&open(&disk), tag, TimeRange::ALL).len(), 20);
}

/// A log that had rolled, got no frame and had the next file made ready was taken for damaged.
#[test]
fn a_rest_that_fails_at_any_operation_leaves_a_store_that_opens() {
    for at in 1..60 {
        let (disk, clock) = (SimDisk::new(), Arc::new(FixedClock::default()));
        let engine = open_with(&disk, &clock, small()).unwrap();
        let tag = define(&engine, "a", Kind::Float);
        engine.commit(&[floats(tag, 0..10)]).unwrap();
        let at = Some(disk.operations() + at);
        disk.set_faults(SimFaults { fails_once_at: at, ..SimFaults::default() });
        drop(engine.rest());
        disk.set_faults(SimFaults::default());
        clock.advance_ns(1_000_000_000);
        while engine.step().unwrap() == Progress::Did {}
        drop(engine);
        assert_eq!(rows(&open(&disk), tag, TimeRange::ALL).len(), 10, "{at:?}");
        let again = open(&disk);
        again.commit(&[floats(tag, 10..1_000)]).unwrap_err();
        again.commit(&[floats(tag, 10..300)]).unwrap();
        again.commit(&[floats(tag, 300..600)]).unwrap();
        drop(again);
        assert_eq!(rows(&open(&disk), tag, TimeRange::ALL).len(), 600, "{at:?}");
    }
}

/// The manifest of an import that failed counted after a power cut, and the latest values had its
/// samples at once.
#[test]
fn an_import_that_fails_at_any_operation_did_not_happen_and_is_never_seen() {
    let mut failed = 0;
    for at in 1..60 {
        let disk = SimDisk::new();
        let engine = open(&disk);
        let tag = define(&engine, "a", Kind::Float);
        engine.commit(&[floats(tag, 0..10)]).unwrap();
        engine.seal().unwrap();
        let at = Some(disk.operations() + at);
        disk.set_faults(SimFaults { fails_once_at: at, ..SimFaults::default() });
        let mut block = Block::empty(Kind::Float);
        let value = Value::Float(0.5);
        block.push(Row::of(Timestamp::from_nanos(99), &value, Quality::GOOD));
        let done = engine.import(std::iter::once(Ok((tag, block))));
        disk.set_faults(SimFaults::default());
        let seen = usize::from(done.is_ok());
        if let Err(error) = done {
            // A log that failed takes nothing more either.
            let sure = error.outcome() == Outcome::NotWritten || engine.status().poisoned;
            assert!(sure, "{at:?}: {error}");
            failed += 1;
        }
        let latest = engine.snapshot().latest(tag).unwrap().ts.nanos();
        assert_eq!(latest, if seen == 1 { 99 } else { 9 }, "{at:?}");
        for survival in [Survival::Kept, Survival::Lost] {
            let survivor = open(&disk.crash(|_| survival));
            assert_eq!(rows(&survivor, tag, TimeRange::ALL).len(), 10 + seen, "{at:?}");
        }
    }
    assert!(failed > 10, "{failed} imports failed");
}

#[test]
fn an_import_whose_fate_nobody_can_know_stops_the_store_until_a_restart_shows_it() {
    let mut open_fates = 0;
    for at in 1..60 {
        let disk = SimDisk::new();
        let engine = open(&disk);
        let tag = define(&engine, "a", Kind::Float);
        engine.commit(&[floats(tag, 0..10)]).unwrap();
        let at = Some(disk.operations() + at);
        disk.set_faults(SimFaults { dies_at: at, ..SimFaults::default() });
        let mut block = Block::empty(Kind::Float);
        let value = Value::Float(0.5);
        block.push(Row::of(Timestamp::from_nanos(99), &value, Quality::GOOD));
        let done = engine.import(std::iter::once(Ok((tag, block))));
        let known =
            done.as_ref().map_or_else(|error| error.outcome() == Outcome::NotWritten, |_| true);
        open_fates += usize::from(!known);
        disk.set_faults(SimFaults::default());
        let refused = engine.commit(&[floats(tag, 10..11)]).is_err();
        assert!(known || refused, "{at:?}");
        let survivor = open(&disk.crash(|_| Survival::Kept));
        let there = rows(&survivor, tag, range(99, 99)).len();
        assert!(!known || there == usize::from(done.is_ok()), "{at:?}: {done:?}, {there}");
    }
    assert!(open_fates > 0);
}
