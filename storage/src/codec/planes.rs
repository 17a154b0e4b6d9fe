//! Integers of a whole chunk under zstd: their first bytes, then their second bytes, and so on.
//!
//! ```text
//! rows varint │ 0 as they are, 1 differences, zigzag │ width 1, bytes of an integer, 1 to 8 │
//! base zigzag │ zstd frame of width × rows bytes
//! ```
//! What repeats after a while, as whole shapes do on machines, zstd finds and pco does not.
//!
//! *Invariant.* A reader takes memory for the rows that are said, at most a chunk's, and for
//! nothing else.

use crate::codec::CHUNK_PAGES_MAX;
use crate::cursor::{Cursor, put_varint, put_zigzag};
use crate::limits::PAGE_ROWS_MAX;

const ROWS_MAX: usize = CHUNK_PAGES_MAX * PAGE_ROWS_MAX;

/// What tells whether it is worth [`ZSTD_LEVEL`].
const QUICK_LEVEL: i32 = 1;

const ZSTD_LEVEL: i32 = 13;

/// The smaller of integers and differences, where it is likely to take no more than so many
/// bytes.
pub(crate) fn encode(integers: &[i64], bytes_max: usize) -> Option<Vec<u8>> {
    let base = integers.iter().copied().min()?;
    let plain = integers.iter().map(|integer| integer.wrapping_sub(base).cast_unsigned());
    let mut before = base;
    let differences = integers.iter().map(|integer| {
        let step = integer.wrapping_sub(before);
        before = *integer;
        ((step << 1) ^ (step >> 63)).cast_unsigned()
    });
    let tries = [(0, plain.collect::<Vec<_>>()), (1, differences.collect())];
    let tries = tries.iter().filter_map(|(code, offsets)| {
        let (width, bytes) = planes(offsets)?;
        let quick = zstd::bulk::compress(&bytes, QUICK_LEVEL).ok()?.len();
        Some((quick, *code, width, bytes))
    });
    let (quick, code, width, bytes) = tries.min_by_key(|(quick, ..)| *quick)?;
    // The slow level takes off a sixth, seldom more.
    if quick * 5 > bytes_max * 6 {
        return None;
    }
    let mut out = Vec::new();
    put_varint(&mut out, integers.len() as u64);
    out.extend([code, width]);
    put_zigzag(&mut out, base);
    out.extend(zstd::bulk::compress(&bytes, ZSTD_LEVEL).ok()?);
    Some(out)
}

/// The bytes of an offset that there are, and all of them by plane.
fn planes(offsets: &[u64]) -> Option<(u8, Vec<u8>)> {
    let highest = offsets.iter().copied().max()?;
    let width = (8 - highest.leading_zeros() / 8).max(1);
    let byte =
        |plane: u32| offsets.iter().map(move |offset| (offset >> (8 * plane)).to_le_bytes()[0]);
    Some((u8::try_from(width).ok()?, (0..width).flat_map(byte).collect()))
}

/// The integers, as lanes.
pub(crate) fn decode(mut from: Cursor<'_>) -> Option<Vec<u64>> {
    let rows = usize::try_from(from.varint()?).ok().filter(|rows| (1..=ROWS_MAX).contains(rows))?;
    let [code, width] = from.array()?;
    let width = usize::from(width);
    let base = from.zigzag()?.cast_unsigned();
    if code > 1 || !(1..=8).contains(&width) {
        return None;
    }
    let bytes = zstd::bulk::decompress(from.rest(), rows * width).ok()?;
    if bytes.len() != rows * width {
        return None;
    }
    let mut lanes = vec![0_u64; rows];
    for (plane, bytes) in bytes.chunks(rows).enumerate() {
        for (lane, byte) in lanes.iter_mut().zip(bytes) {
            *lane |= u64::from(*byte) << (8 * plane);
        }
    }
    let mut last = base;
    for lane in &mut lanes {
        if code == 0 {
            *lane = lane.wrapping_add(base);
        } else {
            last = last.wrapping_add((*lane >> 1) ^ (*lane & 1).wrapping_neg());
            *lane = last;
        }
    }
    Some(lanes)
}
