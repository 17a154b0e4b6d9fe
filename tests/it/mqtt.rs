//! A minimal MQTT 3.1.1 client that publishes with QoS 1 and knows what was acknowledged.
//!
//! *Not here.* A library: a client that reconnects and resends by itself would hide what the test
//! looks for.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use crate::server::DEADLINE;

/// A connection after CONNACK.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects with a clean session.
    pub(crate) fn connect(address: &str, client_id: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        // Protocol level 4, clean session, keep-alive 60 s.
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60];
        push_text(&mut body, client_id);
        stream.write_all(&packet(0x10, &body))?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        if answer == [0x20, 2, 0, 0] {
            Ok(Self { stream })
        } else {
            Err(io::Error::other(format!("refused with {answer:?}")))
        }
    }

    /// Sends a PUBLISH with QoS 1.
    pub(crate) fn publish(&mut self, id: u16, topic: &str, payload: &[u8]) -> io::Result<()> {
        let mut body = Vec::new();
        push_text(&mut body, topic);
        body.extend(id.to_be_bytes());
        body.extend(payload);
        self.stream.write_all(&packet(0x32, &body))
    }

    /// Waits for the next PUBACK; the id it acknowledges.
    pub(crate) fn acknowledged(&mut self) -> io::Result<u16> {
        let mut answer = [0; 4];
        self.stream.read_exact(&mut answer)?;
        let [0x40, 2, high, low] = answer else {
            return Err(io::Error::other(format!("not a PUBACK: {answer:?}")));
        };
        Ok(u16::from_be_bytes([high, low]))
    }
}

fn push_text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text.as_bytes());
}

/// Type, flags and remaining length before the body.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest % 128).unwrap();
        rest /= 128;
        packet.push(if rest > 0 { low | 128 } else { low });
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}
