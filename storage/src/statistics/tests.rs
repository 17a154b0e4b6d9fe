//! Statistics against the definitions, row by row.

#![expect(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::manual_midpoint,
    reason = "small numbers, and extremes that are one of the values"
)]

use proptest::prelude::*;

use super::*;

/// A row as the definition sees it: time and, where the sample is a value, its number.
type Seen = (i64, Option<f64>);

fn rows() -> impl Strategy<Value = (Vec<i64>, Vec<u64>, Vec<bool>, Vec<u32>)> {
    let number = prop_oneof![
        8 => (-1_000_000..1_000_000_i32).prop_map(|n| f64::from(n) / 100.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(-0.0),
    ];
    let quality = prop_oneof![8 => Just(0_u32), 1 => Just(0x8031_0000), 1 => Just(0x4000_0000)];
    let row = (1..5_000_000_000_i64, number, proptest::bool::weighted(0.05), quality);
    proptest::collection::vec(row, 1..2500).prop_map(|rows| {
        let mut ts = -1_000;
        let mut columns = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (step, number, null, quality) in rows {
            ts += step;
            columns.0.push(ts);
            columns.1.push(number.to_bits());
            columns.2.push(null);
            columns.3.push(quality);
        }
        columns
    })
}

fn seen(times: &[i64], bits: &[u64], nulls: &[bool], qualities: &[u32]) -> Vec<Seen> {
    (0..times.len())
        .map(|row| {
            let number = f64::from_bits(bits[row]);
            let value = !nulls[row] && qualities[row] >> 30 == 0 && number.is_finite();
            (times[row], value.then_some(number))
        })
        .collect()
}

fn close(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
        || (a.is_nan() && b.is_nan())
        || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// The definitions, with nothing clever.
fn plain(seen: &[Seen], step: bool) -> (f64, f64, f64, i64) {
    let values: Vec<f64> = seen.iter().filter_map(|(_, value)| *value).collect();
    let sum: f64 = values.iter().sum();
    let mean = sum / values.len().max(1) as f64;
    let m2 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let (mut integral, mut good_ns) = (0.0, 0);
    for pair in seen.windows(2) {
        let height = match (pair[0].1, pair[1].1) {
            (Some(a), _) if step => a,
            (Some(a), Some(b)) => (a + b) / 2.0,
            _ => continue,
        };
        integral += height * (pair[1].0 - pair[0].0) as f64 / 1e9;
        good_ns += pair[1].0 - pair[0].0;
    }
    (sum, m2, integral, good_ns)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn figures_are_those_of_the_definitions_and_merging_changes_none(
        (times, bits, nulls, qualities) in rows(), step: bool, cut in 0.0..1.0_f64,
    ) {
        let run = Run {
            kind: Kind::Float, step, times: &times, bits: &bits,
            nulls: Some(&nulls), qualities: Some(&qualities),
        };
        let seen = seen(&times, &bits, &nulls, &qualities);
        let (sum, m2, integral, good_ns) = plain(&seen, step);
        let at = (cut * times.len() as f64) as usize;
        let mut merged = Statistics::of(run.part(0..at));
        merged.absorb(&Statistics::of(run.part(at..times.len())), step);
        for found in [Statistics::of(run), merged] {
            let values: Vec<Seen> = seen.iter().copied().filter(|(_, value)| value.is_some()).collect();
            prop_assert_eq!(found.rows, times.len() as u64);
            prop_assert_eq!(found.values, values.len() as u64);
            prop_assert_eq!(found.good, qualities.iter().filter(|q| **q == 0).count() as u64);
            prop_assert_eq!(found.bad, qualities.iter().filter(|q| **q == 0x8031_0000).count() as u64);
            prop_assert_eq!((found.first_ns, found.last_ns), (times[0], *times.last().unwrap()));
            prop_assert!(close(found.sum, sum), "sum {} {sum}", found.sum);
            prop_assert!(close(found.m2, m2), "m2 {} {m2}", found.m2);
            prop_assert!(close(found.integral, integral), "integral {} {integral}", found.integral);
            prop_assert_eq!(found.good_ns, good_ns);
            prop_assert!(close(found.first, seen[0].1.unwrap_or(f64::NAN)));
            prop_assert!(close(found.last, seen.last().unwrap().1.unwrap_or(f64::NAN)));
            let least = values.iter().min_by(|a, b| a.1.unwrap().total_cmp(&b.1.unwrap()));
            if let Some((_, least)) = least {
                prop_assert!(close(found.min, least.unwrap()));
                let first = values.iter().find(|(_, value)| value.unwrap() == found.min).unwrap();
                prop_assert_eq!(found.min_ns, first.0);
            }
            if let Some(most) = values.iter().filter_map(|(_, value)| *value).max_by(f64::total_cmp) {
                prop_assert!(close(found.max, most));
                let first = values.iter().find(|(_, value)| value.unwrap() == found.max).unwrap();
                prop_assert_eq!(found.max_ns, first.0);
            }
        }
    }
}

proptest! {
    #[test]
    fn digits_at_a_steady_pace_are_the_rows_they_stand_for(
        digits in proptest::collection::vec(-1_000_000..1_000_000_i32, 1..1100),
        exponent in 0..7_i32, first_ns in -5_000..5_000_i64, step_ns in 1..5_000_000_000_u64,
        step: bool, cut in 0.0..1.0_f64,
    ) {
        let divisor = 10_f64.powi(exponent);
        let numbers: Vec<f64> = digits.iter().map(|digits| f64::from(*digits)).collect();
        let bits: Vec<u64> = numbers.iter().map(|number| (number / divisor).to_bits()).collect();
        let times: Vec<i64> =
            (0..digits.len() as u64).map(|row| first_ns + (row * step_ns).cast_signed()).collect();
        let run = Run {
            kind: Kind::Float, step, times: &times, bits: &bits, nulls: None, qualities: None,
        };
        let steady = Times::Steady { first_ns, step_ns };
        let numbers = Numbers { step, digits: &numbers, divisor, times: steady };
        let at = (cut * times.len() as f64) as usize;
        let before = steady.before(times[at], times.len());
        prop_assert_eq!(before, at);
        prop_assert_eq!(steady.before(times[at] + 1, times.len()), at + 1);
        prop_assert_eq!(steady.before(i64::MAX, times.len()), times.len());
        prop_assert_eq!(steady.before(i64::MIN, times.len()), 0);
        let mut merged = numbers.part(0..at).statistics();
        merged.absorb(&numbers.part(at..times.len()).statistics(), step);
        let rows = Statistics::of(run);
        for found in [numbers.statistics(), merged] {
            let sums = |of: &Statistics| [of.sum, of.m2, of.integral];
            for (own, other) in sums(&found).into_iter().zip(sums(&rows)) {
                prop_assert!(close(own, other), "{own} {other}");
            }
            let (sum, m2, integral) = (rows.sum, rows.m2, rows.integral);
            prop_assert_eq!(Statistics { sum, integral, m2, ..found }, rows);
        }
    }
}

#[test]
fn a_wide_integer_is_said_to_be_rounded() {
    let of = |number: i64| {
        Statistics::of(Run {
            kind: Kind::Int,
            step: true,
            times: &[1],
            bits: &[number.cast_unsigned()],
            nulls: None,
            qualities: None,
        })
    };
    assert!(!of(1 << 53).rounded);
    assert!(of((1 << 53) + 1).rounded);
    assert!(of(i64::MIN).rounded);
}

#[test]
fn the_second_moment_of_a_large_offset_does_not_cancel() {
    let times: Vec<i64> = (0..4096).collect();
    let bits: Vec<u64> = times.iter().map(|n| (1e9 + (n % 2) as f64).to_bits()).collect();
    let run = Run {
        kind: Kind::Float,
        step: false,
        times: &times,
        bits: &bits,
        nulls: None,
        qualities: None,
    };
    assert!((Statistics::of(run).m2 - 1024.0).abs() < 1e-3);
}

#[test]
fn text_has_counts_only() {
    let run = Run {
        kind: Kind::Text,
        step: true,
        times: &[1, 2],
        bits: &[0, 1],
        nulls: None,
        qualities: None,
    };
    let found = Statistics::of(run);
    assert_eq!((found.rows, found.good, found.values), (2, 2, 0));
}
