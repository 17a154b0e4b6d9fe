//! InfluxDB line protocol, versions 1, 2 and 3, as points.
//!
//! ```text
//! oven,zone=2,side=left temp=211.5,on=t,note="a \"b\"" 1714550400000000000
//! ^ measurement        ^ fields                        ^ time, in the precision asked for
//!      ^ labels
//! ```
//!
//! Each field is a tag of its own: `oven/side=left/zone=2/temp`, the labels sorted by name. In
//! each part `%`, `/`, `=` and control characters are written as `%25`, `%2F`, `%3D`, `%0A`…, so
//! that the parts can be told apart again: two different series never share a path.
//!
//! *Invariant.* A line becomes points as a whole or is refused as a whole, by its number and
//! reason; the other lines are not touched by it.
//!
//! *Not here.* The versions differ in their HTTP parameters and answers only.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use tacitus_model::{LABELS_MAX, PATH_BYTES_MAX, TEXT_BYTES_MAX, TagId, Timestamp, Value};

use crate::Point;
use crate::json::Number;
use crate::limits::LINES_NAMED_MAX;
use crate::moment;
use scan::Scan;

mod scan;
#[cfg(test)]
mod tests;

/// The unit of the times in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Nanoseconds, where nothing else is said.
    #[default]
    Nanos,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Minutes (version 1 only).
    Minutes,
    /// Hours (version 1 only).
    Hours,
    /// Whatever the size of each time tells (version 3 only).
    BySize,
}

impl Precision {
    /// The precision of an HTTP parameter: `ns`, `us`, `ms`, `s`, and `n`, `u`, `µ`, `m`, `h` of
    /// version 1.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "ns" | "n" => Self::Nanos,
            "us" | "u" | "µ" => Self::Micros,
            "ms" => Self::Millis,
            "s" => Self::Seconds,
            "m" => Self::Minutes,
            "h" => Self::Hours,
            _ => return None,
        })
    }

    /// The precision of an HTTP parameter of version 3: `auto`, or a unit as a word or as in the
    /// versions before.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "auto" => Self::BySize,
            "nanosecond" => Self::Nanos,
            "microsecond" => Self::Micros,
            "millisecond" => Self::Millis,
            "second" => Self::Seconds,
            name => return Self::from_name(name),
        })
    }

    /// The moment of a time; `None` outside 1677 to 2262.
    fn moment(self, count: i64) -> Option<Timestamp> {
        let nanos = match self {
            Self::BySize => return moment::from_epoch(Number::Int(count), None),
            Self::Nanos => 1,
            Self::Micros => 1_000,
            Self::Millis => 1_000_000,
            Self::Seconds => 1_000_000_000,
            Self::Minutes => 60_000_000_000,
            Self::Hours => 3_600_000_000_000,
        };
        Timestamp::from_units(count, nanos)
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The line ends before its first field.
    #[error("missing fields")]
    FieldsMissing,
    /// There is nothing before the first comma or space.
    #[error("missing measurement")]
    MeasurementMissing,
    /// A label without `=`, name or value.
    #[error("label without name or value")]
    LabelBroken,
    /// Two labels of the same name.
    #[error("label appears twice")]
    LabelTwice,
    /// More labels than a tag can have.
    #[error("more than {LABELS_MAX} labels")]
    LabelsTooMany,
    /// A field without `=` or name.
    #[error("field without name or value")]
    FieldBroken,
    /// A value that is no number, integer, boolean or quoted text.
    #[error("field value is not a number, integer, boolean or quoted text")]
    ValueBroken,
    /// `NaN` and infinity, which line protocol does not know.
    #[error("field value is not a finite number")]
    NotFinite,
    /// An integer that does not fit 64 bits.
    #[error("integer is outside -9223372036854775808 to 9223372036854775807")]
    IntegerRange,
    /// A quoted text whose closing quote is missing.
    #[error("text without closing quote")]
    QuoteOpen,
    /// A text longer than a sample can hold.
    #[error("text is longer than {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 text")]
    NotText,
    /// Something that is no integer where the time stands.
    #[error("time is not an integer")]
    TimeBroken,
    /// A time outside the range of the store.
    #[error("time is outside 1677 to 2262; is the precision right?")]
    TimeRange,
    /// More after the time.
    #[error("unexpected text after the time")]
    Trailing,
    /// Measurement, labels and field together make too long a path.
    #[error("tag path would have more than {PATH_BYTES_MAX} bytes")]
    PathTooLong,
}

/// A line that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// Its number, from 1; comments and blank lines count.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Fault,
}

/// What became of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The points of all good lines, in order.
    pub points: Vec<Point>,
    /// For each point, the number of its line.
    pub lines: Vec<usize>,
    /// How series and field of new points are spelled, with the places of these points: what
    /// [`Spellings`] may learn.
    pub spellings: Vec<(usize, Box<[u8]>)>,
    /// The first refused lines.
    pub refused: Vec<LineError>,
    /// How many lines were refused in all.
    pub refused_count: usize,
}

/// What earlier lines taught: senders spell a series in the same way again and again, and then it
/// need not be read.
pub trait Spellings {
    /// The tag of a series and field that are spelled so.
    fn tag(&self, spelling: &[u8]) -> Option<TagId>;
}

/// A body of lines that is read in pieces, so that its points need not be in memory at once.
#[derive(Debug)]
pub struct Lines<'a> {
    scan: Scan<'a>,
    precision: Precision,
}

impl<'a> Lines<'a> {
    /// Stands before the first line.
    #[must_use]
    pub fn new(text: &'a [u8], precision: Precision) -> Self {
        Self { scan: Scan::new(text), precision }
    }

    /// Reads on until there are at least `points_max` points, or the body ends: `None` when
    /// nothing is left.
    pub fn read(&mut self, points_max: usize) -> Option<Parsed> {
        self.read_knowing(points_max, None)
    }

    /// The same; points of series that are known by their spelling have a tag and no path.
    pub fn read_knowing(
        &mut self,
        points_max: usize,
        known: Option<&dyn Spellings>,
    ) -> Option<Parsed> {
        let mut parsed = Parsed::default();
        while parsed.points.len() < points_max && self.scan.next_line() {
            let line = self.scan.line();
            let before = parsed.points.len();
            let taken = match known {
                Some(known) => self.points_knowing(known, &mut parsed),
                None => points(&mut self.scan, self.precision, &mut parsed.points),
            };
            match taken {
                Ok(()) => parsed.lines.resize(parsed.points.len(), line),
                Err(reason) => {
                    parsed.points.truncate(before);
                    while parsed.spellings.pop_if(|(at, _)| *at >= before).is_some() {}
                    parsed.refused_count += 1;
                    // LIMIT: a body of broken lines would be answered with a body of errors.
                    if parsed.refused.len() < LINES_NAMED_MAX {
                        parsed.refused.push(LineError { line, reason });
                    }
                    self.scan.skip_line();
                }
            }
        }
        (parsed.refused_count > 0 || !parsed.points.is_empty()).then_some(parsed)
    }

    /// Reads one line, by its spelling where that is known.
    fn points_knowing(&mut self, known: &dyn Spellings, parsed: &mut Parsed) -> Result<(), Fault> {
        let Some(series) = self.scan.plain_series() else {
            return points(&mut self.scan, self.precision, &mut parsed.points);
        };
        let (start, before) = (self.scan.place(), parsed.points.len());
        if self.known_points(series, known, &mut parsed.points)? {
            return Ok(());
        }
        parsed.points.truncate(before);
        self.scan.go_to(start);
        points(&mut self.scan, self.precision, &mut parsed.points)?;
        let end = self.scan.place();
        self.scan.go_to(start);
        self.learn(series, before, parsed);
        self.scan.go_to(end);
        Ok(())
    }

    /// Reads a line all of whose fields are known; whether they are.
    fn known_points(
        &mut self,
        series: &[u8],
        known: &dyn Spellings,
        out: &mut Vec<Point>,
    ) -> Result<bool, Fault> {
        let (start, first) = (self.scan.place(), out.len());
        let mut spelled = Vec::new();
        self.scan.skip(series.len() + 1);
        loop {
            let Some(name) = self.scan.plain_name() else { return Ok(false) };
            let tag = if out.len() == first {
                known.tag(self.scan.bytes(&start, series.len() + 1 + name.len()))
            } else {
                spell(series, name, &mut spelled);
                known.tag(&spelled)
            };
            let Some(tag) = tag else { return Ok(false) };
            let value = value(&mut self.scan)?;
            out.push(Point { tag: Some(tag), ..Point::new(String::new(), value) });
            if !self.scan.take(b',') {
                break;
            }
        }
        end_line(&mut self.scan, self.precision, out.get_mut(first..).unwrap_or_default())?;
        Ok(true)
    }

    /// Notes how the points of a line are spelled that was read just now.
    fn learn(&mut self, series: &[u8], first: usize, parsed: &mut Parsed) {
        self.scan.skip(series.len() + 1);
        for at in first..parsed.points.len() {
            let Some(name) = self.scan.plain_name() else { return };
            let mut spelled = Vec::new();
            spell(series, name, &mut spelled);
            parsed.spellings.push((at, spelled.into()));
            if value(&mut self.scan).is_err() || !self.scan.take(b',') {
                return;
            }
        }
    }
}

/// How a series and one of its fields are spelled. No two are spelled alike: there is no space
/// within either.
fn spell(series: &[u8], field: &[u8], spelled: &mut Vec<u8>) {
    spelled.clear();
    spelled.extend_from_slice(series);
    spelled.push(b' ');
    spelled.extend_from_slice(field);
}

/// Reads a whole body of lines.
#[must_use]
pub fn parse(text: &[u8], precision: Precision) -> Parsed {
    Lines::new(text, precision).read(usize::MAX).unwrap_or_default()
}

/// Reads one line and adds a point for each of its fields.
fn points(scan: &mut Scan<'_>, precision: Precision, out: &mut Vec<Point>) -> Result<(), Fault> {
    let first = out.len();
    let series = series(scan)?;
    loop {
        let name = scan.field_name()?;
        let value = value(scan)?;
        let mut path = String::with_capacity(series.path.len() + 1 + name.len());
        path.push_str(&series.path);
        path.push('/');
        escape(&name, &mut path)?;
        out.push(Point { labels: Arc::clone(&series.labels), ..Point::new(path, value) });
        if !scan.take(b',') {
            break;
        }
    }
    end_line(scan, precision, out.get_mut(first..).unwrap_or_default())
}

/// Reads the time at the end of a line, which all its points have.
fn end_line(scan: &mut Scan<'_>, precision: Precision, points: &mut [Point]) -> Result<(), Fault> {
    let ts = match scan.time()? {
        Some(count) => Some(precision.moment(count).ok_or(Fault::TimeRange)?),
        None => None,
    };
    points.iter_mut().for_each(|point| point.ts = ts);
    Ok(())
}

/// What all fields of a line share.
struct Series {
    path: String,
    labels: Arc<[(String, String)]>,
}

fn series(scan: &mut Scan<'_>) -> Result<Series, Fault> {
    let measurement = scan.measurement()?;
    let mut labels = Vec::new();
    while scan.take(b',') {
        if labels.len() == LABELS_MAX {
            return Err(Fault::LabelsTooMany);
        }
        labels.push(scan.label()?);
    }
    labels.sort_unstable();
    if labels.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        return Err(Fault::LabelTwice);
    }
    let path = series_path(&measurement, &labels)?;
    let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into(), value.into());
    Ok(Series { path, labels: labels.into_iter().map(owned).collect() })
}

/// The path of a series whose labels are sorted by name; different series have different paths.
///
/// # Errors
/// It would be longer than a path can be.
pub fn series_path<T: AsRef<str>>(measurement: &str, labels: &[(T, T)]) -> Result<String, Fault> {
    let mut path = String::with_capacity(64);
    escape(measurement, &mut path)?;
    for (name, value) in labels {
        path.push('/');
        escape(name.as_ref(), &mut path)?;
        path.push('=');
        escape(value.as_ref(), &mut path)?;
    }
    Ok(path)
}

/// One part of such a path.
pub(crate) fn part(name: &str) -> Result<String, Fault> {
    let mut part = String::new();
    escape(name, &mut part)?;
    Ok(part)
}

/// Adds a part to a path so that it ends where it ends.
fn escape(part: &str, path: &mut String) -> Result<(), Fault> {
    let plain = |c: char| !matches!(c, '%' | '/' | '=') && !c.is_control();
    if part.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'%' | b'/' | b'=')) {
        path.push_str(part);
    } else {
        for c in part.chars() {
            if plain(c) {
                path.push(c);
                continue;
            }
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _infallible = write!(path, "%{byte:02X}");
            }
        }
    }
    // LIMIT: each field copies the path of its series.
    if path.len() > PATH_BYTES_MAX { Err(Fault::PathTooLong) } else { Ok(()) }
}

/// A field's value, up to the comma, space or end of line after it.
fn value(scan: &mut Scan<'_>) -> Result<Value, Fault> {
    if let Some(text) = scan.quoted()? {
        return if text.len() > TEXT_BYTES_MAX {
            Err(Fault::TextTooLong)
        } else {
            Ok(Value::Text(text.into()))
        };
    }
    let token = scan.token();
    match token {
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => return Ok(Value::Bool(true)),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let text = std::str::from_utf8(token).map_err(|_utf8| Fault::NotText)?;
    if let Some(digits) = text.strip_suffix('i').or_else(|| text.strip_suffix('u')) {
        let negative = digits.strip_prefix('-');
        let unsigned = text.ends_with('u');
        if unsigned && negative.is_some() || !is_digits(negative.unwrap_or(digits)) {
            return Err(Fault::ValueBroken);
        }
        return digits.parse().map(Value::Int).map_err(|_range| Fault::IntegerRange);
    }
    float(text)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn float(text: &str) -> Result<Value, Fault> {
    let spelled = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(number) if spelled && number.is_finite() => Ok(Value::Float(number)),
        // "nan", "inf", and literals such as 1e999.
        Ok(_) => Err(Fault::NotFinite),
        Err(_) => Err(Fault::ValueBroken),
    }
}
