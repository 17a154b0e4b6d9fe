//! Any bytes as messages of a Sparkplug node that was born: taken or refused, and what they make
//! the host remember is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tacitus_model::Timestamp;
use tacitus_protocol::sparkplug::{Action, Host, Settings};

const TOPICS: [&str; 6] = [
    "spBv1.0/G/NBIRTH/E",
    "spBv1.0/G/DBIRTH/E/D",
    "spBv1.0/G/NDATA/E",
    "spBv1.0/G/DDATA/E/D",
    "spBv1.0/G/DDEATH/E/D",
    "spBv1.0/G/NDEATH/E",
];

fuzz_target!(|bytes: &[u8]| {
    let mut host = Host::new(Settings::default());
    let mut out = Vec::new();
    for (topic, ms) in TOPICS.into_iter().zip(0..) {
        let now = Timestamp::from_nanos((1 << 60) + ms * 1_000_000_000);
        host.receive(topic, bytes, now, &mut out);
        host.tick(now, &mut out);
    }
    let now = Timestamp::from_nanos((1 << 60) + 100_000_000_000);
    host.tick(now, &mut out);
    let mut after = Host::new(Settings::default());
    for action in &out {
        if let Action::Remember { key, body } = action {
            after.restore(key, body, now);
            assert_eq!(after.nodes().len(), 1);
        }
    }
});
