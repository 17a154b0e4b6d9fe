//! The rows of `downtime`: every stretch of time in which a machine did not run, with its class.
//!
//! A stop has a row for each class and shift that it is in: a jam that goes on into a break is
//! unplanned, then planned. `stop_start_ts` tells which rows are one stop.
//!
//! *Invariant.* The lengths of the rows of a class add up to what `oee` says of the same span.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, RecordBatch, StringViewArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;

use super::super::argument::Arguments;
use super::super::producer::{Piece, Producer, Rows, repeated, rows_between};
use super::super::raw::Nothing;
use super::course::{CourseReading, Known};
use super::machine::{Machine, machines, select};
use super::sheet::{tags_of, watermark};
use super::{Ground, span};
use crate::format::rfc3339;
use crate::limits::BATCH_ROWS_MAX;
use crate::oee::{Cause, Class, Condition, Slice, Stretch, Sweep, Working};
use crate::relation::{GapRow, moment};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8View, nullable);
    let fact = |name: &str| Field::new(name, DataType::Boolean, false);
    Arc::new(Schema::new(vec![
        text("asset", false),
        Field::new("start_ts", moment(), false),
        Field::new("end_ts", moment(), false),
        Field::new("duration_s", DataType::Float64, false),
        text("class", false),
        text("reason", false),
        text("value", true),
        fact("micro"),
        fact("planned"),
        text("shift", true),
        text("crew", true),
        Field::new("production_day", DataType::Date32, true),
        fact("open"),
        Field::new("stop_start_ts", moment(), true),
        Field::new("stop_end_ts", moment(), true),
    ]))
});

/// A call of `downtime`.
#[derive(Debug)]
struct Downtime {
    ground: Ground,
    from: i64,
    to: i64,
    gaps: Arc<[GapRow]>,
    machines: Vec<Machine>,
}

/// Reads the arguments of a call.
pub(super) fn call(ground: &Ground, arguments: &Arguments) -> Result<Arc<dyn Producer>> {
    let (from, to) = span(arguments)?;
    let plant = ground.places.plant();
    let mut all: Vec<Machine> = Vec::new();
    for asset in select(plant, &arguments.texts("asset")?)? {
        all.extend(machines(plant, &asset, from, to)?);
    }
    // A machine that is named, and part of a line that is named, stood once.
    all.sort_by(|a, b| (&a.asset, a.from).cmp(&(&b.asset, b.from)));
    all.dedup_by(|a, b| (&a.asset, a.from, a.to) == (&b.asset, b.from, b.to));
    let (ground, gaps) = (ground.clone(), ground.gaps());
    Ok(Arc::new(Downtime { ground, from, to, gaps, machines: all }))
}

impl fmt::Display for Downtime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (rfc3339(self.from), rfc3339(self.to));
        write!(out, "DowntimeExec: machines={}, from={from}, to={to}", self.machines.len())
    }
}

impl Producer for Downtime {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn parts(&self) -> usize {
        self.machines.len()
    }

    fn open(&self, part: usize) -> Result<Box<dyn Rows>> {
        let Some(machine) = self.machines.get(part) else { return Ok(Box::new(Nothing)) };
        Ok(Box::new(Stops {
            ground: self.ground.clone(),
            gaps: Arc::clone(&self.gaps),
            machine: machine.clone(),
            step: Step::Reading(Box::new(CourseReading::open(&self.ground, machine)?)),
        }))
    }

    fn rows_estimate(&self) -> Option<usize> {
        let tags = tags_of(&self.ground, self.machines.iter());
        rows_between(self.ground.places.snapshot(), &tags, self.from, self.to)
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        vec![("asset", false), ("start_ts", false)]
    }
}

/// The stops of one machine.
struct Stops {
    ground: Ground,
    gaps: Arc<[GapRow]>,
    machine: Machine,
    step: Step,
}

enum Step {
    Reading(Box<CourseReading>),
    Telling(Box<Known>, Sweep),
    Over,
}

impl Rows for Stops {
    fn piece(&mut self) -> Result<Piece> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Reading(mut reading) => {
                self.step = if reading.step()? {
                    Step::Reading(reading)
                } else {
                    let watermark = watermark(&self.ground, &self.machine);
                    let known = reading.finish(&self.ground, &self.gaps, watermark)?;
                    let sweep = Sweep::new(self.machine.from, self.machine.to);
                    Step::Telling(Box::new(known), sweep)
                };
                Ok(Piece::More)
            }
            Step::Telling(known, mut sweep) => {
                let mut slices = Vec::new();
                let mut more = true;
                while slices.len() < BATCH_ROWS_MAX && more {
                    match sweep.next(&known.course) {
                        Some(slice) => add(&mut slices, slice),
                        None => more = false,
                    }
                }
                let rows = batch(&self.machine, &known, &slices)?;
                if more {
                    self.step = Step::Telling(known, sweep);
                }
                Ok(Piece::Rows(rows))
            }
            Step::Over => Ok(Piece::End),
        }
    }
}

/// Adds a slice in which the machine did not run. Of a break, and where nobody knows, it does not matter
/// what the machine says meanwhile.
fn add(slices: &mut Vec<Slice>, slice: Slice) {
    if matches!(slice.class, Class::Run | Class::Unscheduled) {
        return;
    }
    let whatever = slice.planned.is_some() || slice.class == Class::Unknown;
    match slices.last_mut() {
        Some(last)
            if whatever
                && last.to == slice.from
                && (last.class, last.planned, last.shift)
                    == (slice.class, slice.planned, slice.shift) =>
        {
            last.to = slice.to;
        }
        _ => slices.push(slice),
    }
}

/// What is known around a slice.
struct Row<'a> {
    slice: &'a Slice,
    /// The stop of the machine itself, where that is what counts.
    stop: Option<&'a Stretch>,
    cause: Option<&'a Cause>,
    reason: &'a str,
    shift: Option<&'a Working>,
}

fn row<'a>(known: &'a Known, slice: &'a Slice) -> Row<'a> {
    let course = &known.course;
    let planned = slice.planned.and_then(|at| course.planned.stops().get(at));
    let stretch = slice.stretch.and_then(|at| course.stretches.get(at));
    let stop = stretch.filter(|own| planned.is_none() && own.condition.stop().is_some());
    let cause = stop.and_then(|own| match own.condition {
        Condition::Stop(_, cause) => known.causes.get(cause),
        _ => None,
    });
    let reason = match (planned, cause) {
        (Some(planned), _) => &*planned.reason,
        (None, Some(cause)) => &*cause.reason,
        (None, None) => "unknown",
    };
    let shift = slice.shift.and_then(|at| course.planned.shifts()?.get(at));
    Row { slice, stop, cause, reason, shift }
}

fn batch(machine: &Machine, known: &Known, slices: &[Slice]) -> Result<RecordBatch> {
    let rows: Vec<Row<'_>> = slices.iter().map(|slice| row(known, slice)).collect();
    let moments = |of: fn(&Row<'_>) -> Option<i64>| -> ArrayRef {
        let moments = rows.iter().map(of).collect::<TimestampNanosecondArray>();
        Arc::new(moments.with_timezone("UTC"))
    };
    let texts = |of: for<'a> fn(&'a Row<'_>) -> Option<&'a str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringViewArray>())
    };
    let facts = |of: fn(&Row<'_>) -> bool| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<BooleanArray>())
    };
    #[expect(clippy::cast_precision_loss, reason = "exact to the microsecond for centuries")]
    let lengths = rows.iter().map(|row| (row.slice.to - row.slice.from) as f64 / 1e9);
    let columns: Vec<ArrayRef> = vec![
        repeated(&machine.asset, rows.len())?,
        moments(|row| Some(row.slice.from)),
        moments(|row| Some(row.slice.to)),
        Arc::new(Float64Array::from_iter_values(lengths)),
        texts(|row| Some(row.slice.class.name())),
        texts(|row| Some(row.reason)),
        texts(|row| row.cause.and_then(|cause| cause.value.as_deref())),
        facts(|row| row.slice.class == Class::Micro),
        facts(|row| row.slice.class == Class::Planned),
        texts(|row| row.shift.map(|shift| &*shift.shift)),
        texts(|row| row.shift.and_then(|shift| shift.crew.as_deref())),
        Arc::new(rows.iter().map(|row| row.shift.map(|shift| shift.day)).collect::<Date32Array>()),
        facts(|row| row.stop.is_some_and(|stop| stop.stop_to.is_none())),
        moments(|row| row.stop.map(|stop| stop.stop_from)),
        moments(|row| row.stop.and_then(|stop| stop.stop_to)),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}
