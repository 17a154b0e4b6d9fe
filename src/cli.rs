//! The command line: what a person types, and the exit code they get.
//!
//! *Invariant.* Exit codes are an interface: 0 done or stopped, 1 a request failed, 2
//! configuration, 3 data, 4 poisoned, 5 done in part. Standard output carries answers only;
//! everything else goes to standard error.
//!
//! *Not here.* Commands this version does not have yet: they are unknown, not empty.

mod compact;
mod config;
mod demo;
mod directory;
mod export;
mod import;
mod output;
mod request;
mod serve;
mod sql;
mod status;
mod store;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use output::{complain, say};
pub(crate) use store::damage;

/// An open plant historian in one binary.
#[derive(Debug, Parser)]
#[command(name = "tacitus", version, about, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until it is told to stop
    Serve(Flags),
    /// Run a server with a simulated plant around it
    Demo(Flags),
    /// Ask a running server a question in SQL
    Sql(sql::Question),
    /// Say how a running server is
    Status(status::Question),
    /// Store samples from files
    Import(import::Order),
    /// Write samples to a file
    Export(export::Order),
    /// Do now what a server does in the background: seal, merge, drop what is no longer needed
    Compact(compact::Order),
    /// Copy the store, as it is at one moment, to a directory
    Backup(store::Backup),
    /// Make a store from a backup, in an empty data directory
    Restore(store::Restore),
    /// Check every byte of a store that no server has open, or of a directory of backups
    Verify(store::Verify),
    /// Save what can be saved of a damaged store that no server has open
    Repair(store::Repair),
    /// Check, show or explain the configuration
    Config {
        #[command(subcommand)]
        command: config::Command,
    },
}

/// The flags of a server.
#[derive(Debug, Clone, Default, Args)]
struct Flags {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "TACITUS_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The data directory [default: tacitus-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where HTTP listens; port 0 picks a free one [default: 127.0.0.1:8428]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Where the MQTT broker listens; port 0 picks a free one [default: 127.0.0.1:1883]
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<String>,
    /// Where the wire of PostgreSQL listens; port 0 picks a free one [default: 127.0.0.1:5433]
    #[arg(long, value_name = "ADDR")]
    pg: Option<String>,
    /// Where gRPC (Arrow Flight SQL) listens; port 0 picks a free one [default: 127.0.0.1:8429]
    #[arg(long, value_name = "ADDR")]
    grpc: Option<String>,
}

/// What a run of the program came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or stopped as asked.
    Done,
    /// A request to a server failed.
    Failed,
    /// The command line or the configuration is wrong.
    Configuration,
    /// The data directory cannot be used.
    Data,
    /// A write to disk failed in a way that only a restart can judge.
    Poisoned,
    /// Some of it was refused and named; the rest is done.
    Partial,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Configuration => 2,
            Exit::Data => 3,
            Exit::Poisoned => 4,
            Exit::Partial => 5,
        })
    }
}

/// Runs the program with these arguments, the first being its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let line = match Line::try_parse_from(arguments) {
        Ok(line) => line,
        // Help and version are answers, everything else is a complaint.
        Err(refusal) if refusal.exit_code() == 0 => {
            return say(&refusal.render().to_string());
        }
        Err(refusal) => {
            complain(&refusal.render().to_string());
            return Exit::Configuration;
        }
    };
    match line.command {
        Command::Serve(flags) => serve::run(&flags),
        Command::Demo(flags) => demo::run(&flags),
        Command::Sql(question) => sql::run(&question),
        Command::Status(question) => status::run(&question),
        Command::Import(order) => import::run(&order),
        Command::Export(order) => export::run(&order),
        Command::Compact(order) => compact::run(&order),
        Command::Backup(command) => store::backup(&command),
        Command::Restore(command) => store::restore(&command),
        Command::Verify(command) => store::verify(&command),
        Command::Repair(command) => store::repair(&command),
        Command::Config { command } => config::run(&command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Line::command().debug_assert();
    }
}
