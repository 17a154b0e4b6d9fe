//! `$SYS`: what the broker says of itself, as retained messages.
//!
//! *Invariant.* Clients cannot publish below `$SYS`, nothing of it is stored, and a filter that
//! begins with a wildcard does not match it.
//!
//! *Not here.* The same figures for Prometheus: `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use tacitus_protocol::mqtt::{Message, Parts, QoS, SessionKey};

use super::counters::Counters;

/// Topics below this are the broker's own.
pub(super) const PREFIX: &str = "$SYS/";

/// The messages of this moment.
pub(super) fn messages(counters: &Counters, uptime_s: u64) -> Vec<Message> {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let connected = get(&counters.sessions_now).saturating_sub(get(&counters.sessions_away_now));
    let numbers = [
        ("clients/connected", connected),
        ("clients/disconnected", get(&counters.sessions_away_now)),
        ("clients/total", get(&counters.sessions_now)),
        ("messages/received", get(&counters.messages_in)),
        ("messages/sent", get(&counters.messages_out)),
        ("messages/dropped", get(&counters.messages_dropped)),
        ("bytes/received", get(&counters.bytes_in)),
        ("bytes/sent", get(&counters.bytes_out)),
        ("subscriptions/count", get(&counters.subscriptions_now)),
        ("shared_subscriptions/count", get(&counters.subscriptions_shared_now)),
        ("retained messages/count", get(&counters.retained_now)),
        ("retained messages/bytes", get(&counters.retained_bytes_now)),
    ];
    let texts = [
        ("version", format!("Tacitus {}", env!("CARGO_PKG_VERSION"))),
        ("uptime", format!("{uptime_s} seconds")),
    ];
    let numbers = numbers.map(|(name, number)| (name, number.to_string()));
    texts.into_iter().chain(numbers).filter_map(|(name, value)| message(name, &value)).collect()
}

fn message(name: &str, value: &str) -> Option<Message> {
    Message::new(Parts {
        topic: &format!("{PREFIX}broker/{name}"),
        payload: value.as_bytes(),
        qos: QoS::AtMostOnce,
        retain: true,
        publisher: SessionKey(0),
        expires_at_ms: None,
        properties: &[],
    })
}
