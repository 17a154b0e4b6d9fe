//! A small MQTT 3.1.1 client that only publishes, with quality of service 1.
//!
//! *Invariant.* [`Publisher::publish`] returns when the broker has acknowledged every message,
//! which for this server means that they are on disk.
//!
//! *Not here.* A client library: connect, publish and count acknowledgements is four packets of
//! MQTT 3.1.1 (OASIS, sections 3.1 to 3.4), and the tree stays lean.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the broker may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// LIMIT: messages sent before their acknowledgements are awaited; below what brokers allow a
/// client to have open.
const OPEN_MAX: usize = 32;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH_QOS1: u8 = 0x32;
const PUBACK: u8 = 0x40;

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

/// A connection to a broker.
#[derive(Debug)]
pub(super) struct Publisher {
    stream: TcpStream,
    id: u16,
}

impl Publisher {
    /// Connects with a clean session and a keep-alive of 60 s.
    pub(super) async fn connect(broker: SocketAddr, client: &str) -> Result<Self> {
        let stream = answered(TcpStream::connect(broker)).await?;
        stream.set_nodelay(true)?;
        let mut publisher = Self { stream, id: 0 };
        let mut body = Vec::new();
        put_text(&mut body, b"MQTT")?;
        // Protocol level 4, clean session, keep-alive in seconds.
        body.extend([4, 0x02, 0, 60]);
        put_text(&mut body, client.as_bytes())?;
        let packet = packet(CONNECT, &body)?;
        publisher.stream.write_all(&packet).await?;
        match publisher.answer().await? {
            [CONNACK, 2, _, 0] => Ok(publisher),
            [CONNACK, 2, _, code] => Err(refused(format!("the broker refused with code {code}"))),
            _ => Err(refused("the broker did not answer in MQTT".to_owned())),
        }
    }

    /// Publishes and waits for every acknowledgement.
    pub(super) async fn publish(&mut self, messages: &[Message]) -> Result<()> {
        for open in messages.chunks(OPEN_MAX) {
            let mut bytes = Vec::new();
            for message in open {
                self.id = self.id.checked_add(1).unwrap_or(1);
                let mut body = Vec::new();
                put_text(&mut body, message.topic.as_bytes())?;
                body.extend(self.id.to_be_bytes());
                body.extend(&message.payload);
                bytes.extend(packet(PUBLISH_QOS1, &body)?);
            }
            answered(self.stream.write_all(&bytes)).await?;
            for _ in open {
                if !matches!(self.answer().await?, [PUBACK, 2, _, _]) {
                    return Err(refused("the broker did not acknowledge".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// The broker's next packet; all that come here have four bytes.
    async fn answer(&mut self) -> Result<[u8; 4]> {
        let mut bytes = [0; 4];
        answered(self.stream.read_exact(&mut bytes)).await?;
        Ok(bytes)
    }
}

async fn answered<T>(wait: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::new(ErrorKind::TimedOut, "the broker did not answer");
    timeout(ANSWER_MAX, wait).await.map_err(late)?
}

fn refused(reason: String) -> Error {
    Error::new(ErrorKind::ConnectionRefused, reason)
}

/// A packet with its length in up to four bytes of seven bits.
fn packet(kind: u8, body: &[u8]) -> Result<Vec<u8>> {
    let mut packet = vec![kind];
    let mut rest = u32::try_from(body.len()).map_err(Error::other)?;
    loop {
        let low = u8::try_from(rest % 128).map_err(Error::other)?;
        rest /= 128;
        packet.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    Ok(packet)
}

fn put_text(body: &mut Vec<u8>, text: &[u8]) -> Result<()> {
    let length = u16::try_from(text.len()).map_err(Error::other)?;
    body.extend(length.to_be_bytes());
    body.extend(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_above_127_takes_two_bytes() {
        for (length, head) in
            [(0, vec![0x32, 0]), (127, vec![0x32, 127]), (321, vec![0x32, 0xC1, 0x02])]
        {
            let packet = packet(PUBLISH_QOS1, &vec![0; length]).unwrap();
            assert_eq!(packet[..head.len()], head);
            assert_eq!(packet.len(), head.len() + length);
        }
    }
}
