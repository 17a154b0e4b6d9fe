//! Aggregates over samples, answered from what the store knows of its pages.
//!
//! ```text
//! AggregateExec: Final            AggregateExec: Final
//!   AggregateExec: Partial   ──▶    SummaryExec ─ tag ─┬─ windows from statistics
//!     FilterExec / ProjectionExec                      └─ rows, where statistics do not say
//!       SamplesExec
//! ```
//! The operator hands out *partial states*, the same that the engine's own partial aggregation
//! would hand out; several for one group where it is easier. The final aggregation above it is
//! left as it is. A query is taken over by [`Summarize`] if its groups are made of the tag and of
//! expressions that rise with time, and each of its figures can come from statistics.
//!
//! *Invariant.* The answer is that of the engine's own aggregation over the scan, up to the
//! rounding of sums. Statistics of a window are used only where every sample that they are of
//! would have counted.
//!
//! *Not here.* Which page is read for a window ([`Snapshot::aggregate`]); final values.
//!
//! [`Snapshot::aggregate`]: tacitus_storage::Snapshot::aggregate

mod figure;
mod key;
mod known;
mod rows;
mod rule;
mod stream;

pub(crate) use rule::Summarize;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{SortOptions, filter_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use tacitus_model::{TimeRange, Timestamp};

use crate::relation::SampleColumn;
use crate::scan::SampleScan;
use figure::{Asked, Needs};
use key::Keys;
use stream::SummaryStream;

/// What happens to rows between the scan and the aggregation.
#[derive(Debug, Clone)]
enum Stage {
    /// Rows for which this is true go on, with these columns.
    Filter(Arc<dyn PhysicalExpr>, Option<Vec<usize>>),
    /// Columns are worked out.
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
}

/// What is summarized, and how.
#[derive(Debug)]
struct Summary {
    scan: Arc<SampleScan>,
    /// The columns that the stages begin with.
    columns: Arc<[SampleColumn]>,
    columns_schema: SchemaRef,
    stages: Vec<Stage>,
    keys: Keys,
    asked: Vec<Asked>,
    needs: Needs,
    /// Groups, then partial states.
    schema: SchemaRef,
}

impl Summary {
    /// What the stages leave of rows of the scan.
    fn staged(&self, mut batch: RecordBatch) -> Result<RecordBatch> {
        for stage in &self.stages {
            batch = match stage {
                Stage::Filter(test, columns) => {
                    let passes = test.evaluate(&batch)?.into_array(batch.num_rows())?;
                    let passes: &BooleanArray = as_boolean_array(&passes)?;
                    match columns {
                        Some(columns) => filter_record_batch(&batch.project(columns)?, passes)?,
                        None => filter_record_batch(&batch, passes)?,
                    }
                }
                Stage::Project(expressions, schema) => {
                    let rows = batch.num_rows();
                    let columns: Result<Vec<_>> = expressions
                        .iter()
                        .map(|expr| expr.evaluate(&batch)?.into_array(rows))
                        .collect();
                    crate::scan::batch_of(schema, columns?, rows)?
                }
            };
        }
        Ok(batch)
    }
}

/// Some tags, over a span of time: what one stream works through, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Share {
    /// Positions of the tags.
    tags: Range<usize>,
    range: TimeRange,
}

/// The operator that hands out partial states.
#[derive(Debug)]
pub(crate) struct SummaryExec {
    summary: Arc<Summary>,
    shares: Vec<Share>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SummaryExec {
    /// How much is read, in samples, for choosing a lane; `None` where only a look would tell.
    pub(crate) fn rows_estimate(&self) -> Option<usize> {
        /// Samples that a statistic stands for, or more: a window has at least that many.
        const ROWS_OF_STATISTIC: usize = 256;
        let rows = self.summary.scan.rows_estimate()?;
        let known = self.summary.needs.statistics_serve();
        Some(if known { rows / ROWS_OF_STATISTIC } else { rows })
    }

    fn try_new(summary: Summary, partitions: usize) -> Self {
        let shares = shares(&summary.scan, partitions);
        let properties = PlanProperties::new(
            ordered(&summary),
            Partitioning::UnknownPartitioning(shares.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            summary: Arc::new(summary),
            shares,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

/// Divides the work: many tags by tags, few by time.
fn shares(scan: &SampleScan, partitions: usize) -> Vec<Share> {
    let tags = scan.tags.len();
    let partitions = partitions.max(1);
    if tags == 0 || tags >= partitions || scan.range.is_empty() {
        let partitions = partitions.min(tags).max(1);
        let edge = |at: usize| tags * at / partitions;
        let share = |at| Share { tags: edge(at)..edge(at + 1), range: scan.range };
        return (0..partitions).map(share).collect();
    }
    let slices = partitions.div_ceil(tags);
    let mut shares = Vec::with_capacity(tags * slices);
    for (at, tag) in scan.tags.iter().enumerate() {
        let range = scan.snapshot.extent(tag.id).map(|extent| extent.intersect(&scan.range));
        shares.extend(
            sliced(range.unwrap_or(scan.range), slices)
                .into_iter()
                .map(|range| Share { tags: at..at + 1, range }),
        );
    }
    shares
}

/// A span of time in equal slices.
fn sliced(range: TimeRange, slices: usize) -> Vec<TimeRange> {
    if range.is_empty() {
        return vec![range];
    }
    let (first, last) = (i128::from(range.first.nanos()), i128::from(range.last.nanos()));
    let slices = i128::try_from(slices).unwrap_or(1).clamp(1, last - first + 1);
    let edge = |at: i128| first + (last - first + 1) * at / slices;
    let moment = |nanos: i128| Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    (0..slices)
        .map(|at| TimeRange { first: moment(edge(at)), last: moment(edge(at + 1) - 1) })
        .collect()
}

/// Declares that groups come in the order of (tag, time), as far as the columns show it.
fn ordered(summary: &Summary) -> EquivalenceProperties {
    let mut properties = EquivalenceProperties::new(Arc::clone(&summary.schema));
    let column = |at: &usize| -> PhysicalSortExpr {
        let name = summary.schema.fields().get(*at).map(|field| field.name().as_str());
        let column = Column::new(name.unwrap_or_default(), *at);
        PhysicalSortExpr::new(Arc::new(column), SortOptions::default())
    };
    let times = summary.keys.times();
    let tag = summary.keys.tag();
    if summary.scan.tags.len() <= 1 {
        properties.add_ordering(times.iter().map(column));
    } else if let Some(tag) = tag {
        properties.add_ordering(std::iter::once(&tag).chain(times.iter()).map(column));
    }
    properties
}

impl DisplayAs for SummaryExec {
    fn fmt_as(&self, _: DisplayFormatType, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = &self.summary;
        out.write_str("SummaryExec: ")?;
        summary.scan.describe(out)?;
        let groups: Vec<&str> = summary.keys.names().collect();
        let figures: Vec<&str> = summary.asked.iter().map(Asked::name).collect();
        write!(out, ", groups=[{}], figures=[{}]", groups.join(", "), figures.join(", "))?;
        for stage in &summary.stages {
            if let Stage::Filter(test, _) = stage {
                write!(out, ", rows where {test}")?;
            }
        }
        let statistics = if summary.needs.statistics_serve() { "used" } else { "not used" };
        write!(out, ", statistics={statistics}, partitions={}", self.shares.len())
    }
}

impl ExecutionPlan for SummaryExec {
    fn name(&self) -> &'static str {
        "SummaryExec"
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
        Ok(Arc::new(Statistics::new_unknown(&self.schema())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(share) = self.shares.get(partition) else {
            return Err(DataFusionError::Internal(format!("there is no partition {partition}")));
        };
        Ok(Box::pin(cooperative(SummaryStream::new(
            Arc::clone(&self.summary),
            share.clone(),
            stream::Counters::new(&self.metrics, partition),
        ))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64) -> TimeRange {
        TimeRange { first: Timestamp::from_nanos(first), last: Timestamp::from_nanos(last) }
    }

    #[test]
    fn slices_cover_a_span_without_gap_and_without_overlap() {
        assert_eq!(sliced(range(0, 9), 3), [range(0, 2), range(3, 5), range(6, 9)]);
        assert_eq!(sliced(range(5, 5), 4), [range(5, 5)]);
        assert_eq!(sliced(range(i64::MIN, i64::MAX), 2), [range(i64::MIN, -1), range(0, i64::MAX)]);
    }

    #[test]
    fn an_empty_span_stays_one_empty_slice() {
        assert_eq!(sliced(range(1, 0), 3), [range(1, 0)]);
    }
}
