//! Windows over a tag long enough for both levels of the pyramid.

use std::sync::Arc;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, Timestamp, Value,
};

use crate::aggregate::{Edges, Windows};
use crate::block::Block;
use crate::chance::SeededChance;
use crate::clock::FixedClock;
use crate::disk::SimDisk;
use crate::engine::{Engine, Parts, Settings};

/// More than 1,024 pages, and not a whole number of rolls.
const ROWS: i64 = 1_150_000;

fn value(row: i64) -> f64 {
    f64::from(i32::try_from(row * 7919 % 2003).unwrap()) / 10.0
}

fn store() -> (Engine, TagId) {
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::new(FixedClock::default()),
        chance: Arc::new(SeededChance::new(1)),
    };
    let engine = Engine::open(parts, Settings { reserve_bytes: Some(0), ..Settings::default() });
    let engine = engine.unwrap();
    let definition = TagDefinition::new(TagPath::new("long").unwrap(), Kind::Float, "test");
    let tag = engine.catalog().define(definition).unwrap().id;
    let blocks = (0..ROWS).step_by(10_000).map(|first| {
        let mut block = Block::empty(Kind::Float);
        block.times = (first..first + 10_000).map(|row| row * 1_000).collect();
        block.bits = (first..first + 10_000).map(|row| value(row).to_bits()).collect();
        Ok((tag, block))
    });
    engine.import(blocks).unwrap();
    (engine, tag)
}

fn windows(engine: &Engine, tag: TagId, edges: &[i64]) -> Windows {
    engine.snapshot().aggregate(tag, edges, Edges::Exact).unwrap()
}

#[test]
fn rolls_of_32_and_1024_pages_give_what_the_rows_give() {
    let (engine, tag) = store();
    for edges in [
        vec![0, ROWS * 1_000],
        vec![5_000, 1_048_576_000, ROWS * 1_000],
        vec![1_000, 40_000_000, 40_001_000, 700_000_500, 1_149_999_000],
        (0..50).map(|n| n * 23_456_789).collect(),
    ] {
        let found = windows(&engine, tag, &edges);
        assert!(found.pages_read <= 2 * edges.len() as u64, "{} pages", found.pages_read);
        for (window, pair) in found.statistics.iter().zip(edges.windows(2)) {
            let first = (pair[0] + 999) / 1_000;
            let end = ((pair[1] + 999) / 1_000).min(ROWS);
            let rows = || (first..end).map(value);
            assert_eq!(window.rows, u64::try_from((end - first).max(0)).unwrap());
            let sum: f64 = rows().sum();
            assert!((window.sum - sum).abs() < 1e-3, "{} {sum}", window.sum);
            let (low, high) = rows()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), own| {
                    (own.min(low), own.max(high))
                });
            assert_eq!(
                (window.min.to_bits(), window.max.to_bits()),
                (low.to_bits(), high.to_bits())
            );
        }
    }
}

#[test]
fn one_late_sample_costs_the_page_it_touches() {
    let (engine, tag) = store();
    let before = windows(&engine, tag, &[0, ROWS * 1_000]);
    let late = Sample {
        tag,
        ts: Timestamp::from_nanos(600_000_500),
        value: Value::Float(-5.0),
        quality: Quality::GOOD,
    };
    engine.commit(&[std::iter::once(late).collect::<Batch>()]).unwrap();
    engine.seal().unwrap();
    let after = windows(&engine, tag, &[0, ROWS * 1_000]);
    assert_eq!(after.statistics[0].rows, before.statistics[0].rows + 1);
    assert_eq!((after.statistics[0].min, after.statistics[0].min_ns), (-5.0, 600_000_500));
    let pages = u64::try_from(ROWS).unwrap().div_ceil(1024);
    // The late sample is a page of its own; the one around it is read.
    assert_eq!((before.pages_known, after.pages_known), (pages, pages + 1 - 1));
}
