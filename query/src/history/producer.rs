//! A relation whose rows are worked out part by part, as the operator of a plan.
//!
//! *Invariant.* A poll does a bounded piece of work and then lets others run; a dropped stream
//! stops it. Every part is worked out by exactly one partition, parts in order.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{ArrayRef, RecordBatch, StringViewArray, UInt32Array};
use arrow::compute::{BatchCoalescer, SortOptions, take};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, RecordBatchStream,
    SendableRecordBatchStream,
};
use futures::Stream;
use tacitus_model::{Tag, TimeRange, Timestamp};
use tacitus_storage::Snapshot;

use crate::limits::{BATCH_ROWS_MAX, SAMPLES_OF_TAG_GUESS, STEPS_PER_POLL_MAX};
use crate::scan::SampleScan;

/// What a piece of work gave.
#[derive(Debug)]
pub(crate) enum Piece {
    Rows(RecordBatch),
    /// Nothing yet.
    More,
    End,
}

/// The rows of one part.
pub(crate) trait Rows: Send {
    /// Does a piece of work, of a millisecond or so.
    fn piece(&mut self) -> Result<Piece>;
}

/// Works out the rows of a relation.
pub(crate) trait Producer: fmt::Debug + fmt::Display + Send + Sync {
    /// The columns.
    fn schema(&self) -> SchemaRef;

    /// How many parts there are; mostly one a tag.
    fn parts(&self) -> usize;

    /// Begins a part.
    fn open(&self, part: usize) -> Result<Box<dyn Rows>>;

    /// About how many samples are read, for choosing a lane; `None` where only a look would tell.
    fn rows_estimate(&self) -> Option<usize>;

    /// Columns by which the rows come ordered, and which of them fall.
    fn order(&self) -> Vec<(&'static str, bool)>;
}

/// A relation made by a producer.
#[derive(Debug)]
pub(crate) struct Made(pub(crate) Arc<dyn Producer>);

#[async_trait]
impl TableProvider for Made {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let producer = Arc::clone(&self.0);
        let columns = projection.cloned();
        let schema = match &columns {
            Some(columns) => Arc::new(producer.schema().project(columns)?),
            None => producer.schema(),
        };
        let partitions = session.config().target_partitions().min(producer.parts()).max(1);
        let mut known = EquivalenceProperties::new(Arc::clone(&schema));
        let order = producer.order();
        let shown = order.iter().map_while(|(name, falls)| {
            let at = schema.index_of(name).ok()?;
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, at));
            let options = SortOptions { descending: *falls, nulls_first: *falls };
            Some(PhysicalSortExpr::new(column, options))
        });
        known.add_ordering(shown);
        let properties = PlanProperties::new(
            known,
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(MadeExec {
            producer,
            columns,
            limit,
            properties: Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative)),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

/// Hands out the rows of a producer.
#[derive(Debug)]
struct MadeExec {
    producer: Arc<dyn Producer>,
    columns: Option<Vec<usize>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DisplayAs for MadeExec {
    fn fmt_as(&self, _: DisplayFormatType, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.producer)?;
        self.limit.map_or(Ok(()), |limit| write!(out, ", limit={limit}"))
    }
}

impl ExecutionPlan for MadeExec {
    fn name(&self) -> &'static str {
        "MadeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let guess = || self.producer.parts().saturating_mul(SAMPLES_OF_TAG_GUESS);
        let rows = self.producer.rows_estimate().unwrap_or_else(guess);
        let unknown = Statistics::new_unknown(&self.schema());
        Ok(Arc::new(unknown.with_num_rows(Precision::Inexact(rows))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let partitions = self.properties.partitioning.partition_count();
        let edge = |at: usize| self.producer.parts() * at / partitions;
        let schema = self.schema();
        let gathered = (!schema.fields().is_empty())
            .then(|| BatchCoalescer::new(Arc::clone(&schema), BATCH_ROWS_MAX));
        Ok(Box::pin(cooperative(MadeStream {
            producer: Arc::clone(&self.producer),
            parts: edge(partition)..edge(partition + 1),
            current: None,
            columns: self.columns.clone(),
            schema,
            gathered,
            left: self.limit.unwrap_or(usize::MAX),
            ended: false,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        })))
    }
}

/// The rows of one partition.
struct MadeStream {
    producer: Arc<dyn Producer>,
    parts: std::ops::Range<usize>,
    current: Option<Box<dyn Rows>>,
    columns: Option<Vec<usize>>,
    schema: SchemaRef,
    /// Gathers small batches; rows without columns pass as they are.
    gathered: Option<BatchCoalescer>,
    left: usize,
    ended: bool,
    metrics: BaselineMetrics,
}

impl MadeStream {
    /// The next batch; `None` when there is more to do before there is one, or at the end.
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        for _ in 0..STEPS_PER_POLL_MAX {
            if let Some(batch) =
                self.gathered.as_mut().and_then(BatchCoalescer::next_completed_batch)
            {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            if let Some(batch) = self.step()? {
                match &mut self.gathered {
                    Some(gathered) => gathered.push_batch(batch)?,
                    None => return Ok(Some(batch)),
                }
            }
        }
        Ok(None)
    }

    fn step(&mut self) -> Result<Option<RecordBatch>> {
        let Some(rows) = &mut self.current else {
            if let Some(part) = self.parts.next() {
                self.current = Some(self.producer.open(part)?);
                return Ok(None);
            }
            self.ended = true;
            if let Some(gathered) = &mut self.gathered {
                gathered.finish_buffered_batch()?;
            }
            return Ok(None);
        };
        match rows.piece()? {
            Piece::Rows(batch) => Ok(Some(match &self.columns {
                Some(columns) => batch.project(columns)?,
                None => batch,
            })),
            Piece::More => Ok(None),
            Piece::End => {
                self.current = None;
                Ok(None)
            }
        }
    }
}

impl Stream for MadeStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let timer = self.metrics.elapsed_compute().clone();
        let started = timer.timer();
        let advanced = self.advance();
        started.done();
        match advanced {
            Ok(Some(batch)) => {
                let batch = batch.slice(0, batch.num_rows().min(self.left));
                self.left -= batch.num_rows();
                Poll::Ready(Some(Ok(batch.record_output(&self.metrics))))
            }
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

impl RecordBatchStream for MadeStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// One text in so many rows.
pub(super) fn repeated(text: &str, rows: usize) -> Result<ArrayRef> {
    let one = StringViewArray::from_iter_values([text]);
    Ok(take(&one, &UInt32Array::from(vec![0; rows]), None)?)
}

/// About how many samples tags have between two times, in either order.
pub(super) fn rows_between(
    snapshot: &Snapshot,
    tags: &[Arc<Tag>],
    one: i64,
    other: i64,
) -> Option<usize> {
    let (first, last) =
        (Timestamp::from_nanos(one.min(other)), Timestamp::from_nanos(one.max(other)));
    let range = TimeRange { first, last };
    SampleScan { snapshot: snapshot.clone(), tags: tags.to_vec(), range, quality: None }
        .rows_estimate()
}

/// An error of the store on its way through the engine.
pub(super) fn stored(error: tacitus_storage::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
