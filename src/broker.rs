//! The embedded MQTT broker: sockets, connections and fan-out.
//!
//! ```text
//! listener ─▶ greeting ─▶ connection ─▶ intake (the store) ─▶ bus (rumqttd) ─▶ mailboxes
//! ```
//!
//! MQTT 3.1.1 and 5 on one port. What is not offered is refused in the protocol's own words:
//! shared subscriptions (0x9E), enhanced authentication (0x8C), other versions (0x84, or 1).
//! Sessions, retained messages and queued messages live as long as the process.
//!
//! *Invariant.* PUBACK and PUBREC leave only after [`Intake::store`] said so; a slow or silent
//! client harms only itself.
//!
//! *Not here.* The protocol itself (`tacitus_protocol::mqtt`); topics to tags (`ingest`); TLS,
//! users and rights.

mod bus;
mod connection;
mod counters;
mod greeting;
mod intake;
mod limits;
mod mailbox;
mod publisher;
mod room;
mod seats;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tacitus_storage::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use bus::Bus;
use counters::{one, set};
use limits::{AWAY_CHECK, STOP_TIME_MAX};
use room::Room;

pub use counters::Counters;
pub use intake::{Incoming, Intake, StoreError};
pub use publisher::Publisher;

/// How the broker is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Connections at one time. More cost memory (some 10 KiB each when idle); fewer turn
    /// devices away.
    pub connections_max: usize,
    /// Longest time a session outlives its connection, in seconds. Longer keeps messages for
    /// absent clients; shorter frees their memory.
    pub session_expiry_s_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            connections_max: 4096,
            session_expiry_s_max: 7 * 24 * 3600,
        }
    }
}

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    local_addr: SocketAddr,
    counters: Arc<Counters>,
    publisher: Publisher,
    listener: JoinHandle<()>,
}

impl Broker {
    /// Starts to listen. The broker stops when `shutdown` becomes true or its sender is dropped:
    /// MQTT 5 clients are told, groups being stored are finished.
    pub async fn start(
        settings: Settings,
        intake: Arc<dyn Intake>,
        clock: Arc<dyn Clock>,
        shutdown: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let local_addr = listener.local_addr()?;
        let (bus, exit) = Bus::start()?;
        let counters = Arc::new(Counters::default());
        let room = Arc::new(Room::new(bus, intake, clock, Arc::clone(&counters)));
        let publisher = Publisher(Arc::clone(&room));
        let listening = Listening { listener, settings, room, shutdown };
        let listener = tokio::spawn(listening.run(exit));
        Ok(Self { local_addr, counters, publisher, listener })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What it counts.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The way for the server to publish by itself.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// Waits until it has stopped, at most a few seconds after `shutdown`.
    pub async fn stopped(self) {
        if let Err(error) = self.listener.await {
            tracing::error!(%error, "listener ended by a panic");
        }
    }
}

/// Waits until the server is to stop, which it also is when nobody is left to say so.
async fn asked_to_stop(shutdown: &mut watch::Receiver<bool>) {
    if shutdown.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("nobody is left to stop the broker: it stops");
    }
}

struct Listening {
    listener: TcpListener,
    settings: Settings,
    room: Arc<Room>,
    shutdown: watch::Receiver<bool>,
}

impl Listening {
    async fn run(mut self, exit: bus::Exit) {
        let dispatcher = {
            let room = Arc::clone(&self.room);
            tokio::spawn(async move { room.dispatch(exit).await })
        };
        let mut clients = JoinSet::new();
        let mut away_check = tokio::time::interval(AWAY_CHECK);
        loop {
            tokio::select! {
                () = asked_to_stop(&mut self.shutdown) => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.welcome(stream, &mut clients),
                    Err(error) => {
                        // Mostly no file descriptors left: wait for some to come back.
                        tracing::warn!(%error, "no connection accepted");
                        tokio::time::sleep(AWAY_CHECK).await;
                    }
                },
                Some(ended) = clients.join_next(), if !clients.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "connection ended by a panic");
                    }
                    set(&self.room.counters.connections_now, clients.len());
                }
                _ = away_check.tick() => {
                    for will in self.room.expire() {
                        let room = Arc::clone(&self.room);
                        tokio::spawn(async move { room.publish_will(will).await });
                    }
                }
            }
        }
        drop(self.listener);
        let all_left = async { while clients.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIME_MAX, all_left).await.is_err() {
            clients.shutdown().await;
        }
        dispatcher.abort();
    }

    fn welcome(&self, stream: TcpStream, clients: &mut JoinSet<()>) {
        if clients.len() >= self.settings.connections_max {
            one(&self.room.counters.connections_refused);
            return;
        }
        one(&self.room.counters.connections_opened);
        let greeting = greeting::Greeting {
            room: Arc::clone(&self.room),
            session_expiry_s_max: self.settings.session_expiry_s_max,
        };
        clients.spawn(greeting.run(stream, self.shutdown.clone()));
        set(&self.room.counters.connections_now, clients.len());
    }
}
