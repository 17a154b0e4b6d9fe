//! The functions and operators that DataFusion does not bring.
//!
//! *Invariant.* A name that PostgreSQL or TimescaleDB has means here what it means there, or the
//! difference is written at the function.
//!
//! *Not here.* Functions that stand for relations ([`history`](crate::history)).

mod age;
mod bounded;
mod convert;
mod ends;
mod fill;
mod label;
mod percent_good;
mod percentile;
mod quality;
pub(crate) mod run;
pub(crate) mod tag;
mod time_bucket;
mod unit;
pub(crate) mod working;

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

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
    for function in [
        ScalarUDF::from(TimeBucket::new()),
        ScalarUDF::from(LabelText::new()),
        ScalarUDF::from(age::Age::new()),
        ScalarUDF::from(convert::Convert::new()),
        ScalarUDF::from(quality::QualityWords::text()),
        ScalarUDF::from(quality::QualityWords::class()),
    ] {
        state.register_udf(Arc::new(function))?;
    }
    // PostgreSQL's name.
    let sign = state.udf("signum")?.as_ref().clone().with_aliases(["sign"]);
    state.register_udf(Arc::new(sign))?;
    let runs = run::Measure::ALL.map(|measure| AggregateUDF::from(run::RunAggregate::new(measure)));
    let others = [
        AggregateUDF::from(ends::End::new(false)),
        AggregateUDF::from(ends::End::new(true)),
        AggregateUDF::from(percent_good::PercentGood::new()),
        AggregateUDF::from(percentile::Percentile::new()),
        AggregateUDF::from(percentile::Percentile::within_group()),
    ];
    for function in runs.into_iter().chain(others) {
        state.register_udaf(Arc::new(function))?;
    }
    state.register_udwf(Arc::new(WindowUDF::from(fill::Locf::new())))?;
    state.register_udwf(Arc::new(WindowUDF::from(fill::Interpolate::new())))?;
    bounded::register(state)
}
