//! Sequence numbers, and messages that come too early.

use super::bench::{Bench, DDATA, NDATA, NDEATH, T, by_alias, good, message, ndeath, stale};
use crate::sparkplug::Settings;
use crate::sparkplug::wire::{MetricValue, Payload};
use tacitus_model::Value;

fn settings(reorder_ms: Option<u64>) -> Settings {
    Settings { reorder_ms, ..Settings::default() }
}

fn datum(seq: u64, value: f64) -> Payload {
    message(seq, vec![by_alias(1, MetricValue::Double(value))])
}

fn temp(value: f64) -> super::bench::Row {
    good("G/E/temp", Value::Float(value))
}

#[test]
pub(super) fn the_time_for_reordering_can_be_set() {
    for (reorder_ms, asked) in [(None, 1), (Some(1), 0), (Some(60_000), 0)] {
        let mut bench = Bench::with_plant(settings(reorder_ms));
        bench.hear(NDATA, datum(4, 1.0));
        assert_eq!(bench.rebirths(), asked, "{reorder_ms:?}");
    }
}

#[test]
pub(super) fn a_gap_starts_the_time_for_reordering() {
    let mut bench = Bench::with_plant(settings(Some(2_000)));
    bench.hear(NDATA, datum(3, 3.0));
    assert_eq!((bench.rows(), bench.rebirths()), (vec![], 0));
    bench.now_ms += 1_999;
    // A later one does not start it anew.
    bench.hear(NDATA, datum(4, 4.0));
    bench.tick();
    assert_eq!(bench.rebirths(), 0);
}

#[test]
pub(super) fn a_gap_that_stays_asks_for_a_rebirth() {
    let mut bench = Bench::with_plant(settings(Some(2_000)));
    bench.hear(NDATA, datum(4, 4.0));
    bench.hear(NDATA, datum(3, 3.0));
    bench.now_ms += 2_000;
    bench.tick();
    assert_eq!(bench.rebirths(), 1);
    assert_eq!(bench.rows(), [temp(3.0), temp(4.0)], "what came is kept, in its order");
    bench.hear(NDATA, datum(5, 5.0));
    assert_eq!(bench.rebirths(), 1);
}

#[test]
pub(super) fn a_gap_that_is_filled_is_none() {
    let mut bench = Bench::with_plant(settings(Some(2_000)));
    bench.hear(DDATA, message(4, vec![by_alias(2, MetricValue::Int(4))]));
    bench.hear(NDATA, datum(3, 3.0));
    assert_eq!(bench.rows(), []);
    bench.hear(NDATA, datum(2, 2.0));
    bench.now_ms += 10_000;
    bench.tick();
    assert_eq!(bench.rows(), [temp(2.0), temp(3.0), good("G/E/D/level", Value::Int(4))]);
    assert_eq!(bench.rebirths(), 0);
}

#[test]
fn the_sequence_goes_round_at_256() {
    let mut bench = Bench::with_plant(settings(None));
    for seq in 2..600_u64 {
        bench.hear(NDATA, datum(seq % 256, 1.0));
    }
    assert_eq!((bench.rows().len(), bench.rebirths()), (598, 0));
}

#[test]
fn without_a_time_for_reordering_a_gap_asks_at_once_and_loses_nothing() {
    let mut bench = Bench::with_plant(settings(None));
    bench.hear(NDATA, datum(7, 7.0));
    bench.hear(NDATA, datum(8, 8.0));
    assert_eq!((bench.rows(), bench.rebirths()), (vec![temp(7.0), temp(8.0)], 1));
}

#[test]
fn requests_for_a_rebirth_become_rarer_until_a_birth_comes() {
    let mut bench = Bench::with_plant(settings(None));
    let mut asked = Vec::new();
    for second in 0..60 {
        bench.now_ms = T + second * 1_000;
        bench.out.clear();
        bench.hear(NDATA, datum(9, 1.0));
        if bench.rebirths() > 0 {
            asked.push(second);
        }
    }
    assert_eq!(asked, [0, 5, 15, 35]);
    let (sent, held_back) = bench.host.nodes()[0].rebirths;
    assert_eq!((sent, held_back), (4, 56));
}

#[test]
fn what_waits_is_kept_before_a_death() {
    let mut bench = Bench::with_plant(settings(Some(2_000)));
    bench.hear(NDATA, datum(4, 4.0));
    bench.hear(NDEATH, ndeath(0));
    assert_eq!(bench.rows(), [temp(4.0), stale("G/E/temp", T), stale("G/E/D/level", T)]);
}

#[test]
fn no_more_wait_than_there_is_room_for() {
    let mut bench = Bench::with_plant(settings(Some(2_000)));
    for seq in 3..131_u64 {
        bench.hear(NDATA, datum(seq, 1.0));
    }
    assert_eq!((bench.rows().len(), bench.rebirths()), (128, 1));
}
