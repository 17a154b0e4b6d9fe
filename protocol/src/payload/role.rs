//! What a member of a JSON object is for, by its name and its value.
//!
//! *Invariant.* A member whose name is only sometimes a time (`t`, `time`) is taken for one only
//! if its value reads as one; so `{"t": 23.1}` stays a temperature.
//!
//! Names are compared without regard to case, `_` and `-`; a name in parentheses in the tables
//! below stands for all of `timestamp`, `Timestamp`, `time_stamp`, `time-stamp`.

use tacitus_model::{Quality, Timestamp, Value};

use super::Refusal;
use crate::json::{Json, Number};
use crate::moment::{self, Reading, Unit};

/// The names that make a member the time of its object, best first, in the form in which they
/// are compared (lower case, without `_` and `-`).
pub const TIME_NAMES: [&str; 14] = [
    "sourcetimestamp",
    "timestamp",
    "timestampms",
    "timestampus",
    "timestampns",
    "ts",
    "tsms",
    "datetime",
    "timems",
    "lastseen",
    "servertimestamp",
    // A name can also be that of a measured thing: only what reads as a time is one.
    "time",
    "t",
    "date",
];

/// How many names at the start of [`TIME_NAMES`] can be nothing but times.
const TIME_NAMES_CERTAIN: usize = 11;

/// The names of the value in an object that says one value with its circumstances.
pub const VALUE_NAMES: [&str; 3] = ["value", "val", "v"];

/// The names of its quality.
pub const QUALITY_NAMES: [&str; 3] = ["quality", "q", "statuscode"];

/// The names of its unit.
pub const UNIT_NAMES: [&str; 4] = ["unit", "units", "uom", "unitofmeasurement"];

/// 1973-03-03 in nanoseconds: a bare epoch number before it comes from a clock that was never
/// set, or counts the seconds since the device was switched on.
const CLOCK_SET_NS: i64 = 100_000_000 * 1_000_000_000;

/// When an object says it was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeReading {
    /// At this moment.
    At(Timestamp),
    /// At a time that cannot be placed (no zone, clock never set): the arrival counts.
    Arrival,
}

/// What a member is for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Role<'j> {
    /// The time of its object; the lower the rank, the better the name.
    Time { rank: usize, reading: TimeReading },
    /// The value of an object that says one value, or a leaf named `value`.
    Value(Value),
    /// A quality in a word, or a number or boolean that is a quality only beside one value.
    Quality { quality: Quality, word: bool },
    /// A unit beside one value, or a leaf.
    Unit(&'j str),
    /// A leaf or a branch of its own.
    Leaf,
}

impl Role<'_> {
    /// In an object of several values, a quality in a word is for all of them.
    pub(super) fn quality_word(&self) -> Option<Quality> {
        match self {
            Self::Quality { quality, word: true } => Some(*quality),
            _ => None,
        }
    }

    /// Whether this member is walked where its object says several values.
    pub(super) fn is_leaf_among_others(&self) -> bool {
        !matches!(self, Self::Time { .. } | Self::Quality { word: true, .. })
    }
}

/// An object that says one value with its circumstances (value, time, quality) and nothing else.
#[derive(Debug, PartialEq)]
pub(super) struct Quoted<'r> {
    pub(super) value: Value,
    pub(super) quality: Option<Quality>,
    pub(super) unit: &'r str,
}

impl<'r> Quoted<'r> {
    /// The one value these members say; `None` where they say none, several, or more.
    pub(super) fn of(roles: &'r [Role<'_>]) -> Option<Self> {
        let mut value = None;
        let (mut quality, mut unit) = (None, "");
        for role in roles {
            match role {
                Role::Value(one) if value.is_none() => value = Some(one.clone()),
                Role::Value(_) | Role::Leaf => return None,
                Role::Quality { quality: one, .. } => quality = quality.or(Some(*one)),
                Role::Unit(one) => unit = one,
                Role::Time { .. } => {}
            }
        }
        value.map(|value| Self { value, quality, unit })
    }
}

/// The time of an object: that of its best-named member.
pub(super) fn time(roles: &[Role<'_>]) -> Option<TimeReading> {
    roles
        .iter()
        .filter_map(|role| match role {
            Role::Time { rank, reading } => Some((*rank, *reading)),
            _ => None,
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, reading)| reading)
}

/// Whether an element of an array is an object with a time of its own.
pub(super) fn is_dated(json: &Json<'_>) -> Result<bool, Refusal> {
    let Json::Object(members) = json else { return Ok(false) };
    for (name, member) in members {
        if matches!(of(name, member)?, Role::Time { .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What one member is for.
pub(super) fn of<'j>(name: &str, json: &'j Json<'_>) -> Result<Role<'j>, Refusal> {
    let plain = plain(name);
    if let Some(rank) = position(&TIME_NAMES, &plain) {
        if let Some(reading) = time_reading(json, &plain) {
            return Ok(Role::Time { rank, reading });
        }
        if rank < TIME_NAMES_CERTAIN {
            return Err(Refusal::Time { name: start(name), text: start(&format!("{json:?}")) });
        }
        return Ok(Role::Leaf);
    }
    if position(&VALUE_NAMES, &plain).is_some() {
        return Ok(json.value().map_or(Role::Leaf, Role::Value));
    }
    if position(&QUALITY_NAMES, &plain).is_some() {
        return Ok(quality(json, plain == "statuscode").unwrap_or(Role::Leaf));
    }
    match json {
        Json::Text(unit) if position(&UNIT_NAMES, &plain).is_some() => Ok(Role::Unit(unit)),
        _ => Ok(Role::Leaf),
    }
}

/// A name in the form in which names are compared.
fn plain(name: &str) -> String {
    // No name in the tables is longer; a longer one need not be copied.
    let name = if name.len() > 32 { "" } else { name };
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

fn position(names: &[&str], plain: &str) -> Option<usize> {
    names.iter().position(|name| *name == plain)
}

/// What a member says about time; `None` where it says nothing that can be one.
fn time_reading(json: &Json<'_>, plain: &str) -> Option<TimeReading> {
    let unit = match plain {
        name if name.ends_with("ms") => Some(Unit::Millis),
        name if name.ends_with("us") => Some(Unit::Micros),
        name if name.ends_with("ns") => Some(Unit::Nanos),
        _ => None,
    };
    let certain = position(&TIME_NAMES, plain).is_some_and(|rank| rank < TIME_NAMES_CERTAIN);
    let number = match json {
        Json::Number(number) => *number,
        Json::Text(text) => match moment::from_text(text) {
            Reading::At(ts) => return Some(TimeReading::At(ts)),
            Reading::NoZone => return Some(TimeReading::Arrival),
            Reading::OutOfRange => return None,
            Reading::NotATime => text.trim_ascii().parse().map(Number::Int).ok()?,
        },
        Json::Null if certain => return Some(TimeReading::Arrival),
        _ => return None,
    };
    let ts = moment::from_epoch(number, unit)?;
    if ts.nanos() >= CLOCK_SET_NS {
        Some(TimeReading::At(ts))
    } else {
        certain.then_some(TimeReading::Arrival)
    }
}

/// A quality as PLC gateways and OPC servers write it.
fn quality(json: &Json<'_>, status_code: bool) -> Option<Role<'static>> {
    let number = |number: Number| match number {
        Number::Int(code) => u32::try_from(code)
            .ok()
            .map(|code| if status_code { Quality(code) } else { opc_quality(code) }),
        Number::Float(_) => None,
    };
    match json {
        Json::Bool(good) => {
            let quality = if *good { Quality::GOOD } else { Quality::BAD };
            Some(Role::Quality { quality, word: false })
        }
        Json::Number(code) => number(*code).map(|quality| Role::Quality { quality, word: false }),
        Json::Text(text) => quality_word(text).map(|quality| Role::Quality { quality, word: true }),
        // OPC UA Part 14, reversible JSON: {"Code": 2147483648, "Symbol": "Bad"}.
        Json::Object(members) => members.iter().find_map(|(name, json)| match json {
            Json::Number(code) if plain(name) == "code" => {
                let code = u32::try_from(match code {
                    Number::Int(code) => *code,
                    Number::Float(_) => return None,
                });
                code.ok().map(|code| Role::Quality { quality: Quality(code), word: false })
            }
            _ => None,
        }),
        Json::Null | Json::Array(_) => None,
    }
}

/// A number under `quality` or `q`: up to 255 it is an OPC DA quality, whose two highest bits are
/// 11 good, 01 uncertain, 00 bad; above, it is an OPC UA status code.
fn opc_quality(code: u32) -> Quality {
    match code {
        0..=63 | 128..=191 => Quality::BAD,
        64..=127 => Quality::UNCERTAIN,
        192..=255 => Quality::GOOD,
        _ => Quality(code),
    }
}

/// A quality in a word, with whatever detail follows: `GOOD`, `Bad_Stale`, `good, local override`.
pub(crate) fn quality_word(text: &str) -> Option<Quality> {
    let word: String =
        text.trim_ascii().chars().take_while(char::is_ascii_alphabetic).take(16).collect();
    match word.to_ascii_lowercase().as_str() {
        "good" | "ok" => Some(Quality::GOOD),
        "uncertain" => Some(Quality::UNCERTAIN),
        "bad" => Some(Quality::BAD),
        _ => None,
    }
}

/// The first characters of a text, for a message.
fn start(text: &str) -> String {
    text.chars().take(40).collect()
}
