//! The rows of an answer, as they come.
//!
//! *Invariant.* An answer ends with `None` only if it is complete. Dropping it stops the work
//! behind it. The time limit and a cancel hold on the reader's side, so that they fire even while
//! the statement computes without a pause.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinHandle};
use tokio::time::Instant;

use crate::error::{QueryError, SqlState};

/// The rows of a statement.
#[derive(Debug)]
pub struct Answer {
    schema: SchemaRef,
    batches: Receiver<Result<RecordBatch, QueryError>>,
    work: Work<()>,
    ended: bool,
}

impl Answer {
    pub(crate) fn new(
        schema: SchemaRef,
        batches: Receiver<Result<RecordBatch, QueryError>>,
        work: Work<()>,
    ) -> Self {
        Self { schema, batches, work, ended: false }
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What stops this answer, from wherever.
    pub fn canceller(&self) -> Canceller {
        self.work.canceller()
    }

    /// When the time of the statement is over.
    pub fn deadline(&self) -> Instant {
        self.work.deadline
    }

    /// The next rows; `None` once the answer is complete. Dropping the future loses no rows.
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
            Err(stopped) => Some(Err(stopped)),
        };
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Stops a statement; clones stop the same one. A statement that has ended stays ended.
#[derive(Debug, Clone)]
pub struct Canceller {
    asked: watch::Sender<bool>,
    task: AbortHandle,
}

impl Canceller {
    /// Stops the statement: its reader gets "57014" at once, its work ends at its next pause.
    pub fn cancel(&self) {
        self.asked.send_replace(true);
        self.task.abort();
    }
}

/// The error of a statement that someone stopped.
pub(crate) fn canceled() -> QueryError {
    QueryError::new(SqlState::QUERY_CANCELED, "the statement was canceled by request")
}

/// A running statement: stopped when dropped, when canceled, and at its time limit.
#[derive(Debug)]
pub(crate) struct Work<T> {
    task: JoinHandle<T>,
    asked: watch::Sender<bool>,
    deadline: Instant,
    limit: Duration,
}

impl<T> Work<T> {
    pub(crate) fn new(task: JoinHandle<T>, limit: Duration) -> Self {
        let asked = watch::Sender::new(false);
        Self { task, asked, deadline: Instant::now() + limit, limit }
    }

    fn canceller(&self) -> Canceller {
        Canceller { asked: self.asked.clone(), task: self.task.abort_handle() }
    }

    /// Waits, but no longer than the time limit or a cancel.
    pub(crate) async fn within<W>(&self, wait: impl Future<Output = W>) -> Result<W, QueryError> {
        let mut asked = self.asked.subscribe();
        tokio::select! {
            biased;
            // The sender is held here, so that waiting ends only with a cancel.
            _ = asked.wait_for(|asked| *asked) => Err(canceled()),
            waited = tokio::time::timeout_at(self.deadline, wait) => {
                waited.map_err(|_elapsed| self.late())
            }
        }
    }

    /// What the work gives back.
    pub(crate) async fn output(&mut self) -> Result<T, QueryError> {
        match tokio::time::timeout_at(self.deadline, &mut self.task).await {
            Ok(ended) => ended.map_err(fault),
            Err(_elapsed) => Err(self.late()),
        }
    }

    fn late(&self) -> QueryError {
        self.task.abort();
        QueryError::new(
            SqlState::QUERY_CANCELED,
            format!("the statement ran longer than {} s", self.limit.as_secs_f64()),
        )
        .with_hint("read fewer tags or a shorter span, or raise the time limit")
    }

    /// Why the work ended without saying so; `None` where it ended well.
    pub(crate) async fn failure(&mut self) -> Option<QueryError> {
        let ended = (&mut self.task).await;
        ended.err().map(|error| if *self.asked.borrow() { canceled() } else { fault(error) })
    }
}

/// Why work ended by itself.
fn fault(error: JoinError) -> QueryError {
    let Ok(panic) = error.try_into_panic() else {
        return QueryError::new(SqlState::QUERY_CANCELED, "the statement was stopped");
    };
    let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    // The engine's arrays of text and lists hold two gigabytes, and say so by a panic.
    if said.contains("overflow") {
        return QueryError::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            "a column of the statement has more than two gigabytes at once",
        )
        .with_hint("make shorter texts and lists");
    }
    QueryError::new(SqlState::INTERNAL_ERROR, "the statement met a fault of the query engine")
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
