//! What is asked of a group, and how statistics answer it.
//!
//! | function | partial state |
//! |---|---|
//! | `count` | count |
//! | `sum`, `min`, `max` | the value |
//! | `avg` | count, sum |
//! | `var…`, `stddev…` | count, mean, sum of squared distances from it |
//! | `first_value`, `last_value` over `ts` | value, time, whether there is one |
//! | `first`, `last` | value, time |
//! | `percent_good` | good rows, rows |
//! | `time_average`, `total`, `delta`, `time_in_state`, `transitions` | one [`Run`] |
//!
//! The states are those of the engine's own functions (DataFusion, `datafusion-functions-aggregate`)
//! and of ours ([`function`](crate::function)).
//!
//! *Not here.* Which statistics may be used ([`needs`](super::needs)); what a run says of a window
//! ([`course`](super::course)).

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, TimestampNanosecondArray, UInt64Array,
};
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use tacitus_storage::Statistics;

use super::course::Course;
use super::needs::Rows;
use crate::function::run::{Run, states_of};
use crate::relation::{SampleColumn, moment};

/// A figure that statistics hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Figure {
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
    /// The same as our own functions keep it.
    Begin,
    End,
    /// The share of good samples.
    Good,
    /// What came between samples that follow each other.
    Course(Course),
}

/// One aggregate of the query.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) figure: Figure,
    /// Only good samples count here: `FILTER (WHERE good)`, or no others reach the aggregation.
    pub(super) good_only: bool,
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
        if function.is_distinct() {
            return None;
        }
        let good_only = match filter {
            None => rows.good_only,
            Some(filter) => {
                let good = column_of(&resolved(filter)?) == Some(SampleColumn::Good);
                good.then_some(true)?
            }
        };
        let arguments: Option<Vec<Arc<dyn PhysicalExpr>>> =
            function.expressions().iter().map(&resolved).collect();
        let orders: Option<Vec<(SampleColumn, bool)>> = function
            .order_bys()
            .iter()
            .map(|order| Some((column_of(&resolved(&order.expr)?)?, order.options.descending)))
            .collect();
        let figure = figure(function.fun().name(), &arguments?, &orders?)?;
        Some(Self { figure, good_only, function: Arc::clone(function), filter: filter.cloned() })
    }

    pub(super) fn name(&self) -> &str {
        self.function.name()
    }

    /// What the function is about where it follows the course of the values.
    pub(super) fn course(&self) -> Option<&Course> {
        match &self.figure {
            Figure::Course(course) => Some(course),
            _ => None,
        }
    }

    /// The engine's way to count rows, or to join partial states.
    pub(super) fn accumulator(&self) -> Result<Box<dyn GroupsAccumulator>> {
        if self.function.groups_accumulator_supported() {
            return self.function.create_groups_accumulator();
        }
        let function = Arc::clone(&self.function);
        let factory = move || function.create_accumulator();
        Ok(Box::new(GroupsAccumulatorAdapter::new(factory)))
    }

    /// Whether a window's samples of this figure are all of them, or the good ones.
    fn counts(&self, statistics: &Statistics) -> u64 {
        if self.good_only { statistics.good } else { statistics.rows }
    }

    /// The partial states of windows; `runs` are what [`Asked::course`] says of them.
    pub(super) fn states(&self, windows: &[Statistics], runs: &[Run]) -> Result<Vec<ArrayRef>> {
        let set = || -> ArrayRef {
            let is_set = |own: &Statistics| Some(self.counts(own) > 0);
            Arc::new(windows.iter().map(is_set).collect::<BooleanArray>())
        };
        let values = || -> ArrayRef {
            Arc::new(windows.iter().map(|own| own.values).collect::<UInt64Array>())
        };
        let whole = |of: &dyn Fn(&Statistics) -> u64| whole(windows, of);
        let moments = |of: fn(&Statistics) -> i64| self.moments(windows, of);
        Ok(match &self.figure {
            Figure::Rows => vec![whole(&|own| self.counts(own))],
            Figure::Values => vec![whole(&|own| own.values)],
            Figure::Sum => vec![some(windows, |own| own.sum)],
            Figure::Mean => vec![values(), some(windows, |own| own.sum)],
            Figure::Least => vec![some(windows, |own| own.min)],
            Figure::Greatest => vec![some(windows, |own| own.max)],
            Figure::Spread => {
                let mean = windows.iter().map(|own| Some(own.mean().unwrap_or_default()));
                let m2 = windows.iter().map(|own| Some(own.m2));
                let (mean, m2): (Float64Array, Float64Array) = (mean.collect(), m2.collect());
                vec![values(), Arc::new(mean), Arc::new(m2)]
            }
            Figure::Earliest => vec![moments(|own| own.first_ns)],
            Figure::Latest => vec![moments(|own| own.last_ns)],
            Figure::First => {
                vec![some(windows, |own| own.first), moments(|own| own.first_ns), set()]
            }
            Figure::Last => vec![some(windows, |own| own.last), moments(|own| own.last_ns), set()],
            Figure::Begin => vec![some(windows, |own| own.first), moments(|own| own.first_ns)],
            Figure::End => vec![some(windows, |own| own.last), moments(|own| own.last_ns)],
            Figure::Good => vec![whole(&|own| own.good), whole(&|own| self.counts(own))],
            Figure::Course(_) => vec![states_of(runs)?],
        })
    }

    /// The answers of windows that are whole groups.
    pub(super) fn answers(&self, windows: &[Statistics], runs: &[Run]) -> Result<ArrayRef> {
        Ok(match &self.figure {
            Figure::Rows => whole(windows, &|own| self.counts(own)),
            Figure::Values => whole(windows, &|own| own.values),
            Figure::Sum => some(windows, |own| own.sum),
            Figure::Mean => {
                Arc::new(windows.iter().map(Statistics::mean).collect::<Float64Array>())
            }
            Figure::Least => some(windows, |own| own.min),
            Figure::Greatest => some(windows, |own| own.max),
            Figure::Earliest => self.moments(windows, |own| own.first_ns),
            Figure::Latest => self.moments(windows, |own| own.last_ns),
            Figure::First | Figure::Begin => some(windows, |own| own.first),
            Figure::Last | Figure::End => some(windows, |own| own.last),
            Figure::Spread | Figure::Good | Figure::Course(_) => {
                let numbers: Vec<usize> = (0..windows.len()).collect();
                let mut joined = self.accumulator()?;
                joined.merge_batch(&self.states(windows, runs)?, &numbers, windows.len())?;
                joined.evaluate(EmitTo::All)?
            }
        })
    }

    /// A moment of each window that has samples.
    fn moments(&self, windows: &[Statistics], of: fn(&Statistics) -> i64) -> ArrayRef {
        let time = |own: &Statistics| (self.counts(own) > 0).then(|| of(own));
        let times: TimestampNanosecondArray = windows.iter().map(time).collect();
        Arc::new(times.with_data_type(moment()))
    }
}

/// A number of each window that has values.
fn some(windows: &[Statistics], of: fn(&Statistics) -> f64) -> ArrayRef {
    let value = |own: &Statistics| (own.values > 0).then(|| of(own));
    Arc::new(windows.iter().map(value).collect::<Float64Array>())
}

/// A count of each window.
fn whole(windows: &[Statistics], of: &dyn Fn(&Statistics) -> u64) -> ArrayRef {
    let count = |own: &Statistics| i64::try_from(of(own)).unwrap_or(i64::MAX);
    Arc::new(Int64Array::from_iter_values(windows.iter().map(count)))
}

/// The figure behind a function, its arguments and its order.
fn figure(
    name: &str,
    arguments: &[Arc<dyn PhysicalExpr>],
    orders: &[(SampleColumn, bool)],
) -> Option<Figure> {
    use SampleColumn::{Good, Quality, Tag, Ts, Value};
    let constant = |argument: &Arc<dyn PhysicalExpr>| {
        argument.downcast_ref::<Literal>().is_some_and(|literal| !literal.value().is_null())
    };
    let [argument] = arguments else { return of_time(name, arguments, orders) };
    if name == "count" && constant(argument) {
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
        ("percent_good", Quality, []) => Some(Figure::Good),
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

/// The figure behind a function of the time and more.
fn of_time(
    name: &str,
    arguments: &[Arc<dyn PhysicalExpr>],
    orders: &[(SampleColumn, bool)],
) -> Option<Figure> {
    use SampleColumn::{Ts, Value};
    let [first, second, rest @ ..] = arguments else { return None };
    if !orders.is_empty() {
        return None;
    }
    match (name, column_of(first)?, column_of(second)?, rest) {
        ("first", Value, Ts, []) => Some(Figure::Begin),
        ("last", Value, Ts, []) => Some(Figure::End),
        (_, Ts, column, rest) => {
            let constant = match rest {
                [] => None,
                [constant] => Some(constant.downcast_ref::<Literal>()?.value()),
                _ => return None,
            };
            Course::read(name, column, constant).map(Figure::Course)
        }
        _ => None,
    }
}

/// The column of the scan that an expression is.
pub(super) fn column_of(expr: &Arc<dyn PhysicalExpr>) -> Option<SampleColumn> {
    let column = expr.downcast_ref::<Column>()?;
    SampleColumn::ALL.into_iter().find(|own| own.name() == column.name())
}
