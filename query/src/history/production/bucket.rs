//! The buckets of a call: `by` what time is cut.
//!
//! Hours and less are elapsed time; days and more are those of the wall, or of production. The first
//! and the last bucket are cut at the ends of the range.
//!
//! *Invariant.* Buckets rise and do not overlap. But for shifts they cover the range.

use std::sync::Arc;

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{DateTime, Datelike, FixedOffset, NaiveDate};
use datafusion::error::Result;

use super::super::argument::Arguments;
use super::super::step::{Intervals, Step};
use super::too_much;
use crate::calendar::{Calendar, CalendarDefinition, Schedule};
use crate::error::{QueryError, SqlState};
use crate::limits::OEE_BUCKETS_MAX;
use crate::oee::{Bucket, Sheet};
use crate::plant::Plant;
use crate::zone::{SECOND_NS, Zone};

/// The words of `by`.
const WORDS: [(&str, By); 6] = [
    ("shift", By::Shift),
    ("day", By::Day),
    ("week", By::Week),
    ("month", By::Month),
    ("product", By::Product),
    ("total", By::Total),
];

/// By what time is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Shift,
    Day,
    Week,
    Month,
    Product,
    Total,
    Step(Step),
}

impl By {
    /// What a call asks for.
    pub(super) fn of(arguments: &Arguments) -> Result<Self> {
        let Some(value) = arguments.value("by") else { return Ok(Self::Total) };
        let text = value.try_as_str().flatten().map(|text| text.trim().to_lowercase());
        let word = text.as_deref().and_then(|text| WORDS.iter().find(|(word, _)| *word == text));
        if let Some((_, by)) = word {
            return Ok(*by);
        }
        let step: Option<IntervalMonthDayNano> = arguments.interval("by").map_err(|error| {
            let Some(text) = &text else { return error };
            let words = WORDS.map(|(word, _)| word).join(", ");
            let what = arguments.invalid(format!("\"{text}\" is nothing to sort by"));
            what.with_hint(format!("use {words}, or an interval such as '1 hour'")).into()
        })?;
        Ok(match Step::new(step)? {
            Step::Whole => Self::Total,
            step => Self::Step(step),
        })
    }
}

/// When an asset works; days only, where it has no calendar.
pub(super) fn schedule(plant: &Plant, asset: &str) -> Option<Schedule> {
    plant.schedule(asset).or_else(|| {
        let calendar = Calendar::new(CalendarDefinition::default()).ok()?;
        Some(Schedule::new(Arc::new(calendar), plant.timezone(asset)))
    })
}

/// The empty sheet of an asset.
pub(super) fn sheet(plant: &Plant, asset: &str, by: By, (from, to): (i64, i64)) -> Result<Sheet> {
    let Some(schedule) = schedule(plant, asset) else { return Ok(Sheet::by_time(Vec::new())) };
    let whole = || Bucket { from, to, ..Bucket::default() };
    let buckets = match by {
        By::Product => return Ok(Sheet::by_product(from, to)),
        By::Total => vec![whole()],
        By::Step(step) => steps(from, to, step, schedule.zone())?,
        By::Shift if !schedule.has_shifts() => {
            let what = format!("\"{asset}\" has no calendar with shifts");
            return Err(QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what)
                .with_hint("give it a calendar, or ask by 'day' or '8 hours'")
                .into());
        }
        By::Shift => shifts(&schedule, from, to),
        By::Day => days(&schedule, from, to, |date, day| (date.to_string(), Some(day))),
        By::Week => days(&schedule, from, to, |date, _| {
            let week = date.iso_week();
            (format!("{:04}-W{:02}", week.year(), week.week()), None)
        }),
        By::Month => days(&schedule, from, to, |date, _| (date.format("%Y-%m").to_string(), None)),
    };
    if buckets.len() > OEE_BUCKETS_MAX {
        return Err(too_many());
    }
    Ok(Sheet::by_time(buckets))
}

fn too_many() -> datafusion::error::DataFusionError {
    let what = format!("one asset would have more than {OEE_BUCKETS_MAX} rows");
    too_much(what, "ask for a shorter time, or by longer intervals").into()
}

fn steps(from: i64, to: i64, step: Step, zone: Zone) -> Result<Vec<Bucket>> {
    let mut buckets = Vec::new();
    for interval in Intervals::new(from, to, step, zone) {
        if buckets.len() >= OEE_BUCKETS_MAX {
            return Err(too_many());
        }
        let label = Some(wall(interval.low, zone).into());
        buckets.push(Bucket { from: interval.low, to: interval.high, label, ..Bucket::default() });
    }
    Ok(buckets)
}

/// What the clock on the wall shows at a moment, with its distance from UTC: an hour that it shows
/// twice has two names.
fn wall(moment: i64, zone: Zone) -> String {
    let offset = i32::try_from(zone.offset(moment.into()) / SECOND_NS).ok();
    let offset = offset.and_then(FixedOffset::east_opt);
    let utc = DateTime::from_timestamp_nanos(moment);
    offset.map_or_else(|| utc.to_rfc3339(), |offset| utc.with_timezone(&offset).to_rfc3339())
}

fn shifts(schedule: &Schedule, from: i64, to: i64) -> Vec<Bucket> {
    // A shift has at most 24 hours; a day, where clocks jump, may have less.
    let (first, last) = (schedule.production_day(from) - 2, schedule.production_day(to) + 1);
    let spans = (first..=last).flat_map(|day| schedule.shifts_of(day));
    let buckets = spans.map(|span| Bucket {
        from: span.start_ns.max(from),
        to: span.end_ns.min(to),
        label: Some(span.shift),
        crew: span.crew,
        day: Some(span.day),
    });
    buckets.filter(|own| own.from < own.to).collect()
}

/// Days of production; neighbours of one name are one bucket.
fn days(
    schedule: &Schedule,
    from: i64,
    to: i64,
    name: impl Fn(NaiveDate, i32) -> (String, Option<i32>),
) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for day in schedule.production_day(from)..=schedule.production_day(to) {
        let within = |moment: i128| {
            let moment = moment.clamp(from.into(), to.into());
            i64::try_from(moment).unwrap_or(from)
        };
        let (start, end) = (within(schedule.day_start(day)), within(schedule.day_start(day + 1)));
        let Some(date) = NaiveDate::from_epoch_days(day).filter(|_| start < end) else { continue };
        let (label, day) = name(date, day);
        match buckets.last_mut() {
            Some(last) if last.label.as_deref() == Some(&label) => last.to = end,
            _ => {
                let label = Some(label.into());
                buckets.push(Bucket { from: start, to: end, label, crew: None, day });
            }
        }
    }
    buckets
}
