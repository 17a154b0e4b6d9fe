//! Comma-separated values (RFC 4180), as PostgreSQL's `COPY … CSV HEADER` writes them, but with
//! CRLF at the end of lines as the RFC asks.
//!
//! *Invariant.* Null and the empty text differ: null is nothing, the empty text is `""`.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;

use super::cell::{Column, Written};

/// The line of names.
pub(super) fn head(schema: &Schema) -> String {
    let mut out = String::new();
    for (at, field) in schema.fields().iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push(field.name(), &mut out);
    }
    out.push_str("\r\n");
    out
}

/// Some lines.
pub(super) fn rows(batch: &RecordBatch) -> Result<String, ArrowError> {
    let columns: Result<Vec<Column>, _> = batch.columns().iter().map(Column::new).collect();
    let columns = columns?;
    let mut out = String::new();
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            text.clear();
            if column.write(row, &mut text)? != Written::Null {
                push(&text, &mut out);
            }
        }
        out.push_str("\r\n");
    }
    Ok(out)
}

/// Adds a field, in quotes where it needs them.
fn push(text: &str, out: &mut String) {
    if text.is_empty() || text.contains(['"', ',', '\r', '\n']) {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}
