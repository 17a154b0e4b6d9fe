//! What holds of any machine.

use proptest::prelude::*;

use super::super::*;
use super::machine::{Counts, Machine, SECOND, parts_of, reject, total};

/// The span that is looked at, in seconds.
const SPAN: i64 = 1000;

fn condition() -> impl Strategy<Value = Condition> {
    let class = prop_oneof![
        Just(StopClass::Unplanned),
        Just(StopClass::Unplanned),
        Just(StopClass::Planned),
        Just(StopClass::Setup),
    ];
    prop_oneof![
        Just(Condition::Run),
        Just(Condition::Unknown),
        (class, 0_u32..3).prop_map(|(class, cause)| Condition::Stop(class, cause)),
    ]
}

/// Spans that do not overlap.
fn spans() -> impl Strategy<Value = Vec<(i64, i64)>> {
    proptest::collection::btree_set(-100..SPAN + 100, 0..8).prop_map(|edges| {
        let edges: Vec<i64> = edges.into_iter().collect();
        edges.chunks_exact(2).map(|pair| (pair[0] * SECOND, pair[1] * SECOND)).collect()
    })
}

fn counts() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let samples = proptest::collection::btree_map(-100..SPAN + 100, 0_u32..200, 0..20);
    samples.prop_map(|own| own.into_iter().map(|(at, n)| (at * SECOND, f64::from(n))).collect())
}

fn machine() -> impl Strategy<Value = Machine> {
    let states = proptest::collection::btree_map(-200..SPAN + 100, condition(), 0..25);
    let overlapping = proptest::collection::vec((0..SPAN, 1_i64..200), 0..4);
    let products = proptest::collection::btree_map(-100..SPAN, 0_usize..3, 0..6);
    let wrap = proptest::option::of(Just(255.0));
    (
        (states, proptest::option::of(spans()), overlapping, products),
        (counts(), counts(), counts(), wrap),
        (0_i64..120, any::<bool>(), proptest::option::of(0..SPAN)),
    )
        .prop_map(
            |((states, shifts, planned, products), (all, bad, corrected, wrap), rest)| {
                let (micro_s, setup_is_no_loss, horizon) = rest;
                let correction = Counts { counts_up: false, ..reject(corrected) };
                Machine {
                    micro_stop_ns: micro_s * SECOND,
                    setup_is_no_loss,
                    shifts,
                    planned: planned
                        .into_iter()
                        .map(|(from, length)| (from * SECOND, (from + length) * SECOND))
                        .collect(),
                    states: states.into_iter().map(|(at, own)| (at * SECOND, own)).collect(),
                    products: products
                        .into_iter()
                        .map(|(at, own)| {
                            // Whole numbers, so that sums are exact in any order.
                            let (name, cycle) = [("a", 1.0), ("b", 2.0), ("c", 8.0)][own];
                            (at * SECOND, name, cycle)
                        })
                        .collect(),
                    counters: vec![
                        Counts { rollover_max: wrap, ..total(all) },
                        reject(bad),
                        correction,
                    ],
                    horizon: horizon.map(|at| at * SECOND),
                }
            },
        )
}

/// The parts of neighbouring buckets, added up.
fn added(machine: &Machine, edges: &[i64]) -> Parts {
    let mut sum = Parts::default();
    edges.windows(2).for_each(|pair| sum += machine.parts(pair[0], pair[1]));
    sum
}

proptest! {
    #[test]
    fn every_instant_has_one_class_and_classes_make_up_all_time(machine in machine()) {
        let course = machine.course();
        let mut sweep = Sweep::new(0, SPAN * SECOND);
        let mut at = 0;
        while let Some(slice) = sweep.next(&course) {
            prop_assert_eq!(slice.from, at);
            prop_assert!(slice.to > slice.from);
            at = slice.to;
        }
        prop_assert_eq!(at, SPAN * SECOND);
        let parts = machine.parts(0, SPAN * SECOND);
        let scheduled = parts.planned_s() + parts.unknown_s() + parts.setup_s()
            + parts.unplanned_s() + parts.apt_s();
        prop_assert!((scheduled - parts.pot_s()).abs() < 1e-9);
        prop_assert!(parts.pot_s() <= parts.calendar_s());
        prop_assert!(parts.micro_s() <= parts.apt_s() && parts.apt_s() <= parts.pbt_s());
    }

    #[test]
    fn every_split_of_a_span_adds_up(
        machine in machine(),
        cuts in proptest::collection::btree_set(1..SPAN, 0..12),
    ) {
        let mut edges = vec![0];
        edges.extend(cuts.into_iter().map(|cut| cut * SECOND));
        edges.push(SPAN * SECOND);
        let whole = machine.parts(0, SPAN * SECOND);
        prop_assert_eq!(added(&machine, &edges), whole);
        // Buckets of one sheet say the same as each for itself, and so do products.
        let buckets = edges.windows(2).map(|pair| Bucket {
            from: pair[0], to: pair[1], ..Bucket::default()
        });
        let sheets = [
            Sheet::by_time(buckets.collect()),
            Sheet::by_product(0, SPAN * SECOND),
        ];
        for mut sheet in sheets {
            machine.add_to(&mut sheet, 0, SPAN * SECOND);
            let mut sum = Parts::default();
            sheet.rows().for_each(|(_, parts, _)| sum += parts);
            prop_assert_eq!(sum, whole);
        }
    }

    #[test]
    fn the_parts_of_machines_add_up_to_those_of_their_line(
        machines in proptest::collection::vec(machine(), 0..4),
    ) {
        let mut sum = Parts::default();
        machines.iter().for_each(|own| sum += own.parts(0, SPAN * SECOND));
        prop_assert_eq!(parts_of(&machines, 0, SPAN * SECOND), sum);
    }

    #[test]
    fn the_factors_make_the_whole(machine in machine()) {
        let parts = machine.parts(0, SPAN * SECOND);
        let factors = (parts.availability(), parts.performance(), parts.quality(), parts.oee());
        if let (Some(a), Some(p), Some(q), Some(oee)) = factors
            && parts.unrated_count == 0.0
        {
            prop_assert!((a * p * q - oee).abs() <= 1e-9 * oee.abs().max(1.0), "{factors:?}");
        }
    }
}
