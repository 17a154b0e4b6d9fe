//! Integers of few bits, side by side.
//!
//! ```text
//! 1,024 of them, width ≤ 32   32 streams of 32-bit words; integer i is in stream i % 32
//! 1,024 of them, width > 32   16 streams of 64-bit words; integer i is in stream i % 16
//! fewer                       one stream of bytes
//! ```
//! Within a stream integers follow each other, lowest bit first; the words of the streams are
//! interleaved, so that one shift unpacks 32 neighbours.
//!
//! *Invariant.* Unpacking reads exactly [`packed_len`] bytes and gives integers below
//! `2^width`, whatever the bytes.

use crate::limits::PAGE_ROWS_MAX;

const NARROW: usize = 32;
const WIDE: usize = 16;

/// The lowest `width` bits set.
pub(crate) const fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// Bytes of so many integers of this width.
pub(crate) const fn packed_len(rows: usize, width: u32) -> usize {
    (rows * width as usize).div_ceil(8)
}

/// Appends integers, each below `2^width`; at most 1,024.
pub(crate) fn pack(out: &mut Vec<u8>, integers: &[u64], width: u32) {
    if width == 0 {
        return;
    }
    if integers.len() < PAGE_ROWS_MAX {
        return pack_stream(out, integers, width);
    }
    if width <= 32 {
        let mut words = [[0_u32; NARROW]; 32];
        for (row, lanes) in integers.chunks_exact(NARROW).enumerate() {
            let (word, shift) = place(row, width, 32);
            for (lane, integer) in lanes.iter().enumerate() {
                let spread = (integer & mask(width)) << shift;
                words[word][lane] |= low_half(spread);
                if shift + width > 32 {
                    words[word + 1][lane] |= low_half(spread >> 32);
                }
            }
        }
        let used = words.iter().take(width as usize).flatten();
        used.for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    } else {
        let mut words = [[0_u64; WIDE]; 64];
        for (row, lanes) in integers.chunks_exact(WIDE).enumerate() {
            let (word, shift) = place(row, width, 64);
            for (lane, integer) in lanes.iter().enumerate() {
                let integer = integer & mask(width);
                words[word][lane] |= integer << shift;
                if shift + width > 64 {
                    words[word + 1][lane] |= integer >> (64 - shift);
                }
            }
        }
        let used = words.iter().take(width as usize).flatten();
        used.for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }
}

/// The word and the bit in it where a row of a stream begins.
const fn place(row: usize, width: u32, word_bits: usize) -> (usize, u32) {
    let bit = row * width as usize;
    #[expect(clippy::cast_possible_truncation, reason = "below 64")]
    let shift = (bit % word_bits) as u32;
    (bit / word_bits, shift)
}

/// The lower half of a word.
#[expect(clippy::cast_possible_truncation, reason = "the half is what is wanted")]
pub(crate) const fn low_half(word: u64) -> u32 {
    word as u32
}

fn pack_stream(out: &mut Vec<u8>, integers: &[u64], width: u32) {
    let mut pending = 0_u128;
    let mut bits = 0;
    for integer in integers {
        pending |= u128::from(integer & mask(width)) << bits;
        bits += width;
        while bits >= 8 {
            out.push(pending.to_le_bytes()[0]);
            pending >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(pending.to_le_bytes()[0]);
    }
}

/// Unpacks 1,024 integers of at most 32 bits, each added to a base.
#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
fn unpack_narrow(bytes: &[u8], width: u32, base: u64, out: &mut [u64; PAGE_ROWS_MAX]) {
    let (rows, _) = bytes.as_chunks::<{ NARROW * 4 }>();
    let low = low_half(mask(width));
    let zeros = [0; NARROW * 4];
    let (lanes, _) = out.as_chunks_mut::<NARROW>();
    for (row, lanes) in lanes.iter_mut().enumerate() {
        let (word, shift) = place(row, width, 32);
        let first = rows.get(word).unwrap_or(&zeros).as_chunks::<4>().0;
        if shift + width > 32 {
            let second = rows.get(word + 1).unwrap_or(&zeros).as_chunks::<4>().0;
            for (lane, (a, b)) in lanes.iter_mut().zip(first.iter().zip(second)) {
                let (a, b) = (u32::from_le_bytes(*a), u32::from_le_bytes(*b));
                let integer = (a >> shift | b << (32 - shift)) & low;
                *lane = base.wrapping_add(u64::from(integer));
            }
        } else {
            for (lane, a) in lanes.iter_mut().zip(first) {
                let integer = u32::from_le_bytes(*a) >> shift & low;
                *lane = base.wrapping_add(u64::from(integer));
            }
        }
    }
}

/// Unpacks 1,024 integers of more than 32 bits, each added to a base.
#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
fn unpack_wide(bytes: &[u8], width: u32, base: u64, out: &mut [u64; PAGE_ROWS_MAX]) {
    let (rows, _) = bytes.as_chunks::<{ WIDE * 8 }>();
    let zeros = [0; WIDE * 8];
    let (lanes, _) = out.as_chunks_mut::<WIDE>();
    for (row, lanes) in lanes.iter_mut().enumerate() {
        let (word, shift) = place(row, width, 64);
        let first = rows.get(word).unwrap_or(&zeros).as_chunks::<8>().0;
        if shift + width > 64 {
            let second = rows.get(word + 1).unwrap_or(&zeros).as_chunks::<8>().0;
            for (lane, (a, b)) in lanes.iter_mut().zip(first.iter().zip(second)) {
                let (a, b) = (u64::from_le_bytes(*a), u64::from_le_bytes(*b));
                *lane = base.wrapping_add((a >> shift | b << (64 - shift)) & mask(width));
            }
        } else {
            for (lane, a) in lanes.iter_mut().zip(first) {
                *lane = base.wrapping_add(u64::from_le_bytes(*a) >> shift & mask(width));
            }
        }
    }
}

/// Unpacks integers to the first `rows` of `out`, each added to a base, wrapping; `None` where
/// the bytes are not as many as these take.
pub(crate) fn unpack(
    bytes: &[u8],
    rows: usize,
    width: u32,
    base: u64,
    out: &mut [u64; PAGE_ROWS_MAX],
) -> Option<()> {
    if width > 64 || rows > PAGE_ROWS_MAX || bytes.len() != packed_len(rows, width) {
        return None;
    }
    if width == 0 {
        out.get_mut(..rows)?.fill(base);
    } else if rows < PAGE_ROWS_MAX {
        unpack_stream(bytes, width, base, out.get_mut(..rows)?);
    } else if width <= 32 {
        unpack_narrow(bytes, width, base, out);
    } else {
        unpack_wide(bytes, width, base, out);
    }
    Some(())
}

fn unpack_stream(bytes: &[u8], width: u32, base: u64, out: &mut [u64]) {
    let mut padded = [0_u8; PAGE_ROWS_MAX * 8 + 16];
    padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    for (row, lane) in out.iter_mut().enumerate() {
        let bit = row * width as usize;
        let word = padded.get(bit / 8..).and_then(<[u8]>::first_chunk::<16>);
        let word = u128::from_le_bytes(word.copied().unwrap_or_default());
        #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
        let low = (word >> (bit % 8)) as u64;
        *lane = base.wrapping_add(low & mask(width));
    }
}
