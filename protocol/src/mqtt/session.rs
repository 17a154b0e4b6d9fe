//! What outlives a connection: subscriptions, open QoS 2 ids, messages in flight.
//!
//! *Invariant.* A message of quality 1 or 2 that was given to the session stays in it until the
//! client acknowledged it; an incoming QoS 2 id stays until its PUBREL, so its message is taken
//! once. A delivery that the store keeps has the same packet id before and after a restart, so a
//! client that knows the id does not take it for another message.
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
    /// PUBREL came; the store is to forget the id before PUBCOMP.
    Completing,
}

/// Where an outgoing message of quality 1 or 2 stands. The number is its serial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flight {
    /// PUBLISH sent; waits for PUBACK or PUBREC.
    Published(Delivery),
    /// PUBREC came; the store is to know before PUBREL.
    Arrived(u64),
    /// PUBREL sent; waits for PUBCOMP.
    Released(u64),
}

impl Flight {
    fn bytes(&self) -> usize {
        match self {
            Self::Published(delivery) => delivery.bytes(),
            Self::Arrived(_) | Self::Released(_) => 0,
        }
    }

    pub(crate) fn serial(&self) -> u64 {
        match self {
            Self::Published(delivery) => delivery.serial,
            Self::Arrived(serial) | Self::Released(serial) => *serial,
        }
    }
}

/// The state of one client identifier.
#[derive(Debug)]
pub struct Session {
    key: SessionKey,
    /// Whether it outlives its connection, and so the server.
    is_kept: bool,
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
    /// Serials of kept deliveries that are over.
    ended: Vec<u64>,
}

impl Session {
    /// A session without a past.
    #[must_use]
    pub fn new(key: SessionKey) -> Self {
        Self {
            key,
            is_kept: false,
            filters: BTreeSet::new(),
            incoming: HashMap::new(),
            flights: VecDeque::new(),
            retained: VecDeque::new(),
            flight_bytes: 0,
            last_id: 0,
            ended: Vec::new(),
        }
    }

    /// The same, outliving its connection.
    #[must_use]
    pub fn kept(self) -> Self {
        Self { is_kept: true, ..self }
    }

    /// Takes back what was remembered of it: its filters, its open ids of quality 2, and the
    /// serials of deliveries of which only PUBREL is owed.
    #[must_use]
    pub fn remembered(
        key: SessionKey,
        filters: impl IntoIterator<Item = String>,
        open: impl IntoIterator<Item = u16>,
        released: impl IntoIterator<Item = u64>,
    ) -> Self {
        let mut session = Self::new(key).kept();
        session.filters.extend(filters);
        session.incoming.extend(open.into_iter().map(|id| (id, Receipt::Promised)));
        for serial in released {
            let id = session.next_id(serial);
            session.flights.push_back((id, Flight::Released(serial)));
        }
        session
    }

    /// Its key in the subscription tree.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Whether it outlives its connection.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Its topic filters.
    #[must_use]
    pub fn filters(&self) -> &BTreeSet<String> {
        &self.filters
    }

    /// Its open ids of quality 2 that were promised to the client.
    pub fn open_ids(&self) -> impl Iterator<Item = u16> {
        self.incoming.keys().copied()
    }

    /// The serials of kept deliveries that ended since this was last asked.
    pub fn take_ended(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.ended)
    }

    /// A packet id that is not in flight: that of the serial where it is free. There is always
    /// one: fewer than 65,535 are in flight.
    pub(crate) fn next_id(&mut self, serial: u64) -> u16 {
        let is_free = |id: u16| !self.flights.iter().any(|(flying, _)| *flying == id);
        if serial > 0 {
            let id = u16::try_from((serial - 1) % 65_535).unwrap_or(0) + 1;
            if is_free(id) {
                return id;
            }
        }
        let mut id = self.last_id;
        loop {
            id = id.checked_add(1).unwrap_or(1);
            if is_free(id) {
                self.last_id = id;
                return id;
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

    /// The message at this index has arrived; of its flight only the id is left. Its serial, if
    /// the store must know first.
    pub(crate) fn arrive(&mut self, index: usize) -> u64 {
        let Some((_, flight)) = self.flights.get_mut(index) else {
            return 0;
        };
        let serial = flight.serial();
        let next = match (&flight, serial) {
            (Flight::Published(_), 1..) => Flight::Arrived(serial),
            (Flight::Arrived(_), _) => return 0,
            _ => Flight::Released(serial),
        };
        let earlier = std::mem::replace(flight, next);
        self.flight_bytes -= earlier.bytes();
        if matches!(earlier, Flight::Published(_)) { serial } else { 0 }
    }

    /// The flight at this index is over.
    pub(crate) fn end_flight(&mut self, index: usize) {
        if let Some((_, flight)) = self.flights.remove(index) {
            self.flight_bytes -= flight.bytes();
            self.end(flight.serial());
        }
    }

    /// A kept delivery is over, in flight or never sent.
    pub(crate) fn end(&mut self, serial: u64) {
        if serial > 0 {
            self.ended.push(serial);
        }
    }
}
