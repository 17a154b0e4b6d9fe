//! Deviations of common libraries that are understood.

use super::bench::{Bench, DDATA, NBIRTH, NDATA, NDEATH, born, good, message, nbirth, ndeath};
use crate::sparkplug::wire::{Metric, MetricValue, Payload};
use crate::sparkplug::{DataType, Settings};
use tacitus_model::Value;

fn lenient() -> Settings {
    Settings { reorder_ms: None, ..Settings::default() }
}

#[test]
fn a_clean_death_may_bear_the_number_of_the_next_session_or_none() {
    // pysparkplug counts on before it says goodbye; mqtt-spb-wrapper leaves the time out.
    for death in [ndeath(1), Payload { timestamp: None, ..ndeath(0) }, Payload::default()] {
        let mut bench = Bench::with_plant(lenient());
        bench.hear(NDEATH, death);
        assert!(!bench.host.nodes()[0].online);
        assert_eq!(bench.rows().len(), 2);
    }
    let mut bench = Bench::with_plant(lenient());
    bench.hear(NDEATH, ndeath(2));
    assert!(bench.host.nodes()[0].online);
}

#[test]
fn names_in_data_may_lack_the_prefix_of_the_birth() {
    let mut bench = Bench::with(lenient());
    let metric = born("DATA/T", 0, DataType::Double, MetricValue::Double(1.0));
    bench.hear(NBIRTH, nbirth(0, 1, vec![Metric { alias: None, ..metric }]));
    bench.out.clear();
    let datum = Metric {
        alias: None,
        datatype: None,
        ..born("T", 0, DataType::Double, MetricValue::Double(2.0))
    };
    bench.hear(NDATA, message(1, vec![datum]));
    assert_eq!((bench.rows(), bench.rebirths()), (vec![good("G/E/DATA/T", Value::Float(2.0))], 0));
}

#[test]
fn the_request_for_a_rebirth_has_the_name_the_node_gave_it() {
    let mut bench = Bench::with(lenient());
    let metric =
        born("CMD/Node Control/Rebirth", 0, DataType::Boolean, MetricValue::Boolean(false));
    bench.hear(NBIRTH, message(0, vec![Metric { alias: None, ..metric }]));
    bench.hear(DDATA, message(9, vec![]));
    let payload = &bench.published().last().unwrap().payload;
    assert!(payload.windows(24).any(|bytes| bytes == b"CMD/Node Control/Rebirth"));
}

#[test]
fn data_that_repeat_name_and_type_are_kept_without_a_birth() {
    let mut bench = Bench::with(lenient());
    let datum = Metric { alias: None, ..born("T", 0, DataType::Int8, MetricValue::Int(0xff)) };
    bench.hear(NDATA, message(4, vec![datum]));
    assert_eq!((bench.rows(), bench.rebirths()), (vec![good("G/E/T", Value::Int(-1))], 1));
    assert_eq!(bench.definitions().len(), 1);
}

#[test]
fn a_session_number_may_be_of_any_integer_type() {
    let mut bench = Bench::with(lenient());
    let metric = Metric { alias: None, ..born("bdSeq", 0, DataType::UInt64, MetricValue::Int(7)) };
    bench.hear(NBIRTH, message(0, vec![metric]));
    assert_eq!(bench.host.nodes()[0].bd_seq, Some(7));
}
