//! What a member of a JSON object is for, by its name and its value.
//!
//! *Invariant.* A member whose name is only sometimes a time (`t`, `time`) is taken for one only
//! if its value reads as one; so `{"t": 23.1}` stays a temperature.
//!
//! Names are compared without regard to case, `_` and `-`; a name in parentheses in the tables
//! below stands for all of `timestamp`, `Timestamp`, `time_stamp`, `time-stamp`.

use tacitus_model::{Quality, Timestamp, Value};

use super::{Choice, Refusal};
use crate::json::{Json, Number};
use crate::moment::{self, Reading, Unit};

/// The names that make a member the time of its object, best first, in the form in which they
/// are compared (lower case, without `_` and `-`).
pub const TIME_NAMES: [&str; 30] = [
    "sourcetimestamp",
    "timestamp",
    "timestampms",
    "timestampus",
    "timestampns",
    "timestamputc",
    "eventtimestamp",
    "unixtimestamp",
    "ts",
    "tsms",
    "tsus",
    "tsns",
    "datetime",
    "timems",
    "timeus",
    "timens",
    "epochms",
    "lastseen",
    "servertimestamp",
    // A name can also be that of a measured thing: only what reads as a time is one.
    "time",
    "t",
    "date",
    "utc",
    "epoch",
    "unixtime",
    "eventtime",
    "sampletime",
    "measuredat",
    "recordedat",
    "dateandtime",
];

/// How many names at the start of [`TIME_NAMES`] can be nothing but times.
const TIME_NAMES_CERTAIN: usize = 19;

/// The names of the value in an object that says one value with its circumstances.
pub const VALUE_NAMES: [&str; 3] = ["value", "val", "v"];

/// The names of its quality.
pub const QUALITY_NAMES: [&str; 7] =
    ["quality", "q", "statuscode", "qualitycode", "qualitystatus", "opcquality", "status"];

/// What says nothing of its own beside one value: of which type it is.
const TYPE_NAMES: [&str; 3] = ["datatype", "valuetype", "type"];

/// The words by which types are known; another word under `type` is a value of its own.
const TYPE_WORDS: [&str; 30] = [
    "float", "float32", "float64", "double", "real", "lreal", "number", "int", "int8", "int16",
    "int32", "int64", "integer", "uint", "uint8", "uint16", "uint32", "uint64", "short", "long",
    "byte", "word", "dword", "bool", "boolean", "string", "text", "int1", "int4", "float8",
];

/// The names of a member that says which of several values its object is.
pub(super) const NAME_NAMES: &[&str] = &[
    "name",
    "tag",
    "tagname",
    "id",
    "key",
    "metric",
    "signal",
    "sensor",
    "variable",
    "point",
    "channel",
    "parameter",
    "symbol",
];

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
    /// The type of one value, which says nothing beside it, or a leaf.
    Type,
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

    /// The quality this member is, in whatever form.
    pub(super) fn quality(&self) -> Option<Quality> {
        if let Self::Quality { quality, .. } = self { Some(*quality) } else { None }
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
                Role::Time { .. } | Role::Type => {}
            }
        }
        value.map(|value| Self { value, quality, unit })
    }
}

/// The place of the array that is the one value of an object, beside which there is nothing but a
/// time, a quality and a unit.
pub(super) fn array_quoted(
    members: &[&(std::borrow::Cow<'_, str>, Json<'_>)],
    roles: &[Role<'_>],
) -> Option<usize> {
    let mut leaves = roles.iter().enumerate().filter(|(_, role)| {
        !matches!(role, Role::Time { .. } | Role::Quality { .. } | Role::Unit(_) | Role::Type)
    });
    let (place, _) = leaves.next()?;
    let (name, json) = members.get(place)?;
    let is_value = VALUE_NAMES.contains(&plain(name).as_str()) && json.elements().is_some();
    (is_value && leaves.next().is_none() && roles.len() > 1).then_some(place)
}

/// A pair of a time and a value, as data bases write rows: `[1714550400000, 21.5]`. A number is a
/// time if it means one between 2001 and 2100, which no two measured things side by side do.
pub(super) fn pair<'j, 'a>(json: &'j Json<'a>) -> Option<(Timestamp, &'j Json<'a>)> {
    const FROM_NS: i64 = 1_000_000_000 * 1_000_000_000;
    const TO_NS: i64 = 4_102_444_800 * 1_000_000_000;
    let [time, value] = json.elements()? else { return None };
    value.value()?;
    let ts = match time {
        Json::Number(number) => moment::from_epoch(*number, None)?,
        Json::Text(text) => match moment::from_text(text) {
            Reading::At(ts) => ts,
            _ => return None,
        },
        _ => return None,
    };
    (FROM_NS..TO_NS).contains(&ts.nanos()).then_some((ts, value))
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
pub(super) fn is_dated(json: &Json<'_>, choice: &Choice) -> Result<bool, Refusal> {
    let Json::Object(members) = json else { return Ok(false) };
    for (name, member) in members {
        if matches!(of(name, member, choice)?, Role::Time { .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The name an object gives itself: one text or number under a name for that, one scalar value,
/// and nothing else but a time, a quality and a unit.
pub(super) fn own_name<'j>(json: &'j Json<'_>) -> Option<&'j str> {
    let Json::Object(members) = json else { return None };
    let (mut name, mut values) = (None, 0);
    for (member, json) in members {
        let plain = plain(member);
        let known = |names: &[&str]| names.contains(&plain.as_str());
        if known(NAME_NAMES) {
            match json {
                Json::Text(text) if name.is_none() && !text.is_empty() => {
                    name = Some(text.as_ref());
                }
                _ => return None,
            }
        } else if known(&VALUE_NAMES) {
            json.value()?;
            values += 1;
        } else if !known(&TIME_NAMES)
            && !known(&QUALITY_NAMES)
            && !known(&UNIT_NAMES)
            && !is_type(&plain, json)
        {
            return None;
        }
    }
    name.filter(|_| values == 1)
}

/// What one member is for; a rule may say itself which members are times, values and qualities.
pub(super) fn of<'j>(name: &str, json: &'j Json<'_>, choice: &Choice) -> Result<Role<'j>, Refusal> {
    let plain = plain(name);
    let said = |names: &[String]| names.iter().position(|own| own == name);
    let unreadable = || Refusal::Time { name: start(name), text: shown(json) };
    if let Some(rank) = said(&choice.time) {
        let reading = time_reading(json, &plain, true, choice).ok_or_else(unreadable)?;
        return Ok(Role::Time { rank, reading });
    }
    if said(&choice.value).is_some() {
        return Ok(json.value().map_or(Role::Leaf, Role::Value));
    }
    if said(&choice.quality).is_some() {
        return Ok(quality(json, false).unwrap_or(Role::Leaf));
    }
    if let Some(rank) = position(&TIME_NAMES, &plain).filter(|_| choice.time.is_empty()) {
        let certain = rank < TIME_NAMES_CERTAIN;
        if let Some(reading) = time_reading(json, &plain, certain, choice) {
            return Ok(Role::Time { rank, reading });
        }
        if certain {
            return Err(unreadable());
        }
        return Ok(Role::Leaf);
    }
    if choice.value.is_empty() && position(&VALUE_NAMES, &plain).is_some() {
        return Ok(json.value().map_or(Role::Leaf, Role::Value));
    }
    if choice.quality.is_empty() && plain == "status" {
        return Ok(opc_status(json).unwrap_or(Role::Leaf));
    }
    if choice.quality.is_empty() && position(&QUALITY_NAMES, &plain).is_some() {
        return Ok(quality(json, plain == "statuscode").unwrap_or(Role::Leaf));
    }
    match json {
        Json::Text(unit) if position(&UNIT_NAMES, &plain).is_some() => Ok(Role::Unit(unit)),
        _ if is_type(&plain, json) => Ok(Role::Type),
        _ => Ok(Role::Leaf),
    }
}

/// Whether a member says of which type a value is.
fn is_type(plain: &str, json: &Json<'_>) -> bool {
    let word = || json.text().map(str::to_ascii_lowercase).unwrap_or_default();
    let word = || TYPE_WORDS.contains(&word().as_str());
    position(&TYPE_NAMES, plain).is_some() && (plain != "type" && json.value().is_some() || word())
}

/// A `status`, which is that of a machine unless it is in the words of OPC; and then a quality of
/// one value only.
fn opc_status(json: &Json<'_>) -> Option<Role<'static>> {
    let word = json.text().map(str::to_ascii_lowercase)?;
    let opc = ["good", "uncertain", "bad"].iter().any(|prefix| word.starts_with(prefix));
    let quality = quality_word(json.text()?).filter(|_| opc)?;
    Some(Role::Quality { quality, word: false })
}

/// A name in the form in which names are compared.
pub(super) fn plain(name: &str) -> String {
    // No name in the tables is longer; a longer one need not be copied.
    let name = if name.len() > 32 { "" } else { name };
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

fn position(names: &[&str], plain: &str) -> Option<usize> {
    names.iter().position(|name| *name == plain)
}

/// What a member says about time; `None` where it says nothing that can be one.
fn time_reading(
    json: &Json<'_>,
    plain: &str,
    certain: bool,
    choice: &Choice,
) -> Option<TimeReading> {
    let unit = match plain {
        name if name.ends_with("ms") => Some(Unit::Millis),
        name if name.ends_with("us") => Some(Unit::Micros),
        name if name.ends_with("ns") => Some(Unit::Nanos),
        _ => None,
    };
    let number = match json {
        Json::Number(number) => *number,
        Json::Text(text) if certain && text.trim_ascii().is_empty() => {
            return Some(TimeReading::Arrival);
        }
        Json::Text(text) => match moment::from_text_in(text, choice.zone) {
            Reading::At(ts) => return Some(TimeReading::At(ts)),
            Reading::NoZone => return Some(TimeReading::Arrival),
            Reading::OutOfRange => return None,
            Reading::NotATime => number_in(text)?,
        },
        Json::Object(_) => return parts(json).map(TimeReading::At),
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

/// A number in a text.
fn number_in(text: &str) -> Option<Number> {
    let text = text.trim_ascii();
    let float = || text.parse().ok().filter(|number: &f64| number.is_finite()).map(Number::Float);
    text.parse().ok().map(Number::Int).or_else(float)
}

/// A time in parts: seconds and nanoseconds, as protocol buffers and ROS have it in JSON, or under
/// the one name that MongoDB gives it.
fn parts(json: &Json<'_>) -> Option<Timestamp> {
    let Json::Object(members) = json else { return None };
    let find = |names: &[&str]| {
        members.iter().find(|(name, _)| names.contains(&name.as_ref())).map(|(_, json)| json)
    };
    let whole = |json: &Json<'_>| match json {
        Json::Number(Number::Int(number)) => Some(*number),
        Json::Text(text) => text.trim_ascii().parse().ok(),
        _ => None,
    };
    match find(&["$date"]) {
        Some(Json::Text(text)) => match moment::from_text(text) {
            Reading::At(ts) => Some(ts),
            _ => None,
        },
        Some(ms) => moment::from_epoch(Number::Int(whole(ms)?), Some(Unit::Millis)),
        None => {
            let seconds = find(&["seconds", "sec", "secs", "timeInSeconds"]).and_then(whole)?;
            let nanos = find(&["nanos", "nanosec", "nsec", "nsecs", "offsetInNanos"]);
            let nanos = nanos.map_or(Some(0), whole)?;
            let whole = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
            Some(Timestamp::from_nanos(whole))
        }
    }
}

/// A quality as PLC gateways and OPC servers write it.
pub(super) fn quality(json: &Json<'_>, status_code: bool) -> Option<Role<'static>> {
    let code = |code: i64| {
        let code = u32::try_from(code).ok()?;
        Some(if status_code { Quality(code) } else { opc_quality(code) })
    };
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of 32 bits, or none")]
    let number = |number: Number| match number {
        Number::Int(own) => code(own),
        Number::Float(own) if own.fract() == 0.0 && own.abs() < 4_294_967_296.0 => code(own as i64),
        Number::Float(_) => None,
    };
    let digits = |text: &str| {
        let text = text.trim_ascii();
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        match hexadecimal {
            Some(digits) => i64::from_str_radix(digits, 16).ok().and_then(code),
            None => text.parse().ok().and_then(code),
        }
    };
    match json {
        Json::Bool(good) => {
            let quality = if *good { Quality::GOOD } else { Quality::BAD };
            Some(Role::Quality { quality, word: false })
        }
        Json::Number(code) => number(*code).map(|quality| Role::Quality { quality, word: false }),
        Json::Text(text) => quality_word(text)
            .map(|quality| Role::Quality { quality, word: true })
            .or_else(|| digits(text).map(|quality| Role::Quality { quality, word: false })),
        // OPC UA Part 14, reversible JSON: {"Code": 2147483648, "Symbol": "Bad"}; of a small code
        // under another name than that of a status the word says what it means.
        Json::Object(members) => {
            let find = |names: &[&str]| {
                members.iter().find(|(name, _)| names.contains(&plain(name).as_str()))
            };
            let word = find(&["symbol", "name", "level", "text"])
                .and_then(|(_, json)| json.text())
                .and_then(quality_word);
            let code = match find(&["code", "value"]).map(|(_, json)| json) {
                Some(Json::Number(Number::Int(code))) => u32::try_from(*code).ok(),
                _ => None,
            };
            let small = !status_code && word.is_none();
            let quality = match code {
                Some(code @ 0x1_0000..) => Some(Quality(code)),
                Some(code) if small && code > 0 => Some(opc_quality(code)),
                Some(code) => word.or(Some(Quality(code))),
                None => word,
            };
            quality.map(|quality| Role::Quality { quality, word: false })
        }
        Json::Null | Json::Array(_) => None,
    }
}

/// A number under `quality` or `q`: within 16 bits it is an OPC DA quality, whose bits 7 and 6 are
/// 11 good, 01 uncertain, 00 bad, the high byte the vendor's; above, an OPC UA status code. 500 is
/// what Sparkplug says of a stale value.
pub(crate) fn opc_quality(code: u32) -> Quality {
    match (code, code & 0xc0) {
        (500, _) => Quality::BAD_NO_COMMUNICATION,
        (0x1_0000.., _) => Quality(code),
        (_, 0xc0) => Quality::GOOD,
        (_, 0x40) => Quality::UNCERTAIN,
        _ => Quality::BAD,
    }
}

/// A quality in a word, with whatever detail follows: `GOOD`, `Bad_Stale`, `good, local override`.
pub(crate) fn quality_word(text: &str) -> Option<Quality> {
    let word: String =
        text.trim_ascii().chars().take_while(char::is_ascii_alphabetic).take(16).collect();
    match word.to_ascii_lowercase().as_str() {
        "good" | "ok" | "valid" => Some(Quality::GOOD),
        "uncertain" | "questionable" | "suspect" => Some(Quality::UNCERTAIN),
        "bad" | "invalid" => Some(Quality::BAD),
        "stale" => Some(Quality::BAD_NO_COMMUNICATION),
        _ => symbol(&word),
    }
}

/// The symbol of an OPC UA status code: `GoodClamped`, `BadNodeIdUnknown`.
fn symbol(word: &str) -> Option<Quality> {
    [("Good", Quality::GOOD), ("Uncertain", Quality::UNCERTAIN), ("Bad", Quality::BAD)]
        .into_iter()
        .find(|(prefix, _)| {
            word.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(char::is_uppercase))
        })
        .map(|(_, quality)| quality)
}

/// What a member holds, for a message.
pub(super) fn shown(json: &Json<'_>) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(fact) => fact.to_string(),
        Json::Number(Number::Int(number)) => number.to_string(),
        Json::Number(Number::Float(number)) => number.to_string(),
        Json::Text(text) => format!("\"{}\"", start(text)),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    }
}

/// The first characters of a text, for a message.
fn start(text: &str) -> String {
    text.chars().take(40).collect()
}
