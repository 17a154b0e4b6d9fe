//! Random programs against a plain map: whatever is appended, sealed, rewritten, imported, edited,
//! deleted and reopened, every way to read the store gives what the map holds, now and as of every
//! earlier moment.

#![expect(clippy::float_cmp, reason = "extremes are one of the values")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};

use crate::aggregate::Edges;
use crate::block::{Block, Row};
use crate::clock::{Clock, FixedClock};
use crate::disk::SimDisk;
use crate::engine::tests::{blocks, open_with, range, rows_of, small};
use crate::engine::{Engine, Settings};
use crate::error::Error;
use crate::segment::StateTime;
use crate::snapshot::Snapshot;
use crate::statistics::Statistics;

/// One step of a random program.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Append(Vec<(u8, i64, Value, u32)>),
    Seal,
    Step,
    Maintain,
    Compact,
    Import(Vec<(u8, i64, Value, u32)>),
    Edit(Vec<(u8, i64, Value, u32)>),
    Delete(u8, i64, i64),
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

pub(super) fn ops() -> impl Strategy<Value = Op> {
    let rows = |most: usize| proptest::collection::vec(row_of_any_tag(), 1..most);
    prop_oneof![
        6 => rows(12).prop_map(Op::Append),
        2 => Just(Op::Seal),
        1 => Just(Op::Step),
        2 => Just(Op::Maintain),
        1 => Just(Op::Compact),
        1 => rows(12).prop_map(Op::Import),
        1 => rows(3).prop_map(Op::Edit),
        1 => (0_u8..5, 0_i64..40, 0_i64..20).prop_map(|(tag, from, len)| Op::Delete(tag, from, from + len)),
        1 => Just(Op::Reopen),
    ]
}

fn row_of_any_tag() -> impl Strategy<Value = (u8, i64, Value, u32)> {
    (0_u8..5).prop_flat_map(|tag| {
        let time = prop_oneof![0_i64..40, Just(i64::MIN), Just(i64::MAX)];
        (Just(tag), time, values(KINDS[usize::from(tag)]), prop_oneof![Just(0), any::<u32>()])
    })
}

pub(super) type Model = BTreeMap<(TagId, i64), (Value, Quality)>;

/// Every way to read a tag agrees with the map.
fn check_against(model: &Model, engine: &Engine, tags: &[TagId]) -> Result<(), TestCaseError> {
    let snapshot = engine.snapshot();
    check_rows(model, &snapshot, tags)?;
    for tag in tags {
        for edges in [vec![i64::MIN, i64::MAX], vec![0, 7, 20, 21, 35, 36], (-5..45).collect()] {
            check_windows(engine, *tag, &edges)?;
        }
        let known = of_tag(model, *tag, TimeRange::ALL);
        check_totals(&known, &snapshot, *tag)?;
        let latest = snapshot.latest(*tag);
        let latest = latest.map(|sample| (sample.ts.nanos(), sample.value, sample.quality));
        prop_assert_eq!(latest.as_ref(), known.last());
        let extent = snapshot.extent(*tag).map(|extent| extent.first.nanos());
        prop_assert_eq!(extent, known.first().map(|(ts, ..)| *ts));
    }
    Ok(())
}

fn of_tag(model: &Model, tag: TagId, range: TimeRange) -> Vec<(i64, Value, Quality)> {
    let rows = model.range((tag, i64::MIN)..=(tag, i64::MAX));
    rows.filter(|((_, ts), _)| range.contains(Timestamp::from_nanos(*ts)))
        .map(|((_, ts), (value, quality))| (*ts, value.clone(), *quality))
        .collect()
}

fn check_rows(model: &Model, snapshot: &Snapshot, tags: &[TagId]) -> Result<(), TestCaseError> {
    for tag in tags {
        for range in [TimeRange::ALL, range(10, 20), range(5, 5), range(i64::MIN, 0)] {
            let blocks: Vec<Block> = snapshot.scan(*tag, range).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(rows_of(&blocks), of_tag(model, *tag, range));
        }
    }
    Ok(())
}

/// Totals from pages are those of the map.
fn check_totals(
    known: &[(i64, Value, Quality)],
    snapshot: &Snapshot,
    tag: TagId,
) -> Result<(), TestCaseError> {
    let found = snapshot.totals(tag, TimeRange::ALL).unwrap();
    let values: Vec<f64> = known.iter().filter_map(|(_, value, _)| value.as_number()).collect();
    let numbers: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    prop_assert_eq!((found.rows, found.numbers), (values.len(), numbers.len()));
    prop_assert_eq!(found.least, numbers.iter().copied().fold(f64::INFINITY, f64::min));
    prop_assert_eq!(found.greatest, numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max));
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

/// A program under way.
pub(super) struct Run {
    disk: SimDisk,
    settings: Settings,
    engine: Engine,
    tags: Vec<TagId>,
    model: Model,
    /// What the map held at each sequence.
    moments: Vec<(u64, Model)>,
}

impl Run {
    pub(super) fn start(audit_ns: i64) -> Self {
        let disk = SimDisk::new();
        let settings = Settings { audit_ns, compact_segments: 3, ..small() };
        let engine = open(&disk, &settings);
        let tags = KINDS.iter().map(|kind| {
            let path = TagPath::new(kind.name()).unwrap();
            let mut definition = TagDefinition::new(path, *kind, "test");
            if *kind == Kind::State {
                definition.states = vec!["off".into(), "on".into()];
            }
            engine.catalog().define(definition).unwrap().id
        });
        let tags = tags.collect();
        engine.commit(&[]).unwrap();
        Self { disk, settings, engine, tags, model: Model::new(), moments: Vec::new() }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    pub(super) fn perform(mut self, op: Op) -> Self {
        match op {
            Op::Append(rows) => {
                let batch = self.batch(rows);
                self.engine.commit(std::slice::from_ref(&batch)).unwrap();
                self.note(&batch);
            }
            Op::Edit(rows) => {
                let batch = self.batch(rows);
                self.engine.edit(&batch, "anna", "test").unwrap();
                self.note(&batch);
            }
            Op::Import(rows) => {
                let batch = self.batch(rows);
                let sorted = sorted(&batch, &self.tags);
                let done = self.engine.import(sorted.into_iter().map(Ok::<_, Error>)).unwrap();
                assert!(done.samples > 0);
                self.note(&batch);
            }
            Op::Delete(tag, first, last) => {
                let tag = self.tags[usize::from(tag)];
                self.engine.delete(&[tag], range(first, last), "anna", "test").unwrap();
                self.model.retain(|(own, ts), _| *own != tag || !(first..=last).contains(ts));
            }
            Op::Seal => self.engine.seal().unwrap(),
            Op::Step => drop(self.engine.step().unwrap()),
            Op::Maintain => drop(self.engine.maintain().unwrap()),
            Op::Compact => self.engine.compact().unwrap(),
            Op::Reopen => {
                let Self { disk, settings, engine, tags, model, moments } = self;
                drop(engine);
                let engine = open(&disk, &settings);
                self = Self { disk, settings, engine, tags, model, moments };
            }
        }
        self.moments.push((self.engine.snapshot().sequence(), self.model.clone()));
        self
    }

    fn batch(&self, rows: Vec<(u8, i64, Value, u32)>) -> Batch {
        let sample = |(tag, ts, value, quality): (u8, i64, Value, u32)| Sample {
            tag: self.tags[usize::from(tag)],
            ts: Timestamp::from_nanos(ts),
            value,
            quality: Quality(quality),
        };
        rows.into_iter().map(sample).collect()
    }

    fn note(&mut self, batch: &Batch) {
        for (tag, ts, value, quality) in batch.iter() {
            self.model.insert((tag, ts.nanos()), (value.clone(), quality));
        }
    }

    /// Every moment that can still be looked back at is as it was.
    fn check_moments(&self) -> Result<(), TestCaseError> {
        for (sequence, model) in &self.moments {
            if let Ok(snapshot) = self.engine.snapshot_as_of(*sequence) {
                check_rows(model, &snapshot, &self.tags)?;
            } else {
                prop_assert_eq!(self.settings.audit_ns, 0, "sequence {}", sequence);
            }
        }
        Ok(())
    }
}

fn open(disk: &SimDisk, settings: &Settings) -> Engine {
    let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(1_000_000_000_000_000_000)));
    let _now = clock.now();
    open_with(disk, &clock, settings.clone()).unwrap()
}

/// The rows of a batch as an import wants them: by tag, then by time, of equal times the last.
fn sorted(batch: &Batch, tags: &[TagId]) -> Vec<(TagId, Block)> {
    let mut rows: BTreeMap<(TagId, i64), Row> = BTreeMap::new();
    for (tag, ts, value, quality) in batch.iter() {
        rows.insert((tag, ts.nanos()), Row::of(ts, value, quality));
    }
    let mut blocks: BTreeMap<TagId, Block> = BTreeMap::new();
    for ((tag, _), row) in rows {
        let at = tags.iter().position(|own| *own == tag).unwrap();
        blocks.entry(tag).or_insert_with(|| Block::empty(KINDS[at])).push(row);
    }
    blocks.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_program_leaves_what_a_plain_map_holds(
        program in proptest::collection::vec(ops(), 1..25), looks_back: bool,
    ) {
        let mut run = Run::start(if looks_back { 7 * 86_400_000_000_000 } else { 0 });
        for op in program {
            run = run.perform(op);
            check_against(&run.model, &run.engine, &run.tags)?;
        }
        run.check_moments()?;
    }
}
