//! The engine against a plain map, under load, on a full disk, over damaged files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};

use crate::aggregate::Edges;
use crate::block::Block;
use crate::chance::SeededChance;
use crate::clock::{Clock, FixedClock};
use crate::disk::{Disk, SimDisk, SimFaults};
use crate::engine::{Engine, Parts, Progress, Settings};
use crate::error::{Error, ErrorKind, Outcome};
use crate::limits::BLOCK_ROWS_MAX;
use crate::naming::Naming;
use crate::segment::StateTime;
use crate::statistics::Statistics;

fn small() -> Settings {
    Settings { log_file_bytes: 8192, reserve_bytes: 0, ..Settings::default() }
}

fn open_with(disk: &SimDisk, clock: &Arc<FixedClock>, settings: Settings) -> Result<Engine, Error> {
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

fn floats(tag: TagId, times: impl IntoIterator<Item = i32>) -> Batch {
    times.into_iter().map(|n| sample(tag, i64::from(n), Value::Float(f64::from(n)))).collect()
}

fn blocks(engine: &Engine, tag: TagId, range: TimeRange) -> Vec<Block> {
    engine.snapshot().scan(tag, range).collect::<Result<_, _>>().unwrap()
}

fn rows(engine: &Engine, tag: TagId, range: TimeRange) -> Vec<(i64, Value, Quality)> {
    let blocks = blocks(engine, tag, range);
    let row = |block: &Block, row| (block.times[row], block.value(row), block.quality(row));
    blocks
        .iter()
        .flat_map(|block| (0..block.len()).map(|n| row(block, n)).collect::<Vec<_>>())
        .collect()
}

fn range(first: i64, last: i64) -> TimeRange {
    TimeRange { first: Timestamp::from_nanos(first), last: Timestamp::from_nanos(last) }
}

/// One step of a random program.
#[derive(Debug, Clone)]
enum Op {
    Append(Vec<(u8, i64, Value, u32)>),
    Seal,
    Step,
    Reopen,
}

const KINDS: [Kind; 5] = [Kind::Float, Kind::Int, Kind::Bool, Kind::Text, Kind::State];

fn values(kind: Kind) -> BoxedStrategy<Value> {
    let some = match kind {
        Kind::Float => any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))).boxed(),
        Kind::Int => any::<i64>().prop_map(Value::Int).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::State => (0_u32..2).prop_map(Value::State).boxed(),
        Kind::Text => "[a-c]{0,3}".prop_map(|text| Value::Text(text.into())).boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 8 => some].boxed()
}

fn ops() -> impl Strategy<Value = Op> {
    let row = (0_u8..5).prop_flat_map(|tag| {
        let time = prop_oneof![0_i64..40, Just(i64::MIN), Just(i64::MAX)];
        (Just(tag), time, values(KINDS[usize::from(tag)]), prop_oneof![Just(0), any::<u32>()])
    });
    prop_oneof![
        6 => proptest::collection::vec(row, 1..12).prop_map(Op::Append),
        1 => Just(Op::Seal),
        1 => Just(Op::Step),
        1 => Just(Op::Reopen),
    ]
}

type Model = BTreeMap<(TagId, i64), (Value, Quality)>;

fn check_against(model: &Model, engine: &Engine, tags: &[TagId]) -> Result<(), TestCaseError> {
    for tag in tags {
        let all = |range: TimeRange| {
            let of_tag = model.range((*tag, i64::MIN)..=(*tag, i64::MAX));
            let inside = move |ts: i64| range.contains(Timestamp::from_nanos(ts));
            of_tag
                .filter(move |((_, ts), _)| inside(*ts))
                .map(|((_, ts), (value, quality))| (*ts, value.clone(), *quality))
                .collect::<Vec<_>>()
        };
        for range in [TimeRange::ALL, range(10, 20), range(5, 5), range(i64::MIN, 0)] {
            prop_assert_eq!(rows(engine, *tag, range), all(range));
        }
        for edges in [vec![i64::MIN, i64::MAX], vec![0, 7, 20, 21, 35, 36], (-5..45).collect()] {
            check_windows(engine, *tag, &edges)?;
        }
        let known = all(TimeRange::ALL);
        let latest = engine.snapshot().latest(*tag);
        let latest = latest.map(|sample| (sample.ts.nanos(), sample.value, sample.quality));
        prop_assert_eq!(latest.as_ref(), known.last());
        let extent = engine.snapshot().extent(*tag).map(|extent| extent.first.nanos());
        prop_assert_eq!(extent, known.first().map(|(ts, ..)| *ts));
    }
    Ok(())
}

/// Windows from pages are those from rows.
fn check_windows(engine: &Engine, tag: TagId, edges: &[i64]) -> Result<(), TestCaseError> {
    let snapshot = engine.snapshot();
    let step = snapshot.tag(tag).unwrap().definition.step;
    let found = snapshot.aggregate(tag, edges, Edges::Exact).unwrap();
    for (window, pair) in found.statistics.iter().zip(edges.windows(2)) {
        let mut all = Statistics::default();
        for block in blocks(engine, tag, range(pair[0], pair[1] - 1)) {
            all.absorb(&Statistics::of(block.run(0..block.len(), step)), step);
        }
        let counts = |of: &Statistics| (of.rows, of.good, of.bad, of.values, of.rounded);
        prop_assert_eq!(counts(window), counts(&all));
        let times = |of: &Statistics| (of.first_ns, of.last_ns, of.min_ns, of.max_ns, of.good_ns);
        prop_assert_eq!(times(window), times(&all));
        let numbers = |of: &Statistics| [of.first, of.last, of.min, of.max];
        for (own, other) in numbers(window).into_iter().zip(numbers(&all)) {
            prop_assert!(own == other || (own.is_nan() && other.is_nan()), "{own} {other}");
        }
        let sums = |of: &Statistics| [of.sum, of.m2, of.integral];
        for (own, other) in sums(window).into_iter().zip(sums(&all)) {
            let scale = all.max.abs().max(all.min.abs()).max(1.0) * 100.0;
            let near = (own - other).abs() <= 1e-9 * other.abs().max(scale);
            prop_assert!(near || !other.is_finite() || !scale.is_finite(), "{own} {other}");
        }
    }
    if matches!(snapshot.tag(tag).unwrap().definition.kind, Kind::Bool | Kind::State) {
        check_states(engine, tag, edges)?;
    }
    Ok(())
}

/// Times in state from pages are those from rows.
fn check_states(engine: &Engine, tag: TagId, edges: &[i64]) -> Result<(), TestCaseError> {
    let found = engine.snapshot().state_times(tag, edges).unwrap();
    for (window, pair) in found.iter().zip(edges.windows(2)) {
        let mut all = Block::empty(Kind::State);
        for block in blocks(engine, tag, range(pair[0], pair[1] - 1)) {
            all.extend(&block, 0..block.len());
        }
        prop_assert_eq!(window, &StateTime::of(&all, 0..all.len()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_program_leaves_what_a_plain_map_holds(program in proptest::collection::vec(ops(), 1..25)) {
        let disk = SimDisk::new();
        let mut engine = open(&disk);
        let tags: Vec<TagId> = KINDS.iter().map(|kind| {
            let mut definition = TagDefinition::new(TagPath::new(kind.name()).unwrap(), *kind, "test");
            if *kind == Kind::State {
                definition.states = vec!["off".into(), "on".into()];
            }
            engine.catalog().define(definition).unwrap().id
        }).collect();
        engine.commit(&[]).unwrap();
        let mut model = Model::new();
        for op in program {
            match op {
                Op::Append(rows) => {
                    let samples = rows.into_iter().map(|(tag, ts, value, quality)| Sample {
                        tag: tags[usize::from(tag)],
                        ts: Timestamp::from_nanos(ts),
                        value,
                        quality: Quality(quality),
                    });
                    let batch: Batch = samples.collect();
                    engine.commit(std::slice::from_ref(&batch)).unwrap();
                    for (tag, ts, value, quality) in batch.iter() {
                        model.insert((tag, ts.nanos()), (value.clone(), quality));
                    }
                }
                Op::Seal => engine.seal().unwrap(),
                Op::Step => drop(engine.step().unwrap()),
                Op::Reopen => {
                    drop(engine);
                    engine = open(&disk);
                }
            }
            check_against(&model, &engine, &tags)?;
        }
    }
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
    let engine = open_with(&disk, &clock, Settings { reserve_bytes: 10_000, ..small() }).unwrap();
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
    for name in disk.list().unwrap() {
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
