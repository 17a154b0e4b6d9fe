//! A published message, from the socket of its sender to the sockets of its receivers.
//!
//! ```text
//! flags u8 | publisher u64 | expires_at_ms u64 | topic length u16 | properties length u32
//!   | topic | properties as MQTT 5 encodes them | payload
//! ```
//!
//! The block is made once, when the PUBLISH is read, and shared from then on: the bus carries it
//! as it is, queues count its length, and writing it out copies slices. It also frees the read
//! buffer, which a small payload would otherwise keep alive.
//!
//! *Invariant.* Every `Message` has a topic that is valid UTF-8 and parts that lie inside the
//! block; [`Message::from_block`] refuses anything else.
//!
//! *Not here.* Who receives it (`tree`); whether it was stored (the server).

use bytes::{BufMut, Bytes, BytesMut};
use rumqttd::protocol::QoS;

use super::packet::Version;
use super::properties::id;
use super::tree::SessionKey;
use super::wire::{put_varint, varint_bytes};

/// Bytes before the topic.
const HEAD_BYTES: usize = 1 + 8 + 8 + 2 + 4;
/// `expires_at_ms` of a message that never expires.
const NEVER: u64 = u64::MAX;

/// The parts a message is made of.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Topic name; at most 65,535 bytes.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// Quality of service of the sender.
    pub qos: QoS,
    /// Whether the sender asked to retain it.
    pub retain: bool,
    /// The sender's session.
    pub publisher: SessionKey,
    /// When it expires, in milliseconds of the server's monotonic clock.
    pub expires_at_ms: Option<u64>,
    /// Properties to hand on, encoded as in MQTT 5, without a length.
    pub properties: &'a [u8],
}

/// A published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    block: Bytes,
    topic_end: usize,
    properties_end: usize,
}

impl Message {
    /// Makes the block; `None` if a part is longer than MQTT allows.
    #[must_use]
    pub fn new(parts: Parts<'_>) -> Option<Self> {
        let topic_bytes = u16::try_from(parts.topic.len()).ok()?;
        let properties_bytes = u32::try_from(parts.properties.len()).ok()?;
        let total = HEAD_BYTES + parts.topic.len() + parts.properties.len() + parts.payload.len();
        let mut block = BytesMut::with_capacity(total);
        block.put_u8(parts.qos as u8 | u8::from(parts.retain) << 2);
        block.put_u64(parts.publisher.0);
        block.put_u64(parts.expires_at_ms.unwrap_or(NEVER));
        block.put_u16(topic_bytes);
        block.put_u32(properties_bytes);
        block.put_slice(parts.topic.as_bytes());
        block.put_slice(parts.properties);
        block.put_slice(parts.payload);
        Self::from_block(block.freeze())
    }

    /// Takes a block back; `None` if it is not one.
    #[must_use]
    pub fn from_block(block: Bytes) -> Option<Self> {
        let topic_bytes = u16::from_be_bytes(array(&block, 17)?);
        let properties_bytes = usize::try_from(u32::from_be_bytes(array(&block, 19)?)).ok()?;
        rumqttd::protocol::qos(block.first()? & 3)?;
        let topic_end = HEAD_BYTES + usize::from(topic_bytes);
        let properties_end = topic_end.checked_add(properties_bytes)?;
        if properties_end > block.len() {
            return None;
        }
        std::str::from_utf8(block.get(HEAD_BYTES..topic_end)?).ok()?;
        Some(Self { block, topic_end, properties_end })
    }

    /// The block, for the bus.
    #[must_use]
    pub fn block(&self) -> Bytes {
        self.block.clone()
    }

    /// Bytes this message takes in a queue.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.block.len()
    }

    fn flags(&self) -> u8 {
        self.block.first().copied().unwrap_or(0)
    }

    /// Quality of service of the sender.
    #[must_use]
    pub fn qos(&self) -> QoS {
        rumqttd::protocol::qos(self.flags() & 3).unwrap_or(QoS::AtMostOnce)
    }

    /// Whether the sender asked to retain it.
    #[must_use]
    pub fn retain(&self) -> bool {
        self.flags() & 4 != 0
    }

    /// The sender's session.
    #[must_use]
    pub fn publisher(&self) -> SessionKey {
        SessionKey(u64::from_be_bytes(array(&self.block, 1).unwrap_or_default()))
    }

    /// When it expires, in milliseconds of the server's clock.
    #[must_use]
    pub fn expires_at_ms(&self) -> Option<u64> {
        let at = u64::from_be_bytes(array(&self.block, 9)?);
        (at != NEVER).then_some(at)
    }

    /// Whether nobody is to see it any more.
    #[must_use]
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms().is_some_and(|at| at <= now_ms)
    }

    fn part(&self, from: usize, to: usize) -> &[u8] {
        self.block.get(from..to).unwrap_or_default()
    }

    /// Topic name.
    #[must_use]
    pub fn topic(&self) -> &str {
        std::str::from_utf8(self.part(HEAD_BYTES, self.topic_end)).unwrap_or_default()
    }

    /// Payload, sharing the block.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.block.slice(self.properties_end..)
    }
}

fn array<const N: usize>(block: &[u8], at: usize) -> Option<[u8; N]> {
    block.get(at..at + N)?.try_into().ok()
}

/// A message on its way to one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What to deliver.
    pub message: Message,
    /// The lesser of the sender's and the subscription's quality of service.
    pub qos: QoS,
    /// The retain flag the receiver is to see.
    pub retain: bool,
    /// Identifiers of the subscriptions that match, MQTT 5 only.
    pub subscription_ids: Vec<u32>,
    /// Its number in the queue that the store keeps for the session; 0 if it is not kept there.
    pub serial: u64,
    /// It may have been sent before: by a server that did not live to hear the answer.
    pub is_again: bool,
}

impl Delivery {
    /// Bytes this delivery takes in a queue, its own overhead included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.message.bytes() + size_of::<Self>() + 4 * self.subscription_ids.len()
    }
}

/// What stands for the topic of a PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alias {
    /// Its name.
    None,
    /// Its name, and this number from now on.
    Define(u16),
    /// This number.
    Use(u16),
}

/// How a PUBLISH is written to one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writing {
    pub(crate) version: Version,
    pub(crate) packet_id: u16,
    pub(crate) duplicate: bool,
    pub(crate) now_ms: u64,
    pub(crate) alias: Alias,
    /// The client's maximum packet size.
    pub(crate) bytes_max: usize,
}

/// Appends a PUBLISH packet, or returns `false` if it is larger than the client takes.
pub(crate) fn write_publish(delivery: &Delivery, writing: Writing, out: &mut BytesMut) -> bool {
    let message = &delivery.message;
    let topic = match writing.alias {
        Alias::Use(_) => &[],
        Alias::None | Alias::Define(_) => message.part(HEAD_BYTES, message.topic_end),
    };
    let payload = message.part(message.properties_end, message.block.len());
    let forwarded = message.part(message.topic_end, message.properties_end);
    let expiry_s = message.expires_at_ms().map(|at| {
        let left_s = at.saturating_sub(writing.now_ms).div_ceil(1000);
        u32::try_from(left_s).unwrap_or(u32::MAX)
    });
    let mut properties_bytes = 0;
    if writing.version == Version::V5 {
        let ids = delivery.subscription_ids.iter().map(|&id| 1 + varint_bytes(id as usize));
        properties_bytes =
            forwarded.len() + ids.sum::<usize>() + if expiry_s.is_some() { 5 } else { 0 };
        properties_bytes += if writing.alias == Alias::None { 0 } else { 3 };
    }
    let mut remaining = 2 + topic.len() + payload.len();
    if delivery.qos != QoS::AtMostOnce {
        remaining += 2;
    }
    if writing.version == Version::V5 {
        remaining += varint_bytes(properties_bytes) + properties_bytes;
    }
    if 1 + varint_bytes(remaining) + remaining > writing.bytes_max {
        return false;
    }
    out.reserve(5 + remaining);
    out.put_u8(
        0x30 | u8::from(writing.duplicate) << 3
            | (delivery.qos as u8) << 1
            | u8::from(delivery.retain),
    );
    put_varint(out, remaining);
    out.put_u16(u16::try_from(topic.len()).unwrap_or(u16::MAX));
    out.put_slice(topic);
    if delivery.qos != QoS::AtMostOnce {
        out.put_u16(writing.packet_id);
    }
    if writing.version == Version::V5 {
        put_varint(out, properties_bytes);
        out.put_slice(forwarded);
        if let Some(expiry_s) = expiry_s {
            out.put_u8(id::MESSAGE_EXPIRY);
            out.put_u32(expiry_s);
        }
        if let Alias::Define(alias) | Alias::Use(alias) = writing.alias {
            out.put_u8(id::TOPIC_ALIAS);
            out.put_u16(alias);
        }
        for &subscription in &delivery.subscription_ids {
            out.put_u8(id::SUBSCRIPTION_ID);
            put_varint(out, subscription as usize);
        }
    }
    out.put_slice(payload);
    true
}
