//! `age(ts)`: how many seconds ago a time was, by the clock that `now()` reads; `age(a, b)`: how
//! many seconds `a` is after `b`. Like the column `age` of `latest`.
//!
//! *Differs from PostgreSQL*, whose `age` counts years, months and days from midnight.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, TimestampNanosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
    lit,
};

use crate::relation::moment;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Age {
    signature: Signature,
}

impl Age {
    pub(super) fn new() -> Self {
        let signatures = vec![
            TypeSignature::Exact(vec![moment()]),
            TypeSignature::Exact(vec![moment(), moment()]),
        ];
        Self { signature: Signature::one_of(signatures, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for Age {
    fn name(&self) -> &'static str {
        "age"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    /// One time is compared with that of the statement.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let now = info.query_execution_start_time().and_then(|now| now.timestamp_nanos_opt());
        let ([ts], Some(now)) = (args.as_slice(), now) else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let now = lit(datafusion::common::ScalarValue::TimestampNanosecond(
            Some(now),
            Some("UTC".into()),
        ));
        let function = Arc::new(datafusion::logical_expr::ScalarUDF::from(Self::new()));
        Ok(ExprSimplifyResult::Simplified(function.call(vec![now, ts.clone()])))
    }

    #[expect(clippy::cast_precision_loss, reason = "an age is for people")]
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns: Vec<ArrayRef> = ColumnarValue::values_to_arrays(&args.args)?;
        let [later, earlier] = columns.as_slice() else {
            return datafusion::common::internal_err!("age of one time was made one of two");
        };
        let (later, earlier) = (
            later.as_primitive::<TimestampNanosecondType>(),
            earlier.as_primitive::<TimestampNanosecondType>(),
        );
        let seconds =
            |(later, earlier): (i64, i64)| (i128::from(later) - i128::from(earlier)) as f64 / 1e9;
        let pairs = later.iter().zip(earlier.iter());
        let ages: Float64Array =
            pairs.map(|(later, earlier)| later.zip(earlier).map(seconds)).collect();
        Ok(ColumnarValue::Array(Arc::new(ages)))
    }
}
