//! What samples are grouped by.
//!
//! A key reads the tag alone, or the time alone and rises with it. So the samples of one tag fall
//! into windows of time, one a group.
//!
//! *Invariant.* No key depends on anything but the tag and the time.
//!
//! *Not here.* Where windows end: [`super::windows`].

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, StringViewArray,
    TimestampNanosecondArray, UInt32Array,
};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{Schema, SchemaRef, TimestampNanosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::sort_properties::SortProperties;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use tacitus_model::Tag;

use super::figure::column_of;
use super::windows::search;
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

    /// The key of a moment as a moment, where there is one key of time and it is one: mostly when
    /// its window begins.
    pub(super) fn begin_of(&self, moment: i64) -> Result<Option<i64>> {
        let keys = self.of_times(&[moment])?;
        let [key] = keys.as_slice() else { return Ok(None) };
        let key = key.as_primitive_opt::<TimestampNanosecondType>();
        Ok(key.filter(|key| key.null_count() == 0).and_then(|key| key.values().first().copied()))
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
