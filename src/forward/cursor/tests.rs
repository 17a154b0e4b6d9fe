//! Cursors against a real store: whatever goes ahead, a copy ends with what the store has.

use std::collections::BTreeMap;
use std::sync::Arc;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};
use tacitus_storage::{
    Chance as _, ChangesMax, Clock, Engine, FixedClock, Parts, SeededChance, Settings, SimDisk,
    Stretch,
};

use super::Cursor;

type Rows = BTreeMap<(TagId, i64), i64>;

struct Store {
    engine: Engine,
    tag: TagId,
    rows: Rows,
}

impl Store {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::default());
        let chance = Arc::new(SeededChance::new(1));
        let parts = Parts { disk: Arc::new(SimDisk::new()), clock, chance };
        let settings =
            Settings { log_file_bytes: 8192, reserve_bytes: Some(0), ..Settings::default() };
        let engine = Engine::open(parts, settings).unwrap();
        let path = TagPath::new("a").unwrap();
        let tag = engine.catalog().define(TagDefinition::new(path, Kind::Int, "test")).unwrap().id;
        engine.commit(&[]).unwrap();
        Self { engine, tag, rows: Rows::new() }
    }

    fn write(&mut self, times: impl IntoIterator<Item = i64>, value: i64) {
        let tag = self.tag;
        let sample = |ts| Sample {
            tag,
            ts: Timestamp::from_nanos(ts),
            value: Value::Int(value),
            quality: Quality::GOOD,
        };
        let batch: Batch = times.into_iter().map(sample).collect();
        self.rows.extend(batch.times().iter().map(|ts| ((tag, ts.nanos()), value)));
        self.engine.commit(&[batch]).unwrap();
    }

    fn delete(&mut self, first: i64, last: i64) {
        let range =
            TimeRange { first: Timestamp::from_nanos(first), last: Timestamp::from_nanos(last) };
        self.engine.delete(&[self.tag], range, "anna", "test").unwrap();
        self.rows.retain(|(_, ts), _| !(first..=last).contains(ts));
    }
}

/// Sends one piece of the newest or of the oldest lane to a copy; the times of its rows.
fn send(store: &Store, cursor: &mut Cursor, newest: bool, copy: &mut Rows) -> Option<Vec<i64>> {
    let snapshot = store.engine.snapshot();
    let task = cursor.task(&snapshot, newest)?;
    for deletion in snapshot.deletions(Stretch { after: task.place.deleted, ..task.stretch }) {
        copy.retain(|(_, ts), _| !deletion.range.contains(Timestamp::from_nanos(*ts)));
    }
    let most = ChangesMax { rows: 7, bytes: 1 << 20 };
    let changes = snapshot.changes(task.stretch, task.place.bookmark(), most, |_| true).unwrap();
    let mut times = Vec::new();
    for (tag, block) in &changes.rows {
        for (row, ts) in block.times.iter().enumerate() {
            let Value::Int(value) = block.value(row) else { panic!("an int") };
            copy.insert((*tag, *ts), value);
            times.push(*ts);
        }
    }
    let place = super::Place { deleted: task.stretch.until, ..task.place };
    cursor.done(task, changes.next.map(|next| place.at(next)));
    Some(times)
}

fn drain(store: &Store, cursor: &mut Cursor, copy: &mut Rows) {
    while send(store, cursor, false, copy).is_some() {}
}

#[test]
fn what_comes_in_goes_ahead_and_what_waits_follows_in_order() {
    let mut store = Store::new();
    let mut cursor = Cursor::after(store.engine.snapshot().sequence());
    let mut copy = Rows::new();
    for n in 0..5 {
        store.write(n * 10..n * 10 + 10, 1);
        store.engine.seal().unwrap();
    }
    cursor.go_ahead(store.engine.snapshot().sequence());
    store.write([1_000], 2);
    assert_eq!(send(&store, &mut cursor, true, &mut copy).unwrap(), [1_000]);
    let mut waited = Vec::new();
    while let Some(times) = send(&store, &mut cursor, false, &mut copy) {
        waited.extend(times);
    }
    assert_eq!(waited, (0..50).collect::<Vec<i64>>());
    assert_eq!(copy, store.rows);
    assert_eq!(cursor.through(), store.engine.snapshot().sequence());
}

#[test]
fn any_mixture_of_lanes_ends_with_what_the_store_has() {
    for seed in 0..200 {
        let chance = SeededChance::new(seed);
        let below = |n: u64| chance.next_u64() % n;
        let mut store = Store::new();
        let mut cursor = Cursor::after(0);
        let mut copy = Rows::new();
        for step in 0..60_i64 {
            match below(8) {
                0..=2 => {
                    let first = i64::try_from(below(40)).unwrap();
                    store.write(first..first + 5, step);
                }
                3 => store.engine.seal().unwrap(),
                4 => {
                    let sequence = store.engine.snapshot().sequence();
                    let waiting = cursor.waiting(sequence).last().copied().unwrap();
                    // As the sender does: nothing goes ahead of a deletion.
                    if store.engine.snapshot().deletions(waiting).is_empty() {
                        cursor.go_ahead(sequence);
                    }
                }
                5 if below(3) == 0 => {
                    let first = i64::try_from(below(40)).unwrap();
                    store.delete(first, first + 8);
                }
                _ => drop(send(&store, &mut cursor, below(2) == 0, &mut copy)),
            }
            let kept = Cursor::read(&cursor.written());
            assert_eq!(kept.as_ref(), Some(&cursor), "seed {seed}");
        }
        drain(&store, &mut cursor, &mut copy);
        assert_eq!(copy, store.rows, "seed {seed}");
    }
}

#[test]
fn what_is_let_go_is_never_sent() {
    let mut store = Store::new();
    let mut cursor = Cursor::after(0);
    store.write(0..10, 1);
    store.engine.seal().unwrap();
    let first = store.engine.snapshot().sequence();
    store.write(10..20, 1);
    cursor.go_ahead(store.engine.snapshot().sequence());
    store.write(20..30, 1);
    cursor.let_go(first);
    let mut copy = Rows::new();
    drain(&store, &mut cursor, &mut copy);
    let times: Vec<i64> = copy.keys().map(|(_, ts)| *ts).collect();
    assert_eq!(times, (10..30).collect::<Vec<i64>>());
}

#[test]
fn a_cursor_that_makes_no_sense_is_not_believed() {
    for body in [
        "",
        "{}",
        r#"{"lanes":[]}"#,
        r#"{"lanes":[{"after":5,"end":9}]}"#,
        r#"{"lanes":[{"after":5,"end":null},{"after":9,"end":null}]}"#,
        r#"{"lanes":[{"after":5,"end":12},{"after":9,"end":null}]}"#,
    ] {
        assert_eq!(Cursor::read(body.as_bytes()), None, "{body}");
    }
}
