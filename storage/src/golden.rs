//! A small store with every kind of file in it, for tests that damage it.
//!
//! *Invariant.* The same bytes in every run: clock and chance stand still.

use std::collections::BTreeMap;
use std::sync::Arc;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};

use crate::chance::SeededChance;
use crate::clock::{Clock, FixedClock};
use crate::disk::SimDisk;
use crate::engine::{Engine, Parts, Settings};
use crate::error::Error;

/// Samples by tag and time.
pub(crate) type Rows = BTreeMap<(u32, i64), (Value, Quality)>;

pub(crate) const KINDS: [Kind; 5] = [Kind::Float, Kind::Int, Kind::Bool, Kind::Text, Kind::State];

pub(crate) fn settings() -> Settings {
    Settings { log_file_bytes: 4096, reserve_bytes: Some(0), ..Settings::default() }
}

pub(crate) fn open(disk: &SimDisk) -> Result<Engine, Error> {
    open_at(disk, &Arc::default())
}

pub(crate) fn open_at(disk: &SimDisk, clock: &Arc<FixedClock>) -> Result<Engine, Error> {
    let parts = Parts {
        disk: Arc::new(disk.clone()),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        chance: Arc::new(SeededChance::new(1)),
    };
    Engine::open(parts, settings())
}

pub(crate) fn define(engine: &Engine, path: &str, kind: Kind) -> TagId {
    let mut definition = TagDefinition::new(TagPath::new(path).unwrap(), kind, "test");
    if kind == Kind::State {
        definition.states = vec!["off".into(), "on".into()];
    }
    engine.catalog().define(definition).unwrap().id
}

/// A value of this kind that belongs to this moment and no other.
pub(crate) fn value(kind: Kind, ts: i64) -> Value {
    match kind {
        Kind::Float => Value::Float(f64::from(i32::try_from(ts).unwrap()) / 8.0),
        Kind::Int => Value::Int(ts * 3),
        Kind::Bool => Value::Bool(ts % 3 == 0),
        Kind::Text => Value::Text(format!("n{ts}").into()),
        Kind::State => Value::State(u32::from(ts % 5 == 0)),
    }
}

/// Samples of a tag at these times; every seventh is bad.
pub(crate) fn batch(tag: TagId, kind: Kind, times: impl IntoIterator<Item = i64>) -> Batch {
    let sample = |ts| Sample {
        tag,
        ts: Timestamp::from_nanos(ts),
        value: if ts % 11 == 0 { Value::Null } else { value(kind, ts) },
        quality: if ts % 7 == 0 { Quality(0x8000_0000) } else { Quality::GOOD },
    };
    times.into_iter().map(sample).collect()
}

/// Everything a store has to say.
pub(crate) fn rows(engine: &Engine) -> Result<Rows, Error> {
    let snapshot = engine.snapshot();
    let mut rows = Rows::new();
    for tag in snapshot.tags() {
        for block in snapshot.scan(tag.id, TimeRange::ALL) {
            let block = block?;
            for (row, ts) in block.times.iter().enumerate() {
                let found = (block.value(row), block.quality(row));
                if rows.insert((tag.id.0, *ts), found.clone()).is_some() {
                    // Two samples of one time: a row that no store has.
                    rows.insert((0, *ts), found);
                }
            }
        }
    }
    Ok(rows)
}

/// Two segments with a tag of every kind, one of them with several pages; two catalog files; two
/// log files with frames; marks.
pub(crate) fn store() -> SimDisk {
    let disk = SimDisk::new();
    let engine = open(&disk).unwrap();
    let tags: Vec<TagId> = KINDS.iter().map(|kind| define(&engine, kind.name(), *kind)).collect();
    // Six frames of half a log file each.
    for first in (0..1500).step_by(250) {
        engine.commit(&[batch(TagId(1), Kind::Float, first..first + 250)]).unwrap();
    }
    for (tag, kind) in tags.iter().zip(KINDS) {
        engine.commit(&[batch(*tag, kind, 2000..2040)]).unwrap();
    }
    engine.seal().unwrap();
    let late = define(&engine, "late", Kind::Int);
    engine
        .commit(&[batch(late, Kind::Int, 10..40), batch(TagId(1), Kind::Float, 2010..2020)])
        .unwrap();
    engine.commit(&[batch(TagId(4), Kind::Text, 1990..2003)]).unwrap();
    engine.seal().unwrap();
    while engine.step().unwrap() == crate::engine::Progress::Did {}
    for first in (3000..3900).step_by(150) {
        engine.commit(&[batch(TagId(1), Kind::Float, first..first + 150)]).unwrap();
    }
    engine.commit(&[batch(TagId(5), Kind::State, 3000..3010)]).unwrap();
    disk
}
