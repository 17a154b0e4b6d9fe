//! The session of the host, and births.

use super::bench::{Bench, DBIRTH, NBIRTH, T, born, good, message, nbirth};
use crate::sparkplug::wire::MetricValue;
use crate::sparkplug::{Action, DataType, Host, Outgoing, Settings};
use tacitus_model::Value;

fn state(online: bool, ms: i64) -> Outgoing {
    Outgoing {
        topic: "spBv1.0/STATE/tacitus".into(),
        payload: format!(r#"{{"online":{online},"timestamp":{ms}}}"#).into_bytes(),
        qos: 1,
        retain: true,
    }
}

#[test]
pub(super) fn the_will_is_offline_at_the_time_of_the_connect() {
    let mut host = Host::new(Settings::default());
    assert_eq!(host.will(super::bench::at(T)), state(false, T));
}

#[test]
pub(super) fn the_birth_follows_with_the_same_time() {
    let mut host = Host::new(Settings::default());
    assert_eq!(host.birth(), None, "nothing is said before the session begins");
    host.will(super::bench::at(T));
    assert_eq!(host.birth(), Some(state(true, T)));
    let mut bench = Bench::new();
    let now = bench.now();
    bench.host.start(now, &mut bench.out);
    assert_eq!(bench.out, [Action::Publish(state(true, T))]);
}

#[test]
pub(super) fn everything_and_the_own_state_are_subscribed_to() {
    let host = Host::new(Settings { host: "scada".into(), ..Settings::default() });
    assert_eq!(host.filters(), ["spBv1.0/#", "spBv1.0/STATE/scada"]);
}

#[test]
pub(super) fn an_offline_of_the_own_name_is_corrected_at_once() {
    let mut bench = Bench::new();
    let start = bench.now();
    bench.host.start(start, &mut bench.out);
    bench.out.clear();
    bench.now_ms += 5_000;
    let now = bench.now();
    for (topic, payload, corrected) in [
        ("spBv1.0/STATE/tacitus", &br#"{"online": false, "timestamp": 7}"#[..], true),
        ("STATE/tacitus", b"OFFLINE", true),
        ("spBv1.0/STATE/tacitus", br#"{"online":true,"timestamp":7}"#, false),
        ("spBv1.0/STATE/other", br#"{"online":false,"timestamp":7}"#, false),
        ("spBv1.0/STATE/tacitus", b"", false),
    ] {
        bench.host.receive(topic, payload, now, &mut bench.out);
        let want = if corrected { vec![Action::Publish(state(true, T))] } else { vec![] };
        assert_eq!(std::mem::take(&mut bench.out), want, "{topic}");
    }
}

#[test]
pub(super) fn each_server_has_a_time_of_its_own() {
    let mut hosts = [Host::new(Settings::default()), Host::new(Settings::default())];
    for (host, ms) in hosts.iter_mut().zip([T, T + 9]) {
        host.will(super::bench::at(ms));
        assert_eq!(host.birth(), Some(state(true, ms)));
    }
}

#[test]
pub(super) fn a_stop_says_offline_with_its_own_time() {
    let mut bench = Bench::new();
    let start = bench.now();
    bench.host.start(start, &mut bench.out);
    bench.out.clear();
    bench.host.stop(super::bench::at(T + 60_000), &mut bench.out);
    assert_eq!(bench.out, [Action::Publish(state(false, T + 60_000))]);
    bench.host.stop(super::bench::at(T + 70_000), &mut bench.out);
    assert_eq!(bench.out.len(), 1, "it is said once");
    assert_eq!(bench.host.birth(), None, "and not taken back");
}

#[test]
pub(super) fn births_are_taken_in_their_order() {
    let mut bench = Bench::new();
    bench.hear(
        NBIRTH,
        nbirth(0, 3, vec![born("temp", 1, DataType::Double, MetricValue::Double(21.5))]),
    );
    bench.hear(DBIRTH, message(1, vec![born("a/level", 2, DataType::Int32, MetricValue::Int(7))]));
    assert_eq!(
        bench.rows(),
        [good("G/E/temp", Value::Float(21.5)), good("G/E/D/a/level", Value::Int(7))]
    );
    assert_eq!(bench.rebirths(), 0);
    let status = &bench.host.nodes()[0];
    assert_eq!((status.online, status.bd_seq, status.births), (true, Some(3), 1));
    assert!(status.devices["D"]);
    // A device before its node: what it says is kept, and the node is asked for its birth.
    let mut bench = Bench::new();
    bench.hear(DBIRTH, message(1, vec![born("level", 2, DataType::Int32, MetricValue::Int(7))]));
    assert_eq!((bench.rows().len(), bench.rebirths()), (1, 1));
}

#[test]
pub(super) fn births_are_retained_as_certificates() {
    let mut bench = Bench::new();
    bench.hear(NBIRTH, nbirth(0, 0, vec![]));
    bench.hear(DBIRTH, message(1, vec![]));
    bench.hear(super::bench::NDATA, message(2, vec![]));
    let retained: Vec<_> =
        bench.published().into_iter().map(|one| (one.topic.as_str(), one.retain)).collect();
    assert_eq!(
        retained,
        [
            ("$sparkplug/certificates/spBv1.0/G/NBIRTH/E", true),
            ("$sparkplug/certificates/spBv1.0/G/DBIRTH/E/D", true),
        ]
    );
}
