//! Which filters a relation answers itself, and what they select.
//!
//! A condition is taken over when it reads only the tag (any expression: it is evaluated over the
//! names of the catalog, once), only quality and goodness (any expression: once for a block that
//! is wholly good, else row by row), or compares the time with constants. Everything else stays
//! with DataFusion's own filter above the scan.
//!
//! *Invariant.* A condition taken over is answered exactly, by the same evaluator that would have
//! run above the scan, so that taking it over never changes an answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use tacitus_model::{Quality, Tag, TimeRange, Timestamp};
use tacitus_storage::{Snapshot, TagQuery};

use crate::function;
use crate::plant::ASSET_LABEL;
use crate::relation::SampleColumn;

/// What a condition reads.
enum Reads {
    Tag,
    Time(TimeRange),
    Quality,
}

/// The filters of one scan, sorted by what they read.
#[derive(Debug)]
pub(crate) struct Filters {
    tag: Vec<Expr>,
    /// The span of time that all time conditions leave.
    pub(crate) range: TimeRange,
    quality: Vec<Expr>,
}

/// Says of each filter whether a scan of samples answers it.
pub(crate) fn support(filters: &[&Expr]) -> Vec<TableProviderFilterPushDown> {
    filters
        .iter()
        .map(|filter| match reads(filter) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        })
        .collect()
}

/// Says of each filter whether it reads nothing but columns that the tag's name decides.
pub(crate) fn support_names(
    filters: &[&Expr],
    columns: &[&str],
) -> Vec<TableProviderFilterPushDown> {
    filters
        .iter()
        .map(|filter| {
            if is_pure(filter) && reads_only(filter, columns) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        })
        .collect()
}

impl Filters {
    /// Sorts filters that [`support`] took over.
    pub(crate) fn new(filters: &[Expr]) -> Result<Self> {
        let mut sorted = Self { tag: Vec::new(), range: TimeRange::ALL, quality: Vec::new() };
        for filter in filters {
            match reads(filter) {
                Some(Reads::Tag) => sorted.tag.push(filter.clone()),
                Some(Reads::Time(range)) => sorted.range = sorted.range.intersect(&range),
                Some(Reads::Quality) => sorted.quality.push(filter.clone()),
                None => {
                    return Err(DataFusionError::Internal(format!(
                        "the scan was given a filter it did not take over: {filter}"
                    )));
                }
            }
        }
        Ok(sorted)
    }

    /// The tags that pass, sorted by path.
    pub(crate) fn tags(&self, snapshot: &Snapshot, session: &dyn Session) -> Result<Vec<Arc<Tag>>> {
        select_tags(snapshot, &self.tag, SampleColumn::Tag.name(), session)
    }

    /// The test of a row's quality; `None` where every row passes.
    pub(crate) fn quality(&self, session: &dyn Session) -> Result<Option<QualityTest>> {
        let Some(condition) = self.quality.iter().cloned().reduce(Expr::and) else {
            return Ok(None);
        };
        let schema = QualityTest::schema();
        let dfschema = DFSchema::try_from(Arc::clone(&schema))?;
        let test = session.create_physical_expr(unqualified(condition)?, &dfschema)?;
        Ok(Some(QualityTest { good_passes: pass_good(&test, &schema)?, test, schema }))
    }
}

/// The tags whose names pass all conditions on `column`, sorted by path.
pub(crate) fn select_tags(
    snapshot: &Snapshot,
    conditions: &[Expr],
    column: &str,
    session: &dyn Session,
) -> Result<Vec<Arc<Tag>>> {
    let named = conditions
        .iter()
        .filter_map(|condition| names(condition, column))
        .reduce(|some: BTreeSet<String>, others| some.intersection(&others).cloned().collect());
    let mut tags: Vec<Arc<Tag>> = match named {
        Some(names) => names.iter().filter_map(|name| snapshot.find(name)).collect(),
        None => searched(snapshot, conditions, column),
    };
    let schema = Arc::new(Schema::new(vec![Field::new(
        column,
        SampleColumn::Tag.field().data_type().clone(),
        false,
    )]));
    let dfschema = DFSchema::try_from(Arc::clone(&schema))?;
    for condition in conditions {
        if names(condition, column).is_some() || tags.is_empty() {
            continue;
        }
        let test = session.create_physical_expr(unqualified(condition.clone())?, &dfschema)?;
        let paths =
            StringViewArray::from_iter_values(tags.iter().map(|tag| tag.definition.path.as_str()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(paths)])?;
        let passes = evaluate(&test, &batch)?;
        let mut row = 0;
        tags.retain(|_| {
            row += 1;
            passes.value(row - 1)
        });
    }
    tags.sort_unstable_by(|a, b| a.definition.path.cmp(&b.definition.path));
    Ok(tags)
}

/// The tags among which those lie that pass: what the index of names and labels says.
fn searched(snapshot: &Snapshot, conditions: &[Expr], column: &str) -> Vec<Arc<Tag>> {
    let queries: Vec<TagQuery> =
        conditions.iter().filter_map(|condition| tag_query(condition, column)).collect();
    if queries.is_empty() {
        return snapshot.tags();
    }
    // What the index refuses (a pattern too large) is left to the evaluator.
    snapshot.select(&TagQuery::AllOf(queries)).unwrap_or_else(|_refused| snapshot.tags())
}

/// What the index is asked for a condition: whatever passes the condition passes this too.
fn tag_query(condition: &Expr, column: &str) -> Option<TagQuery> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(own) if own.name == column);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => {
                let queries = [left, right].into_iter();
                let queries: Vec<_> = queries.filter_map(|side| tag_query(side, column)).collect();
                (!queries.is_empty()).then_some(TagQuery::AllOf(queries))
            }
            Operator::Or => {
                let sides = vec![tag_query(left, column)?, tag_query(right, column)?];
                Some(TagQuery::AnyOf(sides))
            }
            Operator::Eq if is_column(left) => Some(TagQuery::Name(text(right)?)),
            Operator::Eq if is_asset(left, column) => Some(of_asset(&text(right)?)),
            Operator::Eq => {
                let Expr::ScalarFunction(call) = left.as_ref() else { return None };
                let [tag, key] = call.args.as_slice() else { return None };
                let is_label = call.func.name() == function::tag::LABEL && is_column(tag);
                (is_label)
                    .then(|| Some(TagQuery::Label { key: text(key)?, value: text(right)? }))?
            }
            Operator::RegexMatch if is_column(left) => Some(TagQuery::Regex(text(right)?)),
            _ => None,
        },
        Expr::Like(like) if !like.negated && !like.case_insensitive => {
            let pattern = text(&like.pattern)?;
            let prefix = pattern.split(['%', '_', '\\']).next().unwrap_or_default();
            let of_name = || TagQuery::Prefix(prefix.to_owned());
            match like.expr.as_ref() {
                _ if prefix.is_empty() => None,
                expr if is_column(expr) => Some(of_name()),
                expr if is_asset(expr, column) => Some(or_labelled(vec![of_name()])),
                _ => None,
            }
        }
        Expr::InList(list) if !list.negated && is_asset(&list.expr, column) => {
            let assets: Option<Vec<String>> = list.list.iter().map(text).collect();
            Some(TagQuery::AnyOf(assets?.iter().map(|asset| of_asset(asset)).collect()))
        }
        Expr::ScalarFunction(call) => {
            let [tag, word] = call.args.as_slice() else { return None };
            match call.func.name() {
                function::tag::GLOB if is_asset(tag, column) => {
                    // What is below an asset has a longer path.
                    let glob = text(word)?;
                    let below = TagQuery::Glob(format!("{glob}/**"));
                    Some(or_labelled(vec![TagQuery::Glob(glob), below]))
                }
                "starts_with" if is_asset(tag, column) => {
                    Some(or_labelled(vec![TagQuery::Prefix(text(word)?)]))
                }
                _ if !is_column(tag) => None,
                function::tag::GLOB => Some(TagQuery::Glob(text(word)?)),
                "starts_with" => Some(TagQuery::Prefix(text(word)?)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether an expression is the asset of the tag in a column.
fn is_asset(expr: &Expr, column: &str) -> bool {
    let Expr::ScalarFunction(call) = expr else { return false };
    let [Expr::Column(tag)] = call.args.as_slice() else { return false };
    call.func.name() == function::tag::ASSET && tag.name == column
}

/// The tags that may belong to an asset.
fn of_asset(path: &str) -> TagQuery {
    let label = TagQuery::Label { key: ASSET_LABEL.to_owned(), value: path.to_owned() };
    let below = TagQuery::Prefix(format!("{path}/"));
    TagQuery::AnyOf(vec![label, TagQuery::Name(path.to_owned()), below])
}

/// Tags by their paths, or whose label says where they belong.
fn or_labelled(mut queries: Vec<TagQuery>) -> TagQuery {
    queries.push(TagQuery::HasLabel(ASSET_LABEL.to_owned()));
    TagQuery::AnyOf(queries)
}

/// A test of rows by their quality.
#[derive(Debug, Clone)]
pub(crate) struct QualityTest {
    test: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    /// Whether a row that is wholly good passes: what most blocks are.
    pub(crate) good_passes: bool,
}

impl QualityTest {
    fn schema() -> SchemaRef {
        let fields = [SampleColumn::Quality, SampleColumn::Good].map(SampleColumn::field);
        Arc::new(Schema::new(fields.to_vec()))
    }

    /// Whether it is goodness alone that is tested.
    pub(crate) fn is_good(&self) -> bool {
        self.test
            .downcast_ref::<Column>()
            .is_some_and(|column| column.name() == SampleColumn::Good.name())
    }

    /// Which rows pass.
    pub(crate) fn passes(&self, qualities: &[u32]) -> Result<BooleanArray> {
        evaluate(&self.test, &quality_batch(&self.schema, qualities)?)
    }
}

impl std::fmt::Display for QualityTest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        datafusion::physical_expr_common::physical_expr::fmt_sql(self.test.as_ref()).fmt(out)
    }
}

fn pass_good(test: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Result<bool> {
    Ok(evaluate(test, &quality_batch(schema, &[Quality::GOOD.0])?)?.value(0))
}

fn quality_batch(schema: &SchemaRef, qualities: &[u32]) -> Result<RecordBatch> {
    let codes: Int64Array = qualities.iter().map(|code| Some(i64::from(*code))).collect();
    let good: BooleanArray = qualities.iter().map(|code| Some(Quality(*code).is_good())).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(codes), Arc::new(good)];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Which rows a condition is true for; null is not true.
fn evaluate(test: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
    let passes = test.evaluate(batch)?.into_array(batch.num_rows())?;
    let passes = as_boolean_array(&passes)?;
    Ok(match passes.nulls() {
        None => passes.clone(),
        Some(valid) => BooleanArray::new(passes.values() & valid.inner(), None),
    })
}

/// The condition with bare column names, as the one-relation schemas here know them.
pub(crate) fn unqualified(condition: Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    Ok(condition
        .transform(|expr| {
            Ok(match expr {
                Expr::Column(column) if column.relation.is_some() => {
                    Transformed::yes(Expr::Column(column.name.into()))
                }
                other => Transformed::no(other),
            })
        })?
        .data)
}

fn reads(filter: &Expr) -> Option<Reads> {
    if !is_pure(filter) {
        return None;
    }
    if reads_only(filter, &[SampleColumn::Tag.name()]) {
        Some(Reads::Tag)
    } else if reads_only(filter, &[SampleColumn::Quality.name(), SampleColumn::Good.name()]) {
        Some(Reads::Quality)
    } else {
        time_range(filter, SampleColumn::Ts.name()).map(Reads::Time)
    }
}

/// Whether a condition is the same for the same row, whoever asks and when.
fn is_pure(filter: &Expr) -> bool {
    !filter.is_volatile() && !filter.contains_outer() && !filter.contains_scalar_subquery()
}

fn reads_only(filter: &Expr, columns: &[&str]) -> bool {
    let read = filter.column_refs();
    !read.is_empty() && read.iter().all(|column| columns.contains(&column.name.as_str()))
}

/// The names a condition lists: `tag = 'a'`, `tag IN ('a', 'b')` and ORs of these.
pub(crate) fn names(condition: &Expr, column: &str) -> Option<BTreeSet<String>> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(own) if own.name == column);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let name = match (is_column(left), is_column(right)) {
                (true, false) => text(right)?,
                (false, true) => text(left)?,
                _ => return None,
            };
            Some(BTreeSet::from([name]))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut some = names(left, column)?;
            some.extend(names(right, column)?);
            Some(some)
        }
        Expr::InList(list) if !list.negated && is_column(&list.expr) => {
            list.list.iter().map(text).collect()
        }
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
        _ => None,
    }
}

/// The span of time a condition leaves, where it compares the time with constants only.
pub(crate) fn time_range(condition: &Expr, column: &str) -> Option<TimeRange> {
    let is_time = |expr: &Expr| matches!(expr, Expr::Column(own) if own.name == column);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Some(time_range(left, column)?.intersect(&time_range(right, column)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            match (is_time(left), moment(left), is_time(right), moment(right)) {
                (true, _, _, Some(ts)) => compared(*op, ts),
                (_, Some(ts), true, _) => compared(op.swap()?, ts),
                _ => None,
            }
        }
        Expr::Between(between) if !between.negated && is_time(&between.expr) => {
            Some(TimeRange { first: moment(&between.low)?, last: moment(&between.high)? })
        }
        _ => None,
    }
}

fn moment(expr: &Expr) -> Option<Timestamp> {
    match expr {
        Expr::Literal(ScalarValue::TimestampNanosecond(Some(nanos), Some(_)), _) => {
            Some(Timestamp::from_nanos(*nanos))
        }
        _ => None,
    }
}

/// The moments for which `moment op bound` is true.
pub(crate) fn compared(op: Operator, bound: Timestamp) -> Option<TimeRange> {
    const NONE: TimeRange = TimeRange { first: Timestamp::MAX, last: Timestamp::MIN };
    let after = |nanos: i64| {
        nanos.checked_add(1).map_or(NONE, |first| TimeRange {
            first: Timestamp::from_nanos(first),
            last: Timestamp::MAX,
        })
    };
    let before = |nanos: i64| {
        nanos.checked_sub(1).map_or(NONE, |last| TimeRange {
            first: Timestamp::MIN,
            last: Timestamp::from_nanos(last),
        })
    };
    match op {
        Operator::Eq => Some(TimeRange { first: bound, last: bound }),
        Operator::Gt => Some(after(bound.nanos())),
        Operator::GtEq => Some(TimeRange { first: bound, last: Timestamp::MAX }),
        Operator::Lt => Some(before(bound.nanos())),
        Operator::LtEq => Some(TimeRange { first: Timestamp::MIN, last: bound }),
        _ => None,
    }
}
