//! The property block of MQTT 5 packets.
//!
//! ```text
//! length varint | (identifier u8, value)…
//! ```
//!
//! *Invariant.* A block that passes contains only properties a client may send in that packet,
//! each at most once (user properties aside), each with a value the standard allows, and ends
//! exactly where its length says.
//!
//! Why not the codec of rumqttd: it accepts duplicates, values out of range and blocks that end
//! elsewhere than their length says, and panics nowhere only by luck.
//!
//! Identifiers and places: MQTT 5.0, table 2-4.

use super::refusal::Refusal;
use super::wire::{Reader, VARINT_MAX};

/// Where a block stands; decides which properties may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// CONNECT, variable header.
    Connect,
    /// CONNECT, will.
    Will,
    /// PUBLISH.
    Publish,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    Ack,
    /// SUBSCRIBE.
    Subscribe,
    /// UNSUBSCRIBE.
    Unsubscribe,
    /// DISCONNECT.
    Disconnect,
}

/// What a block said, as far as the broker acts on it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Properties {
    pub(crate) session_expiry_s: Option<u32>,
    pub(crate) receive_max: Option<u16>,
    pub(crate) packet_bytes_max: Option<u32>,
    pub(crate) authentication: bool,
    pub(crate) subscription_id: Option<u32>,
    pub(crate) topic_alias: Option<u16>,
    pub(crate) topic_alias_max: Option<u16>,
    pub(crate) will_delay_s: Option<u32>,
    pub(crate) message_expiry_s: Option<u32>,
    /// The encoded properties that travel on with a message as they are: payload format, content
    /// type, response topic, correlation data, user properties.
    pub(crate) forwarded: Vec<u8>,
}

impl Properties {
    /// Reads a block with its length.
    pub(crate) fn read(reader: &mut Reader<'_>, place: Place) -> Result<Self, Refusal> {
        let length = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        let mut block = Reader::new(reader.take(length)?);
        let mut properties = Self::default();
        let mut seen = 0u64;
        while !block.is_empty() {
            let start = block;
            let id = block.u8()?;
            if !may_stand_in(id, place) {
                return Err(Refusal::protocol("property does not belong into this packet"));
            }
            let bit = 1u64 << (id & 63);
            if seen & bit != 0 && id != id::USER {
                return Err(Refusal::protocol("property is given twice"));
            }
            seen |= bit;
            properties.read_value(id, &mut block)?;
            if is_forwarded(id) {
                let used = start.len() - block.len();
                properties.forwarded.extend_from_slice(Reader::take(&mut { start }, used)?);
            }
        }
        if seen & (1 << id::AUTHENTICATION_DATA) != 0 && !properties.authentication {
            return Err(Refusal::protocol("authentication data without a method"));
        }
        Ok(properties)
    }

    fn read_value(&mut self, id: u8, block: &mut Reader<'_>) -> Result<(), Refusal> {
        match id {
            id::PAYLOAD_FORMAT | id::REQUEST_PROBLEM | id::REQUEST_RESPONSE => {
                if block.u8()? > 1 {
                    return Err(Refusal::protocol("property is neither 0 nor 1"));
                }
            }
            id::MESSAGE_EXPIRY => self.message_expiry_s = Some(block.u32()?),
            id::SESSION_EXPIRY => self.session_expiry_s = Some(block.u32()?),
            id::WILL_DELAY => self.will_delay_s = Some(block.u32()?),
            id::PACKET_BYTES_MAX => self.packet_bytes_max = Some(not_zero(block.u32()?)?),
            id::RECEIVE_MAX => self.receive_max = Some(not_zero(block.u16()?)?),
            id::TOPIC_ALIAS => match block.u16()? {
                0 => {
                    return Err(Refusal::new(
                        rumqttd::protocol::DisconnectReasonCode::TopicAliasInvalid,
                        "topic alias is 0",
                    ));
                }
                alias => self.topic_alias = Some(alias),
            },
            id::TOPIC_ALIAS_MAX => self.topic_alias_max = Some(block.u16()?),
            id::SUBSCRIPTION_ID => self.subscription_id = Some(not_zero(block.varint()?)?),
            id::CORRELATION_DATA | id::AUTHENTICATION_DATA => {
                block.binary()?;
            }
            id::RESPONSE_TOPIC => {
                if !super::filter::is_topic(block.text()?) {
                    return Err(Refusal::protocol("response topic is not a topic name"));
                }
            }
            id::AUTHENTICATION_METHOD => {
                block.text()?;
                self.authentication = true;
            }
            id::USER => {
                block.text()?;
                block.text()?;
            }
            // Content type and reason string.
            _ => {
                block.text()?;
            }
        }
        Ok(())
    }
}

fn not_zero<T: Default + PartialEq>(value: T) -> Result<T, Refusal> {
    if value == T::default() { Err(Refusal::protocol("property is 0")) } else { Ok(value) }
}

const fn is_forwarded(id: u8) -> bool {
    matches!(
        id,
        id::PAYLOAD_FORMAT
            | id::CONTENT_TYPE
            | id::RESPONSE_TOPIC
            | id::CORRELATION_DATA
            | id::USER
    )
}

const fn may_stand_in(id: u8, place: Place) -> bool {
    use Place::{Ack, Connect, Disconnect, Publish, Subscribe, Will};
    match id {
        id::PAYLOAD_FORMAT
        | id::MESSAGE_EXPIRY
        | id::CONTENT_TYPE
        | id::RESPONSE_TOPIC
        | id::CORRELATION_DATA => matches!(place, Publish | Will),
        id::SUBSCRIPTION_ID => matches!(place, Subscribe),
        id::SESSION_EXPIRY => matches!(place, Connect | Disconnect),
        id::AUTHENTICATION_METHOD
        | id::AUTHENTICATION_DATA
        | id::REQUEST_PROBLEM
        | id::REQUEST_RESPONSE
        | id::RECEIVE_MAX
        | id::TOPIC_ALIAS_MAX
        | id::PACKET_BYTES_MAX => matches!(place, Connect),
        id::WILL_DELAY => matches!(place, Will),
        id::REASON_STRING => matches!(place, Ack | Disconnect),
        id::TOPIC_ALIAS => matches!(place, Publish),
        id::USER => true,
        _ => false,
    }
}

/// Property identifiers, MQTT 5.0 table 2-4.
pub(crate) mod id {
    pub(crate) const PAYLOAD_FORMAT: u8 = 0x01;
    pub(crate) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(crate) const CONTENT_TYPE: u8 = 0x03;
    pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
    pub(crate) const CORRELATION_DATA: u8 = 0x09;
    pub(crate) const SUBSCRIPTION_ID: u8 = 0x0B;
    pub(crate) const SESSION_EXPIRY: u8 = 0x11;
    pub(crate) const AUTHENTICATION_METHOD: u8 = 0x15;
    pub(crate) const AUTHENTICATION_DATA: u8 = 0x16;
    pub(crate) const REQUEST_PROBLEM: u8 = 0x17;
    pub(crate) const WILL_DELAY: u8 = 0x18;
    pub(crate) const REQUEST_RESPONSE: u8 = 0x19;
    pub(crate) const REASON_STRING: u8 = 0x1F;
    pub(crate) const RECEIVE_MAX: u8 = 0x21;
    pub(crate) const TOPIC_ALIAS_MAX: u8 = 0x22;
    pub(crate) const TOPIC_ALIAS: u8 = 0x23;
    pub(crate) const USER: u8 = 0x26;
    pub(crate) const PACKET_BYTES_MAX: u8 = 0x27;
}

// A property block is never longer than a varint can say.
const _: () = assert!(super::limits::PACKET_BYTES_MAX < VARINT_MAX);
