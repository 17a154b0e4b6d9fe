//! `{"columns":[{"name":…,"type":…}],"rows":[[…],…]}`.
//!
//! *Invariant.* What was written so far is never complete JSON before [`TAIL`] is.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;

use super::cell::{Column, unwritten};
use super::name::type_name;

/// Bytes of a value and what is around it, mostly.
const CELL_BYTES_GUESS: usize = 18;

/// The end of the document.
pub(super) const TAIL: &str = "\n]}\n";

/// The document up to its rows.
pub(super) fn head(schema: &Schema) -> String {
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| {
            let name = serde_json::Value::from(field.name().as_str());
            let kind = serde_json::Value::from(type_name(field.data_type()));
            format!("{{\"name\":{name},\"type\":{kind}}}")
        })
        .collect();
    format!("{{\"columns\":[{}],\"rows\":[", columns.join(","))
}

/// Some rows; `follows` says whether others came before.
pub(super) fn rows(batch: &RecordBatch, mut follows: bool) -> Result<String, ArrowError> {
    let columns: Result<Vec<Column>, _> = batch.columns().iter().map(Column::new).collect();
    let columns = columns?;
    let mut out = String::with_capacity(batch.num_rows() * batch.num_columns() * CELL_BYTES_GUESS);
    for row in 0..batch.num_rows() {
        out.push_str(if follows { ",\n[" } else { "\n[" });
        follows = true;
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            column.write_json(row, &mut out).map_err(unwritten)?;
        }
        out.push(']');
    }
    Ok(out)
}
