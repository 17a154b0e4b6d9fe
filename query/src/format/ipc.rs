//! The Arrow IPC stream format.
//!
//! *Invariant.* Only plain types are sent: view types, which older readers do not know, become
//! the plain ones.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow_ipc::writer::StreamWriter;

use super::plain::{Plain, Plainness};

/// Writes one stream.
pub(super) struct ArrowWriter {
    plain: Plain,
    stream: StreamWriter<Vec<u8>>,
}

impl std::fmt::Debug for ArrowWriter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ArrowWriter").field("plain", &self.plain).finish_non_exhaustive()
    }
}

impl ArrowWriter {
    pub(super) fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let plain = Plain::new(schema, Plainness::Arrow);
        let stream = StreamWriter::try_new(Vec::new(), plain.schema())?;
        Ok(Self { plain, stream })
    }

    /// What was written since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.stream.get_mut())
    }

    pub(super) fn rows(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        self.stream.write(&self.plain.batch(batch)?)?;
        Ok(self.take())
    }

    pub(super) fn end(mut self) -> Result<Vec<u8>, ArrowError> {
        self.stream.finish()?;
        Ok(self.take())
    }
}
