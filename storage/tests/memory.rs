//! What the store takes of the machine's memory, measured by the system and not by the store.
//!
//! One test in a process of its own: whatever else ran here would count too.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "the figures are part of what the run shows")]

use std::fs;
use std::sync::Arc;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};
use tacitus_storage::{Edges, Engine, FixedClock, OsDisk, Parts, Progress, SeededChance, Settings};

const BUDGET: u64 = 32 << 20;
const TAGS: u32 = 4_000;
const ROUNDS: i64 = 500;
const BEGIN_NS: i64 = 1_700_000_000_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// Memory that this process has for itself, mapped files not counted.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// A second of the plant: every tag moves a little, each in its own way.
fn second(n: i64) -> Batch {
    let sample = |tag: u32| {
        let step = (n * 7 + i64::from(tag) * 13) % 97;
        Sample {
            tag: TagId(tag),
            ts: Timestamp::from_nanos(BEGIN_NS + n * SECOND_NS),
            value: Value::Float(f64::from(i32::try_from(step).unwrap()) / 8.0),
            quality: Quality::GOOD,
        }
    };
    (1..=TAGS).map(sample).collect()
}

fn open(directory: &std::path::Path) -> Engine {
    let parts = Parts {
        disk: Arc::new(OsDisk::open(directory).unwrap()),
        clock: Arc::new(FixedClock::at(Timestamp::from_nanos(BEGIN_NS))),
        chance: Arc::new(SeededChance::new(1)),
    };
    let settings = Settings { reserve_bytes: Some(0), ..Settings::with_memory(BUDGET) };
    Engine::open(parts, settings).unwrap()
}

#[test]
fn the_store_keeps_to_its_memory_while_it_is_filled_read_and_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let before = resident_bytes();
    let engine = open(directory.path());
    for tag in 1..=TAGS {
        let path = TagPath::new(&format!("plant/line{}/tag{tag}", tag % 40)).unwrap();
        engine.catalog().define(TagDefinition::new(path, Kind::Float, "test")).unwrap();
    }
    let mut most = 0;
    let mut look = |what: &str| {
        let own = resident_bytes().saturating_sub(before);
        if own > most {
            most = own;
            println!("{} MiB while {what}: {:?}", own >> 20, engine.status());
        }
    };
    for n in 0..ROUNDS {
        engine.commit(&[second(n)]).unwrap();
        if n % 5 == 4 {
            // Late ones, over samples that are sealed already.
            engine.commit(&[second(n / 2)]).unwrap();
        }
        while engine.step().unwrap() == Progress::Did {}
        if n % 10 == 0 {
            look("filling");
        }
    }
    for round in 0..3 {
        let snapshot = engine.snapshot();
        for tag in 1..=TAGS {
            let rows: usize =
                snapshot.scan(TagId(tag), TimeRange::ALL).map(|block| block.unwrap().len()).sum();
            assert_eq!(i64::try_from(rows), Ok(ROUNDS));
            let edges: Vec<i64> = (0..=100).map(|n| BEGIN_NS + n * 10 * SECOND_NS).collect();
            snapshot.aggregate(TagId(tag), &edges, Edges::Exact).unwrap();
            if tag % 100 == 0 {
                look("reading");
            }
        }
        if round == 0 {
            engine.compact().unwrap();
            look("compacting");
        }
    }
    assert!(engine.status().cache_bytes <= BUDGET / 5);
    println!("at most {} MiB of {} MiB", most >> 20, BUDGET >> 20);
    assert!(most <= BUDGET / 100 * 115, "{most} bytes were taken, {BUDGET} are allowed");
}
