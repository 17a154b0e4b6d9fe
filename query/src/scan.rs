//! Reads samples of many tags as record batches.
//!
//! ```text
//! tags by path ─ split into partitions ─ tag by tag ─ block by block ─ columns ─ batches
//! ```
//!
//! *Invariant.* Each partition hands out its rows ordered by (tag, ts), and every row of the
//! selection is handed out by exactly one partition. A batch has at most 8192 rows; between two
//! pieces of work the scan lets others run, and a dropped stream stops it.
//!
//! *Not here.* Which filters become part of a scan ([`filter`](crate::filter)); merging and
//! decoding (`tacitus-storage`).

pub(crate) mod columns;
mod stream;

use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    AcrossPartitions, ConstExpr, EquivalenceProperties, Partitioning, PhysicalExpr,
    PhysicalSortExpr,
};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use tacitus_model::{Tag, TimeRange, Timestamp};
use tacitus_storage::Snapshot;

use crate::filter::QualityTest;
use crate::format::rfc3339;
use crate::limits::SAMPLES_OF_TAG_GUESS;
use crate::relation::{SAMPLES, SampleColumn};
use stream::SampleStream;

/// What is read: some tags, within a span of time, of some quality.
#[derive(Debug, Clone)]
pub(crate) struct SampleScan {
    pub(crate) snapshot: Snapshot,
    /// Sorted by path.
    pub(crate) tags: Vec<Arc<Tag>>,
    pub(crate) range: TimeRange,
    pub(crate) quality: Option<QualityTest>,
}

/// The operator that reads samples.
#[derive(Debug)]
pub(crate) struct SamplesExec {
    scan: Arc<SampleScan>,
    columns: Arc<[SampleColumn]>,
    /// The most rows one partition needs to hand out.
    fetch: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SamplesExec {
    /// Reads the columns of `projection` in at most `partitions` streams.
    pub(crate) fn try_new(
        scan: SampleScan,
        projection: Option<&Vec<usize>>,
        fetch: Option<usize>,
        partitions: usize,
    ) -> Result<Self> {
        let all: Vec<usize> = (0..SampleColumn::ALL.len()).collect();
        let projection = projection.unwrap_or(&all);
        let columns: Arc<[SampleColumn]> =
            projection.iter().filter_map(|at| SampleColumn::ALL.get(*at).copied()).collect();
        let schema = Arc::new(SAMPLES.project(projection)?);
        let partitions = partitions.min(scan.tags.len()).max(1);
        let one_tag = scan.tags.len() <= 1;
        let properties = PlanProperties::new(
            ordered(EquivalenceProperties::new(schema), &columns, one_tag)?,
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            scan: Arc::new(scan),
            columns,
            fetch,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The positions of a partition's tags: an equal share, one after the other.
    fn share(&self, partition: usize) -> std::ops::Range<usize> {
        let partitions = self.properties.partitioning.partition_count();
        let tags = self.scan.tags.len();
        let edge = |at: usize| tags * at / partitions;
        edge(partition)..edge(partition + 1)
    }
}

/// Declares the order of a partition's rows, as far as its columns show it.
fn ordered(
    mut properties: EquivalenceProperties,
    columns: &[SampleColumn],
    one_tag: bool,
) -> Result<EquivalenceProperties> {
    let column = |wanted: SampleColumn| -> Option<Arc<dyn PhysicalExpr>> {
        let at = columns.iter().position(|column| *column == wanted)?;
        Some(Arc::new(Column::new(wanted.name(), at)))
    };
    let rising = |expr| PhysicalSortExpr::new(expr, SortOptions::default());
    let (tag, ts) = (column(SampleColumn::Tag), column(SampleColumn::Ts));
    if one_tag {
        properties.add_ordering(ts.map(rising));
        let same = tag.map(|tag| ConstExpr::new(tag, AcrossPartitions::Uniform(None)));
        properties.add_constants(same)?;
    } else if let Some(tag) = tag {
        properties.add_ordering([Some(tag), ts].into_iter().flatten().map(rising));
    }
    Ok(properties)
}

impl DisplayAs for SamplesExec {
    fn fmt_as(&self, _: DisplayFormatType, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SamplesExec: tags={}", self.scan.tags.len())?;
        let TimeRange { first, last } = self.scan.range;
        if self.scan.range.is_empty() {
            out.write_str(", ts in nothing")?;
        } else {
            if first != Timestamp::MIN {
                write!(out, ", ts>={}", rfc3339(first.nanos()))?;
            }
            if last != Timestamp::MAX {
                write!(out, ", ts<={}", rfc3339(last.nanos()))?;
            }
        }
        if let Some(quality) = &self.scan.quality {
            write!(out, ", rows where {quality}")?;
        }
        let columns: Vec<_> = self.columns.iter().map(|column| column.name()).collect();
        write!(out, ", columns=[{}]", columns.join(", "))?;
        self.fetch.map_or(Ok(()), |rows| write!(out, ", fetch={rows}"))?;
        write!(out, ", partitions={}", self.properties.partitioning.partition_count())
    }
}

impl ExecutionPlan for SamplesExec {
    fn name(&self) -> &'static str {
        "SamplesExec"
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

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn with_fetch(&self, fetch: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self {
            scan: Arc::clone(&self.scan),
            columns: Arc::clone(&self.columns),
            fetch,
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let rows = self.scan.tags.len().saturating_mul(SAMPLES_OF_TAG_GUESS);
        let rows = self.fetch.map_or(rows, |fetch| rows.min(fetch));
        let unknown = Statistics::new_unknown(&self.schema());
        Ok(Arc::new(unknown.with_num_rows(Precision::Inexact(rows))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition >= self.properties.partitioning.partition_count() {
            return Err(DataFusionError::Internal(format!("there is no partition {partition}")));
        }
        Ok(Box::pin(cooperative(SampleStream::new(
            Arc::clone(&self.scan),
            self.share(partition),
            Arc::clone(&self.columns),
            self.schema(),
            self.fetch,
            stream::Counters::new(&self.metrics, partition),
        ))))
    }
}
