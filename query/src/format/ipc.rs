//! The Arrow IPC stream format.
//!
//! *Invariant.* Only plain types are sent: view types, which older readers do not know, become
//! the plain ones. It also keeps a cut text column from carrying the whole it was cut from.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_ipc::writer::StreamWriter;

/// Writes one stream.
pub(super) struct ArrowWriter {
    schema: SchemaRef,
    stream: StreamWriter<Vec<u8>>,
}

impl std::fmt::Debug for ArrowWriter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ArrowWriter").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl ArrowWriter {
    pub(super) fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_data_type(plain(field.data_type())))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let stream = StreamWriter::try_new(Vec::new(), &schema)?;
        Ok(Self { schema, stream })
    }

    /// What was written since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.stream.get_mut())
    }

    pub(super) fn rows(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        let columns: Result<Vec<_>, _> = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| cast(column, field.data_type()))
            .collect();
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch =
            RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns?, &options)?;
        self.stream.write(&batch)?;
        Ok(self.take())
    }

    pub(super) fn end(mut self) -> Result<Vec<u8>, ArrowError> {
        self.stream.finish()?;
        Ok(self.take())
    }
}

fn plain(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) => {
            let item = item.as_ref().clone();
            let kind = plain(item.data_type());
            DataType::List(Arc::new(item.with_data_type(kind)))
        }
        other => other.clone(),
    }
}
