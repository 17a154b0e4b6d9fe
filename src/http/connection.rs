//! The HTTP listener and its connections.
//!
//! *Invariant.* Open connections never exceed the limit; one more is told so and closed. A
//! connection that sends nothing, or a head that never ends, is closed after a time. After a stop
//! is requested no connection is accepted, and open requests have a bounded time to finish.
//!
//! *Not here.* What a request means: the router.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::FOLLOWERS_MAX;
use crate::config;
use crate::limits::{ACCEPT_PAUSE, HTTP_DRAIN, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// A bound HTTP listener.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    places: Arc<Semaphore>,
    header_timeout: Duration,
    metrics: Arc<Metrics>,
}

impl Listener {
    /// Binds the address of the settings.
    pub(crate) async fn bind(settings: &config::Http, metrics: Arc<Metrics>) -> io::Result<Self> {
        Ok(Self {
            socket: TcpListener::bind(settings.addr).await?,
            places: Arc::new(Semaphore::new(settings.connections_max)),
            header_timeout: settings.header_timeout,
            metrics,
        })
    }

    /// Where it listens, with the port the system picked.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until the stop is requested and the open requests are answered or out of time; who
    /// has one of the places of `followers` is told too, on a connection that is not HTTP any more.
    pub(crate) async fn serve(self, router: Router, followers: Arc<Semaphore>, shutdown: Shutdown) {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                Some(_) = open.join_next() => continue,
                () = shutdown.requested() => break,
            };
            match accepted {
                Ok((stream, _)) => match Arc::clone(&self.places).try_acquire_owned() {
                    Ok(place) => {
                        let connection = self.connection(stream, place, &router, &shutdown);
                        open.spawn(connection);
                    }
                    Err(_) => self.turn_away(stream),
                },
                Err(error) => {
                    tracing::warn!(%error, "could not accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.socket);
        let finished = async {
            while open.join_next().await.is_some() {}
            let all = u32::try_from(FOLLOWERS_MAX).unwrap_or(u32::MAX);
            drop(followers.acquire_many(all).await);
        };
        if tokio::time::timeout(HTTP_DRAIN, finished).await.is_err() {
            tracing::warn!("HTTP requests were cut off by the stop");
        }
    }

    fn turn_away(&self, mut stream: TcpStream) {
        self.metrics.http_connections_refused.inc();
        tokio::spawn(async move {
            // Who does not even take the refusal learns from the closed connection.
            drop(tokio::time::timeout(ACCEPT_PAUSE, stream.write_all(full().as_bytes())).await);
        });
    }

    fn connection(
        &self,
        stream: TcpStream,
        place: OwnedSemaphorePermit,
        router: &Router,
        shutdown: &Shutdown,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_headers(HTTP_HEADERS_MAX)
            .max_buf_size(HTTP_HEAD_BYTES_MAX);
        let service = TowerToHyperService::new(router.clone());
        let (metrics, shutdown) = (Arc::clone(&self.metrics), shutdown.clone());
        async move {
            let _place = place;
            metrics.http_connections.inc();
            // Small answers must not wait for the acknowledgement of earlier ones.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "could not set TCP_NODELAY");
            }
            let connection =
                builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.requested() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP connection ended early");
            }
            metrics.http_connections.dec();
        }
    }
}

/// Said to a connection above the limit; small enough to fit any socket buffer.
fn full() -> String {
    let body = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
        \"detail\":\"too many connections are already open\",\
        \"hint\":\"use fewer, or raise http.connections\"}";
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         connection: close\r\nretry-after: 1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
