//! Samples as a narrow Parquet file: `tag, kind, ts, value, value_int, text, quality`.
//!
//! The columns are those of the relation `samples`: `value` has the number of every tag but texts,
//! `value_int` the exact one of integers, booleans and states, `text` texts and names of states.
//!
//! *Invariant.* Read by [`crate::read_parquet`], a file gives the same samples again, bit for bit.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tacitus_model::{Kind, TagDefinition, Value};
use tacitus_storage::Block;

use super::refuse;
use crate::limits::GROUP_ROWS_MAX;

/// Writes blocks as rows.
#[derive(Debug)]
pub struct ParquetWriter<W: Write + Send> {
    out: ArrowWriter<W>,
    schema: SchemaRef,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// As the output says.
    pub fn new(out: W) -> std::io::Result<Self> {
        let word = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let schema = Arc::new(Schema::new(vec![
            Field::new("tag", word(), false),
            Field::new("kind", word(), false),
            Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false),
            Field::new("value", DataType::Float64, true),
            Field::new("value_int", DataType::Int64, true),
            Field::new("text", DataType::Utf8, true),
            Field::new("quality", DataType::UInt32, false),
        ]));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .build();
        let out = ArrowWriter::try_new(out, SchemaRef::clone(&schema), Some(properties));
        Ok(Self { out: out.map_err(refuse)?, schema })
    }

    /// Writes the samples of a tag.
    ///
    /// # Errors
    /// As the output says.
    pub fn block(&mut self, tag: &TagDefinition, block: &Block) -> std::io::Result<()> {
        let rows = block.len();
        let values: Vec<Value> = (0..rows).map(|row| block.value(row)).collect();
        let exact = |value: &Value| match value {
            Value::Int(number) => Some(*number),
            Value::Bool(fact) => Some(i64::from(*fact)),
            Value::State(index) => Some(i64::from(*index)),
            Value::Null | Value::Float(_) | Value::Text(_) => None,
        };
        let words = values.iter().map(|value| match value {
            Value::Text(text) => Some(&**text),
            Value::State(index) => tag.states.get(*index as usize).map(String::as_str),
            _ => None,
        });
        let qualities = (0..rows).map(|row| block.quality(row).0);
        let columns: Vec<ArrayRef> = vec![
            repeated(tag.path.as_str(), rows)?,
            repeated(Kind::name(tag.kind), rows)?,
            Arc::new(TimestampNanosecondArray::from(block.times.clone()).with_timezone("UTC")),
            Arc::new(values.iter().map(Value::as_number).collect::<Float64Array>()),
            Arc::new(values.iter().map(exact).collect::<Int64Array>()),
            Arc::new(words.collect::<StringArray>()),
            Arc::new(UInt32Array::from_iter_values(qualities)),
        ];
        let batch = RecordBatch::try_new(SchemaRef::clone(&self.schema), columns);
        self.out.write(&batch.map_err(refuse)?).map_err(refuse)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// As the output says.
    pub fn finish(self) -> std::io::Result<W> {
        let mut out = self.out.into_inner().map_err(refuse)?;
        out.flush()?;
        Ok(out)
    }
}

/// One word for all rows.
fn repeated(word: &str, rows: usize) -> std::io::Result<ArrayRef> {
    let keys = Int32Array::from(vec![0; rows]);
    let words: ArrayRef = Arc::new(StringArray::from(vec![word]));
    Ok(Arc::new(DictionaryArray::try_new(keys, words).map_err(refuse)?))
}
