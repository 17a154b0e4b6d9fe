//! A catalog of a million tags: memory, definition, restart, finding by name, prefix, label, pattern.
//!
//! Times are processor time, so that a busy machine does not count. Memory is what a process of its own takes more after opening the store, so that nothing is left
//! uncounted. Each figure stands beside a baseline of the same run: a `HashMap` from path to
//! definition, and a loop over all paths.
//!
//! `cargo bench -p tacitus-storage --bench catalog [-- TAGS]`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic and print")]

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, Timestamp, Value,
};
use tacitus_storage::{
    Engine, FixedClock, OsDisk, Parts, Progress, SeededChance, Settings, Snapshot, TagQuery,
};

const FINDS: u32 = 200_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|own| own != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["read", folder, count] => read(Path::new(folder), count.parse().unwrap()),
        ["samples", folder, count] => read_samples(Path::new(folder), count.parse().unwrap()),
        ["map", count] => map(count.parse().unwrap()),
        [count] => write(count.parse().unwrap()),
        _ => write(1_000_000),
    }
}

fn open(folder: &Path) -> Engine {
    let parts = Parts {
        disk: Arc::new(OsDisk::open(folder).unwrap()),
        clock: Arc::new(FixedClock::default()),
        chance: Arc::new(SeededChance::new(1)),
    };
    Engine::open(parts, Settings::default()).unwrap()
}

/// A path of about forty bytes; ten signals of a machine, ten machines of a line.
fn path(n: u32) -> String {
    const SIGNALS: [&str; 10] = [
        "temperature",
        "pressure",
        "flow",
        "speed",
        "current",
        "level",
        "torque",
        "state",
        "count",
        "valve_position",
    ];
    let (signal, machine) = (SIGNALS[(n % 10) as usize], n / 10);
    let (line, area) = (machine / 10, machine / 1_000);
    format!("a{area:03}/line-{line:05}/machine-{machine:06}/{signal}")
}

fn definition(n: u32) -> TagDefinition {
    const UNITS: [&str; 10] = ["°C", "bar", "m³/h", "1/min", "A", "mm", "Nm", "", "", "%"];
    let label = |key: &str, value: String| (key.to_owned(), value);
    TagDefinition {
        unit: UNITS[(n % 10) as usize].to_owned(),
        labels: vec![
            label("asset", format!("machine-{:06}", n / 10)),
            label("system", format!("system {}", n / 10 % 30)),
        ],
        quantum_ns: 1_000_000,
        ..TagDefinition::new(TagPath::new(&path(n)).unwrap(), Kind::Float, "mqtt")
    }
}

/// Makes the store, then measures it in processes of their own.
fn write(count: u32) {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let begin = Instant::now();
    let mut defining_s = 0.0;
    for first in (0..count).step_by(10_000) {
        let definitions: Vec<_> = (first..count.min(first + 10_000)).map(definition).collect();
        let begin = processor_s();
        for definition in definitions {
            engine.catalog().define(definition).unwrap();
        }
        defining_s += processor_s() - begin;
        engine.commit(&[]).unwrap();
    }
    println!("{count} tags, paths of {} bytes, two labels, a unit", path(count - 1).len());
    println!("define            {:>10.0} tags/s", f64::from(count) / defining_s);
    println!("define and commit {:>10.1} s in all", begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    engine.seal().unwrap();
    println!("seal              {:>10.2} s", begin.elapsed().as_secs_f64());
    let (mut steps, mut longest_ms, begin) = (0, 0.0_f64, processor_s());
    loop {
        let begin = processor_s();
        if engine.step().unwrap() == Progress::Idle {
            break;
        }
        steps += 1;
        longest_ms = longest_ms.max((processor_s() - begin) * 1e3);
    }
    let all_s = processor_s() - begin;
    println!("index by steps    {all_s:>10.2} s in {steps} steps, the longest {longest_ms:.0} ms");
    engine.close();
    drop(engine);
    let own = std::env::current_exe().unwrap();
    let count = count.to_string();
    let folder = folder.path().to_str().unwrap();
    assert!(Command::new(&own).args(["read", folder, &count]).status().unwrap().success());
    assert!(Command::new(&own).args(["samples", folder, &count]).status().unwrap().success());
    assert!(Command::new(&own).args(["map", &count]).status().unwrap().success());
}

/// Resident memory of this process in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

/// Seconds that this thread was on a processor: a busy machine does not count.
fn processor_s() -> f64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// The mean processor time of doing something, in microseconds.
fn measure(times: u32, mut what: impl FnMut()) -> f64 {
    what();
    let begin = processor_s();
    (0..times).for_each(|_| what());
    (processor_s() - begin) * 1e6 / f64::from(times)
}

/// Numbers in no order.
fn scattered(count: u32) -> impl Iterator<Item = u32> {
    (0..FINDS).map(move |n| n.wrapping_mul(2_654_435_761) % count)
}

fn read(folder: &Path, count: u32) {
    let before = resident();
    let (begin, on_processor) = (Instant::now(), processor_s());
    let engine = open(folder);
    let (all_s, own_s) = (begin.elapsed().as_secs_f64(), processor_s() - on_processor);
    println!("restart           {own_s:>10.2} s on a processor, {all_s:.2} s by the clock");
    let bytes = (resident() - before) / f64::from(count);
    println!("memory            {bytes:>10.1} B/tag");
    find(&engine, count);
    let query = TagQuery::Prefix("a042/".into());
    let ms = measure(3, || drop(black_box(engine.snapshot().select_ids(&query).unwrap()))) / 1e3;
    println!("prefix of 10,000 before the index is built {ms:>10.0} ms");
    while engine.step().unwrap() == Progress::Did {}
    let bytes = (resident() - before) / f64::from(count);
    println!("memory with index {bytes:>10.1} B/tag");
    search(&engine.snapshot(), count);
    let sample = |n: u32| Sample {
        tag: TagId(n),
        ts: Timestamp::from_nanos(1),
        value: Value::Float(1.0),
        quality: Quality::GOOD,
    };
    for first in (1..=count).step_by(10_000) {
        let batch: Batch = (first..=count.min(first + 9_999)).map(sample).collect();
        engine.commit(&[batch]).unwrap();
    }
    engine.seal().unwrap();
    engine.close();
}

/// Opens the store once more, in which each tag has a sample.
fn read_samples(folder: &Path, count: u32) {
    let before = resident();
    let begin = processor_s();
    let engine = open(folder);
    let restart_s = processor_s() - begin;
    let bytes = (resident() - before) / f64::from(count);
    println!("with a sample of each tag: restart {restart_s:.2} s, {bytes:.1} B/tag with segment");
    drop(engine);
}

fn find(engine: &Engine, count: u32) {
    let paths: Vec<String> = scattered(count).map(path).collect();
    let each = |us: f64| us * 1e3 / f64::from(FINDS);
    let ns = each(measure(3, || {
        for path in &paths {
            black_box(engine.catalog().find(path));
        }
    }));
    println!("find by path      {ns:>10.0} ns");
    let ids: Vec<TagId> = scattered(count).map(|n| TagId(n + 1)).collect();
    let ns = each(measure(3, || {
        for id in &ids {
            black_box(engine.catalog().get(*id));
        }
    }));
    println!("get by id         {ns:>10.0} ns");
}

fn search(snapshot: &Snapshot, count: u32) {
    let label = |key: &str, value: &str| TagQuery::Label { key: key.into(), value: value.into() };
    for (name, times, query) in [
        ("prefix of 10,000", 50, TagQuery::Prefix("a042/".into())),
        (
            "label and label",
            1_000,
            TagQuery::AllOf(vec![label("system", "system 12"), label("asset", "machine-000042")]),
        ),
        (
            "label and unit",
            1_000,
            TagQuery::AllOf(vec![label("system", "system 12"), TagQuery::Unit("bar".into())]),
        ),
        ("glob in one area", 50, TagQuery::Glob("a042/*/machine-*7/temp*".into())),
        ("glob over all", 10, TagQuery::Glob("**/machine-????42/temperature".into())),
        ("regex with ^", 50, TagQuery::Regex("^a0(42|43)/.*/(flow|level)$".into())),
        ("regex over all", 5, TagQuery::Regex("machine-.*42/t.*e$".into())),
    ] {
        let found = snapshot.select_ids(&query).unwrap().len();
        let us = measure(times, || drop(black_box(snapshot.select_ids(&query).unwrap())));
        println!("{name:<17} {us:>10.0} µs, {found} tags");
    }
    let query = TagQuery::Prefix("a042/".into());
    let us = measure(20, || drop(black_box(snapshot.select(&query).unwrap())));
    println!("the same as tags  {us:>10.0} µs");
    let paths: Vec<String> = (0..count).map(path).collect();
    let us = measure(5, || {
        let found = paths.iter().filter(|path| path.starts_with("a042/"));
        black_box(found.count());
    });
    println!("baseline: prefix by a loop over all {us:>10.0} µs");
    let expression = regex_automata::meta::Regex::new("machine-.*42/t.*e$").unwrap();
    let us = measure(2, || {
        black_box(paths.iter().filter(|path| expression.is_match(path.as_str())).count());
    });
    println!("baseline: regex by a loop over all  {us:>10.0} µs");
}

/// The baseline: a map from path to id, and the definitions by id.
fn map(count: u32) {
    let before = resident();
    let mut ids: HashMap<TagPath, u32> = HashMap::new();
    let mut tags: Vec<Arc<TagDefinition>> = Vec::new();
    for n in 0..count {
        let tag = Arc::new(definition(n));
        ids.insert(tag.path.clone(), n);
        tags.push(tag);
    }
    let bytes = (resident() - before) / f64::from(count);
    println!("baseline: map     {bytes:>10.1} B/tag");
    let paths: Vec<String> = scattered(count).map(path).collect();
    let us = measure(3, || {
        for path in &paths {
            let id = ids.get(path.as_str()).unwrap();
            black_box(tags.get(*id as usize).map(Arc::clone));
        }
    });
    println!("baseline: find    {:>10.0} ns", us * 1e3 / f64::from(FINDS));
}
