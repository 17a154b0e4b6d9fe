//! `tacitus demo`: the same server as `serve`, with a simulated plant around it.
//!
//! *Invariant.* The ready line comes first on standard output, the page for newcomers after it,
//! when the plant's first hour can be asked about. A data directory that was not asked for is
//! removed at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::output::{complain, say};
use super::serve::{Signals, checked, refuse, sources};
use super::{Exit, Flags};
use crate::config::Config;
use crate::demo::{Demo, Error, first_page};
use crate::limits::LAST_WAIT;
use crate::server::{Running, Server};

pub(super) fn run(flags: &Flags) -> Exit {
    let own = match own_dir(flags) {
        Ok(own) => own,
        Err(exit) => return exit,
    };
    let mut flags = flags.clone();
    if let Some(dir) = &own {
        flags.data = Some(dir.display().to_string());
    }
    let exit = match sources(&flags).and_then(|sources| checked(&sources)) {
        Ok(config) => start(config, own.is_none()),
        Err(exit) => exit,
    };
    if let Some(dir) = own
        && let Err(error) = std::fs::remove_dir_all(&dir)
    {
        complain(&format!("warning: could not remove \"{}\": {error}\n", dir.display()));
    }
    exit
}

/// A fresh directory, unless one was asked for.
fn own_dir(flags: &Flags) -> Result<Option<PathBuf>, Exit> {
    if flags.data.is_some()
        || flags.config.is_some()
        || std::env::var_os("TACITUS_DATA_DIR").is_some()
    {
        return Ok(None);
    }
    let dir = std::env::temp_dir().join(format!("tacitus-demo-{}", std::process::id()));
    match std::fs::create_dir(&dir) {
        Ok(()) => Ok(Some(dir)),
        Err(error) => {
            complain(&format!(
                "error: could not create \"{}\": {error}\n  hint: name a directory with --data\n",
                dir.display()
            ));
            Err(Exit::Data)
        }
    }
}

fn start(config: Config, kept: bool) -> Exit {
    crate::logging::start(&config.settings.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: could not start the threads of the server: {error}\n"));
            return Exit::Configuration;
        }
    };
    let exit = runtime.block_on(serve(config, kept));
    runtime.shutdown_timeout(LAST_WAIT);
    exit
}

async fn serve(mut config: Config, kept: bool) -> Exit {
    let Ok(stop) = Signals::listen() else {
        complain("error: could not listen for signals\n");
        return Exit::Configuration;
    };
    let dir = config.settings.data.dir.clone();
    let opened = Demo::open(&dir).await.and_then(|demo| Ok((demo.collector()?, demo)));
    let (collector, demo) = match opened {
        Ok(opened) => opened,
        Err(error) => return no_plant(&error),
    };
    config.settings.collectors.push(Arc::new(collector));
    let running = match Server::start(config.settings).await {
        Ok(running) => running,
        Err(error) => return refuse(&error),
    };
    let failure = tokio::select! {
        () = stop.heard() => None,
        error = running.failed() => Some(refuse(&error)),
        exit = show(demo, &running, &dir, kept) => Some(exit),
    };
    running.stop().await;
    failure.unwrap_or(Exit::Done)
}

/// Says where everything is, and lets the plant work. Returns only if it cannot.
async fn show(demo: Demo, running: &Running, dir: &Path, kept: bool) -> Exit {
    let addresses = running.addresses();
    if say(&format!("tacitus ready {addresses}\n")) != Exit::Done {
        tracing::warn!("nobody reads the ready line");
    }
    let (parts, shutdown) = running.for_demo();
    let plant = match demo.run(parts, shutdown).await {
        Ok(plant) => plant,
        Err(error) => return no_plant(&error),
    };
    if say(&first_page(addresses, dir, kept)) != Exit::Done {
        tracing::warn!("nobody reads the first page");
    }
    plant.stopped().await;
    std::future::pending().await
}

fn no_plant(error: &Error) -> Exit {
    complain(&format!("error: {error}\n"));
    Exit::Configuration
}
