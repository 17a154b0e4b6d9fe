//! The store as a whole: downsampling a tag-year, appending with the sync, restart, memory.
//!
//! Every figure stands beside a baseline of the same run: for downsampling, one pass over the same
//! values in a plain vector; for appending, one write and one sync of as many bytes. Times are
//! medians; appending is given in samples per second of CPU, all threads and the seal included.
//!
//! `cargo bench -p tacitus-storage --bench store [-- year|append|restart|memory]`
//! `DAYS` shortens the year, `TAGS` and `LOG_MIB` the restart, `SAMPLES` the append.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};
use tacitus_storage::{
    Block, Edges, Engine, FixedClock, OsDisk, Parts, Progress, SeededChance, Settings,
};

const SECOND_NS: i64 = 1_000_000_000;
const START_NS: i64 = 1_735_689_600 * SECOND_NS;

fn number(name: &str, usual: i64) -> i64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn open(folder: &Path, settings: Settings) -> Engine {
    let parts = Parts {
        disk: Arc::new(OsDisk::open(folder).unwrap()),
        clock: Arc::new(FixedClock::at(Timestamp::from_nanos(START_NS))),
        chance: Arc::new(SeededChance::new(1)),
    };
    Engine::open(parts, settings).unwrap()
}

fn settings() -> Settings {
    Settings { reserve_bytes: Some(0), audit_ns: 0, ..Settings::default() }
}

fn define(engine: &Engine, path: &str) -> TagId {
    let path = TagPath::new(path).unwrap();
    engine.catalog().define(TagDefinition::new(path, Kind::Float, "bench")).unwrap().id
}

/// CPU time of all threads so far.
fn cpu() -> Duration {
    ProcessTime::now().as_duration()
}

fn since(begun: Duration) -> Duration {
    cpu().saturating_sub(begun)
}

/// The median CPU time of some rounds, in milliseconds: it does not count the neighbours.
fn median_ms(rounds: usize, mut run: impl FnMut()) -> f64 {
    run();
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = cpu();
            run();
            since(begun).as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A sensor with two decimals that wanders.
struct Walk {
    state: u64,
    level: i32,
}

impl Walk {
    fn next(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let step = i32::try_from(self.state % 21).unwrap() - 10;
        self.level = (self.level + step).clamp(-50_000, 150_000);
        f64::from(self.level) / 100.0
    }
}

fn year() {
    let seconds = number("DAYS", 365) * 86_400;
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), settings());
    let tag = define(&engine, "plant/year");
    let mut walk = Walk { state: 42, level: 2_000 };
    let values: Vec<f64> = (0..seconds).map(|_| walk.next()).collect();
    let begun = cpu();
    let blocks = values.chunks(8192).enumerate().map(|(at, values)| {
        let first = i64::try_from(at * 8192).unwrap();
        let mut block = Block::empty(Kind::Float);
        block.times = (first..).take(values.len()).map(|n| START_NS + n * SECOND_NS).collect();
        block.bits = values.iter().map(|value| value.to_bits()).collect();
        Ok((tag, block))
    });
    engine.import(blocks).unwrap();
    report_size(&engine, "import, hot", seconds, since(begun));
    downsample(&engine, tag, &values, "hot");
    let begun = cpu();
    engine.compact().unwrap();
    report_size(&engine, "compact, cold", seconds, since(begun));
    downsample(&engine, tag, &values, "cold");
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn report_size(engine: &Engine, what: &str, samples: i64, cpu: Duration) {
    let bytes = engine.status().segment_bytes as f64 / samples as f64;
    let rate = samples as f64 / cpu.as_secs_f64() / 1e6;
    println!("{what:<40} {bytes:>9.3} B/sample {rate:>9.2} M samples/CPU s");
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn downsample(engine: &Engine, tag: TagId, values: &[f64], level: &str) {
    let seconds = i64::try_from(values.len()).unwrap();
    let edges: Vec<i64> =
        (0..=1000).map(|n| START_NS + seconds * SECOND_NS / 1000 * n + n % 7).collect();
    let whole = [START_NS, START_NS + seconds * SECOND_NS];
    let snapshot = engine.snapshot();
    let windows = |edges: &[i64], mode| {
        black_box(snapshot.aggregate(tag, edges, mode).unwrap());
    };
    let plot = median_ms(21, || windows(&edges, Edges::Plot));
    let rounds = usize::try_from(number("ROUNDS", 11)).unwrap();
    let mut shifted = edges.clone();
    let exact = median_ms(rounds, || {
        // Nobody asked for these edges before: nothing is remembered of them.
        shifted.iter_mut().for_each(|edge| *edge += 1_234_567_891);
        windows(&shifted, Edges::Exact);
    });
    let again = median_ms(rounds, || windows(&edges, Edges::Exact));
    let all = median_ms(21, || windows(&whole, Edges::Exact));
    let decode = median_ms(3, || {
        let mut sum = 0.0;
        for block in snapshot.scan(tag, TimeRange::ALL) {
            sum += block.unwrap().bits.iter().map(|bits| f64::from_bits(*bits)).sum::<f64>();
        }
        black_box(sum);
    });
    let begun = cpu();
    let fold = snapshot.totals(tag, TimeRange::ALL).unwrap();
    let fold_ns = since(begun).as_secs_f64() * 1e9 / values.len() as f64;
    black_box(fold);
    let plain = median_ms(3, || {
        for window in values.chunks(values.len() / 1000) {
            black_box(window.iter().fold((f64::MAX, f64::MIN, 0.0), |(low, high, sum), value| {
                (value.min(low), value.max(high), sum + value)
            }));
        }
    });
    println!("{level}: 1,000 windows, plot                {plot:>9.3} ms");
    println!("{level}: 1,000 windows, exact               {exact:>9.3} ms");
    println!("{level}: the same, asked again             {again:>9.3} ms");
    println!("{level}: whole range                        {all:>9.4} ms");
    println!("{level}: every sample read and folded       {fold_ns:>9.3} ns/sample of CPU");
    println!("{level}: every sample as rows               {decode:>9.1} ms");
    println!("baseline: a plain vector of the values    {plain:>9.1} ms");
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn append() {
    let samples = number("SAMPLES", 20_000_000);
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), settings());
    let tags: Vec<TagId> = (0..1000).map(|n| define(&engine, &format!("plant/{n}"))).collect();
    let mut walks: Vec<Walk> = (0..1000).map(|n| Walk { state: 99 + n, level: 2_000 }).collect();
    let mut ts = START_NS;
    // The batches are ready before the clock runs: they are what a client sends.
    let rounds = samples / 10_000;
    let mut spent = Duration::ZERO;
    let begun = Instant::now();
    for _ in 0..rounds {
        let batches: Vec<Batch> = (0..10)
            .map(|_| {
                ts += SECOND_NS;
                let sample = |(tag, walk): (&TagId, &mut Walk)| Sample {
                    tag: *tag,
                    ts: Timestamp::from_nanos(ts),
                    value: Value::Float(walk.next()),
                    quality: Quality::GOOD,
                };
                tags.iter().zip(&mut walks).map(sample).collect()
            })
            .collect();
        let before = cpu();
        engine.commit(&batches).unwrap();
        while engine.step().unwrap() == Progress::Did {}
        spent += since(before);
    }
    let before = cpu();
    engine.seal().unwrap();
    spent += since(before);
    let rate = samples as f64 / spent.as_secs_f64() / 1e6;
    let bytes = engine.status().segment_bytes as f64 / samples as f64;
    println!(
        "append with sync, to the sealed segment  {rate:>9.2} M samples/CPU s, {bytes:.3} B/sample"
    );
    println!(
        "                                         {:>9.2} s wall",
        begun.elapsed().as_secs_f64()
    );
    let file = std::fs::File::create(folder.path().join("baseline")).unwrap();
    let bytes = vec![7_u8; 110_000];
    let before = (cpu(), Instant::now());
    for n in 0..100_u64 {
        file.write_all_at(&bytes, n * 110_000).unwrap();
        file.sync_data().unwrap();
    }
    let spent = since(before.0).as_secs_f64() * 1e6 / 100.0;
    let wall = before.1.elapsed().as_secs_f64() * 1e3 / 100.0;
    println!("baseline: write and sync of 10,000 samples {spent:>7.1} us CPU, {wall:.2} ms wall");
}

fn restart() {
    let tags = number("TAGS", 1_000_000);
    let log_bytes = number("LOG_MIB", 512).unsigned_abs() << 20;
    let folder = tempfile::tempdir().unwrap();
    let settings = || Settings {
        log_bytes_max: u64::MAX,
        head_bytes_max: usize::MAX / 4,
        seal_after_s: u64::MAX / 2_000_000_000,
        ..settings()
    };
    let engine = open(folder.path(), settings());
    let ids: Vec<TagId> = (0..tags)
        .map(|n| define(&engine, &format!("site/area-{}/line-{}/signal-{n}", n % 40, n % 400)))
        .collect();
    engine.commit(&[]).unwrap();
    engine.seal().unwrap();
    let mut at = 0;
    while engine.status().log_bytes < log_bytes {
        let batch: Batch = ids
            .iter()
            .cycle()
            .skip(at % ids.len())
            .take(10_000)
            .map(|tag| Sample {
                tag: *tag,
                ts: Timestamp::from_nanos(START_NS + i64::try_from(at).unwrap() * 1_000),
                value: Value::Float(f64::from(tag.0) / 10.0),
                quality: Quality::GOOD,
            })
            .collect();
        engine.commit(&[batch]).unwrap();
        at += 10_000;
    }
    drop(engine);
    let begun = Instant::now();
    let engine = open(folder.path(), settings());
    let opened = begun.elapsed().as_secs_f64();
    let sample = Sample {
        tag: ids[0],
        ts: Timestamp::from_nanos(START_NS * 2),
        value: Value::Float(1.0),
        quality: Quality::GOOD,
    };
    engine.commit(&[std::iter::once(sample).collect()]).unwrap();
    let written = begun.elapsed().as_secs_f64();
    println!("restart: {tags} tags, {} MiB of log, {at} samples", log_bytes >> 20);
    println!("restart: open {opened:.2} s, first write after {written:.2} s");
}

/// Resident memory of this process.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn memory() {
    let tags = number("TAGS", 1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), settings());
    let before = resident();
    for n in 0..tags {
        let text = format!("site/area-{}/line-{}/signal-{n}", n % 40, n % 400);
        let mut definition = TagDefinition::new(TagPath::new(&text).unwrap(), Kind::Float, "bench");
        definition.unit = "degC".into();
        definition.labels =
            vec![("area".into(), format!("{}", n % 40)), ("vendor".into(), "a".into())];
        engine.catalog().define(definition).unwrap();
        if n % 100_000 == 99_999 {
            engine.commit(&[]).unwrap();
        }
    }
    engine.commit(&[]).unwrap();
    engine.seal().unwrap();
    while engine.step().unwrap() == Progress::Did {}
    let idle = (resident() - before) / usize::try_from(tags).unwrap();
    println!("memory: {idle} bytes for each of {tags} idle tags");
    let ids: Vec<TagId> = (1..=u32::try_from(tags).unwrap()).map(TagId).collect();
    let before = resident();
    for round in 0..10_i64 {
        for ids in ids.chunks(100_000) {
            let sample = |tag: &TagId| Sample {
                tag: *tag,
                ts: Timestamp::from_nanos(START_NS + round * SECOND_NS),
                value: Value::Float(f64::from(tag.0)),
                quality: Quality::GOOD,
            };
            engine.commit(&[ids.iter().map(sample).collect()]).unwrap();
        }
    }
    let active = (resident().saturating_sub(before)) / usize::try_from(tags).unwrap();
    println!("memory: {active} bytes more for each with ten samples not sealed yet");
}

/// Each part in a process of its own: what one leaves in memory says nothing of the next.
fn main() {
    let parts: [(&str, fn()); 4] =
        [("year", year), ("append", append), ("restart", restart), ("memory", memory)];
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|own| !own.starts_with('-')).collect();
    if let [only] = wanted.as_slice()
        && let Some((_, run)) = parts.iter().find(|(name, _)| name == only)
    {
        return run();
    }
    for (name, _) in parts {
        if wanted.is_empty() || wanted.iter().any(|own| own == name) {
            let own = std::env::current_exe().unwrap();
            let ended = std::process::Command::new(own).arg(name).status().unwrap();
            assert!(ended.success(), "{name}: {ended}");
        }
    }
}
