//! Words on a wall: times of day, dates, weekdays.
//!
//! *Invariant.* A day is a number of days since 1970-01-01, wherever the wall is.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};

/// Seconds of a day on a wall.
pub(super) const DAY_S: i64 = 86_400;

/// A time of day, in seconds: `06:00`, `06:00:30`.
pub(super) fn time(text: &str) -> Option<i64> {
    let parsed = NaiveTime::parse_from_str(text, "%H:%M");
    let parsed = parsed.or_else(|_other| NaiveTime::parse_from_str(text, "%H:%M:%S")).ok()?;
    Some(i64::from(parsed.num_seconds_from_midnight()))
}

/// A date: `2026-12-25`.
pub(super) fn day(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.to_epoch_days())
}

/// Month and day of a month: `12-25`.
pub(super) fn day_of_year(text: &str) -> Option<(u32, u32)> {
    // A leap year, so that 02-29 is a day too.
    let date = NaiveDate::parse_from_str(&format!("2024-{text}"), "%Y-%m-%d").ok()?;
    (text.len() == "12-25".len()).then(|| (date.month(), date.day()))
}

/// Month and day of a month of a day.
pub(super) fn month_and_day(day: i32) -> Option<(u32, u32)> {
    NaiveDate::from_epoch_days(day).map(|date| (date.month(), date.day()))
}

/// Weekdays in their order, Monday first.
pub(super) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The place of a weekday in the week, from its word: `mon`, `Monday`.
pub(super) fn weekday(word: &str) -> Option<usize> {
    let word = word.to_lowercase();
    let full = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let at = |names: &[&str; 7]| names.iter().position(|name| *name == word);
    at(&WEEKDAYS).or_else(|| at(&full))
}

/// The place of a day in its week; 1970-01-01 was a Thursday.
pub(super) fn weekday_of(day: i32) -> usize {
    usize::try_from((i64::from(day) + 3).rem_euclid(7)).unwrap_or_default()
}
