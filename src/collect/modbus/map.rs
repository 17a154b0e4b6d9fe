//! Which reads there are: by unit and pace, few for many items; and values out of answers.
//!
//! *Invariant.* A read that a device refuses for good is taken apart until it is known which item
//! it does not have; the others go on being read.

use std::collections::BTreeMap;
use std::time::Duration;

use tacitus_model::{Quality, Timestamp, Value};
use tacitus_protocol::modbus::{Answer, Read, plan};

use super::settings::{Item, Reading, Settings};

/// The reads of one unit at one pace.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) unit_id: u8,
    pub(super) every: Duration,
    /// Their values are places in the items of the settings.
    pub(super) reads: Vec<Read>,
    /// The last answer, and how long it usually takes from one round to the next.
    pub(super) last: Option<Look>,
    pub(super) usual: Duration,
}

/// When a device looked: some time between question and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) asked: Timestamp,
    pub(super) answered: Timestamp,
}

impl Round {
    /// It was answered; returns the look before if that is long ago. One unanswered question of
    /// another unit is the pace of a line, and so is what it always takes.
    pub(super) fn answers(&mut self, look: Look, patience: Duration) -> Option<Look> {
        let before = self.last.replace(look)?;
        let pause = look.answered.nanos().saturating_sub(before.asked.nanos());
        let pause = Duration::from_nanos(u64::try_from(pause).unwrap_or_default());
        let longest = (self.every.max(self.usual) * 3).max(patience * 3 / 2);
        self.usual = (self.usual * 7 + pause) / 8;
        (pause > longest).then_some(before)
    }
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
        Round { unit_id, every, reads, last: None, usual: every }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn look(ms: i64) -> Look {
        let at = Timestamp::from_nanos(ms * 1_000_000);
        Look { asked: at, answered: at }
    }

    /// A device that hung answered one unit too late, and the next one just in time: what the
    /// second had meanwhile stood nowhere.
    #[test]
    fn a_round_that_comes_much_later_than_usual_tells_since_when() {
        let every = Duration::from_millis(100);
        let mut round = Round { unit_id: 1, every, reads: Vec::new(), last: None, usual: every };
        let second = Duration::from_secs(1);
        assert_eq!(round.answers(look(0), second), None);
        assert_eq!(round.answers(look(100), second), None);
        assert_eq!(round.answers(look(1_300), second), None);
        assert_eq!(round.answers(look(3_400), second), Some(look(1_300)));
        // A line that is always that slow is no news.
        let mut news = 0;
        for step in 1..100 {
            news += u32::from(round.answers(look(3_400 + step * 2_000), second).is_some());
        }
        assert!(news < 10, "{news}");
    }
}
