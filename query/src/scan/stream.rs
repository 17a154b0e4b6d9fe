//! One partition of a scan: tag after tag, block after block.
//!
//! *Invariant.* A poll does a bounded piece of work; when it has looked at many blocks and tags
//! without a batch to show, it lets others run and asks to be polled again.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::RecordBatchStream;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, RecordOutput,
};
use futures::Stream;
use tacitus_model::Tag;
use tacitus_storage::{Block, TagScan};

use super::backward::Backward;
use super::columns::TagColumns;
use super::gathered::Gathered;
use super::hint::Hints;
use super::{Order, SampleScan};
use crate::limits::STEPS_PER_POLL_MAX;
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
    current: Option<(Blocks, TagColumns)>,
    columns: Arc<[SampleColumn]>,
    schema: SchemaRef,
    gathered: Gathered,
    /// Rows still wanted.
    left: usize,
    order: Order,
    hints: Hints,
    ended: bool,
    counters: Counters,
}

impl SampleStream {
    pub(super) fn new(
        scan: Arc<SampleScan>,
        tags: Range<usize>,
        columns: Arc<[SampleColumn]>,
        schema: SchemaRef,
        (fetch, order, hints): (Option<usize>, Order, Hints),
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
            order,
            hints,
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
                Some(tag) => self.current = self.open(tag)?,
                None => self.end()?,
            }
            return Ok(());
        };
        if !self.hints.is_empty()
            && let Blocks::Falling(blocks) = blocks
        {
            blocks.limit(self.hints.range().first);
        }
        let Some(block) = blocks.next()? else {
            self.current = None;
            return Ok(());
        };
        self.counters.blocks_read.add(1);
        self.counters.rows_read.add(block.len());
        let text_bytes = text_bytes(&block, &self.columns);
        match shared.rows(&self.scan, &self.columns, &self.schema, &block)? {
            Some(batch) => self.gathered.push(batch, text_bytes),
            None => Ok(()),
        }
    }

    /// Starts to read a tag, unless it has nothing that is wanted.
    fn open(&self, tag: &Tag) -> Result<Option<(Blocks, TagColumns)>> {
        let (snapshot, mut range) = (&self.scan.snapshot, self.scan.range);
        if !self.hints.is_empty() {
            if !self.hints.wants(tag.definition.path.as_str())? {
                return Ok(None);
            }
            range = range.intersect(&self.hints.range());
        }
        if !snapshot.extent(tag.id).is_some_and(|extent| extent.overlaps(&range)) {
            return Ok(None);
        }
        self.counters.tags_read.add(1);
        let blocks = match self.order {
            Order::Rising => Blocks::Rising(Box::new(snapshot.scan(tag.id, range))),
            Order::Falling => {
                Blocks::Falling(Box::new(Backward::new(snapshot.clone(), tag.id, range)))
            }
        };
        Ok(Some((blocks, TagColumns::new(tag))))
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

/// The blocks of one tag.
enum Blocks {
    Rising(Box<TagScan>),
    Falling(Box<Backward>),
}

impl Blocks {
    fn next(&mut self) -> Result<Option<Block>> {
        match self {
            Self::Rising(blocks) => blocks.next().transpose(),
            Self::Falling(blocks) => blocks.next(),
        }
        .map_err(|error| DataFusionError::External(Box::new(error)))
    }
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
