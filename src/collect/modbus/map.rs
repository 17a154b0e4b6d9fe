//! Which reads there are: by unit and pace, few for many items; and values out of answers.
//!
//! *Invariant.* A read that a device refuses for good is taken apart until it is known which item
//! it does not have; the others go on being read, and after a while together again.

use std::collections::{BTreeMap, BTreeSet};
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
    pub(super) apart: Apart,
}

/// Whether reads were taken apart, and when they are put together again: what made a device refuse
/// one may be over, and an item that it does not have need not part its neighbours from each other.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// Rounds until then; `None`: they are as planned.
    rounds: Option<u32>,
    /// How many rounds it was the last time.
    wait: u32,
}

impl Apart {
    /// Whether this round tries to read together what was taken apart.
    pub(super) fn ends(&mut self) -> bool {
        self.rounds = self.rounds.map(|rounds| rounds.saturating_sub(1));
        self.rounds.take_if(|rounds| *rounds == 0).is_some()
    }

    /// What this round came to: whether it had to take a read apart, and whether an item is there
    /// again that was not. A device that goes on refusing is tried ever more rarely.
    pub(super) fn after(&mut self, was_parted: bool, is_back: bool) {
        if was_parted {
            self.wait = (self.wait * 2).clamp(APART_ROUNDS, APART_ROUNDS_MAX);
            self.rounds = Some(self.wait);
        } else if is_back {
            self.rounds = Some(1);
        } else if self.rounds.is_none() {
            self.wait = 0;
        }
    }
}

/// After how many rounds reads that were taken apart are put together again: at first, and at most.
const APART_ROUNDS: u32 = 10;
const APART_ROUNDS_MAX: u32 = 3_600;

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

/// The reads of a round anew: few for many items, and none across one that the device does not have.
pub(super) fn together(
    reads: &[Read],
    settings: &Settings,
    refused: impl Fn(usize) -> bool,
) -> Vec<Read> {
    let own: BTreeSet<usize> = reads.iter().flat_map(|read| read.values.iter().copied()).collect();
    let mut items: Vec<(usize, &Item)> =
        own.into_iter().filter_map(|at| Some((at, settings.items.get(at)?))).collect();
    items.sort_by_key(|(_, item)| (item.address, item.count()));
    let mut found = Vec::new();
    for run in items.chunk_by(|(one, _), (other, _)| !refused(*one) && !refused(*other)) {
        let places: Vec<_> = run.iter().map(|(_, item)| (item.address, item.count())).collect();
        found.extend(plan(&places, settings.bounds).into_iter().map(|mut read| {
            let place = |at: &mut usize| *at = run.get(*at).map_or(*at, |(own, _)| *own);
            read.values.iter_mut().for_each(place);
            read
        }));
    }
    found
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
        Round { unit_id, every, reads, last: None, usual: every, apart: Apart::default() }
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

    /// A register between two items that the device does not have parts them for good: it is asked
    /// for ever more rarely. What was parted for a moment is together again soon.
    #[test]
    fn reads_that_were_taken_apart_are_tried_together_ever_more_rarely() {
        let mut apart = Apart::default();
        let mut tried = Vec::new();
        for round in 0..10_000 {
            let together = apart.ends() || round == 0;
            apart.after(together, false);
            tried.extend(together.then_some(round));
        }
        assert_eq!(tried, [0, 10, 30, 70, 150, 310, 630, 1270, 2550, 5110, 8710]);
        assert!((0..3_600).any(|_| apart.ends()));
        apart.after(false, false);
        apart.after(true, false);
        assert!((0..10).any(|_| apart.ends()), "the next time it waits as at first");
    }

    /// A device that hung answered one unit too late, and the next one just in time: what the
    /// second had meanwhile stood nowhere.
    #[test]
    fn a_round_that_comes_much_later_than_usual_tells_since_when() {
        let every = Duration::from_millis(100);
        let apart = Apart::default();
        let mut round =
            Round { unit_id: 1, every, reads: Vec::new(), last: None, usual: every, apart };
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
