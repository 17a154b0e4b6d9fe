//! The packets a connected client sends, read from frames.
//!
//! *Invariant.* A packet that is returned obeys every rule of the standard that can be checked
//! without knowing the connection's past.
//!
//! *Not here.* CONNECT (`connect`), what a packet means for the session (`connection`), and the
//! packets a server sends (`reply`).

use bytes::Bytes;
use rumqttd::protocol::{DisconnectReasonCode, QoS, RetainForwardRule};

use super::filter::is_topic;
use super::frame::{Frame, kind};
use super::limits::SUBSCRIPTIONS_MAX;
use super::properties::{Place, Properties};
use super::refusal::Refusal;
use super::wire::Reader;

/// Protocol version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
}

/// A packet from a connected client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Publish(Publish),
    PubAck { id: u16 },
    PubRec { id: u16, failed: bool },
    PubRel { id: u16 },
    PubComp { id: u16 },
    Subscribe { id: u16, subscription_id: Option<u32>, requests: Vec<Request> },
    Unsubscribe { id: u16, filters: Vec<String> },
    PingReq,
    Disconnect { with_will: bool, session_expiry_s: Option<u32> },
}

/// PUBLISH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) retain: bool,
    pub(crate) qos: QoS,
    /// 0 with quality of service 0.
    pub(crate) id: u16,
    /// Empty only if there is an alias.
    pub(crate) topic: String,
    pub(crate) alias: Option<u16>,
    pub(crate) expiry_s: Option<u32>,
    pub(crate) properties: Vec<u8>,
    pub(crate) payload: Bytes,
}

/// One filter of a SUBSCRIBE. The filter itself is not yet checked: a wrong one is refused in the
/// SUBACK, the others stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Topic filter.
    pub filter: String,
    /// Requested quality of service.
    pub qos: QoS,
    /// Do not deliver what this client publishes itself.
    pub no_local: bool,
    /// Keep the retain flag as it was published.
    pub retain_as_published: bool,
    /// When to send retained messages.
    pub retain_rule: RetainForwardRule,
}

/// Reads the packet in a frame.
pub(crate) fn decode(version: Version, frame: &Frame) -> Result<Packet, Refusal> {
    let mut reader = Reader::new(&frame.body);
    let packet = match frame.header >> 4 {
        kind::PUBLISH => return publish(version, frame).map(Packet::Publish),
        kind::PUBACK => Packet::PubAck { id: ack(version, &mut reader)?.0 },
        kind::PUBREC => {
            let (id, reason) = ack(version, &mut reader)?;
            Packet::PubRec { id, failed: reason >= 0x80 }
        }
        kind::PUBREL => Packet::PubRel { id: ack(version, &mut reader)?.0 },
        kind::PUBCOMP => Packet::PubComp { id: ack(version, &mut reader)?.0 },
        kind::SUBSCRIBE => subscribe(version, &mut reader)?,
        kind::UNSUBSCRIBE => unsubscribe(version, &mut reader)?,
        kind::PINGREQ => Packet::PingReq,
        kind::DISCONNECT => disconnect(version, &mut reader)?,
        kind::CONNECT => return Err(Refusal::protocol("second CONNECT")),
        _ => return Err(Refusal::protocol("packet type is not for clients to send")),
    };
    if reader.is_empty() {
        Ok(packet)
    } else {
        Err(Refusal::malformed("packet is longer than its fields"))
    }
}

fn publish(version: Version, frame: &Frame) -> Result<Publish, Refusal> {
    let mut reader = Reader::new(&frame.body);
    let qos = rumqttd::protocol::qos((frame.header >> 1) & 3)
        .ok_or(Refusal::malformed("quality of service is 3"))?;
    let topic = reader.text()?;
    let id = if qos == QoS::AtMostOnce { 0 } else { reader.packet_id()? };
    let properties = match version {
        Version::V4 => Properties::default(),
        Version::V5 => Properties::read(&mut reader, Place::Publish)?,
    };
    let is_aliased = topic.is_empty() && properties.topic_alias.is_some();
    if !is_topic(topic) && !is_aliased {
        return Err(if topic.is_empty() {
            Refusal::protocol("topic name is empty")
        } else {
            Refusal::new(DisconnectReasonCode::TopicNameInvalid, "topic name has a wildcard")
        });
    }
    let payload_start = frame.body.len() - reader.len();
    Ok(Publish {
        retain: frame.header & 1 != 0,
        qos,
        id,
        topic: topic.to_owned(),
        alias: properties.topic_alias,
        expiry_s: properties.message_expiry_s,
        properties: properties.forwarded,
        payload: frame.body.slice(payload_start..),
    })
}

/// Packet id and reason code of PUBACK, PUBREC, PUBREL and PUBCOMP.
fn ack(version: Version, reader: &mut Reader<'_>) -> Result<(u16, u8), Refusal> {
    let id = reader.packet_id()?;
    if version == Version::V4 || reader.is_empty() {
        return Ok((id, 0));
    }
    let reason = reader.u8()?;
    if !reader.is_empty() {
        Properties::read(reader, Place::Ack)?;
    }
    Ok((id, reason))
}

fn subscribe(version: Version, reader: &mut Reader<'_>) -> Result<Packet, Refusal> {
    let id = reader.packet_id()?;
    let subscription_id = match version {
        Version::V4 => None,
        Version::V5 => Properties::read(reader, Place::Subscribe)?.subscription_id,
    };
    let mut requests = Vec::new();
    while !reader.is_empty() {
        check_count(requests.len())?;
        let filter = reader.text()?.to_owned();
        requests.push(request(version, filter, reader.u8()?)?);
    }
    if requests.is_empty() {
        return Err(Refusal::protocol("SUBSCRIBE without a filter"));
    }
    Ok(Packet::Subscribe { id, subscription_id, requests })
}

/// Whether a packet may have one filter more than this many.
fn check_count(filters: usize) -> Result<(), Refusal> {
    if filters < SUBSCRIPTIONS_MAX {
        return Ok(());
    }
    Err(Refusal::new(DisconnectReasonCode::QuotaExceeded, "packet has too many filters"))
}

fn request(version: Version, filter: String, options: u8) -> Result<Request, Refusal> {
    let reserved = match version {
        Version::V4 => 0xFC,
        Version::V5 => 0xC0,
    };
    if options & reserved != 0 {
        return Err(Refusal::malformed("reserved subscription options are set"));
    }
    let qos =
        rumqttd::protocol::qos(options & 3).ok_or(Refusal::malformed("quality of service is 3"))?;
    let no_local = options & 4 != 0;
    if no_local && filter.starts_with("$share/") {
        return Err(Refusal::protocol("no local on a shared subscription"));
    }
    let retain_rule = match (options >> 4) & 3 {
        0 => RetainForwardRule::OnEverySubscribe,
        1 => RetainForwardRule::OnNewSubscribe,
        2 => RetainForwardRule::Never,
        _ => return Err(Refusal::protocol("retain handling is 3")),
    };
    Ok(Request { filter, qos, no_local, retain_as_published: options & 8 != 0, retain_rule })
}

fn unsubscribe(version: Version, reader: &mut Reader<'_>) -> Result<Packet, Refusal> {
    let id = reader.packet_id()?;
    if version == Version::V5 {
        Properties::read(reader, Place::Unsubscribe)?;
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        check_count(filters.len())?;
        filters.push(reader.text()?.to_owned());
    }
    if filters.is_empty() {
        return Err(Refusal::protocol("UNSUBSCRIBE without a filter"));
    }
    Ok(Packet::Unsubscribe { id, filters })
}

fn disconnect(version: Version, reader: &mut Reader<'_>) -> Result<Packet, Refusal> {
    if version == Version::V4 || reader.is_empty() {
        return Ok(Packet::Disconnect { with_will: false, session_expiry_s: None });
    }
    let reason = reader.u8()?;
    let session_expiry_s = if reader.is_empty() {
        None
    } else {
        Properties::read(reader, Place::Disconnect)?.session_expiry_s
    };
    // Anything but a normal disconnection publishes the will.
    Ok(Packet::Disconnect { with_will: reason != 0, session_expiry_s })
}
