//! Numbers as text, fast.
//!
//! *Invariant.* The text has the fewest digits that are read back as the same bits, and the form of
//! Rust's `{:?}`: a point, and an exponent where the number is very large or very small.

use std::fmt::{Result, Write};

/// Powers of ten that the digits of measured values mostly need.
const SCALES: [(f64, usize); 3] = [(1.0, 0), (100.0, 2), (10_000.0, 4)];
/// Below this a whole number of digits has at most 15 of them: no two such decimals are the same
/// float, so that the one found is the shortest.
const DIGITS_END: f64 = 1e15;
/// From here to [`PLAIN_END`] a number is written without an exponent.
const PLAIN_BEGIN: f64 = 1e-4;
const PLAIN_END: f64 = 1e16;

/// Writes a finite number.
///
/// # Errors
/// Those of `out`.
pub fn write_float(number: f64, out: &mut impl Write) -> Result {
    if let Some(written) = write_decimal(number, out) {
        return written;
    }
    if (PLAIN_BEGIN..PLAIN_END).contains(&number.abs())
        && let Some(number) = serde_json::Number::from_f64(number)
    {
        return write!(out, "{number}");
    }
    write!(out, "{number:?}")
}

/// Writes a number that has few decimals; `None` where it has more.
#[expect(
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the same number or not; whole and below 10^15"
)]
fn write_decimal(number: f64, out: &mut impl Write) -> Option<Result> {
    if number == 0.0 {
        return Some(out.write_str(if number.is_sign_negative() { "-0.0" } else { "0.0" }));
    }
    if number.abs() < PLAIN_BEGIN {
        return None;
    }
    for (scale, decimals) in SCALES {
        let digits = (number * scale).round();
        if digits.abs() >= DIGITS_END {
            return None;
        }
        if digits / scale == number {
            return Some(write_digits(number < 0.0, digits.abs() as u64, decimals, out));
        }
    }
    None
}

/// Writes digits with a point before the last `decimals`, without zeros at the end.
fn write_digits(
    negative: bool,
    mut digits: u64,
    mut decimals: usize,
    out: &mut impl Write,
) -> Result {
    if negative {
        out.write_char('-')?;
    }
    while decimals > 1 && digits.is_multiple_of(10) {
        digits /= 10;
        decimals -= 1;
    }
    let scale = 10_u64.pow(u32::try_from(decimals).unwrap_or_default());
    write_whole(digits / scale, 1, out)?;
    out.write_char('.')?;
    write_whole(digits % scale, decimals.max(1), out)
}

/// Writes a whole number with at least so many digits.
///
/// # Errors
/// Those of `out`.
pub fn write_whole(mut number: u64, width: usize, out: &mut impl Write) -> Result {
    const ROOM: usize = 20;
    if number < 100 && width <= 2 {
        // Parts of dates and hours.
        if number >= 10 || width == 2 {
            out.write_char(digit(number / 10))?;
        }
        return out.write_char(digit(number % 10));
    }
    let mut text = [b'0'; ROOM];
    let mut used = 0;
    for place in text.iter_mut().rev() {
        if number == 0 && used >= width {
            break;
        }
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        used += 1;
    }
    let text = text.get(ROOM - used..).unwrap_or_default();
    out.write_str(std::str::from_utf8(text).unwrap_or_default())
}

/// A digit as a letter.
fn digit(number: u64) -> char {
    char::from(b'0' + u8::try_from(number).unwrap_or_default())
}

/// Writes a whole number.
///
/// # Errors
/// Those of `out`.
pub fn write_int(number: i64, out: &mut impl Write) -> Result {
    if number < 0 {
        out.write_char('-')?;
    }
    write_whole(number.unsigned_abs(), 1, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: f64) {
        let mut text = String::new();
        write_float(number, &mut text).unwrap();
        // Of two numbers that are as short and as near either may be written.
        let plain = format!("{number:?}");
        assert_eq!(text.len(), plain.len(), "{text} is not {plain}");
        assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{text}, {plain}");
    }

    #[test]
    fn a_float_is_written_in_the_fewest_digits() {
        let some = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            0.01,
            0.3,
            21.5,
            21.55,
            21.555,
            1e-4,
            1.1e-4,
            9.9e-5,
            1e15,
            1e16,
            123_456_789_012.25,
            999_999_999_999_999.9,
            1e15 + 0.5,
            f64::MAX,
            5e-324,
            2e-5,
            0.1 + 0.2,
            1.0 / 3.0,
            9_007_199_254_740_993.0,
            4.35,
            1e-300,
            0.0001,
            0.000_123_45,
        ];
        some.iter().for_each(|number| {
            check(*number);
            check(-number);
        });
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..200_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            let number = f64::from_bits(bits);
            if number.is_finite() {
                check(number);
            }
            let scale = 10_f64.powi(i32::try_from(bits % 6).unwrap());
            let decimal = f64::from(u32::try_from(bits >> 34).unwrap()) / scale;
            check(decimal);
        }
    }

    #[test]
    fn a_whole_number_is_written_in_full() {
        for number in [0, 7, -7, 10, 1_234_567_890, i64::MAX, i64::MIN] {
            let mut text = String::new();
            write_int(number, &mut text).unwrap();
            assert_eq!(text, number.to_string());
        }
        let mut text = String::new();
        write_whole(7, 3, &mut text).unwrap();
        write_whole(u64::MAX, 1, &mut text).unwrap();
        assert_eq!(text, "00718446744073709551615");
    }
}
