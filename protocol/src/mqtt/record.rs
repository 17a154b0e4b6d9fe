//! What the broker remembers across a restart, as bytes: keys and bodies of its documents.
//!
//! ```text
//! session       c client id      version u8 | session u64 | expiry_s u32 | absent_since_ms u64
//! subscription  s session filter version u8 | qos and flags u8 | identifier u32
//! delivery      session serial   version u8 | qos and flags u8 | count u8 | identifier u32 … | block
//! released      session serial   (empty)
//! open id       session id       (empty)
//! will          number           version u8 | qos and flags u8 | session u64 | due_ms u64 | delay_s
//!                                u32 | expiry u64 | client u16 … | topic u16 … | properties u32 …
//!                                | payload
//! ```
//!
//! Integers are big-endian. Times are milliseconds since 1970. A retained message is its topic and
//! its block.
//!
//! *Invariant.* What was encoded is decoded to the same; anything else is `None`, never a panic.
//!
//! *Not here.* Which of them are written when: the server.

use bytes::{BufMut, Bytes};
use rumqttd::protocol::QoS;

use super::connect::Will;
use super::message::{Delivery, Message};
use super::refusal::Refusal;
use super::tree::{SessionKey, Subscription};
use super::wire::Reader;

const VERSION: u8 = 1;
/// `expiry` of a will whose message does not expire.
const NEVER: u64 = u64::MAX;

/// A session as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its key.
    pub key: SessionKey,
    /// How long it outlives its connection, in seconds; `u32::MAX` means for ever.
    pub expiry_s: u32,
    /// Since when its client is absent, in milliseconds since 1970; 0 if it is not.
    pub absent_since_ms: u64,
}

/// A will as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WillRecord {
    /// The client that left it.
    pub client: String,
    /// The session that left it.
    pub key: SessionKey,
    /// When to publish it, in milliseconds since 1970; 0 while its client is connected.
    pub due_ms: u64,
    /// The will.
    pub will: Will,
}

/// Whose document a key of the sessions' collection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionDocument {
    /// A session, by its client identifier.
    Session(String),
    /// A subscription of a session, by its filter.
    Subscription(SessionKey, String),
}

/// The key of a session.
#[must_use]
pub fn session_key(client: &str) -> Vec<u8> {
    [b"c", client.as_bytes()].concat()
}

/// The key of a subscription.
#[must_use]
pub fn subscription_key(session: SessionKey, filter: &str) -> Vec<u8> {
    [b"s", &session.0.to_be_bytes()[..], filter.as_bytes()].concat()
}

/// The key of a delivery that waits.
#[must_use]
pub fn delivery_key(session: SessionKey, serial: u64) -> Vec<u8> {
    [session.0.to_be_bytes(), serial.to_be_bytes()].concat()
}

/// The key of an open id of quality 2.
#[must_use]
pub fn open_key(session: SessionKey, id: u16) -> Vec<u8> {
    [&session.0.to_be_bytes()[..], &id.to_be_bytes()].concat()
}

/// Reads a key of the sessions' collection.
#[must_use]
pub fn read_session_key(key: &[u8]) -> Option<SessionDocument> {
    let (first, rest) = key.split_first()?;
    match first {
        b'c' => Some(SessionDocument::Session(std::str::from_utf8(rest).ok()?.to_owned())),
        b's' => {
            let (session, filter) = rest.split_first_chunk::<8>()?;
            let filter = std::str::from_utf8(filter).ok()?.to_owned();
            Some(SessionDocument::Subscription(SessionKey(u64::from_be_bytes(*session)), filter))
        }
        _ => None,
    }
}

/// Reads the key of a delivery: session and serial.
#[must_use]
pub fn read_delivery_key(key: &[u8]) -> Option<(SessionKey, u64)> {
    let (session, serial) = key.split_first_chunk::<8>()?;
    Some((SessionKey(u64::from_be_bytes(*session)), u64::from_be_bytes(serial.try_into().ok()?)))
}

/// Reads the key of an open id.
#[must_use]
pub fn read_open_key(key: &[u8]) -> Option<(SessionKey, u16)> {
    let (session, id) = key.split_first_chunk::<8>()?;
    Some((SessionKey(u64::from_be_bytes(*session)), u16::from_be_bytes(id.try_into().ok()?)))
}

impl SessionRecord {
    /// The body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = vec![VERSION];
        body.put_u64(self.key.0);
        body.put_u32(self.expiry_s);
        body.put_u64(self.absent_since_ms);
        body
    }

    /// Reads a body.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let read = |reader: &mut Reader<'_>| {
            Ok(Self {
                key: SessionKey(reader.u64()?),
                expiry_s: reader.u32()?,
                absent_since_ms: reader.u64()?,
            })
        };
        whole(body, read)
    }
}

/// The body of a subscription.
#[must_use]
pub fn encode_subscription(subscription: &Subscription) -> Vec<u8> {
    let flags = subscription.qos as u8
        | u8::from(subscription.no_local) << 2
        | u8::from(subscription.retain_as_published) << 3;
    let mut body = vec![VERSION, flags];
    // An identifier is never 0.
    body.put_u32(subscription.id.unwrap_or(0));
    body
}

/// Reads the body of a subscription.
#[must_use]
pub fn decode_subscription(body: &[u8]) -> Option<Subscription> {
    whole(body, |reader| {
        let flags = reader.u8()?;
        let id = reader.u32()?;
        Ok(Subscription {
            qos: quality(flags)?,
            no_local: flags & 4 != 0,
            retain_as_published: flags & 8 != 0,
            id: (id != 0).then_some(id),
            since: 0,
        })
    })
}

/// The body of a delivery.
#[must_use]
pub fn encode_delivery(delivery: &Delivery) -> Vec<u8> {
    let block = delivery.message.block();
    // LIMIT: as many identifiers as a byte counts; a client that has more overlapping
    // subscriptions learns of these.
    let ids = delivery.subscription_ids.get(..255).unwrap_or(&delivery.subscription_ids);
    let mut body = Vec::with_capacity(3 + 4 * ids.len() + block.len());
    body.put_u8(VERSION);
    body.put_u8(delivery.qos as u8 | u8::from(delivery.retain) << 2);
    body.put_u8(u8::try_from(ids.len()).unwrap_or(u8::MAX));
    for id in ids {
        body.put_u32(*id);
    }
    body.put_slice(&block);
    body
}

/// Reads the body of a delivery, which is empty when only its PUBREL is owed: then there is none.
#[must_use]
pub fn decode_delivery(body: &[u8], serial: u64) -> Option<Delivery> {
    whole(body, |reader| {
        let flags = reader.u8()?;
        let mut subscription_ids = Vec::new();
        for _ in 0..reader.u8()? {
            subscription_ids.push(reader.u32()?);
        }
        let block = Bytes::copy_from_slice(reader.rest());
        Ok(Delivery {
            message: Message::from_block(block).ok_or(STRANGE)?,
            qos: quality(flags)?,
            retain: flags & 4 != 0,
            subscription_ids,
            serial,
            is_again: true,
        })
    })
}

impl WillRecord {
    /// The body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let will = &self.will;
        let mut body = vec![VERSION, will.qos as u8 | u8::from(will.retain) << 2];
        body.put_u64(self.key.0);
        body.put_u64(self.due_ms);
        body.put_u32(will.delay_s);
        body.put_u64(will.expiry_s.map_or(NEVER, u64::from));
        // Names came with a length of two bytes, properties fitted a packet.
        for name in [&self.client, &will.topic] {
            body.put_u16(u16::try_from(name.len()).unwrap_or(u16::MAX));
            body.put_slice(name.as_bytes());
        }
        body.put_u32(u32::try_from(will.properties.len()).unwrap_or(u32::MAX));
        body.put_slice(&will.properties);
        body.put_slice(&will.payload);
        body
    }

    /// Reads a body.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        whole(body, |reader| {
            let flags = reader.u8()?;
            let key = SessionKey(reader.u64()?);
            let due_ms = reader.u64()?;
            let delay_s = reader.u32()?;
            let expiry_s = match reader.u64()? {
                NEVER => None,
                seconds => Some(u32::try_from(seconds).map_err(|_too_long| STRANGE)?),
            };
            let client = reader.text()?.to_owned();
            let topic = reader.text()?.to_owned();
            let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
            let properties = reader.take(length)?.to_vec();
            let payload = Bytes::copy_from_slice(reader.rest());
            let qos = quality(flags)?;
            let retain = flags & 4 != 0;
            let will = Will { topic, payload, qos, retain, delay_s, expiry_s, properties };
            Ok(Self { client, key, due_ms, will })
        })
    }
}

/// What is read here is never told to a client.
const STRANGE: Refusal = Refusal::malformed("not a record of this broker");

fn quality(flags: u8) -> Result<QoS, Refusal> {
    rumqttd::protocol::qos(flags & 3).ok_or(STRANGE)
}

/// Reads a body of this version to its end.
fn whole<T>(body: &[u8], read: impl FnOnce(&mut Reader<'_>) -> Result<T, Refusal>) -> Option<T> {
    let mut reader = Reader::new(body);
    if reader.u8().ok()? != VERSION {
        return None;
    }
    let value = read(&mut reader).ok()?;
    reader.is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::Parts;

    fn delivery() -> Delivery {
        let message = Message::new(Parts {
            topic: "a/b",
            payload: b"1",
            qos: QoS::ExactlyOnce,
            retain: true,
            publisher: SessionKey(9),
            expires_at_ms: Some(7),
            properties: &[1, 1],
        });
        Delivery {
            message: message.unwrap(),
            qos: QoS::AtLeastOnce,
            retain: true,
            subscription_ids: vec![7, 300],
            serial: 5,
            is_again: true,
        }
    }

    fn will() -> WillRecord {
        let will = Will {
            topic: "Ü".to_owned(),
            payload: Bytes::from_static(b"gone"),
            qos: QoS::ExactlyOnce,
            retain: true,
            delay_s: 3,
            expiry_s: Some(u32::MAX),
            properties: vec![1, 1],
        };
        WillRecord { client: "c".to_owned(), key: SessionKey(3), due_ms: 4, will }
    }

    fn subscription() -> Subscription {
        Subscription {
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: false,
            id: Some(9),
            since: 0,
        }
    }

    const SESSION: SessionRecord =
        SessionRecord { key: SessionKey(u64::MAX), expiry_s: 5, absent_since_ms: 6 };

    #[test]
    fn records_come_back_as_they_were() {
        assert_eq!(SessionRecord::decode(&SESSION.encode()), Some(SESSION));
        let body = encode_subscription(&subscription());
        assert_eq!(decode_subscription(&body), Some(subscription()));
        assert_eq!(decode_delivery(&encode_delivery(&delivery()), 5), Some(delivery()));
        assert_eq!(WillRecord::decode(&will().encode()), Some(will()));
    }

    #[test]
    fn keys_come_back_as_they_were() {
        let client = SessionDocument::Session("c/1".to_owned());
        assert_eq!(read_session_key(&session_key("c/1")), Some(client));
        let subscribed = SessionDocument::Subscription(SessionKey(3), "a/#".to_owned());
        assert_eq!(read_session_key(&subscription_key(SessionKey(3), "a/#")), Some(subscribed));
        let delivered = (SessionKey(3), 4);
        assert_eq!(read_delivery_key(&delivery_key(SessionKey(3), 4)), Some(delivered));
        assert_eq!(read_open_key(&open_key(SessionKey(3), 4)), Some((SessionKey(3), 4)));
    }

    #[test]
    fn what_is_cut_or_of_another_version_is_nothing() {
        type Reads = fn(&[u8]) -> bool;
        let bodies: [(Vec<u8>, Reads); 3] = [
            (SESSION.encode(), |body| SessionRecord::decode(body).is_some()),
            (encode_subscription(&subscription()), |body| decode_subscription(body).is_some()),
            (encode_delivery(&delivery()), |body| decode_delivery(body, 1).is_some()),
        ];
        for (body, reads) in bodies {
            assert!(reads(&body));
            // What is left of a delivery may be one with a shorter payload.
            for end in 0..body.len().min(14) {
                assert!(!reads(&body[..end]), "{end} bytes");
            }
            let mut other = body.clone();
            other[0] = 2;
            assert!(!reads(&other));
        }
        let mut other = will().encode();
        other[0] = 2;
        assert_eq!(WillRecord::decode(&other), None);
        for key in [&b""[..], b"x", b"s123", b"c\xFF"] {
            assert_eq!(read_session_key(key), None);
            assert_eq!((read_delivery_key(key), read_open_key(key)), (None, None));
        }
    }
}
