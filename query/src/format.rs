//! Answers as bytes: JSON, CSV, Arrow stream.
//!
//! A [`Renderer`] is given the columns once and then batch after batch, and returns the bytes to
//! send next, so that an answer is never held as a whole.
//!
//! *Invariant.* A number read back from JSON or CSV is the number that was written: floats are
//! printed with the fewest digits that give the same bits, whole numbers in full, times to the
//! nanosecond.
//!
//! *Not here.* Which format a client gets, and over which wire.

mod cell;
mod csv;
mod ipc;
mod json;
mod name;
mod number;
mod plain;
mod time;

#[cfg(test)]
mod tests;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use crate::error::{QueryError, SqlState};
use ipc::ArrowWriter;

pub use name::type_name;
pub(crate) use name::udt_name;
pub use number::{write_float, write_int, write_whole};
pub use plain::{Plain, Plainness};
pub(crate) use time::rfc3339;
pub use time::write_date_time;

/// A form an answer can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object: `{"columns":[{"name":…,"type":…}],"rows":[[…],…]}`.
    Json,
    /// Comma-separated values with a header (RFC 4180); null is nothing, an empty text is `""`.
    Csv,
    /// The Arrow IPC stream format, with plain types that every reader knows.
    Arrow,
}

impl Format {
    /// Every format; the first is the usual one.
    pub const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Arrow];

    /// The media type a client asks for.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// Writes one answer.
#[derive(Debug)]
pub struct Renderer {
    schema: SchemaRef,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Json { rows_written: bool },
    Csv,
    Arrow(Box<ArrowWriter>),
}

impl Renderer {
    /// A writer of an answer with these columns.
    ///
    /// # Errors
    /// The format cannot express the columns.
    pub fn new(format: Format, schema: &SchemaRef) -> Result<Self, QueryError> {
        let form = match format {
            Format::Json => Form::Json { rows_written: false },
            Format::Csv => Form::Csv,
            Format::Arrow => Form::Arrow(Box::new(ArrowWriter::new(schema).map_err(unwritable)?)),
        };
        Ok(Self { schema: SchemaRef::clone(schema), form })
    }

    /// The bytes before the first row.
    pub fn begin(&mut self) -> Vec<u8> {
        match &mut self.form {
            Form::Json { .. } => json::head(&self.schema).into_bytes(),
            Form::Csv => csv::head(&self.schema).into_bytes(),
            Form::Arrow(writer) => writer.take(),
        }
    }

    /// The bytes of some rows.
    ///
    /// # Errors
    /// The format cannot express a value.
    pub fn rows(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
        match &mut self.form {
            Form::Json { rows_written } => {
                let bytes = json::rows(batch, *rows_written).map_err(unwritable)?;
                *rows_written |= batch.num_rows() > 0;
                Ok(bytes.into_bytes())
            }
            Form::Csv => csv::rows(batch).map(String::into_bytes).map_err(unwritable),
            Form::Arrow(writer) => writer.rows(batch).map_err(unwritable),
        }
    }

    /// The bytes after the last row: without them an answer is not complete.
    ///
    /// # Errors
    /// The format cannot be ended.
    pub fn end(self) -> Result<Vec<u8>, QueryError> {
        match self.form {
            Form::Json { .. } => Ok(json::TAIL.as_bytes().to_vec()),
            Form::Csv => Ok(Vec::new()),
            Form::Arrow(writer) => writer.end().map_err(unwritable),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritable(error: ArrowError) -> QueryError {
    QueryError::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("the answer cannot be written in this format: {error}"),
    )
    .with_hint("cast the column to text, or ask for another format")
}
