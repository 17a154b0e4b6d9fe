//! One client from CONNACK to its end: frames in, bytes and [`Action`]s out.
//!
//! ```text
//! PUBLISH q1 ─▶ Action::Publish ─ stored ─▶ PUBACK
//! PUBLISH q2 ─▶ Action::Publish ─ stored ─▶ PUBREC … PUBREL ─▶ (noted) ─▶ PUBCOMP
//! delivery   ─▶ PUBLISH q1 … PUBACK   or   PUBLISH q2 … PUBREC ─▶ (noted) ─▶ PUBREL … PUBCOMP
//! ```
//!
//! *Invariant.* PUBACK and a first PUBREC are written by [`Connection::stored`] only: the server
//! calls it after the sync. What a session that outlives the server must know of quality 2 is
//! noted by the store before the client hears of it ([`Connection::noted`]). Deliveries in flight
//! never exceed what the client takes.
//!
//! *Not here.* Sockets, timers, the store, other clients.

use std::collections::HashMap;

use bytes::BytesMut;
use rumqttd::protocol::{DisconnectReasonCode, QoS, SubscribeReasonCode, UnsubAckReason};

use super::connect::Connect;
use super::frame::Frame;
use super::limits::{
    FLIGHT_MAX, OUTPUT_BYTES_HIGH, RECEIVE_MAX, TOPIC_ALIAS_MAX, TOPIC_ALIAS_OUT_MAX,
};
use super::message::{Alias, Delivery, Message, Parts, Writing, write_publish};
use super::packet::{Packet, Publish, Request, Version, decode};
use super::refusal::Refusal;
use super::reply::{self, Verdict};
use super::session::{Flight, Receipt, Session};

/// What the server has to do for a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing: the answer, if any, is in the output.
    None,
    /// Store the message, then call [`Connection::stored`] with the receipt.
    Publish(Message, Awaited),
    /// Note this with the store, then call [`Connection::noted`].
    Note(Note),
    /// Make these subscriptions, then call [`Connection::subscribed`].
    Subscribe {
        /// Packet id of the SUBSCRIBE.
        packet_id: u16,
        /// Identifier for all of them.
        subscription_id: Option<u32>,
        /// What is asked for; filters are not checked yet.
        requests: Vec<Request>,
    },
    /// End these subscriptions, then call [`Connection::unsubscribed`].
    Unsubscribe {
        /// Packet id of the UNSUBSCRIBE.
        packet_id: u16,
        /// What to end.
        filters: Vec<String>,
    },
    /// The client leaves.
    Leave {
        /// Publish the will all the same.
        with_will: bool,
        /// A new expiry of the session, in seconds.
        session_expiry_s: Option<u32>,
    },
}

/// The acknowledgement a published message waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Quality 0: none.
    Nothing,
    /// PUBACK with this packet id.
    PubAck(u16),
    /// PUBREC with this packet id.
    PubRec(u16),
}

/// A step of quality 2 that a session which outlives the server must not forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The message that came under this id is complete: the id is free for another.
    Complete {
        /// Packet id of the client.
        id: u16,
    },
    /// This delivery has arrived: it must not be sent as a PUBLISH again.
    Arrived {
        /// Packet id of the server.
        id: u16,
        /// Its serial.
        serial: u64,
    },
}

/// What the store said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is on disk.
    Kept,
    /// There was no room: try again later.
    NoRoom,
    /// The client may not publish to this topic; it was not even asked.
    Denied,
}

/// An accepted connection and the session it serves.
#[derive(Debug)]
pub struct Connection {
    version: Version,
    session: Session,
    flight_max: usize,
    packet_bytes_max: usize,
    aliases: HashMap<u16, String>,
    /// Aliases defined towards the client.
    aliases_out: HashMap<Box<str>, u16>,
    aliases_out_max: u16,
    /// Messages of quality 1 and 2 from the client that are not acknowledged yet.
    unacknowledged: u16,
    /// Flights before this index were written on this connection.
    resent: usize,
    /// Bytes to write to the socket.
    pub output: BytesMut,
}

impl Connection {
    /// Begins to serve a session. Messages in flight are sent again by [`Connection::resend`].
    #[must_use]
    pub fn new(connect: &Connect, session: Session) -> Self {
        Self {
            version: connect.version,
            session,
            flight_max: usize::from(connect.receive_max.min(FLIGHT_MAX)),
            packet_bytes_max: connect.packet_bytes_max,
            aliases: HashMap::new(),
            aliases_out: HashMap::new(),
            aliases_out_max: connect.topic_alias_max.min(TOPIC_ALIAS_OUT_MAX),
            unacknowledged: 0,
            resent: 0,
            output: BytesMut::new(),
        }
    }

    /// Protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session, to be changed.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Ends the connection and gives the session back.
    #[must_use]
    pub fn into_session(self) -> Session {
        self.session
    }

    /// Takes one packet. An error ends the connection.
    pub fn receive(&mut self, frame: &Frame, now_ms: u64) -> Result<Action, Refusal> {
        match decode(self.version, frame)? {
            Packet::Publish(publish) => return self.receive_publish(publish, now_ms),
            Packet::PubAck { id } => self.receive_puback(id),
            Packet::PubRec { id, failed } => return Ok(self.receive_pubrec(id, failed)),
            Packet::PubRel { id } => return Ok(self.receive_pubrel(id)),
            Packet::PubComp { id } => self.end_flight(id),
            Packet::Subscribe { id, subscription_id, requests } => {
                return Ok(Action::Subscribe { packet_id: id, subscription_id, requests });
            }
            Packet::Unsubscribe { id, filters } => {
                return Ok(Action::Unsubscribe { packet_id: id, filters });
            }
            Packet::PingReq => reply::pingresp(self.version, &mut self.output),
            Packet::Disconnect { with_will, session_expiry_s } => {
                return Ok(Action::Leave { with_will, session_expiry_s });
            }
        }
        Ok(Action::None)
    }

    fn receive_publish(&mut self, mut publish: Publish, now_ms: u64) -> Result<Action, Refusal> {
        if let Some(alias) = publish.alias {
            publish.topic = self.resolve_alias(alias, publish.topic)?;
        }
        let awaited = match publish.qos {
            QoS::AtMostOnce => Awaited::Nothing,
            QoS::AtLeastOnce => Awaited::PubAck(publish.id),
            QoS::ExactlyOnce => match self.session.incoming.get(&publish.id) {
                Some(Receipt::Promised | Receipt::Completing) => {
                    reply::pubrec(self.version, publish.id, Verdict::Kept, &mut self.output);
                    return Ok(Action::None);
                }
                // Its PUBREC comes when the store answers.
                Some(Receipt::Storing) => return Ok(Action::None),
                None => {
                    self.session.incoming.insert(publish.id, Receipt::Storing);
                    Awaited::PubRec(publish.id)
                }
            },
        };
        if awaited != Awaited::Nothing {
            self.unacknowledged = self.unacknowledged.saturating_add(1);
            if self.version == Version::V5 && self.unacknowledged > RECEIVE_MAX {
                return Err(Refusal::new(
                    DisconnectReasonCode::ReceiveMaximumExceeded,
                    "more messages are unacknowledged than the receive maximum allows",
                ));
            }
        }
        let parts = Parts {
            topic: &publish.topic,
            payload: &publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            publisher: self.session.key(),
            expires_at_ms: publish.expiry_s.map(|s| now_ms.saturating_add(u64::from(s) * 1000)),
            properties: &publish.properties,
        };
        let message = Message::new(parts).ok_or(Refusal::malformed("message is too long"))?;
        Ok(Action::Publish(message, awaited))
    }

    fn resolve_alias(&mut self, alias: u16, topic: String) -> Result<String, Refusal> {
        if alias > TOPIC_ALIAS_MAX {
            return Err(Refusal::new(
                DisconnectReasonCode::TopicAliasInvalid,
                "topic alias is above the maximum",
            ));
        }
        if topic.is_empty() {
            return self
                .aliases
                .get(&alias)
                .cloned()
                .ok_or(Refusal::protocol("topic alias was not defined on this connection"));
        }
        self.aliases.insert(alias, topic.clone());
        Ok(topic)
    }

    /// Acknowledges one message the way the store decided. `Err` if a 3.1.1 client must be sent
    /// away, because its protocol has no word for "not kept".
    pub fn stored(&mut self, awaited: Awaited, stored: Stored) -> Result<(), Refusal> {
        if awaited == Awaited::Nothing {
            return Ok(());
        }
        let (verdict, version) = match (stored, self.version) {
            // 3.1.1 has no word for a refusal: the client would send it again for ever.
            (Stored::Kept, version) | (Stored::Denied, version @ Version::V4) => {
                (Verdict::Kept, version)
            }
            (Stored::Denied, Version::V5) => (Verdict::NotAuthorized, Version::V5),
            (Stored::NoRoom, Version::V5) => (Verdict::QuotaExceeded, Version::V5),
            (Stored::NoRoom, Version::V4) => {
                if let Awaited::PubRec(id) = awaited {
                    self.session.incoming.remove(&id);
                }
                return Err(NO_ROOM);
            }
        };
        match awaited {
            Awaited::Nothing => {}
            Awaited::PubAck(id) => {
                self.unacknowledged = self.unacknowledged.saturating_sub(1);
                reply::puback(version, id, verdict, &mut self.output);
            }
            Awaited::PubRec(id) => {
                if verdict == Verdict::Kept {
                    self.session.incoming.insert(id, Receipt::Promised);
                } else {
                    self.session.incoming.remove(&id);
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                }
                reply::pubrec(version, id, verdict, &mut self.output);
            }
        }
        Ok(())
    }

    /// Forgets that a message was being stored, because nobody knows whether it was: the client
    /// will send it again.
    pub fn abandoned(&mut self, awaited: Awaited) {
        if let Awaited::PubRec(id) = awaited {
            self.session.incoming.remove(&id);
        }
    }

    fn receive_pubrel(&mut self, id: u16) -> Action {
        match self.session.incoming.get(&id) {
            Some(Receipt::Promised) if self.session.is_kept() => {
                self.session.incoming.insert(id, Receipt::Completing);
                return Action::Note(Note::Complete { id });
            }
            Some(Receipt::Promised) => self.complete(id),
            // Its PUBCOMP comes when the store answers.
            Some(Receipt::Completing) => {}
            Some(Receipt::Storing) | None => {
                reply::pubcomp(self.version, id, false, &mut self.output);
            }
        }
        Action::None
    }

    fn complete(&mut self, id: u16) {
        self.session.incoming.remove(&id);
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
        reply::pubcomp(self.version, id, true, &mut self.output);
    }

    /// The store has noted a step: the client is told.
    pub fn noted(&mut self, note: Note) {
        match note {
            Note::Complete { id } => self.complete(id),
            Note::Arrived { id, serial } => {
                let flight = self.session.flights.iter_mut().find(|(flying, _)| *flying == id);
                if let Some((_, flight)) = flight
                    && *flight == Flight::Arrived(serial)
                {
                    *flight = Flight::Released(serial);
                    reply::pubrel(self.version, id, true, &mut self.output);
                }
            }
        }
    }

    /// Nobody knows whether a step was noted: the client will take it again.
    pub fn unnoted(&mut self, note: Note) {
        if let Note::Complete { id } = note {
            self.session.incoming.insert(id, Receipt::Promised);
        }
    }

    fn receive_puback(&mut self, id: u16) {
        let is_awaited = self.session.flights.iter().any(|(flying, flight)| {
            *flying == id
                && matches!(flight, Flight::Published(delivery) if delivery.qos == QoS::AtLeastOnce)
        });
        if is_awaited {
            self.end_flight(id);
        }
    }

    fn receive_pubrec(&mut self, id: u16, failed: bool) -> Action {
        let Some(index) = self.session.flight(id) else {
            if !failed {
                reply::pubrel(self.version, id, false, &mut self.output);
            }
            return Action::None;
        };
        match self.session.flights.get(index) {
            Some((_, Flight::Published(delivery))) if delivery.qos != QoS::ExactlyOnce => {}
            _ if failed => self.end_flight(id),
            // Its PUBREL comes when the store answers.
            Some((_, Flight::Arrived(_))) => {}
            _ => match self.session.arrive(index) {
                0 => reply::pubrel(self.version, id, true, &mut self.output),
                serial => return Action::Note(Note::Arrived { id, serial }),
            },
        }
        Action::None
    }

    fn end_flight(&mut self, id: u16) {
        if let Some(index) = self.session.flight(id) {
            self.session.end_flight(index);
            if index < self.resent {
                self.resent -= 1;
            }
        }
    }

    /// Answers a SUBSCRIBE: the code of each filter, then the retained messages it brings.
    pub fn subscribed(
        &mut self,
        packet_id: u16,
        codes: Vec<SubscribeReasonCode>,
        retained: Vec<Delivery>,
    ) {
        reply::suback(self.version, packet_id, codes, &mut self.output);
        self.session.retained.extend(retained);
    }

    /// Notes a subscription as the session's.
    pub fn own_filter(&mut self, filter: &str) {
        self.session.filters.insert(filter.to_owned());
    }

    /// Forgets a subscription.
    pub fn disown_filter(&mut self, filter: &str) {
        self.session.filters.remove(filter);
    }

    /// Retained messages that wait to be sent.
    #[must_use]
    pub fn retained_waiting(&self) -> usize {
        self.session.retained.len()
    }

    /// Answers an UNSUBSCRIBE.
    pub fn unsubscribed(&mut self, packet_id: u16, reasons: Vec<UnsubAckReason>) {
        reply::unsuback(self.version, packet_id, reasons, &mut self.output);
    }

    /// Whether another delivery may be given.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.output.len() < OUTPUT_BYTES_HIGH
            && self.session.flights.len() < self.flight_max
            && self.session.has_flight_room()
            && self.resent >= self.session.flights.len()
    }

    /// Writes what a session brings along: flights again, then retained messages; how many were
    /// written for the first time. To be called before deliveries are given.
    pub fn resend(&mut self, now_ms: u64) -> usize {
        while self.output.len() < OUTPUT_BYTES_HIGH && self.resent < self.session.flights.len() {
            self.resend_one(now_ms);
        }
        let mut written = 0;
        while self.has_room() {
            let Some(delivery) = self.session.retained.pop_front() else {
                break;
            };
            written += usize::from(self.deliver(delivery, now_ms));
        }
        written
    }

    fn resend_one(&mut self, now_ms: u64) {
        let Some((id, flight)) = self.session.flights.get(self.resent) else {
            return;
        };
        let id = *id;
        let is_written = match flight {
            // Whether the store knows or not, the client said that it has the message.
            Flight::Arrived(_) | Flight::Released(_) => {
                reply::pubrel(self.version, id, true, &mut self.output);
                true
            }
            Flight::Published(delivery) => {
                let writing = Writing {
                    version: self.version,
                    packet_id: id,
                    duplicate: true,
                    now_ms,
                    alias: Alias::None,
                    bytes_max: self.packet_bytes_max,
                };
                write_publish(delivery, writing, &mut self.output)
            }
        };
        if is_written {
            self.resent += 1;
        } else {
            self.session.end_flight(self.resent);
        }
    }

    /// Writes one message to the client, and says so. One that has expired, or is larger than the
    /// client takes, ends here, as the standard says.
    pub fn deliver(&mut self, delivery: Delivery, now_ms: u64) -> bool {
        if delivery.message.is_expired(now_ms) {
            self.session.end(delivery.serial);
            return false;
        }
        let has_id = delivery.qos != QoS::AtMostOnce;
        let alias = self.alias_of(delivery.message.topic());
        let writing = Writing {
            version: self.version,
            packet_id: if has_id { self.session.next_id(delivery.serial) } else { 0 },
            duplicate: has_id && delivery.is_again,
            now_ms,
            alias,
            bytes_max: self.packet_bytes_max,
        };
        let is_written = write_publish(&delivery, writing, &mut self.output);
        if is_written && let Alias::Define(alias) = alias {
            self.aliases_out.insert(delivery.message.topic().into(), alias);
        }
        if !is_written {
            self.session.end(delivery.serial);
        } else if has_id {
            self.session.begin_flight(writing.packet_id, delivery);
            self.resent = self.session.flights.len();
        }
        is_written
    }

    /// Ends a delivery that this client is not to see.
    pub fn withhold(&mut self, delivery: &Delivery) {
        self.session.end(delivery.serial);
    }

    /// What stands for a topic towards this client: the first topics it hears get a number.
    fn alias_of(&self, topic: &str) -> Alias {
        if self.aliases_out_max == 0 || self.version == Version::V4 {
            return Alias::None;
        }
        match self.aliases_out.get(topic) {
            Some(alias) => Alias::Use(*alias),
            None => match u16::try_from(self.aliases_out.len() + 1) {
                Ok(alias) if alias <= self.aliases_out_max => Alias::Define(alias),
                _ => Alias::None,
            },
        }
    }
}

/// Why a 3.1.1 client leaves when the store is full.
pub const NO_ROOM: Refusal =
    Refusal::new(DisconnectReasonCode::QuotaExceeded, "the message could not be kept");
