//! What is let go, when, and that it is written down.

use std::sync::Arc;

use serde_json::json;
use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, Timestamp, Value,
};
use tacitus_storage::{
    Clock, Engine, FixedClock, Parts as StoreParts, Retention, SeededChance,
    Settings as StoreSettings, SimDisk, SimFaults,
};

use super::super::cursor::Cursor;
use super::super::sender::{Parts, holder};
use super::super::settings::{Settings, check};
use super::super::state::State;
use super::keep_within;
use crate::gaps::{Cause, Gaps, Outcome};
use crate::keeper::{Keeper, Shelf};

const DAY_NS: i64 = 86_400_000_000_000;

/// A store whose samples are kept for a day, and a forwarder that has sent nothing.
struct Edge {
    parts: Parts,
    state: State,
    clock: Arc<FixedClock>,
    tags: Vec<TagId>,
}

impl Edge {
    /// As much in reserve as the disk has makes it nearly full.
    fn new(disk: &SimDisk, clock: Arc<FixedClock>, reserve_bytes: u64) -> Self {
        let day = Retention {
            raw_ns: Some(DAY_NS),
            minute_ns: Some(0),
            hour_ns: Some(0),
            ..Retention::default()
        };
        let settings = StoreSettings {
            log_file_bytes: 64 << 10,
            reserve_bytes: Some(reserve_bytes),
            retention: vec![day],
            audit_ns: 0,
            ..StoreSettings::default()
        };
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let chance = Arc::new(SeededChance::new(1));
        let disk = Arc::new(disk.clone());
        let store = StoreParts { disk, clock: Arc::clone(&shared), chance: chance.clone() };
        let engine = Arc::new(Engine::open(store, settings).unwrap());
        let tags = ["a", "b"].map(|path| {
            let definition = TagDefinition::new(TagPath::new(path).unwrap(), Kind::Float, "test");
            engine.catalog().define(definition).unwrap().id
        });
        let keeper: Arc<dyn Keeper> = Arc::new(Shelf::default());
        let gaps = Arc::new(Gaps::new(Arc::clone(&keeper)));
        let identity = "here".to_owned();
        let state = State::new("centre", "http://centre", &shared, Cursor::after(0));
        engine.hold(&holder("centre"), 0);
        let parts = Parts { engine, keeper, gaps, clock: shared, chance, identity };
        Self { parts, state, clock, tags: tags.to_vec() }
    }

    fn write(&self, first: i32, count: i32) {
        for tag in &self.tags {
            let sample = |n| Sample {
                tag: *tag,
                ts: Timestamp::from_nanos(i64::from(n) * 1_000_000_000),
                value: Value::Float(f64::from(n).sin()),
                quality: Quality::GOOD,
            };
            let batch: Batch = (first..first + count).map(sample).collect();
            self.parts.engine.commit(&[batch]).unwrap();
        }
        self.parts.engine.seal().unwrap();
    }

    fn keep_within(&self, settings: &Settings) -> bool {
        let let_go = keep_within(&self.parts, settings, &self.state);
        self.parts.engine.hold(&holder("centre"), self.state.cursor().through());
        let_go
    }

    fn lost(&self) -> u64 {
        self.state.cursor().lost.samples
    }
}

fn settings(buffer: &str, select: &[&str]) -> Settings {
    let settings = json!({"url": "http://centre", "buffer": buffer, "select": select});
    check("centre", settings.as_object().unwrap()).unwrap()
}

#[test]
fn of_too_much_the_oldest_goes_and_stands_in_the_ledger() {
    let edge = Edge::new(&SimDisk::new(), Arc::new(FixedClock::default()), 0);
    for n in 0..4 {
        edge.write(n * 1_000, 1_000);
    }
    let all = edge.parts.engine.status().segment_bytes;
    assert!(!edge.keep_within(&settings(&format!("{all} B"), &[])));
    let half = settings(&format!("{} B", all / 2), &["tag=a"]);
    assert!(edge.keep_within(&half));
    // Two of four segments, and of these the one tag that is sent.
    assert_eq!(edge.lost(), 2_000);
    let gaps = edge.parts.gaps.all();
    let seconds: Vec<_> = gaps.iter().map(|gap| gap.from.nanos() / 1_000_000_000).collect();
    assert_eq!(seconds, [0, 1_000]);
    let gap = &gaps[0];
    assert_eq!((&*gap.source, gap.cause), ("forward:centre", Cause::Overflow));
    assert_eq!((gap.outcome, gap.to.unwrap().nanos()), (Outcome::Lost, 999_000_000_000));
    assert!(!edge.keep_within(&half));
}

#[test]
fn a_full_disk_takes_what_a_forwarder_alone_keeps_from_expiring_and_no_more() {
    let (disk, clock) = (SimDisk::new(), Arc::new(FixedClock::at(Timestamp::from_nanos(DAY_NS))));
    let edge = Edge::new(&disk, Arc::clone(&clock), 0);
    edge.write(0, 1_000);
    edge.parts.engine.compact().unwrap();
    edge.write(200_000, 1_000);
    edge.parts.engine.compact().unwrap();
    drop(edge);
    // Little is free, but nothing has to expire yet.
    disk.set_faults(SimFaults { bytes_max: Some(1 << 40), ..SimFaults::default() });
    let edge = Edge::new(&disk, clock, 1 << 40);
    edge.parts.engine.step().unwrap();
    let roomy = settings("1 GiB", &[]);
    assert!(!edge.keep_within(&roomy));
    // Two days later the first thousand are too old, and the second not.
    edge.clock.set(Timestamp::from_nanos(DAY_NS * 5 / 2));
    edge.parts.engine.confirm_clock().unwrap();
    assert!(edge.keep_within(&roomy));
    assert_eq!(edge.lost(), 2_000);
    assert!(!edge.keep_within(&roomy));
    assert_eq!(edge.parts.gaps.all().len(), 1);
}
