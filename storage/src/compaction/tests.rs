//! What a rewriting keeps, and what the check before its commit notices.

use std::sync::Arc;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};

use crate::aggregate::Edges;
use crate::chance::SeededChance;
use crate::clock::{Clock, FixedClock};
use crate::compaction::Retention;
use crate::disk::{Disk, SimDisk};
use crate::engine::{Engine, Parts, Settings};
use crate::error::ErrorKind;
use crate::moment::{Moment, watched};
use crate::naming::Naming;
use crate::planted::{Bug, plant};

const DAY_NS: i64 = 86_400_000_000_000;
const NOW_NS: i64 = 20_000 * DAY_NS;

struct Plant {
    disk: SimDisk,
    engine: Engine,
    tag: TagId,
}

impl Plant {
    fn new(settings: Settings) -> Self {
        let disk = SimDisk::new();
        let engine = Self::open(&disk, settings, NOW_NS);
        let path = TagPath::new("line/1").unwrap();
        let tag =
            engine.catalog().define(TagDefinition::new(path, Kind::Float, "test")).unwrap().id;
        Self { disk, engine, tag }
    }

    fn open(disk: &SimDisk, settings: Settings, now_ns: i64) -> Engine {
        let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(now_ns)));
        let parts = Parts {
            disk: Arc::new(disk.clone()),
            clock: clock as Arc<dyn Clock>,
            chance: Arc::new(SeededChance::new(1)),
        };
        let settings = Settings { log_file_bytes: 1 << 20, reserve_bytes: Some(0), ..settings };
        Engine::open(parts, settings).unwrap()
    }

    /// One sample a second from `first_ns` on, every tenth of bad quality, sealed.
    fn fill(&self, first_ns: i64, count: i32) {
        let sample = |n: i32| Sample {
            tag: self.tag,
            ts: Timestamp::from_nanos(first_ns + i64::from(n) * 1_000_000_000),
            value: Value::Float(f64::from(n % 50)),
            quality: if n % 10 == 9 { Quality::BAD } else { Quality::GOOD },
        };
        let batch: Batch = (0..count).map(sample).collect();
        self.engine.commit(&[batch]).unwrap();
        self.engine.seal().unwrap();
    }

    fn rows(&self) -> usize {
        let scan = self.engine.snapshot().scan(self.tag, TimeRange::ALL);
        scan.map(|block| block.unwrap().len()).sum()
    }

    fn segments(&self) -> usize {
        let names = self.disk.list().unwrap();
        names.iter().filter(|name| Naming::segment_number(name).is_some()).count()
    }
}

#[test]
fn a_lost_row_or_quality_is_noticed_before_anything_is_committed() {
    for bug in [Bug::ForgetLastRow, Bug::ForgetQualities] {
        let plant_under_test = Plant::new(Settings::default());
        plant_under_test.fill(NOW_NS - DAY_NS, 3_000);
        plant(Some(bug));
        let refused = plant_under_test.engine.compact().unwrap_err();
        plant(None);
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{bug:?}");
        assert_eq!(plant_under_test.rows(), 3_000);
        plant_under_test.engine.compact().unwrap();
        assert_eq!(plant_under_test.rows(), 3_000);
    }
}

#[test]
fn inputs_go_when_their_last_reader_is_gone() {
    let plant = Plant::new(Settings { audit_ns: 0, ..Settings::default() });
    plant.fill(NOW_NS - DAY_NS, 100);
    plant.fill(NOW_NS - DAY_NS / 2, 100);
    let reader = plant.engine.snapshot();
    plant.engine.compact().unwrap();
    assert_eq!(plant.segments(), 3);
    let rows: usize =
        reader.scan(plant.tag, TimeRange::ALL).map(|block| block.unwrap().len()).sum();
    assert_eq!(rows, 200);
    drop(reader);
    assert_eq!(plant.segments(), 1);
}

#[test]
fn samples_become_minutes_then_hours_and_their_figures_stay() {
    let retention = |days: [Option<i64>; 3]| {
        let [raw_ns, minute_ns, hour_ns] = days.map(|days| days.map(|days| days * DAY_NS));
        vec![Retention { class: String::new(), raw_ns, minute_ns, hour_ns }]
    };
    let keep = |days| Settings { retention: retention(days), audit_ns: 0, ..Settings::default() };
    let first_ns = NOW_NS - 50 * DAY_NS;
    let edges: Vec<i64> = (0..=4).map(|hour| first_ns + hour * 3_600_000_000_000).collect();
    let mut plant = Plant::new(keep([None; 3]));
    plant.fill(first_ns, 4 * 3600);
    let windows = |plant: &Plant| {
        let snapshot = plant.engine.snapshot();
        snapshot.aggregate(plant.tag, &edges, Edges::Exact).unwrap().statistics
    };
    let before = windows(&plant);
    for (days, rows) in [([Some(100), None, None], 14_400), ([Some(1), None, None], 0)] {
        plant.engine = Plant::open(&plant.disk, keep(days), NOW_NS);
        plant.engine.compact().unwrap();
        assert_eq!(plant.rows(), rows, "{days:?}");
        for (own, known) in windows(&plant).iter().zip(&before) {
            assert_eq!((own.rows, own.values, own.bad), (known.rows, known.values, known.bad));
            assert_eq!(
                (own.min_ns, own.max_ns, own.good_ns),
                (known.min_ns, known.max_ns, known.good_ns)
            );
            assert!((own.sum - known.sum).abs() < 1e-6 && (own.m2 - known.m2).abs() < 1e-3);
        }
    }
    plant.engine = Plant::open(&plant.disk, keep([Some(1), Some(2), None]), NOW_NS);
    plant.engine.compact().unwrap();
    assert_eq!(windows(&plant).iter().map(|own| own.rows).sum::<u64>(), 14_400);
    plant.engine = Plant::open(&plant.disk, keep([Some(1), Some(2), Some(3)]), NOW_NS);
    plant.engine.compact().unwrap();
    assert_eq!(windows(&plant).iter().map(|own| own.rows).sum::<u64>(), 0);
    assert_eq!(plant.segments(), 0);
}

#[test]
fn a_job_that_is_halted_leaves_the_store_as_it_was() {
    let plant = Plant::new(Settings::default());
    plant.fill(NOW_NS - DAY_NS, 100);
    plant.engine.halt_upkeep();
    plant.engine.compact().unwrap();
    assert_eq!((plant.segments(), plant.rows()), (1, 100));
}

impl Plant {
    /// Samples of one value, a second apart, sealed.
    fn write(&self, first_ns: i64, count: i64, value: f64) {
        let sample = |n: i64| Sample {
            tag: self.tag,
            ts: Timestamp::from_nanos(first_ns + n * 1_000_000_000),
            value: Value::Float(value),
            quality: Quality::GOOD,
        };
        self.engine.commit(&[(0..count).map(sample).collect()]).unwrap();
        self.engine.seal().unwrap();
    }

    /// Later, and somebody confirms the clock.
    fn reopen(&mut self, settings: Settings, now_ns: i64) {
        self.engine = Self::open(&self.disk, settings, now_ns);
        self.engine.confirm_clock().unwrap();
    }

    fn upkeep(&self) {
        while self.engine.maintain().unwrap() == crate::engine::Progress::Did {}
    }

    fn delete(&self, first_ns: i64, last_ns: i64) -> u64 {
        let [first, last] = [first_ns, last_ns].map(Timestamp::from_nanos);
        self.engine.delete(&[self.tag], TimeRange { first, last }, "anna", "test").unwrap()
    }
}

const HOUR_NS: i64 = DAY_NS / 24;

fn kept_for(hours: i64, audit_ns: i64) -> Settings {
    let raw_ns = Some(hours * HOUR_NS);
    let class = Retention { raw_ns, ..Retention::default() };
    Settings { retention: vec![class], compact_segments: 1, audit_ns, ..Settings::default() }
}

/// Late corrections lie in a segment of their own that holds the early hours of a day only: it
/// expired before the one with the samples it had replaced, and these came back.
#[test]
fn a_replaced_sample_does_not_come_back_when_what_replaced_it_expires() {
    let settings = || Settings {
        retention: vec![Retention {
            raw_ns: Some(6 * HOUR_NS),
            minute_ns: Some(0),
            hour_ns: Some(0),
            ..Retention::default()
        }],
        ..kept_for(6, 0)
    };
    let mut plant = Plant::new(settings());
    plant.write(NOW_NS, 5 * 3600, 1.0);
    plant.upkeep();
    plant.write(NOW_NS, 100, 2.0);
    plant.upkeep();
    plant.reopen(settings(), NOW_NS + 7 * HOUR_NS);
    plant.upkeep();
    let blocks = plant.engine.snapshot().scan(plant.tag, TimeRange::ALL);
    let old = blocks.flat_map(|block| {
        let block = block.unwrap();
        block.times.into_iter().zip(block.bits).collect::<Vec<_>>()
    });
    let limit = NOW_NS + 100 * 1_000_000_000;
    let wrong = old.filter(|(ts, bits)| *ts < limit && *bits == 1.0_f64.to_bits()).count();
    assert_eq!(wrong, 0);
}

/// What is deleted between two rewritings was in the statistics of its minute, and the deletion
/// hid the rest of that minute.
#[test]
fn a_deleted_sample_is_not_in_the_statistics_of_its_minute_and_hides_no_other() {
    for audit_ns in [0, 7 * DAY_NS] {
        let mut plant = Plant::new(kept_for(24, audit_ns));
        plant.write(NOW_NS, 600, 1.0);
        plant.upkeep();
        plant.delete(NOW_NS + 65_000_000_000, NOW_NS + 70_000_000_000);
        plant.engine.seal().unwrap();
        plant.reopen(kept_for(24, audit_ns), NOW_NS + 2 * DAY_NS);
        plant.upkeep();
        assert_eq!(plant.rows(), 0, "the samples themselves are gone");
        let edges = [NOW_NS, NOW_NS + 60_000_000_000, NOW_NS + 120_000_000_000];
        let windows = plant.engine.snapshot().aggregate(plant.tag, &edges, Edges::Exact).unwrap();
        let rows: Vec<u64> = windows.statistics.iter().map(|own| own.rows).collect();
        assert_eq!(rows, [60, 54], "audit for {audit_ns} ns");
    }
}

/// A deletion was forgotten once nobody could look back behind it, though the samples it hides were
/// still put away, together with later ones that somebody may look back at.
#[test]
fn a_deleted_sample_stays_deleted_for_whoever_looks_back() {
    let settings = || Settings { audit_ns: 7 * DAY_NS, ..Settings::default() };
    let mut plant = Plant::new(settings());
    plant.write(NOW_NS, 10, 1.0);
    let deleted = plant.delete(NOW_NS, NOW_NS + DAY_NS / 2);
    plant.engine.seal().unwrap();
    plant.reopen(settings(), NOW_NS + DAY_NS);
    plant.write(NOW_NS + DAY_NS, 10, 2.0);
    plant.write(NOW_NS + DAY_NS, 10, 3.0);
    plant.engine.compact().unwrap();
    plant.reopen(settings(), NOW_NS + 7 * DAY_NS + DAY_NS / 2);
    for value in [4.0, 5.0] {
        plant.write(NOW_NS + 2 * DAY_NS, 10, value);
        plant.engine.compact().unwrap();
    }
    let past = plant.engine.snapshot_as_of(deleted).unwrap();
    assert_eq!(past.scan(plant.tag, TimeRange::ALL).count(), 0);
}

/// What a deletion put away was forgotten by the age of the rows, not by that of the deletion.
#[test]
fn a_deleted_sample_is_seen_by_whoever_looks_back_behind_the_deletion() {
    let settings = || Settings { audit_ns: 7 * DAY_NS, ..Settings::default() };
    let mut plant = Plant::new(settings());
    plant.write(NOW_NS, 10, 1.0);
    plant.engine.seal().unwrap();
    let before = plant.engine.snapshot().sequence();
    plant.reopen(settings(), NOW_NS + 6 * DAY_NS);
    plant.delete(NOW_NS, NOW_NS + DAY_NS);
    plant.engine.compact().unwrap();
    plant.reopen(settings(), NOW_NS + 8 * DAY_NS);
    plant.upkeep();
    let past = plant.engine.snapshot_as_of(before).unwrap();
    let rows: usize = past.scan(plant.tag, TimeRange::ALL).map(|block| block.unwrap().len()).sum();
    assert_eq!((rows, plant.rows()), (10, 0));
}

/// Rows that were put away lost their own sequences where nobody could look back behind them, took
/// that of their page, and were newer than what had replaced them.
#[test]
fn a_replaced_sample_stays_older_than_what_replaced_it() {
    let settings = || Settings { audit_ns: 7 * DAY_NS, ..Settings::default() };
    let mut plant = Plant::new(settings());
    let second_ns = 1_000_000_000;
    plant.write(NOW_NS, 1, 1.0);
    plant.write(NOW_NS, 1, 2.0);
    plant.write(NOW_NS + second_ns, 1, 3.0);
    let past = plant.engine.snapshot().sequence();
    plant.reopen(settings(), NOW_NS + DAY_NS);
    plant.write(NOW_NS + second_ns, 1, 4.0);
    plant.reopen(settings(), NOW_NS + 7 * DAY_NS + DAY_NS / 2);
    plant.engine.compact().unwrap();
    let past = plant.engine.snapshot_as_of(past).unwrap();
    let bits: Vec<u64> =
        past.scan(plant.tag, TimeRange::ALL).flat_map(|block| block.unwrap().bits).collect();
    assert_eq!(bits, [2.0, 3.0].map(f64::to_bits));
}

/// The moment from which on the past can be read went back when a rewriting ended that had begun
/// before a seal, and the seal had kept nothing for those who look back.
#[test]
fn a_seal_in_the_middle_of_a_rewriting_does_not_open_the_past_again() {
    let disk = SimDisk::new();
    let settings = Settings { audit_ns: 0, compact_segments: 1, ..Settings::default() };
    let engine = Arc::new(Plant::open(&disk, settings, NOW_NS));
    let path = TagPath::new("a").unwrap();
    let tag = engine.catalog().define(TagDefinition::new(path, Kind::Int, "test")).unwrap().id;
    let write = move |engine: &Engine, value: i64| {
        let (ts, value) = (Timestamp::from_nanos(NOW_NS), Value::Int(value));
        let sample = Sample { tag, ts, value, quality: Quality::GOOD };
        engine.commit(&[[sample].into_iter().collect()]).unwrap()
    };
    write(&engine, 1);
    engine.seal().unwrap();
    let other = Arc::clone(&engine);
    let meanwhile = move |moment| {
        if moment == Moment::Rewrite && other.status().sequence == 2 {
            write(&other, 2);
            write(&other, 3);
            other.seal().unwrap();
        }
    };
    watched(meanwhile, || engine.maintain()).unwrap();
    assert_eq!(engine.status().sequence, 4);
    let refused = engine.snapshot_as_of(3).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

/// The first value was in the statistics of its minute although it had been replaced, and so was
/// the second, once it was rewritten.
#[test]
fn a_replaced_sample_is_not_in_the_statistics_of_its_minute() {
    let settings = || Settings { compact_segments: 100, ..kept_for(24, 0) };
    let mut plant = Plant::new(settings());
    plant.write(NOW_NS, 60, 1.0);
    plant.engine.compact().unwrap();
    plant.write(NOW_NS, 30, 2.0);
    plant.reopen(settings(), NOW_NS + 2 * DAY_NS);
    plant.upkeep();
    assert_eq!(plant.rows(), 0);
    let edges = [NOW_NS, NOW_NS + 60_000_000_000];
    let windows = plant.engine.snapshot().aggregate(plant.tag, &edges, Edges::Exact).unwrap();
    let [window] = &windows.statistics[..] else { panic!("one window") };
    assert_eq!((window.rows, window.sum.to_bits()), (60, 90.0_f64.to_bits()));
}
