//! Which reads there are: by unit and pace, few for many items; and values out of answers.
//!
//! *Invariant.* A read that a device refuses for good is taken apart until it is known which item
//! it does not have; the others go on being read.

use std::collections::BTreeMap;
use std::time::Duration;

use tacitus_model::{Quality, Value};
use tacitus_protocol::modbus::{Answer, Read, plan};

use super::settings::{Item, Reading, Settings};

/// The reads of one unit at one pace.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) unit_id: u8,
    pub(super) every: Duration,
    /// Their values are places in the items of the settings.
    pub(super) reads: Vec<Read>,
}

/// The rounds of all items.
pub(super) fn rounds(settings: &Settings) -> Vec<Round> {
    let mut groups: BTreeMap<(Duration, u8), Vec<usize>> = BTreeMap::new();
    for (at, item) in settings.items.iter().enumerate() {
        groups.entry((item.every, item.unit_id)).or_default().push(at);
    }
    let round = |((every, unit_id), own): ((Duration, u8), Vec<usize>)| {
        let item = |at: &usize| settings.items.get(*at).map(|item| (item.address, item.count()));
        let places: Vec<_> = own.iter().filter_map(item).collect();
        let mut reads = plan(&places, settings.bounds);
        for read in &mut reads {
            read.values.iter_mut().for_each(|at| *at = own.get(*at).copied().unwrap_or(*at));
        }
        Round { unit_id, every, reads }
    };
    groups.into_iter().map(round).collect()
}

/// A read taken apart: one for each half of its items, of exactly what these take.
pub(super) fn halves(read: &Read, items: &[Item]) -> Vec<Read> {
    let (low, high) = read.values.split_at(read.values.len() / 2);
    [low, high].into_iter().filter_map(|values| exactly(read, values, items)).collect()
}

fn exactly(read: &Read, values: &[usize], items: &[Item]) -> Option<Read> {
    let own = || values.iter().filter_map(|at| items.get(*at));
    let first = own().map(|item| item.address.number).min()?;
    let end = own().map(|item| item.address.number.saturating_add(item.count())).max()?;
    Some(Read { area: read.area, first, count: end - first, values: values.to_vec() })
}

/// The value of an item in the answer to a read, or why there is none.
pub(super) fn value(item: &Item, read: &Read, answer: &Answer) -> Result<Value, Quality> {
    let at = usize::from(item.address.number.saturating_sub(read.first));
    let nothing = Err(Quality::BAD_OUT_OF_RANGE);
    match (answer, item.reading) {
        (Answer::Bits(bits), _) => bits.get(at).map_or(nothing, |bit| Ok(Value::Bool(*bit))),
        (Answer::Registers(registers), Reading::BitOf(bit)) => {
            registers.get(at).map_or(nothing, |word| Ok(Value::Bool(word >> bit & 1 == 1)))
        }
        (Answer::Registers(registers), Reading::Number(shape, order, line)) => {
            let registers = registers.get(at..).unwrap_or_default();
            let raw =
                shape.value(registers, order).map_err(|_unreadable| Quality::BAD_OUT_OF_RANGE)?;
            scaled(item, raw, line)
        }
        _ => nothing,
    }
}

fn scaled(item: &Item, raw: Value, line: Option<(f64, f64)>) -> Result<Value, Quality> {
    #[expect(clippy::cast_precision_loss, reason = "what is scaled is a float")]
    let number = match raw {
        Value::Int(number) => number as f64,
        Value::Float(number) => number,
        other => return Ok(other),
    };
    let is_sentinel =
        |own: &f64| own.to_bits() == number.to_bits() || (own.is_nan() && number.is_nan());
    // 0 and −0 are one number.
    if item.sentinels.iter().any(|own| is_sentinel(own) || (*own == 0.0 && number == 0.0)) {
        return Err(Quality::BAD_NO_DATA);
    }
    Ok(line.map_or(raw, |(scale, offset)| Value::Float(number.mul_add(scale, offset))))
}
