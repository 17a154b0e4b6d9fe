//! Aggregates over the rows of a group in the order of time: `time_average`, `total` (`integral`),
//! `delta`, `counter_delta`, `rate`, `time_in_state`, `transitions`.
//!
//! | call | of the rows of a group |
//! |---|---|
//! | `time_average(ts, value [, step])` | the mean weighted by time: the area between the first and the last row, over its length |
//! | `total(ts, value [, step])` | that area, in value · seconds |
//! | `delta(ts, value)` | the last value minus the first |
//! | `counter_delta(ts, value [, rollover])` | how far a counter came: where it falls it was reset to 0, or passed from `rollover` to 0 |
//! | `rate(ts, value [, rollover])` | that a second |
//! | `time_in_state(ts, state, which)` | seconds from each row with this state to the next row |
//! | `transitions(ts, value)` | how often the value is not the one before |
//!
//! `step` true: a value holds until the next row; else a line leads there. A row without a finite
//! value has no area to the next one and none from the one before, and is no state; the other
//! functions pass over it.
//!
//! They know the rows of their group and nothing else: no value before the first, none after the
//! last. `resample` has bounding values.
//!
//! *Partial state.* One column, `runs`: a list of structs `(first_ns, last_ns: bigint, first, last,
//! amount: double, span_ns: bigint, step: boolean)`, each of rows that follow each other in time:
//! times of the first and the last, their values (NaN without one), what was added up between
//! them (area, increase, seconds in the state, changes), over how many nanoseconds, and whether the
//! last value holds. A page's statistics are such a run: `first_ns, last_ns, first, last,
//! integral, good_ns`. Runs are joined in the order of time, whatever order they come in.
//!
//! *Invariant.* Rows that come in the order of time take the memory of one run. Runs that overlap
//! are rows of several tags, or out of order: an error, never a wrong figure. A call with `ORDER BY
//! ts` keeps every row until it can put them in order.
//!
//! *Source.* TimescaleDB Toolkit's `time_weight` and `counter_agg` for what is joined how.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Float64Type, Int64Type, TimestampNanosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use crate::error::{QueryError, SqlState};
use crate::relation::moment;

/// What is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Measure {
    TimeAverage,
    Total,
    Delta,
    CounterDelta,
    Rate,
    TimeInState,
    Transitions,
}

impl Measure {
    pub(super) const ALL: [Self; 7] = [
        Self::TimeAverage,
        Self::Total,
        Self::Delta,
        Self::CounterDelta,
        Self::Rate,
        Self::TimeInState,
        Self::Transitions,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::TimeAverage => "time_average",
            Self::Total => "total",
            Self::Delta => "delta",
            Self::CounterDelta => "counter_delta",
            Self::Rate => "rate",
            Self::TimeInState => "time_in_state",
            Self::Transitions => "transitions",
        }
    }

    /// How it is called, for hints.
    fn usage(self) -> &'static str {
        match self {
            Self::TimeAverage => "time_average(ts, value [, step])",
            Self::Total => "total(ts, value [, step])",
            Self::Delta => "delta(ts, value)",
            Self::CounterDelta => "counter_delta(ts, value [, rollover])",
            Self::Rate => "rate(ts, value [, rollover])",
            Self::TimeInState => "time_in_state(ts, state, 'running')",
            Self::Transitions => "transitions(ts, value)",
        }
    }

    /// How many arguments there may be.
    fn arguments(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::TimeAverage | Self::Total | Self::CounterDelta | Self::Rate => 2..=3,
            Self::Delta | Self::Transitions => 2..=2,
            Self::TimeInState => 3..=3,
        }
    }

    /// Whether a row without a value is passed over; else nothing is known from it to the next.
    fn passes_over(self) -> bool {
        !matches!(self, Self::TimeAverage | Self::Total | Self::TimeInState)
    }

    /// What is added between two rows that follow each other, and over how long.
    #[expect(clippy::float_cmp, reason = "any other value is a change, the state is 1 exactly")]
    fn between(self, run: &Run, next: f64, span_ns: i64, rollover: Option<f64>) -> (f64, i64) {
        let (last, seconds) = (run.last, seconds(span_ns));
        match self {
            Self::TimeAverage | Self::Total if run.step => {
                if last.is_finite() {
                    (last * seconds, span_ns)
                } else {
                    (0.0, 0)
                }
            }
            Self::TimeAverage | Self::Total => {
                let height = 0.5 * last + 0.5 * next;
                if height.is_finite() { (height * seconds, span_ns) } else { (0.0, 0) }
            }
            Self::TimeInState if last == 1.0 => (seconds, span_ns),
            Self::TimeInState => (0.0, 0),
            Self::Transitions => (f64::from(u8::from(last != next)), span_ns),
            Self::Delta => (next - last, span_ns),
            Self::CounterDelta | Self::Rate if next >= last => (next - last, span_ns),
            Self::CounterDelta | Self::Rate => {
                (next + rollover.map_or(0.0, |rollover| rollover - last), span_ns)
            }
        }
    }
}

/// A span of time in seconds.
#[expect(clippy::cast_precision_loss, reason = "104 days are exact to the nanosecond")]
pub(crate) fn seconds(span_ns: i64) -> f64 {
    span_ns as f64 / 1e9
}

/// One of the functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RunAggregate {
    measure: Measure,
    aliases: Vec<String>,
    signature: Signature,
}

impl RunAggregate {
    pub(super) fn new(measure: Measure) -> Self {
        let aliases = match measure {
            Measure::Total => vec!["integral".to_owned()],
            _ => Vec::new(),
        };
        Self { measure, aliases, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn mismatch(&self, what: &str) -> DataFusionError {
        let measure = self.measure;
        QueryError::new(SqlState::UNDEFINED_FUNCTION, format!("{}: {what}", measure.name()))
            .with_hint(measure.usage())
            .into()
    }
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

impl AggregateUDFImpl for RunAggregate {
    fn name(&self) -> &str {
        self.measure.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if !self.measure.arguments().contains(&given.len()) {
            return Err(self.mismatch("the number of arguments is wrong"));
        }
        let timely = |kind: &DataType| {
            matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
        };
        let (Some(ts), Some(value)) = (given.first(), given.get(1)) else {
            return Err(self.mismatch("the number of arguments is wrong"));
        };
        if !timely(ts) {
            return Err(self.mismatch("the first argument must be a time"));
        }
        let textual =
            is_text(value) && matches!(self.measure, Measure::TimeInState | Measure::Transitions);
        if is_text(value) && !textual {
            return Err(self.mismatch("the second argument must be a number"));
        }
        let value = if textual { DataType::Utf8View } else { DataType::Float64 };
        let mut types = vec![moment(), value.clone()];
        if given.len() == 3 {
            types.push(match self.measure {
                Measure::TimeAverage | Measure::Total => DataType::Boolean,
                Measure::TimeInState => value,
                _ => DataType::Float64,
            });
        }
        Ok(types)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.measure {
            Measure::Transitions => DataType::Int64,
            _ => DataType::Float64,
        })
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "runs"), runs_type(), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Runs {
            measure: self.measure,
            rollover: None,
            mixed: !args.order_bys.is_empty(),
            closed: Vec::new(),
            open: None,
        }))
    }
}

/// Rows that follow each other in time: the partial state's struct.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Run {
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) amount: f64,
    pub(crate) span_ns: i64,
    pub(crate) step: bool,
}

fn run_fields() -> Fields {
    Fields::from(vec![
        Field::new("first_ns", DataType::Int64, false),
        Field::new("last_ns", DataType::Int64, false),
        Field::new("first", DataType::Float64, false),
        Field::new("last", DataType::Float64, false),
        Field::new("amount", DataType::Float64, false),
        Field::new("span_ns", DataType::Int64, false),
        Field::new("step", DataType::Boolean, false),
    ])
}

fn run_item() -> FieldRef {
    Arc::new(Field::new("item", DataType::Struct(run_fields()), false))
}

/// The type of the partial state.
fn runs_type() -> DataType {
    DataType::List(run_item())
}

/// The partial states of groups with one run each.
pub(crate) fn states_of(runs: &[Run]) -> Result<ArrayRef> {
    Ok(Arc::new(lists(runs, std::iter::repeat_n(1, runs.len()))?))
}

/// Runs as lists of these lengths.
fn lists(runs: &[Run], lengths: impl IntoIterator<Item = usize>) -> Result<ListArray> {
    let whole =
        |of: fn(&Run) -> i64| -> ArrayRef { Arc::new(runs.iter().map(of).collect::<Int64Array>()) };
    let number = |of: fn(&Run) -> f64| -> ArrayRef {
        Arc::new(runs.iter().map(|run| Some(of(run))).collect::<Float64Array>())
    };
    let steps: BooleanArray = runs.iter().map(|run| Some(run.step)).collect();
    let columns = vec![
        whole(|run| run.first_ns),
        whole(|run| run.last_ns),
        number(|run| run.first),
        number(|run| run.last),
        number(|run| run.amount),
        whole(|run| run.span_ns),
        Arc::new(steps),
    ];
    let structs = StructArray::try_new(run_fields(), columns, None)?;
    let lengths = OffsetBuffer::from_lengths(lengths);
    Ok(ListArray::try_new(run_item(), lengths, Arc::new(structs), None)?)
}

impl Run {
    fn of(ts: i64, value: f64, step: bool) -> Self {
        Self { first_ns: ts, last_ns: ts, first: value, last: value, amount: 0.0, span_ns: 0, step }
    }

    /// Takes rows that follow into account.
    fn join(&mut self, next: &Self, measure: Measure, rollover: Option<f64>) {
        let span_ns = next.first_ns.saturating_sub(self.last_ns);
        let (amount, known_ns) = measure.between(self, next.first, span_ns, rollover);
        self.amount += amount + next.amount;
        self.span_ns = self.span_ns.saturating_add(known_ns).saturating_add(next.span_ns);
        (self.last_ns, self.last, self.step) = (next.last_ns, next.last, next.step);
    }
}

/// The rows of a group.
#[derive(Debug)]
struct Runs {
    measure: Measure,
    rollover: Option<f64>,
    /// Rows are to be put into the order of time, whatever order they come in.
    mixed: bool,
    closed: Vec<Run>,
    open: Option<Run>,
}

impl Runs {
    fn push(&mut self, next: Run) {
        match &mut self.open {
            Some(_) if self.mixed => self.closed.push(next),
            Some(open) if open.last_ns <= next.first_ns => {
                open.join(&next, self.measure, self.rollover);
            }
            Some(open) => self.closed.push(std::mem::replace(open, next)),
            None => self.open = Some(next),
        }
    }

    /// All rows as one run.
    fn whole(&mut self) -> Result<Option<Run>> {
        self.closed.extend(self.open.take());
        self.closed.sort_by_key(|run| (run.first_ns, run.last_ns));
        let mut whole: Option<Run> = None;
        for run in self.closed.drain(..) {
            match &mut whole {
                None => whole = Some(run),
                Some(whole) if whole.last_ns <= run.first_ns => {
                    whole.join(&run, self.measure, self.rollover);
                }
                Some(_) => return Err(overlap(self.measure)),
            }
        }
        self.open = whole;
        Ok(whole)
    }

    /// What each row of a batch has in place of a value.
    fn values(&self, values: &[ArrayRef]) -> Result<Vec<f64>> {
        let given = column(values, 1)?;
        if self.measure == Measure::TimeInState {
            let which = column(values, 2)?;
            return Ok(states(given, which));
        }
        if let Some(texts) = given.as_string_view_opt() {
            return Ok(texts.iter().map(|text| text.map_or(f64::NAN, identity)).collect());
        }
        let numbers = given.as_primitive::<Float64Type>();
        let known = |number: Option<f64>| number.filter(|number| number.is_finite());
        Ok(numbers.iter().map(|number| known(number).unwrap_or(f64::NAN)).collect())
    }
}

fn overlap(measure: Measure) -> DataFusionError {
    let name = measure.name();
    QueryError::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("{name}: the rows of a group are not of one tag, or not in the order of time"),
    )
    .with_hint(format!("group by tag, or write {name}(ts, value ORDER BY ts)"))
    .into()
}

fn column(values: &[ArrayRef], at: usize) -> Result<&ArrayRef> {
    values.get(at).ok_or_else(|| DataFusionError::Internal("an argument is missing".to_owned()))
}

/// One for a row in the state, zero for another, NaN without a state.
#[expect(clippy::float_cmp, reason = "a state's number is whole")]
fn states(given: &ArrayRef, which: &ArrayRef) -> Vec<f64> {
    let fact = |is: Option<bool>| is.map_or(f64::NAN, |is| f64::from(u8::from(is)));
    if let (Some(given), Some(which)) = (given.as_string_view_opt(), which.as_string_view_opt()) {
        let rows = given.iter().zip(which.iter());
        return rows.map(|(own, which)| fact(own.zip(which).map(|(a, b)| a == b))).collect();
    }
    let (given, which) = (given.as_primitive::<Float64Type>(), which.as_primitive::<Float64Type>());
    let rows = given.iter().zip(which.iter());
    rows.map(|(own, which)| fact(own.zip(which).map(|(a, b)| a == b))).collect()
}

/// A number that stands for a text.
pub(crate) fn identity(text: &str) -> f64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    #[expect(clippy::cast_precision_loss, reason = "52 bits are kept")]
    let number = (hasher.finish() >> 12) as f64;
    number
}

impl Accumulator for Runs {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let times = column(values, 0)?.as_primitive::<TimestampNanosecondType>();
        let steps = match (self.measure, values.get(2)) {
            (Measure::TimeAverage | Measure::Total, Some(steps)) => steps.as_boolean_opt(),
            _ => None,
        };
        if let (Measure::CounterDelta | Measure::Rate, Some(rollover)) =
            (self.measure, values.get(2))
        {
            let known = rollover.as_primitive::<Float64Type>().iter().flatten().next();
            self.rollover = known.or(self.rollover);
        }
        for (row, value) in self.values(values)?.into_iter().enumerate() {
            if times.is_null(row) || (value.is_nan() && self.measure.passes_over()) {
                continue;
            }
            let step = steps.is_some_and(|steps| steps.is_valid(row) && steps.value(row));
            self.push(Run::of(times.value(row), value, step));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let measure = self.measure;
        let whole = self.whole()?;
        let found = whole.and_then(|run| match measure {
            Measure::TimeAverage if run.span_ns > 0 => Some(run.amount / seconds(run.span_ns)),
            Measure::TimeAverage => Some(run.last).filter(|value| value.is_finite()),
            Measure::Rate => (run.span_ns > 0).then(|| run.amount / seconds(run.span_ns)),
            Measure::Delta => Some(run.last - run.first),
            Measure::Total if run.span_ns == 0 => run.last.is_finite().then_some(0.0),
            Measure::Total
            | Measure::CounterDelta
            | Measure::TimeInState
            | Measure::Transitions => Some(run.amount),
        });
        #[expect(clippy::cast_possible_truncation, reason = "a count")]
        Ok(match measure {
            Measure::Transitions => ScalarValue::Int64(found.map(|count| count as i64)),
            _ => ScalarValue::Float64(found),
        })
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.closed.capacity() * size_of::<Run>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.closed.extend(self.open.take());
        let runs = std::mem::take(&mut self.closed);
        let list = lists(&runs, [runs.len()])?;
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = column(states, 0)?.as_list::<i32>();
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            let runs = lists.value(row);
            let runs = runs.as_struct();
            let whole = |at: usize| runs.column(at).as_primitive::<Int64Type>();
            let number = |at: usize| runs.column(at).as_primitive::<Float64Type>();
            let steps = runs.column(6).as_boolean();
            self.closed.extend((0..runs.len()).map(|at| Run {
                first_ns: whole(0).value(at),
                last_ns: whole(1).value(at),
                first: number(2).value(at),
                last: number(3).value(at),
                amount: number(4).value(at),
                span_ns: whole(5).value(at),
                step: steps.value(at),
            }));
        }
        Ok(())
    }
}
