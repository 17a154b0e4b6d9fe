//! Functions that make much of little, with a bound.
//!
//! What a function makes is not counted by the memory of the statement until an operator keeps it:
//! `repeat('x', 2000000000)` is two gigabytes at once. These say before what they would make.
//!
//! *Invariant.* One call over one batch makes at most [`MADE_BYTES_MAX`] bytes; more is refused with
//! a code, before a byte is made.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use crate::error::{QueryError, SqlState};
use crate::limits::MADE_BYTES_MAX;

/// How many bytes a function makes of one row of arguments.
type Made = fn(&[Argument], usize) -> f64;

/// The functions that are bounded.
const BOUNDED: &[(&str, Made)] = &[
    ("repeat", |of, row| length(of, 0, row) * number(of, 1, row)),
    ("lpad", |of, row| number(of, 1, row)),
    ("rpad", |of, row| number(of, 1, row)),
    ("replace", |of, row| {
        let found = length(of, 0, row) / length(of, 1, row).max(1.0);
        length(of, 0, row) + found * length(of, 2, row)
    }),
    ("regexp_replace", |of, row| (length(of, 0, row) + 1.0) * (1.0 + length(of, 2, row))),
    ("array_repeat", |of, row| 16.0 * number(of, 1, row)),
    ("array_resize", |of, row| 16.0 * number(of, 1, row)),
    ("range", steps),
    ("generate_series", steps),
];

/// The bytes of a list of whole numbers from one to another.
fn steps(of: &[Argument], row: usize) -> f64 {
    let (from, to) = if of.len() == 1 {
        (0.0, number(of, 0, row))
    } else {
        (number(of, 0, row), number(of, 1, row))
    };
    let step = if of.len() > 2 { number(of, 2, row).abs().max(1.0) } else { 1.0 };
    8.0 * (to - from).abs() / step
}

/// Puts bounds around the functions of a state.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    for (name, made) in BOUNDED {
        if let Some(inner) = state.scalar_functions().get(*name).cloned() {
            state.register_udf(Arc::new(ScalarUDF::from(Bounded { inner, made: *made })))?;
        }
    }
    Ok(())
}

/// An argument, as lengths and as numbers.
struct Argument {
    lengths: Option<ArrayRef>,
    numbers: Option<ArrayRef>,
}

impl Argument {
    fn new(value: &ColumnarValue, rows: usize) -> Result<Self> {
        let array = value.to_array(rows)?;
        let text =
            matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        if text {
            let lengths =
                arrow::compute::kernels::length::length(&cast(&array, &DataType::LargeUtf8)?)?;
            let lengths = cast(&lengths, &DataType::Int64)?;
            return Ok(Self { lengths: Some(lengths), numbers: None });
        }
        let numbers = array.data_type().is_integer().then(|| cast(&array, &DataType::Float64));
        Ok(Self { lengths: None, numbers: numbers.transpose()? })
    }
}

fn length(of: &[Argument], at: usize, row: usize) -> f64 {
    let lengths = of.get(at).and_then(|argument| argument.lengths.as_ref());
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    lengths
        .filter(|lengths| lengths.is_valid(row))
        .map_or(0.0, |lengths| lengths.as_primitive::<Int64Type>().value(row) as f64)
}

fn number(of: &[Argument], at: usize, row: usize) -> f64 {
    let numbers = of.get(at).and_then(|argument| argument.numbers.as_ref());
    numbers
        .filter(|numbers| numbers.is_valid(row))
        .map_or(0.0, |numbers| numbers.as_primitive::<Float64Type>().value(row).max(f64::MIN))
}

/// A function with its bound.
#[derive(Debug)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    made: Made,
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Bounded {}

impl std::hash::Hash for Bounded {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        self.inner.return_type(kinds)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, kinds: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(kinds)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = arguments.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let of: Vec<Argument> =
            arguments.args.iter().map(|one| Argument::new(one, rows)).collect::<Result<_>>()?;
        let made: f64 = (0..rows).map(|row| (self.made)(&of, row).max(0.0)).sum();
        if made > MADE_BYTES_MAX {
            return Err(QueryError::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("{} would make {made:.0} bytes at once", self.name()),
            )
            .with_hint(format!("{MADE_BYTES_MAX:.0} are allowed"))
            .into());
        }
        self.inner.invoke_with_args(arguments)
    }
}
