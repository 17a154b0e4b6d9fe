//! Rows of one tag, put into groups: what statistics do not answer.
//!
//! *Invariant.* The engine's own accumulators count the rows, in the order of time, and take what
//! is known of parts of a group beside them. At most [`GROUPS_MAX`] groups and those of one look at
//! the store are held. Where groups are to be whole, one is handed out only when no more of it
//! can come.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::kernels::partition::partition;
use arrow::compute::{concat, take};
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_boolean_array;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::{AggregateMode, aggregate_expressions};
use tacitus_model::Tag;
use tacitus_storage::TagScan;

use super::Summary;
use super::figure::Asked;
use super::known::Known;
use super::stream::Counters;
use crate::scan::TagColumns;

/// Groups held before they are handed out. LIMIT: some hundred bytes each.
const GROUPS_MAX: usize = 8192;

/// The groups of a tag's rows, as they come.
pub(super) struct Grouped {
    blocks: Option<TagScan>,
    columns: TagColumns,
    of_tag: Vec<ArrayRef>,
    /// What the functions take, over rows that reach the aggregation.
    arguments: Vec<Vec<Arc<dyn PhysicalExpr>>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// The time's keys of each group, a piece a block.
    keys: Vec<Vec<ArrayRef>>,
    groups: usize,
    /// The time's keys of the last group.
    last: Option<Vec<ScalarValue>>,
}

impl Grouped {
    pub(super) fn new(summary: &Summary, tag: &Tag) -> Result<Self> {
        let functions: Vec<_> =
            summary.asked.iter().map(|asked| Arc::clone(&asked.function)).collect();
        Ok(Self {
            blocks: None,
            columns: TagColumns::new(tag),
            of_tag: summary.keys.of_tags(std::iter::once(tag))?,
            arguments: aggregate_expressions(&functions, &AggregateMode::Partial, 0)?,
            accumulators: summary.asked.iter().map(Asked::accumulator).collect::<Result<_>>()?,
            keys: Vec::new(),
            groups: 0,
            last: None,
        })
    }

    /// Turns to rows that are later than all before.
    pub(super) fn read(&mut self, blocks: TagScan) {
        self.blocks = Some(blocks);
    }

    /// Whether there are rows to be read.
    pub(super) fn is_reading(&self) -> bool {
        self.blocks.is_some()
    }

    /// Reads one block.
    pub(super) fn step(&mut self, summary: &Summary, counters: &Counters) -> Result<()> {
        let Some(block) = self.blocks.as_mut().and_then(Iterator::next) else {
            self.blocks = None;
            return Ok(());
        };
        let block = block.map_err(|error| DataFusionError::External(Box::new(error)))?;
        counters.rows_read.add(block.len());
        let schema = &summary.columns_schema;
        let rows = self.columns.rows(&summary.scan, &summary.columns, schema, &block)?;
        if let Some(rows) = rows {
            let rows = summary.staged(rows)?;
            if rows.num_rows() > 0 {
                self.add(summary, &rows)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, summary: &Summary, rows: &RecordBatch) -> Result<()> {
        let keys = summary.keys.of_rows(rows)?;
        let numbers = self.number(&keys, rows.num_rows())?;
        let functions = summary.asked.iter().zip(&self.arguments).zip(&mut self.accumulators);
        for ((asked, arguments), accumulator) in functions {
            let arguments: Result<Vec<ArrayRef>> = arguments
                .iter()
                .map(|argument| argument.evaluate(rows)?.into_array(rows.num_rows()))
                .collect();
            let filter = match &asked.filter {
                None => None,
                Some(filter) => Some(filter.evaluate(rows)?.into_array(rows.num_rows())?),
            };
            let filter: Option<&BooleanArray> =
                filter.as_ref().map(|filter| as_boolean_array(filter)).transpose()?;
            accumulator.update_batch(&arguments?, &numbers, filter, self.groups)?;
        }
        Ok(())
    }

    /// Takes what is known of windows, later than all before.
    pub(super) fn join(&mut self, summary: &Summary, known: &Known) -> Result<()> {
        let keys = summary.keys.of_times(&known.times)?;
        let numbers = self.number(&keys, known.times.len())?;
        let mut runs = known.runs.iter();
        for (asked, accumulator) in summary.asked.iter().zip(&mut self.accumulators) {
            let runs = asked.course().and_then(|_| runs.next());
            let runs = runs.map(Vec::as_slice).unwrap_or_default();
            let states = asked.states(&known.statistics, runs)?;
            accumulator.merge_batch(&states, &numbers, self.groups)?;
        }
        Ok(())
    }

    /// The number of each row's group. Rows of a tag come in time order: a group is a run.
    fn number(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<usize>> {
        if keys.is_empty() {
            self.groups = 1;
            return Ok(vec![0; rows]);
        }
        let runs = partition(keys)?.ranges();
        let first: Vec<ScalarValue> = scalars(keys, 0)?;
        let goes_on = self.last.as_ref() == Some(&first);
        let starts = runs.iter().skip(usize::from(goes_on)).map(|run| run.start);
        let starts: UInt32Array = starts.filter_map(|start| u32::try_from(start).ok()).collect();
        if !starts.is_empty() {
            let taken: Result<Vec<ArrayRef>, _> =
                keys.iter().map(|key| take(key, &starts, None)).collect();
            self.keys.push(taken?);
        }
        let from = self.groups - usize::from(goes_on);
        let mut numbers = Vec::with_capacity(rows);
        for (at, run) in runs.iter().enumerate() {
            numbers.resize(numbers.len() + run.len(), from + at);
        }
        self.groups = from + runs.len();
        self.last = Some(scalars(keys, rows - 1)?);
        Ok(numbers)
    }

    /// Whether there are so many groups that they should be handed out.
    pub(super) fn is_full(&self) -> bool {
        self.groups >= GROUPS_MAX
    }

    /// Hands out the groups so far; `goes_on` says whether more of the last one may come.
    pub(super) fn flush(
        &mut self,
        summary: &Summary,
        goes_on: bool,
    ) -> Result<Option<RecordBatch>> {
        let kept = usize::from(goes_on && summary.whole);
        let groups = self.groups.saturating_sub(kept);
        if groups == 0 {
            return Ok(None);
        }
        let mut of_times = Vec::new();
        let mut left = Vec::new();
        for at in 0..summary.keys.times().len() {
            let pieces: Vec<&dyn Array> =
                self.keys.iter().filter_map(|piece| piece.get(at)).map(AsRef::as_ref).collect();
            let keys = concat(&pieces)?;
            left.push(keys.slice(groups, kept));
            of_times.push(keys.slice(0, groups));
        }
        let tag_of_group = UInt32Array::from(vec![0; groups]);
        let mut columns = summary.keys.columns(&self.of_tag, &tag_of_group, of_times)?;
        let emitted = if kept == 0 { EmitTo::All } else { EmitTo::First(groups) };
        for accumulator in &mut self.accumulators {
            if summary.whole {
                columns.push(accumulator.evaluate(emitted)?);
            } else {
                columns.extend(accumulator.state(emitted)?);
            }
        }
        let batch = crate::scan::batch_of(&summary.schema, columns, groups)?;
        self.keys.clear();
        self.groups = kept;
        if kept == 0 {
            self.last = None;
        } else if !left.is_empty() {
            self.keys.push(left);
        }
        Ok(Some(batch))
    }
}

fn scalars(keys: &[ArrayRef], row: usize) -> Result<Vec<ScalarValue>> {
    keys.iter().map(|key| ScalarValue::try_from_array(key, row)).collect()
}
