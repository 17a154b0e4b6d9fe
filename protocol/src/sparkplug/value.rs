//! The values of metrics, to their leaves.
//!
//! ```text
//! Int8 … String, DateTime      one leaf, under the name of the metric
//! arrays                       NAME/0, NAME/1 …
//! DataSet                      NAME/ROW/COLUMN
//! Template                     NAME/MEMBER …, parameters as labels
//! Bytes, File                  one leaf, base64 text
//! ```
//!
//! *Invariant.* A value has the width and sign of its type; what is outside the range of a sample
//! is kept as a bad one, never as another number.

use std::collections::BTreeMap;

use tacitus_model::{Quality, TEXT_BYTES_MAX, Value};

use super::datatype::DataType;
use super::wire::{DataSet, ElementValue, Metric, MetricValue, ParameterValue, Template};
use crate::limits::SPARKPLUG_LEAVES_MAX;

/// One leaf of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    /// What follows the name of the metric; empty for a scalar.
    pub(super) name: String,
    pub(super) kind: DataType,
    pub(super) value: Value,
    pub(super) quality: Quality,
}

/// Why a metric became no leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The field that is set is not that of the type.
    #[error("the value is not of the type that the birth says")]
    Type,
    /// An array whose bytes are no whole number of elements.
    #[error("the array ends inside an element")]
    Array,
    /// A text or bytes longer than a sample holds.
    #[error("the text is longer than {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
    /// More elements, cells or members than one metric may have.
    #[error("the value has more than {SPARKPLUG_LEAVES_MAX} parts")]
    TooMany,
    /// Templates inside templates without end.
    #[error("the templates nest too deep")]
    TooDeep,
}

/// LIMIT: templates nest by name; deeper ones are a mistake, and the walk recurses.
const DEPTH_MAX: usize = 16;

/// A scalar as protobuf has it, whatever message it came in.
enum Raw<'r> {
    Int(u32),
    Long(u64),
    Float(f32),
    Double(f64),
    Boolean(bool),
    Text(&'r str),
    Bytes(&'r [u8]),
}

/// The types of leaves as they were born, by name.
type Born = BTreeMap<String, DataType>;

/// The leaves of a metric of a type; none for a definition of a template. What does not say its type
/// has the one it was born with.
pub(super) fn leaves(metric: &Metric, kind: DataType, born: &Born) -> Result<Vec<Leaf>, Misfit> {
    let mut found = Vec::new();
    walk(metric, kind, "", 0, (born, &mut found))?;
    Ok(found)
}

fn walk(
    metric: &Metric,
    kind: DataType,
    name: &str,
    depth: usize,
    (born, found): (&Born, &mut Vec<Leaf>),
) -> Result<(), Misfit> {
    if depth > DEPTH_MAX {
        return Err(Misfit::TooDeep);
    }
    let null = metric.is_null == Some(true);
    let raw = match &metric.value {
        None if kind.kind().is_none() => return Ok(()),
        _ if null => return push(found, name, kind, Value::Null, Quality::BAD_NO_DATA),
        None => return push(found, name, kind, Value::Null, Quality::BAD_NO_DATA),
        Some(MetricValue::DataSet(table)) => return table_leaves(table, name, found),
        Some(MetricValue::Template(template)) => {
            return members(template, name, depth, (born, found));
        }
        Some(MetricValue::Bytes(bytes)) => {
            if let Some(element) = kind.element() {
                return array(bytes, element, name, found);
            }
            Raw::Bytes(bytes)
        }
        Some(MetricValue::Int(number)) => Raw::Int(*number),
        Some(MetricValue::Long(number)) => Raw::Long(*number),
        Some(MetricValue::Float(number)) => Raw::Float(*number),
        Some(MetricValue::Double(number)) => Raw::Double(*number),
        Some(MetricValue::Boolean(fact)) => Raw::Boolean(*fact),
        Some(MetricValue::Text(text)) => Raw::Text(text),
    };
    let (value, quality) = scalar(&raw, kind)?;
    push(found, name, kind, value, quality)
}

fn push(
    found: &mut Vec<Leaf>,
    name: &str,
    kind: DataType,
    value: Value,
    quality: Quality,
) -> Result<(), Misfit> {
    if found.len() >= SPARKPLUG_LEAVES_MAX {
        return Err(Misfit::TooMany);
    }
    found.push(Leaf { name: name.to_owned(), kind, value, quality });
    Ok(())
}

fn join(name: &str, part: &str) -> String {
    if name.is_empty() { part.to_owned() } else { format!("{name}/{part}") }
}

/// A scalar of a type. Senders mix the fields of one width with those of another; what the type
/// says counts.
fn scalar(raw: &Raw<'_>, kind: DataType) -> Result<(Value, Quality), Misfit> {
    let good = |value: Value| Ok((value, Quality::GOOD));
    match kind {
        DataType::Int8 => good(Value::Int(bits(raw)?.cast_signed() << 56 >> 56)),
        DataType::Int16 => good(Value::Int(bits(raw)?.cast_signed() << 48 >> 48)),
        DataType::Int32 => good(Value::Int(bits(raw)?.cast_signed() << 32 >> 32)),
        DataType::Int64 | DataType::DateTime => good(Value::Int(bits(raw)?.cast_signed())),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            match i64::try_from(bits(raw)?) {
                Ok(number) => good(Value::Int(number)),
                Err(_beyond) => Ok((Value::Null, Quality::BAD_OUT_OF_RANGE)),
            }
        }
        DataType::Float | DataType::Double => {
            let number = match raw {
                Raw::Float(number) => f64::from(*number),
                Raw::Double(number) => *number,
                Raw::Int(number) => f64::from(*number),
                // Whole numbers that a sender put into the field of 64 bits.
                #[expect(clippy::cast_precision_loss, reason = "the nearest float is meant")]
                Raw::Long(number) => number.cast_signed() as f64,
                _ => return Err(Misfit::Type),
            };
            let out = if number.is_finite() { Quality::GOOD } else { Quality::BAD_OUT_OF_RANGE };
            Ok((Value::Float(number), out))
        }
        DataType::Boolean => match raw {
            Raw::Boolean(fact) => good(Value::Bool(*fact)),
            Raw::Int(number @ 0..=1) => good(Value::Bool(*number == 1)),
            Raw::Long(number @ 0..=1) => good(Value::Bool(*number == 1)),
            _ => Err(Misfit::Type),
        },
        DataType::String | DataType::Text | DataType::Uuid => match raw {
            Raw::Text(text) => good(checked((*text).to_owned())?),
            _ => Err(Misfit::Type),
        },
        DataType::Bytes | DataType::File => match raw {
            Raw::Bytes(bytes) => good(checked(base64(bytes)?)?),
            _ => Err(Misfit::Type),
        },
        // Without a type the field says what it can.
        DataType::Unknown => match raw {
            Raw::Float(_) | Raw::Double(_) => scalar(raw, DataType::Double),
            Raw::Boolean(_) => scalar(raw, DataType::Boolean),
            Raw::Text(_) => scalar(raw, DataType::String),
            Raw::Bytes(_) => scalar(raw, DataType::Bytes),
            Raw::Int(_) | Raw::Long(_) => Err(Misfit::Type),
        },
        _ => Err(Misfit::Type),
    }
}

fn bits(raw: &Raw<'_>) -> Result<u64, Misfit> {
    match raw {
        Raw::Int(number) => Ok((*number).into()),
        Raw::Long(number) => Ok(*number),
        _ => Err(Misfit::Type),
    }
}

fn checked(text: String) -> Result<Value, Misfit> {
    if text.len() > TEXT_BYTES_MAX {
        Err(Misfit::TextTooLong)
    } else {
        Ok(Value::Text(text.into()))
    }
}

/// Bytes as base64 (RFC 4648) with padding.
fn base64(bytes: &[u8]) -> Result<String, Misfit> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(Misfit::TextTooLong);
    }
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS.get((word >> (18 - 6 * place) & 63) as usize).copied();
            let padded = place > chunk.len();
            text.push(if padded { '=' } else { char::from(letter.unwrap_or(b'=')) });
        }
    }
    Ok(text)
}

/// The elements of an array: little-endian bytes, bits after a count, texts ended by zero.
fn array(bytes: &[u8], element: DataType, name: &str, found: &mut Vec<Leaf>) -> Result<(), Misfit> {
    let mut add = |index: usize, raw: &Raw<'_>| {
        let (value, quality) = scalar(raw, element)?;
        push(found, &join(name, &index.to_string()), element, value, quality)
    };
    let width = match element {
        DataType::Boolean => {
            let (count, bits) = bytes.split_first_chunk::<4>().ok_or(Misfit::Array)?;
            let count = u32::from_le_bytes(*count) as usize;
            if count > bits.len() * 8 {
                return Err(Misfit::Array);
            }
            for index in 0..count {
                let byte = bits.get(index / 8).copied().unwrap_or(0);
                add(index, &Raw::Boolean(byte >> (7 - index % 8) & 1 == 1))?;
            }
            return Ok(());
        }
        DataType::String => {
            let text = std::str::from_utf8(bytes).map_err(|_utf8| Misfit::Type)?;
            let texts = text.strip_suffix('\0').unwrap_or(text);
            if text.is_empty() {
                return Ok(());
            }
            return texts
                .split('\0')
                .enumerate()
                .try_for_each(|(index, text)| add(index, &Raw::Text(text)));
        }
        DataType::Int8 | DataType::UInt8 => 1,
        DataType::Int16 | DataType::UInt16 => 2,
        DataType::Int32 | DataType::UInt32 | DataType::Float => 4,
        _ => 8,
    };
    if !bytes.len().is_multiple_of(width) {
        return Err(Misfit::Array);
    }
    for (index, chunk) in bytes.chunks(width).enumerate() {
        let number = chunk.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        let raw = match element {
            DataType::Double => Raw::Double(f64::from_bits(number)),
            DataType::Float => {
                Raw::Float(f32::from_bits(u32::try_from(number).unwrap_or_default()))
            }
            _ => Raw::Long(number),
        };
        add(index, &raw)?;
    }
    Ok(())
}

fn table_leaves(table: &DataSet, name: &str, found: &mut Vec<Leaf>) -> Result<(), Misfit> {
    for (index, row) in table.rows.iter().enumerate() {
        for (column, element) in row.elements.iter().enumerate() {
            let title = table.columns.get(column).cloned().unwrap_or_else(|| column.to_string());
            let kind = table
                .types
                .get(column)
                .map_or(DataType::Unknown, |kind| DataType::from_number(*kind));
            let raw = match &element.value {
                None => None,
                Some(ElementValue::Int(number)) => Some(Raw::Int(*number)),
                Some(ElementValue::Long(number)) => Some(Raw::Long(*number)),
                Some(ElementValue::Float(number)) => Some(Raw::Float(*number)),
                Some(ElementValue::Double(number)) => Some(Raw::Double(*number)),
                Some(ElementValue::Boolean(fact)) => Some(Raw::Boolean(*fact)),
                Some(ElementValue::Text(text)) => Some(Raw::Text(text)),
            };
            let (value, quality) = match raw {
                Some(raw) => scalar(&raw, kind)?,
                None => (Value::Null, Quality::BAD_NO_DATA),
            };
            push(found, &join(name, &format!("{index}/{title}")), kind, value, quality)?;
        }
    }
    Ok(())
}

fn members(
    template: &Template,
    name: &str,
    depth: usize,
    (born, found): (&Born, &mut Vec<Leaf>),
) -> Result<(), Misfit> {
    if template.is_definition == Some(true) {
        return Ok(());
    }
    for member in &template.metrics {
        let own = join(name, member.name.as_deref().unwrap_or_default());
        let said = DataType::from_number(member.datatype.unwrap_or_default());
        let kind = born.get(&own).copied().filter(|_| said == DataType::Unknown).unwrap_or(said);
        walk(member, kind, &own, depth + 1, (born, found))?;
    }
    Ok(())
}

/// The parameters of a template, as labels.
pub(super) fn parameters(metric: &Metric) -> Vec<(String, String)> {
    let Some(MetricValue::Template(template)) = &metric.value else { return Vec::new() };
    let mut labels: Vec<(String, String)> = template
        .parameters
        .iter()
        .filter_map(|parameter| {
            let kind = DataType::from_number(parameter.datatype.unwrap_or_default());
            let raw = match parameter.value.as_ref()? {
                ParameterValue::Int(number) => Raw::Int(*number),
                ParameterValue::Long(number) => Raw::Long(*number),
                ParameterValue::Float(number) => Raw::Float(*number),
                ParameterValue::Double(number) => Raw::Double(*number),
                ParameterValue::Boolean(fact) => Raw::Boolean(*fact),
                ParameterValue::Text(text) => Raw::Text(text),
            };
            let text = match scalar(&raw, kind).ok()?.0 {
                Value::Float(number) => number.to_string(),
                Value::Int(number) => number.to_string(),
                Value::Bool(fact) => fact.to_string(),
                Value::Text(text) => text.into(),
                Value::Null | Value::State(_) => return None,
            };
            Some((parameter.name.clone()?, text))
        })
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .collect();
    if let Some(name) = &template.template_ref {
        labels.push(("template".to_owned(), name.clone()));
    }
    labels
}
