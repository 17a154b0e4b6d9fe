//! The engine on a real disk: commit with its sync, scan of head and segment, latest values.
//!
//! Each figure stands beside a baseline of the same run: for a commit, one write and one sync of
//! as many bytes to a file that was written before; for a scan, a loop over the same values in a
//! plain vector; for latest values, a lock around a map.
//!
//! `cargo bench -p tacitus-storage --bench engine`

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};
use tacitus_storage::{Engine, FixedClock, OsDisk, Parts, SeededChance, Settings};
use tempfile::TempDir;

const TAGS: u32 = 1_000;
const SCANNED: i64 = 1_000_000;

struct Plant {
    engine: Engine,
    tags: Vec<TagId>,
    folder: TempDir,
    next_ns: i64,
}

impl Plant {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts {
            disk: Arc::new(OsDisk::open(folder.path()).unwrap()),
            clock: Arc::new(FixedClock::default()),
            chance: Arc::new(SeededChance::new(1)),
        };
        let engine = Engine::open(parts, Settings::default()).unwrap();
        let define = |n: u32| {
            let path = TagPath::new(&format!("plant/{n}")).unwrap();
            engine.catalog().define(TagDefinition::new(path, Kind::Float, "bench")).unwrap().id
        };
        let tags = (0..TAGS).map(define).collect();
        engine.commit(&[]).unwrap();
        Self { engine, tags, folder, next_ns: 0 }
    }

    /// One sample of every tag.
    fn scan_of_the_plant(&mut self) -> Batch {
        self.next_ns += 1_000_000_000;
        let ts = Timestamp::from_nanos(self.next_ns);
        let value = |tag: &TagId| f64::from(tag.0 % 500) / 10.0 + 20.0;
        let sample = |tag: &TagId| Sample {
            tag: *tag,
            ts,
            value: Value::Float(value(tag)),
            quality: Quality::GOOD,
        };
        self.tags.iter().map(sample).collect()
    }

    fn fill_one_tag(&self, from: i64, count: i64) {
        let tag = self.tags[0];
        for chunk in 0..count / 10_000 {
            let first = from + chunk * 10_000;
            let sample = |n: i64| Sample {
                tag,
                ts: Timestamp::from_nanos(n * 1_000_000_000),
                value: Value::Float(f64::from(i32::try_from(n % 700).unwrap()) / 100.0),
                quality: Quality::GOOD,
            };
            let batch: Batch = (first..first + 10_000).map(sample).collect();
            self.engine.commit(&[batch]).unwrap();
        }
    }

    fn sum(&self) -> f64 {
        let scan = self.engine.snapshot().scan(self.tags[0], TimeRange::ALL);
        let blocks = scan.map(Result::unwrap);
        blocks.map(|block| block.bits.iter().map(|bits| f64::from_bits(*bits)).sum::<f64>()).sum()
    }
}

fn commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit of 1,000 samples, synced");
    group.throughput(Throughput::Elements(u64::from(TAGS)));
    let mut plant = Plant::new();
    group.bench_function("engine", |bencher| {
        bencher.iter(|| {
            let batch = plant.scan_of_the_plant();
            plant.engine.commit(&[batch]).unwrap();
            while plant.engine.step().unwrap() == tacitus_storage::Progress::Did {}
        });
    });
    let bytes = vec![7_u8; 11_000];
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(plant.folder.path().join("baseline"))
        .unwrap();
    let length = 16 << 20;
    file.write_all_at(&vec![0; length], 0).unwrap();
    file.sync_all().unwrap();
    let mut at = 0;
    group.bench_function("baseline: one write and one sync of as many bytes", |bencher| {
        bencher.iter(|| {
            file.write_all_at(&bytes, at).unwrap();
            file.sync_data().unwrap();
            at = (at + bytes.len() as u64) % (length as u64 - 20_000);
        });
    });
    group.finish();
}

fn scan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan and sum of a million samples");
    group.throughput(Throughput::Elements(SCANNED.unsigned_abs()));
    group.sample_size(20);
    let plant = Plant::new();
    plant.fill_one_tag(0, SCANNED);
    group.bench_function("head", |bencher| bencher.iter(|| black_box(plant.sum())));
    plant.engine.seal().unwrap();
    group.bench_function("segment", |bencher| bencher.iter(|| black_box(plant.sum())));
    let plain: Vec<(i64, f64)> = (0..SCANNED).map(|n| (n, 1.5)).collect();
    group.bench_function("baseline: a plain vector", |bencher| {
        bencher.iter(|| black_box(plain.iter().map(|(_, value)| value).sum::<f64>()));
    });
    group.finish();
}

fn latest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("latest values of 1,000 tags");
    group.throughput(Throughput::Elements(u64::from(TAGS)));
    let mut plant = Plant::new();
    let batch = plant.scan_of_the_plant();
    plant.engine.commit(&[batch]).unwrap();
    group.bench_function("engine", |bencher| {
        bencher.iter(|| {
            let snapshot = plant.engine.snapshot();
            let found = plant.tags.iter().filter(|tag| snapshot.latest(**tag).is_some());
            black_box(found.count())
        });
    });
    let map: Mutex<BTreeMap<TagId, f64>> =
        Mutex::new(plant.tags.iter().map(|tag| (*tag, 1.0)).collect());
    group.bench_function("baseline: a map behind a lock", |bencher| {
        bencher.iter(|| {
            let found = plant.tags.iter().filter(|tag| map.lock().unwrap().contains_key(tag));
            black_box(found.count())
        });
    });
    group.finish();
}

criterion_group!(benches, commit, scan, latest);
criterion_main!(benches);
