//! At most 1,024 integers as bytes: the code of every part of a page.
//!
//! ```text
//! code 1, low 3 bits; 8 is added where there are patches
//! 0 constant     zigzag
//! 1 packed       base zigzag │ width 1 │ patches │ (integer − base) packed
//! 2 deltas       first zigzag │ base zigzag │ width 1 │ patches │ (difference − base) packed
//! 3 runs         count varint │ lengths − 1 │ values                    both as integers again
//! 4 dictionary   count varint │ entries as integers │ indices packed
//! patches        count varint │ (gap varint │ what is above the width, varint) …
//! ```
//! All arithmetic wraps, so that any 64 bits have a difference.
//!
//! *Invariant.* The code with the fewest bytes, by an exact count, is written. Runs and
//! dictionaries are made of the first three codes only.

use crate::codec::bits::{low_half, mask, pack, packed_len, unpack};
use crate::cursor::{Cursor, put_varint, put_zigzag};
use crate::limits::PAGE_ROWS_MAX;

const CONSTANT: u8 = 0;
const PACKED: u8 = 1;
const DELTAS: u8 = 2;
const RUNS: u8 = 3;
const DICTIONARY: u8 = 4;
const PATCHED: u8 = 8;

/// About what a patch takes beside its high bits.
const PATCH_BITS: usize = 20;

/// How integers are packed: what is taken off first, and the bits that most need then.
#[derive(Debug, Clone, Copy)]
struct Frame {
    base: i64,
    width: u32,
    patches: usize,
    bits: usize,
}

/// Which codes are worth a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Codes whose size one pass tells.
    Quick,
    /// A dictionary too, which takes sorting.
    Full,
}

/// Appends integers, at most 1,024 and at least one; says whether a dictionary was best.
pub(crate) fn encode(out: &mut Vec<u8>, integers: &[i64], effort: Effort) -> bool {
    let first = integers.first().copied().unwrap_or_default();
    let runs = 1 + integers.array_windows().filter(|[a, b]| a != b).count();
    if runs == 1 {
        out.push(CONSTANT);
        put_zigzag(out, first);
        return false;
    }
    let plain = width_of(integers.iter().copied());
    let steps = width_of(differences(integers).skip(1));
    let flat = plain.bits.min(steps.bits);
    // A run takes its value and about a byte and a half.
    if runs * 2 < integers.len() && runs * (12 + steps.width.min(plain.width) as usize) < flat {
        let mut short = Vec::new();
        encode_runs(&mut short, integers);
        if short.len() * 8 < flat {
            out.extend_from_slice(&short);
            return false;
        }
    }
    if effort == Effort::Full && flat > 3 * integers.len() {
        let short = encode_dictionary(integers, flat / 8);
        if let Some(short) = short.filter(|short| short.len() * 8 < flat) {
            out.extend_from_slice(&short);
            return true;
        }
    }
    encode_flat(out, integers, plain, steps);
    false
}

/// The smaller of packed and deltas.
fn encode_flat(out: &mut Vec<u8>, integers: &[i64], plain: Frame, steps: Frame) {
    let mut offsets = [0; PAGE_ROWS_MAX];
    if plain.bits <= steps.bits {
        out.push(PACKED | patched(plain));
        put_zigzag(out, plain.base);
        fill(&mut offsets, integers.iter().copied(), plain.base);
        put_packed(out, offsets.get(..integers.len()).unwrap_or_default(), plain);
    } else {
        out.push(DELTAS | patched(steps));
        put_zigzag(out, integers.first().copied().unwrap_or_default());
        put_zigzag(out, steps.base);
        fill(&mut offsets, differences(integers), steps.base);
        offsets[0] = 0;
        put_packed(out, offsets.get(..integers.len()).unwrap_or_default(), steps);
    }
}

fn patched(width: Frame) -> u8 {
    if width.patches > 0 { PATCHED } else { 0 }
}

fn fill(offsets: &mut [u64; PAGE_ROWS_MAX], integers: impl Iterator<Item = i64>, base: i64) {
    for (offset, integer) in offsets.iter_mut().zip(integers) {
        *offset = integer.wrapping_sub(base).cast_unsigned();
    }
}

fn put_packed(out: &mut Vec<u8>, offsets: &[u64], width: Frame) {
    out.push(u8::try_from(width.width).unwrap_or(64));
    if width.patches > 0 {
        let above = |offset: &u64| offset.checked_shr(width.width).unwrap_or(0);
        let patched = offsets.iter().filter(|offset| above(offset) != 0);
        put_varint(out, patched.count() as u64);
        let mut next = 0;
        for (row, offset) in offsets.iter().enumerate().filter(|(_, offset)| above(offset) != 0) {
            put_varint(out, (row - next) as u64);
            put_varint(out, above(offset));
            next = row + 1;
        }
    }
    pack(out, offsets, width.width);
}

fn differences(integers: &[i64]) -> impl Iterator<Item = i64> + Clone {
    let mut before = 0_i64;
    integers.iter().map(move |integer| {
        let step = integer.wrapping_sub(before);
        before = *integer;
        step
    })
}

/// The base and width of the fewest bits.
fn width_of(integers: impl Iterator<Item = i64> + Clone) -> Frame {
    let mut low = i64::MAX;
    let mut high = i64::MIN;
    let mut count = 0;
    for integer in integers.clone() {
        low = low.min(integer);
        high = high.max(integer);
        count += 1;
    }
    if count == 0 {
        return Frame { base: 0, width: 0, patches: 0, bits: 0 };
    }
    let whole = width_from(integers.clone(), low);
    let Some(fence) = fence(integers.clone(), count).filter(|fence| *fence > low) else {
        return whole;
    };
    let base = integers.clone().filter(|integer| *integer >= fence).min().unwrap_or(low);
    let cut = width_from(integers, base);
    if cut.bits < whole.bits { cut } else { whole }
}

/// Where low outliers end, from a few of the integers.
fn fence(integers: impl Iterator<Item = i64>, count: usize) -> Option<i64> {
    let mut some = [0_i64; 32];
    let mut filled = 0;
    for (to, from) in some.iter_mut().zip(integers.step_by((count / 32).max(1))) {
        *to = from;
        filled += 1;
    }
    let some = some.get_mut(..filled)?;
    some.sort_unstable();
    let (low, high) = (*some.get(filled / 16)?, *some.get(filled - 1 - filled / 16)?);
    low.checked_sub(high.checked_sub(low)?)
}

fn width_from(integers: impl Iterator<Item = i64>, base: i64) -> Frame {
    let mut lengths = [0_usize; 65];
    let mut count = 0;
    for integer in integers {
        let offset = integer.wrapping_sub(base).cast_unsigned();
        lengths[(64 - offset.leading_zeros()) as usize] += 1;
        count += 1;
    }
    let longest = lengths.iter().rposition(|count| *count > 0).unwrap_or(0);
    let mut best = Frame { base, width: 64, patches: 0, bits: usize::MAX };
    let mut patches = 0;
    for width in (0..=longest).rev() {
        let bits = 16 + count * width + patches * (PATCH_BITS + longest - width);
        if bits < best.bits {
            let narrow = u32::try_from(width).unwrap_or(64);
            best = Frame { base, width: narrow, patches, bits };
        }
        patches += lengths[width];
    }
    best
}

fn encode_runs(out: &mut Vec<u8>, integers: &[i64]) {
    let mut values = Vec::new();
    let mut lengths = Vec::new();
    for run in integers.chunk_by(|a, b| a == b) {
        values.extend(run.first());
        lengths.push(i64::try_from(run.len()).unwrap_or(1) - 1);
    }
    out.push(RUNS);
    put_varint(out, values.len() as u64);
    encode_simple(out, &lengths);
    encode_simple(out, &values);
}

/// One of the codes that others are made of.
fn encode_simple(out: &mut Vec<u8>, integers: &[i64]) {
    let first = integers.first().copied().unwrap_or_default();
    if integers.iter().all(|integer| *integer == first) {
        out.push(CONSTANT);
        return put_zigzag(out, first);
    }
    let plain = width_of(integers.iter().copied());
    let steps = width_of(differences(integers).skip(1));
    encode_flat(out, integers, plain, steps);
}

/// A dictionary, unless it would not be smaller than so many bytes.
fn encode_dictionary(integers: &[i64], bytes_max: usize) -> Option<Vec<u8>> {
    let mut entries = integers.to_vec();
    entries.sort_unstable();
    entries.dedup();
    let width = index_width(entries.len());
    if packed_len(integers.len(), width) + entries.len() / 2 >= bytes_max {
        return None;
    }
    let mut out = vec![DICTIONARY];
    put_varint(&mut out, entries.len() as u64);
    encode_simple(&mut out, &entries);
    let index = |integer: &i64| entries.binary_search(integer).unwrap_or(0) as u64;
    let indices: Vec<u64> = integers.iter().map(index).collect();
    pack(&mut out, &indices, width);
    Some(out)
}

/// Bits of an index into so many entries.
const fn index_width(entries: usize) -> u32 {
    usize::BITS - entries.saturating_sub(1).leading_zeros()
}

/// The one integer that all are, where they are written as that.
pub(crate) fn decode_constant(from: &mut Cursor<'_>) -> Option<u64> {
    from.u8().filter(|code| *code == CONSTANT)?;
    from.zigzag().map(i64::cast_unsigned)
}

/// Decodes integers into the first `rows` of `out`, as lanes.
pub(crate) fn decode(
    from: &mut Cursor<'_>,
    rows: usize,
    out: &mut [u64; PAGE_ROWS_MAX],
) -> Option<()> {
    match *from.peek()? {
        RUNS => decode_runs(from, rows, out),
        DICTIONARY => decode_dictionary(from, rows, out),
        _ => decode_simple(from, rows, out),
    }
}

fn decode_simple(from: &mut Cursor<'_>, rows: usize, out: &mut [u64; PAGE_ROWS_MAX]) -> Option<()> {
    let code = from.u8()?;
    match code & !PATCHED {
        CONSTANT if code == CONSTANT => out.get_mut(..rows)?.fill(from.zigzag()?.cast_unsigned()),
        PACKED => {
            let base = from.zigzag()?;
            take_packed(from, rows, base, code & PATCHED != 0, out)?;
        }
        DELTAS => {
            let first = from.zigzag()?.cast_unsigned();
            let base = from.zigzag()?;
            take_packed(from, rows, base, code & PATCHED != 0, out)?;
            *out.first_mut()? = first;
            let mut last = 0_u64;
            for lane in out.get_mut(..rows)? {
                last = last.wrapping_add(*lane);
                *lane = last;
            }
        }
        _ => return None,
    }
    Some(())
}

fn take_packed(
    from: &mut Cursor<'_>,
    rows: usize,
    base: i64,
    is_patched: bool,
    out: &mut [u64; PAGE_ROWS_MAX],
) -> Option<()> {
    let width = u32::from(from.u8()?);
    let mut patches = *from;
    if is_patched {
        for _ in 0..from.count()? {
            from.varint()?;
            from.varint()?;
        }
    }
    // A width above 64 is refused by `unpack`; the length of its bytes cannot overflow.
    let bytes = from.take(packed_len(rows, width))?;
    unpack(bytes, rows, width, base.cast_unsigned(), out)?;
    if is_patched {
        let mut row = 0_usize;
        for _ in 0..patches.count()? {
            row = row.checked_add(usize::try_from(patches.varint()?).ok()?)?;
            let above = patches.varint()?;
            let lane = out.get_mut(..rows)?.get_mut(row)?;
            let high = above.checked_shl(width).filter(|high| high >> width == above)?;
            *lane = lane.wrapping_add(high);
            row += 1;
        }
    }
    Some(())
}

fn decode_runs(from: &mut Cursor<'_>, rows: usize, out: &mut [u64; PAGE_ROWS_MAX]) -> Option<()> {
    from.u8()?;
    let count = usize::try_from(from.varint()?).ok().filter(|count| *count <= rows)?;
    let mut lengths = [0; PAGE_ROWS_MAX];
    let mut values = [0; PAGE_ROWS_MAX];
    decode_simple(from, count, &mut lengths)?;
    decode_simple(from, count, &mut values)?;
    let mut rest = out.get_mut(..rows)?;
    for (length, value) in lengths.get(..count)?.iter().zip(values) {
        let length = usize::try_from(*length).ok()?.checked_add(1)?;
        let (run, after) = rest.split_at_mut_checked(length)?;
        run.fill(value);
        rest = after;
    }
    rest.is_empty().then_some(())
}

fn decode_dictionary(
    from: &mut Cursor<'_>,
    rows: usize,
    out: &mut [u64; PAGE_ROWS_MAX],
) -> Option<()> {
    from.u8()?;
    let count = usize::try_from(from.varint()?).ok().filter(|count| (1..=rows).contains(count))?;
    let mut entries = [0; PAGE_ROWS_MAX];
    decode_simple(from, count, &mut entries)?;
    let width = index_width(count);
    unpack(from.take(packed_len(rows, width))?, rows, width, 0, out)?;
    let mut highest = 0;
    for lane in out.get_mut(..rows)? {
        highest = highest.max(*lane);
        *lane = entries[low_half(*lane & mask(10)) as usize];
    }
    (highest < count as u64).then_some(())
}
