//! The relation `shifts`: who works when, for as long as a statement asks.
//!
//! A row for each shift of each asset, of its own calendar or an inherited one; a calendar that no
//! asset has is there without an asset.
//!
//! *Invariant.* Calendars go on for ever, so a statement says between which times or days: one that
//! does not is refused, as is one of more rows than memory is meant for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, RecordBatch, StringViewArray, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use tacitus_model::Timestamp;

use super::landscape::{text, texts};
use super::moment;
use super::window::{Asked, Rows};
use crate::calendar::{Schedule, ShiftSpan};
use crate::error::{QueryError, SqlState};
use crate::limits::SHIFT_ROWS_MAX;
use crate::plant::Plant;

/// The columns of `shifts`.
pub(super) static SHIFTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        text("calendar", false),
        text("asset", true),
        text("shift", false),
        text("crew", true),
        Field::new("production_day", DataType::Date32, false),
        Field::new("start_ts", moment(), false),
        Field::new("end_ts", moment(), false),
        Field::new("planned_s", DataType::Float64, false),
        Field::new("break_s", DataType::Float64, false),
    ]))
});

/// The shifts of a plant.
#[derive(Debug)]
pub(super) struct Shifts(pub(super) Arc<Plant>);

/// One line of schedules: a calendar in a zone, and the assets that have it.
struct Line<'a> {
    calendar: &'a str,
    schedule: Schedule,
    assets: Vec<Option<&'a str>>,
}

impl Shifts {
    /// What is asked for, each calendar and zone once.
    fn lines(&self, asked: &Asked<'_>) -> Vec<Line<'_>> {
        let (assets, calendars) = (asked.texts("asset"), asked.texts("calendar"));
        let wanted = |names: &Option<BTreeSet<String>>, name: &str| {
            names.as_ref().is_none_or(|names| names.contains(name))
        };
        let mut used: BTreeSet<&str> = BTreeSet::new();
        let mut lines: BTreeMap<(&str, Option<&str>), Line<'_>> = BTreeMap::new();
        for asset in self.0.assets() {
            let path = asset.path.as_str();
            let Some(calendar) = self.0.calendar_name(path) else { continue };
            used.insert(calendar);
            if !wanted(&assets, path) || !wanted(&calendars, calendar) {
                continue;
            }
            let Some(schedule) = self.0.schedule(path) else { continue };
            let line = lines.entry((calendar, self.0.timezone(path)));
            let line = line.or_insert_with(|| Line { calendar, schedule, assets: Vec::new() });
            line.assets.push(Some(path));
        }
        let alone = self.0.calendars().filter(|(name, _)| !used.contains(name));
        let alone = alone.filter(|(name, _)| assets.is_none() && wanted(&calendars, name));
        lines
            .into_values()
            .chain(alone.map(|(calendar, rules)| Line {
                calendar,
                schedule: Schedule::new(Arc::clone(rules), None),
                assets: vec![None],
            }))
            .collect()
    }
}

impl Rows for Shifts {
    fn schema(&self) -> &SchemaRef {
        &SHIFTS
    }

    fn rows(&self, asked: &Asked<'_>) -> Result<RecordBatch> {
        let (starts, ends) = (asked.times("start_ts"), asked.times("end_ts"));
        let (first_day, last_day) = asked.days("production_day");
        let bounded = |moment: Timestamp| {
            Some(moment).filter(|own| ![Timestamp::MIN, Timestamp::MAX].contains(own))
        };
        let first = bounded(starts.first).max(bounded(ends.first));
        let last = [bounded(starts.last), bounded(ends.last)].into_iter().flatten().min();
        let mut rows = Table::default();
        for line in self.lines(asked) {
            // A shift that is within ends a day after its start at most.
            let day = |moment: Timestamp| line.schedule.production_day(moment.nanos());
            let first_day = first_day.max(first.map(|first| day(first) - 2));
            let last_day = [last_day, last.map(|last| day(last) + 1)].into_iter().flatten().min();
            let (Some(first_day), Some(last_day)) = (first_day, last_day) else {
                return Err(unbounded());
            };
            for day in first_day..=last_day {
                for span in line.schedule.shifts_of(day) {
                    rows.add(&line, &span)?;
                }
                rows.days += 1;
                rows.check()?;
            }
        }
        rows.finish()
    }
}

/// The rows, column by column.
#[derive(Default)]
struct Table<'a> {
    calendars: Vec<&'a str>,
    assets: Vec<Option<&'a str>>,
    spans: Vec<ShiftSpan>,
    /// Days looked at.
    days: usize,
}

impl<'a> Table<'a> {
    fn add(&mut self, line: &Line<'a>, span: &ShiftSpan) -> Result<()> {
        for asset in &line.assets {
            self.calendars.push(line.calendar);
            self.assets.push(*asset);
            self.spans.push(span.clone());
        }
        self.check()
    }

    fn check(&self) -> Result<()> {
        if self.spans.len().max(self.days) <= SHIFT_ROWS_MAX {
            return Ok(());
        }
        let what = format!("shifts would have more than {SHIFT_ROWS_MAX} rows");
        let hint = "ask for fewer days, or name an asset: WHERE asset = …";
        Err(QueryError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, what).with_hint(hint).into())
    }

    fn finish(self) -> Result<RecordBatch> {
        let Self { calendars, assets, spans, .. } = self;
        let times = |of: fn(&ShiftSpan) -> i64| -> ArrayRef {
            let times: Vec<i64> = spans.iter().map(of).collect();
            Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))
        };
        let seconds = |of: fn(&ShiftSpan) -> i64| -> ArrayRef {
            #[expect(clippy::cast_precision_loss, reason = "a shift has few nanoseconds")]
            let seconds = |span: &ShiftSpan| of(span) as f64 / 1e9;
            Arc::new(Float64Array::from_iter_values(spans.iter().map(seconds)))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from_iter_values(calendars)),
            texts(assets.into_iter()),
            Arc::new(StringViewArray::from_iter_values(spans.iter().map(|span| &*span.shift))),
            texts(spans.iter().map(|span| span.crew.as_deref())),
            Arc::new(Date32Array::from_iter_values(spans.iter().map(|span| span.day))),
            times(|span| span.start_ns),
            times(|span| span.end_ns),
            seconds(|span| span.planned_ns),
            seconds(|span| span.end_ns - span.start_ns - span.planned_ns),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&SHIFTS), columns)?)
    }
}

fn unbounded() -> datafusion::error::DataFusionError {
    let what = "shifts go on for ever: say from when to when";
    QueryError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, what)
        .with_hint(
            "WHERE start_ts >= now() - INTERVAL '7 days' AND start_ts < now(), or production_day \
             BETWEEN '2026-03-01' AND '2026-03-31'",
        )
        .into()
}
