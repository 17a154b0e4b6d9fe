//! `tacitus serve`: the configuration, the log, the server, the ready line, the stop.
//!
//! *Invariant.* The ready line is printed once, after every listener it names accepts
//! connections; it names the listeners that exist and no others.

use super::output::{complain, say};
use super::{Exit, Flags};
use crate::config::{Config, Problem, Sources};
use crate::limits::LAST_WAIT;
use crate::server::{Server, StartError};

pub(super) fn run(flags: &Flags) -> Exit {
    let config = match sources(flags).and_then(|sources| checked(&sources)) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    crate::logging::start(&config.settings.log);
    for warning in &config.warnings {
        tracing::warn!(origin = %warning.origin, hint = warning.hint, "{}", warning.message);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: could not start the threads of the server: {error}\n"));
            return Exit::Configuration;
        }
    };
    let exit = runtime.block_on(serve(config));
    // A thread that hangs in a system call must not hold up the end of the process.
    runtime.shutdown_timeout(LAST_WAIT);
    exit
}

async fn serve(config: Config) -> Exit {
    // Before anything is opened, so that a stop during the start is heard as well.
    let Ok(stop) = Signals::listen() else {
        complain("error: could not listen for signals\n");
        return Exit::Configuration;
    };
    let running = match Server::start(config.settings).await {
        Ok(running) => running,
        Err(error) => return refuse(&error),
    };
    if say(&format!("tacitus ready {}\n", running.addresses())) != Exit::Done {
        tracing::warn!("nobody reads the ready line");
    }
    let failure = tokio::select! {
        () = stop.heard() => None,
        error = running.failed() => Some(error),
    };
    running.stop().await;
    match failure {
        None => Exit::Done,
        Some(error) => refuse(&error),
    }
}

/// Says why the server does not run and what the caller's supervisor should make of it.
pub(super) fn refuse(error: &StartError) -> Exit {
    complain(&format!("error: {error}\n"));
    if !error.hint().is_empty() {
        complain(&format!("  hint: {}\n", error.hint()));
    }
    error.exit()
}

/// The requests to stop.
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn heard(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Gathers file, environment and flags.
pub(super) fn sources(flags: &Flags) -> Result<Sources, Exit> {
    let file = match &flags.config {
        None => None,
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => Some((path.clone(), text)),
            Err(error) => {
                complain(&format!(
                    "error: could not read the configuration \"{}\": {error}\n",
                    path.display()
                ));
                return Err(Exit::Configuration);
            }
        },
    };
    // A variable that is not UTF-8 cannot be a value of ours, and its name cannot be a key of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("TACITUS_"))
        .collect();
    let flags = [
        ("--data", "data.dir", &flags.data),
        ("--http", "http.addr", &flags.http),
        ("--mqtt", "mqtt.addr", &flags.mqtt),
        ("--pg", "pg.addr", &flags.pg),
        ("--grpc", "grpc.addr", &flags.grpc),
    ]
    .into_iter()
    .filter_map(|(flag, key, value)| Some((flag, key, value.clone()?)))
    .collect();
    Ok(Sources { file, environment, flags })
}

/// Checks the sources; all problems go to standard error.
pub(super) fn checked(sources: &Sources) -> Result<Config, Exit> {
    Config::load(sources).map_err(|problems| {
        let count = problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        let list: Vec<String> = problems.iter().map(Problem::to_string).collect();
        complain(&format!("{}\nerror: {count} {noun} in the configuration\n", list.join("\n")));
        Exit::Configuration
    })
}
