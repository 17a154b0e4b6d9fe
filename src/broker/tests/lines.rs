//! TLS, WebSocket, users and rights, over real sockets.
//!
//! The certificates are of an authority that signs nothing else; `plc.pem` is for the common name
//! `plc-7`.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::super::Settings;
use super::super::line::Stream;
use super::super::rights::Right;
use super::House;
use super::client::Client;
use super::wire::{Hello, Peer, V4, V5};
use crate::secrets::Certificate;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/broker/tests/certificates").join(name)
}

/// A broker that speaks TLS and knows clients by their certificates.
fn private() -> Settings {
    let certificate = Certificate {
        chain: file("server.pem"),
        key: file("server.key.pem"),
        client_authority: Some(file("authority.pem")),
    };
    let tls = Some((([127, 0, 0, 1], 0).into(), certificate));
    Settings { sys_every: None, tls, ..Settings::default() }
}

async fn dial_tls(house: &House, name: Option<&str>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("authority.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match name {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = vec![CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap()];
            let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key.pem"))).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(house.broker.tls_addr().unwrap()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
}

async fn enter_tls(house: &House, certificate: Option<&str>, hello: &Hello<'_>) -> Peer {
    let client = Client::over(dial_tls(house, certificate).await, hello.version);
    Peer::over(client, hello).await
}

/// Hears itself.
async fn echoes(peer: &mut Peer) {
    peer.subscribe(&[("echo", 1)], &[]).await;
    let long = "x".repeat(100_000);
    for payload in ["1", &long] {
        peer.publish(2, "echo", payload, &[]).await;
        assert_eq!(peer.hear().await.payload, payload);
    }
}

#[tokio::test]
async fn mqtt_is_spoken_in_tls() {
    let house = House::open_with(private()).await;
    for hello in [V4, V5] {
        let mut peer = enter_tls(&house, None, &hello).await;
        assert_eq!(peer.accepted.code, 0);
        echoes(&mut peer).await;
        peer.leave().await;
    }
}

#[tokio::test]
async fn one_who_never_shakes_hands_keeps_nobody_out() {
    let house = House::open_with(private()).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(house.broker.tls_addr().unwrap()).await.unwrap());
    }
    let mut rude = TcpStream::connect(house.broker.tls_addr().unwrap()).await.unwrap();
    rude.write_all(&V4.bytes()).await.unwrap();
    assert_eq!(enter_tls(&house, None, &V4).await.accepted.code, 0);
}

#[tokio::test]
async fn a_certificate_names_the_user_and_brings_its_rights() {
    let right = Right {
        user: "plc-7".to_owned(),
        publish: vec!["line/7/#".to_owned()],
        ..Right::default()
    };
    let settings = Settings { rights: vec![right], anonymous: false, ..private() };
    let house = House::open_with(settings).await;
    let mut plc = enter_tls(&house, Some("plc"), &V5).await;
    assert_eq!(plc.publish(2, "line/7/temp", "1", &[]).await, 0);
    assert_eq!(plc.publish(2, "line/8/temp", "1", &[]).await, 0x87);
    assert_eq!(plc.publish(4, "line/8/temp", "1", &[]).await, 0x87);
    assert_eq!(plc.subscribe(&[("line/7/#", 0)], &[]).await, [0x87]);
    let refused = enter_tls(&house, None, &V5).await;
    assert_eq!(refused.accepted.code, 0x87, "nobody comes without a name");
    assert_eq!(house.store.kept().len(), 1);
}

#[tokio::test]
async fn users_come_in_by_their_password_and_3_1_1_is_acknowledged_what_it_may_not_publish() {
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("users");
    std::fs::write(&users, "ann:secret\n").unwrap();
    let right = Right {
        user: "ann".to_owned(),
        publish: vec!["a/#".to_owned(), "will".to_owned()],
        subscribe: vec!["#".to_owned()],
        deny: vec!["a/secret".to_owned()],
    };
    let (users, anonymous, rights) = (Some(users), false, vec![right]);
    let settings = Settings { users, anonymous, rights, sys_every: None, ..Settings::default() };
    let house = House::open_with(settings).await;
    let login = |hello: Hello<'static>, password| Hello { login: Some(("ann", password)), ..hello };
    for (hello, password, code) in
        [(V4, "wrong", 4), (V5, "wrong", 0x86), (V4, "secret", 0), (V5, "secret", 0)]
    {
        assert_eq!(Peer::come(&house, &login(hello, password)).await.accepted.code, code);
    }
    assert_eq!(Peer::come(&house, &V4).await.accepted.code, 5);
    let will = Some((&[][..], "not/hers", "gone"));
    let refused = Peer::come(&house, &Hello { will, ..login(V5, "secret") }).await;
    assert_eq!(refused.accepted.code, 0x87, "a will she may not publish");
    let mut ann = Peer::enter(&house, &login(V4, "secret")).await;
    ann.subscribe(&[("#", 1)], &[]).await;
    for topic in ["b", "a/secret", "$SYS/broker/uptime"] {
        ann.publish(2, topic, "denied", &[]).await;
        ann.publish(4, topic, "denied", &[]).await;
    }
    ann.publish(2, "a/b", "1", &[]).await;
    assert_eq!(ann.hear().await.topic, "a/b");
    ann.hears_nothing().await;
    assert_eq!(house.store.kept().len(), 1);
}

/// A WebSocket of a client, by hand: binary frames of a few bytes, masked.
struct Web<S> {
    stream: S,
    raw: BytesMut,
    data: BytesMut,
    /// A frame that is being sent.
    sending: BytesMut,
}

/// Asks for a WebSocket; the status.
async fn ask(stream: &mut impl Stream, path: &str, extra: &str) -> (String, BytesMut) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: broker\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n{extra}\r\n"
    );
    // In two parts: the first bytes alone do not tell what comes.
    stream.write_all(&request.as_bytes()[..2]).await.unwrap();
    stream.flush().await.unwrap();
    stream.write_all(&request.as_bytes()[2..]).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = BytesMut::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let rest = answer.split_off(head.len() + 4);
            return (head.to_ascii_lowercase(), rest);
        }
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "closed: {text}");
    }
}

async fn web<S: Stream>(mut stream: S) -> Web<S> {
    let (head, raw) = ask(&mut stream, "/mqtt", "Origin: http://broker\r\n").await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-protocol: mqtt"), "{head}");
    Web { stream, raw, data: BytesMut::new(), sending: BytesMut::new() }
}

impl<S> Web<S> {
    /// Takes whole frames out of what was read.
    fn unframe(&mut self) {
        while let [first, second, ..] = self.raw[..] {
            let (head, length) = match second {
                126 if self.raw.len() >= 4 => {
                    (4, usize::from(u16::from_be_bytes([self.raw[2], self.raw[3]])))
                }
                127 if self.raw.len() >= 10 => {
                    let digits = self.raw[2..10].try_into().unwrap();
                    (10, usize::try_from(u64::from_be_bytes(digits)).unwrap())
                }
                126 | 127 => return,
                length => (2, usize::from(length)),
            };
            if self.raw.len() < head + length {
                return;
            }
            self.raw.advance(head);
            let content = self.raw.split_to(length);
            if first == 0x82 {
                self.data.extend_from_slice(&content);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Web<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            self.unframe();
            if !self.data.is_empty() {
                let count = self.data.len().min(out.remaining());
                let content = self.data.split_to(count);
                out.put_slice(&content);
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; 1024];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.raw.extend_from_slice(read.filled());
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Web<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().poll_flush(context))?;
        // Packets end anywhere in a frame.
        let part = &bytes[..bytes.len().min(100)];
        let mask = [7, 1, 200, 9];
        self.sending.extend_from_slice(&[0x82, 0x80 | u8::try_from(part.len()).unwrap()]);
        self.sending.extend_from_slice(&mask);
        self.sending.extend(part.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        let _begun = self.as_mut().poll_flush(context)?;
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let web = &mut *self;
        while !web.sending.is_empty() {
            let count = ready!(Pin::new(&mut web.stream).poll_write(context, &web.sending))?;
            web.sending.advance(count);
        }
        Pin::new(&mut web.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[tokio::test]
async fn mqtt_is_spoken_in_a_websocket_plain_and_in_tls() {
    let house = House::open_with(private()).await;
    for hello in [V4, V5] {
        let plain = TcpStream::connect(house.broker.local_addr()).await.unwrap();
        let mut peer = Peer::over(Client::over(web(plain).await, hello.version), &hello).await;
        assert_eq!(peer.accepted.code, 0);
        echoes(&mut peer).await;
        peer.leave().await;
        let private = web(dial_tls(&house, None).await).await;
        let mut peer = Peer::over(Client::over(private, hello.version), &hello).await;
        assert_eq!(peer.accepted.code, 0);
        echoes(&mut peer).await;
    }
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_websocket_where_nobody_is_asked_for_a_name() {
    let house = House::open().await;
    let mut stream = TcpStream::connect(house.broker.local_addr()).await.unwrap();
    let (head, _) = ask(&mut stream, "/mqtt", "Origin: http://elsewhere\r\n").await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    let mut stream = TcpStream::connect(house.broker.local_addr()).await.unwrap();
    let (head, _) = ask(&mut stream, "/elsewhere", "").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
}

#[tokio::test]
async fn a_client_above_its_rate_is_read_later_and_never_cut() {
    let settings =
        Settings { messages_per_s_max: Some(50), sys_every: None, ..Settings::default() };
    let house = House::open_with(settings).await;
    let mut quick = Peer::enter(&house, &V4).await;
    for number in 0..75 {
        quick.say(0, "a", &number.to_string(), &[]).await;
    }
    house.counted(|counters| &counters.reads_paced, 1).await;
    quick.publish(2, "a", "last", &[]).await;
    assert_eq!(house.store.kept().len(), 76);
}

#[tokio::test]
async fn the_broker_speaks_of_itself_below_sys() {
    let settings =
        Settings { sys_every: Some(std::time::Duration::from_millis(20)), ..Settings::default() };
    let house = House::open_with(settings).await;
    let mut all = Peer::enter(&house, &Hello { name: "all", ..V4 }).await;
    all.subscribe(&[("#", 0), ("+/broker/#", 0)], &[]).await;
    let mut peer = Peer::enter(&house, &V4).await;
    peer.subscribe(&[("$SYS/#", 0)], &[]).await;
    let mut heard = std::collections::BTreeMap::new();
    while heard.get("$SYS/broker/subscriptions/count") != Some(&"3".to_owned()) {
        let message = peer.hear().await;
        heard.insert(message.topic, message.payload);
    }
    assert!(heard["$SYS/broker/version"].starts_with("Tacitus "));
    for name in ["uptime", "clients/connected", "messages/received", "bytes/received"] {
        assert!(heard.contains_key(&format!("$SYS/broker/{name}")), "{name}");
    }
    all.hears_nothing().await;
    assert_eq!(house.store.kept(), []);
}
