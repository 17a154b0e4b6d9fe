//! Deaths of nodes and devices.

use super::bench::{
    Bench, DBIRTH, DDATA, DDEATH, NBIRTH, NDATA, NDEATH, T, born, by_alias, good, message, ms,
    nbirth, ndeath, stale,
};
use crate::sparkplug::wire::{MetricValue, Payload};
use crate::sparkplug::{Action, DataType, NodeId, Settings};
use tacitus_model::Value;

fn strict() -> Settings {
    Settings { reorder_ms: None, lenient: false, ..Settings::default() }
}

#[test]
pub(super) fn the_will_of_a_node_is_heard_on_its_topic() {
    let mut bench = Bench::with_plant(strict());
    bench.hear("spBv1.0/G/NDEATH/Other", ndeath(0));
    assert!(bench.host.nodes()[0].online);
    bench.hear(NDEATH, ndeath(0));
    assert!(!bench.host.nodes()[0].online);
}

#[test]
pub(super) fn a_node_death_takes_node_and_devices_offline_at_the_time_of_the_host() {
    let mut bench = Bench::with_plant(strict());
    bench.now_ms += 9_000;
    bench.hear(NDEATH, ndeath(0));
    assert_eq!(bench.rows(), [stale("G/E/temp", T + 9_000), stale("G/E/D/level", T + 9_000)]);
    let status = &bench.host.nodes()[0];
    assert_eq!((status.online, status.devices["D"], status.deaths), (false, false, 1));
}

#[test]
pub(super) fn a_device_death_takes_the_device_offline_at_its_own_time() {
    let mut bench = Bench::with_plant(strict());
    bench.now_ms += 9_000;
    bench.hear(DDEATH, Payload { timestamp: Some(ms(T + 5_000)), ..message(2, vec![]) });
    assert_eq!(bench.rows(), [stale("G/E/D/level", T + 5_000)]);
    let status = &bench.host.nodes()[0];
    assert_eq!((status.online, status.devices["D"]), (true, false));
    // Its node's death says it once only.
    bench.out.clear();
    bench.hear(NDEATH, ndeath(0));
    assert_eq!(bench.rows(), [stale("G/E/temp", T + 9_000)]);
}

#[test]
fn a_death_of_another_session_changes_nothing() {
    let mut bench = Bench::with_plant(strict());
    for wrong in [ndeath(7), ndeath(1), message(0, vec![])] {
        bench.hear(NDEATH, wrong);
    }
    assert!(bench.host.nodes()[0].online);
    assert_eq!((bench.rows(), bench.refusals()), (vec![], vec!["sparkplug_death"; 3]));
    // A session that ended before this host began: there is nothing to end.
    let mut fresh = Bench::with(strict());
    fresh.hear(NDEATH, ndeath(0));
    assert_eq!((fresh.out.as_slice(), fresh.host.nodes().len()), (&[][..], 0));
}

#[test]
fn a_new_session_makes_devices_stale_that_do_not_come_back() {
    let mut bench = Bench::with_plant(strict());
    bench.hear(
        NBIRTH,
        nbirth(0, 1, vec![born("temp", 1, DataType::Double, MetricValue::Double(1.0))]),
    );
    assert_eq!(bench.rows(), [good("G/E/temp", Value::Float(1.0))]);
    bench.out.clear();
    bench.now_ms += 59_999;
    bench.tick();
    assert_eq!(bench.out, []);
    bench.now_ms += 1;
    bench.tick();
    bench.tick();
    assert_eq!(bench.rows(), [stale("G/E/D/level", T)]);

    let mut bench = Bench::with_plant(strict());
    bench.hear(NBIRTH, nbirth(0, 1, vec![]));
    bench.hear(DBIRTH, message(1, vec![born("level", 9, DataType::Int32, MetricValue::Int(8))]));
    bench.out.clear();
    bench.now_ms += 100_000;
    bench.tick();
    assert_eq!(bench.out, []);
}

#[test]
fn a_connection_that_ended_without_a_word_is_a_death_unless_the_node_is_back_at_once() {
    let mut bench = Bench::with_plant(strict());
    let id = NodeId { group: "G".into(), node: "E".into() };
    let now = bench.now();
    bench.host.left(&id, now);
    bench.now_ms += 4_999;
    bench.tick();
    assert_eq!(bench.out, []);
    bench.now_ms += 1;
    bench.tick();
    bench.tick();
    assert_eq!(bench.rows(), [stale("G/E/temp", T), stale("G/E/D/level", T)]);

    let mut bench = Bench::with_plant(strict());
    bench.host.left(&id, now);
    bench.hear(NDATA, message(2, vec![]));
    bench.now_ms += 60_000;
    bench.tick();
    assert!(bench.host.nodes()[0].online);
}

#[test]
fn data_after_a_death_are_kept_and_a_birth_is_asked_for() {
    let mut bench = Bench::with_plant(strict());
    bench.hear(NDEATH, ndeath(0));
    bench.out.clear();
    bench.hear(NDATA, message(2, vec![by_alias(1, MetricValue::Double(4.0))]));
    assert_eq!((bench.rows(), bench.rebirths()), (vec![good("G/E/temp", Value::Float(4.0))], 1));
}

#[test]
fn what_was_known_before_a_restart_is_known_after_it() {
    let mut bench = Bench::new();
    bench.hear(NBIRTH, nbirth(0, 4, vec![born("temp", 1, DataType::Int16, MetricValue::Int(5))]));
    bench.hear(DBIRTH, message(1, vec![born("level", 2, DataType::Int8, MetricValue::Int(5))]));
    let kept: Vec<_> = bench
        .out
        .iter()
        .filter_map(|action| match action {
            Action::Remember { key, body } => Some((key.clone(), body.clone())),
            _ => None,
        })
        .collect();
    let (key, body) = kept.last().unwrap();
    let mut after = Bench::with(strict());
    let now = after.now();
    after.host.restore(key, body, now);
    after.host.restore(b"no node", body, now);
    after.host.restore(b"a/b", b"\xff", now);
    assert_eq!(after.host.nodes().len(), 1);
    after.hear(DDATA, message(9, vec![by_alias(2, MetricValue::Int(0xffff_fffb))]));
    assert_eq!((after.rows(), after.rebirths()), (vec![good("G/E/D/level", Value::Int(-5))], 1));
    // A node that does not come back is told to be stale since the restart.
    after.out.clear();
    after.now_ms += 60_000;
    after.tick();
    assert_eq!(after.rows(), [stale("G/E/temp", T), stale("G/E/D/level", T)]);

    // The broker may know of its death, as it kept the will.
    let mut after = Bench::with(strict());
    let now = after.now();
    after.host.restore(key, body, now);
    after.now_ms += 5;
    after.hear(NDEATH, ndeath(3));
    assert_eq!(after.rows(), [], "of another session");
    after.hear(NDEATH, ndeath(4));
    assert_eq!(after.rows(), [stale("G/E/temp", T + 5), stale("G/E/D/level", T + 5)]);
    after.now_ms += 100_000;
    after.tick();
    assert_eq!(after.rows().len(), 2, "it is told once");
}
