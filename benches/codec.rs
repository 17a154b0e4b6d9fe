//! The codecs: bytes a sample for each data set, and the time of encoding and decoding.
//!
//! `cargo bench -p tacitus-storage --features kernels --bench codec -- sizes` prints the table of
//! bytes for the data sets in the folder that `TACITUS_DATA` names.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tacitus_model::Kind;
use tacitus_storage::Block;
use tacitus_storage::kernels::{Encoder, times, times_of};

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

/// Bytes of the values and of the times, each page of times counted once.
fn sizes(all: &[Series], is_cold: bool, verbose: bool) -> (usize, usize, usize) {
    let mut samples = 0;
    let mut values = 0;
    let mut pages = BTreeSet::new();
    for series in all {
        let mut encoder = Encoder::new(is_cold);
        let mut bytes = 0;
        let mut codes = BTreeMap::new();
        for part in parts(&series.block) {
            let encoded = encoder.encode(&part);
            let mut decoded = encoded.decode(part.len()).unwrap();
            for page in part.times.chunks(1024) {
                let bytes = times(page);
                decoded.times.extend(times_of(&bytes, page.len()).unwrap());
                pages.insert(bytes);
            }
            assert!(decoded == part, "{}", series.name);
            bytes += encoded.bytes();
            *codes.entry(encoded.code()).or_insert(0) += encoded.bytes();
        }
        if verbose {
            let rows = series.block.len();
            println!("    {:>40} {bytes:>8} {:.3} {codes:?}", series.name, bytes as f64 / rows as f64);
        }
        values += bytes;
        samples += series.block.len();
    }
    (samples, values, pages.iter().map(Vec::len).sum())
}

const SETS: [&str; 8] = [
    "cnc_mill_a", "etth1", "hydraulic_1hz", "nab_machine", "room_occupancy", "skab_valve1",
    "steel_energy", "tep_a",
];

fn main() {
    let verbose = std::env::args().any(|a| a == "verbose");
    let only = std::env::args().nth(1).unwrap_or_default();
    for is_cold in [false, true] {
        let mut total = (0, 0, 0);
        for name in SETS {
            if SETS.contains(&&*only) && only != name { continue; }
            let start = std::time::Instant::now();
            let (samples, values, times) = sizes(&load(name), is_cold, verbose && is_cold);
            println!(
                "{name:>20} {} {samples:>8} values {:.3} times {:.4}   {:?}",
                if is_cold { "cold" } else { "hot " },
                values as f64 / samples as f64,
                times as f64 / samples as f64,
                start.elapsed(),
            );
            total = (total.0 + samples, total.1 + values, total.2 + times);
        }
        let (samples, values, times) = total;
        println!(
            "{:>20} {} {samples:>8} values {:.3} times {:.4} all {:.4}",
            "ALL", if is_cold { "cold" } else { "hot " },
            values as f64 / samples as f64,
            times as f64 / samples as f64,
            (values + times) as f64 / samples as f64,
        );
    }
}
