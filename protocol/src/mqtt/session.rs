//! What outlives a connection: subscriptions, open QoS 2 ids, messages in flight.
//!
//! *Invariant.* A message of quality 1 or 2 that was given to the session stays in it until the
//! client acknowledged it; an incoming QoS 2 id stays until its PUBREL, so its message is taken
//! once.
//!
//! *Not here.* Messages not yet given to the session: the server's mailbox.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::limits::FLIGHT_BYTES_MAX;
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

impl Flight {
    fn bytes(&self) -> usize {
        match self {
            Self::Published(delivery) => delivery.bytes(),
            Self::Released => 0,
        }
    }
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
    /// Bytes of the messages in flight.
    flight_bytes: usize,
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
            flight_bytes: 0,
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

    /// Whether the bytes in flight leave room for another message.
    pub(crate) fn has_flight_room(&self) -> bool {
        self.flight_bytes < FLIGHT_BYTES_MAX
    }

    /// A message was sent under this id.
    pub(crate) fn begin_flight(&mut self, id: u16, delivery: Delivery) {
        self.flight_bytes += delivery.bytes();
        self.flights.push_back((id, Flight::Published(delivery)));
    }

    /// The message at this index has arrived; of its flight only the id is left.
    pub(crate) fn release_flight(&mut self, index: usize) {
        if let Some((_, flight)) = self.flights.get_mut(index) {
            let earlier = std::mem::replace(flight, Flight::Released);
            self.flight_bytes -= earlier.bytes();
        }
    }

    /// The flight at this index is over.
    pub(crate) fn end_flight(&mut self, index: usize) {
        if let Some((_, flight)) = self.flights.remove(index) {
            self.flight_bytes -= flight.bytes();
        }
    }
}
