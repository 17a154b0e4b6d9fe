//! MQTT as its bytes: packets with any properties, written and read without a codec.

use tacitus_protocol::mqtt::Version;

use super::House;
use super::client::{Client, packet, put_text};

/// A CONNECT with everything it may have.
#[derive(Debug, Clone)]
pub(super) struct Hello<'a> {
    pub(super) version: Version,
    pub(super) name: &'a str,
    pub(super) clean: bool,
    pub(super) keep_alive_s: u16,
    pub(super) properties: &'a [u8],
    /// Properties, topic and payload.
    pub(super) will: Option<(&'a [u8], &'a str, &'a str)>,
    pub(super) login: Option<(&'a str, &'a str)>,
}

pub(super) const V4: Hello<'static> = Hello {
    version: Version::V4,
    name: "myclientid",
    clean: true,
    keep_alive_s: 0,
    properties: &[],
    will: None,
    login: None,
};
pub(super) const V5: Hello<'static> = Hello { version: Version::V5, ..V4 };

/// A session expiry interval.
pub(super) fn expiry(seconds: u32) -> Vec<u8> {
    [&[0x11][..], &seconds.to_be_bytes()].concat()
}

fn put_properties(version: Version, properties: &[u8], body: &mut Vec<u8>) {
    if version == Version::V5 {
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend_from_slice(properties);
    }
}

impl Hello<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let level = if self.version == Version::V5 { 5 } else { 4 };
        let mut flags = u8::from(self.clean) << 1;
        flags |= if self.will.is_some() { 0x0C } else { 0 };
        flags |= if self.login.is_some() { 0xC0 } else { 0 };
        let mut body = b"\x00\x04MQTT".to_vec();
        body.extend([level, flags]);
        body.extend(self.keep_alive_s.to_be_bytes());
        put_properties(self.version, self.properties, &mut body);
        put_text(&mut body, self.name);
        if let Some((properties, topic, payload)) = self.will {
            put_properties(self.version, properties, &mut body);
            put_text(&mut body, topic);
            put_text(&mut body, payload);
        }
        if let Some((user, password)) = self.login {
            put_text(&mut body, user);
            put_text(&mut body, password);
        }
        packet(0x10, &body)
    }
}

/// A PUBLISH that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) again: bool,
    pub(super) id: u16,
    pub(super) properties: Vec<u8>,
}

/// What a CONNACK said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) present: bool,
    pub(super) code: u8,
    pub(super) properties: Vec<u8>,
}

/// A client that speaks bytes.
pub(super) struct Peer {
    pub(super) client: Client,
    version: Version,
    pub(super) accepted: Accepted,
    last_id: u16,
}

impl Peer {
    /// Connects, whatever the answer is.
    pub(super) async fn come(house: &House, hello: &Hello<'_>) -> Self {
        Self::over(Client::dial(house.broker.local_addr(), hello.version).await, hello).await
    }

    /// Connects over a line that is open.
    pub(super) async fn over(mut client: Client, hello: &Hello<'_>) -> Self {
        client.send(&hello.bytes()).await;
        let (header, body) = client.raw().await.expect("no CONNACK");
        assert_eq!(header, 0x20, "not a CONNACK");
        let properties = body.get(3..).unwrap_or_default().to_vec();
        let accepted = Accepted { present: body[0] == 1, code: body[1], properties };
        Self { client, version: hello.version, accepted, last_id: 0 }
    }

    /// Connects and is let in.
    pub(super) async fn enter(house: &House, hello: &Hello<'_>) -> Self {
        let peer = Self::come(house, hello).await;
        assert_eq!(peer.accepted.code, 0, "not let in");
        peer
    }

    /// Leaves, and waits until the broker has closed.
    pub(super) async fn leave(mut self) {
        self.client.send(b"\xE0\x00").await;
        while self.client.raw().await.is_some() {}
    }

    /// Subscribes with these options and properties; the codes.
    pub(super) async fn subscribe(&mut self, wishes: &[(&str, u8)], properties: &[u8]) -> Vec<u8> {
        self.last_id += 1;
        let mut body = self.last_id.to_be_bytes().to_vec();
        put_properties(self.version, properties, &mut body);
        for (filter, options) in wishes {
            put_text(&mut body, filter);
            body.push(*options);
        }
        self.client.send(&packet(0x82, &body)).await;
        let (header, body) = self.client.raw().await.expect("no SUBACK");
        assert_eq!(header, 0x90, "not a SUBACK");
        body[if self.version == Version::V5 { 3 } else { 2 }..].to_vec()
    }

    /// Unsubscribes; the codes of MQTT 5.
    pub(super) async fn unsubscribe(&mut self, filter: &str) -> Vec<u8> {
        let mut body = vec![0, 99];
        put_properties(self.version, &[], &mut body);
        put_text(&mut body, filter);
        self.client.send(&packet(0xA2, &body)).await;
        let (header, body) = self.client.raw().await.expect("no UNSUBACK");
        assert_eq!(header, 0xB0, "not an UNSUBACK");
        body.get(3..).unwrap_or_default().to_vec()
    }

    /// Sends a PUBLISH and waits for nothing.
    pub(super) async fn say(&mut self, flags: u8, topic: &str, payload: &str, properties: &[u8]) {
        let mut body = Vec::new();
        put_text(&mut body, topic);
        if flags & 6 != 0 {
            self.last_id += 1;
            body.extend(self.last_id.to_be_bytes());
        }
        put_properties(self.version, properties, &mut body);
        body.extend_from_slice(payload.as_bytes());
        self.client.send(&packet(0x30 | flags, &body)).await;
    }

    /// Publishes and goes through all steps; the reason code of the first answer.
    pub(super) async fn publish(
        &mut self,
        flags: u8,
        topic: &str,
        payload: &str,
        properties: &[u8],
    ) -> u8 {
        self.say(flags, topic, payload, properties).await;
        if flags & 6 == 0 {
            return 0;
        }
        let (_, body) = self.until(if flags & 4 == 0 { 0x40 } else { 0x50 }).await;
        let reason = body.get(2).copied().unwrap_or(0);
        if flags & 4 != 0 && reason < 0x80 {
            self.client.send(&[0x62, 2, body[0], body[1]]).await;
            self.until(0x70).await;
        }
        reason
    }

    /// Reads until a packet of this type; PUBLISHes in between are left for later.
    async fn until(&mut self, header: u8) -> (u8, Vec<u8>) {
        let mut early = Vec::new();
        loop {
            let found = self.client.raw().await.expect("the broker closed");
            if found.0 == header {
                self.client.unread(early);
                return found;
            }
            assert_eq!(found.0 & 0xF0, 0x30, "waiting for {header:x}, heard {found:?}");
            early.push(found);
        }
    }

    /// The next PUBLISH, not acknowledged.
    pub(super) async fn overhear(&mut self) -> Heard {
        let (header, body) = self.client.raw().await.expect("the broker closed");
        assert_eq!(header & 0xF0, 0x30, "not a PUBLISH: {header:x} {body:?}");
        let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let qos = (header >> 1) & 3;
        let mut at = topic_end;
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([body[at], body[at + 1]]);
            at += 2;
        }
        let mut properties = Vec::new();
        if self.version == Version::V5 {
            let end = at + 1 + usize::from(body[at]);
            properties = body[at + 1..end].to_vec();
            at = end;
        }
        Heard {
            topic: String::from_utf8(body[2..topic_end].to_vec()).unwrap(),
            payload: String::from_utf8(body[at..].to_vec()).unwrap(),
            qos,
            retain: header & 1 != 0,
            again: header & 8 != 0,
            id,
            properties,
        }
    }

    /// The next PUBLISH, acknowledged in full.
    pub(super) async fn hear(&mut self) -> Heard {
        let heard = self.overhear().await;
        let [high, low] = heard.id.to_be_bytes();
        match heard.qos {
            0 => {}
            1 => self.client.send(&[0x40, 2, high, low]).await,
            _ => {
                self.client.send(&[0x50, 2, high, low]).await;
                self.until(0x62).await;
                self.client.send(&[0x70, 2, high, low]).await;
            }
        }
        heard
    }

    /// Proves that nothing else was on the way.
    pub(super) async fn hears_nothing(&mut self) {
        self.client.send(b"\xC0\x00").await;
        let next = self.client.raw().await.expect("the broker closed");
        assert_eq!(next, (0xD0, vec![]), "heard something");
    }

    /// The reason of the DISCONNECT that comes next.
    pub(super) async fn dismissed(&mut self) -> u8 {
        let (_, body) = self.until(0xE0).await;
        assert_eq!(self.client.raw().await, None, "the broker goes on");
        body[0]
    }
}
