//! Windows of several tags that are known from statistics, on their way to a batch.
//!
//! *Invariant.* They are handed out in the order in which they were put in. At most
//! [`ROWS_MAX`] and those of one look at the store are held.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use datafusion::error::Result;
use tacitus_model::Tag;
use tacitus_storage::Statistics;

use super::Summary;
use super::known::Known;
use crate::function::run::Run;

/// LIMIT: the statistics of so many windows stay in a processor's own cache.
const ROWS_MAX: usize = 1024;

/// Windows that are known.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    tags: Vec<Arc<Tag>>,
    /// The position of each window's tag.
    tag_of_window: Vec<u32>,
    known: Known,
}

impl Sheet {
    /// Adds windows of a tag.
    pub(super) fn push(&mut self, tag: &Arc<Tag>, known: Known) {
        if self.tags.last().is_none_or(|last| !Arc::ptr_eq(last, tag)) {
            self.tags.push(Arc::clone(tag));
        }
        let tag = u32::try_from(self.tags.len() - 1).unwrap_or(u32::MAX);
        self.tag_of_window.resize(self.tag_of_window.len() + known.times.len(), tag);
        if self.known.times.is_empty() {
            self.known = known;
            return;
        }
        self.known.times.extend(known.times);
        self.known.statistics.extend(known.statistics);
        for (own, more) in self.known.runs.iter_mut().zip(known.runs) {
            own.extend(more);
        }
    }

    /// Whether it is time to hand them out.
    pub(super) fn is_full(&self) -> bool {
        self.known.times.len() >= ROWS_MAX
    }

    /// All windows as a batch: answers where groups are whole, else partial states.
    pub(super) fn flush(&mut self, summary: &Summary) -> Result<Option<RecordBatch>> {
        let Self { tags, tag_of_window, known } = std::mem::take(self);
        let rows = known.times.len();
        if rows == 0 {
            return Ok(None);
        }
        let keys = &summary.keys;
        let of_tags = keys.of_tags(tags.iter().map(AsRef::as_ref))?;
        let tag_of_window = UInt32Array::from(tag_of_window);
        let mut columns = keys.columns(&of_tags, &tag_of_window, keys.of_times(&known.times)?)?;
        let mut runs = known.runs.iter();
        let windows: &[Statistics] = &known.statistics;
        for asked in &summary.asked {
            let runs: &[Run] = match asked.course() {
                Some(_) => runs.next().map(Vec::as_slice).unwrap_or_default(),
                None => &[],
            };
            if summary.whole {
                columns.push(asked.answers(windows, runs)?);
            } else {
                columns.extend(asked.states(windows, runs)?);
            }
        }
        crate::scan::batch_of(&summary.schema, columns, rows).map(Some)
    }
}
