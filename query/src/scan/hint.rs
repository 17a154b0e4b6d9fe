//! What operators above a scan find out while they run: which tags a join looks for, which times
//! a list of the latest rows still has room for.
//!
//! *Invariant.* A hint only leaves out what the operators above would drop; they still check.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringViewArray};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_boolean_array;
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNullExpr, Literal};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::snapshot_physical_expr;
use tacitus_model::{TimeRange, Timestamp};

use crate::filter::compared;
use crate::relation::SampleColumn;

/// Conditions that change while a statement runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints(pub(super) Vec<Arc<dyn PhysicalExpr>>);

impl Hints {
    /// Those of some filters that say something of the tag or the time.
    pub(super) fn of<'a>(filters: impl Iterator<Item = &'a Arc<dyn PhysicalExpr>>) -> Self {
        let names = [SampleColumn::Tag.name(), SampleColumn::Ts.name()];
        let reads = |filter: &Arc<dyn PhysicalExpr>| {
            collect_columns(filter).iter().any(|column| names.contains(&column.name()))
        };
        Self(filters.filter(|filter| reads(filter)).map(Arc::clone).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What holds now, condition by condition.
    fn now(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        let now = self.0.iter().filter_map(|hint| snapshot_physical_expr(Arc::clone(hint)).ok());
        now.flat_map(|hint| {
            split_conjunction(&hint).into_iter().map(Arc::clone).collect::<Vec<_>>()
        })
        .collect()
    }

    /// Whether rows of a tag may be wanted.
    pub(super) fn wants(&self, path: &str) -> Result<bool> {
        let schema: SchemaRef = Arc::new(Schema::new(vec![SampleColumn::Tag.field()]));
        for hint in self.now() {
            let columns = collect_columns(&hint);
            if columns.is_empty()
                || columns.iter().any(|column| column.name() != SampleColumn::Tag.name())
            {
                continue;
            }
            let column = StringViewArray::from_iter_values([path]);
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)])?;
            let test = reassign_expr_columns(hint, &schema)?;
            let wanted = test.evaluate(&batch)?.into_array(1)?;
            let wanted = as_boolean_array(&wanted)?;
            if wanted.is_null(0) || !wanted.value(0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The span of time in which rows may be wanted.
    pub(super) fn range(&self) -> TimeRange {
        let ranges = self.now();
        let ranges = ranges.iter().filter_map(range_of);
        ranges.fold(TimeRange::ALL, |all, range| all.intersect(&range))
    }
}

/// The moments for which a condition can be true; `None` where it may be any.
fn range_of(test: &Arc<dyn PhysicalExpr>) -> Option<TimeRange> {
    let is_time = |expr: &Arc<dyn PhysicalExpr>| {
        expr.downcast_ref::<Column>().is_some_and(|own| own.name() == SampleColumn::Ts.name())
    };
    let test = test.downcast_ref::<BinaryExpr>()?;
    if *test.op() == Operator::Or {
        // A time is never null: `ts IS NULL OR ts > …` is the second.
        let side = |side: &Arc<dyn PhysicalExpr>| {
            side.downcast_ref::<IsNullExpr>().is_some_and(|null| is_time(null.arg()))
        };
        return match (side(test.left()), side(test.right())) {
            (true, false) => range_of(test.right()),
            (false, true) => range_of(test.left()),
            _ => None,
        };
    }
    let moment = |expr: &Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::TimestampNanosecond(Some(nanos), _) => Some(Timestamp::from_nanos(*nanos)),
        _ => None,
    };
    if is_time(test.left()) {
        compared(*test.op(), moment(test.right())?)
    } else if is_time(test.right()) {
        compared(test.op().swap()?, moment(test.left())?)
    } else {
        None
    }
}
