//! What samples are grouped by, and the windows of time that this makes.
//!
//! A key reads the tag alone, or the time alone and rises with it. So the samples of one tag fall
//! into windows of time, one a group. Where a window ends is found by asking the expression: the
//! next windows are guessed to be as long as the last one, and searched for where that is wrong
//! (months, days when clocks change).
//!
//! *Invariant.* All moments of a window have the same keys, and the moment after it another.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, StringViewArray,
    TimestampNanosecondArray, UInt32Array,
};
use arrow::compute::kernels::partition::partition;
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{Schema, SchemaRef, TimestampNanosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::sort_properties::SortProperties;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use tacitus_model::Tag;

use super::figure::column_of;
use crate::relation::SampleColumn;

static TAG: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(vec![SampleColumn::Tag.field()])));
static TIME: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(vec![SampleColumn::Ts.field()])));

/// What a key reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Tag,
    Time,
}

/// One expression that is grouped by.
#[derive(Debug, Clone)]
struct Key {
    name: String,
    reads: Reads,
    /// Over a column of tags or of times.
    expr: Arc<dyn PhysicalExpr>,
    /// Over the rows that reach the aggregation.
    staged: Arc<dyn PhysicalExpr>,
    /// The column as it is.
    bare: bool,
}

/// What samples are grouped by.
#[derive(Debug, Clone)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    /// Reads the keys; `resolved` turns an expression into one over the columns of the scan.
    /// `None` where one reads something else, or does not rise with time.
    pub(super) fn read(
        groups: &[(Arc<dyn PhysicalExpr>, String)],
        resolved: impl Fn(&Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>>,
    ) -> Option<Self> {
        let key = |(staged, name): &(Arc<dyn PhysicalExpr>, String)| {
            let expr = resolved(staged)?;
            let columns = collect_columns(&expr);
            let only = |wanted: SampleColumn| columns.iter().all(|own| own.name() == wanted.name());
            let (reads, schema) = if only(SampleColumn::Tag) {
                (Reads::Tag, &*TAG)
            } else if only(SampleColumn::Ts) {
                (Reads::Time, &*TIME)
            } else {
                return None;
            };
            let bare = column_of(&expr) == Some(SampleColumn::Tag);
            let expr = reassign_expr_columns(expr, schema).ok()?;
            let fits = reads == Reads::Tag || rises(&expr);
            let staged = Arc::clone(staged);
            fits.then(|| Key { name: name.clone(), reads, expr, staged, bare })
        };
        groups.iter().map(key).collect::<Option<_>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.name.as_str())
    }

    /// Positions of the keys that rise with time.
    pub(super) fn times(&self) -> Vec<usize> {
        self.positions(|key| key.reads == Reads::Time)
    }

    /// The position of the tag itself, if it is a key.
    pub(super) fn tag(&self) -> Option<usize> {
        self.positions(|key| key.bare).first().copied()
    }

    fn positions(&self, of: impl Fn(&Key) -> bool) -> Vec<usize> {
        self.0.iter().enumerate().filter(|(_, key)| of(key)).map(|(at, _)| at).collect()
    }

    /// The keys that the tag decides, of some tags, in their order.
    pub(super) fn of_tags<'a>(&self, tags: impl Iterator<Item = &'a Tag>) -> Result<Vec<ArrayRef>> {
        let paths = tags.map(|tag| tag.definition.path.as_str());
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(paths));
        let rows = column.len();
        let batch = RecordBatch::try_new(Arc::clone(&TAG), vec![column])?;
        let keys = self.0.iter().filter(|key| key.reads == Reads::Tag);
        keys.map(|key| key.expr.evaluate(&batch)?.into_array(rows)).collect()
    }

    /// The keys that time decides, of some moments, in their order.
    pub(super) fn of_times(&self, times: &[i64]) -> Result<Vec<ArrayRef>> {
        let rows = times.len();
        let column = TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC");
        let batch = RecordBatch::try_new(Arc::clone(&TIME), vec![Arc::new(column)])?;
        let keys = self.0.iter().filter(|key| key.reads == Reads::Time);
        keys.map(|key| key.expr.evaluate(&batch)?.into_array(rows)).collect()
    }

    /// The keys that time decides, of rows that reach the aggregation.
    pub(super) fn of_rows(&self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let keys = self.0.iter().filter(|key| key.reads == Reads::Time);
        keys.map(|key| key.staged.evaluate(rows)?.into_array(rows.num_rows())).collect()
    }

    /// All keys of groups: what the tag decides, of the tag of each group, and what time decides.
    pub(super) fn columns(
        &self,
        of_tags: &[ArrayRef],
        tag_of_group: &UInt32Array,
        of_times: Vec<ArrayRef>,
    ) -> Result<Vec<ArrayRef>> {
        let (mut of_tags, mut of_times) = (of_tags.iter(), of_times.into_iter());
        let mut columns = Vec::with_capacity(self.0.len());
        for key in &self.0 {
            match key.reads {
                Reads::Tag => {
                    if let Some(keys) = of_tags.next() {
                        columns.push(take(keys, tag_of_group, None)?);
                    }
                }
                Reads::Time => columns.extend(of_times.next()),
            }
        }
        Ok(columns)
    }

    /// The first moments of the windows that some moments are in, or moments a little later that
    /// begin windows too; none is after `end`.
    pub(super) fn begins(&self, moments: &[i64], end: i64) -> Result<Vec<i64>> {
        // Mostly the key is the moment at which the window begins.
        let keys = self.of_times(moments)?;
        let begins = match keys.as_slice() {
            [key] => key.as_primitive_opt::<TimestampNanosecondType>().map(PrimitiveArray::values),
            _ => None,
        };
        let Some(begins) = begins else {
            return moments.iter().map(|moment| search(self, moment - 1, end)).collect();
        };
        let around: Vec<i64> = begins
            .iter()
            .zip(moments)
            .flat_map(|(begin, moment)| [begin.saturating_sub(1), *begin, *moment])
            .collect();
        let keys = self.of_times(&around)?;
        let Some(keys) = keys.first().map(AsArray::as_primitive::<TimestampNanosecondType>) else {
            return Ok(moments.to_vec());
        };
        let right = |at: usize, begin: i64| {
            let key = |of: usize| keys.values().get(3 * at + of).copied();
            key(0) != key(1) && key(1) == key(2) && begin <= end
        };
        let pairs = begins.iter().zip(moments).enumerate();
        pairs
            .map(
                |(at, (begin, moment))| {
                    if right(at, *begin) { Ok(*begin) } else { search(self, moment - 1, end) }
                },
            )
            .collect()
    }
}

/// Whether an expression over the time never falls as time goes on.
fn rises(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let mut properties = EquivalenceProperties::new(Arc::clone(&TIME));
    let time: Arc<dyn PhysicalExpr> = Arc::new(Column::new(SampleColumn::Ts.name(), 0));
    properties.add_ordering([PhysicalSortExpr::new(time, SortOptions::default())]);
    match properties.get_expr_properties(Arc::clone(expr)).sort_properties {
        SortProperties::Ordered(order) => !order.descending,
        SortProperties::Singleton => true,
        SortProperties::Unordered => false,
    }
}

/// Finds where windows end.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// How long the last whole window was.
    width: Option<i64>,
}

impl Windows {
    /// How long windows are, where that is known.
    pub(super) fn width(&self) -> Option<i64> {
        self.width
    }

    /// The edges of at most `count` windows from `from` on; the last edge is at most `end`.
    pub(super) fn edges(
        &mut self,
        keys: &Keys,
        from: i64,
        end: i64,
        count: usize,
    ) -> Result<Vec<i64>> {
        let mut edges = vec![from];
        let mut last = from;
        while last < end && edges.len() <= count {
            let before = edges.len();
            if let Some(width) = self.width {
                Self::guess(keys, &mut edges, width, end, count)?;
            }
            if edges.len() == before {
                let next = search(keys, last, end)?;
                // A window that is cut off by the end says how long windows are at least.
                let width = next - last;
                self.width =
                    if next < end { Some(width) } else { self.width.map(|known| known.max(width)) };
                edges.push(next);
            }
            last = edges.last().copied().unwrap_or(end);
        }
        Ok(edges)
    }

    /// Adds the windows that are as long as the last one.
    fn guess(keys: &Keys, edges: &mut Vec<i64>, width: i64, end: i64, count: usize) -> Result<()> {
        let Some(last) = edges.last().copied() else { return Ok(()) };
        let guesses: Vec<i64> =
            std::iter::successors(last.checked_add(width), |edge| edge.checked_add(width))
                .take_while(|edge| *edge < end)
                .take((count + 1).saturating_sub(edges.len()))
                .collect();
        // A moment, then each guess with the moment before it: where all are right, pairs are runs
        // of equal keys.
        let mut times = vec![last];
        times.extend(guesses.iter().flat_map(|edge| [edge - 1, *edge]));
        if guesses.len() + edges.len() <= count {
            // The last window is cut off by the end.
            times.push(end - 1);
        }
        let runs = partition(&keys.of_times(&times)?)?.ranges();
        let right = runs.iter().enumerate().take_while(|(at, run)| **run == (2 * at..2 * at + 2));
        let right = right.count();
        edges.extend(guesses.iter().copied().chain([end]).take(right));
        Ok(())
    }
}

/// The first moment after `last`, before `end`, whose keys differ from those of `last`; else `end`.
fn search(keys: &Keys, last: i64, end: i64) -> Result<i64> {
    /// The first step, in nanoseconds; each is twice the one before.
    const STEP_NS: i64 = 1_000_000;
    /// Moments looked at together.
    const MOMENTS: i128 = 64;
    if keys.times().is_empty() {
        return Ok(end);
    }
    let steps = std::iter::successors(Some(STEP_NS), |step| step.checked_mul(2));
    let far = steps.map_while(|step| last.checked_add(step)).take_while(|moment| *moment < end);
    let moments: Vec<i64> = far.chain([end - 1]).collect();
    let (mut same, mut other) = divided(keys, last, &moments, end)?;
    while other - same > 1 {
        let (low, span) = (i128::from(same), i128::from(other - same));
        let mut moments: Vec<i64> = (1..=MOMENTS)
            .filter_map(|at| i64::try_from(low + span * at / (MOMENTS + 1)).ok())
            .filter(|moment| *moment > same && *moment < other)
            .collect();
        moments.dedup();
        (same, other) = divided(keys, last, &moments, other)?;
    }
    Ok(other)
}

/// Of rising moments, the last with the keys of `last` (or `last` itself) and the first with
/// other keys (or `end`).
fn divided(keys: &Keys, last: i64, moments: &[i64], end: i64) -> Result<(i64, i64)> {
    let mut times = vec![last];
    times.extend_from_slice(moments);
    let runs = partition(&keys.of_times(&times)?)?.ranges();
    let equal = runs.first().map_or(1, |run| run.end);
    let same = times.get(equal - 1).copied().unwrap_or(last);
    Ok((same, times.get(equal).copied().unwrap_or(end)))
}
