//! The packets a server sends, except PUBLISH, written by the codec of rumqttd.
//!
//! *Invariant.* Nothing here meets a branch of that codec that panics or writes wrong bytes: no
//! properties for 3.1.1, only the six CONNACK codes 3.1.1 knows, and a DISCONNECT always with a
//! reason string (without properties the codec writes one byte more than it announced).

use bytes::BytesMut;
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{
    ConnAck, ConnAckProperties, ConnectReturnCode, Disconnect, DisconnectProperties, Packet,
    PingResp, Protocol, PubAck, PubAckReason, PubComp, PubCompReason, PubRec, PubRecReason, PubRel,
    PubRelReason, SubAck, SubscribeReasonCode, UnsubAck, UnsubAckReason,
};

use super::limits::{PACKET_BYTES_MAX, RECEIVE_MAX, TOPIC_ALIAS_MAX};
use super::packet::Version;
use super::refusal::Refusal;

fn write(version: Version, packet: Packet, out: &mut BytesMut) {
    let start = out.len();
    let written = match version {
        Version::V4 => V4.write(packet, out),
        Version::V5 => V5.write(packet, out),
    };
    if written.is_err() {
        // Only a packet above 256 MB fails, and no reply is that long: half a packet is worse
        // than none.
        out.truncate(start);
    }
}

/// What an accepted client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The session was there before.
    pub session_present: bool,
    /// The identifier the server chose for a client without one.
    pub assigned_client_id: Option<String>,
    /// How long the session will really live, if that is not what was asked for.
    pub session_expiry_s: Option<u32>,
    /// The keep-alive in seconds that holds, if that is not what was asked for.
    pub keep_alive_s: Option<u16>,
}

/// CONNACK that accepts.
pub fn accept(version: Version, welcome: Welcome, out: &mut BytesMut) {
    let ack =
        ConnAck { session_present: welcome.session_present, code: ConnectReturnCode::Success };
    let properties = match version {
        Version::V4 => None,
        Version::V5 => Some(ConnAckProperties {
            session_expiry_interval: welcome.session_expiry_s,
            receive_max: Some(RECEIVE_MAX),
            max_packet_size: u32::try_from(PACKET_BYTES_MAX).ok(),
            assigned_client_identifier: welcome.assigned_client_id,
            topic_alias_max: Some(TOPIC_ALIAS_MAX),
            server_keep_alive: welcome.keep_alive_s,
            ..ConnAckProperties::default()
        }),
    };
    write(version, Packet::ConnAck(ack, properties), out);
}

/// CONNACK that refuses; a code 3.1.1 does not know becomes the nearest it knows.
pub fn refuse(version: Version, code: ConnectReturnCode, message: &str, out: &mut BytesMut) {
    let (code, properties) = match version {
        Version::V4 => (v4_code(code), None),
        Version::V5 => {
            let reason_string = Some(message.to_owned());
            (v5_code(code), Some(ConnAckProperties { reason_string, ..Default::default() }))
        }
    };
    write(version, Packet::ConnAck(ConnAck { session_present: false, code }, properties), out);
}

fn v4_code(code: ConnectReturnCode) -> ConnectReturnCode {
    match code {
        ConnectReturnCode::RefusedProtocolVersion
        | ConnectReturnCode::UnsupportedProtocolVersion => {
            ConnectReturnCode::RefusedProtocolVersion
        }
        ConnectReturnCode::ClientIdentifierNotValid => ConnectReturnCode::ClientIdentifierNotValid,
        ConnectReturnCode::BadUserNamePassword => ConnectReturnCode::BadUserNamePassword,
        ConnectReturnCode::NotAuthorized => ConnectReturnCode::NotAuthorized,
        _ => ConnectReturnCode::ServiceUnavailable,
    }
}

fn v5_code(code: ConnectReturnCode) -> ConnectReturnCode {
    match code {
        ConnectReturnCode::RefusedProtocolVersion => ConnectReturnCode::UnsupportedProtocolVersion,
        ConnectReturnCode::ServiceUnavailable => ConnectReturnCode::ServerUnavailable,
        code => code,
    }
}

/// Outcome of one acknowledged message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    /// MQTT 5 only.
    QuotaExceeded,
    /// MQTT 5 only.
    NotAuthorized,
}

pub(crate) fn puback(version: Version, pkid: u16, verdict: Verdict, out: &mut BytesMut) {
    let reason = match verdict {
        Verdict::Kept => PubAckReason::Success,
        Verdict::QuotaExceeded => PubAckReason::QuotaExceeded,
        Verdict::NotAuthorized => PubAckReason::NotAuthorized,
    };
    write(version, Packet::PubAck(PubAck { pkid, reason }, None), out);
}

pub(crate) fn pubrec(version: Version, pkid: u16, verdict: Verdict, out: &mut BytesMut) {
    let reason = match verdict {
        Verdict::Kept => PubRecReason::Success,
        Verdict::QuotaExceeded => PubRecReason::QuotaExceeded,
        Verdict::NotAuthorized => PubRecReason::NotAuthorized,
    };
    write(version, Packet::PubRec(PubRec { pkid, reason }, None), out);
}

pub(crate) fn pubrel(version: Version, pkid: u16, is_known: bool, out: &mut BytesMut) {
    let reason =
        if is_known { PubRelReason::Success } else { PubRelReason::PacketIdentifierNotFound };
    write(version, Packet::PubRel(PubRel { pkid, reason }, None), out);
}

pub(crate) fn pubcomp(version: Version, pkid: u16, is_known: bool, out: &mut BytesMut) {
    let reason =
        if is_known { PubCompReason::Success } else { PubCompReason::PacketIdentifierNotFound };
    write(version, Packet::PubComp(PubComp { pkid, reason }, None), out);
}

pub(crate) fn suback(
    version: Version,
    pkid: u16,
    mut codes: Vec<SubscribeReasonCode>,
    out: &mut BytesMut,
) {
    if version == Version::V4 {
        for code in &mut codes {
            if !matches!(code, SubscribeReasonCode::Success(_)) {
                *code = SubscribeReasonCode::Failure;
            }
        }
    }
    write(version, Packet::SubAck(SubAck { pkid, return_codes: codes }, None), out);
}

pub(crate) fn unsuback(
    version: Version,
    pkid: u16,
    reasons: Vec<UnsubAckReason>,
    out: &mut BytesMut,
) {
    write(version, Packet::UnsubAck(UnsubAck { pkid, reasons }, None), out);
}

pub(crate) fn pingresp(version: Version, out: &mut BytesMut) {
    write(version, Packet::PingResp(PingResp), out);
}

/// DISCONNECT with its reason; 3.1.1 has none, so nothing is written.
pub fn disconnect(version: Version, refusal: Refusal, out: &mut BytesMut) {
    if version == Version::V5 {
        let properties = DisconnectProperties {
            session_expiry_interval: None,
            reason_string: Some(refusal.message.to_owned()),
            user_properties: Vec::new(),
            server_reference: None,
        };
        let packet = Disconnect { reason_code: refusal.reason };
        write(version, Packet::Disconnect(packet, Some(properties)), out);
    }
}
