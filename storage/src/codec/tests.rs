//! Pages come back bit for bit, and rubbish is no page.

use proptest::prelude::*;
use tacitus_model::Kind;

use super::*;
use crate::block::Row;

fn page(kind: Kind, lanes: &[u64]) -> Block {
    let mut block = Block::empty(kind);
    for (ts, bits) in (0..).map(|row| row * 1_000_000_000).zip(lanes) {
        block.push(Row { ts, bits: *bits, null: false, quality: 0, text: None, sequence: 0 });
    }
    block
}

/// The chunk of a block, read back page by page.
fn read(chunk: &EncodedChunk, block: &Block) -> Option<Block> {
    let parsed = Chunk::parse(block.kind, &chunk.meta)?;
    let mut out = Block::empty(block.kind);
    for (number, page) in chunk.pages.iter().enumerate() {
        let times = block.times.chunks(PAGE_ROWS_MAX).nth(number)?;
        let mut bytes = Vec::new();
        encode_times(&mut bytes, times);
        parsed.decode(number, page, times.len(), &mut out)?;
        decode_times(&bytes, times.len(), &mut out.times)?;
    }
    Some(out)
}

#[track_caller]
fn check(block: &Block) -> usize {
    let bytes = encode_page(block);
    assert_eq!(decode_page(block.kind, block.len(), &bytes).as_ref(), Some(block));
    for level in [Level::Hot, Level::Cold] {
        let chunk = encode_chunk(block, level, &mut Guess::default());
        assert_eq!(read(&chunk, block).as_ref(), Some(block));
    }
    bytes.len()
}

#[test]
fn every_bit_pattern_of_a_float_comes_back() {
    let odd = [
        0.0_f64.to_bits(),
        (-0.0_f64).to_bits(),
        f64::NAN.to_bits(),
        0x7ff0_0000_0000_0001,
        0xffff_ffff_ffff_ffff,
        f64::INFINITY.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        1,
        f64::MIN_POSITIVE.to_bits(),
        f64::MAX.to_bits(),
        0.1_f64.to_bits(),
        (0.1 + 0.2_f64).to_bits(),
        9_007_199_254_740_993_u64,
    ];
    check(&page(Kind::Float, &odd));
    for lane in odd {
        check(&page(Kind::Float, &[lane]));
        check(&page(Kind::Float, &[lane, 1.5_f64.to_bits()]));
    }
}

#[test]
fn both_ends_of_an_integer_and_of_time_come_back() {
    let ends = [i64::MIN, i64::MAX, 0, -1].map(i64::cast_unsigned);
    check(&page(Kind::Int, &ends));
    let mut block = page(Kind::Int, &ends);
    block.times = vec![i64::MIN, -1, 0, i64::MAX];
    check(&block);
}

#[test]
fn decimals_at_a_steady_pace_take_few_bytes() {
    let lanes: Vec<u64> = (0..1000).map(|n| (f64::from(n % 50) / 100.0 + 21.0).to_bits()).collect();
    let bytes = check(&page(Kind::Float, &lanes));
    assert!(bytes < 1200, "{bytes} bytes for 1000 samples");
}

#[test]
fn booleans_take_a_bit_each() {
    let lanes: Vec<u64> = (0..1024).map(|n| n % 3 % 2).collect();
    let bytes = check(&page(Kind::Bool, &lanes));
    assert!(bytes < 160, "{bytes} bytes for 1024 booleans");
}

fn rows(kind: Kind) -> impl Strategy<Value = Block> {
    let text = prop_oneof![Just("run"), Just("stop"), Just("Störung"), Just("")];
    let small = prop_oneof![0_u64..4, any::<u64>()];
    let row = (1_i64..5_000_000_000_000, small, any::<bool>(), 0_u32..3, text);
    proptest::collection::vec(row, 1..64).prop_map(move |rows| {
        let mut block = Block::empty(kind);
        let mut ts = -7_000_000_000_000;
        for (step, bits, null, quality, text) in rows {
            ts += step;
            let text = (kind == Kind::Text).then(|| text.into());
            block.push(Row { ts, bits, null, quality: quality << 30, text, sequence: 0 });
        }
        block
    })
}

fn kinds() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_page_comes_back(block in kinds().prop_flat_map(rows)) {
        let bytes = encode_page(&block);
        prop_assert_eq!(decode_page(block.kind, block.len(), &bytes), Some(block));
    }

    #[test]
    fn a_damaged_page_is_a_page_or_none(
        block in kinds().prop_flat_map(rows),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut bytes = encode_page(&block);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Some(read) = decode_page(block.kind, block.len(), &bytes) {
            prop_assert_eq!(read.len(), block.len());
            prop_assert!(read.times.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn rubbish_is_no_panic(kind in kinds(), bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        drop(decode_page(kind, 16, &bytes));
    }
}
