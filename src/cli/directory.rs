//! The data directory itself, for commands that open it instead of asking a server.
//!
//! *Invariant.* The directory is this process's alone while it is open: where a server has it, the
//! command ends with exit code 3 and says so.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tacitus_storage::{Engine, ErrorKind};

use super::output::complain;
use super::serve::{checked, sources};
use super::{Exit, Flags};
use crate::config::Data;
use crate::server::open_engine;

/// Which directory.
#[derive(Debug, Clone, Args)]
pub(super) struct Place {
    /// The data directory; no server may have it open [default: as configured]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "TACITUS_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

/// An open directory.
pub(super) struct Opened {
    pub(super) engine: Arc<Engine>,
    pub(super) dir: PathBuf,
}

impl Place {
    /// Whether a directory was named.
    pub(super) fn is_named(&self) -> bool {
        self.data.is_some()
    }

    /// The settings of the store, or why there are none.
    pub(super) fn settings(&self) -> Result<Data, Exit> {
        let flags =
            Flags { config: self.config.clone(), data: self.data.clone(), ..Flags::default() };
        let config = sources(&flags).and_then(|sources| checked(&sources))?;
        Ok(config.settings.data)
    }

    /// Opens the directory, or says why not.
    pub(super) fn open(&self) -> Result<Opened, Exit> {
        let data = self.settings()?;
        let dir = data.dir.clone();
        match open_engine(&data) {
            Ok(engine) => Ok(Opened { engine: Arc::new(engine), dir }),
            Err(error) => Err(refuse(&error)),
        }
    }
}

/// Says what the store refuses; the exit code for it.
pub(super) fn refuse(error: &tacitus_storage::Error) -> Exit {
    let hint = match error.kind() {
        ErrorKind::Locked => {
            "stop the server that has it; import, export and backup can also ask it with --url"
        }
        _ => error.hint(),
    };
    complain(&format!("error: {error}\n  hint: {hint}\n"));
    match error.kind() {
        ErrorKind::Poisoned => Exit::Poisoned,
        ErrorKind::Invalid => Exit::Configuration,
        _ => Exit::Data,
    }
}
