//! A page that stands alone: its values with nothing shared.
//!
//! ```text
//! transform 1, low 3 bits; 8 is added where there are steps │ exponent 1, decimals only
//! │ steps │ integers
//! ```
//!
//! *Invariant.* Lanes come back bit for bit; the transform with the fewest bytes is written.

use tacitus_model::Kind;

use crate::codec::floats::{self, Split, split};
use crate::codec::ints::{self, Effort};
use crate::codec::transform::Transform;
use crate::cursor::Cursor;
use crate::limits::PAGE_ROWS_MAX;

const STEPS: u8 = 8;

/// Appends the values of a page.
pub(crate) fn encode(out: &mut Vec<u8>, kind: Kind, lanes: &[u64]) {
    if kind != Kind::Float {
        if let Some(split) = split(lanes, Transform::Lane) {
            put(out, Transform::Lane, &split, Effort::Full);
        }
        return;
    }
    let tries = floats::candidates(lanes).into_iter().filter_map(|transform| {
        let mut short = Vec::new();
        put(&mut short, transform, &split(lanes, transform)?, Effort::Full);
        Some(short)
    });
    out.extend(tries.min_by_key(Vec::len).unwrap_or_default());
}

fn put(out: &mut Vec<u8>, transform: Transform, split: &Split, effort: Effort) {
    let [code, exponent] = transform.code();
    let has_steps = !split.steps.is_empty();
    out.push(if has_steps { code | STEPS } else { code });
    if let Transform::Decimal(_) = transform {
        out.push(exponent);
    }
    if has_steps {
        ints::encode(out, &split.steps, effort);
    }
    ints::encode(out, &split.digits, effort);
}

/// Decodes the values into the first `rows` of `out`.
pub(crate) fn decode(
    from: &mut Cursor<'_>,
    rows: usize,
    out: &mut [u64; PAGE_ROWS_MAX],
) -> Option<()> {
    let code = from.u8()?;
    let has_steps = code & STEPS != 0;
    let exponent = if matches!(code & !STEPS, 3 | 4) { from.u8()? } else { 0 };
    let transform = Transform::from_code([code & !STEPS, exponent])?;
    let mut steps = [0; PAGE_ROWS_MAX];
    if has_steps {
        ints::decode(from, rows, &mut steps)?;
    }
    ints::decode(from, rows, out)?;
    restore(transform, has_steps.then_some(&steps), out.get_mut(..rows)?)
}

/// Turns digits into lanes.
pub(crate) fn restore(
    transform: Transform,
    steps: Option<&[u64; PAGE_ROWS_MAX]>,
    lanes: &mut [u64],
) -> Option<()> {
    match (transform, steps) {
        (transform, None) => {
            lanes.iter_mut().for_each(|lane| *lane = transform.lane(lane.cast_signed()));
        }
        (Transform::Decimal(scale), Some(steps)) => {
            for (lane, steps) in lanes.iter_mut().zip(steps) {
                *lane = scale.beside(lane.cast_signed(), steps.cast_signed());
            }
        }
        _ => return None,
    }
    Some(())
}
