//! Times of a page: strictly rising, so only their steps are kept.
//!
//! ```text
//! 0 regular   first 8 │ step varint
//! 1 steps     first 8 │ unit varint │ (step / unit) varint …      unit: a power of ten, in ns
//! ```
//!
//! *Invariant.* Decoded times are strictly rising; steps are unsigned, because i64 times can be
//! further apart than an i64 can say.

use crate::cursor::{Cursor, put_varint};

const REGULAR: u8 = 0;
const STEPS: u8 = 1;

pub(crate) fn encode(out: &mut Vec<u8>, times: &[i64]) {
    let first = times.first().copied().unwrap_or_default();
    let steps: Vec<u64> =
        times.array_windows().map(|[a, b]| b.wrapping_sub(*a).cast_unsigned()).collect();
    let regular = steps.array_windows().all(|[a, b]| a == b);
    out.push(if regular { REGULAR } else { STEPS });
    out.extend_from_slice(&first.to_le_bytes());
    if regular {
        put_varint(out, steps.first().copied().unwrap_or(1));
        return;
    }
    let unit = common_unit(&steps);
    put_varint(out, unit);
    steps.iter().for_each(|step| put_varint(out, step / unit));
}

/// The largest power of ten that divides every step.
fn common_unit(steps: &[u64]) -> u64 {
    let mut unit = 1_u64;
    while let Some(next) = unit.checked_mul(10) {
        if steps.iter().any(|step| step % next != 0) {
            break;
        }
        unit = next;
    }
    unit
}

pub(crate) fn decode(from: &mut Cursor<'_>, rows: usize) -> Option<Vec<i64>> {
    let kind = from.u8()?;
    let first = from.i64()?;
    let mut times = Vec::with_capacity(rows);
    times.push(first);
    let unit = from.varint()?;
    let mut last = first;
    while times.len() < rows {
        let step = match kind {
            REGULAR => unit,
            STEPS => from.varint()?.checked_mul(unit)?,
            _ => return None,
        };
        last = last.checked_add_unsigned(step).filter(|next| *next > last)?;
        times.push(last);
    }
    (kind <= STEPS).then_some(times)
}
