//! Which transform a run of floats asks for, and its two lanes.
//!
//! *Invariant.* Whatever the transform, digits and steps give every lane back: what is not a
//! decimal repeats the digits before it and says the rest in steps.

use crate::codec::counts;
use crate::codec::transform::{Divisor, Scale, Transform, all_digits, ordered, single};

/// Exponents that are tried; the digits of a binary64 do not reach further.
const EXPONENTS: usize = 20;

/// Steps up to here are noise beside a decimal; more are a value that is none.
const STEPS_MAX: u64 = 1 << 24;

/// Integers of some lanes, and the steps beside them.
#[derive(Debug, Default)]
pub(crate) struct Split {
    pub(crate) digits: Vec<i64>,
    /// As many as digits, or none where all are 0.
    pub(crate) steps: Vec<i64>,
    /// How many steps are not 0.
    pub(crate) uneven: usize,
}

impl Split {
    /// Whether an exponent less by one would do, which is as good as never true of decimals that
    /// need theirs.
    pub(crate) fn has_spare_digit(&self, transform: Transform) -> bool {
        let has_digits =
            matches!(transform, Transform::Decimal(Scale { divisor: Divisor::Ten(1..), .. }));
        has_digits
            && self.digits.iter().all(|digits| digits % 10 == 0)
            && self.digits.iter().any(|digits| *digits != 0)
    }
}

/// The lanes under a transform; `None` where it cannot say them.
pub(crate) fn split(lanes: &[u64], transform: Transform) -> Option<Split> {
    let mut split = Split::default();
    match transform {
        Transform::Lane => split.digits.extend(lanes.iter().map(|lane| lane.cast_signed())),
        Transform::Ordered => split.digits.extend(lanes.iter().map(|lane| ordered(*lane))),
        Transform::Single => {
            split.digits = lanes.iter().map(|lane| single(*lane)).collect::<Option<_>>()?;
        }
        Transform::Decimal(scale) => {
            split.digits.resize(lanes.len(), 0);
            if !all_digits(lanes, scale, &mut split.digits) {
                split.digits.clear();
                split_decimal(&mut split, lanes, scale);
            }
        }
    }
    Some(split)
}

fn split_decimal(split: &mut Split, lanes: &[u64], scale: Scale) {
    let mut before = first_digits(lanes, scale);
    for (row, lane) in lanes.iter().enumerate() {
        let digits = scale.digits(f64::from_bits(*lane));
        let steps = digits.map_or(i64::MAX, |digits| scale.steps(digits, *lane));
        if let (Some(digits), true) = (digits, steps.unsigned_abs() <= STEPS_MAX) {
            before = digits;
        }
        split.digits.push(before);
        let steps = scale.steps(before, *lane);
        if steps != 0 {
            split.uneven += 1;
            split.steps.resize(row, 0);
            split.steps.push(steps);
        }
    }
    if split.uneven > 0 {
        split.steps.resize(lanes.len(), 0);
    }
}

/// The digits of the first lane that has some.
fn first_digits(lanes: &[u64], scale: Scale) -> i64 {
    lanes.iter().find_map(|lane| scale.exact_digits(*lane)).unwrap_or_default()
}

/// How many lanes need which exponent at least; the last is for those that are no decimals.
fn exponents(lanes: &[u64], is_single: bool) -> [usize; EXPONENTS + 1] {
    let mut counts = [0; EXPONENTS + 1];
    let mut guess = 0_u8;
    let exact = |lane, exponent| Scale::ten(exponent, is_single).exact_digits(lane).is_some();
    for lane in lanes {
        // A decimal of few digits is one of more digits too.
        let found = if exact(*lane, guess) {
            (0..guess).rev().take_while(|exponent| exact(*lane, *exponent)).last().or(Some(guess))
        } else {
            (0..20).find(|exponent| exact(*lane, *exponent))
        };
        if let Some(exponent) = found {
            guess = exponent;
            counts[usize::from(exponent)] += 1;
        } else {
            counts[EXPONENTS] += 1;
        }
    }
    counts
}

/// The transforms worth a try, the likeliest first.
pub(crate) fn candidates(lanes: &[u64]) -> Vec<Transform> {
    let mut found = Vec::new();
    let is_single = lanes.iter().all(|lane| single(*lane).is_some());
    for is_single in [false, true].into_iter().take(1 + usize::from(is_single)) {
        let counts = exponents(lanes, is_single);
        // All of them; all but a few outliers; most.
        for misses in [0, lanes.len() / 128, lanes.len() / 16] {
            let mut covered = 0;
            let exponent = (0_u8..).zip(&counts).take(EXPONENTS).find(|(_, count)| {
                covered += **count;
                covered + misses >= lanes.len()
            });
            if let Some((exponent, _)) = exponent {
                add(&mut found, Transform::Decimal(Scale::ten(exponent, is_single)));
                // Decimals of few digits, all of them: nothing else comes near.
                if misses == 0 && exponent <= 4 {
                    return found;
                }
            }
        }
    }
    for is_single in [false, true] {
        if let Some(scale) = nearly_decimal(lanes, is_single) {
            add(&mut found, Transform::Decimal(scale));
        }
    }
    if let Some(scale) = counts::scale(lanes, is_single) {
        add(&mut found, Transform::Decimal(scale));
    }
    if is_single {
        add(&mut found, Transform::Single);
    }
    add(&mut found, Transform::Ordered);
    found
}

fn add(found: &mut Vec<Transform>, transform: Transform) {
    if !found.contains(&transform) {
        found.push(transform);
    }
}

/// The scale under which a few of the lanes lie fewest bits beside a decimal, digits counted in.
fn nearly_decimal(lanes: &[u64], is_single: bool) -> Option<Scale> {
    let some = lanes.iter().step_by((lanes.len() / 64).max(1));
    let mut best = None;
    for exponent in 0..16 {
        let scale = Scale::ten(exponent, is_single);
        let mut bits = 0;
        for lane in some.clone() {
            let Some(digits) = scale.digits(f64::from_bits(*lane)) else {
                bits += 72;
                continue;
            };
            let steps = scale.steps(digits, *lane).unsigned_abs();
            bits += (64 - steps.leading_zeros()) + (64 - digits.unsigned_abs().leading_zeros());
        }
        if best.is_none_or(|(fewest, _)| bits < fewest) {
            best = Some((bits, scale));
        }
    }
    let limit = 44 * u32::try_from(some.len()).ok()?;
    best.filter(|(bits, _)| *bits < limit).map(|(_, scale)| scale)
}
