//! The arguments of a function, by position or by name.
//!
//! *Invariant.* Whatever is given is used or refused: an argument nobody knows is an error.

use std::collections::BTreeMap;

use arrow::array::Array;
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};

use crate::error::{QueryError, SqlState};
use crate::relation::moment;

/// One argument as it is called.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    /// `None` for a parameter whose value is not there yet.
    pub(super) value: Option<ScalarValue>,
}

/// What a function takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature {
    pub(super) function: &'static str,
    pub(super) usage: &'static str,
    /// Arguments by position; they have these names too.
    pub(super) positions: &'static [&'static str],
    /// How many of them must be there.
    pub(super) required: usize,
    /// The name of all that follow them, if any may.
    pub(super) rest: Option<&'static str>,
    /// Arguments that have a name only.
    pub(super) options: &'static [&'static str],
}

/// The arguments of one call.
#[derive(Debug)]
pub(super) struct Arguments {
    signature: Signature,
    named: BTreeMap<&'static str, Option<ScalarValue>>,
    rest: Vec<Option<ScalarValue>>,
}

impl Arguments {
    /// Sorts the arguments of a call.
    pub(super) fn new(signature: Signature, given: Vec<Argument>) -> Result<Self> {
        let mut sorted = Self { signature, named: BTreeMap::new(), rest: Vec::new() };
        for (at, argument) in given.into_iter().enumerate() {
            sorted.place(at, argument)?;
        }
        for name in signature.positions.iter().take(signature.required) {
            if !sorted.named.contains_key(name) {
                return Err(sorted.refuse(&format!("{name} is missing")));
            }
        }
        Ok(sorted)
    }

    fn place(&mut self, at: usize, argument: Argument) -> Result<()> {
        let Signature { positions, rest, options, .. } = self.signature;
        let name = match &argument.name {
            None => match positions.get(at) {
                Some(name) => *name,
                None if rest.is_some() => {
                    self.rest.push(argument.value);
                    return Ok(());
                }
                None => return Err(self.refuse("there are too many arguments")),
            },
            Some(name) if rest == Some(name.as_str()) => {
                self.rest.push(argument.value);
                return Ok(());
            }
            Some(name) => {
                let known = positions.iter().chain(options).find(|known| *known == name);
                *known.ok_or_else(|| self.refuse(&format!("there is no argument \"{name}\"")))?
            }
        };
        if self.named.insert(name, argument.value).is_some() {
            return Err(self.refuse(&format!("{name} is given twice")));
        }
        Ok(())
    }

    /// Whether a parameter's value is not there yet.
    pub(super) fn is_incomplete(&self) -> bool {
        self.named.values().chain(&self.rest).any(Option::is_none)
    }

    /// An error of this call.
    pub(super) fn refuse(&self, what: &str) -> DataFusionError {
        let Signature { function, usage, .. } = self.signature;
        QueryError::new(SqlState::UNDEFINED_FUNCTION, format!("{function}: {what}"))
            .with_hint(usage)
            .into()
    }

    /// An error of a value of this call.
    pub(super) fn invalid(&self, what: impl std::fmt::Display) -> QueryError {
        let function = self.signature.function;
        QueryError::new(SqlState::INVALID_PARAMETER_VALUE, format!("{function}: {what}"))
    }

    /// The value of an argument; `None` where it is not given, null or not there yet.
    pub(super) fn value(&self, name: &str) -> Option<&ScalarValue> {
        self.named.get(name)?.as_ref().filter(|value| !value.is_null())
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.try_as_str() {
            Some(Some(text)) => Ok(Some(text)),
            _ => Err(self.mismatch(name, "a text", value)),
        }
    }

    /// One text or a list of them.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        self.value(name).map_or(Ok(Vec::new()), |value| self.list(name, value))
    }

    /// The texts of all arguments that follow; one may hold several, by comma or as a list.
    pub(super) fn rest(&self, name: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for value in self.rest.iter().flatten().filter(|value| !value.is_null()) {
            for text in self.list(name, value)? {
                all.extend(text.split(',').map(|part| part.trim().to_owned()));
            }
        }
        Ok(all)
    }

    fn list(&self, name: &str, value: &ScalarValue) -> Result<Vec<String>> {
        if let Some(Some(text)) = value.try_as_str() {
            return Ok(vec![text.to_owned()]);
        }
        let items = items(value).ok_or_else(|| self.mismatch(name, "a text or a list", value))?;
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.try_as_str() {
                Some(Some(text)) => texts.push(text.to_owned()),
                Some(None) => {}
                None if item.is_null() => {}
                None => return Err(self.mismatch(name, "a list of texts", value)),
            }
        }
        Ok(texts)
    }

    /// A moment, in nanoseconds since 1970.
    pub(super) fn moment(&self, name: &str) -> Result<Option<i64>> {
        self.value(name).map(|value| self.moment_of(name, value)).transpose()
    }

    /// A list of moments.
    pub(super) fn moments(&self, name: &str) -> Result<Vec<i64>> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let items = items(value).ok_or_else(|| self.mismatch(name, "a list of times", value))?;
        let known = items.iter().filter(|item| !item.is_null());
        known.map(|item| self.moment_of(name, item)).collect()
    }

    /// Whether an argument is a list.
    pub(super) fn is_list(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| items(value).is_some())
    }

    fn moment_of(&self, name: &str, value: &ScalarValue) -> Result<i64> {
        let timely = matches!(
            value.data_type(),
            DataType::Timestamp(..)
                | DataType::Date32
                | DataType::Date64
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
        );
        if !timely {
            return Err(self.mismatch(name, "a time", value));
        }
        let full = value.try_as_str().flatten().and_then(with_seconds);
        let value = &full.map_or_else(|| value.clone(), |full| ScalarValue::Utf8(Some(full)));
        match value.cast_to(&moment())? {
            ScalarValue::TimestampNanosecond(Some(moment), _) => Ok(moment),
            _ => Err(self.mismatch(name, "a time", value)),
        }
    }

    /// An interval.
    pub(super) fn interval(&self, name: &str) -> Result<Option<IntervalMonthDayNano>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let fits = matches!(
            value.data_type(),
            DataType::Interval(_)
                | DataType::Duration(_)
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
        );
        if !fits {
            return Err(self.mismatch(name, "an interval", value));
        }
        match value.cast_to(&DataType::Interval(IntervalUnit::MonthDayNano))? {
            ScalarValue::IntervalMonthDayNano(interval) => Ok(interval),
            _ => Err(self.mismatch(name, "an interval", value)),
        }
    }

    /// True or false.
    pub(super) fn fact(&self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.cast_to(&DataType::Boolean)? {
            ScalarValue::Boolean(fact) => Ok(fact),
            _ => Err(self.mismatch(name, "true or false", value)),
        }
    }

    /// A whole number.
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.cast_to(&DataType::Int64)? {
            ScalarValue::Int64(number) => Ok(number),
            _ => Err(self.mismatch(name, "a whole number", value)),
        }
    }

    fn mismatch(&self, name: &str, want: &str, value: &ScalarValue) -> DataFusionError {
        let function = self.signature.function;
        let what = format!("{function}: {name} must be {want}, not {}", value.data_type());
        QueryError::new(SqlState::DATATYPE_MISMATCH, what).with_hint(self.signature.usage).into()
    }
}

/// A time that is written to the minute, as PostgreSQL allows, with its seconds.
fn with_seconds(text: &str) -> Option<String> {
    const MINUTES_END: usize = "2026-03-01 06:00".len();
    let (minutes, zone) = text.split_at_checked(MINUTES_END)?;
    let hour = minutes.get(11..)?;
    let bare = hour.as_bytes().get(2) == Some(&b':') && !zone.starts_with([':', '.']);
    bare.then(|| format!("{minutes}:00{zone}"))
}

/// The items of a list.
fn items(value: &ScalarValue) -> Option<Vec<ScalarValue>> {
    let list = match value {
        ScalarValue::List(list) => list.value(0),
        ScalarValue::LargeList(list) => list.value(0),
        ScalarValue::FixedSizeList(list) => list.value(0),
        _ => return None,
    };
    (0..list.len()).map(|at| ScalarValue::try_from_array(&list, at).ok()).collect()
}
