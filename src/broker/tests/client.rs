//! A client made of bytes: it can say what no library would.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{ConnAck, ConnectReturnCode, Packet, Protocol, UnsubAck, UnsubAckReason};
use tacitus_protocol::mqtt::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::line::Stream;
use super::{House, PATIENCE};

/// How a client connects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) version: Version,
    pub(super) clean: bool,
    /// MQTT 5 only.
    pub(super) expiry_s: u32,
    pub(super) keep_alive_s: u16,
    /// Topic of a will with the payload `gone`, its delay in seconds (MQTT 5 only).
    pub(super) will: Option<(&'static str, u32)>,
}

pub(super) const V4_CLEAN: Manner =
    Manner { version: Version::V4, clean: true, expiry_s: 0, keep_alive_s: 0, will: None };
pub(super) const V5_CLEAN: Manner = Manner { version: Version::V5, ..V4_CLEAN };

/// A connection to the broker.
pub(super) struct Client {
    pub(super) stream: Box<dyn Stream>,
    version: Version,
    buffer: BytesMut,
    early: VecDeque<(u8, Vec<u8>)>,
    pub(super) session_present: bool,
}

impl Client {
    /// Opens a socket and says nothing.
    pub(super) async fn dial(addr: SocketAddr, version: Version) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap(), version)
    }

    /// Takes a line that is open and says nothing.
    pub(super) fn over(stream: impl Stream, version: Version) -> Self {
        let stream = Box::new(stream);
        let (buffer, early) = Default::default();
        Self { stream, version, buffer, early, session_present: false }
    }

    /// Connects and reads the CONNACK.
    pub(super) async fn connect(house: &House, name: &str, manner: Manner) -> Self {
        let mut client = Self::dial(house.broker.local_addr(), manner.version).await;
        client.send(&connect_bytes(name, manner)).await;
        match client.receive().await {
            Packet::ConnAck(ack, _) if ack.code == ConnectReturnCode::Success => {
                client.session_present = ack.session_present;
                client
            }
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet, or `None` if the broker closed.
    pub(super) async fn next(&mut self) -> Option<Packet> {
        let reading = async {
            loop {
                let read = match self.version {
                    Version::V4 => V4.read_mut(&mut self.buffer, usize::MAX),
                    Version::V5 if self.buffer.first() == Some(&0x20) => self.connack(),
                    Version::V5 if self.buffer.first() == Some(&0xB0) => self.unsuback(),
                    Version::V5 => V5.read_mut(&mut self.buffer, usize::MAX),
                };
                match read {
                    Ok(packet) => return Some(packet),
                    Err(rumqttd::protocol::Error::InsufficientBytes(_)) => {}
                    Err(error) => panic!("the broker sent what is no packet: {error}"),
                }
                if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the broker says nothing")
    }

    /// The next packet as its first byte and its body, or `None` if the broker closed.
    pub(super) async fn raw(&mut self) -> Option<(u8, Vec<u8>)> {
        if let Some(earlier) = self.early.pop_front() {
            return Some(earlier);
        }
        let reading = async {
            loop {
                if let Some(found) = cut(&mut self.buffer) {
                    return Some(found);
                }
                if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the broker says nothing")
    }

    /// Puts packets back that were read too early.
    pub(super) fn unread(&mut self, packets: Vec<(u8, Vec<u8>)>) {
        for packet in packets.into_iter().rev() {
            self.early.push_front(packet);
        }
    }

    /// Cuts out one short packet, for those the codec does not read for MQTT 5.
    fn short_packet(&mut self) -> Result<BytesMut, rumqttd::protocol::Error> {
        let length = 2 + usize::from(self.buffer.get(1).copied().unwrap_or(0));
        if self.buffer.len() < length {
            return Err(rumqttd::protocol::Error::InsufficientBytes(length));
        }
        Ok(self.buffer.split_to(length))
    }

    fn connack(&mut self) -> Result<Packet, rumqttd::protocol::Error> {
        let bytes = self.short_packet()?;
        let code = match bytes[3] {
            0 => ConnectReturnCode::Success,
            _ => ConnectReturnCode::UnspecifiedError,
        };
        Ok(Packet::ConnAck(ConnAck { session_present: bytes[2] == 1, code }, None))
    }

    fn unsuback(&mut self) -> Result<Packet, rumqttd::protocol::Error> {
        let bytes = self.short_packet()?;
        let reasons = bytes[5..]
            .iter()
            .map(|code| match code {
                0 => UnsubAckReason::Success,
                _ => UnsubAckReason::NoSubscriptionExisted,
            })
            .collect();
        Ok(Packet::UnsubAck(UnsubAck { pkid: 0, reasons }, None))
    }

    pub(super) async fn receive(&mut self) -> Packet {
        self.next().await.expect("the broker closed")
    }

    /// The next packet, which must be a PUBLISH: topic, payload, first byte.
    pub(super) async fn delivered(&mut self) -> (String, Bytes, u8) {
        match self.receive().await {
            Packet::Publish(publish, _) => {
                let header = publish.serialize()[0];
                let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                (topic, publish.payload, header)
            }
            other => panic!("not a message: {other:?}"),
        }
    }

    /// Proves that nothing else was on the way: asks for a sign of life and gets just that.
    pub(super) async fn hears_nothing(&mut self) {
        self.send(b"\xC0\x00").await;
        let next = self.receive().await;
        assert!(matches!(next, Packet::PingResp(_)), "heard {next:?}");
    }

    pub(super) async fn subscribe(&mut self, filter: &str, qos: u8) {
        let mut body = vec![0, 1];
        if self.version == Version::V5 {
            body.push(0);
        }
        put_text(&mut body, filter);
        body.push(qos);
        self.send(&packet(0x82, &body)).await;
        match self.receive().await {
            Packet::SubAck(_, _) => {}
            other => panic!("not subscribed: {other:?}"),
        }
    }

    pub(super) async fn publish(&mut self, qos: u8, id: u16, topic: &str, payload: &[u8]) {
        let bytes = publish_bytes(self.version, qos << 1, id, topic, payload);
        self.send(&bytes).await;
    }

    /// Publishes with quality 1 and waits for the PUBACK.
    pub(super) async fn publish_kept(&mut self, topic: &str, payload: &[u8], retain: bool) {
        let flags = 2 | u8::from(retain);
        let bytes = publish_bytes(self.version, flags, 1, topic, payload);
        self.send(&bytes).await;
        match self.receive().await {
            Packet::PubAck(ack, _) => assert_eq!(ack.pkid, 1),
            other => panic!("not acknowledged: {other:?}"),
        }
    }

    /// Reads until the broker closes; what came before.
    pub(super) async fn last_words(&mut self) -> Vec<Packet> {
        let mut words = Vec::new();
        while let Some(packet) = self.next().await {
            words.push(packet);
        }
        words
    }
}

/// Takes a whole packet off the front.
fn cut(buffer: &mut BytesMut) -> Option<(u8, Vec<u8>)> {
    let mut length = 0;
    let digits = buffer.iter().skip(1).take(4).enumerate();
    for (index, byte) in digits {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let head = 2 + index;
            if buffer.len() < head + length {
                return None;
            }
            let packet = buffer.split_to(head + length);
            return Some((packet[0], packet[head..].to_vec()));
        }
    }
    None
}

pub(super) fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

pub(super) fn packet(header: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![header];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7F).unwrap();
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

pub(super) fn publish_bytes(
    version: Version,
    flags: u8,
    id: u16,
    topic: &str,
    payload: &[u8],
) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, topic);
    if flags & 6 != 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    if version == Version::V5 {
        body.push(0);
    }
    body.extend_from_slice(payload);
    packet(0x30 | flags, &body)
}

pub(super) fn connect_bytes(name: &str, manner: Manner) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT".to_vec();
    let is_v5 = manner.version == Version::V5;
    body.push(if is_v5 { 5 } else { 4 });
    let will_flag = if manner.will.is_some() { 0x0C } else { 0 };
    body.push(will_flag | if manner.clean { 2 } else { 0 });
    body.extend_from_slice(&manner.keep_alive_s.to_be_bytes());
    if is_v5 {
        body.extend_from_slice(&[5, 0x11]);
        body.extend_from_slice(&manner.expiry_s.to_be_bytes());
    }
    put_text(&mut body, name);
    if let Some((topic, delay_s)) = manner.will {
        if is_v5 {
            body.extend_from_slice(&[5, 0x18]);
            body.extend_from_slice(&delay_s.to_be_bytes());
        }
        put_text(&mut body, topic);
        put_text(&mut body, "gone");
    }
    packet(0x10, &body)
}
