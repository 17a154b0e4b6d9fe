//! `time_bucket(width, ts [, time zone] [, origin] [, offset])`: the start of the bucket a moment
//! falls into, as TimescaleDB defines it.
//!
//! - `width`: an interval, or its text (`'15 minutes'`, `'1 day'`, `'3 months'`). Months may not be
//!   mixed with days or time. The same for all rows.
//! - a text after the moment is a time zone (`'Europe/Berlin'`), a moment the origin, an interval
//!   the offset: how far the boundaries are moved. They stand in this order, each may be left out.
//! - origin: 2000-01-03 (a Monday) for widths in days and time, 2000-01-01 for months, midnight in
//!   the time zone. For months it must be the first of a month at midnight, because TimescaleDB
//!   uses no more of it.
//! - a null width, moment, time zone or origin gives null.
//!
//! *Differs from TimescaleDB.* In the hour that a time zone repeats, TimescaleDB puts both passes
//! of, say, 02:15 into one bucket; here each hour keeps its own (see [`bucket`]).
//!
//! *Invariant.* The result never lies after the moment, and does not fall as the moment rises:
//! an order by time is an order by bucket.

mod bucket;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, TimestampNanosecondArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_timestamp_nanosecond_array;
use datafusion::error::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{QueryError, SqlState};
use crate::zone::Zone;
use bucket::{Bucketer, Width};

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeBucket {
    signature: Signature,
}

impl TimeBucket {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &'static str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if !(2..=5).contains(&given.len()) {
            return Err(mismatch("time_bucket takes two to five arguments".to_owned()));
        }
        given.iter().enumerate().map(|(at, kind)| argument_type(at, kind)).collect()
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        given.get(1).cloned().ok_or_else(|| mismatch("time_bucket needs a moment".to_owned()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kind = args.return_field.data_type();
        let (Some(width), Some(moments)) = (args.args.first(), args.args.get(1)) else {
            return Err(mismatch("time_bucket needs a width and a moment".to_owned()));
        };
        let moments = moments.to_array(args.number_rows)?;
        let others: Result<Vec<Option<Other>>> = args.args.iter().skip(2).map(other).collect();
        let others: Option<Vec<Other>> = others?.into_iter().collect();
        let (Some(width), Some(others)) = (width_of(width)?, others) else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(kind)?));
        };
        let bucketer = bucketer(width, &others)?;
        let buckets = buckets(bucketer, as_timestamp_nanosecond_array(&moments)?)?;
        Ok(ColumnarValue::Array(Arc::new(buckets.with_data_type(kind.clone()))))
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let constant = |input: &ExprProperties| input.sort_properties == SortProperties::Singleton;
        let moment = inputs.get(1).map(|moment| moment.sort_properties);
        let rest = inputs.iter().enumerate().filter(|(at, _)| *at != 1);
        Ok(match moment {
            Some(order) if rest.map(|(_, input)| input).all(constant) => order,
            _ => SortProperties::Unordered,
        })
    }
}

fn mismatch(message: String) -> datafusion::error::DataFusionError {
    QueryError::new(SqlState::UNDEFINED_FUNCTION, message)
        .with_hint("time_bucket('15 minutes', ts), time_bucket('1 day', ts, 'Europe/Berlin')")
        .into()
}

fn invalid(message: String) -> datafusion::error::DataFusionError {
    QueryError::new(SqlState::INVALID_PARAMETER_VALUE, message).into()
}

/// The type an argument is turned into.
fn argument_type(at: usize, given: &DataType) -> Result<DataType> {
    use DataType::{Date32, Date64, Duration, Interval, LargeUtf8, Null, Utf8, Utf8View};
    let utc = || Some(Arc::from("UTC"));
    Ok(match (at, given) {
        (0, Interval(_) | Duration(_) | Utf8 | LargeUtf8 | Utf8View | Null) => {
            Interval(IntervalUnit::MonthDayNano)
        }
        (2.., Interval(_) | Duration(_)) => Interval(IntervalUnit::MonthDayNano),
        (_, DataType::Timestamp(_, zone)) if at > 0 => {
            DataType::Timestamp(TimeUnit::Nanosecond, zone.clone())
        }
        (1, Date32 | Date64 | Null | Utf8 | LargeUtf8 | Utf8View) | (_, Date32 | Date64)
            if at > 0 =>
        {
            DataType::Timestamp(TimeUnit::Nanosecond, utc())
        }
        (2, Utf8 | LargeUtf8 | Utf8View | Null) => Utf8,
        (3, Utf8 | LargeUtf8 | Utf8View | Null) => DataType::Timestamp(TimeUnit::Nanosecond, utc()),
        (_, other) => {
            return Err(mismatch(format!("argument {} of time_bucket cannot be {other}", at + 1)));
        }
    })
}

/// An argument after the moment.
enum Other {
    Zone(Zone),
    Origin(i64),
    Offset(IntervalMonthDayNano),
}

fn width_of(width: &ColumnarValue) -> Result<Option<IntervalMonthDayNano>> {
    match width {
        ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(width)) => Ok(*width),
        _ => Err(invalid("the width of time_bucket must be the same for all rows".to_owned())),
    }
}

/// Reads an argument after the moment; `None` is null.
fn other(argument: &ColumnarValue) -> Result<Option<Other>> {
    match argument {
        ColumnarValue::Scalar(ScalarValue::Utf8(name)) => match name {
            Some(name) => Ok(Some(Other::Zone(Zone::named(name)?))),
            None => Ok(None),
        },
        ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(origin, _)) => {
            Ok(origin.map(Other::Origin))
        }
        ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(offset)) => {
            Ok(offset.map(Other::Offset))
        }
        _ => Err(invalid(
            "the time zone, the origin and the offset of time_bucket must be the same for all rows"
                .to_owned(),
        )),
    }
}

fn bucketer(width: IntervalMonthDayNano, others: &[Other]) -> Result<Bucketer> {
    let (others, offset) = match others {
        [others @ .., Other::Offset(offset)] => (others, Some(*offset)),
        others => (others, None),
    };
    let (zone, origin) = match others {
        [] => (Zone::Utc, None),
        [Other::Zone(zone)] => (*zone, None),
        [Other::Origin(origin)] => (Zone::Utc, Some(*origin)),
        [Other::Zone(zone), Other::Origin(origin)] => (*zone, Some(*origin)),
        _ => {
            let order = "after the moment come a time zone, an origin and an offset";
            return Err(mismatch(order.to_owned()));
        }
    };
    let bucketer = Bucketer::new(Width::try_from(width)?, zone, origin)?;
    match offset {
        Some(offset) => bucketer.moved(offset),
        None => Ok(bucketer),
    }
}

fn buckets(
    mut bucketer: Bucketer,
    moments: &TimestampNanosecondArray,
) -> Result<TimestampNanosecondArray> {
    if moments.null_count() == 0
        && let Some(starts) = bucketer.plain_starts(moments.values())
    {
        return Ok(TimestampNanosecondArray::new(starts.into(), None));
    }
    let mut starts = Vec::with_capacity(moments.len());
    for (row, moment) in moments.values().iter().enumerate() {
        starts.push(if moments.is_null(row) { 0 } else { bucketer.start(*moment)? });
    }
    Ok(TimestampNanosecondArray::new(starts.into(), moments.nulls().cloned()))
}
