//! `tacitus config`: check, print, explain.

use clap::Subcommand;

use super::output::{complain, say};
use super::{Exit, Flags, serve};
use crate::config::{self, Config};

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

fn load(flags: &Flags) -> Result<Config, Exit> {
    serve::sources(flags).and_then(|sources| serve::checked(&sources))
}
