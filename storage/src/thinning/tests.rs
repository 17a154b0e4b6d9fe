//! What is left out, what is kept, and how far off the kept ones may be.

use std::sync::Arc;

use proptest::prelude::*;
use tacitus_model::Quality;

use super::*;
use crate::block::Row;

const S: i64 = 1_000_000_000;

fn policy(rule: ThinningRule, band: f64, max_gap_s: i64) -> Thinning {
    Thinning { rule, band, max_gap_ns: max_gap_s * S }
}

fn door(band: f64) -> Thinning {
    policy(ThinningRule::SwingingDoor, band, 1_000)
}

fn exception(band: f64) -> Thinning {
    policy(ThinningRule::Exception, band, 1_000)
}

/// A float tag with one sample a second.
fn floats(values: &[f64]) -> Block {
    let mut block = Block::empty(Kind::Float);
    for (second, value) in (0..).zip(values) {
        block.push(row(second, *value));
    }
    block
}

fn row(second: i64, value: f64) -> Row {
    Row { ts: second * S, bits: value.to_bits(), null: false, quality: 0, text: None, sequence: 0 }
}

#[track_caller]
fn check(block: &Block, thinning: Thinning, step: bool, kept_s: &[i64]) {
    let kept: Vec<i64> = thin(block, thinning, step).times.iter().map(|ts| ts / S).collect();
    assert_eq!(kept, kept_s);
}

#[test]
fn by_exception_a_value_within_the_band_is_left_out() {
    let block = floats(&[5.0, 5.4, 4.6, 5.5, 5.6, 5.0]);
    check(&block, exception(0.5), true, &[0, 4, 5]);
}

#[test]
fn by_exception_a_linear_tag_keeps_the_sample_before_a_jump() {
    let block = floats(&[5.0, 5.0, 5.0, 9.0, 9.0, 9.0]);
    check(&block, exception(0.5), false, &[0, 2, 3, 5]);
}

#[test]
fn by_swinging_door_a_ramp_is_its_two_ends() {
    let ramp: Vec<f64> = (0..100).map(|n| f64::from(n) * 0.1).collect();
    check(&floats(&ramp), door(0.01), false, &[0, 99]);
}

#[test]
fn by_swinging_door_the_sample_at_a_bend_is_kept() {
    check(&floats(&[0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 0.0]), door(0.1), false, &[0, 3, 6]);
}

#[test]
fn a_tag_that_steps_is_never_read_along_a_line() {
    let ramp: Vec<f64> = (0..6).map(f64::from).collect();
    check(&floats(&ramp), door(1.0), true, &[0, 2, 4, 5]);
}

#[test]
fn a_change_of_quality_or_of_having_a_value_is_kept_on_both_sides() {
    let mut block = Block::empty(Kind::Float);
    for second in 0..9 {
        let null = (6..9).contains(&second);
        let quality = if (3..6).contains(&second) { Quality::BAD_NO_COMMUNICATION.0 } else { 0 };
        block.push(Row { null, quality, ..row(second, 1.0) });
    }
    for thinning in [door(1.0), exception(1.0)] {
        check(&block, thinning, false, &[0, 2, 3, 5, 6, 8]);
    }
}

#[test]
fn no_gap_is_longer_than_allowed_while_there_are_samples() {
    let block = floats(&[1.0; 11]);
    check(&block, policy(ThinningRule::Exception, 1.0, 4), true, &[0, 4, 8, 10]);
    check(&block, policy(ThinningRule::SwingingDoor, 1.0, 4), false, &[0, 4, 8, 10]);
}

#[test]
fn values_that_are_no_numbers_are_kept() {
    let block = floats(&[1.0, 1.0, f64::NAN, f64::NAN, f64::INFINITY, 1.0, 1.0, 1.0]);
    check(&block, exception(9.0), true, &[0, 2, 3, 4, 5, 7]);
    check(&block, door(9.0), false, &[0, 1, 2, 3, 4, 5, 7]);
}

#[test]
fn integers_that_a_float_cannot_hold_are_kept() {
    let mut block = Block::empty(Kind::Int);
    for (second, value) in (0..).zip([1, 1, 1, i64::MAX, i64::MAX, 1, 1, 1]) {
        block.push(Row { bits: i64::cast_unsigned(value), ..row(second, 0.0) });
    }
    check(&block, exception(9.0), true, &[0, 3, 4, 5, 7]);
}

#[test]
fn a_text_tag_is_left_as_it_is() {
    let mut block = Block::empty(Kind::Text);
    for second in 0..3 {
        block.push(Row { text: Some(Arc::from("a")), ..row(second, 0.0) });
    }
    assert_eq!(thin(&block, exception(9.0), true), block);
}

#[test]
fn the_shortest_blocks_are_left_as_they_are() {
    for count in 0..3 {
        let block = floats(&vec![1.0; count]);
        assert_eq!(thin(&block, door(1.0), false), block);
        assert_eq!(thin(&block, exception(1.0), true), block);
    }
}

fn blocks() -> impl Strategy<Value = Block> {
    let value = prop_oneof![
        8 => (-50_i32..50).prop_map(|n| f64::from(n) * 0.1),
        2 => any::<f64>(),
        1 => Just(f64::NAN),
    ];
    let quality = prop_oneof![9 => Just(0), 1 => Just(Quality::BAD_NO_COMMUNICATION.0)];
    let step = prop_oneof![9 => 1_i64..5 * S, 1 => 1..i64::MAX / 64];
    let row = (step, value, quality, proptest::bool::weighted(0.1));
    let start = prop_oneof![Just(0), Just(i64::MIN)];
    (start, any::<bool>(), proptest::collection::vec(row, 0..60)).prop_map(|(start, int, rows)| {
        let mut block = Block::empty(if int { Kind::Int } else { Kind::Float });
        let mut ts: i64 = start;
        for (step, value, quality, null) in rows {
            ts += step;
            #[expect(clippy::cast_possible_truncation, reason = "any integer will do")]
            let bits = if int { (value as i64).cast_unsigned() } else { value.to_bits() };
            block.push(Row {
                ts,
                bits: if null { 0 } else { bits },
                null,
                quality,
                text: None,
                sequence: 0,
            });
        }
        block
    })
}

#[expect(clippy::cast_precision_loss, reason = "compared within the band")]
fn number(block: &Block, row: usize) -> f64 {
    match block.kind {
        Kind::Int => block.bits[row].cast_signed() as f64,
        _ => f64::from_bits(block.bits[row]),
    }
}

/// How far a row that was left out is from what its kept neighbours say.
#[expect(clippy::cast_precision_loss, reason = "compared within the band")]
fn distance(block: &Block, [before, row, after]: [usize; 3], straight: bool) -> f64 {
    let time = |row: usize| (i128::from(block.times[row]) - i128::from(block.times[before])) as f64;
    let from = number(block, before);
    let said = if straight {
        from + (number(block, after) - from) * (time(row) / time(after))
    } else {
        from
    };
    (said - number(block, row)).abs()
}

proptest! {
    #[test]
    fn whatever_is_left_out_lies_within_the_band(
        block in blocks(),
        band in prop_oneof![Just(0.0), 0.0..3.0],
        max_gap_ns in prop_oneof![1..20 * S, Just(i64::MAX)],
        rule in prop_oneof![Just(ThinningRule::Exception), Just(ThinningRule::SwingingDoor)],
        step in any::<bool>(),
    ) {
        let thinned = thin(&block, Thinning { rule, band, max_gap_ns }, step);
        let place = |ts: &i64| block.times.binary_search(ts).unwrap();
        let kept: Vec<usize> = thinned.times.iter().map(place).collect();
        prop_assert!(kept.is_sorted_by(|a, b| a < b));
        for (row, own) in kept.iter().enumerate() {
            let same = thinned.bits[row] == block.bits[*own]
                && thinned.is_null(row) == block.is_null(*own)
                && thinned.quality(row) == block.quality(*own);
            prop_assert!(same, "row {own} was changed");
        }
        prop_assert_eq!(kept.first().copied(), (!block.is_empty()).then_some(0));
        prop_assert_eq!(kept.last().copied(), block.len().checked_sub(1));
        let like = |row| (block.is_null(row), block.quality(row));
        let straight = rule == ThinningRule::SwingingDoor && !step;
        for ends in kept.windows(2) {
            let (before, after) = (ends[0], ends[1]);
            if after == before + 1 {
                continue;
            }
            let gap = i128::from(block.times[after]) - i128::from(block.times[before]);
            prop_assert!(gap <= i128::from(max_gap_ns), "a gap of {gap} ns");
            if !step {
                prop_assert_eq!(like(before), like(after), "a line over a change");
            }
            for row in before + 1..after {
                prop_assert_eq!(like(row), like(before), "row {} changed quality", row);
                let ends = [before, row, after];
                // The line is computed another way here, and so rounded another way.
                let rounding = 1e-12 * (number(&block, before).abs() + number(&block, after).abs());
                let off = distance(&block, ends, straight);
                prop_assert!(off <= band + if straight { rounding } else { 0.0 }, "row {row}: {off}");
                if !step {
                    prop_assert!(distance(&block, ends, true) <= 2.0 * band + rounding);
                }
            }
        }
    }
}
