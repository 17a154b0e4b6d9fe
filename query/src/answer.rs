//! The rows of an answer, as they come.
//!
//! *Invariant.* An answer ends with `None` only if it is complete. Dropping it stops the work
//! behind it. The time limit holds on the reader's side, so that it fires even while the
//! statement computes without a pause.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::{QueryError, SqlState};

/// The rows of a statement.
#[derive(Debug)]
pub struct Answer {
    schema: SchemaRef,
    batches: Receiver<Result<RecordBatch, QueryError>>,
    work: Work,
    ended: bool,
}

impl Answer {
    pub(crate) fn new(
        schema: SchemaRef,
        batches: Receiver<Result<RecordBatch, QueryError>>,
        work: Work,
    ) -> Self {
        Self { schema, batches, work, ended: false }
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; `None` once the answer is complete.
    ///
    /// # Errors
    /// What kept the answer from being complete. Nothing follows an error.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, QueryError>> {
        if self.ended {
            return None;
        }
        let next = match self.work.within(self.batches.recv()).await {
            Ok(Some(next)) => Some(next),
            Ok(None) => self.work.failure().await.map(Err),
            Err(late) => Some(Err(late)),
        };
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// A running statement: stopped when dropped, and at its time limit.
#[derive(Debug)]
pub(crate) struct Work {
    task: JoinHandle<()>,
    deadline: Instant,
    limit: Duration,
}

impl Work {
    pub(crate) fn new(task: JoinHandle<()>, limit: Duration) -> Self {
        Self { task, deadline: Instant::now() + limit, limit }
    }

    /// Waits, but no longer than the time limit.
    pub(crate) async fn within<T>(&self, wait: impl Future<Output = T>) -> Result<T, QueryError> {
        tokio::time::timeout_at(self.deadline, wait).await.map_err(|_elapsed| {
            self.task.abort();
            QueryError::new(
                SqlState::QUERY_CANCELED,
                format!("the statement ran longer than {} s", self.limit.as_secs_f64()),
            )
            .with_hint("read fewer tags or a shorter span, or raise the time limit")
        })
    }

    /// Why the work ended without saying so; `None` where it ended well.
    pub(crate) async fn failure(&mut self) -> Option<QueryError> {
        let ended = (&mut self.task).await;
        ended.err().map(|error| {
            let message = if error.is_panic() {
                "the statement met a fault of the query engine"
            } else {
                "the statement was stopped"
            };
            let sqlstate =
                if error.is_panic() { SqlState::INTERNAL_ERROR } else { SqlState::QUERY_CANCELED };
            QueryError::new(sqlstate, message)
        })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.task.abort();
    }
}
