//! Window functions that fill gaps: `locf(value)` and `interpolate(value, ts)`.
//!
//! | call | null values become |
//! |---|---|
//! | `locf(value) OVER (PARTITION BY tag ORDER BY bucket)` | the last value before them that is not null |
//! | `interpolate(value, bucket) OVER (PARTITION BY tag ORDER BY bucket)` | what the line between their neighbours that are not null says; null where one is missing |
//!
//! The rows to fill must be there: `generate_series` makes them, and `resample` gives every interval
//! in any case.
//!
//! *Source.* TimescaleDB's functions of these names, which fill within `time_bucket_gapfill`.
//!
//! *Invariant.* A value that is there is never changed.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, TimestampNanosecondType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowUDFImpl};

use crate::relation::moment;

/// `locf`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Locf {
    signature: Signature,
}

impl Locf {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl WindowUDFImpl for Locf {
    fn name(&self) -> &'static str {
        "locf"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        _: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Held))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let value = args.input_fields().first().map(|field| field.data_type().clone());
        Ok(Arc::new(Field::new(args.name(), value.unwrap_or(DataType::Null), true)))
    }
}

#[derive(Debug)]
struct Held;

impl PartitionEvaluator for Held {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let column = column(values, 0)?;
        let mut held = None;
        let known = (0..rows).map(|row| {
            if column.is_valid(row) {
                held = u32::try_from(row).ok();
            }
            held
        });
        Ok(take(column, &known.collect::<UInt32Array>(), None)?)
    }
}

/// `interpolate`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Interpolate {
    signature: Signature,
}

impl Interpolate {
    pub(super) fn new() -> Self {
        let types = vec![DataType::Float64, moment()];
        Self { signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl WindowUDFImpl for Interpolate {
    fn name(&self) -> &'static str {
        "interpolate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        _: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Lines))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::Float64, true)))
    }
}

#[derive(Debug)]
struct Lines;

impl PartitionEvaluator for Lines {
    #[expect(clippy::cast_precision_loss, reason = "104 days are exact to the nanosecond")]
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let numbers = column(values, 0)?.as_primitive::<Float64Type>();
        let times = column(values, 1)?.as_primitive::<TimestampNanosecondType>();
        let at = |row: usize| {
            (numbers.is_valid(row) && times.is_valid(row))
                .then(|| (times.value(row), numbers.value(row)))
        };
        let mut before = None;
        let mut after_row = 0;
        let mut filled = Vec::with_capacity(rows);
        for row in 0..rows {
            if numbers.is_valid(row) {
                before = at(row).or(before);
                filled.push(Some(numbers.value(row)));
                continue;
            }
            after_row = after_row.max(row + 1);
            while after_row < rows && at(after_row).is_none() {
                after_row += 1;
            }
            let after = if after_row < rows { at(after_row) } else { None };
            let ts = times.is_valid(row).then(|| times.value(row));
            filled.push(match (before, after, ts) {
                (Some((from, low)), Some((to, high)), Some(ts)) if to != from => {
                    let part = ts.saturating_sub(from) as f64 / to.saturating_sub(from) as f64;
                    Some(low + (high - low) * part)
                }
                _ => None,
            });
        }
        Ok(Arc::new(Float64Array::from(filled)))
    }
}

fn column(values: &[ArrayRef], at: usize) -> Result<&ArrayRef> {
    values.get(at).ok_or_else(|| DataFusionError::Internal("an argument is missing".to_owned()))
}
