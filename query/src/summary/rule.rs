//! Finds aggregations that statistics can answer, and puts a [`SummaryExec`] in their place.
//!
//! It runs before the engine decides on distribution and order, which hide the shape it looks for
//! (partial aggregation, filters and projections, scan).
//!
//! *Invariant.* The operator put in has the schema of the partial aggregation it replaces. What is
//! not wholly understood is left as it is.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;

use super::figure::{Asked, column_of};
use super::key::Keys;
use super::needs::{Needs, Rows, ValueRange};
use super::{Stage, Summary, SummaryExec};
use crate::filter::QualityTest;
use crate::relation::SampleColumn;
use crate::scan::SamplesExec;

/// The rule.
#[derive(Debug)]
pub(crate) struct Summarize;

impl PhysicalOptimizerRule for Summarize {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = config.execution.target_partitions;
        plan.transform_up(|plan| {
            let Some(aggregate) = plan.downcast_ref::<AggregateExec>() else {
                return Ok(Transformed::no(plan));
            };
            let exec = match aggregate.mode() {
                AggregateMode::Partial => summarized(aggregate)
                    .map(|summary| SummaryExec::try_new(summary, partitions))
                    .transpose()?,
                AggregateMode::Final | AggregateMode::FinalPartitioned => {
                    finished(aggregate).transpose()?
                }
                _ => None,
            };
            Ok(match exec {
                Some(exec) => Transformed::yes(Arc::new(exec) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "summarize"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What lies between a scan and an aggregation.
struct Path<'a> {
    samples: &'a SamplesExec,
    /// From the scan upwards.
    stages: Vec<Stage>,
}

impl<'a> Path<'a> {
    fn read(plan: &'a Arc<dyn ExecutionPlan>) -> Option<Self> {
        if let Some(samples) = plan.downcast_ref::<SamplesExec>() {
            return samples.fetch().is_none().then(|| Self { samples, stages: Vec::new() });
        }
        if let Some(filter) = plan.downcast_ref::<FilterExec>() {
            if filter.fetch().is_some() {
                return None;
            }
            let mut path = Self::read(filter.input())?;
            let columns = filter.projection().as_ref().map(|columns| columns.to_vec());
            path.stages.push(Stage::Filter(Arc::clone(filter.predicate()), columns));
            return Some(path);
        }
        let projection = plan.downcast_ref::<ProjectionExec>()?;
        let mut path = Self::read(projection.input())?;
        let expressions = projection.expr().iter().map(|own| Arc::clone(&own.expr)).collect();
        path.stages.push(Stage::Project(expressions, projection.schema()));
        Some(path)
    }

    /// An expression over what the first `stages` hand on, as one over the columns of the scan.
    fn resolved(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        stages: usize,
    ) -> Option<Arc<dyn PhysicalExpr>> {
        let mut expr = Arc::clone(expr);
        for (below, stage) in self.stages.iter().enumerate().take(stages).rev() {
            expr = match stage {
                Stage::Filter(_, None) => expr,
                Stage::Filter(_, Some(columns)) => {
                    let schema = self.schema_after(below);
                    substituted(&expr, |at| {
                        let at = *columns.get(at)?;
                        let name = schema.fields().get(at)?.name();
                        Some(Arc::new(Column::new(name, at)))
                    })?
                }
                Stage::Project(expressions, _) => {
                    substituted(&expr, |at| expressions.get(at).map(Arc::clone))?
                }
            };
        }
        Some(expr)
    }

    /// The columns after the first `stages`.
    fn schema_after(&self, stages: usize) -> SchemaRef {
        let mut schema = self.samples.schema();
        for stage in self.stages.iter().take(stages) {
            schema = match stage {
                Stage::Filter(_, None) => schema,
                Stage::Filter(_, Some(columns)) => schema.project(columns).map_or(schema, Arc::new),
                Stage::Project(_, schema) => Arc::clone(schema),
            };
        }
        schema
    }

    /// Which samples reach the aggregation.
    fn rows(&self) -> Option<Rows> {
        let quality = self.samples.scan().quality.as_ref();
        let good_only = quality.is_some_and(QualityTest::is_good);
        let mut rows =
            Rows { good_only, range: None, statistics_serve: good_only || quality.is_none() };
        for (at, stage) in self.stages.iter().enumerate() {
            let Stage::Filter(test, _) = stage else { continue };
            let test = self.resolved(test, at)?;
            match value_range(&test) {
                Some(range) => {
                    rows.range = Some(rows.range.map_or(range, |own| own.and(range)));
                }
                None => rows.statistics_serve = false,
            }
        }
        Some(rows)
    }
}

/// An expression with its columns replaced; `None` where there is nothing to replace one with.
fn substituted(
    expr: &Arc<dyn PhysicalExpr>,
    column: impl Fn(usize) -> Option<Arc<dyn PhysicalExpr>>,
) -> Option<Arc<dyn PhysicalExpr>> {
    let mut missing = false;
    let replaced = Arc::clone(expr).transform_down(|expr| {
        let Some(own) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
        let Some(expr) = column(own.index()) else {
            missing = true;
            return Ok(Transformed::no(expr));
        };
        Ok(Transformed::new(expr, true, TreeNodeRecursion::Jump))
    });
    replaced.data().ok().filter(|_| !missing)
}

/// A final aggregation over a summary that can hand out whole groups.
fn finished(aggregate: &AggregateExec) -> Option<Result<SummaryExec>> {
    let summary = aggregate.input().downcast_ref::<SummaryExec>()?;
    if !aggregate.group_expr().is_single() || aggregate.limit_options().is_some() {
        return None;
    }
    summary.with_whole_groups(aggregate.schema())
}

/// The aggregation as a summary, where it can be one.
fn summarized(aggregate: &AggregateExec) -> Option<Summary> {
    let groups = aggregate.group_expr();
    if !groups.is_single() || aggregate.limit_options().is_some() {
        return None;
    }
    let path = Path::read(aggregate.input())?;
    let resolved = |expr: &Arc<dyn PhysicalExpr>| path.resolved(expr, path.stages.len());
    let keys = Keys::read(groups.expr(), resolved)?;
    let rows = path.rows()?;
    let asked: Vec<Asked> = aggregate
        .aggr_expr()
        .iter()
        .zip(aggregate.filter_expr())
        .map(|(function, filter)| Asked::read(function, filter.as_ref(), rows, resolved))
        .collect::<Option<_>>()?;
    let needs = Needs::new(&asked, rows);
    Some(Summary {
        scan: Arc::clone(path.samples.scan()),
        columns: Arc::clone(path.samples.columns()),
        columns_schema: path.samples.schema(),
        stages: path.stages,
        keys,
        asked,
        needs,
        whole: false,
        schema: aggregate.schema(),
    })
}

/// The values for which a condition holds, where it compares the value with constants only.
fn value_range(test: &Arc<dyn PhysicalExpr>) -> Option<ValueRange> {
    let ranges: Option<Vec<ValueRange>> =
        split_conjunction(test).into_iter().map(compared).collect();
    ranges?.into_iter().reduce(ValueRange::and)
}

/// The values for which `value op constant` holds.
fn compared(test: &Arc<dyn PhysicalExpr>) -> Option<ValueRange> {
    let test = test.downcast_ref::<BinaryExpr>()?;
    let constant = |expr: &Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Float64(value) => value.filter(|value| value.is_finite()),
        _ => None,
    };
    let is_value = |expr| column_of(expr) == Some(SampleColumn::Value);
    let (op, bound) = if is_value(test.left()) {
        (*test.op(), constant(test.right())?)
    } else if is_value(test.right()) {
        (test.op().swap()?, constant(test.left())?)
    } else {
        return None;
    };
    let (above, below) = (bound.next_up(), bound.next_down());
    let (least, greatest) = (f64::NEG_INFINITY, f64::INFINITY);
    let zero = bound == 0.0;
    let (surely, possibly) = match op {
        Operator::Gt | Operator::GtEq if zero => ([above, greatest], [bound, greatest]),
        Operator::Lt | Operator::LtEq if zero => ([least, below], [least, bound]),
        Operator::Gt => ([above, greatest], [above, greatest]),
        Operator::GtEq => ([bound, greatest], [bound, greatest]),
        Operator::Lt => ([least, below], [least, below]),
        Operator::LtEq => ([least, bound], [least, bound]),
        _ => return None,
    };
    Some(ValueRange { surely, possibly })
}
