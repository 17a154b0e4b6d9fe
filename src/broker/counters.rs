//! What the broker counts, for `/metrics`.
//!
//! *Invariant.* Every message that enters or leaves, and every one that is not kept or not
//! delivered, is in exactly one counter.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters since the start; gauges are named `…_now`.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
        }

        impl Counters {
            /// Name and value of each, in the order of declaration.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)+]
            }
        }
    };
}

counters! {
    /// Connected clients.
    connections_now,
    /// Sessions, connected or not.
    sessions_now,
    /// Sessions whose client is absent.
    sessions_away_now,
    /// Subscriptions of all sessions.
    subscriptions_now,
    /// Those of them that are shared.
    subscriptions_shared_now,
    /// Retained messages.
    retained_now,
    /// Bytes of retained messages.
    retained_bytes_now,
    /// TCP connections accepted.
    connections_opened,
    /// TCP connections closed because the limit was reached.
    connections_refused,
    /// CONNECTs answered with an error or not at all.
    connects_refused,
    /// CONNECTs with a wrong user or password; part of `connects_refused`.
    logins_refused,
    /// Times a client was not read because it sent more than its rate.
    reads_paced,
    /// Connections ended by the broker: wrong packets, time-outs, too slow, taken over.
    connections_cut,
    /// Connections cut because their subscriber was too slow; part of `connections_cut`.
    connections_cut_slow,
    /// Bytes read from sockets.
    bytes_in,
    /// Bytes written to sockets.
    bytes_out,
    /// PUBLISHes accepted from clients.
    messages_in,
    /// PUBLISHes of quality 1 or 2 acknowledged after the sync.
    messages_acknowledged,
    /// PUBLISHes the store had no room for or failed on; none of them was acknowledged.
    messages_not_kept,
    /// PUBLISHes sent to subscribers.
    messages_out,
    /// Samples of the past sent to subscribers; part of `messages_out`.
    samples_retold,
    /// Messages dropped for absent or cut sessions whose mailbox was full.
    messages_dropped,
    /// PUBLISHes to topics their sender may not publish to.
    messages_denied,
    /// Messages and records of an earlier run that could not be read or whose session was gone.
    records_forgotten,
    /// Messages that asked to be retained when the table was full.
    retained_refused,
    /// Groups given to the store.
    groups_stored,
    /// Restarts of the router.
    router_restarts,
    /// Messages that subscribers may have missed because the router was restarted.
    router_lost,
}

/// Adds one.
pub(super) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Adds a number of things.
pub(super) fn many(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

/// Sets a gauge.
pub(super) fn set(gauge: &AtomicU64, value: usize) {
    gauge.store(value as u64, Ordering::Relaxed);
}
