//! What outlives a connection: subscriptions, open QoS 2 ids, messages in flight.
//!
//! *Invariant.* A message of quality 1 or 2 that was given to the session stays in it until the
//! client acknowledged it; an incoming QoS 2 id stays until its PUBREL, so its message is taken
//! once.
//!
//! *Not here.* Messages not yet given to the session: the server's mailbox.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::message::Delivery;
use super::tree::SessionKey;

/// Where an incoming QoS 2 message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// With the store; PUBREC not yet sent.
    Storing,
    /// PUBREC sent: this message will not be taken again under this id.
    Promised,
}

/// Where an outgoing message of quality 1 or 2 stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flight {
    /// PUBLISH sent; waits for PUBACK or PUBREC.
    Published(Delivery),
    /// PUBREL sent; waits for PUBCOMP.
    Released,
}

/// The state of one client identifier.
#[derive(Debug)]
pub struct Session {
    key: SessionKey,
    /// Filters in force, so that the session can be taken out of the tree.
    pub(crate) filters: BTreeSet<String>,
    pub(crate) incoming: HashMap<u16, Receipt>,
    /// In the order of sending; ids are distinct.
    pub(crate) flights: VecDeque<(u16, Flight)>,
    /// Retained messages a SUBSCRIBE asked for, not yet sent.
    pub(crate) retained: VecDeque<Delivery>,
    last_id: u16,
}

impl Session {
    /// A session without a past.
    #[must_use]
    pub fn new(key: SessionKey) -> Self {
        Self {
            key,
            filters: BTreeSet::new(),
            incoming: HashMap::new(),
            flights: VecDeque::new(),
            retained: VecDeque::new(),
            last_id: 0,
        }
    }

    /// Its key in the subscription tree.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Its topic filters.
    #[must_use]
    pub fn filters(&self) -> &BTreeSet<String> {
        &self.filters
    }

    /// A packet id that is not in flight. There is always one: fewer than 65,535 are in flight.
    pub(crate) fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.flights.iter().any(|(id, _)| *id == self.last_id) {
                return self.last_id;
            }
        }
    }

    pub(crate) fn flight(&self, id: u16) -> Option<usize> {
        self.flights.iter().position(|(flying, _)| *flying == id)
    }
}
