//! Times as people and devices write them: epoch numbers and RFC 3339.
//!
//! The unit of a bare epoch number follows from its size, as almost every tool does it:
//!
//! ```text
//! |n| < 1e11   seconds        until the year 5138
//! |n| < 1e14   milliseconds   1973-03-03 until 5138
//! |n| < 1e17   microseconds   1973-03-03 until 5138
//! otherwise    nanoseconds    1973-03-03 until 2262
//! ```
//!
//! *Invariant.* A whole number keeps its exact moment; a number with a fraction is kept to the
//! microsecond, which is what a float of this size holds.

use chrono::{DateTime, NaiveDateTime, TimeZone as _};
use chrono_tz::Tz;
use tacitus_model::Timestamp;

use crate::json::Number;

/// What a text under the name of a time turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A moment.
    At(Timestamp),
    /// A date and time that do not say in which zone: no moment.
    NoZone,
    /// A moment before 1677 or after 2262.
    OutOfRange,
    /// Something else.
    NotATime,
}

/// The unit of an epoch number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    const fn nanos(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        }
    }

    /// The unit a number of this size must have.
    fn of(magnitude: f64) -> Self {
        match magnitude {
            m if m < 1e11 => Self::Seconds,
            m if m < 1e14 => Self::Millis,
            m if m < 1e17 => Self::Micros,
            _ => Self::Nanos,
        }
    }
}

/// The moment of an epoch number; without a unit its size decides. `None` outside 1677 to 2262.
pub(crate) fn from_epoch(number: Number, unit: Option<Unit>) -> Option<Timestamp> {
    let unit = unit.unwrap_or_else(|| Unit::of(number.as_f64().abs()));
    match number {
        Number::Int(count) => Timestamp::from_units(count, unit.nanos()),
        #[expect(clippy::cast_precision_loss, reason = "a unit is a small power of ten")]
        Number::Float(count) => {
            let micros = (count * (unit.nanos() as f64 / 1e3)).round();
            // 9.2e15 µs is the year 2261; a float below it is a whole i64.
            if micros.is_nan() || micros.abs() > 9.2e15 {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "whole and bounded above")]
            Timestamp::from_units(micros as i64, 1_000)
        }
    }
}

/// Date and time as people and devices write them, with a zone. What could be another day elsewhere
/// (`05/01/2024`) is none of them.
const ZONED: [&str; 6] = [
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%d %H:%M%#z",
    "%Y%m%dT%H%M%S%.f%#z",
    "%d.%m.%Y %H:%M:%S%.f%#z",
];

/// The same without.
const FORMS: [&str; 6] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y%m%dT%H%M%S%.f",
    "%d.%m.%Y %H:%M:%S%.f",
];

/// A text with the point, the letters and the dashes that these forms have: `2024/05/01 8:00:00,25 UTC`.
fn spelled(text: &str) -> String {
    let (body, zone) = ["UTC", "GMT", "utc"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone).map(|body| (body.trim_end(), "Z")))
        .unwrap_or((text, ""));
    let is_slashed = body.as_bytes().get(4) == Some(&b'/');
    let letter = |(at, c): (usize, char)| match c {
        ',' if at > 10 => '.',
        '/' if is_slashed && at < 10 => '-',
        't' if at == 10 => 'T',
        'z' => 'Z',
        c => c,
    };
    body.char_indices().map(letter).chain(zone.chars()).collect()
}

/// The moment a text states: RFC 3339, also with a space for the `T`, with `+0200` or `+02` for
/// `+02:00`, without seconds, and in the other [`FORMS`].
pub(crate) fn from_text(text: &str) -> Reading {
    from_text_in(text, None)
}

/// The same, with the zone of texts that name none. Of an hour that comes twice when clocks go
/// back the first is meant; one that is left out when they go forward is no moment.
pub(crate) fn from_text_in(text: &str, zone: Option<Tz>) -> Reading {
    let text = text.trim_ascii();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return at(moment.timestamp_nanos_opt());
    }
    // LIMIT: no time is longer, and what follows tries one form after the other.
    if text.len() > 64 || !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Reading::NotATime;
    }
    let original = text;
    let text = spelled(text);
    let zoned = ZONED.iter().find_map(|form| DateTime::parse_from_str(&text, form).ok());
    let zoned = zoned.or_else(|| DateTime::parse_from_rfc2822(original).ok());
    if let Some(moment) = zoned {
        return at(moment.timestamp_nanos_opt());
    }
    let local = FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    match (local, zone) {
        (None, _) => Reading::NotATime,
        (Some(_), None) => Reading::NoZone,
        (Some(local), Some(zone)) => match zone.from_local_datetime(&local).earliest() {
            Some(moment) => at(moment.timestamp_nanos_opt()),
            None => Reading::NoZone,
        },
    }
}

fn at(nanos: Option<i64>) -> Reading {
    nanos.map_or(Reading::OutOfRange, |nanos| Reading::At(Timestamp::from_nanos(nanos)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: i64) -> Reading {
        super::at(Some(nanos))
    }

    #[test]
    fn the_size_of_an_epoch_number_decides_its_unit() {
        for (count, want) in [
            (0, 0),
            (1_714_550_400, 1_714_550_400_000_000_000),
            (1_714_550_400_250, 1_714_550_400_250_000_000),
            (1_714_550_400_250_125, 1_714_550_400_250_125_000),
            (1_714_550_400_250_125_001, 1_714_550_400_250_125_001),
            (-1_714_550_400_250_125_001, -1_714_550_400_250_125_001),
            (-86_400, -86_400_000_000_000),
        ] {
            let got = from_epoch(Number::Int(count), None);
            assert_eq!(got, Some(Timestamp::from_nanos(want)), "{count}");
        }
        assert_eq!(from_epoch(Number::Int(99_999_999_999), None), None, "seconds in the year 5138");
    }

    #[test]
    fn a_fraction_is_kept_to_the_microsecond() {
        for (count, want) in [
            (1_714_550_400.25, Some(1_714_550_400_250_000_000)),
            (1_714_550_400_250.5, Some(1_714_550_400_250_500_000)),
            (1e300, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            let got = from_epoch(Number::Float(count), None).map(Timestamp::nanos);
            assert_eq!(got, want, "{count}");
        }
    }

    #[test]
    fn a_text_is_a_moment_only_with_a_zone() {
        for (text, want) in [
            ("2024-05-01T10:00:00.250+02:00", at(1_714_550_400_250_000_000)),
            ("2024-05-01T08:00:00.250Z", at(1_714_550_400_250_000_000)),
            ("2024-05-01 08:00:00.25z", at(1_714_550_400_250_000_000)),
            ("2024-05-01T10:00:00.250+0200", at(1_714_550_400_250_000_000)),
            (" 2024-05-01T08:00:00.123456789Z ", at(1_714_550_400_123_456_789)),
            ("1677-09-21T00:12:43.145224192Z", at(i64::MIN)),
            ("2262-04-11T23:47:16.854775807Z", at(i64::MAX)),
            ("1677-09-21T00:12:43Z", Reading::OutOfRange),
            ("2262-04-11T23:47:17Z", Reading::OutOfRange),
            ("2024-05-01T10:00:00.250+02", at(1_714_550_400_250_000_000)),
            ("2024-05-01T10:00:00.250 +02:00", at(1_714_550_400_250_000_000)),
            ("2024-05-01 08:00:00,250 UTC", at(1_714_550_400_250_000_000)),
            ("2024/05/01 08:00:00.250Z", at(1_714_550_400_250_000_000)),
            ("20240501T080000.250Z", at(1_714_550_400_250_000_000)),
            ("2024-05-01T08:00Z", at(1_714_550_400_000_000_000)),
            ("2024-05-01t08:00:00z", at(1_714_550_400_000_000_000)),
            ("Wed, 01 May 2024 08:00:00 GMT", at(1_714_550_400_000_000_000)),
            ("01.05.2024 10:00:00", Reading::NoZone),
            ("2024/05/01 10:00:00", Reading::NoZone),
            ("20240501T100000", Reading::NoZone),
            ("2024-05-01 10:00", Reading::NoZone),
            ("05/01/2024 10:00:00", Reading::NotATime),
            ("é", Reading::NotATime),
            ("2024-05-01T10:00:00", Reading::NoZone),
            ("2024-05-01 10:00:00.5", Reading::NoZone),
            ("2024-05-01", Reading::NotATime),
            ("2024-02-30T10:00:00Z", Reading::NotATime),
            ("yesterday", Reading::NotATime),
            ("", Reading::NotATime),
        ] {
            assert_eq!(from_text(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_text_without_a_zone_is_a_moment_of_the_zone_that_is_given() {
        let berlin = Some(chrono_tz::Europe::Berlin);
        for (text, want) in [
            ("2024-05-01T10:00:00.250", at(1_714_550_400_250_000_000)),
            ("2024-12-01 09:00:00", at(1_733_040_000_000_000_000)),
            ("2024-10-27T02:30:00", at(1_729_989_000_000_000_000)),
            ("2024-03-31T02:30:00", Reading::NoZone),
            ("2024-05-01T10:00:00Z", at(1_714_557_600_000_000_000)),
        ] {
            assert_eq!(from_text_in(text, berlin), want, "{text:?}");
        }
    }
}
