//! Why a server does not start, or cannot go on.
//!
//! *Invariant.* Each reason has one exit code, by which a supervisor knows whether starting again
//! can help: after 4 it does, after 2 and 3 a person is needed first.

use std::fmt;
use std::net::SocketAddr;

use tacitus_storage::ErrorKind;

use crate::cli::Exit;
use crate::ingest::Failure;

/// Why a server does not start, or cannot go on.
#[derive(Debug)]
pub struct StartError {
    exit: Exit,
    message: String,
    hint: String,
}

impl StartError {
    pub(super) fn listen(key: &str, address: SocketAddr, error: &std::io::Error) -> Self {
        Self {
            exit: Exit::Configuration,
            message: format!("could not listen on \"{address}\" ({key}): {error}"),
            hint: "stop what listens there, or choose another port; port 0 picks a free one"
                .to_owned(),
        }
    }

    pub(super) fn store(error: &tacitus_storage::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Poisoned => Exit::Poisoned,
            ErrorKind::Invalid => Exit::Configuration,
            _ => Exit::Data,
        };
        Self { exit, message: error.to_string(), hint: error.hint().to_owned() }
    }

    pub(super) fn threads(error: &dyn fmt::Display) -> Self {
        Self {
            exit: Exit::Configuration,
            message: format!("could not start the threads of the server: {error}"),
            hint: "raise the limits of processes and memory for this user".to_owned(),
        }
    }

    pub(super) fn secrets(listener: &str, error: &dyn fmt::Display) -> Self {
        Self {
            exit: Exit::Configuration,
            message: format!("{listener} cannot ask for credentials: {error}"),
            hint: "correct the file, or leave the key out".to_owned(),
        }
    }

    pub(super) fn temporary(dir: &std::path::Path, error: &std::io::Error) -> Self {
        Self {
            exit: Exit::Data,
            message: format!("could not clear \"{}\": {error}", dir.display()),
            hint: "it holds temporary files of queries only; remove it".to_owned(),
        }
    }

    pub(super) fn panicked(panic: &dyn fmt::Display) -> Self {
        Self {
            exit: Exit::Data,
            message: format!("the store could not be opened: {panic}"),
            hint: "keep the data directory as it is and report this".to_owned(),
        }
    }

    pub(super) fn failed(failure: &Failure) -> Self {
        Self {
            exit: Exit::Poisoned,
            message: failure.message.clone(),
            hint: failure.hint.to_owned(),
        }
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
