//! Clocks that are wrong in every way the catalogue of faults lists.

use std::sync::Arc;

use super::*;
use crate::chance::SeededChance;
use crate::clock::FixedClock;
use crate::disk::SimDisk;
use crate::engine::{Parts, Settings};
use crate::planted::plant;

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;
/// 2026-11-01T00:00:00Z.
const NOW_NS: i64 = 1_793_491_200_000_000_000;

fn open(disk: &SimDisk, now_ns: i64) -> (Engine, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(now_ns)));
    let parts = Parts {
        disk: Arc::new(disk.clone()),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        chance: Arc::new(SeededChance::new(1)),
    };
    let settings = Settings { log_file_bytes: 4096, ..Settings::default() };
    (Engine::open(parts, settings).unwrap(), clock)
}

/// A store that ran until `NOW_NS` and remembers it.
fn store() -> SimDisk {
    let disk = SimDisk::new();
    let (engine, _) = open(&disk, NOW_NS);
    while engine.step().unwrap() == crate::engine::Progress::Did {}
    disk
}

#[test]
fn a_clock_far_from_the_last_run_is_suspect_and_one_that_is_near_is_not() {
    let year = 365 * DAY_NS;
    for (now_ns, suspect) in [
        (NOW_NS + HOUR_NS, false),
        (NOW_NS - HOUR_NS, false),
        (NOW_NS + DAY_NS + 1, true),
        (NOW_NS - DAY_NS - 1, true),
        (0, true),
        (NOW_NS + 10 * year, true),
        (i64::MAX, true),
        (i64::MIN, true),
    ] {
        let (engine, _) = open(&store(), now_ns);
        assert_eq!(engine.clock_suspect(), suspect, "at {now_ns}");
        assert_eq!(engine.retention_now().is_none(), suspect, "at {now_ns}");
    }
}

#[test]
fn a_new_store_remembers_when_it_was_made() {
    let disk = SimDisk::new();
    drop(open(&disk, NOW_NS));
    let (engine, _) = open(&disk, NOW_NS + 4 * DAY_NS);
    assert!(engine.clock_suspect(), "nothing was kept since, yet the clock jumped");
}

/// A seal noted when it happened, by a clock in 1970, and all that was committed before it counted
/// as older than what anyone may look back at.
#[test]
fn what_was_sealed_under_a_wrong_clock_can_be_looked_back_at() {
    let (engine, clock) = open(&store(), NOW_NS);
    let define = |path: &str| {
        let path = tacitus_model::TagPath::new(path).unwrap();
        let definition =
            tacitus_model::TagDefinition::new(path, tacitus_model::Kind::Float, "test");
        engine.catalog().define(definition).unwrap();
        engine.commit(&[]).unwrap()
    };
    let first = define("a");
    clock.set(Timestamp::from_nanos(0));
    define("b");
    engine.seal().unwrap();
    clock.set(Timestamp::from_nanos(NOW_NS));
    define("c");
    engine.seal().unwrap();
    // A rewriting keeps what may be looked back at, and no more.
    let tag = engine.catalog().find("a").unwrap().id;
    let sample = tacitus_model::Sample {
        tag,
        ts: Timestamp::from_nanos(NOW_NS),
        value: tacitus_model::Value::Float(1.0),
        quality: tacitus_model::Quality::GOOD,
    };
    engine.commit(&[[sample].into_iter().collect()]).unwrap();
    engine.compact().unwrap();
    assert_eq!(engine.snapshot_as_of(first).unwrap().tags().len(), 1);
}

#[test]
fn a_jump_while_running_freezes_retention_until_the_clock_is_right_again() {
    let (engine, clock) = open(&store(), NOW_NS);
    for (now_ns, suspect) in [
        (NOW_NS + HOUR_NS, false),
        (NOW_NS + 3650 * DAY_NS, true),
        (NOW_NS, false),
        (0, true),
        (NOW_NS + 5, false),
    ] {
        clock.set(Timestamp::from_nanos(now_ns));
        assert_eq!(engine.retention_now().is_none(), suspect, "at {now_ns}");
    }
}

#[test]
fn small_jumps_do_not_add_up_to_a_large_one() {
    let (engine, clock) = open(&store(), NOW_NS);
    for jumps in 1..=3 {
        clock.set(Timestamp::from_nanos(NOW_NS + jumps * 20 * HOUR_NS));
        engine.step().unwrap();
        assert_eq!(engine.clock_suspect(), jumps > 1, "{jumps} jumps");
    }
}

#[test]
fn time_that_passes_is_no_jump() {
    let (engine, clock) = open(&store(), NOW_NS);
    for _ in 0..2000 {
        clock.advance_ns(4_000_000_000);
        clock.advance_ns(4_000_000_000);
    }
    engine.step().unwrap();
    for _ in 0..50_000 {
        clock.advance_ns(4_000_000_000);
    }
    engine.step().unwrap();
    assert!(!engine.clock_suspect(), "more than two days passed on both clocks");
}

#[test]
fn a_confirmed_clock_is_believed_and_remembered_even_if_it_went_back() {
    let disk = store();
    let (engine, _) = open(&disk, NOW_NS - 100 * DAY_NS);
    assert!(engine.clock_suspect());
    engine.confirm_clock().unwrap();
    assert!(engine.retention_now().is_some());
    drop(engine);
    let (again, _) = open(&disk, NOW_NS - 100 * DAY_NS);
    assert!(!again.clock_suspect());
}

#[test]
fn damaged_marks_make_every_clock_suspect_but_do_not_keep_the_store_closed() {
    let disk = store();
    disk.flip(crate::naming::Naming::MARKS, 40, 1);
    let (engine, _) = open(&disk, NOW_NS);
    assert!(engine.clock_suspect());
    engine.confirm_clock().unwrap();
    let (again, _) = open(&disk, NOW_NS);
    assert!(!again.clock_suspect());
}

/// Samples of a class that is kept for thirty days, after a jump of ten years: how many are left,
/// and how many when the clock was confirmed.
fn left_after_a_jump() -> (u64, u64) {
    let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(NOW_NS)));
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        chance: Arc::new(SeededChance::new(1)),
    };
    let month = crate::compaction::Retention {
        raw_ns: Some(30 * DAY_NS),
        minute_ns: Some(0),
        hour_ns: Some(0),
        ..crate::compaction::Retention::default()
    };
    let settings = Settings { log_file_bytes: 4096, retention: vec![month], ..Settings::default() };
    let engine = Engine::open(parts, settings).unwrap();
    let tag = crate::golden::define(&engine, "a", tacitus_model::Kind::Bool);
    let sample = |n: i64| tacitus_model::Sample {
        tag,
        ts: Timestamp::from_nanos(NOW_NS + n),
        value: tacitus_model::Value::Bool(true),
        quality: tacitus_model::Quality::GOOD,
    };
    engine.commit(&[(0..100).map(sample).collect()]).unwrap();
    engine.compact().unwrap();
    clock.set(Timestamp::from_nanos(NOW_NS + 3650 * DAY_NS));
    engine.compact().unwrap();
    let jumped = engine.status().samples;
    engine.confirm_clock().unwrap();
    engine.compact().unwrap();
    (jumped, engine.status().samples)
}

#[test]
fn retention_deletes_nothing_by_a_clock_that_jumped_and_a_clock_that_is_believed_is_found() {
    assert_eq!(left_after_a_jump(), (100, 0));
    plant(Some(Bug::BelieveClock));
    let believed = left_after_a_jump();
    plant(None);
    assert_eq!(believed, (0, 0));
}
