//! An MQTT payload as points, by the rules that fit most senders.
//!
//! ```text
//! 21.75 · true · RUN              one point, the tag is the topic
//! {"temp": 4.1, "door": {"open": false}}
//!                                 topic/temp and topic/door/open
//! {"value": 4.1, "timestamp": "2024-05-01T08:00:00Z", "quality": "good"}
//!                                 one point with its time and quality, the tag is the topic
//! [{"ts": …, "temp": 4.1}, …]     several messages
//! ```
//!
//! A member with the name of a time dates its object and everything inside; what counts as such
//! a name is in [`TIME_NAMES`]. The whole table for users is `docs/ingest.md`.
//!
//! *Invariant.* A payload becomes points as a whole or is refused as a whole, and what it becomes
//! depends on nothing but its topic and its bytes.
//!
//! *Not here.* Which topics are taken and how they are renamed: see [`crate::topic`].

use tacitus_model::{Kind, PATH_BYTES_MAX, Quality, TEXT_BYTES_MAX, Timestamp, Value};

use crate::Point;
use crate::json::{self, Json};
use crate::limits::{JSON_VALUES_MAX, PAYLOAD_BYTES_MAX};
use role::{Quoted, Role, TimeReading};

mod role;
#[cfg(test)]
mod tests;

pub(crate) use role::quality_word;
pub use role::{QUALITY_NAMES, TIME_NAMES, UNIT_NAMES, VALUE_NAMES};

/// The bounds an operator may lower or raise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The longest payload that is decoded, in bytes.
    pub payload_bytes_max: usize,
    /// How many JSON values (leaves and containers) one payload may hold.
    pub json_values_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { payload_bytes_max: PAYLOAD_BYTES_MAX, json_values_max: JSON_VALUES_MAX }
    }
}

/// Why a payload became no points.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are no bytes, or only spaces.
    #[error("the payload is empty")]
    Empty,
    /// The payload is longer than allowed.
    #[error("the payload has {bytes} bytes, more than {max}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The bytes are not text.
    #[error("the payload is not UTF-8 text")]
    NotText,
    /// The payload starts like JSON and is not, or breaks a bound.
    #[error("the payload is not usable JSON: {0}")]
    Json(String),
    /// A text value is longer than a sample can hold.
    #[error("a text of {bytes} bytes is longer than {TEXT_BYTES_MAX}")]
    TextTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A topic with the names of its leaf is longer than a tag path can be.
    #[error("a tag path would have more than {PATH_BYTES_MAX} bytes")]
    PathTooLong,
    /// A member that must be a time is none, or lies outside 1677 to 2262.
    #[error("\"{name}\" holds no time: {text}")]
    Time {
        /// The member's name.
        name: String,
        /// The start of what it holds.
        text: String,
    },
    /// JSON without a single number, boolean, text or null to keep.
    #[error("the payload holds no value")]
    NoValue,
}

impl Refusal {
    /// A short fixed word for counters.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "payload_empty",
            Self::TooLong { .. } => "payload_too_long",
            Self::NotText => "payload_not_text",
            Self::Json(_) => "payload_json",
            Self::TextTooLong { .. } => "text_too_long",
            Self::PathTooLong => "path_too_long",
            Self::Time { .. } => "time_unreadable",
            Self::NoValue => "payload_no_value",
        }
    }
}

/// Decodes one payload; `path` is its topic, or what the topic was renamed to.
///
/// # Errors
/// What keeps the payload from becoming points; none of it is kept.
pub fn decode(path: &str, payload: &[u8], settings: &Settings) -> Result<Vec<Point>, Refusal> {
    let text = text(payload, settings)?;
    if path.len() > PATH_BYTES_MAX {
        return Err(Refusal::PathTooLong);
    }
    if !text.starts_with(['{', '[', '"']) {
        let (value, quality) = bare_value(text, None)?;
        return Ok(vec![Point::new(path, value).with_quality(quality)]);
    }
    let json = json::read(text, settings.json_values_max)
        .map_err(|error| Refusal::Json(error.to_string()))?;
    let mut tree = Tree { path: path.to_owned(), points: Vec::new() };
    match json {
        // A list at the top is a list of messages, each as if it had come alone.
        Json::Array(messages) => {
            for (index, message) in messages.iter().enumerate() {
                match message {
                    Json::Object(_) => tree.node(message, Origin::default())?,
                    other => tree.member(&index.to_string(), other, Origin::default())?,
                }
            }
        }
        other => tree.node(&other, Origin::default())?,
    }
    if tree.points.is_empty() { Err(Refusal::NoValue) } else { Ok(tree.points) }
}

/// The text of a payload that is not JSON, so that a known topic needs no [`Point`]; `None` where
/// [`decode`] has to look.
///
/// # Errors
/// As [`decode`].
pub fn bare_text<'p>(payload: &'p [u8], settings: &Settings) -> Result<Option<&'p str>, Refusal> {
    let text = text(payload, settings)?;
    Ok((!text.starts_with(['{', '[', '"'])).then_some(text))
}

/// The value of such a text. For a tag of [`Kind::Text`] it is kept letter by letter: a serial
/// number such as `0012` is no number.
///
/// # Errors
/// The text is longer than a sample can hold.
pub fn bare_value(text: &str, kind: Option<Kind>) -> Result<(Value, Quality), Refusal> {
    let value = match number(text) {
        _ if text == "null" => return Ok((Value::Null, Quality::BAD_NO_DATA)),
        _ if kind == Some(Kind::Text) => checked_text(text)?,
        Some(value) => value,
        None if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        None if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        None => checked_text(text)?,
    };
    let quality = match &value {
        Value::Float(number) if !number.is_finite() => Quality::BAD_OUT_OF_RANGE,
        _ => Quality::GOOD,
    };
    Ok((value, quality))
}

/// The payload as text without the white space and byte-order mark around it.
fn text<'p>(payload: &'p [u8], settings: &Settings) -> Result<&'p str, Refusal> {
    let max = settings.payload_bytes_max;
    if payload.len() > max {
        return Err(Refusal::TooLong { bytes: payload.len(), max });
    }
    let text = std::str::from_utf8(payload).map_err(|_utf8| Refusal::NotText)?;
    let text = text.trim_start_matches('\u{feff}').trim_ascii();
    if text.is_empty() { Err(Refusal::Empty) } else { Ok(text) }
}

/// A text that is a number as a whole; also `NaN` and `inf`, which devices send as text.
fn number(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse::<i64>() {
        // "-0" is a float with a sign, which an integer cannot keep.
        let float = number == 0 && text.starts_with('-');
        return Some(if float { Value::Float(-0.0) } else { json::Number::Int(number).value() });
    }
    text.parse::<f64>().ok().map(Value::Float)
}

fn checked_text(text: &str) -> Result<Value, Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Refusal::TextTooLong { bytes: text.len() });
    }
    Ok(Value::Text(text.into()))
}

/// What an object hands down to everything inside it.
#[derive(Debug, Clone, Copy)]
struct Origin {
    ts: Option<Timestamp>,
    quality: Quality,
}

impl Default for Origin {
    fn default() -> Self {
        Self { ts: None, quality: Quality::GOOD }
    }
}

/// The walk over a JSON tree: where it stands, and what it found.
struct Tree {
    path: String,
    points: Vec<Point>,
}

impl Tree {
    fn node(&mut self, json: &Json<'_>, origin: Origin) -> Result<(), Refusal> {
        match json {
            Json::Object(members) => self.object(members, origin),
            Json::Array(elements) => self.array(elements, origin),
            Json::Null => {
                self.leaf(Value::Null, origin, String::new());
                Ok(())
            }
            Json::Text(text) => {
                self.leaf(checked_text(text)?, origin, String::new());
                Ok(())
            }
            scalar => {
                if let Some(value) = scalar.value() {
                    self.leaf(value, origin, String::new());
                }
                Ok(())
            }
        }
    }

    /// One level deeper under `name`.
    fn member(&mut self, name: &str, json: &Json<'_>, origin: Origin) -> Result<(), Refusal> {
        let parent_bytes = self.path.len();
        // LIMIT: each point copies the path, so an endless name would multiply.
        if parent_bytes + 1 + name.len() > PATH_BYTES_MAX {
            return Err(Refusal::PathTooLong);
        }
        self.path.push('/');
        self.path.push_str(name);
        let done = self.node(json, origin);
        self.path.truncate(parent_bytes);
        done
    }

    fn leaf(&mut self, value: Value, origin: Origin, unit: String) {
        let quality = match value {
            Value::Null if !origin.quality.is_bad() => Quality::BAD_NO_DATA,
            _ => origin.quality,
        };
        let point = Point::new(self.path.clone(), value).at(origin.ts).with_quality(quality);
        self.points.push(Point { unit, ..point });
    }

    fn object(&mut self, members: &Members<'_>, outer: Origin) -> Result<(), Refusal> {
        let roles: Vec<Role<'_>> =
            members.iter().map(|(name, json)| role::of(name, json)).collect::<Result<_, _>>()?;
        let ts = match role::time(&roles) {
            Some(TimeReading::At(ts)) => Some(ts),
            Some(TimeReading::Arrival) => None,
            None => outer.ts,
        };
        if let Some(one) = Quoted::of(&roles) {
            let quality = one.quality.unwrap_or(outer.quality);
            if let Value::Text(text) = &one.value {
                checked_text(text)?;
            }
            self.leaf(one.value, Origin { ts, quality }, one.unit.to_owned());
            return Ok(());
        }
        let quality = roles.iter().find_map(Role::quality_word).unwrap_or(outer.quality);
        for ((name, json), role) in members.iter().zip(&roles) {
            if role.is_leaf_among_others() {
                self.member(name, json, Origin { ts, quality })?;
            }
        }
        Ok(())
    }

    /// Objects that each carry their own time are samples of what the array is named after;
    /// anything else is a row of separate things.
    fn array(&mut self, elements: &[Json<'_>], origin: Origin) -> Result<(), Refusal> {
        for (index, element) in elements.iter().enumerate() {
            if role::is_dated(element)? {
                self.node(element, origin)?;
            } else {
                self.member(&index.to_string(), element, origin)?;
            }
        }
        Ok(())
    }
}

type Members<'a> = [(std::borrow::Cow<'a, str>, Json<'a>)];
