//! `first(value, ts)` and `last(value, ts)`: the value of the earliest and of the latest row of a
//! group, as TimescaleDB has them. Rows without a time do not count; of rows with the same time
//! the one that came first is taken.
//!
//! *Partial state.* Two columns: `value`, of the argument's type, and `ts`, null without a row.
//!
//! *Invariant.* The answer does not depend on the order in which rows of different times come.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, TimestampNanosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use crate::error::{QueryError, SqlState};
use crate::relation::moment;

/// One of the two.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct End {
    last: bool,
    signature: Signature,
}

impl End {
    pub(super) fn new(last: bool) -> Self {
        Self { last, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for End {
    fn name(&self) -> &str {
        if self.last { "last" } else { "first" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if let [value, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64] = given {
            return Ok(vec![value.clone(), moment()]);
        }
        let what = format!("{} takes a value and a time", self.name());
        let hint = format!("{}(value, ts)", self.name());
        Err(QueryError::new(SqlState::UNDEFINED_FUNCTION, what).with_hint(hint).into())
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given.first().cloned().unwrap_or(DataType::Null))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let value = args.return_field.data_type().clone();
        Ok(vec![
            Arc::new(Field::new(format_state_name(args.name, "value"), value, true)),
            Arc::new(Field::new(format_state_name(args.name, "ts"), moment(), true)),
        ])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let value = ScalarValue::try_new_null(args.return_field.data_type())?;
        Ok(Box::new(Found { last: self.last, value, ts: None }))
    }
}

/// The row found so far.
#[derive(Debug)]
struct Found {
    last: bool,
    value: ScalarValue,
    ts: Option<i64>,
}

impl Accumulator for Found {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [column, times] = values else {
            return Err(DataFusionError::Internal("two columns were planned".to_owned()));
        };
        let times = times.as_primitive::<TimestampNanosecondType>();
        let mut found = None;
        for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
            let ts = times.value(row);
            let better = |than: i64| if self.last { ts > than } else { ts < than };
            if self.ts.is_none_or(better) {
                (self.ts, found) = (Some(ts), Some(row));
            }
        }
        if let Some(row) = found {
            self.value = ScalarValue::try_from_array(column, row)?;
            self.value.compact();
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let ts = ScalarValue::TimestampNanosecond(self.ts, Some("UTC".into()));
        Ok(vec![self.value.clone(), ts])
    }

    fn size(&self) -> usize {
        size_of::<Self>() - size_of::<ScalarValue>() + self.value.size()
    }
}
