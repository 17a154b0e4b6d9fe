//! A copy that follows the store: whatever is done to the store meanwhile, whoever applies its
//! stretches ends with what it has; and what is held stays.

use std::sync::Arc;

use proptest::prelude::*;
use tacitus_model::{Kind, TagDefinition, TagId, TagPath, Timestamp, Value};

use crate::clock::FixedClock;
use crate::compaction::Retention;
use crate::disk::SimDisk;
use crate::engine::program_tests::{Op, Run, ops};
use crate::engine::tests::{floats, open_with, range, rows, small};
use crate::engine::{Engine, Settings};
use crate::snapshot::{Bookmark, ChangesMax, Copy, Stretch};

const DAY_NS: i64 = 86_400_000_000_000;

/// What happens between two operations: pieces applied, of how many rows, and whether the copier
/// then loses what it did after its last stretch.
fn pulls() -> impl Strategy<Value = (u8, usize, bool)> {
    (0_u8..4, 1_usize..9, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_copy_that_applies_every_stretch_is_the_store(
        program in proptest::collection::vec((ops(), pulls()), 1..25), looks_back: bool,
    ) {
        let mut run = Run::start(if looks_back { 7 * DAY_NS } else { 0 });
        let mut copy = Copy::default();
        copy.hold(run.engine());
        for (op, (count, rows_max, forgets)) in program {
            let reopened = matches!(op, Op::Reopen);
            run = run.perform(op);
            if reopened {
                copy.hold(run.engine());
            }
            for _ in 0..count {
                copy.pull(run.engine(), rows_max).unwrap();
            }
            if forgets {
                // A kill after the upstream has it, and before that was written down.
                copy.forget_place();
            }
        }
        copy.drain(run.engine(), 5).unwrap();
        prop_assert_eq!(&copy.rows, run.model());
        // From the very begin again, over what is there: the same.
        copy.begin_again();
        copy.drain(run.engine(), 5).unwrap();
        prop_assert_eq!(&copy.rows, run.model());
    }
}

fn week() -> Settings {
    let week = Retention {
        raw_ns: Some(7 * DAY_NS),
        minute_ns: Some(0),
        hour_ns: Some(0),
        class: String::new(),
    };
    Settings { retention: vec![week], compact_segments: 2, audit_ns: 0, ..small() }
}

fn define(engine: &Engine, path: &str) -> TagId {
    let definition = TagDefinition::new(TagPath::new(path).unwrap(), Kind::Float, "test");
    engine.catalog().define(definition).unwrap().id
}

/// Three seals of old samples, and a clock that is weeks later.
fn aged() -> (SimDisk, Arc<FixedClock>, Engine, TagId) {
    let disk = SimDisk::new();
    let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(20 * DAY_NS)));
    let engine = open_with(&disk, &clock, week()).unwrap();
    let tag = define(&engine, "a");
    for n in 0..3 {
        engine.commit(&[floats(tag, n * 10..n * 10 + 10)]).unwrap();
        engine.seal().unwrap();
    }
    (disk, clock, engine, tag)
}

#[test]
fn what_is_held_does_not_expire_and_goes_when_it_is_let_go() {
    let (_disk, _clock, engine, tag) = aged();
    engine.hold("centre", 0);
    engine.compact().unwrap();
    assert_eq!(rows(&engine, tag, range(0, 100)).len(), 30);
    let until = engine.held_from_expiring().unwrap();
    assert_eq!(until, engine.status().checkpoint);
    engine.hold("centre", until);
    assert_eq!(engine.held_from_expiring(), None);
    engine.compact().unwrap();
    assert!(rows(&engine, tag, range(0, 100)).is_empty());
}

#[test]
fn the_slowest_holder_counts_and_a_released_one_does_not() {
    let (_disk, _clock, engine, tag) = aged();
    engine.hold("slow", 0);
    engine.hold("fast", engine.status().sequence);
    engine.compact().unwrap();
    assert_eq!(rows(&engine, tag, range(0, 100)).len(), 30);
    engine.release("slow");
    engine.compact().unwrap();
    assert!(rows(&engine, tag, range(0, 100)).is_empty());
}

#[test]
fn a_rewriting_leaves_held_rows_their_sequences() {
    let disk = SimDisk::new();
    let engine = open_with(&disk, &Arc::default(), Settings { audit_ns: 0, ..small() }).unwrap();
    let tag = define(&engine, "a");
    engine.hold("centre", 0);
    let mut ends = Vec::new();
    for n in 0..4 {
        ends.push(engine.commit(&[floats(tag, n * 10..n * 10 + 10)]).unwrap());
        engine.seal().unwrap();
    }
    engine.compact().unwrap();
    // All is one segment, and yet what came after the second commit can be told apart.
    assert_eq!(engine.status().segments, 1);
    let snapshot = engine.snapshot();
    let stretch = Stretch { after: ends[1], until: ends[2] };
    let most = ChangesMax { rows: 100, bytes: 1 << 20 };
    let changes = snapshot.changes(stretch, Bookmark::START, most, |_| true).unwrap();
    let times: Vec<i64> = changes.rows.iter().flat_map(|(_, block)| block.times.clone()).collect();
    assert_eq!(times, (20..30).collect::<Vec<i64>>());
}

#[test]
fn held_segments_are_not_mixed_with_those_that_were_read() {
    let disk = SimDisk::new();
    let engine = open_with(&disk, &Arc::default(), small()).unwrap();
    let tag = define(&engine, "a");
    let write = |n: i32| {
        let end = engine.commit(&[floats(tag, n * 10..n * 10 + 10)]).unwrap();
        engine.compact().unwrap();
        end
    };
    let read = write(0);
    engine.hold("centre", read);
    write(1);
    write(2);
    assert_eq!(engine.status().segments, 3);
    assert_eq!(engine.snapshot().stretch_after(0).unwrap().until, read);
    engine.release("centre");
    engine.compact().unwrap();
    assert_eq!(engine.status().segments, 1);
}

#[test]
fn a_backlog_is_counted_in_segments_and_in_the_head() {
    let disk = SimDisk::new();
    let engine = open_with(&disk, &Arc::default(), small()).unwrap();
    let tag = define(&engine, "a");
    let first = engine.commit(&[floats(tag, 0..10)]).unwrap();
    engine.seal().unwrap();
    let last = engine.commit(&[floats(tag, 10..15)]).unwrap();
    let all = engine.backlog(Stretch { after: 0, until: last });
    assert_eq!((all.samples, all.range), (15, Some(range(0, 10))));
    assert!(all.bytes > 0);
    let rest = engine.backlog(Stretch { after: first, until: last });
    assert_eq!((rest.samples, rest.range), (5, Some(range(10, 10))));
    assert_eq!(engine.backlog(Stretch { after: last, until: last }), crate::Backlog::default());
}

#[test]
fn only_the_tags_that_are_asked_for_are_given() {
    let disk = SimDisk::new();
    let engine = open_with(&disk, &Arc::default(), small()).unwrap();
    let tags = [define(&engine, "a"), define(&engine, "b")];
    let last = engine.commit(&tags.map(|tag| floats(tag, 0..3))).unwrap();
    let stretch = Stretch { after: 0, until: last };
    let most = ChangesMax { rows: 100, bytes: 1 << 20 };
    let changes = engine.snapshot().changes(stretch, Bookmark::START, most, |tag| tag == tags[1]);
    let changes = changes.unwrap();
    assert_eq!(changes.rows.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [tags[1]]);
    assert_eq!(changes.rows[0].1.value(2), Value::Float(2.0));
}
