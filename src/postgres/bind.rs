//! Parameters as clients send them, text or binary, as values of the types they have.
//!
//! *Invariant.* Bytes of a client never reach the statement's text: they become a value of the
//! parameter's type, or an error.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use chrono::NaiveDate;
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use tacitus_query::Parameter;

use super::failure::Failure;

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH_2000_US: i64 = 946_684_800_000_000;

/// The value of parameter `at` (from 1) of the type `kind`.
pub(super) fn parameter(
    at: usize,
    kind: &DataType,
    binary: bool,
    bytes: Option<&Bytes>,
    declared: Option<u32>,
) -> Result<Parameter, Failure> {
    let Some(bytes) = bytes else { return null(kind) };
    let value = if binary {
        read_binary(kind, bytes.clone(), declared)
    } else {
        std::str::from_utf8(bytes).ok().and_then(|text| read_text(kind, text))
    };
    value.map(Parameter::Value).ok_or_else(|| {
        let kind = tacitus_query::type_name(kind);
        let (code, form) = if binary { ("22P03", "binary") } else { ("22P02", "text") };
        Failure::new(code, format!("the {form} of parameter ${at} is not a value of type {kind}"))
    })
}

fn null(kind: &DataType) -> Result<Parameter, Failure> {
    let null = ScalarValue::try_from(kind);
    null.map(Parameter::Value).map_err(|error| Failure::protocol(error.to_string()))
}

/// A value from its text.
pub(super) fn read_text(kind: &DataType, text: &str) -> Option<ScalarValue> {
    use DataType as T;
    Some(match kind {
        T::Boolean => ScalarValue::Boolean(Some(boolean(text)?)),
        T::List(item) => {
            let items: Option<Vec<ScalarValue>> = array_items(text)?
                .into_iter()
                .map(|part| match part {
                    None => ScalarValue::try_from(item.data_type()).ok(),
                    Some(part) => read_text(item.data_type(), &part),
                })
                .collect();
            ScalarValue::List(ScalarValue::new_list(&items?, item.data_type(), true))
        }
        T::Utf8View => ScalarValue::Utf8View(Some(text.to_owned())),
        T::Utf8 => ScalarValue::Utf8(Some(text.to_owned())),
        T::BinaryView => ScalarValue::BinaryView(Some(unhex(text)?)),
        T::Float64 => ScalarValue::Float64(Some(number(text)?)),
        T::Int16 | T::Int32 | T::Int64 => {
            let whole: i64 = text.trim().parse().ok()?;
            ScalarValue::Int64(Some(whole)).cast_to(kind).ok()?
        }
        T::Timestamp(..) | T::Date32 => {
            ScalarValue::Utf8(Some(text.trim().to_owned())).cast_to(kind).ok()?
        }
        other => ScalarValue::Utf8(Some(text.to_owned())).cast_to(other).ok()?,
    })
}

/// A float as PostgreSQL takes it.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" | "+inf" | "infinity" | "+infinity" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok(),
    }
}

/// A fact as PostgreSQL takes it.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("\\x") else { return Some(text.as_bytes().to_vec()) };
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

/// The items of an array's text, `{a,"b c",NULL}`.
fn array_items(text: &str) -> Option<Vec<Option<String>>> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut letters = inside.chars().peekable();
    if inside.trim().is_empty() {
        return Some(items);
    }
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let mut item = String::new();
        if letters.next_if_eq(&'"').is_some() {
            loop {
                match letters.next()? {
                    '"' => break,
                    '\\' => item.push(letters.next()?),
                    letter => item.push(letter),
                }
            }
            while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
            items.push(Some(item));
        } else {
            while let Some(letter) = letters.next_if(|letter| *letter != ',') {
                if matches!(letter, '{' | '}' | '"') {
                    return None;
                }
                item.push(if letter == '\\' { letters.next()? } else { letter });
            }
            let item = item.trim_end();
            let null = item.eq_ignore_ascii_case("null");
            items.push((!null).then(|| item.to_owned()));
        }
        match letters.next() {
            Some(',') => {}
            None => return Some(items),
            Some(_) => return None,
        }
    }
}

/// A value from its binary form.
pub(super) fn read_binary(
    kind: &DataType,
    mut bytes: Bytes,
    declared: Option<u32>,
) -> Option<ScalarValue> {
    use DataType as T;
    const NUMERIC: u32 = 1_700;
    let exact = |bytes: &Bytes, length: usize| (bytes.len() == length).then_some(());
    Some(match kind {
        T::Boolean => {
            exact(&bytes, 1)?;
            ScalarValue::Boolean(Some(bytes.get_u8() != 0))
        }
        T::Float64 if declared == Some(NUMERIC) => ScalarValue::Float64(Some(numeric(bytes)?)),
        T::Int16 | T::Int32 | T::Int64 => {
            let whole = match bytes.len() {
                2 => i64::from(bytes.get_i16()),
                4 => i64::from(bytes.get_i32()),
                8 => bytes.get_i64(),
                _ => return None,
            };
            ScalarValue::Int64(Some(whole)).cast_to(kind).ok()?
        }
        T::Float32 | T::Float64 => {
            let value = match bytes.len() {
                4 => f64::from(bytes.get_f32()),
                8 => bytes.get_f64(),
                _ => return None,
            };
            ScalarValue::Float64(Some(value)).cast_to(kind).ok()?
        }
        T::Utf8View | T::Utf8 => {
            let text = String::from_utf8(bytes.to_vec()).ok()?;
            ScalarValue::Utf8View(Some(text)).cast_to(kind).ok()?
        }
        T::BinaryView => ScalarValue::BinaryView(Some(bytes.to_vec())),
        T::Timestamp(_, zone) => {
            exact(&bytes, 8)?;
            let micros = bytes.get_i64().checked_add(EPOCH_2000_US)?;
            ScalarValue::TimestampNanosecond(micros.checked_mul(1_000), zone.clone())
                .cast_to(kind)
                .ok()
                .filter(|value| !value.is_null())?
        }
        T::Date32 => {
            exact(&bytes, 4)?;
            let begin = NaiveDate::from_ymd_opt(2000, 1, 1)?.to_epoch_days();
            ScalarValue::Date32(Some(bytes.get_i32().checked_add(begin)?))
        }
        T::Time64(TimeUnit::Nanosecond) => {
            exact(&bytes, 8)?;
            ScalarValue::Time64Nanosecond(bytes.get_i64().checked_mul(1_000))
        }
        T::Interval(IntervalUnit::MonthDayNano) => {
            exact(&bytes, 16)?;
            let nanos = bytes.get_i64().checked_mul(1_000)?;
            let days = bytes.get_i32();
            ScalarValue::new_interval_mdn(bytes.get_i32(), days, nanos)
        }
        T::List(item) => ScalarValue::List(list(item.data_type(), bytes)?),
        _ => return None,
    })
}

fn list(item: &DataType, mut bytes: Bytes) -> Option<Arc<datafusion::arrow::array::ListArray>> {
    if bytes.len() < 12 {
        return None;
    }
    let (dimensions, _nulls, oid) = (bytes.get_i32(), bytes.get_i32(), bytes.get_u32());
    let mut items = Vec::new();
    if dimensions > 1 {
        return None;
    }
    if dimensions == 1 {
        if bytes.len() < 8 {
            return None;
        }
        let count = bytes.get_i32();
        let _first = bytes.get_i32();
        for _ in 0..count {
            if bytes.len() < 4 {
                return None;
            }
            let length = bytes.get_i32();
            items.push(match usize::try_from(length) {
                Err(_null) => ScalarValue::try_from(item).ok()?,
                Ok(length) if length <= bytes.len() => {
                    read_binary(item, bytes.split_to(length), Some(oid))?
                }
                Ok(_beyond) => return None,
            });
        }
    }
    Some(ScalarValue::new_list(&items, item, true))
}

/// The nearest float of a decimal number.
fn numeric(mut bytes: Bytes) -> Option<f64> {
    if bytes.len() < 8 {
        return None;
    }
    let groups = bytes.get_u16();
    let weight = i32::from(bytes.get_i16());
    let sign = bytes.get_u16();
    let _scale = bytes.get_u16();
    if bytes.len() != usize::from(groups) * 2 {
        return None;
    }
    let digits: Vec<String> = (0..groups).map(|_| format!("{:04}", bytes.get_u16())).collect();
    let digits = digits.concat();
    let power = (weight + 1 - i32::from(groups)) * 4;
    let text = format!("{}{digits}e{power}", if sign == 0x4000 { "-" } else { "" });
    match sign {
        0xC000 => Some(f64::NAN),
        0xD000 => Some(f64::INFINITY),
        0xF000 => Some(f64::NEG_INFINITY),
        _ if groups == 0 => Some(0.0),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_array_is_taken_apart() {
        let some = |text: &str| Some(text.to_owned());
        for (text, want) in [
            ("{}", Some(vec![])),
            ("{a,b}", Some(vec![some("a"), some("b")])),
            ("{\"a,b\",NULL,\"NULL\"}", Some(vec![some("a,b"), None, some("NULL")])),
            ("{ \"q\\\"x\" , c d }", Some(vec![some("q\"x"), some("c d")])),
            ("a,b", None),
            ("{{a}}", None),
            ("{\"a}", None),
        ] {
            assert_eq!(array_items(text), want, "{text}");
        }
    }

    #[test]
    fn a_decimal_number_is_the_nearest_float() {
        for (words, want) in [
            (vec![2_u16, 0, 0, 2, 123, 4500], 123.45),
            (vec![1, 0xFFFF, 0x4000, 4, 5], -0.0005),
            (vec![0, 0, 0, 0], 0.0),
        ] {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            assert_eq!(numeric(bytes.into()).unwrap().to_bits(), f64::to_bits(want));
        }
    }
}
