//! One share of a summary: tag after tag, window after window.
//!
//! *Invariant.* A poll does a bounded piece of work, then lets others run. Groups of a tag come
//! in the order of time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::RecordBatchStream;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, RecordOutput,
};
use futures::Stream;
use tacitus_model::Tag;
use tacitus_storage::{Edges, Statistics};

use super::Summary;
use super::known::{Inquiry, Piece, Pieces};
use super::needs::Verdict;
use super::rows::Grouped;
use super::share::Share;
use super::sheet::Sheet;
use super::windows::Windows;
use crate::limits::STEPS_PER_POLL_MAX;
use crate::scan::Gathered;

/// Windows asked of the store at once. LIMIT: a page is read at each edge, some microseconds.
pub(super) const WINDOWS_MAX: usize = 1024;

/// Samples that a window must have on average for windows to be worth the asking. LIMIT: making
/// statistics of fewer samples costs more than counting them.
const ROWS_OF_WINDOW_MIN: i128 = 8;

/// What a partition counts, for `EXPLAIN ANALYZE`.
#[derive(Debug)]
pub(super) struct Counters {
    common: BaselineMetrics,
    tags_read: Count,
    pages_from_statistics: Count,
    pages_decoded: Count,
    pub(super) rows_read: Count,
}

impl Counters {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(set).counter(name, partition);
        Self {
            common: BaselineMetrics::new(set, partition),
            tags_read: counter("tags_read"),
            pages_from_statistics: counter("pages_from_statistics"),
            pages_decoded: counter("pages_decoded"),
            rows_read: counter("rows_read"),
        }
    }

    pub(super) fn pages(&self, known: u64, read: u64) {
        let count = |pages: u64| usize::try_from(pages).unwrap_or(usize::MAX);
        self.pages_from_statistics.add(count(known));
        self.pages_decoded.add(count(read));
    }
}

/// What is left of one tag.
struct TagWork {
    tag: Arc<Tag>,
    /// Where the next windows begin.
    from: i64,
    /// Before this moment all is asked by windows.
    end: i64,
    pieces: Pieces,
    /// Groups of which rows are counted.
    groups: Option<Grouped>,
}

/// The groups, or partial states, of one share.
pub(super) struct SummaryStream {
    summary: Arc<Summary>,
    share: Share,
    current: Option<TagWork>,
    windows: Windows,
    sheet: Sheet,
    gathered: Gathered,
    ended: bool,
    counters: Counters,
}

impl SummaryStream {
    pub(super) fn new(summary: Arc<Summary>, share: Share, counters: Counters) -> Self {
        let gathered = Gathered::new(Arc::clone(&summary.schema));
        let sheet = Sheet::default();
        let windows = Windows::default();
        Self { summary, share, current: None, windows, sheet, gathered, ended: false, counters }
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        for _ in 0..STEPS_PER_POLL_MAX {
            if let Some(batch) = self.gathered.next() {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            let Some(mut work) = self.current.take() else {
                self.next_tag()?;
                continue;
            };
            if self.step(&mut work)? {
                self.current = Some(work);
            }
        }
        Ok(self.gathered.next())
    }

    fn next_tag(&mut self) -> Result<()> {
        let tag = self.share.tags.next().and_then(|at| self.summary.scan.tags.get(at));
        let Some(tag) = tag.map(Arc::clone) else {
            self.ended = true;
            self.turn()?;
            return self.gathered.finish();
        };
        self.current = self.open(tag)?;
        Ok(())
    }

    /// Looks at a tag as a whole, and decides how it is asked.
    fn open(&mut self, tag: Arc<Tag>) -> Result<Option<TagWork>> {
        let summary = Arc::clone(&self.summary);
        let Some(extent) = summary.scan.snapshot.extent(tag.id) else { return Ok(None) };
        let range = extent.intersect(&self.share.range);
        if range.is_empty() {
            return Ok(None);
        }
        self.counters.tags_read.add(1);
        let (from, last) = (range.first.nanos(), range.last.nanos());
        let mut work = TagWork { tag, from, end: from, pieces: Pieces::default(), groups: None };
        // The last moment there is cannot be before an edge.
        if let Some(end) = last.checked_add(1)
            && summary.needs.statistics_serve()
            && summary.serves(&work.tag)
        {
            if summary.keys.times().is_empty() {
                // One window: asking for it is all the looking there is.
                work.end = end;
                return Ok(Some(work));
            }
            let whole = self.whole(&work.tag, from, end)?;
            if summary.needs.verdict(&whole) == Verdict::Void {
                return Ok(None);
            }
            if self.worth_asking(from, end, &whole)? {
                work.end = end;
                return Ok(Some(work));
            }
        }
        work.pieces.queue.push_back(Piece::Unknown(range));
        Ok(Some(work))
    }

    /// What statistics say of a tag, no less than it has.
    fn whole(&self, tag: &Tag, from: i64, end: i64) -> Result<Statistics> {
        let windows = self.summary.scan.snapshot.aggregate(tag.id, &[from, end], Edges::Plot);
        let windows = windows.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(windows.statistics.first().copied().unwrap_or_default())
    }

    /// Whether windows have enough samples for their statistics to save work.
    fn worth_asking(&mut self, from: i64, end: i64, whole: &Statistics) -> Result<bool> {
        // The first window is cut off; the second says how long they are.
        self.windows.edges(&self.summary.keys, from, end, 2)?;
        let Some(width) = self.windows.width() else { return Ok(true) };
        let windows = (i128::from(end) - i128::from(from)) / i128::from(width.max(1)) + 1;
        Ok(i128::from(whole.rows) >= windows * ROWS_OF_WINDOW_MIN)
    }

    /// One piece of work. Says whether there is more.
    fn step(&mut self, work: &mut TagWork) -> Result<bool> {
        let summary = Arc::clone(&self.summary);
        if let Some(groups) = work.groups.as_mut().filter(|groups| groups.is_reading()) {
            groups.step(&summary, &self.counters)?;
            if groups.is_full() {
                let batch = groups.flush(&summary, true)?;
                batch.map_or(Ok(()), |batch| self.gathered.push(batch, 0))?;
            }
            return Ok(true);
        }
        match work.pieces.queue.pop_front() {
            Some(Piece::Known(known)) => {
                if let Some(groups) = &mut work.groups {
                    groups.join(&summary, &known)?;
                } else {
                    self.sheet.push(&work.tag, known);
                    if self.sheet.is_full() {
                        self.turn()?;
                    }
                }
            }
            Some(Piece::Unknown(range)) => {
                let blocks = summary.scan.snapshot.scan(work.tag.id, range);
                self.counted(work)?.read(blocks);
            }
            None => {
                self.close(work)?;
                if work.from >= work.end {
                    return Ok(false);
                }
                self.ask(work)?;
            }
        }
        Ok(true)
    }

    /// Asks for the next windows.
    fn ask(&mut self, work: &mut TagWork) -> Result<()> {
        let keys = &self.summary.keys;
        let edges = self.windows.edges(keys, work.from, work.end, WINDOWS_MAX)?;
        let (summary, tag, counters) = (&*self.summary, &*work.tag, &self.counters);
        work.pieces = Inquiry { summary, tag, counters }.pieces(&edges)?;
        work.from = edges.last().copied().unwrap_or(work.end);
        if work.pieces.parted && self.summary.whole {
            self.counted(work)?;
        }
        Ok(())
    }

    /// The groups of which rows are counted; what is known of earlier ones goes out before.
    fn counted<'a>(&mut self, work: &'a mut TagWork) -> Result<&'a mut Grouped> {
        self.turn()?;
        match &mut work.groups {
            Some(groups) => Ok(groups),
            none => Ok(none.insert(Grouped::new(&self.summary, &work.tag)?)),
        }
    }

    /// Hands out the groups of which rows were counted: all windows asked for are over.
    fn close(&mut self, work: &mut TagWork) -> Result<()> {
        let Some(mut groups) = work.groups.take() else { return Ok(()) };
        let batch = groups.flush(&self.summary, false)?;
        batch.map_or(Ok(()), |batch| self.gathered.push(batch, 0))
    }

    /// Hands out what is known from statistics.
    fn turn(&mut self) -> Result<()> {
        let batch = self.sheet.flush(&self.summary)?;
        batch.map_or(Ok(()), |batch| self.gathered.push(batch, 0))
    }
}

impl Stream for SummaryStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let timer = self.counters.common.elapsed_compute().clone();
        let started = timer.timer();
        let advanced = self.advance();
        started.done();
        match advanced {
            Ok(Some(batch)) => Poll::Ready(Some(Ok(batch.record_output(&self.counters.common)))),
            Ok(None) if self.ended => Poll::Ready(None),
            Ok(None) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Err(error) => {
                self.ended = true;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

impl RecordBatchStream for SummaryStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.summary.schema)
    }
}
