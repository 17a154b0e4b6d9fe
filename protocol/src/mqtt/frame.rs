//! Packets cut out of a stream of bytes.
//!
//! ```text
//! type and flags u8 | remaining length varint | body
//! ```
//!
//! *Invariant.* At most one packet of [`PACKET_BYTES_MAX`] is buffered: a longer one is refused
//! when its length is known, before its body arrives; a type or flag a client may not send is
//! refused at its first byte.
//!
//! A remaining length that is not in its shortest form is accepted: small devices write four
//! bytes always, and nothing is gained by sending them away.

use bytes::{Buf, Bytes, BytesMut};
use rumqttd::protocol::DisconnectReasonCode;

use super::limits::PACKET_BYTES_MAX;
use super::refusal::Refusal;

/// One packet: its first byte and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Packet type (high four bits) and flags.
    pub header: u8,
    /// Everything after the remaining length.
    pub body: Bytes,
}

/// Bytes of one connection that are not yet packets.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// Where the socket writes to.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether a packet has begun and not ended.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next whole packet, or `None` until more bytes are there.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Refusal> {
        let Some((&header, rest)) = self.buffer.split_first() else {
            return Ok(None);
        };
        check_header(header)?;
        let Some((length, length_bytes)) = remaining_length(rest)? else {
            return Ok(None);
        };
        if length > PACKET_BYTES_MAX {
            return Err(Refusal::new(
                DisconnectReasonCode::PacketTooLarge,
                "packet is larger than this broker takes",
            ));
        }
        let head = 1 + length_bytes;
        if self.buffer.len() < head + length {
            return Ok(None);
        }
        self.buffer.advance(head);
        let body = self.buffer.split_to(length).freeze();
        Ok(Some(Frame { header, body }))
    }
}

/// Length and the bytes it took, or `None` if it has not ended yet.
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Refusal> {
    let mut length = 0usize;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 1)));
        }
    }
    if bytes.len() >= 4 {
        return Err(Refusal::malformed("remaining length is longer than 4 bytes"));
    }
    Ok(None)
}

/// Packet types of MQTT 3.1.1 and 5, table 2-1.
pub(crate) mod kind {
    pub(crate) const CONNECT: u8 = 1;
    pub(crate) const PUBLISH: u8 = 3;
    pub(crate) const PUBACK: u8 = 4;
    pub(crate) const PUBREC: u8 = 5;
    pub(crate) const PUBREL: u8 = 6;
    pub(crate) const PUBCOMP: u8 = 7;
    pub(crate) const SUBSCRIBE: u8 = 8;
    pub(crate) const UNSUBSCRIBE: u8 = 10;
    pub(crate) const PINGREQ: u8 = 12;
    pub(crate) const DISCONNECT: u8 = 14;
    pub(crate) const AUTH: u8 = 15;
}

fn check_header(header: u8) -> Result<(), Refusal> {
    let flags = header & 0x0F;
    let wanted = match header >> 4 {
        kind::PUBLISH => {
            let qos = (flags >> 1) & 3;
            let dup = flags & 8 != 0;
            if qos == 3 {
                return Err(Refusal::malformed("quality of service is 3"));
            }
            if qos == 0 && dup {
                return Err(Refusal::malformed("duplicate flag with quality of service 0"));
            }
            return Ok(());
        }
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => 2,
        kind::CONNECT
        | kind::PUBACK
        | kind::PUBREC
        | kind::PUBCOMP
        | kind::PINGREQ
        | kind::DISCONNECT => 0,
        kind::AUTH => {
            return Err(Refusal::protocol("enhanced authentication is not offered"));
        }
        0 => return Err(Refusal::malformed("packet type is 0")),
        _ => return Err(Refusal::protocol("packet type is not for clients to send")),
    };
    if flags == wanted { Ok(()) } else { Err(Refusal::malformed("reserved flags are set")) }
}
