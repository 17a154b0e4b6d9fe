//! How a client's bytes come and go: plain, in TLS, or in a WebSocket over either.
//!
//! ```text
//! socket ─▶ TLS? ─▶ first bytes: "GET " ─▶ HTTP upgrade to WebSocket ─▶ bytes of MQTT
//!                                 else  ─▶ bytes of MQTT
//! ```
//!
//! *Invariant.* Whatever a client does here happens in its own task and within a bounded time; a
//! WebSocket carries binary frames only, and no page of another site opens one where nobody is
//! asked for a password.
//!
//! *Not here.* The first packet: `greeting`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::{Buf, BytesMut};
use futures::{SinkExt, StreamExt};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tacitus_protocol::mqtt::limits::PACKET_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::certificate::common_name;
use super::limits::{
    CONNECT_TIME_MAX, READ_BYTES_MIN, WEB_HEAD_BYTES_MAX, WEB_HEADERS_MAX, WEB_PIPE_BYTES,
};

/// Where bytes come from.
pub(super) type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// Where bytes go to.
pub(super) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// What lies below MQTT.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A client's line, open.
pub(super) struct Line {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    /// What was read already.
    pub(super) head: BytesMut,
    /// Whom the client's certificate names.
    pub(super) certificate: Option<String>,
    /// What carries the line, to be driven as long as it is used.
    pub(super) carrier: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// Opens the line of a socket. `guarded`: clients have to say who they are.
pub(super) async fn open(
    stream: TcpStream,
    tls: Option<&TlsAcceptor>,
    guarded: bool,
) -> io::Result<Line> {
    stream.set_nodelay(true)?;
    let deadline = Instant::now() + CONNECT_TIME_MAX;
    let opened = timeout_at(deadline, async {
        let Some(tls) = tls else {
            let (mut reader, writer) = stream.into_split();
            let head = first_bytes(&mut reader).await?;
            if is_http(&head) {
                let whole = reader.reunite(writer).map_err(io::Error::other)?;
                return upgrade(Prefixed { head, rest: whole }, None, guarded).await;
            }
            let (reader, writer) = (Box::new(reader), Box::new(writer));
            return Ok(Line { reader, writer, head, certificate: None, carrier: None });
        };
        let mut stream = tls.accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let certificate = chain.and_then(|chain| common_name(chain.first()?)).map(str::to_owned);
        let head = first_bytes(&mut stream).await?;
        if is_http(&head) {
            return upgrade(Prefixed { head, rest: stream }, certificate, guarded).await;
        }
        let (reader, writer) = tokio::io::split(stream);
        let (reader, writer) = (Box::new(reader), Box::new(writer));
        Ok(Line { reader, writer, head, certificate, carrier: None })
    });
    opened.await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

async fn first_bytes(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<BytesMut> {
    let mut head = BytesMut::with_capacity(READ_BYTES_MIN);
    loop {
        if reader.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // No packet a client may begin with begins like this.
        if !b"GET ".starts_with(head.get(..4).unwrap_or(&head)) || head.len() >= 4 {
            return Ok(head);
        }
    }
}

fn is_http(head: &[u8]) -> bool {
    head.starts_with(b"GET ")
}

/// Answers the request that makes a WebSocket of a connection.
async fn upgrade(
    stream: impl Stream,
    certificate: Option<String>,
    guarded: bool,
) -> io::Result<Line> {
    let (give, mut take) = mpsc::channel::<WebSocket>(1);
    let answer = move |headers: HeaderMap, asked: WebSocketUpgrade| async move {
        if !guarded && is_foreign(&headers) {
            return (StatusCode::FORBIDDEN, "the request comes from a page of another site")
                .into_response();
        }
        asked
            .protocols(["mqtt", "mqttv3.1"])
            .max_message_size(2 * PACKET_BYTES_MAX)
            .max_frame_size(2 * PACKET_BYTES_MAX)
            .on_upgrade(move |socket| async move {
                // Whoever waited for it may be gone.
                drop(give.send(socket).await);
            })
            .into_response()
    };
    let router = Router::new().route("/mqtt", get(answer.clone())).route("/", get(answer));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECT_TIME_MAX)
        .max_headers(WEB_HEADERS_MAX)
        .max_buf_size(WEB_HEAD_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    let serving = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    serving.await.map_err(io::Error::other)?;
    let socket = take.recv().await.ok_or(io::ErrorKind::InvalidData)?;
    let (near, far) = tokio::io::duplex(WEB_PIPE_BYTES);
    let (reader, writer) = tokio::io::split(near);
    Ok(Line {
        reader: Box::new(reader),
        writer: Box::new(writer),
        head: BytesMut::new(),
        certificate,
        carrier: Some(Box::pin(carry(socket, far))),
    })
}

/// Whether a page of another site asks.
fn is_foreign(headers: &HeaderMap) -> bool {
    let word = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let Some(origin) = word(header::ORIGIN) else { return false };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_none() || authority != word(header::HOST)
}

/// Moves bytes between a WebSocket and the broker until one of them ends.
async fn carry(socket: WebSocket, pipe: DuplexStream) {
    let (mut to_client, mut from_client) = socket.split();
    let (mut from_broker, mut to_broker) = tokio::io::split(pipe);
    let incoming = async {
        while let Some(Ok(message)) = from_client.next().await {
            let written = match message {
                Message::Binary(bytes) => to_broker.write_all(&bytes).await,
                Message::Ping(_) | Message::Pong(_) => Ok(()),
                Message::Text(_) | Message::Close(_) => break,
            };
            if written.is_err() {
                break;
            }
        }
    };
    let outgoing = async {
        let mut bytes = BytesMut::new();
        loop {
            bytes.reserve(READ_BYTES_MIN);
            match from_broker.read_buf(&mut bytes).await {
                Ok(count) if count > 0 => {}
                _ => break,
            }
            if to_client.send(Message::Binary(bytes.split().freeze())).await.is_err() {
                return;
            }
        }
        // Who is gone hears no farewell.
        drop(to_client.close().await);
    };
    tokio::select! {
        () = incoming => {}
        () = outgoing => {}
    }
}

/// A stream of which some bytes were read already.
struct Prefixed<S> {
    head: BytesMut,
    rest: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            return Pin::new(&mut self.rest).poll_read(context, out);
        }
        let count = self.head.len().min(out.remaining());
        out.put_slice(self.head.get(..count).unwrap_or_default());
        self.head.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.rest).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_shutdown(context)
    }
}
