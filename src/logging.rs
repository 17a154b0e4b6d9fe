//! The log: what happened, on standard error, one event a line.
//!
//! *Invariant.* A line is one line: control characters that came in from outside (a topic, a
//! client name, a payload) are written as escapes, so that nobody can forge a line or move the
//! cursor of whoever reads it.
//!
//! *Not here.* Rotation and shipping: standard error belongs to the supervisor.

use std::io::{self, Write};

use tracing::Level;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{Log, LogFormat};

/// The crates of the OPC UA library, as they name themselves in the log.
const OPCUA_TARGETS: [&str; 6] =
    ["opcua_client", "opcua_core", "opcua_crypto", "opcua_nodes", "opcua_server", "opcua_types"];

/// Starts the log of this process. A second call changes nothing.
pub(crate) fn start(settings: &Log) {
    // Of libraries only what needs attention is shown, unless everything is asked for.
    let others = settings.level.min(Level::WARN);
    let others = if settings.level == Level::TRACE { Level::TRACE } else { others };
    let filter = Targets::new().with_default(others).with_target("tacitus", settings.level);
    // The OPC UA library calls every refused connection and every missing certificate an error;
    // collectors say themselves what of that matters.
    let quiet = if others > Level::WARN { LevelFilter::TRACE } else { LevelFilter::OFF };
    let filter = OPCUA_TARGETS.iter().fold(filter, |filter, name| filter.with_target(*name, quiet));
    // Libraries open several spans for each message; making those costs more than reading it.
    let spans = others > Level::WARN;
    let filter = filter.and(filter_fn(move |about| spans || !about.is_span()));
    let layer = match settings.format {
        LogFormat::Text => fmt::layer().with_ansi(false).with_writer(OneLine::stderr).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
    };
    // Tests start several servers in one process; the first one's log serves them all.
    drop(tracing_subscriber::registry().with(layer.with_filter(filter)).try_init());
}

/// A writer that is given whole lines and keeps each of them one line.
#[derive(Debug)]
struct OneLine<W>(W);

impl OneLine<io::Stderr> {
    fn stderr() -> Self {
        Self(io::stderr())
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(one_line(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The text with every control character but the last line feed escaped.
fn one_line(text: &str) -> String {
    let (body, end) = text.strip_suffix('\n').map_or((text, ""), |body| (body, "\n"));
    let mut line = String::with_capacity(text.len());
    for letter in body.chars() {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_cannot_forge_a_line() {
        let mut written = Vec::new();
        OneLine(&mut written)
            .write_all(b"topic=a\n2026 ERROR all is lost \x1b[2J\xc2\x9b\n")
            .unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "topic=a\\n2026 ERROR all is lost \\u{1b}[2J\\u{9b}\n"
        );
    }
}
