//! One column of a Parquet file, one row at a time.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array as _, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use tacitus_model::Kind;

use crate::cell::Cell;
use crate::moment::{self, Unit};

/// Whether a type is a moment.
pub(super) const fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
}

/// The kind of tag that values of a type make; `None` for types that make none.
pub(super) fn kind(data_type: &DataType) -> Option<Kind> {
    Some(match data_type {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Kind::Float,
        DataType::Boolean => Kind::Bool,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        // A dictionary is kept for texts only.
        DataType::Dictionary(_, values) => return kind(values).filter(|kind| *kind == Kind::Text),
        integer if integer.is_integer() => Kind::Int,
        _ => return None,
    })
}

/// The value of a row; null also where the type is none of ours.
pub(super) fn cell(column: &ArrayRef, row: usize) -> Cell<'_> {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => {
            Cell::Float(f64::from(column.as_primitive::<Float32Type>().value(row)))
        }
        DataType::Float16 => Cell::Float(column.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Boolean => Cell::Bool(column.as_boolean().value(row)),
        // Beyond 64 bits with a sign it is the nearest float.
        #[expect(clippy::cast_precision_loss, reason = "documented: nearest float")]
        DataType::UInt64 => {
            let count = column.as_primitive::<UInt64Type>().value(row);
            i64::try_from(count).map_or(Cell::Float(count as f64), Cell::Int)
        }
        integer if integer.is_integer() => integer_at(column, row).map_or(Cell::Null, Cell::Int),
        _ => text(column, row).map_or(Cell::Null, Cell::Text),
    }
}

fn integer_at(column: &ArrayRef, row: usize) -> Option<i64> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).try_into().ok()?,
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).into(),
        _ => return None,
    })
}

/// The text of a row, if it is one.
pub(super) fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(column.as_string_view().value(row)),
        DataType::Dictionary(..) => {
            text(column.as_any_dictionary_opt()?.values(), key(column, row)?)
        }
        _ => None,
    }
}

/// The place of a row's value in its dictionary.
fn key(column: &ArrayRef, row: usize) -> Option<usize> {
    let DataType::Dictionary(keys, _) = column.data_type() else { return None };
    match **keys {
        DataType::Int8 => column.as_dictionary::<Int8Type>().key(row),
        DataType::Int16 => column.as_dictionary::<Int16Type>().key(row),
        DataType::Int32 => column.as_dictionary::<Int32Type>().key(row),
        DataType::Int64 => column.as_dictionary::<Int64Type>().key(row),
        DataType::UInt8 => column.as_dictionary::<UInt8Type>().key(row),
        DataType::UInt16 => column.as_dictionary::<UInt16Type>().key(row),
        DataType::UInt32 => column.as_dictionary::<UInt32Type>().key(row),
        DataType::UInt64 => column.as_dictionary::<UInt64Type>().key(row),
        _ => None,
    }
}

/// The quality of a row, if it is a status code.
pub(super) fn quality(column: &ArrayRef, row: usize) -> Option<u32> {
    match text(column, row) {
        Some(text) => crate::cell::quality(text).map(|quality| quality.0),
        None => integer_at(column, row).and_then(|code| u32::try_from(code).ok()),
    }
}

/// The moment of a row in nanoseconds since 1970.
pub(super) fn moment(column: &ArrayRef, row: usize, unit: Unit) -> Result<i64, String> {
    if column.is_null(row) {
        return Err("the time is null".to_owned());
    }
    let (count, unit) = match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            (column.as_primitive::<TimestampSecondType>().value(row), Unit::Seconds)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (column.as_primitive::<TimestampMillisecondType>().value(row), Unit::Millis)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            (column.as_primitive::<TimestampMicrosecondType>().value(row), Unit::Micros)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            (column.as_primitive::<TimestampNanosecondType>().value(row), Unit::Nanos)
        }
        _ => {
            if let Some(count) = integer_at(column, row) {
                (count, unit)
            } else {
                let text = text(column, row).ok_or("the column of times has none")?;
                return moment::parse(text, unit).map_err(|why| format!("the time is {why}"));
            }
        }
    };
    unit.moment(count).ok_or_else(|| "a time outside 1677 to 2262".to_owned())
}
