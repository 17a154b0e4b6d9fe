//! `convert(value, from, to)`: a value in another unit of the same thing.
//!
//! *Invariant.* A unit that is not known and a pair that measures different things are errors,
//! never a wrong number. A null unit or value gives null.
//!
//! *Not here.* The units ([`unit`](super::unit)).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, StringViewArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::unit;
use crate::error::{QueryError, SqlState, nearest};

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Convert {
    signature: Signature,
}

impl Convert {
    pub(super) fn new() -> Self {
        let types = vec![DataType::Float64, DataType::Utf8View, DataType::Utf8View];
        Self { signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Convert {
    fn name(&self) -> &'static str {
        "convert"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns: Vec<ArrayRef> = ColumnarValue::values_to_arrays(&args.args)?;
        let [values, from, to] = columns.as_slice() else {
            return datafusion::common::internal_err!("three arguments were checked");
        };
        let values = values.as_primitive::<Float64Type>();
        let found = convert(values, from.as_string_view(), to.as_string_view())?;
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

fn convert(
    values: &Float64Array,
    from: &StringViewArray,
    to: &StringViewArray,
) -> Result<Float64Array> {
    let mut found = Vec::with_capacity(values.len());
    // Neighbours mostly have the same units.
    let mut last = None;
    for ((value, from), to) in values.iter().zip(from).zip(to) {
        let (Some(value), Some(from), Some(to)) = (value, from, to) else {
            found.push(None);
            continue;
        };
        let known = match last.take() {
            Some((own_from, own_to, known)) if (own_from, own_to) == (from, to) => known,
            _ => between(from, to)?,
        };
        found.push(Some(known(value)));
        last = Some((from, to, known));
    }
    Ok(found.into_iter().collect())
}

fn between(from: &str, to: &str) -> Result<impl Fn(f64) -> f64 + use<>> {
    let unit_of = |name: &str| unit::named(name).ok_or_else(|| unknown(name));
    let (source, target) = (unit_of(from)?, unit_of(to)?);
    unit::convert(source, target).ok_or_else(|| {
        let names: Vec<&str> = unit::names(Some(source.0)).collect();
        QueryError::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("convert: \"{from}\" and \"{to}\" measure different things"),
        )
        .with_hint(format!("\"{from}\" converts to: {}", names.join(", ")))
        .into()
    })
}

fn unknown(name: &str) -> DataFusionError {
    let error = QueryError::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("convert: unit \"{name}\" is not known"),
    );
    match nearest(name, unit::names(None)) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")).into(),
        None => error.with_hint("units are written as in 'degC', 'bar', 'm3/h', 'kWh'").into(),
    }
}
