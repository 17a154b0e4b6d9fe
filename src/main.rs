//! The `tacitus` binary: hands the command line to the library and its verdict to the system.
//!
//! *Not here.* Everything else: the library can be tested, a `main` cannot.

use std::process::ExitCode;

fn main() -> ExitCode {
    tacitus::cli::run(std::env::args_os()).into()
}
