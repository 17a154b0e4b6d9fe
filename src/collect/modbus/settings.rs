//! What a person says of a Modbus collector, and what is made of it.
//!
//! *Invariant.* [`Settings`] have at least one item, no two items fill one tag, and every interval
//! and count is within what a device can take.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tacitus_model::{Kind, TagPath};
use tacitus_protocol::modbus::{Address, Area, Bounds, Notation, Order, Shape};

use crate::collect::Problem;
use crate::collect::kind::span;
use crate::collect::limits::ITEMS_MAX;

/// Numbers of one collector as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Draft {
    address: String,
    unit_id: Option<u8>,
    #[serde(deserialize_with = "span")]
    every: Option<Duration>,
    #[serde(deserialize_with = "span")]
    timeout: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pause: Option<Duration>,
    order: Option<String>,
    registers_max: Option<u16>,
    bits_max: Option<u16>,
    gap_max: Option<u16>,
    sentinels: Vec<Number>,
    prefix: Option<String>,
    items: Vec<DraftItem>,
}

/// One item as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DraftItem {
    tag: String,
    at: String,
    #[serde(rename = "type")]
    shape: Option<String>,
    order: Option<String>,
    unit_id: Option<u8>,
    scale: Option<Number>,
    offset: Option<Number>,
    unit: Option<String>,
    description: Option<String>,
    #[serde(deserialize_with = "span")]
    every: Option<Duration>,
    sentinels: Vec<Number>,
}

/// A number, or a text of one: the configuration has no fractions.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(f64),
    Text(String),
}

/// A checked collector.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) name: String,
    /// Host and port.
    pub(super) address: String,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    /// What lies between an answer and the next request.
    pub(super) pause: Duration,
    pub(super) bounds: Bounds,
    pub(super) items: Vec<Item>,
}

/// One value of a device, and the tag it fills.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) tag: TagPath,
    pub(super) unit_id: u8,
    pub(super) address: Address,
    pub(super) reading: Reading,
    /// How often it is read.
    pub(super) every: Duration,
    /// Raw numbers that say that there is no value; NaN is one if it is among them.
    pub(super) sentinels: Vec<f64>,
    pub(super) unit: String,
    pub(super) description: String,
}

/// How registers or bits become a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reading {
    /// A coil or discrete input.
    Bit,
    /// A bit of a register.
    BitOf(u8),
    /// A type, and what the number is multiplied with and moved by, where it is.
    Number(Shape, Order, Option<(f64, f64)>),
}

const EVERY_BOUNDS: [Duration; 2] = [Duration::from_millis(10), Duration::from_hours(24)];
const TIMEOUT_BOUNDS: [Duration; 2] = [Duration::from_millis(10), Duration::from_mins(1)];

impl Item {
    /// How many registers or bits it takes.
    pub(super) const fn count(&self) -> u16 {
        match self.reading {
            Reading::Bit | Reading::BitOf(_) => 1,
            Reading::Number(shape, ..) => shape.registers(),
        }
    }

    /// The kind of its tag.
    pub(super) const fn kind(&self) -> Kind {
        match self.reading {
            Reading::Bit | Reading::BitOf(_) => Kind::Bool,
            Reading::Number(Shape::Text { .. }, ..) => Kind::Text,
            Reading::Number(Shape::Float16 | Shape::Float32 | Shape::Float64, ..)
            | Reading::Number(_, _, Some(_)) => Kind::Float,
            Reading::Number(..) => Kind::Int,
        }
    }
}

/// All that is wrong.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, key: impl Into<String>, reason: impl Into<String>, hint: &str) {
        let (key, reason, hint) = (key.into(), reason.into(), hint.to_owned());
        self.0.push(Problem { key, reason, hint });
    }

    /// Takes out the members that are unknown or of another type, each of which is a mistake.
    fn unreadable<T: DeserializeOwned>(&mut self, below: &str, members: &mut Map<String, Value>) {
        members.retain(|key, value| {
            let alone = Map::from_iter([(key.clone(), value.clone())]);
            let read = serde_json::from_value::<T>(Value::Object(alone));
            let Err(error) = read else { return true };
            self.add(format!("{below}{key}"), error.to_string(), WHAT_THERE_IS);
            false
        });
    }

    fn within<T: PartialOrd + Copy>(
        &mut self,
        key: &str,
        value: Option<T>,
        usual: T,
        [low, high]: [T; 2],
        hint: &str,
    ) -> T {
        let value = value.unwrap_or(usual);
        if value < low || value > high {
            self.add(key, "it is out of bounds", hint);
        }
        value
    }

    fn number(&mut self, key: String, number: &Number) -> f64 {
        let parsed = match number {
            Number::Number(number) => Some(*number),
            Number::Text(text) => text.trim().parse().ok(),
        };
        parsed.unwrap_or_else(|| {
            self.add(key, "it is no number", "write a number, as in 0.1");
            0.0
        })
    }
}

/// Reads and checks settings.
///
/// # Errors
/// Every mistake there is, also where some of it cannot even be read.
pub(super) fn read(name: &str, settings: &Map<String, Value>) -> Result<Settings, Vec<Problem>> {
    if let Ok(draft) = serde_json::from_value::<Draft>(Value::Object(settings.clone())) {
        return draft.check(name);
    }
    let mut problems = Problems::default();
    let mut readable = settings.clone();
    let items = readable.remove("items");
    problems.unreadable::<Draft>("", &mut readable);
    if let Some(Value::Array(mut items)) = items {
        for (at, item) in items.iter_mut().enumerate() {
            if let Value::Object(members) = item {
                problems.unreadable::<DraftItem>(&format!("items[{at}]."), members);
            } else {
                problems.add(format!("items[{at}]"), "it is no object", WHAT_THERE_IS);
                *item = Value::Object(Map::new());
            }
        }
        readable.insert("items".to_owned(), Value::Array(items));
    } else if items.is_some() {
        problems.add("items", "it is no list", WHAT_THERE_IS);
    }
    if let Ok(draft) = serde_json::from_value::<Draft>(Value::Object(readable))
        && let Err(more) = draft.check(name)
    {
        let told: BTreeSet<String> = problems.0.iter().map(|own| own.key.clone()).collect();
        problems.0.extend(more.into_iter().filter(|own| !told.contains(&own.key)));
    }
    Err(problems.0)
}

/// Where a person finds the keys.
const WHAT_THERE_IS: &str = "docs/modbus.md lists what there is to set";

impl Draft {
    /// Checks everything.
    fn check(self, name: &str) -> Result<Settings, Vec<Problem>> {
        let mut problems = Problems::default();
        if TagPath::new(name).is_err() || name.contains('/') {
            problems.add("name", format!("\"{name}\" is no name"), "use letters, digits and -");
        }
        let address = with_port(&self.address).unwrap_or_else(|| {
            let reason = format!("\"{}\" is no address", self.address);
            problems.add("address", reason, "write HOST or HOST:PORT, as in 10.0.0.5:502");
            String::new()
        });
        let count = "a read takes 1 to 125 registers, or 1 to 2000 bits";
        let bounds = Bounds {
            registers_max: problems.within(
                "registers_max",
                self.registers_max,
                125,
                [4, 125],
                count,
            ),
            bits_max: problems.within("bits_max", self.bits_max, 2000, [1, 2000], count),
            gap_max: problems.within("gap_max", self.gap_max, 8, [0, 124], "write 0 to 124"),
        };
        let second = Duration::from_secs(1);
        let span = "write a time, as in \"500 ms\" or \"1 s\"";
        let timeout = problems.within("timeout", self.timeout, second, TIMEOUT_BOUNDS, span);
        let pause_bounds = [Duration::ZERO, Duration::from_secs(10)];
        let pause = problems.within("pause", self.pause, Duration::ZERO, pause_bounds, span);
        let items = self.items(&mut problems);
        if problems.0.is_empty() {
            Ok(Settings { name: name.to_owned(), address, timeout, pause, bounds, items })
        } else {
            Err(problems.0)
        }
    }

    fn items(&self, problems: &mut Problems) -> Vec<Item> {
        if self.items.is_empty() || self.items.len() > ITEMS_MAX {
            let reason = format!("there are {} items", self.items.len());
            problems.add("items", reason, "name at least one, and not more than 100000");
        }
        let mut tags = BTreeSet::new();
        let mut items = Vec::new();
        for (at, draft) in self.items.iter().enumerate() {
            let key = format!("items[{at}]");
            let Some(item) = self.item(&key, draft, problems) else { continue };
            if !tags.insert(item.tag.clone()) {
                let reason = format!("two items fill \"{}\"", item.tag);
                problems.add(format!("{key}.tag"), reason, "give each a tag of its own");
            }
            items.push(item);
        }
        items
    }

    fn item(&self, key: &str, draft: &DraftItem, problems: &mut Problems) -> Option<Item> {
        let tag = match self.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            Some(prefix) => format!("{}/{}", prefix.trim_end_matches('/'), draft.tag),
            None => draft.tag.clone(),
        };
        let tag = TagPath::new(&tag).map_err(|error| {
            problems.add(format!("{key}.tag"), error.to_string(), "write a path, as in line/oven");
        });
        let notation = draft.at.parse::<Notation>().map_err(|reason| {
            problems.add(format!("{key}.at"), reason, "docs/modbus.md has a table of addresses");
        });
        let (tag, notation) = (tag.ok()?, notation.ok()?);
        let every = draft.every.or(self.every);
        let span = "write a time, as in \"500 ms\" or \"1 s\"";
        let second = Duration::from_secs(1);
        let every = problems.within(&format!("{key}.every"), every, second, EVERY_BOUNDS, span);
        let reading = self.reading(key, draft, &notation, problems)?;
        let sentinels = if draft.sentinels.is_empty() { &self.sentinels } else { &draft.sentinels };
        let sentinels = sentinels.iter();
        Some(Item {
            tag,
            unit_id: draft.unit_id.or(notation.unit).or(self.unit_id).unwrap_or(1),
            address: notation.address,
            reading,
            every,
            sentinels: sentinels
                .map(|number| problems.number(format!("{key}.sentinels"), number))
                .collect(),
            unit: draft.unit.clone().unwrap_or_default(),
            description: draft.description.clone().unwrap_or_default(),
        })
    }

    fn reading(
        &self,
        key: &str,
        draft: &DraftItem,
        notation: &Notation,
        problems: &mut Problems,
    ) -> Option<Reading> {
        let is_bits = matches!(notation.address.area, Area::Coil | Area::Discrete);
        if is_bits || notation.bit.is_some() {
            if draft.shape.is_some() || draft.scale.is_some() || draft.offset.is_some() {
                let hint = "leave type, scale and offset out, or read the register";
                problems.add(key, "a bit has no type and no scale", hint);
            }
            return Some(notation.bit.map_or(Reading::Bit, Reading::BitOf));
        }
        let mut parsed = |name: &str, text: &str| {
            let parsed = text.parse::<Shape>();
            parsed.map_err(|reason| problems.add(format!("{key}.{name}"), reason, "see the list"))
        };
        let shape = match &draft.shape {
            Some(text) => parsed("type", text).ok()?,
            None => notation.shape.unwrap_or(Shape::Uint16),
        };
        let order = match draft.order.as_ref().or(self.order.as_ref()) {
            Some(text) => match text.parse::<Order>() {
                Ok(order) => order,
                Err(reason) => {
                    problems.add(format!("{key}.order"), reason, "ABCD is the usual one");
                    return None;
                }
            },
            None => Order::default(),
        };
        let mut number = |name: &str, number: &Option<Number>| {
            number.as_ref().map(|number| problems.number(format!("{key}.{name}"), number))
        };
        let (scale, offset) = (number("scale", &draft.scale), number("offset", &draft.offset));
        let scaled = scale.is_some() || offset.is_some();
        let line = scaled.then(|| (scale.unwrap_or(1.0), offset.unwrap_or(0.0)));
        Some(Reading::Number(shape, notation.order.unwrap_or(order), line))
    }
}

/// An address with its port.
fn with_port(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.contains([' ', '/']) {
        return None;
    }
    let port = text.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match port {
        Some((host, port)) => {
            let sound = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
            sound.then(|| text.to_owned())
        }
        None => Some(format!("{text}:502")),
    }
}
