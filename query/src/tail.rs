//! A query over `samples` whose answer goes on: the rows there are, then those that are added.
//!
//! ```text
//! start ─▶ answer over one snapshot, up to its sequence
//! added ─▶ answer over the samples that were committed since, as if they were all there are
//! ```
//!
//! *Invariant.* Only statements are followed that look at each row of `samples` by itself, so
//! that the answers over the parts are, one after the other, the answer over the whole.
//!
//! *Not here.* What was committed since: the caller knows.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use tacitus_model::Batch;

use crate::answer::Answer;
use crate::connection::Connection;
use crate::error::{QueryError, SqlState};

/// A query that is followed.
#[derive(Debug)]
pub struct Tail {
    connection: Connection,
    text: Arc<str>,
}

impl Tail {
    /// Follows a statement.
    ///
    /// # Errors
    /// What is wrong with the statement; that it cannot be followed.
    pub async fn new(connection: Connection, text: &str) -> Result<Self, QueryError> {
        connection.check_tail(text).await?;
        Ok(Self { connection, text: text.into() })
    }

    /// The rows there are, and the sequence up to which they are in the answer.
    ///
    /// # Errors
    /// As [`Connection::run`].
    pub async fn start(&self) -> Result<(u64, Answer), QueryError> {
        self.connection.run_up_to(&self.text).await
    }

    /// The rows of samples that were added.
    ///
    /// # Errors
    /// As [`Connection::run`].
    pub async fn added(&self, batches: &[Arc<Batch>]) -> Result<Answer, QueryError> {
        self.connection.run_over(&self.text, batches).await
    }
}

/// Refuses a plan that looks at more than one row at a time, or at another relation.
pub(crate) fn check(plan: &LogicalPlan) -> Result<(), QueryError> {
    let refuse = |what: &str| {
        Err(QueryError::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("a query with {what} cannot be followed"),
        )
        .with_hint(
            "select rows of samples by conditions on themselves: SELECT tag, ts, value FROM \
             samples WHERE tag LIKE 'site/line1/%'",
        ))
    };
    if let Some(asks) = plan.expressions().iter().find_map(asks_again) {
        return refuse(asks);
    }
    match plan {
        LogicalPlan::Projection(node) => check(&node.input),
        LogicalPlan::Filter(node) => check(&node.input),
        LogicalPlan::SubqueryAlias(node) => check(&node.input),
        LogicalPlan::Sort(node) if node.fetch.is_none() => check(&node.input),
        LogicalPlan::TableScan(scan) if scan.table_name.table() == "samples" => Ok(()),
        LogicalPlan::TableScan(scan) => refuse(&format!("\"{}\"", scan.table_name.table())),
        LogicalPlan::Aggregate(_) => refuse("an aggregate"),
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => refuse("LIMIT"),
        LogicalPlan::Distinct(_) => refuse("DISTINCT"),
        LogicalPlan::Join(_) => refuse("a join"),
        LogicalPlan::Window(_) => refuse("a window function"),
        other => {
            let text = other.display().to_string();
            refuse(text.split([':', ' ']).next().unwrap_or_default())
        }
    }
}

/// What an expression asks beside its row.
fn asks_again(expression: &Expr) -> Option<&'static str> {
    let mut found = None;
    let walked = expression.apply(|part| {
        let asks = matches!(
            part,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::Unnest(_)
        );
        if asks {
            found = Some("a sub-query");
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.ok().and(found)
}
