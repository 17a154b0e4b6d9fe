//! The arithmetic of buckets.
//!
//! Boundaries lie on the wall clock of a time zone, one width apart, and become moments:
//!
//! - a boundary the clock shows once is that moment;
//! - one it jumps over (spring) is the moment of the jump;
//! - one it shows twice (autumn) is the first of the two moments, and, where the width is no more
//!   than the time that is repeated, the second as well: quarters of the repeated hour stay
//!   quarters, and a day or a shift stays whole.
//!
//! The bucket of a moment starts at the last boundary that is not after it.
//!
//! *Invariant.* Starts do not fall as moments rise, and the start of a start is itself. That is
//! what lets the last bucket be remembered as a span.

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::error::{DataFusionError, Result};

use crate::error::{QueryError, SqlState};
use crate::zone::{Shown, Zone};

const DAY_NS: i128 = 86_400 * crate::zone::SECOND_NS;
/// 2000-01-03T00:00:00, a Monday, on any wall.
const ORIGIN: i128 = 10_959 * DAY_NS;
const MONTHS_OF_YEAR: i128 = 12;

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// Calendar months.
    Months(i128),
    /// Nanoseconds on the wall clock; a day counts 24 hours.
    Nanos(i128),
}

impl TryFrom<IntervalMonthDayNano> for Width {
    type Error = DataFusionError;

    fn try_from(width: IntervalMonthDayNano) -> Result<Self> {
        let nanos = i128::from(width.days) * DAY_NS + i128::from(width.nanoseconds);
        let width = match (i128::from(width.months), nanos) {
            (0, nanos) => Self::Nanos(nanos),
            (months, 0) => Self::Months(months),
            _ => {
                return Err(invalid("the width of time_bucket mixes months with days or time")
                    .with_hint("use months alone, or days and time")
                    .into());
            }
        };
        match width {
            Self::Months(length) | Self::Nanos(length) if length <= 0 => {
                Err(invalid("the width of time_bucket must be longer than nothing").into())
            }
            width => Ok(width),
        }
    }
}

/// Finds buckets; remembers the last one, because samples mostly come in order.
#[derive(Debug)]
pub(super) struct Bucketer {
    width: Width,
    zone: Zone,
    /// A boundary: local nanoseconds, or months since the year 0.
    origin: i128,
    /// The start of the last bucket, and the first and last moment known to be in it.
    last: Option<(i64, i64, i64)>,
}

impl Bucketer {
    /// Buckets of one width in one time zone; `origin` is a moment.
    pub(super) fn new(width: Width, zone: Zone, origin: Option<i64>) -> Result<Self> {
        let origin = origin.map(|moment| i128::from(moment) + zone.offset(i128::from(moment)));
        let origin = match (width, origin) {
            (Width::Nanos(_), origin) => origin.unwrap_or(ORIGIN),
            (Width::Months(_), None) => 2000 * MONTHS_OF_YEAR,
            (Width::Months(_), Some(local)) => {
                let month = month_of(local)?;
                if start_of_month(month)? != local {
                    return Err(invalid(
                        "the origin of monthly buckets must be the first of a month at midnight",
                    )
                    .into());
                }
                month
            }
        };
        Ok(Self { width, zone, origin, last: None })
    }

    /// The same buckets, their boundaries moved on the wall clock.
    pub(super) fn moved(self, offset: IntervalMonthDayNano) -> Result<Self> {
        let IntervalMonthDayNano { months, days, nanoseconds } = offset;
        if months != 0 || matches!(self.width, Width::Months(_)) {
            let what = "an offset of time_bucket is days and time, of buckets of days and time";
            return Err(invalid(what).into());
        }
        let offset = i128::from(days) * DAY_NS + i128::from(nanoseconds);
        Ok(Self { origin: self.origin + offset, last: None, ..self })
    }

    /// The start of the bucket that a moment falls into.
    pub(super) fn start(&mut self, moment: i64) -> Result<i64> {
        if let Some((start, first, last)) = self.last
            && first <= moment
            && moment <= last
        {
            return Ok(start);
        }
        let start = self.find(moment)?;
        let mut last = moment;
        if let Some(guess) = self.last_moment_guess(moment)?
            && guess > moment
            && self.find(guess)? == start
        {
            last = guess;
        }
        self.last = Some((start, start, last));
        Ok(start)
    }

    /// The starts of buckets of one length in UTC, in the fewest steps; `None` for others, and
    /// where a start is beyond all moments.
    pub(super) fn plain_starts(&self, moments: &[i64]) -> Option<Vec<i64>> {
        let (Zone::Utc, Width::Nanos(width)) = (self.zone, self.width) else { return None };
        let width = i64::try_from(width).ok()?;
        let origin = i64::try_from(self.origin.rem_euclid(i128::from(width))).ok()?;
        let start = |moment: &i64| {
            let into = moment.checked_sub(origin)?.rem_euclid(width);
            moment.checked_sub(into)
        };
        moments.iter().map(start).collect()
    }

    /// The start, worked out.
    fn find(&self, moment: i64) -> Result<i64> {
        let moment = i128::from(moment);
        let offset = self.zone.offset(moment);
        let local = moment + offset;
        let boundary = self.boundary(local)?;
        let start = if self.zone.jumps() {
            let own = self.last_shown(boundary, moment);
            own.max(self.before_repetition(local, moment)?)
        } else {
            boundary - offset
        };
        i64::try_from(start).map_err(|_beyond| {
            QueryError::new(
                SqlState::DATETIME_FIELD_OVERFLOW,
                "a bucket of time_bucket starts before 1677-09-21T00:12:43.145224192Z",
            )
            .into()
        })
    }

    /// The last boundary on the wall clock that is not after a local time.
    fn boundary(&self, local: i128) -> Result<i128> {
        match self.width {
            Width::Nanos(width) => Ok(local - (local - self.origin).rem_euclid(width)),
            Width::Months(width) => {
                let month = month_of(local)?;
                start_of_month(month - (month - self.origin).rem_euclid(width))
            }
        }
    }

    /// The last moment, not after `moment`, at which a boundary counts as shown.
    fn last_shown(&self, boundary: i128, moment: i128) -> i128 {
        match self.zone.shown(boundary) {
            Shown::Once(at) | Shown::JumpedAt(at) => at,
            Shown::Twice(first, second) => {
                if second <= moment && self.within(second - first) {
                    second
                } else {
                    first
                }
            }
        }
    }

    /// Whether the width is no more than the time that a clock repeats.
    fn within(&self, repeated: i128) -> bool {
        matches!(self.width, Width::Nanos(width) if width <= repeated)
    }

    /// In the second pass of repeated time: the last boundary of the first pass, which may be
    /// later than the one the clock shows again. Else the beginning of time.
    fn before_repetition(&self, local: i128, moment: i128) -> Result<i128> {
        let Shown::Twice(first, second) = self.zone.shown(local) else { return Ok(i128::MIN) };
        if moment < second {
            return Ok(i128::MIN);
        }
        let back = self.zone.offset_end(first, second);
        let offset = self.zone.offset(first);
        let boundary = self.boundary(back - 1 + offset)?;
        Ok(match self.zone.shown(boundary) {
            Shown::Once(at) | Shown::JumpedAt(at) | Shown::Twice(at, _) => at,
        })
    }

    /// The last moment of the bucket of `moment`, if all is as it mostly is.
    fn last_moment_guess(&self, moment: i64) -> Result<Option<i64>> {
        let moment = i128::from(moment);
        let boundary = self.boundary(moment + self.zone.offset(moment))?;
        let next = match self.width {
            Width::Nanos(width) => boundary + width,
            Width::Months(width) => start_of_month(month_of(boundary)? + width)?,
        };
        let end = match self.zone.shown(next) {
            Shown::Once(at) | Shown::JumpedAt(at) | Shown::Twice(at, _) => at,
        };
        Ok(i64::try_from(end - 1).ok())
    }
}

/// The month a local time lies in, counted from the year 0.
fn month_of(local: i128) -> Result<i128> {
    let days = i64::try_from(local.div_euclid(DAY_NS)).map_err(|_beyond| beyond())?;
    let date = DateTime::from_timestamp(days * 86_400, 0).ok_or_else(beyond)?.date_naive();
    Ok(i128::from(date.year()) * MONTHS_OF_YEAR + i128::from(date.month0()))
}

/// The local time at which a month starts.
fn start_of_month(month: i128) -> Result<i128> {
    let year = i32::try_from(month.div_euclid(MONTHS_OF_YEAR)).map_err(|_beyond| beyond())?;
    let month0 = u32::try_from(month.rem_euclid(MONTHS_OF_YEAR)).map_err(|_beyond| beyond())?;
    let date = NaiveDate::from_ymd_opt(year, month0 + 1, 1).ok_or_else(beyond)?;
    Ok(i128::from(date.to_epoch_days()) * DAY_NS)
}

fn beyond() -> DataFusionError {
    QueryError::new(
        SqlState::DATETIME_FIELD_OVERFLOW,
        "a bucket of time_bucket is longer than the calendar",
    )
    .into()
}

fn invalid(message: &str) -> QueryError {
    QueryError::new(SqlState::INVALID_PARAMETER_VALUE, message)
}
