//! An MQTT payload as points: by the profile its topic or form tells, else by the rules that fit
//! most senders.
//!
//! ```text
//! 21.75 · true · RUN              one point, the tag is the topic
//! {"temp": 4.1, "door": {"open": false}}
//!                                 topic/temp and topic/door/open
//! {"value": 4.1, "timestamp": "2024-05-01T08:00:00Z", "quality": "good"}
//!                                 one point with its time and quality, the tag is the topic
//! [{"ts": …, "temp": 4.1}, …]     several messages
//! {"timestamp": …, "values": [{"id": "Channel1.Device1.Tag1", "v": 42, "q": true}, …]}
//!                                 what a vendor's gateway sends: see [`Profile`]
//! ```
//!
//! A member with the name of a time dates its object and everything inside; what counts as such
//! a name is in [`TIME_NAMES`]. The whole table for users is `docs/ingest.md`.
//!
//! *Invariant.* A payload becomes points as a whole or is refused as a whole, and what it becomes
//! depends on nothing but its topic, its bytes, its rule and, where it states times relative to
//! now, the moment of its arrival.
//!
//! *Not here.* Which topics are taken and how they are renamed: see [`crate::topic`].

use tacitus_model::{Kind, PATH_BYTES_MAX, Quality, TEXT_BYTES_MAX, Timestamp, Value};

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::Point;
use crate::json;
use crate::limits::{JSON_VALUES_MAX, PAYLOAD_BYTES_MAX};
use crate::line::{self, Lines, Precision};
use tree::Tree;

mod choice;
mod cloud;
mod gateway;
mod home;
mod lorawan;
mod profile;
mod role;
mod senml;
mod shelly;
#[cfg(test)]
mod tests;
mod tree;
mod ua;

pub use choice::Choice;
pub use profile::{Base, Profile, base};
pub use role::{QUALITY_NAMES, TIME_NAMES, UNIT_NAMES, VALUE_NAMES};
pub(crate) use role::{opc_quality, quality_word};

/// What a gzip stream begins with; no text does.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A message, and what is said of its topic.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// The topic it came under.
    pub topic: &'m str,
    /// What came.
    pub payload: &'m [u8],
    /// When.
    pub received: Timestamp,
    /// The path that a rule gives its values; `None`: as the profile names them.
    pub path: Option<&'m str>,
    /// What a rule says of its form.
    pub choice: &'m Choice,
}

/// What a message turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The form it has.
    pub profile: Profile,
    /// What it says; empty for a message of a known form that says no value, as a keep-alive does.
    pub points: Vec<Point>,
}

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
    #[error(
        "\"{name}\" holds no time but {text}; send RFC 3339 such as 2026-05-01T08:00:00Z or a number \
         since 1970, or leave it out with \"ignore\" in a topic rule"
    )]
    Time {
        /// The member's name.
        name: String,
        /// The start of what it holds.
        text: String,
    },
    /// JSON without a single number, boolean, text or null to keep.
    #[error("the payload holds no value")]
    NoValue,
    /// A gzip stream that ends early, is damaged, or holds more than a payload may.
    #[error("the payload is not usable gzip: {0}")]
    Gzip(String),
    /// The payload lacks what its profile promises.
    #[error("the payload is not of the form \"{}\": {what}", profile.name())]
    Shape {
        /// The form it should have.
        profile: Profile,
        /// What is missing or wrong.
        what: &'static str,
    },
    /// More values than one payload may hold.
    #[error("the payload has more than {max} values")]
    TooMany {
        /// The most allowed.
        max: usize,
    },
    /// A line of line protocol is wrong.
    #[error("{0}")]
    Line(line::LineError),
    /// A template names a member that the payload does not have.
    #[error("the name needs the member \"{0}\", which the payload does not have as text or number")]
    NameMissing(String),
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
            Self::Gzip(_) => "payload_gzip",
            Self::Shape { .. } => "payload_shape",
            Self::TooMany { .. } => "payload_too_many",
            Self::Line(_) => "payload_line",
            Self::NameMissing(_) => "name_missing",
        }
    }
}

/// Decodes a message by its rule and the profile that fits.
///
/// # Errors
/// What keeps the payload from becoming points; none of it is kept.
pub fn read(message: &Message<'_>, settings: &Settings) -> Result<Decoded, Refusal> {
    let bytes = unpacked(message.payload, settings)?;
    let text = text(&bytes, settings)?;
    let forced = message.choice.profile;
    if !is_json(text) || forced == Some(Profile::Plain) {
        return read_text(message, text, settings);
    }
    // A sender that writes NaN into its JSON has other values too.
    let spelled;
    let json = match json::read(text, settings.json_values_max) {
        Ok(json) => json,
        Err(error) => {
            let refusal = || Refusal::Json(error.to_string());
            spelled =
                json::with_literals(text).or_else(|| lines_as_list(text)).ok_or_else(refusal)?;
            json::read(&spelled, settings.json_values_max).map_err(|_also| refusal())?
        }
    };
    let profile = forced.unwrap_or_else(|| Profile::of(message.topic, &json));
    let local = profile == Profile::SenMl && !senml::has_base_name(&json);
    let path = message.path.or(local.then_some(message.topic));
    let base = base(profile, message.topic, path);
    if base.path.len() > PATH_BYTES_MAX {
        return Err(Refusal::PathTooLong);
    }
    let name = message.choice.name_of(&json)?;
    let mut tree = Tree::new(&base, message.choice, name.as_deref());
    profile.read(&json, &mut tree, message.received)?;
    if tree.points.is_empty() && !profile.may_say_nothing() {
        return Err(Refusal::NoValue);
    }
    let points = tree.points;
    // One value under the name of the topic itself is what an object of one value says.
    let is_one = matches!(points.as_slice(), [point] if point.path == base.path);
    let profile = if profile == Profile::Json && is_one { Profile::Vtq } else { profile };
    Ok(Decoded { profile, points })
}

/// Decodes a payload by the rules that fit most senders; `path` is what its values are named.
///
/// # Errors
/// As [`read`].
pub fn decode(path: &str, payload: &[u8], settings: &Settings) -> Result<Vec<Point>, Refusal> {
    let choice = Choice::default();
    let received = Timestamp::from_nanos(0);
    let message = Message { topic: path, payload, received, path: Some(path), choice: &choice };
    read(&message, settings).map(|decoded| decoded.points)
}

/// A payload that is no JSON: lines of line protocol, or one value.
fn read_text(message: &Message<'_>, text: &str, settings: &Settings) -> Result<Decoded, Refusal> {
    let forced = message.choice.profile;
    let lines = match forced {
        Some(Profile::Line) => true,
        Some(_) => false,
        None => may_be_lines(text),
    };
    if lines {
        // LIMIT: as of JSON, each value may become a tag.
        let max = settings.json_values_max;
        let mut lines = Lines::new(text.as_bytes(), Precision::Nanos);
        let parsed = lines.read(max).unwrap_or_default();
        if lines.read(1).is_some() || parsed.points.len() > max {
            return Err(Refusal::TooMany { max });
        }
        match parsed.refused.first() {
            None if !parsed.points.is_empty() => {
                let mut points = parsed.points;
                if let Some(path) = message.path {
                    points.iter_mut().for_each(|point| point.path = under(path, &point.path));
                }
                if points.iter().any(|point| point.path.len() > PATH_BYTES_MAX) {
                    return Err(Refusal::PathTooLong);
                }
                return Ok(Decoded { profile: Profile::Line, points });
            }
            Some(error) if forced.is_some() => return Err(Refusal::Line(*error)),
            // Some other text that has the letters of a line.
            _ => {}
        }
    }
    let profile = Profile::of_topic(message.topic).unwrap_or(Profile::Plain);
    let base = base(profile, message.topic, message.path);
    if base.path.len() > PATH_BYTES_MAX {
        return Err(Refusal::PathTooLong);
    }
    let (value, quality) = bare_value(text, None)?;
    let point = Point::new(base.path, value).with_quality(quality);
    let labels = base.labels.into();
    Ok(Decoded { profile: Profile::Plain, points: vec![Point { labels, ..point }] })
}

/// Several objects, each on a line of its own, as a list of them.
fn lines_as_list(text: &str) -> Option<String> {
    let lines: Vec<&str> =
        text.lines().map(str::trim_ascii).filter(|own| !own.is_empty()).collect();
    let is_object = |line: &&str| line.starts_with('{') && line.ends_with('}');
    (lines.len() > 1 && lines.iter().all(is_object)).then(|| format!("[{}]", lines.join(",")))
}

fn under(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// Whether a text starts like JSON that is more than one bare value.
fn is_json(text: &str) -> bool {
    text.starts_with(['{', '[', '"'])
}

/// Whether a text could be line protocol: `measurement field=value`.
fn may_be_lines(text: &str) -> bool {
    let Some(equals) = text.find('=') else { return false };
    text.get(..equals).is_some_and(|before| before.contains([' ', ','])) && text.contains(' ')
}

/// The payload as it was before it was packed.
fn unpacked<'p>(payload: &'p [u8], settings: &Settings) -> Result<Cow<'p, [u8]>, Refusal> {
    if !payload.starts_with(&GZIP_MAGIC) {
        return Ok(Cow::Borrowed(payload));
    }
    let max = settings.payload_bytes_max;
    let mut bytes = Vec::new();
    // LIMIT: a packed kilobyte can unpack to a megabyte.
    MultiGzDecoder::new(payload)
        .take(max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Refusal::Gzip(error.to_string()))?;
    if bytes.len() > max {
        return Err(Refusal::TooLong { bytes: bytes.len(), max });
    }
    Ok(Cow::Owned(bytes))
}

/// The text of a payload that is one bare value, so that a known topic needs no [`Point`]; `None`
/// where [`read`] has to look.
///
/// # Errors
/// As [`read`].
pub fn bare_text<'p>(payload: &'p [u8], settings: &Settings) -> Result<Option<&'p str>, Refusal> {
    if payload.starts_with(&GZIP_MAGIC) {
        return Ok(None);
    }
    let text = text(payload, settings)?;
    Ok((!is_json(text) && !may_be_lines(text)).then_some(text))
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

/// The payload as text without white space, byte-order mark and zero bytes around it.
fn text<'p>(payload: &'p [u8], settings: &Settings) -> Result<&'p str, Refusal> {
    let max = settings.payload_bytes_max;
    if payload.len() > max {
        return Err(Refusal::TooLong { bytes: payload.len(), max });
    }
    let text = std::str::from_utf8(payload).map_err(|_utf8| Refusal::NotText)?;
    // Devices that count the zero byte behind a text send it too.
    let around = |c: char| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{feff}');
    let text = text.trim_matches(around);
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
