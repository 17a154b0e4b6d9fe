//! The tail of a query: the rows there are, then those of the samples that are committed.
//!
//! *Invariant.* Every row is sent once, in the order of the commits, as long as the follower keeps
//! up. One that does not, or one whose samples were corrected, is told to start anew, and gets the
//! whole answer.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use tacitus_model::Batch;
use tacitus_query::{Answer, QueryError, Tail};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Feed, Mark};

/// How long a follower rests between two parts: many small commits become one part.
const REST: Duration = Duration::from_millis(50);

/// A part of the answer.
#[derive(Debug)]
pub(crate) enum Part {
    /// Rows.
    Rows {
        /// The columns.
        columns: SchemaRef,
        /// The rows.
        rows: Vec<RecordBatch>,
        /// Nothing up to here is missing; `None` while more of the same follows.
        sequence: Option<u64>,
    },
    /// What was sent is void; the answer from the start follows.
    Reset,
}

/// One who follows a query.
#[derive(Debug)]
pub(crate) struct Following {
    tail: Tail,
    feed: Arc<Feed>,
    news: watch::Receiver<Mark>,
    state: State,
    resets: u64,
    rested: Instant,
}

#[derive(Debug)]
enum State {
    /// The answer from the start is to be asked for.
    New,
    /// It is being read.
    Start { sequence: u64, answer: Box<Answer> },
    /// All up to here was sent.
    After(u64),
}

impl Following {
    /// Follows a query, from a position if the feed still goes back to it.
    pub(crate) fn new(tail: Tail, feed: Arc<Feed>, position: Option<u64>) -> Self {
        let mut news = feed.watch();
        let mark = *news.borrow_and_update();
        let known = position.filter(|position| *position <= mark.sequence);
        let state = known.map_or(State::New, State::After);
        Self { tail, feed, news, state, resets: mark.resets, rested: Instant::now() }
    }

    /// Waits for the next part. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Part, QueryError> {
        loop {
            match &mut self.state {
                State::New => {
                    self.resets = self.news.borrow_and_update().resets;
                    let (sequence, answer) = self.tail.start().await?;
                    self.state = State::Start { sequence, answer: Box::new(answer) };
                }
                State::Start { sequence, answer } => {
                    let columns = SchemaRef::clone(answer.schema());
                    if let Some(rows) = answer.next().await {
                        return Ok(Part::Rows { columns, rows: vec![rows?], sequence: None });
                    }
                    let sequence = *sequence;
                    self.state = State::After(sequence);
                    let sequence = Some(sequence);
                    return Ok(Part::Rows { columns, rows: Vec::new(), sequence });
                }
                State::After(position) => {
                    let position = *position;
                    if let Some(part) = self.added(position).await? {
                        return Ok(part);
                    }
                }
            }
        }
    }

    /// What was added after a position; `None` where it is nothing that the query selects.
    async fn added(&mut self, position: u64) -> Result<Option<Part>, QueryError> {
        let resets = self.resets;
        let is_news = |now: &Mark| now.sequence > position || now.resets != resets;
        // The feed is kept as long as the follower, so that this ends only with news.
        drop(self.news.wait_for(is_news).await);
        tokio::time::sleep_until(self.rested).await;
        let reset = self.news.borrow_and_update().resets != resets;
        let entries = match self.feed.after(position) {
            Ok(entries) if !reset => entries,
            _ => {
                self.state = State::New;
                return Ok(Some(Part::Reset));
            }
        };
        let sequence = entries.last().map_or(position, |entry| entry.sequence);
        let batches: Vec<Arc<Batch>> =
            entries.iter().map(|entry| Arc::clone(&entry.batch)).collect();
        let mut answer = self.tail.added(&batches).await?;
        let mut rows = Vec::new();
        while let Some(batch) = answer.next().await {
            rows.push(batch?);
        }
        self.state = State::After(sequence);
        self.rested = Instant::now() + REST;
        let columns = SchemaRef::clone(answer.schema());
        let is_empty = rows.iter().all(|batch| batch.num_rows() == 0);
        Ok((!is_empty).then_some(Part::Rows { columns, rows, sequence: Some(sequence) }))
    }
}
