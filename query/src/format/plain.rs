//! Answers in types that every Arrow reader knows.
//!
//! | column | [`Plainness::Arrow`] | [`Plainness::Basic`] |
//! |---|---|---|
//! | text views, dictionaries, run-length columns | the plain values | the same, as `Utf8` |
//! | timestamps | nanoseconds | nanoseconds |
//! | dates | as they are | nanoseconds |
//! | decimals, small floats | as they are | `Float64` |
//! | lists and all else | of plain items | text |
//!
//! *Invariant.* A plain schema depends on the columns only, never on the rows, so that it can be
//! told before the first of them. A plain column carries nothing of what it was cut from.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

/// How plain the columns are to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plainness {
    /// What every Arrow library reads.
    #[default]
    Arrow,
    /// What a dashboard reads that knows times, numbers, truth and text only.
    Basic,
}

/// Makes batches plain.
#[derive(Debug, Clone)]
pub struct Plain {
    schema: SchemaRef,
}

impl Plain {
    /// For batches with these columns.
    pub fn new(schema: &Schema, plainness: Plainness) -> Self {
        let kind = |kind: &DataType| match plainness {
            Plainness::Arrow => plain(kind),
            Plainness::Basic => basic(kind),
        };
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_data_type(kind(field.data_type())))
            .collect();
        Self { schema: Arc::new(Schema::new(fields)) }
    }

    /// The plain columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The same rows in plain columns.
    ///
    /// # Errors
    /// A value has no counterpart in its plain type, such as a date beyond the year 2262.
    pub fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns: Result<Vec<ArrayRef>, _> = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| cast(column, field.data_type()))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns?, &options)
    }
}

fn plain(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Nanosecond, zone.clone()),
        DataType::List(item) | DataType::ListView(item) => DataType::List(plain_field(item)),
        DataType::LargeList(item) => DataType::LargeList(plain_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        other => other.clone(),
    }
}

fn plain_field(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(plain(field.data_type())))
}

fn basic(kind: &DataType) -> DataType {
    match plain(kind) {
        DataType::Date32 | DataType::Date64 => DataType::Timestamp(TimeUnit::Nanosecond, None),
        DataType::Float16
        | DataType::Float32
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => DataType::Float64,
        known if known.is_integer() => known,
        known @ (DataType::Float64 | DataType::Boolean | DataType::Timestamp(..)) => known,
        _ => DataType::Utf8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_becomes_one_that_readers_know() {
        let text = Box::new(DataType::Utf8View);
        let item = |kind| Arc::new(Field::new("item", kind, true));
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let cases = [
            (DataType::Utf8View, DataType::Utf8, DataType::Utf8),
            (DataType::Dictionary(Box::new(DataType::Int32), text), DataType::Utf8, DataType::Utf8),
            (DataType::Timestamp(TimeUnit::Second, None), nanos.clone(), nanos.clone()),
            (DataType::Date32, DataType::Date32, nanos),
            (DataType::Decimal128(9, 2), DataType::Decimal128(9, 2), DataType::Float64),
            (DataType::Int32, DataType::Int32, DataType::Int32),
            (DataType::Float64, DataType::Float64, DataType::Float64),
            (
                DataType::List(item(DataType::Utf8View)),
                DataType::List(item(DataType::Utf8)),
                DataType::Utf8,
            ),
        ];
        for (column, arrow, simple) in cases {
            let schema = Schema::new(vec![Field::new("c", column.clone(), true)]);
            for (plainness, want) in [(Plainness::Arrow, arrow), (Plainness::Basic, simple)] {
                let plain = Plain::new(&schema, plainness);
                assert_eq!(plain.schema().field(0).data_type(), &want, "{column} {plainness:?}");
                let none = RecordBatch::new_empty(Arc::new(schema.clone()));
                assert_eq!(plain.batch(&none).unwrap().num_rows(), 0, "{column} {plainness:?}");
            }
        }
    }
}
