//! One value as text, for JSON and CSV alike.
//!
//! *Invariant.* A column is looked at once for its type, not once a row.

use std::fmt::Write;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, ListArray,
    StringViewArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::number::{write_float, write_int, write_whole};
use super::time::write_moment;

/// A column whose values can be written.
pub(super) struct Column {
    values: Values,
    array: ArrayRef,
}

enum Values {
    Bool(BooleanArray),
    Int(Int64Array),
    BigInt(UInt64Array),
    Real(Float32Array),
    Double(Float64Array),
    Text(StringViewArray),
    /// With whether it is in a time zone.
    Moment(TimestampNanosecondArray, bool),
    List(ListArray, Box<Column>),
    Other,
}

/// What a written value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Null,
    /// A number or a truth value: JSON writes it as it is.
    Bare,
    /// Anything else: JSON quotes it.
    Text,
}

impl Column {
    pub(super) fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        use DataType as T;
        let plain = match array.data_type() {
            T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 | T::UInt32 => {
                cast(array, &T::Int64)?
            }
            T::Utf8 | T::LargeUtf8 => cast(array, &T::Utf8View)?,
            T::Float16 => cast(array, &T::Float32)?,
            T::Dictionary(_, value) => return Self::new(&cast(array, value)?),
            T::Timestamp(unit, zone) if *unit != TimeUnit::Nanosecond => {
                let nanos = T::Timestamp(TimeUnit::Nanosecond, zone.clone());
                cast(array, &nanos)?
            }
            _ => ArrayRef::clone(array),
        };
        let values = match plain.data_type() {
            T::Boolean => Values::Bool(plain.as_boolean().clone()),
            T::Int64 => Values::Int(plain.as_primitive::<Int64Type>().clone()),
            T::UInt64 => Values::BigInt(plain.as_primitive::<UInt64Type>().clone()),
            T::Float32 => Values::Real(plain.as_primitive::<Float32Type>().clone()),
            T::Float64 => Values::Double(plain.as_primitive::<Float64Type>().clone()),
            T::Utf8View => Values::Text(plain.as_string_view().clone()),
            T::Timestamp(TimeUnit::Nanosecond, zone) => {
                Values::Moment(plain.as_primitive().clone(), zone.is_some())
            }
            T::List(_) => {
                let list = plain.as_list::<i32>();
                let items = Self::new(list.values())?;
                Values::List(list.clone(), Box::new(items))
            }
            _ => Values::Other,
        };
        Ok(Self { values, array: plain })
    }

    /// Writes the value of a row as text without quotes.
    pub(super) fn write(&self, row: usize, out: &mut String) -> Result<Written, ArrowError> {
        if self.array.is_null(row) {
            return Ok(Written::Null);
        }
        let (done, written) = match &self.values {
            Values::Bool(array) => (write!(out, "{}", array.value(row)), Written::Bare),
            Values::Int(array) => (write_int(array.value(row), out), Written::Bare),
            Values::BigInt(array) => (write_whole(array.value(row), 1, out), Written::Bare),
            Values::Real(array) => {
                let number = array.value(row);
                match special(f64::from(number)) {
                    Some(word) => (out.write_str(word), Written::Text),
                    None => (write!(out, "{number:?}"), Written::Bare),
                }
            }
            Values::Double(array) => {
                let number = array.value(row);
                match special(number) {
                    Some(word) => (out.write_str(word), Written::Text),
                    None => (write_float(number, out), Written::Bare),
                }
            }
            Values::Text(array) => (out.write_str(array.value(row)), Written::Text),
            Values::Moment(array, zoned) => {
                (write_moment(array.value(row), *zoned, out), Written::Text)
            }
            Values::List(..) => (self.write_json(row, out), Written::Text),
            Values::Other => {
                let options = FormatOptions::default();
                let format = ArrayFormatter::try_new(self.array.as_ref(), &options)?;
                format.value(row).write(out)?;
                (Ok(()), Written::Text)
            }
        };
        done.map_err(unwritten)?;
        Ok(written)
    }

    /// Writes the value of a row as JSON.
    pub(super) fn write_json(&self, row: usize, out: &mut String) -> std::fmt::Result {
        if self.array.is_null(row) {
            return out.write_str("null");
        }
        match &self.values {
            Values::List(lists, items) => return write_list(lists, items, row, out),
            Values::Text(array) => return quote(array.value(row), out),
            Values::Moment(array, zoned) => {
                out.push('"');
                write_moment(array.value(row), *zoned, out)?;
                return out.write_char('"');
            }
            _ => {}
        }
        let start = out.len();
        match self.write(row, out) {
            Ok(Written::Null) => out.write_str("null"),
            Ok(Written::Bare) => Ok(()),
            Ok(Written::Text) => {
                let text = out.split_off(start);
                quote(&text, out)
            }
            Err(_unwritable) => Err(std::fmt::Error),
        }
    }
}

fn write_list(lists: &ListArray, items: &Column, row: usize, out: &mut String) -> std::fmt::Result {
    let offsets = lists.value_offsets();
    let edge = |at: usize| offsets.get(at).and_then(|at| usize::try_from(*at).ok()).unwrap_or(0);
    out.push('[');
    for (at, item) in (edge(row)..edge(row + 1)).enumerate() {
        if at > 0 {
            out.push(',');
        }
        items.write_json(item, out)?;
    }
    out.write_char(']')
}

/// The words for floats that are not numbers, as PostgreSQL has them.
fn special(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number.is_infinite() {
        Some(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

/// Writes a text as a JSON string (RFC 8259, 7).
pub(super) fn quote(text: &str, out: &mut String) -> std::fmt::Result {
    out.push('"');
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push_str(text);
        return out.write_char('"');
    }
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => write!(out, "\\u{:04x}", u32::from(control))?,
            other => out.push(other),
        }
    }
    out.write_char('"')
}

pub(super) fn unwritten(_: std::fmt::Error) -> ArrowError {
    ArrowError::InvalidArgumentError("a value has no text".to_owned())
}
