//! What is asked of a group, and how statistics answer it.
//!
//! | function | partial state |
//! |---|---|
//! | `count` | count |
//! | `sum`, `min`, `max` | the value |
//! | `avg` | count, sum |
//! | `var…`, `stddev…` | count, mean, sum of squared distances from it |
//! | `first_value`, `last_value` over `ts` | value, time, whether there is one |
//!
//! The states are those of the engine's own functions (DataFusion, `datafusion-functions-aggregate`).
//!
//! *Invariant.* [`Needs::known`] says yes only to statistics whose figures are exactly those of
//! the rows that would have counted: a page with a bad sample, a null or a NaN is read.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, TimestampNanosecondArray, UInt64Array,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use tacitus_storage::Statistics;

use crate::relation::{SampleColumn, moment};

/// A figure that statistics hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    /// Samples.
    Rows,
    /// Samples with a value.
    Values,
    Sum,
    Mean,
    Least,
    Greatest,
    Spread,
    Earliest,
    Latest,
    /// The value at the first, or the last, time.
    First,
    Last,
}

/// One aggregate of the query.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    figure: Figure,
    /// Only good samples count here: `FILTER (WHERE good)`, or no others reach the aggregation.
    good_only: bool,
    pub(super) function: Arc<AggregateFunctionExpr>,
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
}

impl Asked {
    /// Reads an aggregate; `resolved` turns an expression into one over the columns of the scan.
    /// `None` where statistics do not hold it.
    pub(super) fn read(
        function: &Arc<AggregateFunctionExpr>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
        rows: Rows,
        resolved: impl Fn(&Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>>,
    ) -> Option<Self> {
        if function.is_distinct() || !function.groups_accumulator_supported() {
            return None;
        }
        let good_only = match filter {
            None => rows.good_only,
            Some(filter) => {
                let good = column_of(&resolved(filter)?) == Some(SampleColumn::Good);
                good.then_some(true)?
            }
        };
        let arguments = function.expressions();
        let [argument] = arguments.as_slice() else { return None };
        let argument = resolved(argument)?;
        let orders: Option<Vec<(SampleColumn, bool)>> = function
            .order_bys()
            .iter()
            .map(|order| Some((column_of(&resolved(&order.expr)?)?, order.options.descending)))
            .collect();
        let figure = figure(function.fun().name(), &argument, &orders?)?;
        Some(Self { figure, good_only, function: Arc::clone(function), filter: filter.cloned() })
    }

    pub(super) fn name(&self) -> &str {
        self.function.name()
    }

    /// Whether a window's samples of this figure are all of them, or the good ones.
    fn counts(&self, statistics: &Statistics) -> u64 {
        if self.good_only { statistics.good } else { statistics.rows }
    }

    /// The partial states of windows.
    pub(super) fn states(&self, windows: &[Statistics]) -> Vec<ArrayRef> {
        let some = |of: fn(&Statistics) -> f64| -> ArrayRef {
            let value = |own: &Statistics| (own.values > 0).then(|| of(own));
            Arc::new(windows.iter().map(value).collect::<Float64Array>())
        };
        let values = || -> ArrayRef {
            Arc::new(windows.iter().map(|own| own.values).collect::<UInt64Array>())
        };
        let whole = |of: &dyn Fn(&Statistics) -> u64| -> ArrayRef {
            let count = |own| Some(i64::try_from(of(own)).unwrap_or(i64::MAX));
            Arc::new(windows.iter().map(count).collect::<Int64Array>())
        };
        let moments = |of: fn(&Statistics) -> i64| -> ArrayRef {
            let time = |own: &Statistics| (self.counts(own) > 0).then(|| of(own));
            let times: TimestampNanosecondArray = windows.iter().map(time).collect();
            Arc::new(times.with_data_type(moment()))
        };
        let set = || -> ArrayRef {
            let is_set = |own: &Statistics| Some(self.counts(own) > 0);
            Arc::new(windows.iter().map(is_set).collect::<BooleanArray>())
        };
        match self.figure {
            Figure::Rows => vec![whole(&|own| self.counts(own))],
            Figure::Values => vec![whole(&|own| own.values)],
            Figure::Sum => vec![some(|own| own.sum)],
            Figure::Mean => vec![values(), some(|own| own.sum)],
            Figure::Least => vec![some(|own| own.min)],
            Figure::Greatest => vec![some(|own| own.max)],
            Figure::Spread => {
                let mean = windows.iter().map(|own| Some(own.mean().unwrap_or_default()));
                let m2 = windows.iter().map(|own| Some(own.m2));
                let (mean, m2): (Float64Array, Float64Array) = (mean.collect(), m2.collect());
                vec![values(), Arc::new(mean), Arc::new(m2)]
            }
            Figure::Earliest => vec![moments(|own| own.first_ns)],
            Figure::Latest => vec![moments(|own| own.last_ns)],
            Figure::First => vec![some(|own| own.first), moments(|own| own.first_ns), set()],
            Figure::Last => vec![some(|own| own.last), moments(|own| own.last_ns), set()],
        }
    }
}

/// The figure behind a function, its argument and its order.
fn figure(
    name: &str,
    argument: &Arc<dyn PhysicalExpr>,
    orders: &[(SampleColumn, bool)],
) -> Option<Figure> {
    use SampleColumn::{Good, Quality, Tag, Ts, Value};
    let constant =
        argument.downcast_ref::<Literal>().is_some_and(|literal| !literal.value().is_null());
    if name == "count" && constant {
        return Some(Figure::Rows);
    }
    let column = column_of(argument)?;
    match (name, column, orders) {
        ("count", Tag | Ts | Quality | Good, []) => Some(Figure::Rows),
        ("count", Value, []) => Some(Figure::Values),
        ("sum", Value, []) => Some(Figure::Sum),
        ("avg", Value, []) => Some(Figure::Mean),
        ("min", Value, []) => Some(Figure::Least),
        ("max", Value, []) => Some(Figure::Greatest),
        ("min", Ts, []) => Some(Figure::Earliest),
        ("max", Ts, []) => Some(Figure::Latest),
        ("var" | "var_samp" | "var_pop" | "stddev" | "stddev_samp" | "stddev_pop", Value, []) => {
            Some(Figure::Spread)
        }
        ("first_value", Value, [(Ts, false)]) | ("last_value", Value, [(Ts, true)]) => {
            Some(Figure::First)
        }
        ("last_value", Value, [(Ts, false)]) | ("first_value", Value, [(Ts, true)]) => {
            Some(Figure::Last)
        }
        _ => None,
    }
}

/// The column of the scan that an expression is.
pub(super) fn column_of(expr: &Arc<dyn PhysicalExpr>) -> Option<SampleColumn> {
    let column = expr.downcast_ref::<Column>()?;
    SampleColumn::ALL.into_iter().find(|own| own.name() == column.name())
}

/// Of which samples the statistics of a window must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    /// Nothing is asked.
    Nothing,
    /// How many there are.
    Rows,
    /// Figures that do not depend on which samples have no value.
    Values,
    /// The first and the last of them too.
    Ends,
}

/// What must be true of statistics that are used.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    of_all: Depth,
    of_good: Depth,
    serve: bool,
    range: Option<ValueRange>,
}

/// Values that pass a condition. The two ranges differ at zero: statistics do not tell 0 from −0,
/// which the engine tells apart when it compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ValueRange {
    /// A value from here to there passes.
    pub(super) surely: [f64; 2],
    /// A value that passes is from here to there.
    pub(super) possibly: [f64; 2],
}

impl ValueRange {
    /// The values that pass both conditions.
    pub(super) fn and(self, other: Self) -> Self {
        let both = |one: [f64; 2], other: [f64; 2]| [one[0].max(other[0]), one[1].min(other[1])];
        Self {
            surely: both(self.surely, other.surely),
            possibly: both(self.possibly, other.possibly),
        }
    }
}

/// What statistics say of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All that is asked.
    Known,
    /// That none of its samples counts.
    Void,
    /// Not enough.
    Unknown,
}

impl Needs {
    /// `rows` says which samples reach the aggregation.
    pub(super) fn new(asked: &[Asked], rows: Rows) -> Self {
        let depth = |wanted: bool| {
            let of = asked.iter().filter(|asked| asked.good_only == wanted);
            of.map(|asked| match asked.figure {
                Figure::Rows => Depth::Rows,
                Figure::Values
                | Figure::Sum
                | Figure::Mean
                | Figure::Least
                | Figure::Greatest
                | Figure::Spread => Depth::Values,
                Figure::Earliest | Figure::Latest | Figure::First | Figure::Last => Depth::Ends,
            })
            .max()
            .unwrap_or(Depth::Nothing)
        };
        let (mut of_all, mut of_good) = (depth(false), depth(true));
        // Groups are there with their rows, whatever is asked of them.
        let least = if rows.good_only { &mut of_good } else { &mut of_all };
        *least = (*least).max(Depth::Rows);
        if rows.range.is_some() {
            // Which rows pass depends on their values.
            *least = (*least).max(Depth::Values);
        }
        Self { of_all, of_good, serve: rows.statistics_serve, range: rows.range }
    }

    /// Whether statistics are worth a look at all.
    pub(super) fn statistics_serve(&self) -> bool {
        self.serve
    }

    /// What the statistics of a window say.
    pub(super) fn verdict(&self, own: &Statistics) -> Verdict {
        let counting = if self.of_all == Depth::Nothing { own.good } else { own.rows };
        if own.rows == 0 || counting == 0 {
            return Verdict::Void;
        }
        if let Some(range) = self.range {
            if !own.is_pure() {
                return Verdict::Unknown;
            }
            let ([least, greatest], [lowest, highest]) = (range.surely, range.possibly);
            if own.max < lowest || own.min > highest {
                return Verdict::Void;
            }
            if own.min < least || own.max > greatest {
                return Verdict::Unknown;
            }
        }
        let all = match self.of_all {
            Depth::Nothing | Depth::Rows => true,
            Depth::Values | Depth::Ends => own.is_pure(),
        };
        let good = match self.of_good {
            Depth::Nothing | Depth::Rows => true,
            Depth::Values => own.values == own.good,
            Depth::Ends => own.is_pure(),
        };
        if all && good { Verdict::Known } else { Verdict::Unknown }
    }
}

/// Which samples reach the aggregation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    /// Only good ones.
    pub(super) good_only: bool,
    /// Only those with a value in a range.
    pub(super) range: Option<ValueRange>,
    /// Nothing else is tested, so that statistics may be used.
    pub(super) statistics_serve: bool,
}
