//! The server: every part opened in order, wired, and closed in reverse.
//!
//! ```text
//! start  directory ▶ store ▶ listeners ▶ ready
//! stop   listeners ▶ open requests ▶ store
//! ```
//!
//! *Invariant.* [`Server::start`] returns only when every listener accepts connections, and
//! leaves nothing running when it fails. After [`Running::stop`] everything acknowledged is on
//! disk and the directory is free for another process.
//!
//! *Not here.* Signals, the ready line and exit codes: the command line.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tacitus_storage::{Engine, ErrorKind, OsDisk, Parts};
use tokio::task::JoinHandle;

use crate::chance::SystemChance;
use crate::cli::Exit;
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::http;
use crate::metrics::Metrics;
use crate::shutdown::Trigger;

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    engine: Arc<Engine>,
    trigger: Trigger,
    http: JoinHandle<()>,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP.
    pub http: SocketAddr,
}

/// Why a server does not start, or stopped by itself.
#[derive(Debug)]
pub struct StartError {
    exit: Exit,
    message: String,
    hint: String,
}

impl Server {
    /// Opens the store and the listeners.
    ///
    /// # Errors
    /// What keeps the server from running; nothing is left running.
    pub async fn start(settings: Settings) -> Result<Running, StartError> {
        let started = Instant::now();
        let metrics = Arc::new(Metrics::default());
        // The listener is bound before the store is opened: a wrong address is told at once and
        // not after a recovery. Connections wait in the backlog until the store is there.
        let listener = http::Listener::bind(&settings.http, Arc::clone(&metrics))
            .await
            .map_err(|error| StartError::listen("http.addr", settings.http.addr, &error))?;
        let addresses = Addresses {
            http: listener
                .local_addr()
                .map_err(|error| StartError::listen("http.addr", settings.http.addr, &error))?,
        };
        let engine = open(&settings).await?;
        let (trigger, shutdown) = Trigger::new();
        let facts = http::Facts { engine: Arc::clone(&engine), metrics, addresses, started };
        let router = http::router(Arc::new(facts), &settings.http);
        let http = tokio::spawn(listener.serve(router, shutdown));
        tracing::info!(%addresses, dir = %settings.data.dir.display(), "started");
        Ok(Running { addresses, engine, trigger, http })
    }
}

/// Opens the store on a thread where waiting for the disk blocks nobody.
async fn open(settings: &Settings) -> Result<Arc<Engine>, StartError> {
    let data = settings.data.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let disk = Arc::new(OsDisk::open(&data.dir)?);
        let clock = Arc::new(SystemClock::default());
        let parts = Parts { disk, clock, chance: Arc::new(SystemChance) };
        Engine::open(parts, store_settings(&data)).map(Arc::new)
    })
    .await;
    match opened {
        Ok(Ok(engine)) => Ok(engine),
        Ok(Err(error)) => Err(StartError::store(&error)),
        Err(panic) => Err(StartError {
            exit: Exit::Data,
            message: format!("the store could not be opened: {panic}"),
            hint: "keep the data directory as it is and report this".to_owned(),
        }),
    }
}

fn store_settings(data: &crate::config::Data) -> tacitus_storage::Settings {
    tacitus_storage::Settings {
        log_file_bytes: data.log_file_bytes,
        log_bytes_max: data.log_bytes_max,
        head_bytes_max: usize::try_from(data.memory_bytes_max).unwrap_or(usize::MAX),
        seal_after_s: data.seal_after.as_secs(),
        reserve_bytes: data.reserve_bytes,
    }
}

impl Running {
    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Returns when the server cannot go on.
    pub async fn failed(&self) -> StartError {
        std::future::pending().await
    }

    /// Stops: no new connections, open requests answered, the store closed.
    pub async fn stop(self) {
        tracing::info!("stopping");
        self.trigger.stop();
        if let Err(error) = self.http.await {
            tracing::error!(%error, "the HTTP listener ended badly");
        }
        let engine = self.engine;
        match tokio::task::spawn_blocking(move || engine.close()).await {
            Ok(Ok(())) => tracing::info!("stopped"),
            Ok(Err(error)) => {
                tracing::error!(%error, hint = error.hint(), "could not close the store")
            }
            Err(error) => tracing::error!(%error, "could not close the store"),
        }
    }
}

impl Addresses {
    /// For the status.
    pub(crate) fn json(&self) -> Value {
        json!({"http": self.http.to_string()})
    }
}

impl fmt::Display for Addresses {
    /// As in the ready line.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "http={}", self.http)
    }
}

impl StartError {
    fn listen(key: &str, address: SocketAddr, error: &std::io::Error) -> Self {
        Self {
            exit: Exit::Configuration,
            message: format!("could not listen on \"{address}\" ({key}): {error}"),
            hint: "stop what listens there, or choose another port; port 0 picks a free one"
                .to_owned(),
        }
    }

    fn store(error: &tacitus_storage::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Poisoned => Exit::Poisoned,
            ErrorKind::Invalid => Exit::Configuration,
            _ => Exit::Data,
        };
        Self { exit, message: error.to_string(), hint: error.hint().to_owned() }
    }

    /// What the process should exit with.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What a person can do.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for StartError {}
