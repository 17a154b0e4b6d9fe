//! Forgets what is the same in all rows below operators that put nulls into them: outer joins, and
//! aggregations by several sets of groups (`ROLLUP`).
//!
//! `LEFT JOIN tags t ON … AND t.kind = 'float'` leaves one `kind` on the right, and the query engine
//! takes it for the one `kind` above the join too, where unmatched rows have null: it would leave
//! out sorts, and take groups for finished that are not. (DataFusion, `EquivalenceGroup::join`.)
//!
//! *Invariant.* No operator above knows a constant of rows that are padded with nulls.

use std::fmt;
use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::Statistics;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};

/// The rule; it must come before order and distribution are decided.
#[derive(Debug)]
pub(crate) struct ForgetPadded;

impl PhysicalOptimizerRule for ForgetPadded {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let padded = match join_type(plan.as_ref()) {
                Some(JoinType::Left) => [false, true],
                Some(JoinType::Right) => [true, false],
                Some(JoinType::Full) => [true, true],
                _ if pads_groups(plan.as_ref()) => [true, false],
                _ => return Ok(Transformed::no(plan)),
            };
            let children = plan.children();
            let knows = |side: &Arc<dyn ExecutionPlan>| {
                !side.properties().eq_properties.constants().is_empty()
            };
            let sides: Vec<(Arc<dyn ExecutionPlan>, bool)> = children
                .into_iter()
                .zip(padded)
                .map(|(side, padded)| (Arc::clone(side), padded && knows(side)))
                .collect();
            if !sides.iter().any(|(_, padded)| *padded) {
                return Ok(Transformed::no(plan));
            }
            let sides = sides.into_iter().map(|(side, padded)| {
                if padded {
                    Arc::new(PaddedExec::new(side)) as Arc<dyn ExecutionPlan>
                } else {
                    side
                }
            });
            let sides = sides.collect();
            Ok(Transformed::yes(replace_children_if_necessary(plan, sides)?))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "forget_padded"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether groups of one set have null where those of another have a key.
fn pads_groups(plan: &dyn ExecutionPlan) -> bool {
    plan.downcast_ref::<AggregateExec>().is_some_and(|own| !own.group_expr().is_single())
}

fn join_type(plan: &dyn ExecutionPlan) -> Option<JoinType> {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return Some(*join.join_type());
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        return Some(*join.join_type());
    }
    plan.downcast_ref::<SortMergeJoinExec>().map(SortMergeJoinExec::join_type)
}

/// Hands on its input, and says less of it.
#[derive(Debug)]
struct PaddedExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl PaddedExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let known = input.properties();
        let orders = known.eq_properties.oeq_class().iter().cloned();
        let equal = EquivalenceProperties::new_with_orderings(input.schema(), orders);
        let properties = PlanProperties::clone(known).with_eq_properties(equal);
        Self { input, properties: Arc::new(properties) }
    }
}

impl DisplayAs for PaddedExec {
    fn fmt_as(&self, _: DisplayFormatType, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PaddedExec")
    }
}

impl ExecutionPlan for PaddedExec {
    fn name(&self) -> &'static str {
        "PaddedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input)))
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let unknown = || Arc::new(Statistics::new_unknown(&self.schema()));
        Ok(inputs.first().map_or_else(unknown, Arc::clone))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}
