//! Sources with clocks that are right, ahead, behind, set; and a server whose own clock is set.

use std::sync::Arc;

use tacitus_model::Timestamp;
use tacitus_storage::{Clock, FixedClock};

use super::{SOURCES_MAX, Sources, Status, Trust};

const SECOND_NS: i64 = 1_000_000_000;

struct Plant {
    clock: Arc<FixedClock>,
    sources: Sources,
}

impl Plant {
    fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(1_000 * SECOND_NS)));
        let sources = Sources::new(Arc::clone(&clock) as Arc<dyn Clock>);
        Self { clock, sources }
    }

    /// A sample of a source each second, so many milliseconds behind, from the first on.
    fn run(&self, behind_ms: impl IntoIterator<Item = i64>) {
        for behind_ms in behind_ms {
            self.clock.advance_ns(1_000_000_000);
            let ts = self.clock.now().nanos() - behind_ms * 1_000_000;
            self.sources.heard("mqtt:oven", Timestamp::from_nanos(ts));
        }
    }

    fn status(&self, source: &str) -> Status {
        self.sources.list().into_iter().find(|own| own.source == source).unwrap()
    }
}

#[test]
fn a_sound_clock_is_trusted_and_its_skew_and_jitter_are_known() {
    let plant = Plant::new();
    plant.run((0..200).map(|n| if n % 2 == 0 { 100 } else { 300 }));
    let status = plant.status("mqtt:oven");
    let near = |ns: Option<i64>, ms: i64| (ns.unwrap() / 1_000_000 - ms).abs() <= 30;
    assert!(near(status.skew_ns, 200) && near(status.jitter_ns, 100), "{status:?}");
    assert_eq!((status.trust, status.jumps), (Trust::Trusted, 0));
    assert_eq!(status.last_arrival, plant.clock.now());
}

#[test]
fn clocks_that_are_ahead_or_behind_are_told() {
    for (behind_ms, want) in
        [(-5_000, Trust::Ahead), (60_000, Trust::Behind), (5_000, Trust::Trusted)]
    {
        let plant = Plant::new();
        plant.run([behind_ms; 20]);
        assert_eq!(plant.status("mqtt:oven").trust, want, "{behind_ms} ms");
    }
}

#[test]
fn a_clock_that_is_set_jumps_once_and_is_trusted_again_later() {
    let plant = Plant::new();
    plant.run([100; 50]);
    plant.run([-3_600_000 + 100; 9]);
    assert_eq!(plant.status("mqtt:oven").jumps, 0);
    plant.run([-3_600_000 + 100; 40]);
    let status = plant.status("mqtt:oven");
    let jump = status.last_jump.unwrap();
    assert_eq!((status.jumps, jump.from_ns, jump.to_ns), (1, 100_000_000, -3_599_900_000_000));
    assert_eq!(status.trust, Trust::Jumping);
    plant.run([100; 20]);
    assert_eq!(plant.status("mqtt:oven").jumps, 2);
    plant.run([100; 700]);
    assert_eq!(plant.status("mqtt:oven").trust, Trust::Trusted);
    assert_eq!(plant.sources.jumps(), (2, 0));
}

#[test]
fn late_samples_and_a_backlog_that_is_sent_fast_are_no_jumps() {
    let plant = Plant::new();
    plant.run([100; 50]);
    // Now and then one of yesterday.
    plant.run((0..60).map(|n| if n % 3 == 0 { 86_400_000 } else { 100 }));
    // Ten minutes that waited, at ten times their pace.
    plant.run((0..60).map(|n| 600_000 - n * 10_000));
    plant.run([100; 20]);
    let status = plant.status("mqtt:oven");
    assert_eq!((status.jumps, status.trust), (0, Trust::Trusted), "{status:?}");
}

/// An edge that was cut off sends what waited before what it measures.
#[test]
fn what_waited_before_a_source_was_first_heard_is_no_jump() {
    let plant = Plant::new();
    plant.run([3_600_000; 3]);
    plant.run([100; 40]);
    let status = plant.status("mqtt:oven");
    assert_eq!((status.jumps, status.trust), (0, Trust::Trusted), "{status:?}");
    assert_eq!(status.skew_ns, Some(100_000_000));
    plant.run([60_000; 40]);
    assert_eq!(plant.status("mqtt:oven").jumps, 1, "once established, it is one");
}

#[test]
fn a_source_without_times_is_known_and_not_judged() {
    let plant = Plant::new();
    plant.sources.arrived("mqtt:lamp");
    let status = plant.status("mqtt:lamp");
    assert_eq!((status.trust, status.last, status.skew_ns), (Trust::Untimed, None, None));
    assert_eq!(status.last_arrival, plant.clock.now());
    // As soon as it says a time it is.
    plant.sources.heard("mqtt:lamp", plant.clock.now());
    plant.sources.arrived("mqtt:lamp");
    let status = plant.status("mqtt:lamp");
    assert_eq!((status.trust, status.skew_ns), (Trust::Trusted, Some(0)));
    for n in 0..SOURCES_MAX {
        plant.sources.heard(&format!("mqtt:{n}"), plant.clock.now());
    }
    let forgotten = plant.sources.forgotten();
    plant.sources.arrived("mqtt:one more");
    assert!(plant.sources.list().iter().all(|own| own.source != "mqtt:one more"));
    assert_eq!(plant.sources.forgotten(), forgotten);
}

#[test]
fn a_jump_of_this_servers_clock_is_one_of_no_source() {
    let plant = Plant::new();
    plant.run([100; 50]);
    let now = plant.clock.now().nanos();
    plant.clock.set(Timestamp::from_nanos(now + 120 * SECOND_NS));
    plant.sources.look_at_own();
    // Sources whose clocks are right lie two minutes behind the wrong one.
    plant.run([120_100; 50]);
    let (server, oven) = (plant.status("server"), plant.status("mqtt:oven"));
    assert_eq!((server.jumps, server.trust), (1, Trust::Jumping));
    let jump = server.last_jump.unwrap();
    assert_eq!(jump.to_ns - jump.from_ns, 120 * SECOND_NS);
    assert_eq!((oven.jumps, oven.trust), (0, Trust::Behind), "{oven:?}");
    assert_eq!(plant.sources.jumps(), (0, 1));
}

#[test]
fn of_too_many_sources_the_one_silent_longest_is_forgotten_and_counted() {
    let plant = Plant::new();
    for n in 0..=SOURCES_MAX {
        plant.clock.advance_ns(1_000);
        plant.sources.heard(&format!("mqtt:{n}"), plant.clock.now());
    }
    let all = plant.sources.list();
    assert_eq!(all.len(), SOURCES_MAX + 1);
    assert!(all.iter().all(|own| own.source != "mqtt:0"));
    assert_eq!(plant.sources.forgotten(), 1);
}
