//! The two streams of the command line.
//!
//! *Invariant.* A reader that closes early (`tacitus sql … | head`) is no error: the rest is not
//! wanted.

use std::io::{ErrorKind, Write as _};

use super::Exit;

/// Writes an answer to standard output.
pub(super) fn say(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            complain(&format!("error: could not write to standard output: {error}\n"));
            Exit::Failed
        }
    }
}

/// Writes a complaint to standard error. Where even that fails nobody is left to tell.
pub(super) fn complain(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap_or_default();
}
