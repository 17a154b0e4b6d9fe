//! Chunks, times and columns come back bit for bit, and rubbish is none of them.
//!
//! The properties run a few hundred cases; `PROPTEST_CASES=100000` runs the many.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use tacitus_model::Kind;

use super::*;
use crate::block::Row;

mod golden;

/// A block of these lanes, a second apart.
fn block(kind: Kind, lanes: &[u64]) -> Block {
    let mut block = Block::empty(kind);
    for (ts, bits) in (0..).map(|row| row * 1_000_000_000).zip(lanes) {
        block.push(Row { ts, bits: *bits, null: false, quality: 0, text: None, sequence: 0 });
    }
    block
}

fn texts(rows: impl Iterator<Item = String>) -> Block {
    let mut block = Block::empty(Kind::Text);
    for (ts, text) in (0..).zip(rows) {
        block.push(Row {
            ts,
            bits: 0,
            null: false,
            quality: 0,
            text: Some(Arc::from(text)),
            sequence: 0,
        });
    }
    block
}

/// The chunk of a block, read back page by page.
fn read(chunk: &EncodedChunk, block: &Block) -> Option<Block> {
    let parsed = Chunk::parse(block.kind, &chunk.meta)?;
    let mut out = Block::empty(block.kind);
    for (number, page) in chunk.pages.iter().enumerate() {
        let times = block.times.chunks(PAGE_ROWS_MAX).nth(number)?;
        parsed.decode(number, page, times.len(), &mut out)?;
        let mut bytes = Vec::new();
        encode_times(&mut bytes, times);
        decode_times(&bytes, times.len(), &mut out.times)?;
    }
    Some(out)
}

fn bytes(chunk: &EncodedChunk) -> usize {
    chunk.meta.len() + chunk.pages.iter().map(Vec::len).sum::<usize>()
}

/// Checks that a block comes back at both levels; gives the bytes of each.
#[track_caller]
fn check(block: &Block) -> [usize; 2] {
    [Level::Hot, Level::Cold].map(|level| {
        let chunk = encode_chunk(block, level, &mut Guess::default());
        assert!(read(&chunk, block).as_ref() == Some(block), "{level:?}");
        bytes(&chunk)
    })
}

const ODD: [u64; 14] = [
    0,
    0x8000_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0xfff8_dead_beef_0001,
    u64::MAX,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    1,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x3fb9_9999_9999_999a,
    0x3fd3_3333_3333_3334,
    0x4340_0000_0000_0001,
];

#[test]
fn every_bit_pattern_of_a_float_comes_back() {
    check(&block(Kind::Float, &ODD));
    for lane in ODD {
        check(&block(Kind::Float, &[lane]));
        check(&block(Kind::Float, &[lane, 1.5_f64.to_bits()]));
        // One among many decimals.
        let mut lanes: Vec<u64> =
            (0..3000).map(|n| (f64::from(n % 700) / 100.0).to_bits()).collect();
        lanes[1500] = lane;
        check(&block(Kind::Float, &lanes));
    }
}

#[test]
fn both_ends_of_an_integer_and_of_time_come_back() {
    let ends = [i64::MIN, i64::MAX, 0, -1, i64::MIN].map(i64::cast_unsigned);
    check(&block(Kind::Int, &ends));
    check(&block(Kind::Int, &ends.repeat(500)));
    let mut short = block(Kind::Int, &ends[..4]);
    short.times = vec![i64::MIN, -1, 0, i64::MAX];
    check(&short);
    short.times = vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX];
    check(&short);
}

#[test]
fn a_constant_takes_a_few_bytes() {
    let [hot, cold] = check(&block(Kind::Float, &vec![21.5_f64.to_bits(); 8192]));
    assert!(hot <= 48 && cold <= 48, "{hot} and {cold} bytes for 8,192 equal samples");
}

#[test]
fn booleans_take_a_bit_each_and_long_runs_much_less() {
    let [hot, cold] =
        check(&block(Kind::Bool, &(0..8192).map(|n| n * n % 7 % 2).collect::<Vec<_>>()));
    assert!(hot <= 1100 && cold <= 1100, "{hot} and {cold} bytes for 8,192 booleans");
    let [hot, cold] =
        check(&block(Kind::Bool, &(0..8192).map(|n| n / 1000 % 2).collect::<Vec<_>>()));
    assert!(hot <= 120 && cold <= 120, "{hot} and {cold} bytes for 9 runs");
}

#[test]
fn decimals_cost_what_their_digits_need() {
    // Two decimals that move by less than 16 hundredths.
    let mut level = 2150_i64;
    let lanes: Vec<u64> = (0..8192_i64)
        .map(|n| {
            level += n * n % 31 - 15;
            decimal(level, 100.0)
        })
        .collect();
    let [hot, cold] = check(&block(Kind::Float, &lanes));
    assert!(hot <= 8192 * 6 / 8, "{hot} bytes hot");
    assert!(cold <= hot, "{cold} bytes cold, {hot} hot");
}

#[expect(clippy::cast_precision_loss, reason = "few digits")]
fn decimal(digits: i64, power: f64) -> u64 {
    (digits as f64 / power).to_bits()
}

#[test]
#[expect(clippy::cast_possible_truncation, reason = "a binary32 is wanted")]
fn decimals_of_binary32_are_decimals_too() {
    let lanes: Vec<u64> =
        (0..2048).map(|n| f64::from((f64::from(n * n % 997) / 10.0) as f32).to_bits()).collect();
    let [hot, cold] = check(&block(Kind::Float, &lanes));
    assert!(hot <= 2048 * 11 / 8 && cold <= 2048 * 11 / 8, "{hot} and {cold} bytes");
}

#[test]
fn decimals_printed_with_too_few_digits_cost_a_step_more() {
    let lanes: Vec<u64> =
        (0..2048_i64).map(|n| decimal(n * n % 997, 10.0) + n.cast_unsigned() % 3).collect();
    let [hot, _] = check(&block(Kind::Float, &lanes));
    assert!(hot <= 2048 * 13 / 8, "{hot} bytes");
}

#[test]
fn few_texts_cost_what_states_do_and_many_are_compressed() {
    let [hot, cold] = check(&texts((0..8192).map(|n| format!("state {}", n / 100 % 4))));
    assert!(hot <= 700 && cold <= 250, "{hot} and {cold} bytes");
    let [hot, cold] =
        check(&texts((0..2048).map(|n| format!("batch {n} was started by operator"))));
    assert!(hot <= 2048 * 8 && cold <= 2048 * 8, "{hot} and {cold} bytes");
}

#[test]
fn times_of_a_scan_take_a_few_bytes_and_jitter_takes_its_bits() {
    let steady: Vec<i64> = (0..1024).map(|n| 1_700_000_000_000_000_000 + n * 500_000_000).collect();
    assert!(times_bytes(&steady) <= 16);
    let jitter: Vec<i64> = (0..1024)
        .map(|n| 1_700_000_000_000_000_000 + n * 1_000_000_000 + n * 7919 % 11 * 1_000_000)
        .collect();
    assert!(times_bytes(&jitter) <= 16 + 1024 * 4 / 8);
    let gap: Vec<i64> = steady
        .iter()
        .map(|time| time + time / 1_700_000_256_000_000_000 * 86_400_000_000_000)
        .collect();
    assert!(times_bytes(&gap) <= 40);
    assert!(times_bytes(&steady[..1]) <= 12);
}

#[track_caller]
fn times_bytes(times: &[i64]) -> usize {
    let mut bytes = Vec::new();
    encode_times(&mut bytes, times);
    let mut out = vec![7];
    decode_times(&bytes, times.len(), &mut out).unwrap();
    assert_eq!(&out[1..], times);
    bytes.len()
}

#[test]
fn what_won_is_taken_again_and_dropped_when_it_no_longer_fits() {
    let mut guess = Guess::default();
    for (power, rows) in [(10.0, 2048), (10.0, 2048), (1000.0, 2048), (1.0, 100), (10.0, 8192)] {
        let lanes: Vec<u64> = (0..rows).map(|n| decimal(n * 7919 % 1001, power)).collect();
        let block = block(Kind::Float, &lanes);
        for level in [Level::Hot, Level::Cold] {
            let fresh = bytes(&encode_chunk(&block, level, &mut Guess::default()));
            let chunk = encode_chunk(&block, level, &mut guess);
            assert!(read(&chunk, &block).as_ref() == Some(&block));
            assert!(bytes(&chunk) <= fresh * 9 / 8 + 16, "{} against {fresh}", bytes(&chunk));
        }
    }
}

#[test]
fn totals_are_those_of_the_rows() {
    let floats = |lanes: &[u64]| lanes.iter().map(|lane| f64::from_bits(*lane)).collect::<Vec<_>>();
    let decimals: Vec<u64> = (0..1000).map(|n| decimal(n * 7919 % 1001 - 300, 8.0)).collect();
    for level in [Level::Hot, Level::Cold] {
        let chunk = encode_chunk(&block(Kind::Float, &decimals), level, &mut Guess::default());
        let parsed = Chunk::parse(Kind::Float, &chunk.meta).unwrap();
        let totals = parsed.totals(0, &chunk.pages[0], 1000).unwrap();
        assert_eq!((totals.rows, totals.numbers), (1000, 1000));
        assert!((totals.sum - floats(&decimals).iter().sum::<f64>()).abs() < 1e-9);
        assert!((totals.least - -37.5).abs() < 1e-12 && (totals.greatest - 87.5).abs() < 1e-12);
        // NaN and infinities.
        let odd = block(Kind::Float, &[ODD[2], ODD[6], ODD[7], 1.5_f64.to_bits()]);
        let chunk = encode_chunk(&odd, level, &mut Guess::default());
        let totals = Chunk::parse(Kind::Float, &chunk.meta).unwrap().totals(0, &chunk.pages[0], 4);
        let totals = totals.unwrap();
        assert_eq!((totals.rows, totals.numbers), (4, 3));
        assert!(totals.sum.is_nan() && totals.least < 0.0 && totals.greatest > 2.0);
        let ints = block(Kind::Int, &[i64::MAX.cast_unsigned(); 3]);
        let chunk = encode_chunk(&ints, level, &mut Guess::default());
        let totals = Chunk::parse(Kind::Int, &chunk.meta).unwrap().totals(0, &chunk.pages[0], 3);
        assert!((totals.unwrap().sum / 2.0_f64.powi(63) - 3.0).abs() < 1e-15);
    }
}

#[test]
fn a_page_with_nulls_or_bad_qualities_has_no_totals() {
    for (null, quality) in [(true, 0), (false, 0x8000_0000)] {
        let mut block = block(Kind::Int, &[1, 2]);
        block.push(Row { ts: i64::MAX, bits: 0, null, quality, text: None, sequence: 0 });
        let chunk = encode_chunk(&block, Level::Hot, &mut Guess::default());
        let parsed = Chunk::parse(Kind::Int, &[]).unwrap();
        assert_eq!(parsed.totals(0, &chunk.pages[0], 3), None);
        assert_eq!(parsed.decode_pure(0, &chunk.pages[0], 3, &mut [0; 1024]), None);
    }
}

/// Lanes as they come from plants, and as an enemy would choose them.
fn lanes(kind: Kind, rows: std::ops::Range<usize>) -> BoxedStrategy<Vec<u64>> {
    let raw = proptest::collection::vec(any::<u64>(), rows.clone());
    let few = (proptest::collection::vec(any::<u64>(), 1..5), rows.clone(), any::<u64>())
        .prop_map(|(few, rows, seed)| walk(rows, seed, |n| few[(n >> 40) as usize % few.len()]));
    let runs = proptest::collection::vec((any::<u64>(), 1..40_usize), 1..rows.end / 20 + 2)
        .prop_map(move |runs| {
            let rows = runs.into_iter().flat_map(|(lane, rows)| std::iter::repeat_n(lane, rows));
            rows.take(1024 * 8).collect::<Vec<_>>()
        });
    let steps = (any::<i64>(), 0_u32..63, rows.clone(), any::<u64>()).prop_map(
        |(first, shift, rows, seed)| {
            let mut level = first;
            walk(rows, seed, |n| {
                level = level.wrapping_add(n.cast_signed() >> shift);
                level.cast_unsigned()
            })
        },
    );
    match kind {
        Kind::Float => {
            prop_oneof![raw, few, runs, steps, decimals(rows.clone()), counts(rows)].boxed()
        }
        Kind::Bool => runs.prop_map(|lanes| lanes.iter().map(|lane| lane & 1).collect()).boxed(),
        _ => prop_oneof![raw, few, runs, steps].boxed(),
    }
}

/// Decimals of a random scale, some of them rounded to binary32, some a few floats beside, some
/// not decimals at all.
fn decimals(rows: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u64>> {
    let outliers = proptest::collection::vec((any::<Index>(), any::<u64>(), 0..ODD.len()), 0..6);
    let scale = (0_i32..14, 1_u32..62, any::<bool>(), 0_u64..4);
    (scale, any::<u64>(), rows, outliers).prop_map(
        |((exponent, shift, is_single, beside), seed, rows, outliers)| {
            let power = 10_f64.powi(exponent);
            let mut lanes = walk(rows, seed, |n| {
                let lane = decimal(n.cast_signed() >> shift, power);
                #[expect(clippy::cast_possible_truncation, reason = "a binary32 is wanted")]
                let single = f64::from(f64::from_bits(lane) as f32).to_bits();
                (if is_single { single } else { lane }).wrapping_add(n % (beside + 1))
            });
            for (at, lane, odd) in outliers {
                let at = at.index(lanes.len());
                lanes[at] = if lane % 2 == 0 { lane } else { ODD[odd] };
            }
            lanes
        },
    )
}

/// Counts of a converter in engineering units, of binary64 or binary32.
fn counts(rows: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u64>> {
    let gain = (-1000.0_f64..1000.0, 40_u32..64, any::<bool>());
    (gain, rows, any::<u64>()).prop_map(|((gain, shift, is_single), rows, seed)| {
        walk(rows, seed, |n| {
            let raw = f64::from(u32::try_from(n >> shift).unwrap());
            #[expect(clippy::cast_possible_truncation, reason = "a binary32 is wanted")]
            let single = f64::from(raw as f32 * gain as f32);
            (if is_single { single } else { raw * gain }).to_bits()
        })
    })
}

/// So many items made of a sequence that looks random.
fn walk(rows: usize, seed: u64, mut item: impl FnMut(u64) -> u64) -> Vec<u64> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..rows).map(|_| item(next())).collect()
}

/// Blocks with nulls and qualities here and there.
fn blocks(rows: std::ops::Range<usize>) -> impl Strategy<Value = Block> {
    let kinds = proptest::sample::select(Kind::ALL.to_vec());
    let with_lanes = kinds.prop_flat_map(move |kind| (Just(kind), lanes(kind, rows.clone())));
    (with_lanes, any::<u64>(), 0_u64..4, 0_u64..4, 0_u32..60).prop_map(
        |((kind, lanes), seed, nulls, qualities, shift)| {
            let mut block = Block::empty(kind);
            let mut ts = -7_000_000_000_000_i64;
            let mut steps = walk(lanes.len(), seed, |n| n >> shift >> 4).into_iter();
            for lane in lanes {
                let noise = steps.next().unwrap_or_default();
                ts = ts.saturating_add_unsigned(1 + noise % (i64::MAX as u64 >> 14));
                let text = (kind == Kind::Text).then(|| Arc::from(format!("{:x}", lane >> 50)));
                let null = nulls == 1 && noise % 5 == 0;
                let quality = if qualities == 1 && noise % 7 == 0 { 0x8000_0000 } else { 0 };
                block.push(Row { ts, bits: lane, null, quality, text, sequence: 0 });
            }
            block
        },
    )
}

proptest! {
    #[test]
    fn any_page_comes_back(block in blocks(1..1025)) {
        let chunk = encode_chunk(&block, Level::Hot, &mut Guess::default());
        prop_assert!(read(&chunk, &block).as_ref() == Some(&block));
    }

    #[test]
    fn any_cold_page_comes_back(block in blocks(1..300)) {
        let chunk = encode_chunk(&block, Level::Cold, &mut Guess::default());
        prop_assert!(read(&chunk, &block).as_ref() == Some(&block));
    }

    #[test]
    fn lanes_where_every_row_counts_are_those_of_the_block(
        block in blocks(1..1025), is_cold: bool,
    ) {
        let level = if is_cold { Level::Cold } else { Level::Hot };
        let chunk = encode_chunk(&block, level, &mut Guess::default());
        let parsed = Chunk::parse(block.kind, &chunk.meta).unwrap();
        let mut out = [0; PAGE_ROWS_MAX];
        let rows = block.len().min(PAGE_ROWS_MAX);
        let lanes = parsed.decode_pure(0, &chunk.pages[0], rows, &mut out);
        let counts = block.nulls.is_none() && block.qualities.is_none();
        if block.len() <= PAGE_ROWS_MAX {
            prop_assert_eq!(lanes.is_some(), counts && block.kind != Kind::Text);
        }
        if let Some(lanes) = lanes {
            lanes.finish(&mut out[..rows]);
            prop_assert!(out[..rows] == block.bits[..rows]);
        }
    }

    #[test]
    fn any_column_comes_back(
        lanes in lanes(Kind::Int, 1..1300),
        is_float: bool,
        is_cold: bool,
    ) {
        let kind = if is_float { Kind::Float } else { Kind::Int };
        let level = if is_cold { Level::Cold } else { Level::Hot };
        let mut bytes = Vec::new();
        encode_column(&mut bytes, kind, &lanes, level);
        prop_assert_eq!(decode_column(&bytes, kind, lanes.len()), Some(lanes));
    }

    #[test]
    fn any_times_come_back(block in blocks(2..1025)) {
        let times = &block.times[..block.len().min(PAGE_ROWS_MAX)];
        // Times that reach the end of i64 stay there; only rising ones are times.
        prop_assume!(times.is_sorted_by(|a, b| a < b));
        times_bytes(times);
    }

    #[test]
    fn a_damaged_chunk_is_a_chunk_or_none(
        block in blocks(1..600),
        is_cold: bool,
        flips in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        cut in any::<Index>(),
    ) {
        let level = if is_cold { Level::Cold } else { Level::Hot };
        let mut chunk = encode_chunk(&block, level, &mut Guess::default());
        for (number, (at, byte)) in flips.iter().enumerate() {
            let page = if number % 2 == 0 { &mut chunk.pages[0] } else { &mut chunk.meta };
            if !page.is_empty() {
                let at = at.index(page.len());
                page[at] ^= byte;
            }
        }
        if flips[0].1 < 32 {
            let cut = cut.index(chunk.pages[0].len());
            chunk.pages[0].truncate(cut);
        }
        if let Some(parsed) = Chunk::parse(block.kind, &chunk.meta) {
            let rows = block.len().min(PAGE_ROWS_MAX);
            let mut out = Block::empty(block.kind);
            if parsed.decode(0, &chunk.pages[0], rows, &mut out).is_some() {
                prop_assert_eq!(out.bits.len(), rows);
            }
            prop_assert!(parsed.totals(0, &chunk.pages[0], rows).is_none_or(|it| it.rows == rows));
        }
    }

    #[test]
    fn rubbish_is_no_panic(
        kind in proptest::sample::select(Kind::ALL.to_vec()),
        meta in proptest::collection::vec(any::<u8>(), 0..60),
        page in proptest::collection::vec(any::<u8>(), 0..200),
        rows in 0_usize..1100,
    ) {
        if let Some(parsed) = Chunk::parse(kind, &meta) {
            let mut out = Block::empty(kind);
            if parsed.decode(0, &page, rows, &mut out).is_some() {
                prop_assert_eq!(out.bits.len(), rows);
            }
        }
        let mut times = Vec::new();
        if decode_times(&page, rows, &mut times).is_some() {
            prop_assert_eq!(times.len(), rows);
            prop_assert!(times.is_sorted_by(|a, b| a < b));
        }
        if let Some(lanes) = decode_column(&page, kind, rows) {
            prop_assert_eq!(lanes.len(), rows);
        }
    }
}
