//! The settings the server runs by: typed, complete, and consistent with each other.
//!
//! *Invariant.* A [`Settings`] exists only if nothing is wrong with it, so nothing behind it has
//! to look again. In particular no listener in it can be reached from another machine: this
//! version has no users, and an open door is not a default one falls into.
//!
//! *Not here.* Defaults and bounds of a single key: the book.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Effective, Origin, Problem, Value};

/// What the server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The store.
    pub data: Data,
    /// The HTTP listener.
    pub http: Http,
    /// The logs.
    pub log: Log,
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The data directory.
    pub dir: PathBuf,
    /// Writes stop below this many free bytes.
    pub reserve_bytes: u64,
    /// The size of one log file.
    pub log_file_bytes: u64,
    /// The most log between two seals.
    pub log_bytes_max: u64,
    /// The most memory of unsealed samples.
    pub memory_bytes_max: u64,
    /// The longest time before samples are sealed.
    pub seal_after: Duration,
}

/// The HTTP listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The largest body of a request.
    pub body_bytes_max: u64,
    /// The most open connections.
    pub connections_max: usize,
    /// The time for the head of a request.
    pub header_timeout: Duration,
    /// The time for the body of a request.
    pub body_timeout: Duration,
}

/// The logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The least severe level that is written.
    pub level: tracing::Level,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Makes settings of typed values; `None` only if a value the book promises is not there.
pub(super) fn check(effective: &Effective, problems: &mut Vec<Problem>) -> Option<Settings> {
    let keys = Keys(effective);
    let settings = Settings { data: data(&keys)?, http: http(&keys)?, log: log(&keys)? };
    refuse_open_doors(effective, problems);
    Some(settings)
}

/// Typed access to what the book resolved.
struct Keys<'a>(&'a Effective);

impl Keys<'_> {
    fn get(&self, path: &str) -> Option<&Value> {
        self.0.get(path).map(|(value, _)| value)
    }

    fn size(&self, path: &str) -> Option<u64> {
        if let Value::Size(bytes) = self.get(path)? { Some(*bytes) } else { None }
    }

    fn span(&self, path: &str) -> Option<Duration> {
        if let Value::Span(span) = self.get(path)? { Some(*span) } else { None }
    }

    fn count(&self, path: &str) -> Option<usize> {
        let Value::Count(count) = self.get(path)? else { return None };
        usize::try_from(*count).ok()
    }

    fn address(&self, path: &str) -> Option<SocketAddr> {
        if let Value::Address(address) = self.get(path)? { Some(*address) } else { None }
    }

    fn path(&self, path: &str) -> Option<PathBuf> {
        if let Value::Path(name) = self.get(path)? { Some(name.clone()) } else { None }
    }

    fn choice(&self, path: &str) -> Option<&'static str> {
        if let Value::Choice(word) = self.get(path)? { Some(word) } else { None }
    }
}

fn data(keys: &Keys<'_>) -> Option<Data> {
    Some(Data {
        dir: keys.path("data.dir")?,
        reserve_bytes: keys.size("data.reserve")?,
        log_file_bytes: keys.size("data.log_file")?,
        log_bytes_max: keys.size("data.log")?,
        memory_bytes_max: keys.size("data.memory")?,
        seal_after: keys.span("data.seal_after")?,
    })
}

fn http(keys: &Keys<'_>) -> Option<Http> {
    Some(Http {
        addr: keys.address("http.addr")?,
        body_bytes_max: keys.size("http.body")?,
        connections_max: keys.count("http.connections")?,
        header_timeout: keys.span("http.header_timeout")?,
        body_timeout: keys.span("http.body_timeout")?,
    })
}

fn log(keys: &Keys<'_>) -> Option<Log> {
    Some(Log {
        level: keys.choice("log.level")?.parse().ok()?,
        format: if keys.choice("log.format")? == "json" {
            LogFormat::Json
        } else {
            LogFormat::Text
        },
    })
}

/// A listener other machines can reach would be open to everyone, because there are no users.
fn refuse_open_doors(effective: &Effective, problems: &mut Vec<Problem>) {
    for (path, (value, origin)) in effective {
        if let Value::Address(address) = value
            && !address.ip().is_loopback()
            && *origin != Origin::Default
        {
            problems.push(Problem {
                origin: origin.clone(),
                message: format!(
                    "\"{path}\" is \"{address}\", which other machines can reach, \
                     and there are no users to ask for credentials"
                ),
                hint: format!(
                    "listen on \"127.0.0.1:{}\", and let a proxy that asks for credentials \
                     stand in front",
                    address.port()
                ),
            });
        }
    }
}
