//! Whether a plan is light: it reads little, and makes little of it.
//!
//! *Invariant.* What is not known to be light is heavy. An estimate that is wrong puts a statement
//! into the other lane; no answer and no limit depends on it.

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use crate::limits::{LIGHT_ROWS_MAX, ROWS_UNKNOWN_GUESS};
use crate::scan::SamplesExec;
use crate::summary::SummaryExec;

/// Whether the plan may run in the lane of light statements.
pub(crate) fn is_light(plan: &dyn ExecutionPlan) -> bool {
    rows_made(plan).is_some_and(|rows| rows <= LIGHT_ROWS_MAX)
}

/// How many rows a plan makes, all its steps together; `None` where nobody knows.
pub(crate) fn rows_made(plan: &dyn ExecutionPlan) -> Option<usize> {
    if plan.is::<RecursiveQueryExec>() {
        return None;
    }
    let children = plan.children();
    if children.is_empty() {
        return rows_read(plan);
    }
    let mut below = children.into_iter().map(|child| rows_made(child.as_ref()));
    let multiplies = plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>();
    if multiplies {
        below.try_fold(1_usize, |rows, more| Some(rows.saturating_mul(more?.max(1))))
    } else {
        below.try_fold(0_usize, |rows, more| Some(rows.saturating_add(more?)))
    }
}

/// How many rows a leaf reads.
fn rows_read(leaf: &dyn ExecutionPlan) -> Option<usize> {
    if let Some(scan) = leaf.downcast_ref::<SamplesExec>() {
        return scan.rows_estimate();
    }
    if let Some(series) = leaf.downcast_ref::<LazyMemoryExec>() {
        let rows = series.generators().iter().map(|one| series_rows(&one.read().to_string()));
        return rows.sum();
    }
    if let Some(summary) = leaf.downcast_ref::<SummaryExec>() {
        return summary.rows_estimate();
    }
    let statistics = StatisticsContext::new().compute(leaf, &StatisticsArgs::new()).ok()?;
    Some(statistics.num_rows.get_value().copied().unwrap_or(ROWS_UNKNOWN_GUESS))
}

/// How many rows a series has that describes itself so: `generate_series: start=1, end=3, …`.
fn series_rows(described: &str) -> Option<usize> {
    let bound = |name: &str| -> Option<i64> {
        let (_, rest) = described.split_once(name)?;
        rest.split(',').next()?.trim().parse().ok()
    };
    if described.ends_with("empty") {
        return Some(0);
    }
    let distance = bound("end=")?.abs_diff(bound("start=")?);
    usize::try_from(distance).ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_as_long_as_it_says() {
        for (described, want) in [
            ("generate_series: start=1, end=3, batch_size=8192", Some(3)),
            ("generate_series: start=5, end=-5, batch_size=8192", Some(11)),
            ("range: empty", Some(0)),
            ("generate_series: start=2026-01-01, end=2027-01-01, batch_size=8192", None),
        ] {
            assert_eq!(series_rows(described), want, "{described}");
        }
    }
}
