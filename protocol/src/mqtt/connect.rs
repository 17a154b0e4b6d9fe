//! CONNECT: who comes, with which version, and what for.
//!
//! *Invariant.* A `Connect` obeys every rule of its version; what breaks a rule is either answered
//! by a CONNACK of that version or, where the standard forbids an answer, by closing.
//!
//! *Not here.* Whether the client may come in (rights), and sessions.
//!
//! Why not the codec of rumqttd: it refuses passwords that are not UTF-8, ignores trailing bytes
//! and the reserved flag, and cannot tell a wrong version from a wrong packet.

use bytes::Bytes;
use rumqttd::protocol::{ConnectReturnCode, DisconnectReasonCode, QoS};

use super::filter::is_topic;
use super::frame::{Frame, kind};
use super::limits::{CLIENT_ID_BYTES_MAX, FLIGHT_MAX};
use super::message::{Message, Parts};
use super::packet::Version;
use super::properties::{Place, Properties};
use super::refusal::Refusal;
use super::tree::SessionKey;
use super::wire::Reader;

/// A CONNECT that obeys the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Protocol version of the connection from here on.
    pub version: Version,
    /// Client identifier; empty if the server is to choose one.
    pub client_id: String,
    /// Forget what was before.
    pub clean_start: bool,
    /// Keep-alive in seconds; 0 means none.
    pub keep_alive_s: u16,
    /// How long the session outlives the connection, in seconds; `u32::MAX` means for ever.
    pub session_expiry_s: u32,
    /// Messages of quality 1 and 2 the client takes unacknowledged.
    pub receive_max: u16,
    /// Largest packet the client takes, in bytes.
    pub packet_bytes_max: usize,
    /// Topic aliases the client lets the server define.
    pub topic_alias_max: u16,
    /// What to publish if the client vanishes.
    pub will: Option<Will>,
    /// User name.
    pub user: Option<String>,
    /// Password: bytes, not text.
    pub password: Option<Bytes>,
}

/// The message to publish when a connection ends without a DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Seconds to wait before publishing it.
    pub delay_s: u32,
    /// Seconds it lives once published.
    pub expiry_s: Option<u32>,
    /// Properties to hand on, encoded as in MQTT 5.
    pub properties: Vec<u8>,
}

impl Will {
    /// The message to publish.
    #[must_use]
    pub fn message(&self, publisher: SessionKey, now_ms: u64) -> Option<Message> {
        Message::new(Parts {
            topic: &self.topic,
            payload: &self.payload,
            qos: self.qos,
            retain: self.retain,
            publisher,
            expires_at_ms: self.expiry_s.map(|s| now_ms.saturating_add(u64::from(s) * 1000)),
            properties: &self.properties,
        })
    }
}

/// Why a CONNECT is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Close without an answer: the other side does not speak MQTT, or broke a rule of 3.1.1.
    #[error("{0}")]
    Silent(&'static str),
    /// Answer with this code in the CONNACK format of this version, then close.
    #[error("{message}")]
    Answer {
        /// Format of the CONNACK.
        version: Version,
        /// Reason.
        code: ConnectReturnCode,
        /// What was wrong.
        message: &'static str,
    },
}

/// Reads the first packet of a connection.
pub fn read_connect(frame: &Frame) -> Result<Connect, ConnectError> {
    if frame.header >> 4 != kind::CONNECT {
        return Err(ConnectError::Silent("first packet is not CONNECT"));
    }
    let mut reader = Reader::new(&frame.body);
    let version = read_version(&mut reader)?;
    read_rest(version, &mut reader).map_err(|refusal| match version {
        Version::V4 => ConnectError::Silent(refusal.message),
        Version::V5 => ConnectError::Answer {
            version,
            code: match refusal.reason {
                DisconnectReasonCode::ProtocolError => ConnectReturnCode::ProtocolError,
                _ => ConnectReturnCode::MalformedPacket,
            },
            message: refusal.message,
        },
    })?
}

fn read_version(reader: &mut Reader<'_>) -> Result<Version, ConnectError> {
    let silent = |refusal: Refusal| ConnectError::Silent(refusal.message);
    let name = reader.text().map_err(silent)?;
    let level = reader.u8().map_err(silent)?;
    match (name, level) {
        ("MQTT", 4) => Ok(Version::V4),
        ("MQTT", 5) => Ok(Version::V5),
        ("MQTT", 6..=0x7F) => Err(ConnectError::Answer {
            version: Version::V5,
            code: ConnectReturnCode::UnsupportedProtocolVersion,
            message: "protocol version is neither 3.1.1 nor 5",
        }),
        ("MQTT", _) | ("MQIsdp", 3) => Err(ConnectError::Answer {
            version: Version::V4,
            code: ConnectReturnCode::RefusedProtocolVersion,
            message: "protocol version is neither 3.1.1 nor 5",
        }),
        _ => Err(ConnectError::Silent("protocol name is not MQTT")),
    }
}

/// Everything after the version. The outer error breaks a rule of the format, the inner one is a
/// well-formed wish that cannot be granted.
fn read_rest(
    version: Version,
    reader: &mut Reader<'_>,
) -> Result<Result<Connect, ConnectError>, Refusal> {
    let flags = reader.u8()?;
    check_flags(version, flags)?;
    let clean_start = flags & 0x02 != 0;
    let keep_alive_s = reader.u16()?;
    let properties = match version {
        Version::V4 => Properties::default(),
        Version::V5 => Properties::read(reader, Place::Connect)?,
    };
    let client_id = reader.text()?.to_owned();
    let will = if flags & 0x04 == 0 { None } else { Some(read_will(version, flags, reader)?) };
    let user = if flags & 0x80 == 0 { None } else { Some(reader.text()?.to_owned()) };
    let password = match flags & 0x40 {
        0 => None,
        _ => Some(Bytes::copy_from_slice(reader.binary()?)),
    };
    if !reader.is_empty() {
        return Err(Refusal::malformed("packet is longer than its fields"));
    }
    let session_expiry_s = match version {
        Version::V4 if clean_start => 0,
        Version::V4 => u32::MAX,
        Version::V5 => properties.session_expiry_s.unwrap_or(0),
    };
    let connect = Connect {
        version,
        client_id,
        clean_start,
        keep_alive_s,
        session_expiry_s,
        receive_max: properties.receive_max.unwrap_or(FLIGHT_MAX),
        packet_bytes_max: properties
            .packet_bytes_max
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(usize::MAX),
        topic_alias_max: properties.topic_alias_max.unwrap_or(0),
        will,
        user,
        password,
    };
    Ok(check_wishes(connect, properties.authentication))
}

fn check_flags(version: Version, flags: u8) -> Result<(), Refusal> {
    if flags & 0x01 != 0 {
        return Err(Refusal::malformed("reserved connect flag is set"));
    }
    if flags & 0x04 == 0 && flags & 0x38 != 0 {
        return Err(Refusal::malformed("will flags without a will"));
    }
    if flags & 0x18 == 0x18 {
        return Err(Refusal::malformed("quality of service of the will is 3"));
    }
    if version == Version::V4 && flags & 0xC0 == 0x40 {
        return Err(Refusal::malformed("password without a user name"));
    }
    Ok(())
}

fn read_will(version: Version, flags: u8, reader: &mut Reader<'_>) -> Result<Will, Refusal> {
    let properties = match version {
        Version::V4 => Properties::default(),
        Version::V5 => Properties::read(reader, Place::Will)?,
    };
    let topic = reader.text()?.to_owned();
    if !is_topic(&topic) {
        return Err(Refusal::malformed("will topic is not a topic name"));
    }
    Ok(Will {
        topic,
        payload: Bytes::copy_from_slice(reader.binary()?),
        qos: rumqttd::protocol::qos((flags >> 3) & 3)
            .ok_or(Refusal::malformed("quality of service of the will is 3"))?,
        retain: flags & 0x20 != 0,
        delay_s: properties.will_delay_s.unwrap_or(0),
        expiry_s: properties.message_expiry_s,
        properties: properties.forwarded,
    })
}

fn check_wishes(connect: Connect, authentication: bool) -> Result<Connect, ConnectError> {
    let version = connect.version;
    if authentication {
        return Err(ConnectError::Answer {
            version,
            code: ConnectReturnCode::BadAuthenticationMethod,
            message: "enhanced authentication is not offered",
        });
    }
    let is_nameless_guest =
        version == Version::V4 && connect.client_id.is_empty() && !connect.clean_start;
    if is_nameless_guest || connect.client_id.len() > CLIENT_ID_BYTES_MAX {
        return Err(ConnectError::Answer {
            version,
            code: ConnectReturnCode::ClientIdentifierNotValid,
            message: "client identifier is not accepted",
        });
    }
    Ok(connect)
}
