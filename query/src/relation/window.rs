//! Relations whose rows are made, or looked up, for a span of time.
//!
//! *Invariant.* The rows that are made are at least those that pass the filters; the engine checks
//! every one of them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::logical_expr::{
    BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType,
};
use datafusion::physical_plan::ExecutionPlan;
use tacitus_model::TimeRange;

use crate::filter::{names, time_range};

/// Makes the rows of a relation.
pub(super) trait Rows: fmt::Debug + Send + Sync {
    /// The columns.
    fn schema(&self) -> &SchemaRef;

    /// The rows that may pass the filters.
    fn rows(&self, asked: &Asked<'_>) -> Result<RecordBatch>;
}

/// What a statement asks of a relation: all conditions hold.
#[derive(Debug)]
pub(super) struct Asked<'a>(&'a [Expr]);

impl<'a> Asked<'a> {
    /// What these filters ask.
    pub(super) fn of(filters: &'a [Expr]) -> Self {
        Self(filters)
    }

    /// The times that conditions leave of a column. A row without a time passes where
    /// `column IS NULL OR …` says so.
    pub(super) fn times(&self, column: &str) -> TimeRange {
        let ranges = self.0.iter().filter_map(|filter| times(filter, column));
        ranges.fold(TimeRange::ALL, |range, other| range.intersect(&other))
    }

    /// The first and the last date that conditions leave of a column, in days since 1970-01-01.
    pub(super) fn days(&self, column: &str) -> (Option<i32>, Option<i32>) {
        let (mut first, mut last): (Option<i32>, Option<i32>) = (None, None);
        for (low, high) in self.0.iter().filter_map(|filter| days(filter, column)) {
            first = first.max(low);
            last = match (last, high) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        (first, last)
    }

    /// The texts that conditions leave of a column; `None`: any.
    pub(super) fn texts(&self, column: &str) -> Option<BTreeSet<String>> {
        let listed = self.0.iter().filter_map(|filter| names(filter, column));
        listed.reduce(|some, others| some.intersection(&others).cloned().collect())
    }
}

/// The times that a condition leaves of a column.
fn times(condition: &Expr, column: &str) -> Option<TimeRange> {
    if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) = condition {
        let is_null = |side: &Expr| match side {
            Expr::IsNull(inner) => matches!(&**inner, Expr::Column(own) if own.name == column),
            _ => false,
        };
        return match (is_null(left), is_null(right)) {
            (true, false) => time_range(right, column),
            (false, true) => time_range(left, column),
            _ => None,
        };
    }
    time_range(condition, column)
}

/// The dates that a condition leaves of a column.
fn days(condition: &Expr, column: &str) -> Option<(Option<i32>, Option<i32>)> {
    let is_day = |expr: &Expr| matches!(expr, Expr::Column(own) if own.name == column);
    let day = |expr: &Expr| match expr {
        Expr::Literal(ScalarValue::Date32(day), _) => *day,
        _ => None,
    };
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (op, day) = match (is_day(left), is_day(right)) {
                (true, false) => (*op, day(right)?),
                (false, true) => (op.swap()?, day(left)?),
                _ => return None,
            };
            match op {
                Operator::Eq => Some((Some(day), Some(day))),
                Operator::Lt | Operator::LtEq => Some((None, Some(day))),
                Operator::Gt | Operator::GtEq => Some((Some(day), None)),
                _ => None,
            }
        }
        Expr::Between(between) if !between.negated && is_day(&between.expr) => {
            Some((Some(day(&between.low)?), Some(day(&between.high)?)))
        }
        _ => None,
    }
}

/// A relation that makes its rows when it is read.
#[derive(Debug)]
pub(super) struct Window(Arc<dyn Rows>);

impl Window {
    pub(super) fn over(rows: impl Rows + 'static) -> Arc<dyn TableProvider> {
        Arc::new(Self(Arc::new(rows)))
    }
}

#[async_trait]
impl TableProvider for Window {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.0.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let batch = self.0.rows(&Asked::of(filters))?;
        let table = MemTable::try_new(self.schema(), vec![vec![batch]])?;
        table.scan(session, projection, &[], limit).await
    }
}
