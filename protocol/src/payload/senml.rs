//! Sensor measurement lists (RFC 8428, JSON).
//!
//! *Invariant.* Base fields hold from their record on, until a later record states them anew.

use tacitus_model::{Quality, Timestamp, Value};

use super::profile::each;
use super::tree::{Origin, Tree};
use super::{Profile, Refusal, checked_text};
use crate::json::{Json, Number};
use crate::moment::{self, Unit};

/// A time below this is relative to now (RFC 8428, 4.5.3).
const RELATIVE_BELOW_S: f64 = 268_435_456.0;

/// Every label of a record, those of extensions left out.
const LABELS: [&str; 16] =
    ["bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "l"];

/// A list of records with no other member, one of them with a name and a value.
pub(super) fn is_pack(json: &Json<'_>) -> bool {
    let Some(records) = json.elements() else { return false };
    let known = records.iter().all(|record| match record {
        Json::Object(members) => members.iter().all(|(name, _)| LABELS.contains(&name.as_ref())),
        _ => false,
    });
    let named = |record: &Json<'_>| record.member("bn").is_some() || record.member("n").is_some();
    known && records.first().is_some_and(named) && records.iter().any(has_value)
}

/// Whether the records are named for the whole world; else their topic is part of the name.
pub(super) fn has_base_name(json: &Json<'_>) -> bool {
    json.elements().and_then(<[_]>::first).is_some_and(|record| record.member("bn").is_some())
}

fn has_value(record: &Json<'_>) -> bool {
    ["v", "vs", "vb", "vd", "s"].iter().any(|name| record.member(name).is_some())
}

/// What holds until it is stated anew.
#[derive(Default)]
struct Bases {
    name: String,
    time: f64,
    unit: String,
    value: f64,
    sum: f64,
}

pub(super) fn read(
    json: &Json<'_>,
    tree: &mut Tree<'_>,
    received: Timestamp,
) -> Result<(), Refusal> {
    let profile = Profile::SenMl;
    let mut bases = Bases::default();
    for record in each(json) {
        let text = |name: &str| record.member(name).and_then(Json::text);
        let number = |name: &str| record.member(name).and_then(Json::number).map(Number::as_f64);
        if let Some(name) = text("bn") {
            name.clone_into(&mut bases.name);
        }
        if let Some(unit) = text("bu") {
            unit.clone_into(&mut bases.unit);
        }
        bases.time = number("bt").unwrap_or(bases.time);
        bases.value = number("bv").unwrap_or(bases.value);
        bases.sum = number("bs").unwrap_or(bases.sum);
        if !has_value(record) {
            continue;
        }
        let name = format!("{}{}", bases.name, text("n").unwrap_or_default());
        if name.is_empty() {
            return Err(Refusal::Shape { profile, what: "a record has no name" });
        }
        let value = value(record, &bases)?;
        let ts = time(bases.time + number("t").unwrap_or(0.0), received)
            .ok_or(Refusal::Shape { profile, what: "a time is outside 1677 to 2262" })?;
        let unit = text("u").unwrap_or(&bases.unit).to_owned();
        let origin = Origin { ts, quality: Quality::GOOD };
        tree.under(name.trim_matches('/'), |tree| {
            tree.leaf(value, origin, unit);
            Ok(())
        })?;
    }
    Ok(())
}

fn value(record: &Json<'_>, bases: &Bases) -> Result<Value, Refusal> {
    let profile = Profile::SenMl;
    let wrong = Refusal::Shape { profile, what: "a value is not of its type" };
    for name in ["v", "vs", "vb", "vd", "s"] {
        let Some(member) = record.member(name) else { continue };
        let base = if name == "s" { bases.sum } else { bases.value };
        return match (name, member) {
            ("v" | "s", Json::Number(number)) if base.to_bits() << 1 == 0 => Ok(number.value()),
            ("v" | "s", Json::Number(number)) => Ok(Value::Float(number.as_f64() + base)),
            ("vs" | "vd", Json::Text(text)) => checked_text(text),
            ("vb", Json::Bool(fact)) => Ok(Value::Bool(*fact)),
            (_, Json::Null) => Ok(Value::Null),
            _ => Err(wrong),
        };
    }
    Err(wrong)
}

/// The moment of a time in seconds; `Some(None)` is the arrival.
#[expect(clippy::option_option, reason = "no time is not a wrong time")]
fn time(seconds: f64, received: Timestamp) -> Option<Option<Timestamp>> {
    if seconds.to_bits() << 1 == 0 {
        return Some(None);
    }
    let stated = moment::from_epoch(Number::Float(seconds), Some(Unit::Seconds))?;
    if seconds >= RELATIVE_BELOW_S {
        return Some(Some(stated));
    }
    received.nanos().checked_add(stated.nanos()).map(|nanos| Some(Timestamp::from_nanos(nanos)))
}
