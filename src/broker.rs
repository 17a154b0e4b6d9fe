//! The embedded MQTT broker: sockets, connections and fan-out.
//!
//! ```text
//! listener ─▶ line ─▶ greeting ─▶ connection ─▶ intake (the store) ─▶ bus (rumqttd) ─▶ mailboxes
//!                        │            │              ▲
//!                        └── desk ────┴──────────────┘ what is remembered across a restart
//! ```
//!
//! MQTT 3.1.1 and 5 on one port, plain, in TLS, and each of them in a WebSocket. What is not
//! offered is refused in the protocol's own words: enhanced authentication (0x8C), other versions
//! (0x84, or 1).
//!
//! *Invariant.* PUBACK and PUBREC leave only after [`Intake::store`] said so; a slow or silent
//! client harms only itself. Sessions, subscriptions, retained messages, messages that wait, open
//! ids of quality 2 and wills survive a restart and a kill.
//!
//! *Not here.* The protocol itself (`tacitus_protocol::mqtt`); topics to tags (`ingest`).

mod bus;
mod certificate;
mod connection;
mod counters;
mod desk;
mod door;
mod greeting;
mod history;
mod intake;
mod limits;
mod line;
mod mailbox;
mod memory;
mod pace;
mod publisher;
mod rights;
mod room;
mod seats;
mod sys;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tacitus_storage::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use bus::Bus;
use counters::{one, set};
use limits::{AWAY_CHECK, STOP_TIME_MAX};
use room::Room;

use crate::secrets::Certificate;

pub use counters::Counters;
pub use door::Door;
pub use intake::{Incoming, Intake, Remembered, Span, StoreError, Story, StoryError, Told};
pub use publisher::Publisher;
pub use rights::Right;

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
    /// Where TLS is spoken, and by which certificate.
    pub tls: Option<(SocketAddr, Certificate)>,
    /// A file of lines `name:password`.
    pub users: Option<PathBuf>,
    /// Whether a client may come without saying who it is.
    pub anonymous: bool,
    /// Which topics are whose; empty: everything is everybody's.
    pub rights: Vec<Right>,
    /// Longest keep-alive in seconds; MQTT 5 clients with a longer one are told this.
    pub keep_alive_s_max: u16,
    /// Messages a second one client may send; `None`: as many as are stored.
    pub messages_per_s_max: Option<u32>,
    /// How often `$SYS` is published; `None`: not at all.
    pub sys_every: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            connections_max: 4096,
            session_expiry_s_max: 7 * 24 * 3600,
            tls: None,
            users: None,
            anonymous: true,
            rights: Vec::new(),
            keep_alive_s_max: 60,
            messages_per_s_max: None,
            sys_every: Some(Duration::from_secs(10)),
        }
    }
}

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    local_addr: SocketAddr,
    tls_addr: Option<SocketAddr>,
    counters: Arc<Counters>,
    publisher: Publisher,
    listener: JoinHandle<()>,
}

impl Broker {
    /// Starts to listen. The broker stops when `shutdown` becomes true or its sender is dropped:
    /// MQTT 5 clients are told, groups being stored are finished. What an earlier run remembered is
    /// there before anybody is let in.
    pub async fn start(
        settings: Settings,
        door: Door,
        intake: Arc<dyn Intake>,
        clock: Arc<dyn Clock>,
        shutdown: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let local_addr = listener.local_addr()?;
        let private = match &settings.tls {
            Some((addr, _)) => Some(TcpListener::bind(addr).await?),
            None => None,
        };
        let tls_addr = private.as_ref().map(TcpListener::local_addr).transpose()?;
        let (bus, exit) = Bus::start()?;
        let counters = Arc::new(Counters::default());
        let room = Arc::new(Room::new(bus, intake, clock, Arc::clone(&counters)));
        let publisher = Publisher(Arc::clone(&room));
        let due = room.recall();
        let settings = Arc::new(settings);
        let door = Arc::new(door);
        let listening = Listening { listener, private, settings, door, room, shutdown };
        let listener = tokio::spawn(listening.run(exit, due));
        Ok(Self { local_addr, tls_addr, counters, publisher, listener })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where it speaks TLS.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_addr
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
    private: Option<TcpListener>,
    settings: Arc<Settings>,
    door: Arc<Door>,
    room: Arc<Room>,
    shutdown: watch::Receiver<bool>,
}

impl Listening {
    async fn run(mut self, exit: bus::Exit, due: Vec<seats::Legacy>) {
        let dispatcher = {
            let room = Arc::clone(&self.room);
            tokio::spawn(async move { room.dispatch(exit).await })
        };
        let clerk = {
            let room = Arc::clone(&self.room);
            tokio::spawn(async move { room.desk.serve(Arc::clone(&room.intake)).await })
        };
        // Wills of those who were connected when the last run ended go before what they say now.
        futures::future::join_all(due.into_iter().map(|will| self.room.publish_will(will))).await;
        let mut clients = JoinSet::new();
        self.accept(&mut clients).await;
        drop((self.listener, self.private));
        let all_left = async { while clients.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIME_MAX, all_left).await.is_err() {
            clients.shutdown().await;
        }
        dispatcher.abort();
        // What was put on the desk last: how each client left.
        self.room.desk.close();
        if tokio::time::timeout(STOP_TIME_MAX, clerk).await.is_err() {
            tracing::warn!("not everything the broker remembers could be written");
        }
    }

    /// Lets clients in until the server stops.
    async fn accept(&mut self, clients: &mut JoinSet<()>) {
        let started = Instant::now();
        let mut away_check = tokio::time::interval(AWAY_CHECK);
        let mut sys = self.settings.sys_every.map(tokio::time::interval);
        loop {
            tokio::select! {
                () = asked_to_stop(&mut self.shutdown) => return,
                accepted = self.listener.accept() => self.welcome(accepted, false, clients).await,
                accepted = next(self.private.as_ref()) => {
                    self.welcome(accepted, true, clients).await;
                }
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
                () = tick(sys.as_mut()) => {
                    let messages = sys::messages(&self.room.counters, started.elapsed().as_secs());
                    let room = Arc::clone(&self.room);
                    tokio::spawn(async move { room.publish_own(&messages).await });
                }
            }
        }
    }

    async fn welcome(
        &self,
        accepted: io::Result<(TcpStream, SocketAddr)>,
        is_private: bool,
        clients: &mut JoinSet<()>,
    ) {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Mostly no file descriptors left: wait for some to come back.
                tracing::warn!(%error, "no connection accepted");
                return tokio::time::sleep(AWAY_CHECK).await;
            }
        };
        if clients.len() >= self.settings.connections_max {
            return one(&self.room.counters.connections_refused);
        }
        one(&self.room.counters.connections_opened);
        let greeting = greeting::Greeting {
            room: Arc::clone(&self.room),
            door: Arc::clone(&self.door),
            settings: Arc::clone(&self.settings),
            is_private,
        };
        clients.spawn(greeting.run(stream, self.shutdown.clone()));
        set(&self.room.counters.connections_now, clients.len());
    }
}

/// The next connection of a listener that may not be there.
async fn next(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// The next tick of a clock that may not be there.
async fn tick(interval: Option<&mut tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
