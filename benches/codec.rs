//! The codecs: bytes a sample, and nanoseconds of CPU a sample to encode and decode.
//!
//! Sets are a generated plant and, where the folder that `TACITUS_DATA` names is there, the data
//! sets in it; every block is compared bit for bit with what comes back before anything is
//! timed. Beside the codecs stand memcpy and zstd of the same lanes. Times are the least of five
//! rounds, of one thread.
//!
//! `cargo bench -p tacitus-storage --features kernels --bench codec [-- SET]`

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are printed to three places, and levels of the plant are small"
)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use tacitus_model::Kind;
use tacitus_storage::Block;
use tacitus_storage::kernels::{Encoded, Encoder, decode_page_of_times, encode_page_of_times};

const CHUNK: usize = 8192;

struct Series {
    name: String,
    block: Block,
}

fn folder() -> PathBuf {
    std::env::var_os("TACITUS_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    )
}

fn kinds(schema: &str) -> Vec<Kind> {
    schema
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"type\": \""))
        .map(|rest| match rest.split('"').next().unwrap() {
            "f64" => Kind::Float,
            "i64" => Kind::Int,
            "bool" => Kind::Bool,
            _ => Kind::Text,
        })
        .collect()
}

/// Nanoseconds of `2018-01-01T01:00:00.100Z`.
fn nanos(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + number(11..13) * 3600 + number(14..16) * 60 + number(17..19);
    seconds * 1_000_000_000 + number(20..23) * 1_000_000
}

fn load(name: &str) -> Vec<Series> {
    let folder = folder();
    let schema = std::fs::read_to_string(folder.join(format!("{name}.schema.json"))).unwrap();
    let packed = std::fs::read(folder.join(format!("{name}.csv.zst"))).unwrap();
    let text = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let mut lines = text.lines();
    let names = lines.next().unwrap().split(',').skip(1);
    let mut all: Vec<Series> = names
        .zip(kinds(&schema))
        .map(|(name, kind)| Series { name: name.to_owned(), block: Block::empty(kind) })
        .collect();
    for line in lines {
        let mut cells = line.split(',');
        let ts = nanos(cells.next().unwrap());
        for (series, cell) in all.iter_mut().zip(cells) {
            if cell.is_empty() {
                continue;
            }
            let block = &mut series.block;
            let lane = match block.kind {
                Kind::Float => cell.parse::<f64>().unwrap().to_bits(),
                Kind::Text => {
                    block.texts.push(Arc::from(cell));
                    block.texts.len() as u64 - 1
                }
                _ => cell.parse::<i64>().unwrap().cast_unsigned(),
            };
            block.times.push(ts);
            block.bits.push(lane);
        }
    }
    all
}

fn parts(block: &Block) -> Vec<Block> {
    (0..block.len())
        .step_by(CHUNK)
        .map(|first| {
            let rows = first..block.len().min(first + CHUNK);
            let mut part = Block::empty(block.kind);
            part.times = block.times[rows.clone()].to_vec();
            if block.kind == Kind::Text {
                part.texts = block.texts[rows].to_vec();
                part.bits = (0..part.texts.len() as u64).collect();
            } else {
                part.bits = block.bits[rows].to_vec();
            }
            part
        })
        .collect()
}

/// A plant of a thousand tags at one sample a second: walks with noise, set-points, counters,
/// booleans and states.
fn plant(tags: u32, rows: u32) -> Vec<Series> {
    let mut chance = 0x2545_f491_4f6c_dd1d_u64;
    let mut uniform = move || {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        (chance >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut all = Vec::new();
    for tag in 0..tags {
        let kind = match tag % 20 {
            0..15 => Kind::Float,
            15 | 16 => Kind::Int,
            17 | 18 => Kind::Bool,
            _ => Kind::State,
        };
        let scale = 10_f64.powi((tag % 4).cast_signed());
        let mut level = 20.0 + 500.0 * uniform();
        let pace = level * 0.01 * uniform();
        let mut block = Block::empty(kind);
        for row in 0..rows {
            let noise = uniform() + uniform() + uniform() - 1.5;
            let lane = match tag % 20 {
                // Set-points.
                0 | 1 => {
                    level = if uniform() < 0.002 { 500.0 * uniform() } else { level };
                    ((level * 2.0).round() / 2.0).to_bits()
                }
                2..15 => {
                    level += pace * noise;
                    let noise = 2.0 * pace * (uniform() + uniform() - 1.0);
                    (((level + noise) * scale).round() / scale).to_bits()
                }
                15 | 16 => {
                    level += f64::from(uniform() < 0.3);
                    level as u64
                }
                _ => {
                    level = if uniform() < 0.01 { (4.0 * uniform()).floor() } else { level };
                    (level as u64) % if kind == Kind::Bool { 2 } else { 4 }
                }
            };
            block.times.push(1_735_689_600_000_000_000 + i64::from(row) * 1_000_000_000);
            block.bits.push(lane);
        }
        all.push(Series { name: format!("tag {tag}"), block });
    }
    all
}

/// The chunks of a set, encoded and compared with what comes back.
struct Coded {
    parts: Vec<Vec<Block>>,
    chunks: Vec<Encoded>,
    samples: usize,
    time_bytes: usize,
}

fn encode_all(parts: &[Vec<Block>], is_cold: bool) -> Vec<Encoded> {
    let encode = |parts: &Vec<Block>| {
        let mut encoder = Encoder::new(is_cold);
        parts.iter().map(|part| encoder.encode(part)).collect::<Vec<_>>()
    };
    parts.iter().flat_map(encode).collect()
}

fn check(all: &[Series], is_cold: bool) -> Coded {
    let parts: Vec<Vec<Block>> = all.iter().map(|series| parts(&series.block)).collect();
    let chunks = encode_all(&parts, is_cold);
    let mut pages = BTreeSet::new();
    for (part, chunk) in parts.iter().flatten().zip(&chunks) {
        let mut block = chunk.reader().unwrap().block(chunk).unwrap();
        for page in part.times.chunks(1024) {
            let bytes = encode_page_of_times(page);
            block.times.extend(decode_page_of_times(&bytes, page.len()).unwrap());
            pages.insert(bytes);
        }
        assert!(block == *part, "what comes back is what went in");
    }
    let samples = all.iter().map(|series| series.block.len()).sum();
    let time_bytes = pages.iter().map(Vec::len).sum();
    Coded { parts, chunks, samples, time_bytes }
}

/// The least nanoseconds of five rounds, a sample. Others may use the machine meanwhile.
fn time(samples: usize, mut work: impl FnMut()) -> f64 {
    let round = |_| {
        let start = cpu_ns();
        work();
        cpu_ns() - start
    };
    (0..5).map(round).fold(f64::INFINITY, f64::min) / samples as f64
}

/// Nanoseconds that this thread has run.
fn cpu_ns() -> f64 {
    cpu_time::ThreadTime::now().as_duration().as_secs_f64() * 1e9
}

/// What there is to say of one set at one level.
#[derive(Default)]
struct Figures {
    samples: usize,
    value_bytes: usize,
    time_bytes: usize,
    ns: [f64; 5],
}

fn figures(all: &[Series], is_cold: bool) -> Figures {
    let coded = check(all, is_cold);
    let read = |work: &dyn Fn(&tacitus_storage::kernels::Reader, &Encoded)| {
        let readers: Vec<_> = coded.chunks.iter().map(|chunk| chunk.reader().unwrap()).collect();
        time(coded.samples, || {
            readers.iter().zip(&coded.chunks).for_each(|(reader, chunk)| work(reader, chunk));
        })
    };
    let ns = [
        time(coded.samples, || drop(black_box(encode_all(&coded.parts, is_cold)))),
        time(coded.samples, || coded.chunks.iter().for_each(|c| drop(black_box(c.reader())))),
        read(&|reader, chunk| drop(black_box(reader.block(chunk)))),
        // Neither of chunks with nulls or texts.
        read(&|reader, chunk| {
            black_box(reader.lanes(chunk));
        }),
        read(&|reader, chunk| {
            black_box(reader.totals(chunk));
        }),
    ];
    Figures {
        samples: coded.samples,
        value_bytes: coded.chunks.iter().map(Encoded::bytes).sum(),
        time_bytes: coded.time_bytes,
        ns,
    }
}

fn line(name: &str, figures: &Figures) -> String {
    let each = |bytes: usize| bytes as f64 / figures.samples as f64;
    let [encode, parse, block, lanes, totals] = figures.ns;
    format!(
        "{name:>16} {:>8} {:>7.3} {:>7.4} {:>7.3} {encode:>8.1} {parse:>6.2} {block:>6.2} \
         {lanes:>6.2} {totals:>6.2}",
        figures.samples,
        each(figures.value_bytes),
        each(figures.time_bytes),
        each(figures.value_bytes + figures.time_bytes),
    )
}

/// memcpy and zstd of the lanes of a set.
fn baselines(all: &[Series]) {
    let lanes: Vec<u64> = all.iter().flat_map(|series| series.block.bits.clone()).collect();
    let bytes: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
    let mut copy = vec![0_u8; bytes.len()];
    let copied = time(lanes.len(), || black_box(&mut copy).copy_from_slice(&bytes));
    let pack = || bytes.chunks(8 * CHUNK).map(|part| zstd::bulk::compress(part, 3).unwrap());
    let packed: Vec<_> = pack().collect();
    let encode = time(lanes.len(), || pack().for_each(|part| drop(black_box(part))));
    let decode = time(lanes.len(), || {
        packed.iter().for_each(|part| drop(zstd::bulk::decompress(part, 8 * CHUNK).unwrap()));
    });
    let size = packed.iter().map(Vec::len).sum::<usize>() as f64 / lanes.len() as f64;
    println!(
        "memcpy of lanes {copied:.2} ns; zstd-3 of lanes {size:.3} B, encode {encode:.1} ns, decode {decode:.2} ns"
    );
}

const SETS: [&str; 8] = [
    "cnc_mill_a",
    "etth1",
    "hydraulic_1hz",
    "nab_machine",
    "room_occupancy",
    "skab_valve1",
    "steel_energy",
    "tep_a",
];

/// Every series with its bytes and what was chosen for its chunks.
fn print_series(all: &[Series]) {
    for series in all {
        for is_cold in [false, true] {
            let chunks = encode_all(&[parts(&series.block)], is_cold);
            let bytes = chunks.iter().map(Encoded::bytes).sum::<usize>();
            let each = bytes as f64 / series.block.len() as f64;
            let heads: Vec<_> = chunks.iter().take(4).map(Encoded::head).collect();
            println!("{:>40} {is_cold} {bytes:>8} {each:.3} {heads:x?}", series.name);
        }
    }
}

fn main() {
    let only = std::env::args().nth(1).filter(|name| !name.starts_with('-'));
    let mut sets = vec![("plant".to_owned(), plant(1_000, 3_600))];
    if folder().is_dir() {
        sets.extend(SETS.iter().map(|name| ((*name).to_owned(), load(name))));
    } else {
        println!("no data sets in {}", folder().display());
    }
    sets.retain(|(name, _)| only.as_ref().is_none_or(|only| only == name));
    if only.is_some() {
        sets.iter().for_each(|(_, all)| print_series(all));
    }
    for is_cold in [false, true] {
        println!("{}", if is_cold { "cold" } else { "hot" });
        println!(
            "             set  samples  values   times     all   encode  parse  block  lanes totals"
        );
        let mut sum = Figures::default();
        for (name, all) in &sets {
            let figures = figures(all, is_cold);
            println!("{}", line(name, &figures));
            if name != "plant" {
                let samples = figures.samples as f64;
                sum.samples += figures.samples;
                sum.value_bytes += figures.value_bytes;
                sum.time_bytes += figures.time_bytes;
                sum.ns.iter_mut().zip(figures.ns).for_each(|(sum, ns)| *sum += ns * samples);
            }
        }
        sum.ns.iter_mut().for_each(|ns| *ns /= sum.samples as f64);
        println!("{}", line("all but plant", &sum));
    }
    for (name, all) in sets.iter().filter(|(name, _)| name == "plant" || name == "skab_valve1") {
        print!("{name}: ");
        baselines(all);
    }
}
