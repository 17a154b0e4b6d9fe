//! Arrow Flight SQL: statements and bulk ingestion over gRPC, in columns from end to end.
//!
//! ```text
//! connection ─▶ call ─▶ service ─┬─▶ statement   planned, then fetched once
//!                                ├─▶ metadata    catalogs, schemas, relations
//!                                └─▶ put         rows ─▶ ingest, answered after the sync
//! ```
//! Protocol: <https://arrow.apache.org/docs/format/FlightSql.html>.
//!
//! *Invariant.* What clients may hold here, connections, calls, tickets, prepared statements,
//! messages, is bounded ([`limits`]). After a stop is requested no connection is accepted, and
//! open calls have a bounded time to finish.
//!
//! *Not here.* What SQL means (`tacitus-query`), and how samples are kept (`ingest`).

mod guest;
mod limits;
mod metadata;
mod parameters;
mod put;
mod service;
mod shelf;
mod statement;
mod status;

pub(crate) use service::Service;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use futures::Stream;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tonic::transport::Server;

use crate::limits::ACCEPT_PAUSE;
use crate::shutdown::Shutdown;
use guest::Guest;
use limits::{
    CALLS_MAX, CONNECTIONS_MAX, DRAIN, HEAD_BYTES_MAX, KEEPALIVE, MESSAGE_IN_BYTES_MAX,
    WINDOW_BYTES,
};

/// A bound gRPC listener.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds an address.
    pub(crate) async fn bind(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(addr).await? })
    }

    /// Where it listens, with the port the system picked.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until the stop is requested and the open calls are answered or out of time.
    pub(crate) async fn serve(self, service: Service, shutdown: Shutdown) {
        let service = FlightServiceServer::new(service)
            .max_decoding_message_size(MESSAGE_IN_BYTES_MAX)
            // What goes out is cut to size where it is made.
            .max_encoding_message_size(usize::MAX);
        let stop = shutdown.clone();
        let served = Server::builder()
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_concurrent_streams(CALLS_MAX)
            .http2_max_header_list_size(HEAD_BYTES_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_service(service)
            .serve_with_incoming_shutdown(guests(self.socket), async move {
                stop.requested().await;
            });
        let drained = async {
            shutdown.requested().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = served => {
                if let Err(error) = served {
                    tracing::error!(%error, "the gRPC listener ended badly");
                }
            }
            () = drained => tracing::warn!("gRPC calls were cut off by the stop"),
        }
    }
}

/// The connections that come, each when there is a place for it; one more waits.
fn guests(socket: TcpListener) -> impl Stream<Item = io::Result<Guest>> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    futures::stream::unfold((socket, places), |(socket, places)| async move {
        let place = Arc::clone(&places).acquire_owned().await.ok()?;
        let stream = loop {
            match socket.accept().await {
                Ok((stream, _)) => break stream,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a gRPC connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        // Small answers must not wait for the acknowledgement of earlier ones.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        Some((Ok(Guest::new(stream, place)), (socket, places)))
    })
}
