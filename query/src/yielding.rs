//! Makes joins let others run.
//!
//! Leaves and exchanges of the query engine yield, joins do not: two small inputs can make a join
//! hand out rows for hours without a pause, and a statement without a pause cannot be cancelled.
//!
//! *Invariant.* In every plan that runs, an operator with more than one input is under an
//! operator that yields.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::NestedLoopJoinExec;

use crate::cost;
use crate::pacing::PacedExec;

/// A join that compares all with all, whose probe side comes in portions.
fn paced(join: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let children = match join.children().as_slice() {
        [build, probe] => {
            let others = cost::rows_made(build.as_ref());
            let probe = PacedExec::new(Arc::clone(probe), others);
            vec![Arc::clone(build), Arc::new(probe) as Arc<dyn ExecutionPlan>]
        }
        _ => return Ok(join),
    };
    replace_children_if_necessary(join, children)
}

/// The rule; it must be the last, because others move operators.
#[derive(Debug)]
pub(crate) struct YieldAboveJoins;

impl PhysicalOptimizerRule for YieldAboveJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let plan = if plan.is::<NestedLoopJoinExec>() { paced(plan)? } else { plan };
            Ok(if plan.children().len() > 1 {
                Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(plan)
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "yield_above_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
