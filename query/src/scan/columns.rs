//! Turns a block of one tag into the columns of `samples`.
//!
//! *Invariant.* Columns that are not asked for are not built. A float's bits pass through as they
//! are stored; a row without a value has neither number nor text.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampNanosecondArray, UInt32Array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::{filter_record_batch, take};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::Result;
use tacitus_model::{Kind, Quality, Tag};
use tacitus_storage::Block;

use super::{SampleScan, batch_of};
use crate::relation::SampleColumn;

/// What the columns of a tag's blocks have in common.
#[derive(Debug)]
pub(crate) struct TagColumns {
    /// The path, once.
    path: StringViewArray,
    /// The names of the states, by index.
    states: StringViewArray,
}

impl TagColumns {
    pub(crate) fn new(tag: &Tag) -> Self {
        Self {
            path: StringViewArray::from_iter_values([tag.definition.path.as_str()]),
            states: StringViewArray::from_iter_values(&tag.definition.states),
        }
    }

    /// The rows of a block that are of the quality wanted; `None` where none is.
    pub(crate) fn rows(
        &self,
        scan: &SampleScan,
        columns: &[SampleColumn],
        schema: &SchemaRef,
        block: &Block,
    ) -> Result<Option<RecordBatch>> {
        let passes = match (&scan.quality, &block.qualities) {
            (Some(test), None) if !test.good_passes => return Ok(None),
            (Some(test), Some(codes)) => Some(test.passes(codes)?),
            _ => None,
        };
        let columns: Result<Vec<ArrayRef>> =
            columns.iter().map(|column| self.column(*column, block)).collect();
        let rows = batch_of(schema, columns?, block.len())?;
        Ok(Some(match passes {
            Some(passes) => filter_record_batch(&rows, &passes)?,
            None => rows,
        }))
    }

    /// One column of a block.
    pub(crate) fn column(&self, column: SampleColumn, block: &Block) -> Result<ArrayRef> {
        let rows = block.len();
        Ok(match column {
            SampleColumn::Tag => take(&self.path, &UInt32Array::from(vec![0; rows]), None)?,
            SampleColumn::Ts => {
                Arc::new(TimestampNanosecondArray::from(block.times.clone()).with_timezone("UTC"))
            }
            SampleColumn::Value => value(block),
            SampleColumn::ValueInt => value_int(block),
            SampleColumn::Text => self.text(block)?,
            SampleColumn::Quality => Arc::new(match &block.qualities {
                None => Int64Array::from(vec![i64::from(Quality::GOOD.0); rows]),
                Some(codes) => codes.iter().map(|code| i64::from(*code)).collect(),
            }),
            SampleColumn::Good => Arc::new(match &block.qualities {
                None => BooleanArray::new(BooleanBuffer::new_set(rows), None),
                Some(codes) => codes.iter().map(|code| Some(Quality(*code).is_good())).collect(),
            }),
        })
    }

    /// The texts of a text tag, the states' names of a state tag.
    fn text(&self, block: &Block) -> Result<ArrayRef> {
        let texts;
        let (texts, count): (&dyn Array, usize) = match block.kind {
            Kind::Text => {
                texts = StringViewArray::from_iter_values(&block.texts);
                (&texts, texts.len())
            }
            Kind::State => (&self.states, self.states.len()),
            Kind::Float | Kind::Int | Kind::Bool => {
                return Ok(new_null_array(&DataType::Utf8View, block.len()));
            }
        };
        let known = |bits: &u64| u32::try_from(*bits).ok().filter(|at| (*at as usize) < count);
        let at: UInt32Array = match &block.nulls {
            None => block.bits.iter().map(known).collect(),
            Some(nulls) => {
                let rows = block.bits.iter().zip(nulls);
                rows.map(|(bits, null)| if *null { None } else { known(bits) }).collect()
            }
        };
        Ok(take(texts, &at, None)?)
    }
}

/// The value as a number.
fn value(block: &Block) -> ArrayRef {
    let bits = &block.bits;
    let numbers: ScalarBuffer<f64> = match block.kind {
        Kind::Float => ScalarBuffer::new(Buffer::from_vec(bits.clone()), 0, bits.len()),
        #[expect(clippy::cast_precision_loss, reason = "documented: nearest float")]
        Kind::Int => bits.iter().map(|bits| bits.cast_signed() as f64).collect(),
        #[expect(clippy::cast_precision_loss, reason = "0, 1 or an index below 2^32")]
        Kind::Bool | Kind::State => bits.iter().map(|bits| *bits as f64).collect(),
        Kind::Text => return new_null_array(&DataType::Float64, bits.len()),
    };
    Arc::new(Float64Array::new(numbers, valid(block)))
}

/// The value as a whole number, where the tag's kind has only such.
fn value_int(block: &Block) -> ArrayRef {
    let bits = &block.bits;
    match block.kind {
        Kind::Int | Kind::Bool | Kind::State => {
            let numbers = ScalarBuffer::new(Buffer::from_vec(bits.clone()), 0, bits.len());
            Arc::new(Int64Array::new(numbers, valid(block)))
        }
        Kind::Float | Kind::Text => new_null_array(&DataType::Int64, bits.len()),
    }
}

fn valid(block: &Block) -> Option<NullBuffer> {
    block.nulls.as_ref().map(|nulls| nulls.iter().map(|null| !null).collect())
}
