//! A calendar in a time zone: moments.
//!
//! *Invariant.* Moments rise with the wall: of two times on the wall, the later is never the
//! earlier moment. So shifts that do not overlap on the wall do not on the time line.

use std::sync::Arc;

use super::rules::{Calendar, ShiftRule};
use super::wall::DAY_S;
use crate::zone::{SECOND_NS, Shown, Zone};

/// A calendar in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    calendar: Arc<Calendar>,
    zone: Zone,
}

/// One shift of one day. Moments are nanoseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftSpan {
    /// The shift's name.
    pub shift: Arc<str>,
    /// Who works, where there is a rotation.
    pub crew: Option<Arc<str>>,
    /// The production day it belongs to, in days since 1970-01-01.
    pub day: i32,
    /// Its first moment.
    pub start_ns: i64,
    /// The moment after its last.
    pub end_ns: i64,
    /// Its length without breaks.
    pub planned_ns: i64,
    /// Its breaks, as first moments and the moments after their last; where two overlap, the later
    /// begins when the earlier ends.
    pub breaks: Vec<(i64, i64)>,
}

impl Schedule {
    /// A calendar in its own zone, or else in `zone`, or else in UTC.
    #[must_use]
    pub fn new(calendar: Arc<Calendar>, zone: Option<&str>) -> Self {
        let other = || zone.and_then(|name| Zone::named(name).ok()).unwrap_or(Zone::Utc);
        let zone = calendar.zone.unwrap_or_else(other);
        Self { calendar, zone }
    }

    /// The time zone of its wall.
    pub(crate) fn zone(&self) -> Zone {
        self.zone
    }

    /// Whether it knows of shifts, and not only of days.
    pub(crate) fn has_shifts(&self) -> bool {
        self.calendar.has_shifts()
    }

    /// The production day of a moment, in days since 1970-01-01.
    #[must_use]
    pub fn production_day(&self, moment: i64) -> i32 {
        let moment = i128::from(moment);
        let local_s = (moment + self.zone.offset(moment)).div_euclid(SECOND_NS);
        let since_s = local_s - i128::from(self.calendar.day_start_s);
        let wall_day = since_s.div_euclid(i128::from(DAY_S));
        let named = wall_day + i128::from(self.calendar.is_named_by_end());
        let mut day = i32::try_from(named).unwrap_or_default();
        // Where clocks change around the start of the day, it may be a neighbour.
        while self.day_start(day) > moment {
            day -= 1;
        }
        while self.day_start(day + 1) <= moment {
            day += 1;
        }
        day
    }

    /// The shifts of a production day, in their order.
    #[must_use]
    pub fn shifts_of(&self, day: i32) -> Vec<ShiftSpan> {
        let running = self.calendar.running(day);
        let mut spans: Vec<ShiftSpan> =
            running.filter_map(|(at, rule)| self.span(day, at, rule)).collect();
        spans.sort_unstable_by_key(|span| span.start_ns);
        spans
    }

    /// The shift that runs at a moment.
    #[must_use]
    pub fn shift_at(&self, moment: i64) -> Option<ShiftSpan> {
        Finder::new(self.clone()).shift_at(moment).cloned()
    }

    /// The moment at which a production day starts.
    pub(crate) fn day_start(&self, day: i32) -> i128 {
        self.moment(self.day_wall_ns(day))
    }

    /// What the wall shows when a production day starts, in nanoseconds since 1970.
    fn day_wall_ns(&self, day: i32) -> i128 {
        let days_s = i128::from(self.calendar.wall_day(day)) * i128::from(DAY_S);
        (days_s + i128::from(self.calendar.day_start_s)) * SECOND_NS
    }

    /// When the wall shows a time first, or jumps over it.
    fn moment(&self, wall_ns: i128) -> i128 {
        match self.zone.shown(wall_ns) {
            Shown::Once(moment) | Shown::JumpedAt(moment) | Shown::Twice(moment, _) => moment,
        }
    }

    /// One shift of a day; `None` where the clock jumps over all of it, or where it is beyond the
    /// times there are.
    fn span(&self, day: i32, at: usize, rule: &ShiftRule) -> Option<ShiftSpan> {
        let nanos = |seconds: i64| i128::from(seconds) * SECOND_NS;
        let start_wall = self.day_wall_ns(day) + nanos(rule.from_s);
        let start = self.moment(start_wall);
        let end = self.moment(start_wall + nanos(rule.length_s));
        if end <= start {
            return None;
        }
        let (mut rested, mut awake) = (0, start);
        let mut breaks = Vec::with_capacity(rule.breaks.len());
        for (after_s, pause_s) in &rule.breaks {
            let from = self.moment(start_wall + nanos(*after_s));
            let to = (from + nanos(*pause_s)).min(end);
            // Where clocks jump, breaks may overlap: what both cover is rested once.
            let from = from.max(awake);
            if from < to {
                rested += to - from;
                breaks.push((i64::try_from(from).ok()?, i64::try_from(to).ok()?));
            }
            awake = awake.max(to);
        }
        Some(ShiftSpan {
            shift: Arc::clone(&rule.name),
            crew: self.calendar.crew(day, at),
            day,
            start_ns: i64::try_from(start).ok()?,
            end_ns: i64::try_from(end).ok()?,
            planned_ns: i64::try_from(end - start - rested).ok()?,
            breaks,
        })
    }
}

/// Finds shifts and days of moments that mostly come in order: remembers the last day.
#[derive(Debug)]
pub(crate) struct Finder {
    schedule: Schedule,
    /// The day looked at last: its first moment, the one after its last, and its number.
    day: Option<(i128, i128, i32)>,
    /// The shifts of that day, and those of the days before that may reach into it.
    shifts: Option<Vec<ShiftSpan>>,
}

impl Finder {
    pub(crate) fn new(schedule: Schedule) -> Self {
        Self { schedule, day: None, shifts: None }
    }

    /// The production day of a moment.
    pub(crate) fn production_day(&mut self, moment: i64) -> i32 {
        if let Some((first, end, day)) = self.day
            && (first..end).contains(&i128::from(moment))
        {
            return day;
        }
        let day = self.schedule.production_day(moment);
        self.day = Some((self.schedule.day_start(day), self.schedule.day_start(day + 1), day));
        self.shifts = None;
        day
    }

    /// The shift that runs at a moment.
    pub(crate) fn shift_at(&mut self, moment: i64) -> Option<&ShiftSpan> {
        let day = self.production_day(moment);
        let schedule = &self.schedule;
        let shifts = self.shifts.get_or_insert_with(|| {
            // A shift has at most 24 hours; a day, where clocks jump, may have less.
            (day - 2..=day).flat_map(|day| schedule.shifts_of(day)).collect()
        });
        shifts.iter().find(|span| span.start_ns <= moment && moment < span.end_ns)
    }
}
