//! The server: every part opened in order, wired, and closed in reverse.
//!
//! ```text
//! start  directory ▶ store ▶ ingest ▶ broker, collectors, HTTP, Postgres, gRPC ▶ ready
//! stop   broker, collectors, HTTP, Postgres, gRPC ▶ ingest (what waits is written) ▶ store
//! ```
//!
//! *Invariant.* [`Server::start`] returns only when every listener accepts connections. After
//! [`Running::stop`] everything acknowledged is on disk and nothing writes any more.
//!
//! *Not here.* Signals, the ready line and exit codes: the command line.

mod collected;
mod collecting;
mod error;
mod kept;
mod landscape;

pub use error::StartError;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tacitus_protocol::payload;
use tacitus_query::{Limits, Session};
use tacitus_storage::{Clock, Engine, OsDisk, Parts};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::broker::{self, Broker, Intake};
use crate::chance::SystemChance;
use crate::clock::SystemClock;
use crate::config::{self, Data, Settings};
use crate::demo;
use crate::flight;
use crate::folder::Folder;
use crate::forward;
use crate::http;
use crate::ingest::{Committer, Ingest, Mqtt, Sparkplug};
use crate::limits::STOP_MAX;
use crate::metrics::Metrics;
use crate::opcua_server::OpcuaServer;
use crate::postgres;
use crate::shutdown::{Shutdown, Trigger};
use collecting::Collecting;

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    engine: Arc<Engine>,
    ingest: Ingest,
    clock: Arc<dyn Clock>,
    committer: Committer,
    trigger: Trigger,
    shutdown: Shutdown,
    senders: Senders,
}

/// The parts through which samples come in.
#[derive(Debug)]
struct Senders {
    http: JoinHandle<()>,
    postgres: JoinHandle<()>,
    grpc: JoinHandle<()>,
    broker: Broker,
    sparkplug: Option<Host>,
    files: Option<JoinHandle<()>>,
    opcua: Option<OpcuaServer>,
    collecting: Collecting,
    forwards: Arc<forward::Forwards>,
}

/// What every part of the server works on.
struct Core {
    clock: Arc<dyn Clock>,
    engine: Arc<Engine>,
    session: Arc<Session>,
    ingest: Ingest,
    committer: Committer,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP.
    pub http: SocketAddr,
    /// The MQTT broker.
    pub mqtt: SocketAddr,
    /// The MQTT broker, in TLS.
    pub mqtts: Option<SocketAddr>,
    /// The wire of PostgreSQL.
    pub pg: SocketAddr,
    /// Arrow Flight SQL.
    pub grpc: SocketAddr,
    /// The OPC UA server, where there is one.
    pub opcua: Option<SocketAddr>,
}

impl Server {
    /// Opens the store and the listeners.
    ///
    /// # Errors
    /// What keeps the server from running.
    pub async fn start(settings: Settings) -> Result<Running, StartError> {
        let started = Instant::now();
        let metrics = Arc::new(Metrics::default());
        // The listener is bound before the store is opened: a wrong address is told at once and
        // not after a recovery. Connections wait in the backlog until the store is there.
        let listener = http::Listener::bind(&settings.http, Arc::clone(&metrics))
            .await
            .map_err(|error| StartError::listen("http.addr", settings.http.addr, &error))?;
        let http = listener
            .local_addr()
            .map_err(|error| StartError::listen("http.addr", settings.http.addr, &error))?;
        let (flight, grpc) = bind_flight(settings.grpc).await?;

        let postgres = bind_postgres(&settings.postgres).await?;
        let pg = postgres
            .local_addr()
            .map_err(|error| StartError::listen("pg.addr", settings.postgres.addr, &error))?;

        let Core { clock, engine, session, ingest, committer } = Core::open(&settings).await?;
        let (trigger, shutdown) = Trigger::new();
        let (intake, broker, sparkplug) = start_mqtt(&settings, &ingest, &clock, &shutdown).await?;
        let configured = settings.collectors.clone();
        let dir = &settings.data.dir;
        let collecting = Collecting::start(configured, dir, &engine, &ingest, &clock);
        let forwards = collecting.forward(settings.forwards.clone(), &engine, &clock).await;
        collecting.show(&session, &ingest, &forwards);
        tokio::spawn(Arc::clone(ingest.sources()).watch(shutdown.clone()));
        let opcua = start_opcua(&settings, &engine, &ingest).await?;
        let addresses = Addresses {
            http,
            mqtt: broker.local_addr(),
            mqtts: broker.tls_addr(),
            pg,
            grpc,
            opcua: opcua.as_ref().map(OpcuaServer::address),
        };
        let followers = Arc::new(Semaphore::new(http::FOLLOWERS_MAX));
        let facts = Arc::new(http::Facts {
            engine: Arc::clone(&engine),
            ingest: ingest.clone(),
            intake: Arc::clone(&intake),
            session: Arc::clone(&session),
            broker: broker.counters(),
            collectors: Arc::clone(&collecting.collectors),
            gaps: Arc::clone(&collecting.gaps),
            plants: Arc::clone(&collecting.plants),
            trust: Arc::clone(&collecting.trust),
            forwards: Arc::clone(&forwards),
            receiver: forward::Receiver::new(&engine, &ingest),
            metrics,
            addresses,
            started,
            body_bytes_max: usize::try_from(settings.http.body_bytes_max).unwrap_or(usize::MAX),
            backup_dir: settings.data.backup_dir.clone(),
            followers: Arc::clone(&followers),
            shutdown: shutdown.clone(),
        });
        let router = http::router(facts, settings.http.body_timeout);
        let http = tokio::spawn(listener.serve(router, followers, shutdown.clone()));
        let service =
            flight::Service::new(session.connect(""), session.connect(""), ingest.clone());
        let grpc = tokio::spawn(flight.serve(service, shutdown.clone()));
        let parts = postgres::Parts { session, ingest: ingest.clone() };
        let postgres = tokio::spawn(postgres.serve(parts, shutdown.clone()));
        tracing::info!(%addresses, dir = %settings.data.dir.display(), "started");
        let files = settings.files.map(|settings| {
            let folder = Folder::new(settings, Arc::clone(&engine), ingest.clone());
            tokio::spawn(folder.watch(shutdown.clone()))
        });
        let senders =
            Senders { http, postgres, grpc, broker, sparkplug, files, opcua, collecting, forwards };
        Ok(Running { addresses, engine, ingest, clock, committer, trigger, shutdown, senders })
    }
}

impl Core {
    /// Opens the store, the way to ask it and the way into it.
    async fn open(settings: &Settings) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let engine = open(&settings.data, Arc::clone(&clock)).await?;
        clear_temporary(&settings.query).await?;
        let session = Session::new(Arc::clone(&engine), settings.query.clone())
            .map_err(|error| StartError::threads(&error))?;
        let session = Arc::new(session);
        let (ingest, committer) =
            Ingest::start(Arc::clone(&engine), Arc::clone(&clock), &settings.ingest)
                .map_err(|error| StartError::threads(&error))?;
        Ok(Self { clock, engine, session, ingest, committer })
    }
}

async fn bind_flight(addr: SocketAddr) -> Result<(flight::Listener, SocketAddr), StartError> {
    let refuse = |error: std::io::Error| StartError::listen("grpc.addr", addr, &error);
    let listener = flight::Listener::bind(addr).await.map_err(refuse)?;
    let local = listener.local_addr().map_err(refuse)?;
    Ok((listener, local))
}

async fn bind_postgres(settings: &config::Postgres) -> Result<postgres::Listener, StartError> {
    postgres::Listener::bind(settings.addr, settings.connections_max)
        .await
        .map_err(|error| StartError::listen("pg.addr", settings.addr, &error))?
        .with_secrets(&settings.secrets)
        .map_err(|error| StartError::secrets("the Postgres wire", &error))
}

/// Takes away what an earlier run of the server left of its temporary files.
async fn clear_temporary(limits: &Limits) -> Result<(), StartError> {
    let Some(dir) = &limits.temp_dir else { return Ok(()) };
    match tokio::fs::remove_dir_all(dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(StartError::temporary(dir, &error));
        }
        _ => {}
    }
    tokio::fs::create_dir_all(dir).await.map_err(|error| StartError::temporary(dir, &error))
}

/// Opens the store on a thread where waiting for the disk blocks nobody.
async fn open(data: &Data, clock: Arc<dyn Clock>) -> Result<Arc<Engine>, StartError> {
    let data = data.clone();
    match tokio::task::spawn_blocking(move || open_with(&data, clock)).await {
        Ok(engine) => engine.map(Arc::new).map_err(|error| StartError::store(&error)),
        Err(panic) => Err(StartError::panicked(&panic)),
    }
}

/// Opens a store for a command that needs no server.
pub(crate) fn open_engine(data: &Data) -> Result<Engine, tacitus_storage::Error> {
    open_with(data, Arc::new(SystemClock::default()))
}

fn open_with(data: &Data, clock: Arc<dyn Clock>) -> Result<Engine, tacitus_storage::Error> {
    let disk = OsDisk::open(&data.dir)?;
    let disk = Arc::new(if data.maps { disk } else { disk.without_mappings() });
    let parts = Parts { disk, clock, chance: Arc::new(SystemChance) };
    let engine = Engine::open(parts, data.engine())?;
    forward::hold_what_waits(&engine);
    Ok(engine)
}

/// The host application of Sparkplug, and its task.
type Host = (Arc<Sparkplug>, JoinHandle<()>);

/// Starts the broker, and the host application of Sparkplug where it is asked for.
async fn start_mqtt(
    settings: &Settings,
    ingest: &Ingest,
    clock: &Arc<dyn Clock>,
    shutdown: &Shutdown,
) -> Result<(Arc<Mqtt>, Broker, Option<Host>), StartError> {
    let host = settings.sparkplug.clone();
    let host = host.map(|settings| Arc::new(Sparkplug::open(settings, ingest)));
    let rules = settings.topics.clone();
    let intake = Mqtt::new(ingest.clone(), rules, payload::Settings::default());
    let intake = Arc::new(intake.with_sparkplug(host.clone()));
    let broker = start_broker(settings, &intake, clock, shutdown).await?;
    let sparkplug = host.map(|host| {
        let run = Arc::clone(&host).run(ingest.clone(), broker.publisher(), shutdown.clone());
        (host, tokio::spawn(run))
    });
    Ok((intake, broker, sparkplug))
}

async fn start_broker(
    settings: &Settings,
    intake: &Arc<Mqtt>,
    clock: &Arc<dyn Clock>,
    shutdown: &Shutdown,
) -> Result<Broker, StartError> {
    let intake = Arc::clone(intake) as Arc<dyn Intake>;
    let door = broker::Door::open(&settings.mqtt)
        .map_err(|error| StartError::secrets("the MQTT broker", &error))?;
    Broker::start(settings.mqtt.clone(), door, intake, Arc::clone(clock), shutdown.receiver())
        .await
        .map_err(|error| StartError::listen("mqtt.addr", settings.mqtt.listen, &error))
}

async fn start_opcua(
    settings: &Settings,
    engine: &Arc<Engine>,
    ingest: &Ingest,
) -> Result<Option<OpcuaServer>, StartError> {
    let Some(wish) = settings.opcua_server.clone() else { return Ok(None) };
    let addr = wish.addr;
    match OpcuaServer::start(wish, Arc::clone(engine), ingest.feed()).await {
        Ok(server) => Ok(Some(server)),
        Err(reason) => {
            let error = std::io::Error::other(reason);
            Err(StartError::listen("opcua_server.addr", addr, &error))
        }
    }
}

impl Running {
    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What a simulated plant needs of this server, and when to stop.
    pub(crate) fn for_demo(&self) -> (demo::Parts, Shutdown) {
        let parts = demo::Parts {
            mqtt: self.addresses.mqtt,
            engine: Arc::clone(&self.engine),
            ingest: self.ingest.clone(),
            plants: Arc::clone(&self.senders.collecting.plants),
            clock: Arc::clone(&self.clock),
            seed: demo::SEED,
        };
        (parts, self.shutdown.clone())
    }

    /// Returns when the store has failed and nothing more can be kept.
    pub async fn failed(&self) -> StartError {
        StartError::failed(&self.committer.failed().await)
    }

    /// Stops: no new connections, open requests answered, what waits written, the store closed.
    pub async fn stop(self) {
        tracing::info!("stopping");
        let Senders { http, postgres, grpc, broker, sparkplug, files, opcua, collecting, forwards } =
            self.senders;
        // Before the broker stops, so that nodes hear it.
        if let Some((host, _)) = &sparkplug {
            let publisher = broker.publisher();
            host.farewell(self.clock.now(), &publisher).await;
            publisher.settled().await;
        }
        self.trigger.stop();
        let (committer, engine) = (self.committer, self.engine);
        let stopped = async {
            let (http, postgres, grpc, (), ()) =
                tokio::join!(http, postgres, grpc, broker.stopped(), collecting.stop());
            forwards.stop().await;
            if let Some(opcua) = opcua {
                opcua.stop().await;
            }
            for (listener, ended) in [("HTTP", http), ("Postgres", postgres), ("gRPC", grpc)] {
                if let Err(error) = ended {
                    tracing::error!(listener, %error, "a listener ended badly");
                }
            }
            let sparkplug = sparkplug.map(|(_, running)| ("the Sparkplug host", running));
            let files = files.map(|running| ("the watch of the folder", running));
            for (name, running) in sparkplug.into_iter().chain(files) {
                if let Err(error) = running.await {
                    tracing::error!(name, %error, "a part ended badly");
                }
            }
            let closed = tokio::task::spawn_blocking(move || {
                committer.stop();
                engine.close();
            });
            if let Err(error) = closed.await {
                tracing::error!(%error, "the store ended badly");
            }
        };
        if tokio::time::timeout(STOP_MAX, stopped).await.is_ok() {
            tracing::info!("stopped");
        } else {
            tracing::warn!("the stop took too long and was cut off");
        }
    }
}

impl Addresses {
    /// For the status.
    pub(crate) fn json(&self) -> Value {
        json!({
            "http": self.http.to_string(),
            "mqtt": self.mqtt.to_string(),
            "mqtts": self.mqtts.map(|address| address.to_string()),
            "pg": self.pg.to_string(),
            "grpc": self.grpc.to_string(),
            "opcua": self.opcua.map(|address| address.to_string()),
        })
    }
}

impl fmt::Display for Addresses {
    /// As in the ready line.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { http, mqtt, mqtts, pg, grpc, opcua } = self;
        write!(out, "http={http} mqtt={mqtt} pg={pg} grpc={grpc}")?;
        mqtts.map_or(Ok(()), |address| write!(out, " mqtts={address}"))?;
        opcua.map_or(Ok(()), |address| write!(out, " opcua={address}"))
    }
}
