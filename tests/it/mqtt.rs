//! A minimal MQTT 3.1.1 client that knows which message was acknowledged.
//!
//! *Not here.* A library: a client that reconnects and resends by itself would hide what the test
//! looks for.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use crate::server::DEADLINE;

/// How a client connects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner<'a> {
    /// Forget what was before.
    pub(crate) clean: bool,
    /// Topic and payload of a will of quality 1.
    pub(crate) will: Option<(&'a str, &'a str)>,
}

impl Manner<'_> {
    /// A clean session without a will.
    pub(crate) const PLAIN: Self = Self { clean: true, will: None };
}

/// A message that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) retain: bool,
}

/// A connection after CONNACK.
pub(crate) struct Client {
    stream: TcpStream,
    /// The broker had a session of this client.
    pub(crate) session_present: bool,
}

impl Client {
    /// Connects with a clean session.
    pub(crate) fn connect(address: &str, client_id: &str) -> io::Result<Self> {
        Self::enter(address, client_id, Manner::PLAIN)
    }

    /// Connects in any manner.
    pub(crate) fn enter(address: &str, client_id: &str, manner: Manner<'_>) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        let flags = u8::from(manner.clean) << 1 | if manner.will.is_some() { 0x0C } else { 0 };
        // Protocol level 4, keep-alive 60 s.
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 60];
        push_text(&mut body, client_id);
        if let Some((topic, payload)) = manner.will {
            push_text(&mut body, topic);
            push_text(&mut body, payload);
        }
        stream.write_all(&packet(0x10, &body))?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        if let [0x20, 2, present, 0] = answer {
            Ok(Self { stream, session_present: present == 1 })
        } else {
            Err(io::Error::other(format!("refused with {answer:?}")))
        }
    }

    /// Sends a PUBLISH with QoS 1.
    pub(crate) fn publish(&mut self, id: u16, topic: &str, payload: &[u8]) -> io::Result<()> {
        self.publish_with(0x32, id, topic, payload)
    }

    /// Sends a PUBLISH of quality 1 or 2 with this first byte.
    pub(crate) fn publish_with(
        &mut self,
        first: u8,
        id: u16,
        topic: &str,
        payload: &[u8],
    ) -> io::Result<()> {
        let mut body = Vec::new();
        push_text(&mut body, topic);
        body.extend(id.to_be_bytes());
        body.extend(payload);
        self.stream.write_all(&packet(first, &body))
    }

    /// Sends a PUBREL.
    pub(crate) fn release(&mut self, id: u16) -> io::Result<()> {
        self.stream.write_all(&packet(0x62, &id.to_be_bytes()))
    }

    /// Says goodbye and waits until the broker has closed.
    pub(crate) fn leave(mut self) -> io::Result<()> {
        self.stream.write_all(&[0xE0, 0])?;
        self.stream.read_to_end(&mut Vec::new()).map(|_count| ())
    }

    /// Subscribes and waits for the SUBACK.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<()> {
        let mut body = vec![0, 1];
        push_text(&mut body, filter);
        body.push(qos);
        self.stream.write_all(&packet(0x82, &body))?;
        match self.answer()? {
            (0x90, codes) if codes == [0, 1, qos] => Ok(()),
            other => Err(io::Error::other(format!("not subscribed: {other:?}"))),
        }
    }

    /// The next packet: its first byte and its body.
    pub(crate) fn answer(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut first = [0];
        self.stream.read_exact(&mut first)?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let mut digit = [0];
            self.stream.read_exact(&mut digit)?;
            length |= usize::from(digit[0] & 127) << shift;
            shift += 7;
            if digit[0] < 128 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((first[0], body))
    }

    /// The next message, acknowledged in full; other packets are passed over.
    pub(crate) fn hear(&mut self) -> io::Result<Heard> {
        loop {
            if let Some(heard) = self.hear_or_answer()? {
                return Ok(heard);
            }
        }
    }

    /// The next packet, as a message if it is one; it is answered as the standard says.
    pub(crate) fn hear_or_answer(&mut self) -> io::Result<Option<Heard>> {
        let (first, body) = self.answer()?;
        if first & 0xF0 != 0x30 {
            if first == 0x62 {
                self.stream.write_all(&packet(0x70, &body))?;
            }
            return Ok(None);
        }
        let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, mut rest) = (&body[2..end], &body[end..]);
        if first & 6 != 0 {
            let (id, payload) = rest.split_at(2);
            let answer = if first & 4 == 0 { 0x40 } else { 0x50 };
            self.stream.write_all(&packet(answer, id))?;
            rest = payload;
        }
        Ok(Some(Heard {
            topic: String::from_utf8_lossy(topic).into_owned(),
            payload: String::from_utf8_lossy(rest).into_owned(),
            retain: first & 1 != 0,
        }))
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
