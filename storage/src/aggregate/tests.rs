//! Windows across pages of every shape against the rows in them.

#![expect(clippy::float_cmp, reason = "extremes are one of the values")]

use std::sync::Arc;

use tacitus_model::{Kind, Quality, TagDefinition, TagId, TagPath, TimeRange, Timestamp};

use super::*;
use crate::chance::SeededChance;
use crate::clock::FixedClock;
use crate::disk::SimDisk;
use crate::engine::{Engine, Parts, Settings};

const ROWS: i32 = 5_000;
const PACE_NS: i64 = 1_000_000_000;

fn engine() -> Engine {
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::new(FixedClock::at(Timestamp::from_nanos(0))),
        chance: Arc::new(SeededChance::new(1)),
    };
    Engine::open(parts, Settings { reserve_bytes: Some(0), ..Settings::default() }).unwrap()
}

/// Numbers that wander, without an end of digits.
fn wander(row: i32) -> f64 {
    f64::from(row).sin() * 1e3 + f64::from(row % 97) / 7.0
}

/// Columns at a steady pace: decimals in both widths, floats that are none, those that are no
/// values, integers that a float has and has not, and facts.
fn steady() -> Vec<(Kind, Vec<u64>)> {
    let floats = |number: fn(i32) -> f64| (0..ROWS).map(|row| number(row).to_bits()).collect();
    let ints = |number: fn(i32) -> i64| (0..ROWS).map(|row| number(row).cast_unsigned()).collect();
    vec![
        (Kind::Float, floats(|row| wander(row).round() / 100.0)),
        (Kind::Float, floats(|row| f64::from(f32::from(i16::try_from(row % 600).unwrap()) / 10.0))),
        (Kind::Float, floats(wander)),
        (Kind::Float, floats(|row| if row % 2_500 == 7 { f64::NAN } else { f64::from(row % 9) })),
        (Kind::Float, floats(|row| if row > 4_000 { f64::INFINITY } else { -0.0 })),
        (Kind::Float, floats(|row| if row == 30 { 1e150 } else { f64::from(row) })),
        (Kind::Int, ints(|row| i64::from(row) * i64::from(row % 13) - 9_000)),
        (Kind::Int, ints(|row| i64::MAX - i64::from(row))),
        (Kind::Bool, ints(|row| i64::from(row % 700 < 90))),
    ]
}

fn blocks() -> Vec<Block> {
    let times = |jitter_ns: i64| -> Vec<i64> {
        (0..i64::from(ROWS)).map(|row| row * PACE_NS + row * 7_919 % 1_009 * jitter_ns).collect()
    };
    let mut blocks: Vec<Block> = steady()
        .into_iter()
        .map(|(kind, bits)| Block { times: times(0), bits, ..Block::empty(kind) })
        .collect();
    let some: Vec<u64> = (0..ROWS).map(|row| wander(row).to_bits()).collect();
    let mut block = Block { times: times(900), bits: some, ..Block::empty(Kind::Float) };
    blocks.push(block.clone());
    block.nulls = Some((0..ROWS).map(|row| row % 1_500 == 1_400).collect());
    blocks.push(block.clone());
    let quality = |row: i32| if row % 2_000 > 1_900 { Quality::BAD } else { Quality::GOOD };
    block.qualities = Some((0..ROWS).map(|row| quality(row).0).collect());
    blocks.push(block);
    blocks
}

fn near(own: f64, other: f64, scale: f64) -> bool {
    own == other || (own.is_nan() && other.is_nan()) || (own - other).abs() <= 1e-12 * scale
}

/// Windows from pages are those of the rows of a scan.
fn check(engine: &Engine, tag: TagId, edges: &[i64], what: &str) {
    let snapshot = engine.snapshot();
    let step = snapshot.tag(tag).unwrap().definition.step;
    let found = snapshot.aggregate(tag, edges, Edges::Exact).unwrap();
    assert!(found.pages_read > 0, "no page lies across an edge");
    for (window, pair) in found.statistics.iter().zip(edges.windows(2)) {
        let (first, last) = (Timestamp::from_nanos(pair[0]), Timestamp::from_nanos(pair[1] - 1));
        let mut rows = Statistics::default();
        for block in snapshot.scan(tag, TimeRange { first, last }) {
            let block = block.unwrap();
            rows.absorb(&Statistics::of(block.run(0..block.len(), step)), step);
        }
        let counts = |of: &Statistics| (of.rows, of.good, of.bad, of.values, of.rounded);
        assert_eq!(counts(window), counts(&rows), "{what} {pair:?}");
        let times = |of: &Statistics| (of.first_ns, of.last_ns, of.min_ns, of.max_ns, of.good_ns);
        assert_eq!(times(window), times(&rows), "{what} {pair:?}");
        let most = rows.min.abs().max(rows.max.abs()).max(1.0);
        let scales = [1.0, 1.0, 1.0, 1.0, 1e4 * most, 1e4 * most * most, 1e4 * most];
        let figures =
            |of: &Statistics| [of.first, of.last, of.min, of.max, of.sum, of.m2, of.integral];
        for ((own, other), scale) in figures(window).into_iter().zip(figures(&rows)).zip(scales) {
            assert!(near(own, other, scale), "{what} {pair:?}: {own} {other}");
        }
    }
}

#[test]
fn windows_of_any_pages_are_those_of_their_rows() {
    let engine = engine();
    let tags: Vec<(TagId, Block)> = (0..)
        .zip(blocks())
        .map(|(n, block)| {
            let path = TagPath::new(&format!("t/{n}")).unwrap();
            let mut definition = TagDefinition::new(path, block.kind, "test");
            definition.step = n % 2 == 1;
            (engine.catalog().define(definition).unwrap().id, block)
        })
        .collect();
    engine.import(tags.iter().cloned().map(Ok)).unwrap();
    // On a row, between rows, several in one page, and none for some pages.
    let places = [0, 1, 500, 1_023, 1_024, 1_030, 1_031, 3_300, 4_999];
    let edges: Vec<i64> = places.iter().map(|row| row * PACE_NS + row % 2 * 17).collect();
    for level in ["hot", "cold"] {
        for (tag, block) in &tags {
            let what = format!("{level} {} {:?}", tag.0, block.kind);
            check(&engine, *tag, &edges, &what);
            check(&engine, *tag, &edges, &format!("again, {what}"));
            check(&engine, *tag, edges.get(1..).unwrap(), &format!("other edges, {what}"));
            check(&engine, *tag, &edges, &format!("and those, {what}"));
        }
        engine.compact().unwrap();
    }
}
