//! The relations with at most one row a tag: `tags` and `latest`.
//!
//! *Invariant.* Neither reads a file: the catalog and the last-value line are in memory. Only `latest`
//! as of an earlier sequence is read from where samples are stored.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions,
    StringViewBuilder, TimestampNanosecondBuilder,
};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use tacitus_model::{Kind, Sample, Tag, Value};

use super::{LATEST, SampleColumn, TAGS};
use crate::filter;
use crate::function::tag::{self, ASSET};
use crate::limits::BATCH_ROWS_MAX;
use crate::plant::Places;

/// Which of the two relations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagRelation {
    Tags,
    Latest,
}

impl TagRelation {
    fn schema(self) -> SchemaRef {
        Arc::clone(match self {
            Self::Tags => &TAGS,
            Self::Latest => &LATEST,
        })
    }

    /// The column that holds the tag's path.
    fn path_column(self) -> &'static str {
        match self {
            Self::Tags => "name",
            Self::Latest => SampleColumn::Tag.name(),
        }
    }

    /// The columns that the tag's path decides, of those that tags are selected by.
    fn name_columns(self) -> &'static [&'static str] {
        match self {
            Self::Tags => &["name", ASSET],
            Self::Latest => &["tag"],
        }
    }
}

/// One of the two relations over a snapshot.
#[derive(Debug)]
pub(super) struct RowsTable {
    places: Places,
    relation: TagRelation,
}

impl RowsTable {
    pub(super) fn new(places: Places, relation: TagRelation) -> Self {
        Self { places, relation }
    }

    /// The filters, as conditions on the tag's path alone.
    fn by_name(&self, filters: &[Expr]) -> Result<Vec<Expr>> {
        let column = self.relation.path_column();
        let asset_of = tag::asset_of(&self.places);
        let named = |expr: Expr| {
            Ok(match expr {
                Expr::Column(own) if self.relation == TagRelation::Tags && own.name == ASSET => {
                    let name = Expr::Column(column.into());
                    Transformed::yes(asset_of.call(vec![name]))
                }
                other => Transformed::no(other),
            })
        };
        filters.iter().map(|filter| filter.clone().transform(named).data()).collect()
    }
}

#[async_trait]
impl TableProvider for RowsTable {
    fn schema(&self) -> SchemaRef {
        self.relation.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filter::support_names(filters, self.relation.name_columns()))
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let column = self.relation.path_column();
        let filters = self.by_name(filters)?;
        let tags = filter::select_tags(self.places.snapshot(), &filters, column, session)?;
        let schema = match projection {
            Some(columns) => Arc::new(self.schema().project(columns)?),
            None => self.schema(),
        };
        let started = session.execution_props().query_execution_start_time;
        Ok(Arc::new(RowsExec {
            places: self.places.clone(),
            relation: self.relation,
            tags: tags.into(),
            now_ns: started.and_then(|moment| moment.timestamp_nanos_opt()).unwrap_or_default(),
            limit,
            properties: Arc::new(
                PlanProperties::new(
                    EquivalenceProperties::new(schema),
                    Partitioning::UnknownPartitioning(1),
                    EmissionType::Incremental,
                    Boundedness::Bounded,
                )
                .with_scheduling_type(SchedulingType::Cooperative),
            ),
        }))
    }
}

/// Hands out the rows of one of the two relations, in the order of the paths.
#[derive(Debug)]
struct RowsExec {
    places: Places,
    relation: TagRelation,
    tags: Arc<[Arc<Tag>]>,
    /// The statement's time, nanoseconds since 1970: what `age` counts from and `now()` says.
    now_ns: i64,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl RowsExec {
    /// The last sample of a tag. The store keeps those of now in memory; of the past they are read.
    fn latest(&self, tag: &Tag) -> Result<Option<Sample>> {
        let snapshot = self.places.snapshot();
        if !snapshot.is_past() {
            return Ok(snapshot.latest(tag.id));
        }
        let found = snapshot.latest_seen(tag.id);
        found.map_err(|error| DataFusionError::External(Box::new(error)))
    }

    /// The rows of some tags.
    fn batch(&self, tags: &[Arc<Tag>]) -> Result<RecordBatch> {
        let schema = self.schema();
        match self.relation {
            TagRelation::Tags => {
                let columns = schema
                    .fields()
                    .iter()
                    .map(|field| tag_column(field.name(), &self.places, tags))
                    .collect::<Result<Vec<_>>>()?;
                batch(&schema, columns, tags.len())
            }
            TagRelation::Latest => {
                let mut rows: Vec<(&Tag, Sample)> = Vec::with_capacity(tags.len());
                for tag in tags {
                    rows.extend(self.latest(tag)?.map(|sample| (tag.as_ref(), sample)));
                }
                let columns = schema
                    .fields()
                    .iter()
                    .map(|field| latest_column(field.name(), &rows, self.now_ns))
                    .collect::<Result<Vec<_>>>()?;
                batch(&schema, columns, rows.len())
            }
        }
    }
}

fn batch(schema: &Arc<Schema>, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

impl DisplayAs for RowsExec {
    fn fmt_as(&self, _: DisplayFormatType, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.relation {
            TagRelation::Tags => "TagsExec",
            TagRelation::Latest => "LatestExec",
        };
        write!(out, "{name}: tags={}", self.tags.len())?;
        self.limit.map_or(Ok(()), |limit| write!(out, ", limit={limit}"))
    }
}

impl ExecutionPlan for RowsExec {
    fn name(&self) -> &'static str {
        "RowsExec"
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
        let rows = self.tags.len().min(self.limit.unwrap_or(usize::MAX));
        let rows = match self.relation {
            TagRelation::Tags => Precision::Exact(rows),
            TagRelation::Latest => Precision::Inexact(rows),
        };
        Ok(Arc::new(Statistics::new_unknown(&self.schema()).with_num_rows(rows)))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = Self {
            places: self.places.clone(),
            tags: Arc::clone(&self.tags),
            properties: Arc::clone(&self.properties),
            ..*self
        };
        let state = (rows, 0, self.limit.unwrap_or(usize::MAX));
        let batches = futures::stream::try_unfold(state, |(rows, from, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let Some(tags) = rows.tags.get(from..) else { return Ok(None) };
            let tags = tags.get(..BATCH_ROWS_MAX).unwrap_or(tags);
            if tags.is_empty() {
                return Ok(None);
            }
            let next = from + tags.len();
            let batch = rows.batch(tags)?;
            let batch = batch.slice(0, batch.num_rows().min(left));
            let left = left - batch.num_rows();
            Ok(Some((batch, (rows, next, left))))
        });
        let stream = RecordBatchStreamAdapter::new(self.schema(), Box::pin(batches));
        Ok(Box::pin(datafusion::physical_plan::coop::cooperative(stream)))
    }
}

/// A column of `tags`.
fn tag_column(name: &str, places: &Places, tags: &[Arc<Tag>]) -> Result<ArrayRef> {
    let text = |of: fn(&Tag) -> Option<String>| -> ArrayRef {
        let mut column = StringViewBuilder::with_capacity(tags.len());
        tags.iter().for_each(|tag| column.append_option(of(tag)));
        Arc::new(column.finish())
    };
    let float = |of: fn(&Tag) -> Option<f64>| -> ArrayRef {
        let mut column = Float64Builder::with_capacity(tags.len());
        tags.iter().for_each(|tag| column.append_option(of(tag)));
        Arc::new(column.finish())
    };
    Ok(match name {
        "id" => {
            let mut column = Int64Builder::with_capacity(tags.len());
            tags.iter().for_each(|tag| column.append_value(i64::from(tag.id.0)));
            Arc::new(column.finish())
        }
        "name" => text(|tag| Some(tag.definition.path.as_str().to_owned())),
        "kind" => text(|tag| Some(tag.definition.kind.name().to_owned())),
        "unit" => text(|tag| Some(tag.definition.unit.clone())),
        "description" => text(|tag| Some(tag.definition.description.clone())),
        "asset" => {
            let mut column = StringViewBuilder::with_capacity(tags.len());
            let assets = tags.iter().map(|tag| places.of_tag(tag));
            assets.for_each(|asset| column.append_option(asset.map(|asset| &asset.path)));
            Arc::new(column.finish())
        }
        "source" => text(|tag| Some(tag.definition.source.clone())),
        "labels" => text(|tag| Some(labels_json(tag))),
        "states" => text(|tag| {
            let definition = &tag.definition;
            (definition.kind == Kind::State)
                .then(|| serde_json::Value::from(definition.states.clone()).to_string())
        }),
        "step" => {
            let mut column = BooleanBuilder::with_capacity(tags.len());
            tags.iter().for_each(|tag| column.append_value(tag.definition.step));
            Arc::new(column.finish())
        }
        "range_low" => float(|tag| tag.definition.range.map(|(low, _)| low)),
        "range_high" => float(|tag| tag.definition.range.map(|(_, high)| high)),
        "first_ts" | "last_ts" => {
            let mut column = TimestampNanosecondBuilder::with_capacity(tags.len())
                .with_data_type(super::moment());
            for tag in tags {
                let extent = places.snapshot().extent(tag.id);
                let end = extent.map(|range| match name {
                    "first_ts" => range.first.nanos(),
                    _ => range.last.nanos(),
                });
                column.append_option(end);
            }
            Arc::new(column.finish())
        }
        other => return Err(no_column(other)),
    })
}

/// A tag's labels as a JSON object with sorted keys.
fn labels_json(tag: &Tag) -> String {
    let labels = &tag.definition.labels;
    let object: serde_json::Map<String, serde_json::Value> =
        labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    serde_json::Value::from(object).to_string()
}

/// A column of `latest`.
fn latest_column(name: &str, rows: &[(&Tag, Sample)], now_ns: i64) -> Result<ArrayRef> {
    const NANOS_PER_SECOND: f64 = 1e9;
    if name == "age" {
        let mut column = Float64Builder::with_capacity(rows.len());
        for (_, sample) in rows {
            let age_ns = i128::from(now_ns) - i128::from(sample.ts.nanos());
            #[expect(clippy::cast_precision_loss, reason = "an age is for people")]
            column.append_value(age_ns as f64 / NANOS_PER_SECOND);
        }
        return Ok(Arc::new(column.finish()));
    }
    let column = SampleColumn::ALL.into_iter().find(|column| column.name() == name);
    Ok(match column.ok_or_else(|| no_column(name))? {
        SampleColumn::Tag => {
            let mut column = StringViewBuilder::with_capacity(rows.len());
            rows.iter().for_each(|(tag, _)| column.append_value(tag.definition.path.as_str()));
            Arc::new(column.finish())
        }
        SampleColumn::Ts => {
            let mut column = TimestampNanosecondBuilder::with_capacity(rows.len())
                .with_data_type(super::moment());
            rows.iter().for_each(|(_, sample)| column.append_value(sample.ts.nanos()));
            Arc::new(column.finish())
        }
        SampleColumn::Value => {
            let mut column = Float64Builder::with_capacity(rows.len());
            rows.iter().for_each(|(_, sample)| column.append_option(sample.value.as_number()));
            Arc::new(column.finish())
        }
        SampleColumn::ValueInt => {
            let mut column = Int64Builder::with_capacity(rows.len());
            rows.iter().for_each(|(_, sample)| column.append_option(whole(&sample.value)));
            Arc::new(column.finish())
        }
        SampleColumn::Text => {
            let mut column = StringViewBuilder::with_capacity(rows.len());
            rows.iter().for_each(|(tag, sample)| column.append_option(text(tag, &sample.value)));
            Arc::new(column.finish())
        }
        SampleColumn::Quality => {
            let mut column = Int64Builder::with_capacity(rows.len());
            rows.iter().for_each(|(_, sample)| column.append_value(sample.quality.0.into()));
            Arc::new(column.finish())
        }
        SampleColumn::Good => {
            let mut column = BooleanBuilder::with_capacity(rows.len());
            rows.iter().for_each(|(_, sample)| column.append_value(sample.quality.is_good()));
            Arc::new(column.finish())
        }
    })
}

/// The value of an int, bool or state tag.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Bool(fact) => Some(i64::from(*fact)),
        Value::State(index) => Some(i64::from(*index)),
        Value::Null | Value::Float(_) | Value::Text(_) => None,
    }
}

/// The text of a text tag, the state's name of a state tag.
fn text<'a>(tag: &'a Tag, value: &'a Value) -> Option<&'a str> {
    match value {
        Value::Text(text) => Some(text),
        Value::State(index) => {
            let states = &tag.definition.states;
            usize::try_from(*index).ok().and_then(|index| states.get(index)).map(String::as_str)
        }
        _ => None,
    }
}

fn no_column(name: &str) -> DataFusionError {
    DataFusionError::Internal(format!("there is no column \"{name}\""))
}
