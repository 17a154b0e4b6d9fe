//! `percentile(value, fraction)` and `percentile_cont(fraction) WITHIN GROUP (ORDER BY value)`: the
//! value below which this part of a group's values lies, exact, on the line between the two values
//! next to it, as PostgreSQL's `percentile_cont` has it. Null and NaN do not count; null without
//! values. (DataFusion's own `percentile_cont` cuts the line into a million pieces.)
//!
//! It holds all values of a group; `approx_percentile_cont` takes little memory.
//!
//! *Partial state.* Two columns: `values`, a list of doubles, and `fraction`.
//!
//! *Invariant.* The fraction is 0 to 1 and the same for all rows of a group.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use crate::error::{QueryError, SqlState};

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Percentile {
    /// The values stand in `WITHIN GROUP`.
    within_group: bool,
    aliases: Vec<String>,
    signature: Signature,
}

impl Percentile {
    /// `percentile`.
    pub(super) fn new() -> Self {
        let types = vec![DataType::Float64, DataType::Float64];
        let signature = Signature::exact(types, Volatility::Immutable);
        Self { within_group: false, aliases: Vec::new(), signature }
    }

    /// `percentile_cont`.
    pub(super) fn within_group() -> Self {
        let aliases = vec!["quantile_cont".to_owned()];
        Self { within_group: true, aliases, ..Self::new() }
    }
}

fn item() -> FieldRef {
    Arc::new(Field::new("item", DataType::Float64, false))
}

impl AggregateUDFImpl for Percentile {
    fn name(&self) -> &'static str {
        if self.within_group { "percentile_cont" } else { "percentile" }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn supports_within_group_clause(&self) -> bool {
        self.within_group
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |name, kind| Field::new(format_state_name(args.name, name), kind, true);
        let values = field("values", DataType::List(item()));
        Ok(vec![Arc::new(values), Arc::new(field("fraction", DataType::Float64))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            let what = format!("DISTINCT is not for {}", self.name());
            let error = QueryError::new(SqlState::FEATURE_NOT_SUPPORTED, what);
            return Err(error.with_hint("take the values from SELECT DISTINCT").into());
        }
        let falling = args.order_bys.first().is_some_and(|order| order.options.descending);
        Ok(Box::new(Values { falling, ..Values::default() }))
    }
}

#[derive(Debug, Default)]
struct Values {
    numbers: Vec<f64>,
    fraction: Option<f64>,
    /// Counted from the largest down.
    falling: bool,
}

impl Values {
    fn fraction(&mut self, given: &ArrayRef) -> Result<()> {
        for fraction in given.as_primitive::<Float64Type>().iter().flatten() {
            let same = self.fraction.is_none_or(|own| own.to_bits() == fraction.to_bits());
            if !same || !(0.0..=1.0).contains(&fraction) {
                return Err(QueryError::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    "percentile: the fraction must be 0 to 1 and the same for all rows",
                )
                .with_hint("percentile(value, 0.95)")
                .into());
            }
            self.fraction = Some(fraction);
        }
        Ok(())
    }
}

fn two(columns: &[ArrayRef]) -> Result<(&ArrayRef, &ArrayRef)> {
    match columns {
        [values, fraction] => Ok((values, fraction)),
        _ => Err(DataFusionError::Internal("two columns were planned".to_owned())),
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let (values, fraction) = two(columns)?;
        self.fraction(fraction)?;
        let numbers = values.as_primitive::<Float64Type>().iter().flatten();
        self.numbers.extend(numbers.filter(|number| !number.is_nan()));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (lists, fraction) = two(states)?;
        self.fraction(fraction)?;
        let lists = lists.as_list::<i32>();
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            self.numbers.extend(lists.value(row).as_primitive::<Float64Type>().values());
        }
        Ok(())
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position among values in memory"
    )]
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (Some(fraction), false) = (self.fraction, self.numbers.is_empty()) else {
            return Ok(ScalarValue::Float64(None));
        };
        let place = fraction * (self.numbers.len() - 1) as f64;
        let falling = self.falling;
        let order = |one: &f64, other: &f64| {
            if falling { other.total_cmp(one) } else { one.total_cmp(other) }
        };
        let (_, low, above) = self.numbers.select_nth_unstable_by(place.floor() as usize, order);
        let low = *low;
        let high = above.iter().copied().min_by(order).unwrap_or(low);
        let part = place.fract();
        let found = if part > 0.0 { low + (high - low) * part } else { low };
        Ok(ScalarValue::Float64(Some(found)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = Float64Array::from(std::mem::take(&mut self.numbers));
        let lengths = OffsetBuffer::from_lengths([values.len()]);
        let list = ListArray::try_new(item(), lengths, Arc::new(values), None)?;
        Ok(vec![ScalarValue::List(Arc::new(list)), ScalarValue::Float64(self.fraction)])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.numbers.capacity() * size_of::<f64>()
    }
}
