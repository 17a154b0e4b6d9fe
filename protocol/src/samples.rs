//! Samples as JSON rows: `[{"tag": …, "ts": …, "value": …, "quality": …}, …]`.
//!
//! | member | holds |
//! |---|---|
//! | `tag` | the path |
//! | `ts` | RFC 3339 with a zone, or an epoch number whose size says its unit (see below); absent or null: the arrival |
//! | `value` | number, boolean, text or null |
//! | `quality` | an OPC UA status code, or `good`, `uncertain`, `bad`; absent: good, or no data where the value is null |
//!
//! An epoch number below 1e11 is in seconds, below 1e14 in milliseconds, below 1e17 in
//! microseconds, otherwise in nanoseconds. Other members are ignored. One row may stand without
//! the list.
//!
//! *Invariant.* Either every row is a point or the body is refused with the first row that is
//! none. A number keeps its exact bits; it is a float unless it is an integer beyond ±2^53.

use std::fmt;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tacitus_model::{PATH_BYTES_MAX, Quality, TEXT_BYTES_MAX, Timestamp, Value};

use crate::Point;
use crate::json::{self, Json, Number};
use crate::limits::SAMPLE_VALUES_MAX;
use crate::moment::{self, Reading};
use crate::payload::quality_word;

#[cfg(test)]
mod tests;

/// Why a body became no points.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {reason}")]
pub struct BodyError {
    /// The row at fault, from 1; 0 where the body as a whole is none.
    pub row: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads a body of JSON rows.
///
/// # Errors
/// The first row at fault; no row counts then.
pub fn parse(body: &[u8]) -> Result<Vec<Point>, BodyError> {
    let whole = |reason: String| BodyError { row: 0, reason };
    let text = std::str::from_utf8(body).map_err(|error| whole(error.to_string()))?.trim_ascii();
    let mut rows = Rows { points: Vec::new(), fault: None };
    if text.starts_with('{') {
        return row(text).map(|point| vec![point]).map_err(|reason| BodyError { row: 1, reason });
    }
    let mut input = serde_json::Deserializer::from_str(text);
    let read = input.deserialize_seq(&mut rows).and_then(|()| input.end());
    match (rows.fault, read) {
        (Some(reason), _) => Err(BodyError { row: rows.points.len() + 1, reason }),
        (None, Err(error)) => Err(whole(format!("the body is no JSON list of rows: {error}"))),
        (None, Ok(())) => Ok(rows.points),
    }
}

/// What became of the rows of a body that were read one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Each {
    /// The points of the good rows, with the number of each row from 1.
    pub points: Vec<(usize, Point)>,
    /// The others.
    pub refused: Vec<BodyError>,
}

/// Reads JSON rows one by one: a list of them, or an object a line. A row at fault costs itself
/// alone.
///
/// # Errors
/// The body is neither.
pub fn parse_each(body: &[u8]) -> Result<Each, BodyError> {
    let whole = |reason: String| BodyError { row: 0, reason };
    let text = std::str::from_utf8(body).map_err(|error| whole(error.to_string()))?.trim_ascii();
    let mut each = Each::default();
    if text.starts_with('[') {
        let rows: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|error| whole(format!("the body is no JSON list of rows: {error}")))?;
        rows.iter().zip(1..).for_each(|(raw, number)| each.add(raw.get(), number));
    } else {
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
        lines.for_each(|(line, number)| each.add(line.trim_ascii(), number));
    }
    Ok(each)
}

impl Each {
    fn add(&mut self, text: &str, number: usize) {
        match row(text) {
            Ok(point) => self.points.push((number, point)),
            Err(reason) => self.refused.push(BodyError { row: number, reason }),
        }
    }
}

/// Gathers the rows of a list and stops at the first that is none.
struct Rows {
    points: Vec<Point>,
    fault: Option<String>,
}

impl<'de> Visitor<'de> for &mut Rows {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<(), A::Error> {
        while let Some(raw) = input.next_element::<&RawValue>()? {
            match row(raw.get()) {
                Ok(point) => self.points.push(point),
                Err(reason) => {
                    self.fault = Some(reason);
                    return Err(A::Error::custom("row"));
                }
            }
        }
        Ok(())
    }
}

fn row(text: &str) -> Result<Point, String> {
    let json = json::read(text, SAMPLE_VALUES_MAX).map_err(|error| error.to_string())?;
    let Json::Object(members) = json else {
        return Err(r#"not an object {"tag", "ts", "value"}"#.to_owned());
    };
    let (mut path, mut ts, mut value, mut stated) = (None, None, None, None);
    for (name, member) in &members {
        match name.as_ref() {
            "tag" => path = Some(tag(member)?),
            "ts" => ts = moment(member)?,
            "value" => value = Some(checked(member)?),
            "quality" => stated = quality(member)?,
            _ => {}
        }
    }
    let path = path.ok_or(r#""tag" is missing"#)?;
    let value = value.ok_or(r#""value" is missing; null says that there is none"#)?;
    let absent = if value == Value::Null { Quality::BAD_NO_DATA } else { Quality::GOOD };
    Ok(Point::new(path, value).at(ts).with_quality(stated.unwrap_or(absent)))
}

fn tag(json: &Json<'_>) -> Result<String, String> {
    match json {
        Json::Text(path) if path.is_empty() => Err(r#""tag" is empty"#.to_owned()),
        // LIMIT: a refused path is remembered; it must not be the whole body.
        Json::Text(path) if path.len() > PATH_BYTES_MAX => {
            Err(format!(r#""tag" has more than {PATH_BYTES_MAX} bytes"#))
        }
        Json::Text(path) => Ok(path.as_ref().to_owned()),
        _ => Err(r#""tag" is not a text"#.to_owned()),
    }
}

fn moment(json: &Json<'_>) -> Result<Option<Timestamp>, String> {
    let outside = || r#""ts" is outside 1677 to 2262"#.to_owned();
    match json {
        Json::Null => Ok(None),
        Json::Number(number) => moment::from_epoch(*number, None).map(Some).ok_or_else(outside),
        Json::Text(text) => match moment::from_text(text) {
            Reading::At(ts) => Ok(Some(ts)),
            Reading::OutOfRange => Err(outside()),
            Reading::NoZone => Err(r#""ts" has no zone; end it with Z or +hh:mm"#.to_owned()),
            Reading::NotATime => {
                Err(r#""ts" is neither RFC 3339 such as 2026-05-01T08:00:00Z nor a number"#.into())
            }
        },
        _ => Err(r#""ts" is neither a text nor a number"#.to_owned()),
    }
}

fn checked(json: &Json<'_>) -> Result<Value, String> {
    match json.value() {
        Some(Value::Text(text)) if text.len() > TEXT_BYTES_MAX => {
            Err(format!(r#""value" is a text of more than {TEXT_BYTES_MAX} bytes"#))
        }
        Some(Value::Float(number)) if !number.is_finite() => {
            Err(r#""value" is too large for a number"#.to_owned())
        }
        Some(value) => Ok(value),
        None => Err(r#""value" is not a number, boolean, text or null"#.to_owned()),
    }
}

fn quality(json: &Json<'_>) -> Result<Option<Quality>, String> {
    let known = match json {
        Json::Null => return Ok(None),
        Json::Number(Number::Int(code)) => u32::try_from(*code).ok().map(Quality),
        Json::Text(word) => quality_word(word),
        _ => None,
    };
    known.map(Some).ok_or_else(|| {
        r#""quality" is neither an OPC UA status code nor good, uncertain or bad"#.to_owned()
    })
}
