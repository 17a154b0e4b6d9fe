//! Bytes of the first version of the codecs, which every later version reads.
//!
//! A file of `tests/golden/codec-v1` holds one block, generated here, at one level: for the meta,
//! for each page, and for the times of each page, a length of four bytes and the bytes. With
//! `TACITUS_GOLDEN=write` the files that are missing are written; those that are there never
//! change.

use std::fs;
use std::path::PathBuf;

use super::*;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/codec-v1")
}

/// A block that makes a chunk of a certain sort, by name.
fn blocks() -> Vec<(&'static str, Block)> {
    let some =
        |rows, item: &mut dyn FnMut(i64) -> u64| walk(rows, 99, |n| item((n >> 33).cast_signed()));
    let mut level = 0_i64;
    let mut wander = move |n: i64, by: i64| {
        level += n % (2 * by + 1) - by;
        level
    };
    let mut all = vec![
        ("constant", block(Kind::Float, &[21.5_f64.to_bits(); 40])),
        ("decimals", block(Kind::Float, &some(2100, &mut |n| decimal(2000 + wander(n, 9), 100.0)))),
        ("ordered", block(Kind::Float, &some(1100, &mut |n| decimal(n, 3.0).sqrt_bits()))),
        ("levels", block(Kind::Float, &some(2100, &mut |n| decimal(n % 300 * 97, 1000.0)))),
        (
            "beside",
            block(
                Kind::Float,
                &some(2100, &mut |n| decimal(n % 9999, 100.0) + n.cast_unsigned() % 5),
            ),
        ),
        ("integers", block(Kind::Int, &some(1100, &mut |n| (n * n).cast_unsigned()))),
        ("booleans", block(Kind::Bool, &some(1100, &mut |n| u64::from(n % 100 < 3)))),
        ("states", block(Kind::State, &some(1100, &mut |n| u64::from(n % 50 == 0) * 3))),
        ("texts", texts((0..1100).map(|n| format!("recipe {}", n / 90)))),
    ];
    let odd: Vec<u64> =
        (0..1100).map(|n| if n % 60 == 0 { ODD[n / 60 % 14] } else { decimal(7, 4.0) }).collect();
    // What a converter of 16 bits gives, in engineering units.
    let scaled: Vec<u64> = walk(2100, 3, |n| {
        (f64::from(u32::try_from(n >> 52).unwrap()) * (10.0 / 27_648.0)).to_bits()
    });
    all.push(("scaled", block(Kind::Float, &scaled)));
    let singles: Vec<u64> = walk(2100, 3, |n| {
        let raw = f32::from(u16::try_from(n >> 52).unwrap());
        f64::from(raw * (100.0_f32 / 27_648.0)).to_bits()
    });
    all.push(("counts", block(Kind::Float, &singles)));
    let singles: Vec<u64> =
        (0..2100_u16).map(|n| f64::from((f32::from(n) / 1000.0).exp() + 1.0).to_bits()).collect();
    all.push(("singles", block(Kind::Float, &singles)));
    let shape: Vec<u64> = walk(300, 5, |n| decimal((n >> 44).cast_signed(), 10.0));
    all.push(("shapes", block(Kind::Float, &shape.repeat(5))));
    all.push(("odd", block(Kind::Float, &odd)));
    let mut partial = Block::empty(Kind::Int);
    for row in 0..1100_i64 {
        let (null, quality) = (row % 50 == 3, if row % 40 > 37 { 0x8000_0000 } else { 0 });
        let ts = row * 1_000_000_000 + row * 7919 % 11 * 1_000_000;
        partial.push(Row { ts, bits: 5, null, quality, text: None, sequence: 0 });
    }
    all.push(("partial", partial));
    all
}

trait SqrtBits {
    fn sqrt_bits(self) -> u64;
}

impl SqrtBits for u64 {
    /// A float that is no decimal.
    fn sqrt_bits(self) -> u64 {
        f64::from_bits(self).sqrt().to_bits()
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out.extend(bytes);
}

fn to_file(block: &Block, level: Level) -> Vec<u8> {
    let chunk = encode_chunk(block, level, &mut Guess::default());
    let mut out = Vec::new();
    put(&mut out, &chunk.meta);
    for (page, times) in chunk.pages.iter().zip(block.times.chunks(PAGE_ROWS_MAX)) {
        put(&mut out, page);
        let mut bytes = Vec::new();
        encode_times(&mut bytes, times);
        put(&mut out, &bytes);
    }
    out
}

fn from_file(bytes: &[u8], kind: Kind, rows: usize) -> Option<Block> {
    let mut from = Cursor::new(bytes);
    let mut part = || {
        let length = usize::try_from(from.u32()?).ok()?;
        from.take(length)
    };
    let chunk = Chunk::parse(kind, part()?)?;
    let mut out = Block::empty(kind);
    for (number, first) in (0..rows).step_by(PAGE_ROWS_MAX).enumerate() {
        let rows = (rows - first).min(PAGE_ROWS_MAX);
        chunk.decode(number, part()?, rows, &mut out)?;
        decode_times(part()?, rows, &mut out.times)?;
    }
    Some(out)
}

#[test]
fn every_sort_of_chunk_has_a_file() {
    let mut codes: Vec<u8> = blocks()
        .iter()
        .filter_map(|(_, block)| {
            encode_chunk(block, Level::Cold, &mut Guess::default()).meta.first().copied()
        })
        .collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7], "the codes of docs/format/codec.md");
}

#[test]
fn files_of_every_version_are_read() {
    for (name, block) in blocks() {
        for level in [Level::Hot, Level::Cold] {
            let path = folder().join(format!("{name}-{level:?}.bin").to_lowercase());
            if !path.exists() && std::env::var_os("TACITUS_GOLDEN").is_some() {
                fs::create_dir_all(folder()).unwrap();
                fs::write(&path, to_file(&block, level)).unwrap();
            }
            let bytes = fs::read(&path).unwrap();
            let read = from_file(&bytes, block.kind, block.len());
            assert!(read.as_ref() == Some(&block), "{}", path.display());
        }
    }
}
