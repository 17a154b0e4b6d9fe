//! `tacitus config`: check, print, explain, try.

use std::io::Read as _;

use clap::Subcommand;
use tacitus_protocol::payload;
use tacitus_storage::Clock as _;

use super::output::{complain, say};
use super::{Exit, Flags, serve};
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::ingest;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Report every problem of the configuration
    Check(Flags),
    /// Show every value in effect and where it comes from
    Print(Flags),
    /// Say what a key means; all of them where none is named
    Explain {
        /// The key, as in http.addr
        key: Option<String>,
    },
    /// Show which tags and samples an MQTT message would become, with nothing stored
    Try {
        /// The topic
        topic: String,
        /// The payload; read from standard input where it is - or left out
        payload: Option<String>,
        #[command(flatten)]
        flags: Flags,
    },
}

pub(super) fn run(command: &Command) -> Exit {
    match command {
        Command::Check(flags) => match load(flags) {
            Ok(config) => {
                for warning in &config.warnings {
                    complain(&format!("warning: {warning}\n"));
                }
                say("the configuration is in order\n")
            }
            Err(exit) => exit,
        },
        Command::Print(flags) => match load(flags) {
            Ok(config) => say(&config::print(&config.effective)),
            Err(exit) => exit,
        },
        Command::Try { topic, payload, flags } => try_out(topic, payload.as_deref(), flags),
        Command::Explain { key: None } => say(&config::page()),
        Command::Explain { key: Some(name) } => {
            if let Some(key) = config::find(name) {
                return say(&config::explain(key));
            }
            complain(&format!(
                "error: there is no key \"{name}\"\n  hint: `tacitus config print` lists every \
                 key\n"
            ));
            Exit::Configuration
        }
    }
}

/// Exit codes as of an import: 0 all of it would be stored, 5 not all.
fn try_out(topic: &str, payload: Option<&str>, flags: &Flags) -> Exit {
    let settings = match load(flags) {
        Ok(config) => config.settings,
        Err(exit) => return exit,
    };
    let payload = match payload {
        Some(text) if text != "-" => text.as_bytes().to_vec(),
        _ => {
            let mut bytes = Vec::new();
            // LIMIT: no message is longer than the longest payload and what shows that it is.
            let longest = payload::Settings::default().payload_bytes_max as u64 + 1;
            if let Err(error) = std::io::stdin().lock().take(longest).read_to_end(&mut bytes) {
                complain(&format!("error: could not read the payload: {error}\n"));
                return Exit::Failed;
            }
            bytes
        }
    };
    let now = SystemClock::default().now();
    let limits = payload::Settings::default();
    let trial = ingest::try_out(&settings.topics, &limits, topic, &payload, now, &|_path| None);
    match say(&trial.text()) {
        Exit::Done if !trial.is_whole() => Exit::Partial,
        exit => exit,
    }
}

fn load(flags: &Flags) -> Result<Config, Exit> {
    serve::sources(flags).and_then(|sources| serve::checked(&sources))
}
