//! Rows of one tag, put into groups: what statistics do not answer.
//!
//! *Invariant.* The engine's own accumulators count the rows, in the order of time. At most
//! [`GROUPS_MAX`] groups are held; a group that goes on after that is handed out in two parts.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::kernels::partition::partition;
use arrow::compute::{concat, take};
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_boolean_array;
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::{AggregateMode, aggregate_expressions};
use std::sync::Arc;
use tacitus_model::{Tag, TimeRange};
use tacitus_storage::TagScan;

use super::Summary;
use super::key::Keys;
use super::stream::Counters;
use crate::scan::TagColumns;

/// Groups held before they are handed out. LIMIT: some hundred bytes each.
const GROUPS_MAX: usize = 8192;

/// The groups of a tag's rows, as they come.
pub(super) struct Grouped {
    blocks: TagScan,
    columns: TagColumns,
    of_tag: Vec<Option<ScalarValue>>,
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
    pub(super) fn new(summary: &Summary, tag: &Tag, range: TimeRange) -> Result<Self> {
        let functions: Vec<_> =
            summary.asked.iter().map(|asked| Arc::clone(&asked.function)).collect();
        let accumulators: Result<_> =
            functions.iter().map(|function| function.create_groups_accumulator()).collect();
        Ok(Self {
            blocks: summary.scan.snapshot.scan(tag.id, range),
            columns: TagColumns::new(tag),
            of_tag: summary.keys.of_tag(tag.definition.path.as_str())?,
            arguments: aggregate_expressions(&functions, &AggregateMode::Partial, 0)?,
            accumulators: accumulators?,
            keys: Vec::new(),
            groups: 0,
            last: None,
        })
    }

    /// Reads one block. Says whether there may be more.
    pub(super) fn step(&mut self, summary: &Summary, counters: &Counters) -> Result<bool> {
        let Some(block) = self.blocks.next() else { return Ok(false) };
        let block =
            block.map_err(|error| datafusion::error::DataFusionError::External(Box::new(error)))?;
        counters.rows_read.add(block.len());
        let schema = &summary.columns_schema;
        let rows = self.columns.rows(&summary.scan, &summary.columns, schema, &block)?;
        if let Some(rows) = rows {
            let rows = summary.staged(rows)?;
            if rows.num_rows() > 0 {
                self.add(summary, &rows)?;
            }
        }
        Ok(true)
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

    /// Hands out the groups so far.
    pub(super) fn flush(&mut self, summary: &Summary) -> Result<Option<RecordBatch>> {
        if self.groups == 0 {
            return Ok(None);
        }
        let of_times: Result<Vec<ArrayRef>, _> = (0..summary.keys.times().len())
            .map(|at| {
                let pieces: Vec<&dyn Array> =
                    self.keys.iter().filter_map(|piece| piece.get(at)).map(AsRef::as_ref).collect();
                concat(&pieces)
            })
            .collect();
        let mut columns = Keys::columns(&self.of_tag, of_times?, self.groups)?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        let batch = crate::scan::batch_of(&summary.schema, columns, self.groups)?;
        self.keys.clear();
        self.groups = 0;
        self.last = None;
        Ok(Some(batch))
    }
}

fn scalars(keys: &[ArrayRef], row: usize) -> Result<Vec<ScalarValue>> {
    keys.iter().map(|key| ScalarValue::try_from_array(key, row)).collect()
}
