//! What the machines of a line do at a moment, and the noise of their sensors.
//!
//! *Invariant.* Everything here is a pure function of seed, place and second.

use super::BATCH_S;
use super::Way;
use super::signals::{self, Shape};

/// A machine of a line, in the order in which products pass.
pub(super) struct Machine {
    pub(super) name: &'static str,
    pub(super) way: Way,
    pub(super) signals: &'static [Shape],
}

/// The machines of a line.
pub(super) const MACHINES: [Machine; 6] = [
    Machine { name: "filler", way: Way::Plain, signals: signals::FILLER },
    Machine { name: "capper", way: Way::Json, signals: signals::CAPPER },
    Machine { name: "pasteuriser", way: Way::OpcUa, signals: signals::PASTEURISER },
    Machine { name: "labeller", way: Way::Plain, signals: signals::LABELLER },
    Machine { name: "packer", way: Way::Json, signals: signals::PACKER },
    Machine { name: "palletiser", way: Way::Plain, signals: signals::PALLETISER },
];

/// What a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Running,
    /// Being prepared for the next product.
    Changeover,
    /// Standing still by its own failure.
    Fault,
    /// Standing still because a machine after it does.
    Blocked,
    /// Standing still because a machine before it does.
    Starved,
}

impl Condition {
    /// The names of the conditions, in their order.
    pub(super) const NAMES: [&'static str; 5] =
        ["running", "changeover", "fault", "blocked", "starved"];
}

/// How things are at a place at a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) second: i64,
    pub(super) batch: i64,
    pub(super) in_changeover: bool,
    pub(super) condition: Condition,
    pub(super) fault_code: i64,
}

impl Moment {
    pub(super) fn at(seed: u64, line: Option<u64>, machine: Option<usize>, second: i64) -> Self {
        let Some(line) = line else {
            let condition = Condition::Running;
            return Self { second, batch: 0, in_changeover: false, condition, fault_code: 0 };
        };
        // The lines change over at different times.
        let shifted = second + if line == 0 { 0 } else { BATCH_S / 2 };
        let batch = shifted.div_euclid(BATCH_S);
        let into = shifted.rem_euclid(BATCH_S);
        let in_changeover = into < 45;
        let mut moment =
            Self { second, batch, in_changeover, condition: Condition::Running, fault_code: 0 };
        if in_changeover {
            moment.condition = Condition::Changeover;
            return moment;
        }
        let Some((faulty, code)) = fault(seed, line, second) else { return moment };
        moment.condition = match machine.map(|machine| machine.cmp(&faulty)) {
            Some(std::cmp::Ordering::Less) => Condition::Blocked,
            Some(std::cmp::Ordering::Greater) => Condition::Starved,
            Some(std::cmp::Ordering::Equal) | None => Condition::Fault,
        };
        if moment.condition == Condition::Fault {
            moment.fault_code = code;
        }
        moment
    }
}

/// The machine that faults at this second, and its fault code: about every ten minutes one does,
/// for 15 to 65 seconds.
fn fault(seed: u64, line: u64, second: i64) -> Option<(usize, i64)> {
    let block = second.div_euclid(180);
    let into = second.rem_euclid(180);
    let dice = mixed(seed ^ (line << 56), block);
    let part = |shift: u32, sides: u64| (dice >> shift) % sides;
    let begin = i64::try_from(part(8, 80)).ok()? + 20;
    let length = i64::try_from(part(24, 50)).ok()? + 15;
    let happens = part(0, 10) < 3 && (begin..begin + length).contains(&into);
    let machine = usize::try_from(part(40, 6)).ok()?;
    let code = i64::try_from(part(48, 9)).ok()? + 101;
    happens.then_some((machine, code))
}

/// A slow wave between −1 and 1.
pub(super) fn wave(second: i64, period_s: i64, salt: u64) -> f64 {
    let phase = unit(salt, 0);
    #[expect(clippy::cast_precision_loss, reason = "seconds within a period, far below 2^53")]
    let turns = second.rem_euclid(period_s.max(1)) as f64 / period_s.max(1) as f64;
    ((turns + phase) * std::f64::consts::TAU).sin()
}

/// A number from 0 to 1 that only looks random.
pub(super) fn unit(salt: u64, second: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let bits = (mixed(salt, second) >> 11) as f64;
    bits / 9_007_199_254_740_992.0
}

/// SplitMix64 over both (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
fn mixed(salt: u64, second: i64) -> u64 {
    let mut state = salt
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(second.cast_unsigned())
        .wrapping_add(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}
