//! Moments as text: RFC 3339.
//!
//! *Invariant.* Nothing of a moment is lost. The fraction of the second has 0, 3, 6 or 9 digits,
//! the fewest that hold it.

use std::fmt::{Result, Write};

use super::number::write_whole;

/// A moment in UTC: `2026-01-31T12:00:00.250Z`.
pub(crate) fn rfc3339(nanos: i64) -> String {
    let mut text = String::with_capacity(30);
    // A text takes whatever is written.
    let _written = write_moment(nanos, true, &mut text);
    text
}

/// Writes a moment in UTC, or a time without a time zone: `2026-01-31T12:00:00.250`.
pub(super) fn write_moment(nanos: i64, zoned: bool, out: &mut String) -> Result {
    const SECOND_NS: i64 = 1_000_000_000;
    let (seconds, fraction) = (nanos.div_euclid(SECOND_NS), nanos.rem_euclid(SECOND_NS));
    write_date_time(seconds, 'T', out)?;
    let fraction = fraction.unsigned_abs();
    let (digits, width) = match fraction {
        0 => (0, 0),
        _ if fraction.is_multiple_of(1_000_000) => (fraction / 1_000_000, 3),
        _ if fraction.is_multiple_of(1_000) => (fraction / 1_000, 6),
        _ => (fraction, 9),
    };
    if width > 0 {
        out.write_char('.')?;
        write_whole(digits, width, out)?;
    }
    if zoned { out.write_char('Z') } else { Ok(()) }
}

/// Writes a second since 1970 as date and time of day, with a mark between them:
/// `2026-01-31 12:00:00`. Years are those after Christ.
///
/// # Errors
/// Those of `out`.
pub fn write_date_time(seconds: i64, mark: char, out: &mut impl Write) -> Result {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let [year, month, day] = date(days);
    let parts = [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, mark),
        (second / 3_600, 2, ':'),
        (second / 60 % 60, 2, ':'),
    ];
    for (number, width, mark) in parts {
        write_whole(number.unsigned_abs(), width, out)?;
        out.write_char(mark)?;
    }
    write_whole(second.unsigned_abs() % 60, 2, out)
}

/// Year, month and day of a day since 1970, in the proleptic Gregorian calendar. (H. Hinnant,
/// *chrono-Compatible Low-Level Date Algorithms*, `civil_from_days`.)
fn date(days: i64) -> [i64; 3] {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    [year + era * 400 + i64::from(month <= 2), month, day]
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat};

    use super::*;

    #[test]
    fn a_moment_is_written_as_the_calendar_has_it() {
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        let mut moments = vec![0, -1, i64::MIN, i64::MAX, 951_782_400_000_000_000];
        for at in 0..20_000_i64 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            let unit = 1_000_i64.pow(u32::try_from(bits % 4).unwrap());
            moments.push(bits.cast_signed() / unit * unit);
            moments.push(at * 86_400_000_000_000);
        }
        for nanos in moments {
            let want = DateTime::from_timestamp_nanos(nanos);
            assert_eq!(rfc3339(nanos), want.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
    }
}
