//! Wall clocks: what a clock on the wall of a time zone shows, and when it shows it.
//!
//! Local times are nanoseconds too, counted from 1970-01-01T00:00:00 on that wall. They are
//! `i128`, because a wall clock near 1677 or 2262 shows what 64 bits do not hold.
//!
//! *Invariant.* All that is read of a time zone is its offset at a second; offsets are whole
//! seconds and change at whole seconds.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use datafusion::error::Result;

use crate::error::{QueryError, SqlState};

/// Nanoseconds of a second.
pub(crate) const SECOND_NS: i128 = 1_000_000_000;

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// UTC, where nothing ever jumps.
    Utc,
    /// A place of the IANA time zone database.
    Place(Tz),
    /// A fixed distance from UTC, in seconds to the east.
    Fixed(i32),
}

/// When a wall clock shows a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Once.
    Once(i128),
    /// Never: the clock jumps over it at this moment.
    JumpedAt(i128),
    /// Twice.
    Twice(i128, i128),
}

impl Zone {
    /// The time zone of this name: an IANA name, `UTC`, or an offset such as `+05:30`.
    pub(crate) fn named(name: &str) -> Result<Self> {
        if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("z") {
            return Ok(Self::Utc);
        }
        if name.starts_with(['+', '-']) {
            let offset: Option<chrono::FixedOffset> = name.parse().ok();
            if let Some(offset) = offset {
                return Ok(Self::Fixed(offset.local_minus_utc()));
            }
        }
        match name.parse::<Tz>() {
            Ok(place) => Ok(Self::Place(place)),
            Err(_unknown) => Err(QueryError::new(
                SqlState::INVALID_TIME_ZONE,
                format!("time zone \"{name}\" does not exist"),
            )
            .with_hint(
                "use an IANA name such as 'Europe/Berlin'; for an origin write \
                 TIMESTAMP '2026-01-01T06:00:00Z'",
            )
            .into()),
        }
    }

    /// Whether the distance from UTC ever changes.
    pub(crate) fn jumps(self) -> bool {
        matches!(self, Self::Place(_))
    }

    /// How far the wall clock is ahead of UTC at a moment.
    pub(crate) fn offset(self, moment: i128) -> i128 {
        let seconds = match self {
            Self::Utc => 0,
            Self::Fixed(seconds) => seconds,
            Self::Place(place) => match naive(moment.div_euclid(SECOND_NS)) {
                Some(utc) => place.offset_from_utc_datetime(&utc).fix().local_minus_utc(),
                None => 0,
            },
        };
        i128::from(seconds) * SECOND_NS
    }

    /// When the wall clock shows a local time.
    pub(crate) fn shown(self, local: i128) -> Shown {
        let Self::Place(place) = self else { return Shown::Once(local - self.offset(local)) };
        let Some(naive) = naive(local.div_euclid(SECOND_NS)) else { return Shown::Once(local) };
        let ahead =
            |offset: chrono_tz::TzOffset| i128::from(offset.fix().local_minus_utc()) * SECOND_NS;
        match place.offset_from_local_datetime(&naive) {
            MappedLocalTime::Single(offset) => Shown::Once(local - ahead(offset)),
            MappedLocalTime::Ambiguous(one, other) => {
                let (one, other) = (local - ahead(one), local - ahead(other));
                Shown::Twice(one.min(other), one.max(other))
            }
            MappedLocalTime::None => Shown::JumpedAt(self.jump_over(local)),
        }
    }

    /// The moment at which the clock jumps over a local time that it never shows.
    fn jump_over(self, local: i128) -> i128 {
        // No place is more than 16 hours from UTC, and none jumps twice within two days.
        const FAR_NS: i128 = 16 * 3600 * SECOND_NS;
        let passed = |moment: i128| moment + self.offset(moment) > local;
        first_second(local - FAR_NS, local + FAR_NS, passed)
    }

    /// The moment between two at which the offset of the earlier ends.
    pub(crate) fn offset_end(self, from: i128, until: i128) -> i128 {
        let offset = self.offset(from);
        first_second(from, until, |moment| self.offset(moment) != offset)
    }
}

/// The first whole second after `from` for which `holds`, given that it does not at `from` and
/// does at `until`, and changes once.
fn first_second(from: i128, until: i128, holds: impl Fn(i128) -> bool) -> i128 {
    let (mut below, mut above) = (from.div_euclid(SECOND_NS), until.div_euclid(SECOND_NS) + 1);
    while above - below > 1 {
        let middle = i128::midpoint(below, above);
        if holds(middle * SECOND_NS) {
            above = middle;
        } else {
            below = middle;
        }
    }
    above * SECOND_NS
}

fn naive(seconds: i128) -> Option<NaiveDateTime> {
    let seconds = i64::try_from(seconds).ok()?;
    DateTime::from_timestamp(seconds, 0).map(|moment| moment.naive_utc())
}
