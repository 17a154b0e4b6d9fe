//! `labels ->> 'key'`: one label of a tag, as PostgreSQL reads a JSON object.
//!
//! *Invariant.* A text that is not a JSON object, and a key that is not there, give null.
//!
//! *Not here.* Paths into nested JSON: labels are flat.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringViewArray, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::cast::as_string_view_array;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Reads `object ->> key` as a call of [`LabelText`].
#[derive(Debug)]
pub(super) struct LabelOperator;

impl ExprPlanner for LabelOperator {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        _schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if expr.op != BinaryOperator::LongArrow {
            return Ok(PlannerResult::Original(expr));
        }
        let function = Arc::new(ScalarUDF::from(LabelText::new()));
        let call = ScalarFunction::new_udf(function, vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}

/// `json_object_field_text(object, key)`: the function behind PostgreSQL's `->>`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LabelText {
    signature: Signature,
}

impl LabelText {
    pub(super) fn new() -> Self {
        let text = vec![DataType::Utf8View, DataType::Utf8View];
        Self { signature: Signature::exact(text, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for LabelText {
    fn name(&self) -> &'static str {
        "json_object_field_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns: Vec<ArrayRef> = ColumnarValue::values_to_arrays(&args.args)?;
        let [objects, keys] = columns.as_slice() else {
            return datafusion::common::internal_err!("two arguments were checked");
        };
        let values = fields(as_string_view_array(objects)?, as_string_view_array(keys)?);
        Ok(ColumnarValue::Array(Arc::new(values)))
    }
}

fn fields(objects: &StringViewArray, keys: &StringViewArray) -> StringViewArray {
    let mut values = StringViewBuilder::with_capacity(objects.len());
    for (object, key) in objects.iter().zip(keys) {
        values.append_option(object.zip(key).and_then(|(object, key)| field(object, key)));
    }
    values.finish()
}

fn field(object: &str, key: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(object).ok()?;
    match object.get(key)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
