//! Shares of the work side by side, their batches one share after the other.
//!
//! ```text
//! share 1 ─ task ─ channel ─▶ handed out
//! share 2 ─ task ─ channel    waits, some batches ahead
//! share 3                     begins when share 1 is over
//! ```
//!
//! *Invariant.* Batches come in the order of the shares. A share is at most [`BATCHES_AHEAD`]
//! batches ahead, and one more share is under way than there are threads; dropping the line stops
//! them all.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::{RecordBatchStream, SendableRecordBatchStream};
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc::{Receiver, channel};

/// LIMIT: a batch has 8192 groups, some hundred kilobytes.
const BATCHES_AHEAD: usize = 4;

/// Streams, one after the other.
pub(super) struct Line {
    schema: SchemaRef,
    waiting: VecDeque<SendableRecordBatchStream>,
    abreast: usize,
    under_way: VecDeque<(Receiver<Result<RecordBatch>>, SpawnedTask<()>)>,
}

impl Line {
    pub(super) fn new(
        schema: SchemaRef,
        shares: impl IntoIterator<Item = SendableRecordBatchStream>,
        threads: usize,
    ) -> Self {
        let waiting = shares.into_iter().collect();
        Self { schema, waiting, abreast: threads + 1, under_way: VecDeque::new() }
    }

    fn begin(&mut self) {
        while self.under_way.len() < self.abreast
            && let Some(mut share) = self.waiting.pop_front()
        {
            let (sender, receiver) = channel(BATCHES_AHEAD);
            let task = SpawnedTask::spawn(async move {
                while let Some(batch) = share.next().await {
                    if sender.send(batch).await.is_err() {
                        return;
                    }
                }
            });
            self.under_way.push_back((receiver, task));
        }
    }
}

impl Stream for Line {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            self.begin();
            let Some((receiver, task)) = self.under_way.front_mut() else {
                return Poll::Ready(None);
            };
            if let Some(batch) = ready!(receiver.poll_recv(context)) {
                return Poll::Ready(Some(batch));
            }
            // A share that ended by a fault is no end of the answer.
            if let Err(error) = ready!(task.poll_unpin(context)) {
                if error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                }
                let stopped = "a part of the statement was stopped".to_owned();
                return Poll::Ready(Some(Err(DataFusionError::Execution(stopped))));
            }
            self.under_way.pop_front();
        }
    }
}

impl RecordBatchStream for Line {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}
