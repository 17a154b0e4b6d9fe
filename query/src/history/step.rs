//! The intervals of a range: from its start, a step at a time, in the flow of time.
//!
//! Days and months are steps on the clock on the wall of a time zone, so that a day has 23 or 25
//! hours when it jumps; hours and less are steps of elapsed time. The last interval is cut at the
//! end of the range.
//!
//! *Invariant.* Intervals follow each other without a gap and none is empty.

use std::sync::Arc;

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{DateTime, Days, Months, NaiveDateTime};

use crate::aggregate::Interval;
use crate::error::{QueryError, SqlState};
use crate::zone::{SECOND_NS, Shown, Zone};

/// How long an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The whole range is one interval.
    Whole,
    /// Nanoseconds of elapsed time.
    Elapsed(i64),
    /// Days on the wall clock.
    Days(u32),
    /// Months on the wall clock.
    Months(u32),
}

impl Step {
    /// The step an interval stands for; nothing, or no time at all, is the whole range.
    pub(super) fn new(step: Option<IntervalMonthDayNano>) -> Result<Self, QueryError> {
        let Some(IntervalMonthDayNano { months, days, nanoseconds }) = step else {
            return Ok(Self::Whole);
        };
        let negative = months < 0 || days < 0 || nanoseconds < 0;
        if negative {
            return Err(invalid("a step must be longer than nothing"));
        }
        Ok(match (months.cast_unsigned(), days.cast_unsigned(), nanoseconds) {
            (0, 0, 0) => Self::Whole,
            (0, 0, elapsed) => Self::Elapsed(elapsed),
            (0, days, 0) => Self::Days(days),
            (months, 0, 0) => Self::Months(months),
            _ => {
                return Err(invalid("a step mixes months, days or time")
                    .with_hint("use months alone, days alone, or hours and less"));
            }
        })
    }
}

fn invalid(what: &str) -> QueryError {
    QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what)
}

/// How long an interval is of which only the start is asked for: room for its edges.
const MOMENT_WIDTH_NS: i64 = 4;

/// The intervals that are still to come.
#[derive(Debug, Clone)]
pub(super) struct Intervals {
    /// The start of the range, in the flow of time.
    from: i64,
    to: i64,
    step: Step,
    zone: Zone,
    /// Steps made.
    made: u32,
    /// Where the next interval starts; `None` at the end.
    next: Option<i64>,
    /// Moments instead of a range: what is asked for is where each interval starts.
    moments: Option<Arc<[i64]>>,
    /// The end of the range is asked for too.
    with_end: bool,
}

impl Intervals {
    pub(super) fn new(from: i64, to: i64, step: Step, zone: Zone) -> Self {
        let next = (from != to).then_some(from);
        Self { from, to, step, zone, made: 0, next, moments: None, with_end: false }
    }

    /// Intervals that start at rising moments.
    pub(super) fn at(moments: Vec<i64>) -> Self {
        let empty = Self::new(0, 0, Step::Whole, Zone::Utc);
        Self { moments: Some(moments.into()), ..empty }
    }

    /// The same, and one interval more that starts where the range ends, if a step leads there.
    pub(super) fn with_end(self) -> Self {
        Self { with_end: true, ..self }
    }

    /// The interval that starts at the next moment of a list.
    fn next_moment(&mut self, moments: &[i64]) -> Option<Interval> {
        let at = usize::try_from(self.made).ok()?;
        let low = *moments.get(at)?;
        self.made += 1;
        let high = moments.get(at + 1).copied().unwrap_or(low.saturating_add(MOMENT_WIDTH_NS));
        Some(Interval { low, high, backward: false, shortened: false })
    }

    /// The interval of a moment that starts where the range ends.
    fn end(&mut self) -> Option<Interval> {
        let whole = std::mem::take(&mut self.with_end);
        let high = self.to.saturating_add(MOMENT_WIDTH_NS);
        if !whole || high <= self.to {
            return None;
        }
        Some(Interval { low: self.to, high, backward: false, shortened: false })
    }

    /// Between which times the intervals lie, in either order.
    pub(super) fn ends(&self) -> (i64, i64) {
        let listed = self.moments.as_ref().and_then(|own| Some((*own.first()?, *own.last()?)));
        listed.unwrap_or((self.from, self.to))
    }

    /// Whether time flows backward.
    pub(super) fn is_backward(&self) -> bool {
        self.to < self.from
    }

    /// The edge so many steps from the start; `None` beyond all time.
    fn edge(&self, steps: u32) -> Option<i64> {
        let sign: i128 = if self.is_backward() { -1 } else { 1 };
        let from = i128::from(self.from);
        let edge = match self.step {
            Step::Whole => i128::from(self.to),
            Step::Elapsed(step) => from + sign * i128::from(step) * i128::from(steps),
            Step::Days(step) => self.wall(|wall| {
                let days = Days::new(u64::from(step).checked_mul(u64::from(steps))?);
                if sign < 0 { wall.checked_sub_days(days) } else { wall.checked_add_days(days) }
            })?,
            Step::Months(step) => self.wall(|wall| {
                let months = Months::new(step.checked_mul(steps)?);
                if sign < 0 {
                    wall.checked_sub_months(months)
                } else {
                    wall.checked_add_months(months)
                }
            })?,
        };
        i64::try_from(edge).ok()
    }

    /// The moment at which the wall clock shows what `moved` makes of the start.
    fn wall(&self, moved: impl Fn(NaiveDateTime) -> Option<NaiveDateTime>) -> Option<i128> {
        let from = i128::from(self.from);
        let local = from + self.zone.offset(from);
        let seconds = i64::try_from(local.div_euclid(SECOND_NS)).ok()?;
        let nanos = local.rem_euclid(SECOND_NS);
        let wall = moved(DateTime::from_timestamp(seconds, 0)?.naive_utc())?;
        let local = i128::from(wall.and_utc().timestamp()) * SECOND_NS + nanos;
        Some(match self.zone.shown(local) {
            Shown::Once(at) | Shown::JumpedAt(at) | Shown::Twice(at, _) => at,
        })
    }
}

impl Iterator for Intervals {
    type Item = Interval;

    fn next(&mut self) -> Option<Interval> {
        if let Some(moments) = self.moments.clone() {
            return self.next_moment(&moments);
        }
        let Some(start) = self.next else { return self.end() };
        let backward = self.is_backward();
        let beyond = |edge: i64| if backward { edge < self.to } else { edge > self.to };
        let (end, shortened) = loop {
            self.made = self.made.checked_add(1)?;
            match self.edge(self.made) {
                Some(edge) if beyond(edge) => break (self.to, true),
                // A day that a time zone leaves out has no length.
                Some(edge) if (edge == start) || (edge < start) != backward => {}
                Some(edge) => break (edge, false),
                None => break (self.to, true),
            }
        };
        self.next = (end != self.to).then_some(end);
        self.with_end &= !shortened;
        let (low, high) = if backward { (end, start) } else { (start, end) };
        Some(Interval { low, high, backward, shortened })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::format::rfc3339;

    fn nanos(moment: &str) -> i64 {
        DateTime::parse_from_rfc3339(moment).unwrap().timestamp_nanos_opt().unwrap()
    }

    #[track_caller]
    fn check(from: &str, to: &str, step: Step, zone: &str, want: &[&str]) {
        let zone = Zone::named(zone).unwrap();
        let all: Vec<Interval> = Intervals::new(nanos(from), nanos(to), step, zone).collect();
        let starts: Vec<String> = all.iter().map(|own| rfc3339(own.start())).collect();
        assert_eq!(starts, want);
        let ends = |own: &Interval| if own.backward { own.low } else { own.high };
        assert_eq!(all.last().map(ends), Some(nanos(to)));
    }

    #[test]
    fn days_follow_the_clock_on_the_wall() {
        check(
            "2026-03-28T05:00:00Z",
            "2026-03-30T10:00:00Z",
            Step::Days(1),
            "Europe/Berlin",
            // Six in the morning: 23 hours from the 28th to the 29th.
            &["2026-03-28T05:00:00Z", "2026-03-29T04:00:00Z", "2026-03-30T04:00:00Z"],
        );
        check(
            "2026-10-26T05:00:00Z",
            "2026-10-24T04:00:00Z",
            Step::Days(1),
            "Europe/Berlin",
            &["2026-10-26T05:00:00Z", "2026-10-25T05:00:00Z"],
        );
    }

    #[test]
    fn hours_are_elapsed_time() {
        check(
            "2026-10-25T00:00:00Z",
            "2026-10-25T03:00:00Z",
            Step::Elapsed(3_600_000_000_000),
            "Europe/Berlin",
            &["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"],
        );
    }

    #[test]
    fn months_end_where_the_month_does() {
        check(
            "2026-01-31T00:00:00Z",
            "2026-05-01T00:00:00Z",
            Step::Months(1),
            "UTC",
            &[
                "2026-01-31T00:00:00Z",
                "2026-02-28T00:00:00Z",
                "2026-03-31T00:00:00Z",
                "2026-04-30T00:00:00Z",
            ],
        );
    }

    #[test]
    fn a_day_that_a_zone_leaves_out_is_no_interval() {
        check(
            "2011-12-29T10:00:00Z",
            "2011-12-31T10:00:00Z",
            Step::Days(1),
            "Pacific/Apia",
            &["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"],
        );
    }

    #[test]
    fn steps_end_at_the_end_of_time() {
        let intervals = Intervals::new(i64::MAX - 5, i64::MAX, Step::Elapsed(3), Zone::Utc);
        let lows: Vec<i64> = intervals.map(|own| own.low).collect();
        assert_eq!(lows, [i64::MAX - 5, i64::MAX - 2]);
    }
}
