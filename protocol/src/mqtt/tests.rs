//! Conversations at the level of bytes, and the state machine behind them.

mod bytes_in;
mod delivering;
mod publishing;
mod remembering;
mod subscribing;

use bytes::{Bytes, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{Packet, Protocol};

use super::{
    Action, Awaited, Connection, Frame, Frames, Message, Refusal, Session, SessionKey, Version,
    read_connect,
};

/// A CONNECT of client `c` with a clean start.
fn connect_bytes(version: Version) -> Vec<u8> {
    match version {
        Version::V4 => b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x01c".to_vec(),
        Version::V5 => b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c".to_vec(),
    }
}

/// A packet with this first byte and body.
fn packet(header: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::from(&[header][..]);
    super::wire::put_varint(&mut bytes, body.len());
    bytes.extend_from_slice(body);
    bytes.to_vec()
}

fn frame(bytes: &[u8]) -> Result<Option<Frame>, Refusal> {
    let mut frames = Frames::default();
    frames.buffer().extend_from_slice(bytes);
    frames.next_frame()
}

/// A connection that is open and has an empty session.
fn open(version: Version) -> Connection {
    open_with(version, &connect_bytes(version), Session::new(SessionKey(7)))
}

fn open_with(version: Version, connect: &[u8], session: Session) -> Connection {
    let connect = read_connect(&frame(connect).unwrap().unwrap()).unwrap();
    assert_eq!(connect.version, version);
    Connection::new(&connect, session)
}

/// Gives one packet to a connection.
fn say(connection: &mut Connection, bytes: &[u8]) -> Result<Action, Refusal> {
    let frame = frame(bytes)?.unwrap();
    connection.receive(&frame, 0)
}

/// Everything the connection wants to send, and forgets it.
fn answer(connection: &mut Connection) -> Vec<u8> {
    std::mem::take(&mut connection.output).to_vec()
}

/// A PUBLISH as a client of this version writes it.
fn publish_bytes(version: Version, qos: u8, id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&u16::try_from(topic.len()).unwrap().to_be_bytes());
    body.extend_from_slice(topic.as_bytes());
    if qos > 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    if version == Version::V5 {
        body.push(0);
    }
    body.extend_from_slice(payload);
    packet(0x30 | qos << 1, &body)
}

/// What a client of this version reads out of the bytes it gets.
fn read_as_client(version: Version, bytes: &[u8]) -> Vec<Packet> {
    let mut stream = BytesMut::from(bytes);
    let mut packets = Vec::new();
    while !stream.is_empty() {
        packets.push(match version {
            Version::V4 => V4.read_mut(&mut stream, usize::MAX).unwrap(),
            Version::V5 => V5.read_mut(&mut stream, usize::MAX).unwrap(),
        });
    }
    packets
}

#[track_caller]
fn published(action: Action) -> (Message, Awaited) {
    match action {
        Action::Publish(message, awaited) => (message, awaited),
        other => panic!("not a publish: {other:?}"),
    }
}

fn message(topic: &str, payload: &[u8]) -> Message {
    Message::new(super::Parts {
        topic,
        payload,
        qos: super::QoS::ExactlyOnce,
        retain: false,
        publisher: SessionKey(1),
        expires_at_ms: None,
        properties: &[],
    })
    .unwrap()
}

fn payload_of(packet: &Packet) -> Bytes {
    match packet {
        Packet::Publish(publish, _) => publish.payload.clone(),
        other => panic!("not a publish: {other:?}"),
    }
}
