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

mod backward;
mod columns;
mod gathered;
mod hint;
mod stream;

pub(crate) use columns::TagColumns;
pub(crate) use gathered::Gathered;

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    AcrossPartitions, ConstExpr, EquivalenceProperties, Partitioning, PhysicalExpr,
    PhysicalSortExpr,
};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
    SortOrderPushdownResult,
};
use tacitus_model::{Tag, TimeRange, Timestamp};
use tacitus_storage::{Edges, Snapshot};

use crate::filter::QualityTest;
use crate::format::rfc3339;
use crate::limits::{SAMPLES_OF_TAG_GUESS, TAGS_COUNTED_MAX};
use crate::relation::{SAMPLES, SampleColumn};
use hint::Hints;
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

/// In which order the samples of a tag come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The earliest first.
    Rising,
    /// The latest first.
    Falling,
}

impl SampleScan {
    /// About how many samples are read; `None` where only a look would tell.
    pub(crate) fn rows_estimate(&self) -> Option<usize> {
        if self.tags.len() > TAGS_COUNTED_MAX {
            return None;
        }
        let mut counted = self.tags.iter().map(|tag| usize::try_from(self.rows_known(tag)?).ok());
        counted.try_fold(0_usize, |sum, rows| Some(sum.saturating_add(rows?)))
    }

    /// How many samples a tag has within the span, or a few more; `None` where the store does not
    /// know without reading.
    fn rows_known(&self, tag: &Tag) -> Option<u64> {
        let range = self.snapshot.extent(tag.id).map(|extent| extent.intersect(&self.range));
        let Some(range) = range.filter(|range| !range.is_empty()) else { return Some(0) };
        let edges = [range.first.nanos(), range.last.nanos().checked_add(1)?];
        let known = self.snapshot.aggregate(tag.id, &edges, Edges::Plot).ok()?;
        known.statistics.first().map(|own| own.rows)
    }

    /// What is read, for people.
    pub(crate) fn describe(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "tags={}", self.tags.len())?;
        let TimeRange { first, last } = self.range;
        if self.range.is_empty() {
            out.write_str(", ts in nothing")?;
        } else {
            if first != Timestamp::MIN {
                write!(out, ", ts>={}", rfc3339(first.nanos()))?;
            }
            if last != Timestamp::MAX {
                write!(out, ", ts<={}", rfc3339(last.nanos()))?;
            }
        }
        self.quality.as_ref().map_or(Ok(()), |quality| write!(out, ", rows where {quality}"))
    }
}

/// A batch of columns, of which there may be none.
pub(crate) fn batch_of(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// The operator that reads samples.
#[derive(Debug)]
pub(crate) struct SamplesExec {
    scan: Arc<SampleScan>,
    columns: Arc<[SampleColumn]>,
    /// The most rows one partition needs to hand out.
    fetch: Option<usize>,
    order: Order,
    hints: Hints,
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
        let properties = properties(schema, &columns, &scan.tags, Order::Rising, partitions)?;
        Ok(Self {
            scan: Arc::new(scan),
            columns,
            fetch,
            order: Order::Rising,
            hints: Hints::default(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The same rows, otherwise handed out.
    fn with(&self, fetch: Option<usize>, order: Order, hints: Hints) -> Result<Self> {
        let partitions = self.properties.partitioning.partition_count();
        let properties =
            properties(self.schema(), &self.columns, &self.scan.tags, order, partitions)?;
        Ok(Self {
            scan: Arc::clone(&self.scan),
            columns: Arc::clone(&self.columns),
            fetch,
            order,
            hints,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// What is read.
    pub(crate) fn scan(&self) -> &Arc<SampleScan> {
        &self.scan
    }

    /// The columns handed out.
    pub(crate) fn columns(&self) -> &Arc<[SampleColumn]> {
        &self.columns
    }

    /// About how many samples are read, for choosing a lane; `None` where only a look would tell.
    pub(crate) fn rows_estimate(&self) -> Option<usize> {
        if let Some(rows) = self.fetch {
            return Some(rows);
        }
        self.scan.rows_estimate()
    }

    /// The positions of a partition's tags: an equal share, one after the other.
    fn share(&self, partition: usize) -> std::ops::Range<usize> {
        let partitions = self.properties.partitioning.partition_count();
        let tags = self.scan.tags.len();
        let edge = |at: usize| tags * at / partitions;
        edge(partition)..edge(partition + 1)
    }
}

fn properties(
    schema: SchemaRef,
    columns: &[SampleColumn],
    tags: &[Arc<Tag>],
    order: Order,
    partitions: usize,
) -> Result<PlanProperties> {
    Ok(PlanProperties::new(
        ordered(EquivalenceProperties::new(schema), columns, tags, order)?,
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    )
    .with_scheduling_type(SchedulingType::Cooperative))
}

/// Declares the order of a partition's rows, as far as its columns show it.
fn ordered(
    mut properties: EquivalenceProperties,
    columns: &[SampleColumn],
    tags: &[Arc<Tag>],
    order: Order,
) -> Result<EquivalenceProperties> {
    let one_tag = tags.len() <= 1;
    let path = tags.first().map(|tag| tag.definition.path.as_str());
    let column = |wanted: SampleColumn| -> Option<Arc<dyn PhysicalExpr>> {
        let at = columns.iter().position(|column| *column == wanted)?;
        Some(Arc::new(Column::new(wanted.name(), at)))
    };
    let rising = |expr| PhysicalSortExpr::new(expr, SortOptions::default());
    let falling = SortOptions { descending: order == Order::Falling, nulls_first: false };
    let timely = |expr| PhysicalSortExpr::new(expr, falling);
    let (tag, ts) = (column(SampleColumn::Tag), column(SampleColumn::Ts));
    if one_tag {
        properties.add_ordering(ts.map(timely));
        // With its value: two scans of one tag each may be of two tags.
        let same = tag.zip(path).map(|(tag, path)| {
            let path = ScalarValue::Utf8View(Some(path.to_owned()));
            ConstExpr::new(tag, AcrossPartitions::Uniform(Some(path)))
        });
        properties.add_constants(same)?;
    } else if let Some(tag) = tag {
        properties.add_ordering(std::iter::once(rising(tag)).chain(ts.map(timely)));
    }
    Ok(properties)
}

impl DisplayAs for SamplesExec {
    fn fmt_as(&self, _: DisplayFormatType, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SamplesExec: ")?;
        self.scan.describe(out)?;
        let columns: Vec<_> = self.columns.iter().map(|column| column.name()).collect();
        write!(out, ", columns=[{}]", columns.join(", "))?;
        if self.order == Order::Falling {
            out.write_str(", latest first")?;
        }
        if !self.hints.is_empty() {
            write!(out, ", hints={}", self.hints.len())?;
        }
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
        let scan = self.with(fetch, self.order, self.hints.clone()).ok()?;
        Some(Arc::new(scan))
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        filters: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let hints = Hints::of(filters.parent_filters.iter().map(|parent| &parent.filter));
        let mut answer = FilterPushdownPropagation::if_all(filters);
        if !hints.is_empty() {
            let scan = self.with(self.fetch, self.order, hints)?;
            answer.updated_node = Some(Arc::new(scan) as Arc<dyn ExecutionPlan>);
        }
        Ok(answer)
    }

    fn try_pushdown_sort(
        &self,
        wanted: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let column = |order: &PhysicalSortExpr| {
            let column = order.expr.downcast_ref::<Column>()?;
            Some((column.name() == SampleColumn::Ts.name(), order.options.descending))
        };
        // Falling times, alone or after the (rising) tag.
        let [.., last] = wanted else { return Ok(SortOrderPushdownResult::Unsupported) };
        if self.order == Order::Falling || column(last) != Some((true, true)) {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        let turned = self.with(self.fetch, Order::Falling, self.hints.clone())?;
        let exact = turned.properties.eq_properties.ordering_satisfy(wanted.iter().cloned())?;
        let inner = Arc::new(turned) as Arc<dyn ExecutionPlan>;
        Ok(match (exact, wanted) {
            (true, _) => SortOrderPushdownResult::Exact { inner },
            (false, [_]) => SortOrderPushdownResult::Inexact { inner },
            (false, _) => SortOrderPushdownResult::Unsupported,
        })
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
            (self.fetch, self.order, self.hints.clone()),
            stream::Counters::new(&self.metrics, partition),
        ))))
    }
}
