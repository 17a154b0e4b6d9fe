//! Small batches, gathered into larger ones.
//!
//! *Invariant.* Rows keep their order. A batch has at most 8192 rows, and little more text than
//! [`BATCH_TEXT_BYTES_MAX`].

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;

use super::batch_of;
use crate::limits::{BATCH_ROWS_MAX, BATCH_TEXT_BYTES_MAX};

/// Gathers small batches into larger ones.
pub(crate) struct Gathered {
    batches: BatchCoalescer,
    text_bytes: usize,
    /// Rows that have no columns (`count(*)`) are only counted.
    bare_rows: usize,
    bare: bool,
}

impl Gathered {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let bare = schema.fields().is_empty();
        let batches = BatchCoalescer::new(schema, BATCH_ROWS_MAX)
            .with_biggest_coalesce_batch_size(Some(BATCH_ROWS_MAX / 2));
        Self { batches, text_bytes: 0, bare_rows: 0, bare }
    }

    pub(crate) fn push(&mut self, batch: RecordBatch, text_bytes: usize) -> Result<()> {
        if self.bare {
            self.bare_rows += batch.num_rows();
            return Ok(());
        }
        self.text_bytes += text_bytes;
        self.batches.push_batch(batch)?;
        if self.text_bytes > BATCH_TEXT_BYTES_MAX {
            self.finish()?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Result<()> {
        self.text_bytes = 0;
        Ok(self.batches.finish_buffered_batch()?)
    }

    pub(crate) fn next(&mut self) -> Option<RecordBatch> {
        if !self.bare {
            return self.batches.next_completed_batch();
        }
        let rows = self.bare_rows.min(BATCH_ROWS_MAX);
        self.bare_rows -= rows;
        let schema = self.batches.schema();
        (rows > 0).then(|| batch_of(&schema, Vec::new(), rows).ok())?
    }
}
