//! The values of a page, other than text: one 64-bit lane a row.
//!
//! ```text
//! 0 constant    bits 8
//! 1 raw         bits 8 …
//! 2 bitmap      1 bit a row, lowest first                          bool
//! 3 steps       first zigzag │ difference zigzag …                 int, state, bool
//! 4 decimal     exponent 1 │ first zigzag │ difference zigzag …    float
//! ```
//! *Decimal*: a float is `d / 10^e` by one IEEE 754 division, which is checked bit for bit for
//! every row before it is chosen.
//!
//! *Invariant.* The smallest of the kinds that give every bit back is written.

use tacitus_model::Kind;

use crate::cursor::{Cursor, put_zigzag};

const CONSTANT: u8 = 0;
const RAW: u8 = 1;
const BITMAP: u8 = 2;
const STEPS: u8 = 3;
const DECIMAL: u8 = 4;

/// Powers of ten that a binary64 holds exactly.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Integers up to here are binary64 exactly.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

pub(crate) fn encode(out: &mut Vec<u8>, kind: Kind, bits: &[u64]) {
    let first = bits.first().copied().unwrap_or_default();
    if bits.iter().all(|lane| *lane == first) {
        out.push(CONSTANT);
        out.extend_from_slice(&first.to_le_bytes());
        return;
    }
    if kind == Kind::Bool && bits.iter().all(|lane| *lane <= 1) {
        return encode_bitmap(out, bits);
    }
    let mut short = Vec::new();
    match (kind, if kind == Kind::Float { decimals(bits) } else { None }) {
        (Kind::Float, Some((exponent, digits))) => {
            short.extend_from_slice(&[DECIMAL, exponent]);
            put_steps(&mut short, digits.into_iter());
        }
        (Kind::Float, None) => {}
        _ => {
            short.push(STEPS);
            put_steps(&mut short, bits.iter().map(|lane| lane.cast_signed()));
        }
    }
    if !short.is_empty() && short.len() <= bits.len() * 8 {
        return out.extend_from_slice(&short);
    }
    out.push(RAW);
    bits.iter().for_each(|lane| out.extend_from_slice(&lane.to_le_bytes()));
}

fn encode_bitmap(out: &mut Vec<u8>, bits: &[u64]) {
    out.push(BITMAP);
    for eight in bits.chunks(8) {
        out.push(eight.iter().rev().fold(0, |byte, lane| byte << 1 | u8::from(*lane != 0)));
    }
}

fn put_steps(out: &mut Vec<u8>, lanes: impl Iterator<Item = i64>) {
    let mut before = 0_i64;
    for lane in lanes {
        put_zigzag(out, lane.wrapping_sub(before));
        before = lane;
    }
}

/// The floats as integers over one power of ten, where every one of them comes back exactly.
fn decimals(bits: &[u64]) -> Option<(u8, Vec<i64>)> {
    (0..).zip(POWERS).find_map(|(exponent, power)| {
        let digits = bits.iter().map(|lane| digits(*lane, power)).collect::<Option<Vec<_>>>()?;
        Some((exponent, digits))
    })
}

fn digits(lane: u64, power: f64) -> Option<i64> {
    let number = f64::from_bits(lane);
    let scaled = (number * power).round_ties_even();
    if scaled.is_nan() || scaled.abs() > INTEGER_MAX || (scaled / power).to_bits() != lane {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53 by the line above")]
    let whole = scaled as i64;
    // −0.0 comes back from the division but not from an integer.
    (of_digits(whole, power) == lane).then_some(whole)
}

#[expect(clippy::cast_precision_loss, reason = "within 2^53 where it was encoded; else checked")]
fn of_digits(digits: i64, power: f64) -> u64 {
    (digits as f64 / power).to_bits()
}

pub(crate) fn decode(from: &mut Cursor<'_>, kind: Kind, rows: usize) -> Option<Vec<u64>> {
    let lanes = match from.u8()? {
        CONSTANT => vec![from.u64()?; rows],
        RAW => (0..rows).map(|_| from.u64()).collect::<Option<_>>()?,
        BITMAP => {
            let bytes = from.take(rows.div_ceil(8))?;
            let lane = |row: usize| bytes.get(row / 8).map(|byte| u64::from(byte >> (row % 8) & 1));
            (0..rows).map(lane).collect::<Option<_>>()?
        }
        STEPS => take_steps(from, rows)
            .map(|lane| lane.map(i64::cast_unsigned))
            .collect::<Option<_>>()?,
        DECIMAL if kind == Kind::Float => {
            let power = *POWERS.get(usize::from(from.u8()?))?;
            take_steps(from, rows)
                .map(|digits| Some(of_digits(digits?, power)))
                .collect::<Option<_>>()?
        }
        _ => return None,
    };
    Some(lanes)
}

fn take_steps(from: &mut Cursor<'_>, rows: usize) -> impl Iterator<Item = Option<i64>> {
    let mut before = 0_i64;
    (0..rows).map(move |_| {
        before = before.wrapping_add(from.zigzag()?);
        Some(before)
    })
}
