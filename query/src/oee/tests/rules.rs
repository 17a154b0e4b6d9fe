//! The rules, one by one.

use super::super::*;
use super::machine::{Counts, Machine, SECOND, reject, total};

const RUN: Condition = Condition::Run;
const JAM: Condition = Condition::Stop(StopClass::Unplanned, 0);
const NO_CARTONS: Condition = Condition::Stop(StopClass::Unplanned, 1);
const SETUP: Condition = Condition::Stop(StopClass::Setup, 0);
const CLEANING: Condition = Condition::Stop(StopClass::Planned, 0);

/// Moments in minutes.
fn at(minute: i64) -> i64 {
    minute * 60 * SECOND
}

fn minutes<T: Clone>(changes: &[(i64, T)]) -> Vec<(i64, T)> {
    changes.iter().map(|(minute, value)| (at(*minute), value.clone())).collect()
}

/// Minutes of run, micro stop, unplanned, setup, planned and unknown.
#[track_caller]
fn check(machine: &Machine, (from, to): (i64, i64), want: [f64; 6]) {
    let parts = machine.parts(at(from), at(to));
    let run_s = parts.apt_s() - parts.micro_s();
    let own = [
        run_s,
        parts.micro_s(),
        parts.unplanned_s(),
        parts.setup_s(),
        parts.planned_s(),
        parts.unknown_s(),
    ];
    assert_eq!(own.map(|seconds| seconds / 60.0), want);
}

#[test]
fn before_the_first_word_and_after_the_horizon_nobody_knows() {
    let states = minutes(&[(10, RUN)]);
    let machine = Machine { states, horizon: Some(at(40)), ..Machine::default() };
    check(&machine, (0, 60), [30.0, 0.0, 0.0, 0.0, 0.0, 30.0]);
}

#[test]
fn where_several_apply_the_strongest_counts_once() {
    // A jam goes on into the break; nobody knows for a while; then it is cleaned.
    let states = [(0, RUN), (10, JAM), (30, Condition::Unknown), (35, CLEANING), (50, RUN)];
    let machine = Machine {
        states: minutes(&states),
        planned: vec![(at(20), at(32)), (at(30), at(33))],
        shifts: Some(vec![(at(0), at(45))]),
        ..Machine::default()
    };
    check(&machine, (0, 60), [10.0, 0.0, 10.0, 0.0, 13.0 + 10.0, 2.0]);
    let parts = machine.parts(at(0), at(60));
    assert_eq!((parts.calendar_s(), parts.pot_s(), parts.pbt_s()), (3600.0, 2700.0, 1200.0));
}

#[test]
fn a_micro_stop_is_one_by_its_whole_length() {
    // Two causes without a pause between them are one stop; setup ends one.
    let states = [
        (0, RUN),
        (10, JAM),
        (12, NO_CARTONS),
        (14, RUN),
        (20, JAM),
        (25, RUN),
        (28, JAM),
        (31, SETUP),
        (33, JAM),
        (36, RUN),
        (58, JAM),
    ];
    let machine = Machine { states: minutes(&states), micro_stop_ns: at(5), ..Machine::default() };
    // Exactly the threshold is downtime; the last one lasts.
    check(&machine, (0, 60), [41.0, 10.0, 7.0, 2.0, 0.0, 0.0]);
    let parts = machine.parts(at(0), at(60));
    assert_eq!((parts.stops, parts.micro_stops), (2, 3));
    // A part of a long stop is no micro stop, and it did not begin here.
    check(&machine, (21, 23), [0.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
    assert_eq!(machine.parts(at(21), at(23)).stops, 0);
}

#[test]
fn setup_is_a_loss_or_no_production_time() {
    let states = minutes(&[(0, SETUP), (20, RUN)]);
    let products = vec![(at(0), "a", 60.0)];
    let counters = vec![total(vec![(at(0), 0.0), (at(59), 30.0)])];
    let loss = Machine { states, products, counters, ..Machine::default() };
    let parts = loss.parts(at(0), at(60));
    assert_eq!((parts.pbt_s(), parts.availability()), (3600.0, Some(2.0 / 3.0)));
    assert_eq!((parts.oee(), parts.nee()), (Some(0.5), Some(0.75)));
    let parts = Machine { setup_is_no_loss: true, ..loss }.parts(at(0), at(60));
    assert_eq!((parts.pbt_s(), parts.availability()), (2400.0, Some(1.0)));
    assert_eq!((parts.setup_s(), parts.oee(), parts.nee()), (1200.0, Some(0.75), Some(0.75)));
}

#[test]
fn a_piece_is_worth_the_cycle_in_force_when_it_is_counted() {
    let machine = Machine {
        states: minutes(&[(0, RUN)]),
        products: vec![(at(0), "a", 3.0), (at(30), "b", 5.0)],
        counters: vec![
            total(minutes(&[(-5, 90.0), (10, 100.0), (30, 120.0), (50, 130.0)])),
            reject(minutes(&[(0, 7.0), (20, 9.0), (40, 10.0)])),
        ],
        ..Machine::default()
    };
    let parts = machine.parts(at(0), at(60));
    assert_eq!((parts.total, parts.good, parts.reject()), (40.0, 37.0, 3.0));
    assert_eq!((parts.ideal_total_s, parts.ideal_good_s), (30.0 + 150.0, 180.0 - 6.0 - 5.0));
    assert_eq!(parts.count_quality(), Some(37.0 / 40.0));
    let mut sheet = Sheet::by_product(at(0), at(60));
    machine.add_to(&mut sheet, at(0), at(60));
    let rows: Vec<_> = sheet
        .rows()
        .map(|(bucket, parts, _)| (bucket.label.as_deref().unwrap(), parts.total, parts.apt_s()))
        .collect();
    assert_eq!(rows, [("a", 10.0, 1800.0), ("b", 30.0, 1800.0)]);
}

#[test]
fn what_is_counted_outside_of_shifts_is_told_apart() {
    let machine = Machine {
        states: minutes(&[(0, RUN)]),
        shifts: Some(vec![(at(0), at(30))]),
        products: vec![(at(0), "a", 1.0)],
        counters: vec![total(minutes(&[(0, 0.0), (29, 5.0), (30, 6.0), (40, 8.0)]))],
        ..Machine::default()
    };
    let parts = machine.parts(at(0), at(60));
    assert_eq!((parts.total, parts.unscheduled_count), (5.0, 3.0));
}

#[test]
fn a_correction_counts_at_the_time_it_is_of() {
    let later = Counts { counts_up: false, ..reject(minutes(&[(10, 4.0), (50, -1.0)])) };
    let machine = Machine {
        states: minutes(&[(0, RUN)]),
        products: vec![(at(0), "a", 1.0)],
        counters: vec![total(minutes(&[(0, 0.0), (20, 10.0), (59, 20.0)])), later],
        ..Machine::default()
    };
    assert_eq!(machine.parts(at(0), at(30)).reject(), 4.0);
    assert_eq!(machine.parts(at(30), at(60)).reject(), -1.0);
    assert_eq!(machine.parts(at(0), at(60)).good, 17.0);
}

#[test]
fn a_ratio_without_a_denominator_is_null_and_nothing_good_is_zero() {
    let machine = Machine {
        states: minutes(&[(0, JAM), (20, RUN), (40, CLEANING)]),
        products: vec![(at(0), "a", 1.0)],
        counters: vec![total(minutes(&[(0, 0.0), (45, 1.0)]))],
        ..Machine::default()
    };
    let ratios = |from, to| {
        let parts = machine.parts(at(from), at(to));
        [parts.availability(), parts.performance(), parts.quality(), parts.oee()]
    };
    assert_eq!(ratios(0, 20), [Some(0.0), None, None, Some(0.0)]);
    assert_eq!(ratios(20, 40), [Some(1.0), Some(0.0), None, Some(0.0)]);
    assert_eq!(ratios(40, 60), [None, None, None, None]);
}

#[test]
fn a_line_is_the_sum_of_its_machines() {
    // The mean of both would be 0.65.
    let machine = |cycle_s: f64, stop: i64, pieces: f64| Machine {
        states: minutes(&[(0, JAM), (stop, RUN)]),
        products: vec![(at(0), "a", cycle_s)],
        counters: vec![total(minutes(&[(0, 0.0), (59, pieces)]))],
        ..Machine::default()
    };
    let slow = Machine { shifts: Some(vec![(at(0), at(10))]), ..machine(60.0, 0, 8.0) };
    let fast = machine(1.0, 30, 1800.0);
    let line = super::machine::parts_of(&[slow.clone(), fast.clone()], at(0), at(60));
    assert_eq!(slow.parts(at(0), at(60)).total, 0.0, "counted after its shift");
    assert_eq!((line.pbt_s(), line.oee()), (4200.0, Some(1800.0 / 4200.0)));
    assert_eq!(fast.parts(at(0), at(60)).oee(), Some(0.5));
}

#[test]
fn published_examples_are_met() {
    // oee.com, a shift of 480 minutes.
    let (planned, run) = (420.0 * 60.0, 373.0 * 60.0);
    let availability = iso22400::availability(run, planned).unwrap();
    let performance = iso22400::effectiveness(1.0, 19_271.0, run).unwrap();
    let quality = iso22400::quality_ratio(18_848.0, 19_271.0).unwrap();
    let oee = iso22400::oee_index(availability, performance, quality);
    for (own, want) in
        [(availability, 0.8881), (performance, 0.8611), (quality, 0.9780), (oee, 0.7479)]
    {
        assert!((own - want).abs() < 0.000_05, "{own}, not {want}");
    }
    // Nakajima, Introduction to TPM, p. 28; the rates are rounded there.
    let availability = iso22400::availability(400.0, 460.0).unwrap();
    let performance = iso22400::effectiveness(0.5, 400.0, 400.0).unwrap();
    let oee = iso22400::oee_index(availability, performance, 0.98);
    assert!((oee - 0.426).abs() < 0.0005, "{oee}");
    // Three machines with the same planned time.
    let machines = [(0.8022, 455.0), (0.7005, 455.0), (0.559, 455.0)];
    assert!((iso22400::weighted_oee(&machines).unwrap() - 0.6872).abs() < 0.000_05);
}

#[test]
fn the_other_indices_are_quotients_and_null_of_nothing() {
    let times =
        iso22400::Times { planned_busy: 480.0, production: 320.0, setup: 40.0, delay: 80.0 };
    assert_eq!((times.processing(), times.busy()), (360.0, 440.0));
    for (own, want) in [
        (times.utilization_efficiency(), 320.0 / 440.0),
        (times.allocation_efficiency(), 440.0 / 480.0),
        (times.technical_efficiency(), 0.8),
        (times.setup_ratio(), 40.0 / 360.0),
        (iso22400::nee_index(&times, 0.9, 0.95), 0.75 * 0.9 * 0.95),
        (iso22400::teep(0.6, 480.0, 1440.0), 0.2),
        (iso22400::allocation_ratio(&[300.0, 300.0], 500.0), 1.2),
        (iso22400::production_process_ratio(&[200.0, 150.0], 500.0), 0.7),
        (iso22400::throughput_rate(600.0, 500.0), 1.2),
        (iso22400::worker_efficiency(400.0, 450.0), 400.0 / 450.0),
        (iso22400::scrap_ratio(5.0, 100.0), 0.05),
        (iso22400::rework_ratio(3.0, 100.0), 0.03),
        (iso22400::fall_off_ratio(5.0, 125.0), 0.04),
        (iso22400::actual_to_planned_scrap(5.0, 4.0), 1.25),
        (iso22400::first_pass_yield(92.0, 100.0), 0.92),
        (iso22400::equipment_load_ratio(80.0, 100.0), 0.8),
        (iso22400::of_consumed_material(970.0, 1000.0), 0.97),
        (iso22400::inventory_turns(1200.0, 100.0), 12.0),
        (iso22400::corrective_maintenance_ratio(30.0, 90.0), 0.25),
        (iso22400::comprehensive_energy_consumption(&[(10.0, 3.6), (5.0, 2.0)], 23.0), 2.0),
        (iso22400::mean_time(900.0, 3), 300.0),
        (Some(iso22400::mean_time_of_standard(900.0, 3)), 225.0),
    ] {
        assert!((own.unwrap() - want).abs() < 1e-12, "{own:?}, not {want}");
    }
    let nothing = iso22400::Times::default();
    assert_eq!(nothing.setup_ratio(), None);
    assert_eq!((iso22400::mean_time(0.0, 0), iso22400::ratio(1.0, 0.0)), (None, None));
}
