//! Times as files have them.
//!
//! ```text
//! 2024-05-01T08:00:00.250Z   2024-05-01 10:00:00+02:00   2024-05-01T10:00:00+0200   zone stated
//! 2024-05-01T08:00:00.250    2024-05-01 08:00   2024-05-01                          UTC
//! 1714550400  1714550400250  1714550400.25   unit by --time-unit, or by the size of the number
//! ```
//!
//! The size decides as in payloads: below 10^11 seconds, 10^14 milliseconds, 10^17 microseconds,
//! beyond nanoseconds.
//!
//! *Invariant.* A date and time keep all nine digits; a moment outside 1677 to 2262 is refused.
//!
//! *Not here.* Time zones by name and local times: a file that means them has to say the offset.

use std::fmt::Write as _;

/// The unit of times that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Each number says it by its size.
    #[default]
    BySize,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl Unit {
    /// The unit of a name: `s`, `ms`, `us`, `ns`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "s" => Self::Seconds,
            "ms" => Self::Millis,
            "us" => Self::Micros,
            "ns" => Self::Nanos,
            _ => return None,
        })
    }

    /// Its length for a number of this size.
    const fn nanos(self, magnitude: u64) -> i64 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
            Self::BySize => match magnitude {
                0..100_000_000_000 => 1_000_000_000,
                100_000_000_000..100_000_000_000_000 => 1_000_000,
                100_000_000_000_000..100_000_000_000_000_000 => 1_000,
                _ => 1,
            },
        }
    }

    /// The moment of a number.
    pub(crate) const fn moment(self, count: i64) -> Option<i64> {
        count.checked_mul(self.nanos(count.unsigned_abs()))
    }
}

/// The moment a text states, in nanoseconds since 1970.
///
/// # Errors
/// Why it states none.
pub fn parse(text: &str, unit: Unit) -> Result<i64, &'static str> {
    const OUTSIDE: &str = "a time outside 1677 to 2262";
    const BROKEN: &str = "not a time";
    let text = text.trim_ascii();
    let number = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
        let count: i64 = text.parse().map_err(|_range| OUTSIDE)?;
        return unit.moment(count).ok_or(OUTSIDE);
    }
    if let Some((whole, fraction)) = number.split_once('.')
        && !whole.is_empty()
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
    {
        return fractional(whole, fraction, text.starts_with('-'), unit).ok_or(OUTSIDE);
    }
    let mut cursor = Cursor { rest: text.as_bytes() };
    let moment = cursor.moment().ok_or(BROKEN)?;
    i64::try_from(moment).map_err(|_range| OUTSIDE)
}

/// A number with a fraction, exact as far as nanoseconds go.
fn fractional(whole: &str, fraction: &str, negative: bool, unit: Unit) -> Option<i64> {
    let count: u64 = whole.parse().ok()?;
    let unit = i128::from(unit.nanos(count));
    let mut nanos = i128::from(count) * unit;
    let mut weight = unit;
    for digit in fraction.bytes() {
        weight /= 10;
        nanos += i128::from(digit - b'0') * weight;
    }
    i64::try_from(if negative { -nanos } else { nanos }).ok()
}

/// A place in a date and time.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    /// All of it, or nothing. In 128 bits, as the years may be any of four digits.
    fn moment(&mut self) -> Option<i128> {
        let (year, month, day) = (self.digits(4)?, self.after(b"-", 2)?, self.after(b"-", 2)?);
        if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
            return None;
        }
        let mut seconds = i128::from(days_from_1970(year, month, day)) * 86_400;
        let mut nanos = 0;
        let mut offset = 0;
        if !self.rest.is_empty() {
            let (hour, minute) = (self.after(b"T t", 2)?, self.after(b":", 2)?);
            let second = if self.rest.first() == Some(&b':') { self.after(b":", 2)? } else { 0 };
            if hour > 23 || minute > 59 || second > 59 {
                return None;
            }
            seconds += i128::from(hour * 3_600 + minute * 60 + second);
            nanos = self.fraction()?;
            offset = self.offset()?;
        }
        let all = self.rest.is_empty();
        all.then_some((seconds - i128::from(offset)) * 1_000_000_000 + i128::from(nanos))
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        let value = digits.iter().try_fold(0, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
        })?;
        self.rest = rest;
        Some(value)
    }

    fn after(&mut self, separators: &[u8], count: usize) -> Option<i64> {
        let (first, rest) = self.rest.split_first()?;
        if !separators.contains(first) {
            return None;
        }
        self.rest = rest;
        self.digits(count)
    }

    /// The digits after the point, to nine of them; more are cut.
    fn fraction(&mut self) -> Option<i64> {
        let Some((b'.' | b',', rest)) = self.rest.split_first() else { return Some(0) };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at_checked(digits)?;
        if digits.is_empty() {
            return None;
        }
        self.rest = rest;
        let mut nanos = 0;
        for place in 0..9 {
            nanos = nanos * 10 + i64::from(digits.get(place).map_or(0, |byte| byte - b'0'));
        }
        Some(nanos)
    }

    /// Seconds that the clock on the wall is ahead of UTC; none where nothing is said.
    fn offset(&mut self) -> Option<i64> {
        if self.rest.first() == Some(&b' ') {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        let sign = match self.rest.first() {
            None => return Some(0),
            Some(b'Z' | b'z') => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                return Some(0);
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return None,
        };
        let hours = self.after(b"+-", 2)?;
        let minutes = match self.rest.first() {
            None => 0,
            Some(b':') => self.after(b":", 2)?,
            Some(_) => self.digits(2)?,
        };
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level
/// date algorithms": the year begins in March, so the leap day comes last).
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day since 1970.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Appends a moment as RFC 3339 in UTC, with the fewest of 0, 3, 6 or 9 digits that lose nothing.
pub fn rfc3339(nanos: i64, out: &mut String) {
    let seconds = nanos.div_euclid(1_000_000_000);
    let fraction = nanos.rem_euclid(1_000_000_000);
    let (year, month, day) = date_of(seconds.div_euclid(86_400));
    let clock = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    // Writing to a String cannot fail.
    let _infallible =
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let _infallible = match fraction {
        0 => Ok(()),
        n if n % 1_000_000 == 0 => write!(out, ".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => write!(out, ".{:06}", n / 1_000),
        n => write!(out, ".{n:09}"),
    };
    out.push('Z');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_read_in_every_form_that_files_have() {
        for (text, want) in [
            ("2024-05-01T08:00:00.250Z", Ok(1_714_550_400_250_000_000)),
            ("2024-05-01T10:00:00.250+02:00", Ok(1_714_550_400_250_000_000)),
            ("2024-05-01 10:00:00.25+0200", Ok(1_714_550_400_250_000_000)),
            ("2024-05-01 05:30:00,250-02:30", Ok(1_714_550_400_250_000_000)),
            ("2024-05-01T08:00:00.250", Ok(1_714_550_400_250_000_000)),
            ("2024-05-01 08:00", Ok(1_714_550_400_000_000_000)),
            ("2024-05-01", Ok(1_714_521_600_000_000_000)),
            ("2024-02-29T23:59:59.123456789999Z", Ok(1_709_251_199_123_456_789)),
            ("1677-09-21T00:12:43.145224192Z", Ok(i64::MIN)),
            ("2262-04-11T23:47:16.854775807Z", Ok(i64::MAX)),
            ("2262-04-11T23:47:17Z", Err("a time outside 1677 to 2262")),
            ("0001-01-01T00:00:00Z", Err("a time outside 1677 to 2262")),
            ("2023-02-29T00:00:00Z", Err("not a time")),
            ("2024-13-01", Err("not a time")),
            ("2024-05-01T24:00:00Z", Err("not a time")),
            ("2024-05-01T08:00:00 Berlin", Err("not a time")),
            ("2024-05-01T08:00:00.Z", Err("not a time")),
            ("01.05.2024", Err("not a time")),
            ("", Err("not a time")),
            ("-", Err("not a time")),
        ] {
            assert_eq!(parse(text, Unit::BySize), want, "{text:?}");
        }
    }

    #[test]
    fn a_number_is_read_in_the_unit_that_is_said_or_that_its_size_says() {
        for (text, unit, want) in [
            ("1714550400", Unit::BySize, Some(1_714_550_400_000_000_000)),
            ("1714550400250", Unit::BySize, Some(1_714_550_400_250_000_000)),
            ("1714550400250125", Unit::BySize, Some(1_714_550_400_250_125_000)),
            ("1714550400250125001", Unit::BySize, Some(1_714_550_400_250_125_001)),
            ("1714550400.250125001", Unit::BySize, Some(1_714_550_400_250_125_001)),
            ("-1.5", Unit::BySize, Some(-1_500_000_000)),
            ("5", Unit::Millis, Some(5_000_000)),
            ("5.5", Unit::Micros, Some(5_500)),
            ("5", Unit::Nanos, Some(5)),
            ("99999999999", Unit::Seconds, None),
            ("99999999999999999999", Unit::BySize, None),
        ] {
            assert_eq!(parse(text, unit).ok(), want, "{text} {unit:?}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_comes_back_as_it_was_written(nanos: i64) {
            let mut text = String::new();
            rfc3339(nanos, &mut text);
            prop_assert_eq!(parse(&text, Unit::BySize), Ok(nanos), "{}", text);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[-+0-9T:. Z]{0,40}") {
            let _either = parse(&text, Unit::BySize);
        }
    }
}
