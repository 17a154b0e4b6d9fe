//! The functions and operators that DataFusion does not bring.
//!
//! *Invariant.* A name that PostgreSQL or TimescaleDB has means here what it means there, or the
//! difference is written at the function.

mod bounded;
mod label;
pub(crate) mod tag;
mod time_bucket;

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::planner::ExprPlanner;

use label::{LabelOperator, LabelText};
use time_bucket::TimeBucket;

/// What operators mean: ours first.
pub(crate) fn planners() -> Vec<Arc<dyn ExprPlanner>> {
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(LabelOperator)];
    planners.extend(SessionStateDefaults::default_expr_planners());
    planners
}

/// Adds the functions.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    for function in [ScalarUDF::from(TimeBucket::new()), ScalarUDF::from(LabelText::new())] {
        state.register_udf(Arc::new(function))?;
    }
    bounded::register(state)
}
