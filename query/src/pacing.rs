//! Gives a join that compares all with all its rows in small portions.
//!
//! Such a join takes a whole batch of one side against everything of the other before it looks up:
//! minutes of work without a pause, in which nothing can be cancelled. In portions, and with a
//! pause after each that took long, it looks up many times a second.
//!
//! *Invariant.* Every row passes once and in order.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, RecordBatchStream,
    SendableRecordBatchStream,
};
use futures::{Stream, StreamExt as _};

/// How many pairs are compared before the join looks up. LIMIT: some ten milliseconds of work.
const PAIRS_AT_ONCE: usize = 16_000_000;

/// The rows of the other side where nobody knows how many there are.
const OTHERS_GUESS: usize = 1_000_000;

/// How long work may go on before others get a turn. LIMIT: a cancel is noticed as soon.
const TURN: Duration = Duration::from_millis(20);

/// Hands on the rows of its input in portions.
#[derive(Debug)]
pub(crate) struct PacedExec {
    input: Arc<dyn ExecutionPlan>,
    rows: usize,
}

impl PacedExec {
    /// The rows of `input`, in portions for a join with about so many other rows.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, others: Option<usize>) -> Self {
        let others = others.unwrap_or(OTHERS_GUESS).max(1);
        Self { input, rows: (PAIRS_AT_ONCE / others).max(1) }
    }
}

impl DisplayAs for PacedExec {
    fn fmt_as(&self, _: DisplayFormatType, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PacedExec: rows={}", self.rows)
    }
}

impl ExecutionPlan for PacedExec {
    fn name(&self) -> &'static str {
        "PacedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
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
        Ok(Arc::new(Self { input, rows: self.rows }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let rows = self.rows;
        Ok(Box::pin(Paced { input, rows, left: None, turn: Instant::now() }))
    }
}

struct Paced {
    input: SendableRecordBatchStream,
    rows: usize,
    /// What is left of a batch.
    left: Option<RecordBatch>,
    /// When others had their last turn.
    turn: Instant,
}

impl Stream for Paced {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.turn.elapsed() > TURN {
            this.turn = Instant::now();
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let batch = match this.left.take() {
            Some(batch) => batch,
            None => match ready!(this.input.poll_next_unpin(context)) {
                Some(Ok(batch)) => batch,
                other => return Poll::Ready(other),
            },
        };
        if batch.num_rows() <= this.rows {
            return Poll::Ready(Some(Ok(batch)));
        }
        this.left = Some(batch.slice(this.rows, batch.num_rows() - this.rows));
        Poll::Ready(Some(Ok(batch.slice(0, this.rows))))
    }
}

impl RecordBatchStream for Paced {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}
