//! Times of a page: strictly rising, most often at a steady pace.
//!
//! ```text
//! code 1 │ unit 1 │ zeros 1 │ first zigzag │ content
//! code 0 steps   (time − time before) ÷ 10^unit, one less than rows, as integers
//! code 1 line    pace zigzag │ residuals as integers
//! ```
//! The first time is `first × 10^zeros` ns. On a *line* time i is
//! `first time + 10^unit × ((i × pace >> 16) + residual)`: what jitters around a steady pace is
//! small there, where steps would say every error twice.
//!
//! *Invariant.* Decoded times rise strictly; arithmetic wraps, because i64 times can be further
//! apart than an i64 can say.

use crate::codec::ints::{self, Effort};
use crate::cursor::{Cursor, put_zigzag};
use crate::limits::PAGE_ROWS_MAX;

const STEPS: u8 = 0;
const LINE: u8 = 1;

/// Fraction bits of the pace.
const PACE_BITS: u32 = 16;

/// The largest power of ten that is tried as unit: a day has 13 zeros of nanoseconds.
const ZEROS_MAX: u8 = 18;

pub(crate) fn encode(out: &mut Vec<u8>, times: &[i64]) {
    let first = times.first().copied().unwrap_or_default();
    let since = |time: &i64| time.wrapping_sub(first).cast_unsigned();
    let unit = zeros(times.iter().map(since));
    let power = 10_u64.pow(u32::from(unit));
    let since: Vec<i64> = times.iter().map(|time| (since(time) / power).cast_signed()).collect();
    let mut steps = Vec::new();
    let differences: Vec<i64> = since.array_windows().map(|[a, b]| b.wrapping_sub(*a)).collect();
    if !differences.is_empty() {
        ints::encode(&mut steps, &differences, Effort::Full);
    }
    let first_zeros = zeros([first.unsigned_abs()].into_iter());
    let mut head = |code| {
        out.extend_from_slice(&[code, unit, first_zeros]);
        put_zigzag(out, first / 10_i64.pow(u32::from(first_zeros)));
    };
    // Steps of a page at a steady pace take two or three bytes.
    if let Some(line) = line(&since).filter(|line| line.len() < steps.len()) {
        head(LINE);
        out.extend(line);
    } else {
        head(STEPS);
        out.extend(steps);
    }
}

/// How many zeros all of the numbers end with.
fn zeros(numbers: impl Iterator<Item = u64>) -> u8 {
    let mut zeros = ZEROS_MAX;
    for number in numbers {
        while number % 10_u64.pow(u32::from(zeros)) != 0 {
            zeros -= 1;
        }
    }
    zeros
}

/// The residuals beside a line, unless the pace is too large to say.
fn line(since: &[i64]) -> Option<Vec<u8>> {
    let last = i64::try_from(since.len().checked_sub(1)?).ok().filter(|last| *last > 0)?;
    let span = i128::from(since.last()?.cast_unsigned());
    let pace = i64::try_from((span << PACE_BITS) / i128::from(last)).ok()?;
    let residual = |(row, since): (i64, &i64)| since.wrapping_sub(on_line(row, pace));
    let residuals: Vec<i64> = (0..).zip(since).map(residual).collect();
    let mut out = Vec::new();
    put_zigzag(&mut out, pace);
    ints::encode(&mut out, &residuals, Effort::Quick);
    Some(out)
}

fn on_line(row: i64, pace: i64) -> i64 {
    row.wrapping_mul(pace) >> PACE_BITS
}

/// What the times begin with: how they are written, their unit, and the first one.
fn head(from: &mut Cursor<'_>) -> Option<(u8, u64, i64)> {
    let [code, unit, zeros] = from.array()?;
    if unit > ZEROS_MAX || zeros > ZEROS_MAX {
        return None;
    }
    let first = from.zigzag()?.checked_mul(10_i64.pow(u32::from(zeros)))?;
    Some((code, 10_u64.pow(u32::from(unit)), first))
}

/// The first time and the step to each next one, where all steps are the same and are written as
/// that.
pub(crate) fn decode_steady(from: &mut Cursor<'_>, rows: usize) -> Option<(i64, u64)> {
    let (code, power, first) = head(from)?;
    if code != STEPS || rows < 2 {
        return None;
    }
    let step = ints::decode_constant(from)?.checked_mul(power).filter(|step| *step > 0)?;
    // If the last time can be reached at all, every one before it was.
    let last = u64::try_from(rows).ok()? - 1;
    first.checked_add_unsigned(step.checked_mul(last)?)?;
    Some((first, step))
}

pub(crate) fn decode(from: &mut Cursor<'_>, rows: usize, out: &mut Vec<i64>) -> Option<()> {
    let mut steady = *from;
    if let Some((first, step)) = decode_steady(&mut steady, rows) {
        *from = steady;
        let rows = u64::try_from(rows).ok()?;
        out.extend((0..rows).map(|row| first.wrapping_add_unsigned(step.wrapping_mul(row))));
        return Some(());
    }
    let (code, power, mut last) = head(from)?;
    let start = out.len();
    out.reserve(rows);
    let mut lanes = [0; PAGE_ROWS_MAX];
    out.push(last);
    match code {
        STEPS if rows > 1 => {
            ints::decode(from, rows - 1, &mut lanes)?;
            for step in lanes.get(..rows - 1)? {
                last = last.wrapping_add_unsigned(step.wrapping_mul(power));
                out.push(last);
            }
        }
        STEPS => {}
        LINE if rows > 1 => {
            let pace = from.zigzag()?;
            ints::decode(from, rows, &mut lanes)?;
            let first = last;
            for (row, residual) in (1..).zip(lanes.get(1..rows)?) {
                let since = on_line(row, pace).cast_unsigned().wrapping_add(*residual);
                out.push(first.wrapping_add_unsigned(since.wrapping_mul(power)));
            }
        }
        _ => return None,
    }
    out.get(start..)?.is_sorted_by(|a, b| a < b).then_some(())
}
