//! The values of a page that stands alone.
//!
//! ```text
//! transform 1, low 3 bits; 8 is added where there are steps │ exponent 1 or divisor 8
//! │ steps │ integers
//! ```
//!
//! *Invariant.* Lanes come back bit for bit. Of the transforms worth a try the one with the
//! fewest bytes is written, unless that of the page before is about as good as it was there.

use tacitus_model::Kind;

use crate::codec::Won;
use crate::codec::floats::{self, Split, split};
use crate::codec::ints::{self, Effort};
use crate::codec::transform::{Lanes, Transform};
use crate::cursor::Cursor;
use crate::limits::PAGE_ROWS_MAX;

const STEPS: u8 = 8;

/// Appends the values of a page.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    kind: Kind,
    lanes: &[u64],
    guess: &mut Option<Won<Transform>>,
) {
    let start = out.len();
    if let Some(won) = guess
        && let Some(split) = split(lanes, won.what).filter(|split| !split.has_spare_digit(won.what))
    {
        let effort = if won.has_dictionary { Effort::Full } else { Effort::Quick };
        put(out, won.what, &split, effort);
        if won.accepts(out.len() - start, lanes.len()) {
            return;
        }
        out.truncate(start);
    }
    let transforms =
        if kind == Kind::Float { floats::candidates(lanes) } else { vec![Transform::Lane] };
    let tries = transforms.into_iter().filter_map(|transform| {
        let mut short = Vec::new();
        let has_dictionary = put(&mut short, transform, &split(lanes, transform)?, Effort::Full);
        Some((transform, has_dictionary, short))
    });
    if let Some((what, has_dictionary, short)) = tries.min_by_key(|(_, _, short)| short.len()) {
        *guess = Some(Won::new(what, has_dictionary, short.len(), lanes.len()));
        out.extend(short);
    }
}

/// Appends digits and steps; says whether a dictionary was best.
fn put(out: &mut Vec<u8>, transform: Transform, split: &Split, effort: Effort) -> bool {
    let code = transform.code();
    let has_steps = !split.steps.is_empty();
    out.push(if has_steps { code | STEPS } else { code });
    transform.put_scale(out);
    let of_steps = has_steps && ints::encode(out, &split.steps, effort);
    ints::encode(out, &split.digits, effort) || of_steps
}

/// The head of a page: its transform, and whether it has steps.
fn head(from: &mut Cursor<'_>, kind: Kind) -> Option<(Transform, bool)> {
    let code = from.u8()?;
    let transform = Transform::take(code & !STEPS, from)?;
    // Floats are never bare lanes, other kinds never anything else.
    let fits = (kind == Kind::Float) == (transform != Transform::Lane);
    fits.then_some((transform, code & STEPS != 0))
}

/// Decodes the values into the first `rows` of `out`, or their digits.
pub(crate) fn decode(
    from: &mut Cursor<'_>,
    kind: Kind,
    rows: usize,
    out: &mut [u64; PAGE_ROWS_MAX],
) -> Option<Lanes> {
    let (transform, has_steps) = head(from, kind)?;
    if has_steps {
        let mut steps = [0; PAGE_ROWS_MAX];
        ints::decode(from, rows, &mut steps)?;
        ints::decode(from, rows, out)?;
        return transform.restore(Some(&steps), out.get_mut(..rows)?);
    }
    ints::decode(from, rows, out)?;
    transform.restore(None, out.get_mut(..rows)?)
}
