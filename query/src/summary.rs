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
//! left as it is, unless every group is of one tag: then the work is divided between groups, and
//! the operator hands out *whole groups*, in the order of (tag, time), in the place of both
//! aggregations. A query is taken over by [`Summarize`] if its groups are made of the tag and of
//! expressions that rise with time, and each of its figures can come from statistics.
//!
//! *Invariant.* The answer is that of the engine's own aggregation over the scan, up to the
//! rounding of sums. Statistics of a window are used only where every sample that they are of
//! would have counted.
//!
//! *Not here.* Which page is read for a window ([`Snapshot::aggregate`]); final values.
//!
//! [`Snapshot::aggregate`]: tacitus_storage::Snapshot::aggregate

mod course;
mod figure;
mod key;
mod known;
mod line;
mod needs;
mod rows;
mod rule;
mod share;
mod sheet;
mod stream;
mod windows;

pub(crate) use rule::Summarize;

use std::fmt;
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
use tacitus_model::Tag;

use crate::relation::SampleColumn;
use crate::scan::SampleScan;
use figure::Asked;
use key::Keys;
use line::Line;
use needs::Needs;
use share::{Share, shares, whole_shares};
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
#[derive(Debug, Clone)]
struct Summary {
    scan: Arc<SampleScan>,
    /// The columns that the stages begin with.
    columns: Arc<[SampleColumn]>,
    columns_schema: SchemaRef,
    stages: Vec<Stage>,
    keys: Keys,
    asked: Vec<Asked>,
    needs: Needs,
    /// Whether whole groups are handed out.
    whole: bool,
    /// Groups, then their figures or partial states.
    schema: SchemaRef,
}

impl Summary {
    /// Whether what the store knows of a tag can answer all that is asked.
    fn serves(&self, tag: &Tag) -> bool {
        self.asked.iter().filter_map(Asked::course).all(|course| course.serves(tag))
    }

    /// Whether no two tags are in one group.
    fn parts_tags(&self) -> bool {
        !self.keys.is_empty() && (self.keys.tag().is_some() || self.scan.tags.len() <= 1)
    }

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

/// The operator that hands out groups.
#[derive(Debug)]
pub(crate) struct SummaryExec {
    summary: Arc<Summary>,
    /// One a partition, or all of them in one where groups are whole.
    shares: Vec<Share>,
    threads: usize,
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

    fn try_new(summary: Summary, threads: usize) -> Result<Self> {
        let shares = if summary.whole {
            whole_shares(&summary.scan, &summary.keys, threads)?
        } else {
            shares(&summary.scan, threads)
        };
        let partitions = if summary.whole { 1 } else { shares.len() };
        let properties = PlanProperties::new(
            ordered(&summary),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            summary: Arc::new(summary),
            shares,
            threads,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The same with whole groups in these columns; `None` where a group may be of several tags.
    fn with_whole_groups(&self, schema: SchemaRef) -> Option<Result<Self>> {
        let summary = Summary { whole: true, schema, ..Summary::clone(&self.summary) };
        summary.parts_tags().then(|| Self::try_new(summary, self.threads))
    }

    fn share(&self, at: usize, share: &Share) -> SendableRecordBatchStream {
        Box::pin(cooperative(SummaryStream::new(
            Arc::clone(&self.summary),
            share.clone(),
            stream::Counters::new(&self.metrics, at),
        )))
    }
}

/// Declares that groups come in the order of (tag, time), as far as the columns show it. No key is
/// null unless all are; of the two orders that this makes the usual one is told.
fn ordered(summary: &Summary) -> EquivalenceProperties {
    let mut properties = EquivalenceProperties::new(Arc::clone(&summary.schema));
    let column = |at: &usize| -> PhysicalSortExpr {
        let name = summary.schema.fields().get(*at).map(|field| field.name().as_str());
        let column = Column::new(name.unwrap_or_default(), *at);
        let options = SortOptions { descending: false, nulls_first: false };
        PhysicalSortExpr::new(Arc::new(column), options)
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
        let shares = if summary.whole { "whole groups, shares" } else { "partitions" };
        write!(out, ", statistics={statistics}, {shares}={}", self.shares.len())
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
        match self.shares.get(partition) {
            Some(share) if !self.summary.whole || self.shares.len() == 1 => {
                Ok(self.share(partition, share))
            }
            Some(_) if partition == 0 => {
                let shares = self.shares.iter().enumerate();
                let shares = shares.map(|(at, share)| self.share(at, share));
                Ok(Box::pin(Line::new(self.schema(), shares, self.threads)))
            }
            _ => Err(DataFusionError::Internal(format!("there is no partition {partition}"))),
        }
    }
}
