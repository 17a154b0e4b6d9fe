//! Why a client is sent away: an MQTT 5 reason code and a sentence.
//!
//! *Invariant.* Every refusal of an open connection has a reason code an MQTT 5 server may send.

use rumqttd::protocol::DisconnectReasonCode;

/// A packet that ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What an MQTT 5 client is told; a 3.1.1 client sees the connection close.
    pub reason: DisconnectReasonCode,
    /// What was wrong, for the log and the reason string.
    pub message: &'static str,
}

impl Refusal {
    /// Bytes that are not a packet.
    #[must_use]
    pub const fn malformed(message: &'static str) -> Self {
        Self { reason: DisconnectReasonCode::MalformedPacket, message }
    }

    /// A packet that is well formed and out of place.
    #[must_use]
    pub const fn protocol(message: &'static str) -> Self {
        Self { reason: DisconnectReasonCode::ProtocolError, message }
    }

    /// Any other reason.
    #[must_use]
    pub const fn new(reason: DisconnectReasonCode, message: &'static str) -> Self {
        Self { reason, message }
    }
}
