//! Sub-queries that only read the catalog are answered before the statement is planned.
//!
//! `tag IN (SELECT name FROM tags WHERE unit = 'bar')` becomes a list of names. So the scan is told
//! which tags to read, and aggregates of them come from statistics, where a join would stand
//! between the two.
//!
//! *Invariant.* The list is what the sub-query gives over the statement's own snapshot. A list that
//! would be too long, and a sub-query that reads more than the catalog, are left to the join.

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::expr::{InList, InSubquery};
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::physical_plan::collect;

use crate::relation::TAGS_NAME;

/// The most names of a list. LIMIT: some megabytes of names.
const NAMES_MAX: usize = 20_000;

/// The plan with lists in the place of such sub-queries.
pub(crate) async fn preselected(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::InSubquery(own) = expr
                    && reads_only_tags(&own.subquery)?
                {
                    found.push(own.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    let mut lists = Vec::with_capacity(found.len());
    for own in found {
        if let Some(list) = answered(state, &own).await? {
            lists.push((own, list));
        }
    }
    if lists.is_empty() {
        return Ok(plan);
    }
    let list_of = |own: &InSubquery| {
        let list = lists.iter().find(|(known, _)| known == own).map(|(_, list)| list.clone());
        list.map(Expr::InList)
    };
    plan.transform_down_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_down(|expr| {
                let list = match &expr {
                    Expr::InSubquery(own) => list_of(own),
                    _ => None,
                };
                Ok(list.map_or_else(|| Transformed::no(expr), Transformed::yes))
            })
        })
    })
    .data()
}

/// Whether a sub-query stands alone, and picks rows of the catalog and does nothing else.
fn reads_only_tags(subquery: &Subquery) -> Result<bool> {
    let mut only = subquery.outer_ref_columns.is_empty();
    let mut scans = 0;
    subquery.subquery.apply_with_subqueries(|node| {
        only &= match node {
            LogicalPlan::TableScan(scan) => {
                scans += 1;
                scan.table_name.table() == TAGS_NAME
            }
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Sort(_) => true,
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(only && scans == 1)
}

/// The sub-query's answer as a list; `None` where it is too long.
async fn answered(state: &SessionState, own: &InSubquery) -> Result<Option<InList>> {
    let plan = state.create_physical_plan(&own.subquery.subquery).await?;
    let batches = collect(plan, state.task_ctx()).await?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows > NAMES_MAX {
        return Ok(None);
    }
    let mut list = Vec::with_capacity(rows);
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let value = ScalarValue::try_from_array(batch.column(0), row)?;
            list.push(Expr::Literal(value, None));
        }
    }
    Ok(Some(InList::new(own.expr.clone(), list, own.negated)))
}
