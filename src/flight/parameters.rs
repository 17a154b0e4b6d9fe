//! Rows of parameters, as clients bind them to prepared statements.
//!
//! *Invariant.* A parameter keeps its value and its type; only texts are left to be read as what
//! the statement wants, a time for one.

use arrow_array::RecordBatch;
use datafusion::common::ScalarValue;
use tacitus_query::Parameter;
use tonic::{Code, Status};

use super::limits::PARAMETER_ROWS_MAX;
use super::status::{malformed, refusal};

/// The rows of batches of parameters, `$1` in the first column.
pub(super) fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<Parameter>>, Status> {
    let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if count > PARAMETER_ROWS_MAX {
        let what = format!("{count} rows of parameters were bound, at most {PARAMETER_ROWS_MAX}");
        let hint = "write samples with a bulk ingestion into \"samples\" instead";
        return Err(refusal(Code::InvalidArgument, &what, hint));
    }
    let numbered =
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    numbered.map(|(batch, row)| parameters(batch, row)).collect()
}

/// About how many bytes rows of parameters hold in memory.
pub(super) fn bytes(rows: &[Vec<Parameter>]) -> usize {
    let held = |parameter: &Parameter| match parameter {
        Parameter::Text(text) => text.len(),
        Parameter::Value(value) => value.size(),
        _ => 0,
    };
    let row =
        |row: &Vec<Parameter>| size_of_val(row.as_slice()) + row.iter().map(held).sum::<usize>();
    rows.iter().map(row).sum()
}

fn parameters(batch: &RecordBatch, row: usize) -> Result<Vec<Parameter>, Status> {
    let columns = batch.columns().iter();
    columns
        .map(|column| ScalarValue::try_from_array(column, row).map(parameter))
        .collect::<Result<_, _>>()
        .map_err(|error| malformed("a parameter", &error))
}

fn parameter(value: ScalarValue) -> Parameter {
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => Parameter::Text(text),
        ScalarValue::Dictionary(_, value) => parameter(*value),
        value if value.is_null() => Parameter::Null,
        value => Parameter::Value(value),
    }
}
