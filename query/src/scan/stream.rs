//! One partition of a scan: tag after tag, block after block.
//!
//! *Invariant.* A poll does a bounded piece of work; when it has looked at many blocks and tags
//! without a batch to show, it lets others run and asks to be polled again.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{BatchCoalescer, filter_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::RecordBatchStream;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, RecordOutput,
};
use futures::Stream;
use tacitus_model::Tag;
use tacitus_storage::{Block, TagScan};

use super::SampleScan;
use super::columns::TagColumns;
use crate::limits::{BATCH_ROWS_MAX, BATCH_TEXT_BYTES_MAX, STEPS_PER_POLL_MAX};
use crate::relation::SampleColumn;

/// What a partition counts, for `EXPLAIN ANALYZE`.
#[derive(Debug)]
pub(super) struct Counters {
    common: BaselineMetrics,
    /// Tags that may have samples in the span of time.
    tags_read: Count,
    blocks_read: Count,
    rows_read: Count,
}

impl Counters {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            common: BaselineMetrics::new(set, partition),
            tags_read: MetricBuilder::new(set).counter("tags_read", partition),
            blocks_read: MetricBuilder::new(set).counter("blocks_read", partition),
            rows_read: MetricBuilder::new(set).counter("rows_read", partition),
        }
    }
}

/// The rows of one partition.
pub(super) struct SampleStream {
    scan: Arc<SampleScan>,
    /// Positions of the tags still to be read.
    tags: Range<usize>,
    current: Option<(TagScan, TagColumns)>,
    columns: Arc<[SampleColumn]>,
    schema: SchemaRef,
    gathered: Gathered,
    /// Rows still wanted.
    left: usize,
    ended: bool,
    counters: Counters,
}

impl SampleStream {
    pub(super) fn new(
        scan: Arc<SampleScan>,
        tags: Range<usize>,
        columns: Arc<[SampleColumn]>,
        schema: SchemaRef,
        fetch: Option<usize>,
        counters: Counters,
    ) -> Self {
        let tags = if scan.range.is_empty() { 0..0 } else { tags };
        Self {
            scan,
            tags,
            current: None,
            columns,
            gathered: Gathered::new(Arc::clone(&schema)),
            schema,
            left: fetch.unwrap_or(usize::MAX),
            ended: false,
            counters,
        }
    }

    /// The next batch; `None` when there is more to do before there is one, or at the end.
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        for _ in 0..STEPS_PER_POLL_MAX {
            if let Some(batch) = self.gathered.next() {
                return Ok(Some(self.cut(&batch)));
            }
            if self.ended {
                return Ok(None);
            }
            self.step()?;
        }
        Ok(self.gathered.next().map(|batch| self.cut(&batch)))
    }

    /// Reads one block, or goes on to the next tag.
    fn step(&mut self) -> Result<()> {
        let Some((blocks, shared)) = &mut self.current else {
            match self.tags.next().and_then(|at| self.scan.tags.get(at)) {
                Some(tag) => self.current = open(&self.scan, tag, &self.counters),
                None => self.end()?,
            }
            return Ok(());
        };
        let Some(block) = blocks.next() else {
            self.current = None;
            return Ok(());
        };
        let block = block.map_err(|error| DataFusionError::External(Box::new(error)))?;
        self.counters.blocks_read.add(1);
        self.counters.rows_read.add(block.len());
        let quality = self.scan.quality.as_ref();
        let passes = match (quality, &block.qualities) {
            (Some(test), None) if !test.good_passes => return Ok(()),
            (Some(test), Some(codes)) => Some(test.passes(codes)?),
            _ => None,
        };
        let columns: Result<Vec<ArrayRef>> =
            self.columns.iter().map(|column| shared.column(*column, &block)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(block.len()));
        let mut batch =
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns?, &options)?;
        if let Some(passes) = passes {
            batch = filter_record_batch(&batch, &passes)?;
        }
        self.gathered.push(batch, text_bytes(&block, &self.columns))
    }

    fn end(&mut self) -> Result<()> {
        self.ended = true;
        self.gathered.finish()
    }

    /// Cuts a batch to the rows still wanted.
    fn cut(&mut self, batch: &RecordBatch) -> RecordBatch {
        let batch = batch.slice(0, batch.num_rows().min(self.left));
        self.left -= batch.num_rows();
        batch
    }
}

/// Starts to read a tag, unless it has nothing in the span of time.
fn open(scan: &SampleScan, tag: &Tag, counters: &Counters) -> Option<(TagScan, TagColumns)> {
    if !scan.snapshot.extent(tag.id).is_some_and(|extent| extent.overlaps(&scan.range)) {
        return None;
    }
    counters.tags_read.add(1);
    Some((scan.snapshot.scan(tag.id, scan.range), TagColumns::new(tag)))
}

/// The bytes of text that a block adds to a batch.
fn text_bytes(block: &Block, columns: &[SampleColumn]) -> usize {
    if !columns.contains(&SampleColumn::Text) {
        return 0;
    }
    block.texts.iter().map(|text| text.len()).sum()
}

impl Stream for SampleStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let timer = self.counters.common.elapsed_compute().clone();
        let started = timer.timer();
        let advanced = self.advance();
        started.done();
        match advanced {
            Ok(Some(batch)) => Poll::Ready(Some(Ok(batch.record_output(&self.counters.common)))),
            Ok(None) if self.ended => Poll::Ready(None),
            Ok(None) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Err(error) => {
                self.left = 0;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

impl RecordBatchStream for SampleStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Gathers small batches into larger ones.
struct Gathered {
    batches: BatchCoalescer,
    text_bytes: usize,
    /// Rows that have no columns (`count(*)`) are only counted.
    bare_rows: usize,
    bare: bool,
}

impl Gathered {
    fn new(schema: SchemaRef) -> Self {
        let bare = schema.fields().is_empty();
        let batches = BatchCoalescer::new(schema, BATCH_ROWS_MAX)
            .with_biggest_coalesce_batch_size(Some(BATCH_ROWS_MAX / 2));
        Self { batches, text_bytes: 0, bare_rows: 0, bare }
    }

    fn push(&mut self, batch: RecordBatch, text_bytes: usize) -> Result<()> {
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

    fn finish(&mut self) -> Result<()> {
        self.text_bytes = 0;
        Ok(self.batches.finish_buffered_batch()?)
    }

    fn next(&mut self) -> Option<RecordBatch> {
        if !self.bare {
            return self.batches.next_completed_batch();
        }
        let rows = self.bare_rows.min(BATCH_ROWS_MAX);
        self.bare_rows -= rows;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = self.batches.schema();
        (rows > 0).then(|| RecordBatch::try_new_with_options(schema, Vec::new(), &options).ok())?
    }
}
