//! `percent_good(quality)`: how many of a hundred rows of a group have a good quality. Null
//! without rows; a row whose quality is null does not count.
//!
//! It counts rows; the share of time is `percent_good` of `resample`.
//!
//! *Partial state.* Two columns: `good` and `rows`, both bigint. A page's statistics have them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use super::quality::is_good;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PercentGood {
    signature: Signature,
}

impl PercentGood {
    pub(super) fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Int64], Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for PercentGood {
    fn name(&self) -> &'static str {
        "percent_good"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |name| Field::new(format_state_name(args.name, name), DataType::Int64, true);
        Ok(vec![Arc::new(field("good")), Arc::new(field("rows"))])
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Counts::default()))
    }
}

#[derive(Debug, Default)]
struct Counts {
    good: i64,
    rows: i64,
}

impl Accumulator for Counts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for code in values.iter().flat_map(AsArray::as_primitive::<Int64Type>).flatten() {
            self.rows += 1;
            self.good += i64::from(is_good(code));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [good, rows] = states else {
            return Err(DataFusionError::Internal("two columns were planned".to_owned()));
        };
        self.good += good.as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        self.rows += rows.as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a store has fewer than 2^53 samples")]
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let percent = self.good as f64 * 100.0 / self.rows as f64;
        Ok(ScalarValue::Float64((self.rows > 0).then_some(percent)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Int64(Some(self.good)), ScalarValue::Int64(Some(self.rows))])
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}
