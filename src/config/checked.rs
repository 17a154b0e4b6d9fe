//! The settings the server runs by: typed, complete, and consistent with each other.
//!
//! *Invariant.* A [`Settings`] exists only if nothing is wrong with it, so nothing behind it has
//! to look again. In particular no listener in it can be reached from another machine: this
//! version has no users, and an open door is not a default one falls into.
//!
//! *Not here.* Defaults and bounds of a single key: the book.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tacitus_protocol::sparkplug;
use tacitus_protocol::topic::Rules;
use tacitus_query::Limits;

use super::mqtt::{mqtt, mqtt_is_guarded};
use super::{Effective, Origin, Problem, Value, collectors, forward, roles, topics};
use crate::collect::Collector;
use crate::postgres::Secrets;
use crate::{broker, folder, ingest, opcua_server};

/// What the server does.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store.
    pub data: Data,
    /// The HTTP listener.
    pub http: Http,
    /// The MQTT broker.
    pub mqtt: broker::Settings,
    /// The wire of PostgreSQL.
    pub postgres: Postgres,
    /// Where Arrow Flight SQL is spoken.
    pub grpc: SocketAddr,
    /// Which topics are stored, and as what.
    pub topics: Rules,
    /// How the Sparkplug host behaves; `None`: there is none.
    pub sparkplug: Option<sparkplug::Settings>,
    /// The way into the store.
    pub ingest: ingest::Settings,
    /// What statements may take.
    pub query: Limits,
    /// The OPC UA server; none where it is not asked for.
    pub opcua_server: Option<opcua_server::Settings>,
    /// The collectors.
    pub collectors: Vec<Arc<dyn Collector>>,
    /// What is sent on to other servers.
    pub forwards: Vec<crate::forward::Settings>,
    /// The folder that is watched for files, if there is one.
    pub files: Option<folder::Settings>,
    /// The logs.
    pub log: Log,
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The data directory.
    pub dir: PathBuf,
    /// Writes stop below this many free bytes; `None`: as the size of the disk asks for.
    pub reserve_bytes: Option<u64>,
    /// The size of one log file.
    pub log_file_bytes: u64,
    /// The most log between two seals.
    pub log_bytes_max: u64,
    /// The most memory of the store.
    pub memory_bytes_max: u64,
    /// Whether sealed files are mapped.
    pub maps: bool,
    /// How long the store can be read as it was.
    pub audit: Duration,
    /// How long samples, minutes and hours are kept; `None`: for ever.
    pub retention: [Option<Duration>; 3],
    /// The longest time before samples are sealed.
    pub seal_after: Duration,
    /// How long a tour of the scrub takes.
    pub scrub_tour: Duration,
    /// Backups go below this.
    pub backup_dir: PathBuf,
}

impl Data {
    /// The settings of the store.
    pub(crate) fn engine(&self) -> tacitus_storage::Settings {
        tacitus_storage::Settings {
            log_file_bytes: self.log_file_bytes,
            log_bytes_max: self.log_bytes_max,
            seal_after_s: self.seal_after.as_secs(),
            reserve_bytes: self.reserve_bytes,
            scrub_tour_s: self.scrub_tour.as_secs(),
            audit_ns: nanos(self.audit),
            retention: self.retention(),
            ..tacitus_storage::Settings::with_memory(self.memory_bytes_max)
        }
    }

    /// What holds for tags of no class of their own.
    fn retention(&self) -> Vec<tacitus_storage::Retention> {
        let [raw_ns, minute_ns, hour_ns] = self.retention.map(|kept| kept.map(nanos));
        let class = String::new();
        vec![tacitus_storage::Retention { class, raw_ns, minute_ns, hour_ns }]
    }
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
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

/// The listener of the PostgreSQL wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The most open connections.
    pub connections_max: usize,
    /// Who may come in, and by which certificate.
    pub secrets: Secrets,
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

/// Makes settings of typed values; `None` where the problems leave none, or where a value is
/// missing that the book promises.
pub(super) fn check(effective: &Effective, problems: &mut Vec<Problem>) -> Option<Settings> {
    let keys = Keys(effective);
    refuse_open_doors(effective, problems);
    let topics = topics::check(&keys, problems);
    let collectors = collectors::check(&keys, problems);
    let forwards = forward::check(&keys, problems);
    Some(Settings {
        data: data(&keys)?,
        http: http(&keys)?,
        mqtt: mqtt(&keys, problems)?,
        postgres: postgres(&keys, problems)?,
        grpc: keys.listener("grpc.addr")?,
        topics: topics?,
        sparkplug: sparkplug(&keys, problems)?,
        ingest: ingest(&keys)?,
        query: query(&keys, problems)?,
        opcua_server: opcua_server(&keys),
        collectors,
        forwards,
        files: files(&keys)?,
        log: log(&keys)?,
    })
}

/// Typed access to what the book resolved.
pub(super) struct Keys<'a>(&'a Effective);

impl Keys<'_> {
    fn get(&self, path: &str) -> Option<&Value> {
        self.0.get(path).map(|(value, _)| value)
    }

    /// Where the value at this path was said; for a path that was not, the nearest one around it.
    pub(super) fn origin(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            let near = self.0.range(path.to_owned()..).next();
            if let Some((found, (_, origin))) = near
                && found.starts_with(path)
            {
                return origin.clone();
            }
            match path.rsplit_once(['.', '[']) {
                Some((around, _)) => path = around,
                None => return Origin::Default,
            }
        }
    }

    /// Whether there is a value at this path.
    pub(super) fn is_given(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The paths of the entries of a list of tables: `list[0]`, `list[1]`, …
    pub(super) fn entries(&self, list: &str) -> Vec<String> {
        let mut entries = Vec::new();
        loop {
            let entry = format!("{list}[{}]", entries.len());
            if !self.0.keys().any(|path| path.starts_with(&entry)) {
                return entries;
            }
            entries.push(entry);
        }
    }

    pub(super) fn size(&self, path: &str) -> Option<u64> {
        if let Value::Size(bytes) = self.get(path)? { Some(*bytes) } else { None }
    }

    pub(super) fn span(&self, path: &str) -> Option<Duration> {
        if let Value::Span(span) = self.get(path)? { Some(*span) } else { None }
    }

    pub(super) fn count(&self, path: &str) -> Option<usize> {
        let Value::Count(count) = self.get(path)? else { return None };
        usize::try_from(*count).ok()
    }

    pub(super) fn address(&self, path: &str) -> Option<SocketAddr> {
        if let Value::Address(address) = self.get(path)? { Some(*address) } else { None }
    }

    /// The address of a listener. Who lets the system pick HTTP's port wants a server beside
    /// others, so a listener that was not spoken of gets a free port too.
    fn listener(&self, path: &str) -> Option<SocketAddr> {
        let mut address = self.address(path)?;
        if self.origin(path) == Origin::Default && self.address("http.addr")?.port() == 0 {
            address.set_port(0);
        }
        Some(address)
    }

    pub(super) fn path(&self, path: &str) -> Option<PathBuf> {
        if let Value::Path(name) = self.get(path)? { Some(name.clone()) } else { None }
    }

    pub(super) fn choice(&self, path: &str) -> Option<&'static str> {
        if let Value::Choice(word) = self.get(path)? { Some(word) } else { None }
    }

    pub(super) fn text(&self, path: &str) -> Option<String> {
        if let Value::Text(text) = self.get(path)? { Some(text.clone()) } else { None }
    }

    pub(super) fn texts(&self, path: &str) -> Vec<String> {
        if let Some(Value::Texts(texts)) = self.get(path) { texts.clone() } else { Vec::new() }
    }

    pub(super) fn switch(&self, path: &str) -> Option<bool> {
        if let Value::Switch(fact) = self.get(path)? { Some(*fact) } else { None }
    }
}

fn data(keys: &Keys<'_>) -> Option<Data> {
    Some(Data {
        dir: keys.path("data.dir")?,
        reserve_bytes: keys.size("data.reserve"),
        log_file_bytes: keys.size("data.log_file")?,
        log_bytes_max: keys.size("data.log")?,
        memory_bytes_max: keys.size("data.memory")?,
        maps: keys.choice("data.io")? == "mmap",
        audit: keys.span("data.audit")?,
        retention: ["retention.raw", "retention.minute", "retention.hour"]
            .map(|path| keys.span(path)),
        seal_after: keys.span("data.seal_after")?,
        scrub_tour: keys.span("data.scrub")?,
        backup_dir: keys.path("backup.dir")?,
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

/// `None` where a value is missing; inside, `None` where there is to be no host.
#[expect(clippy::option_option, reason = "a switched-off host is not a missing value")]
fn sparkplug(keys: &Keys<'_>, problems: &mut Vec<Problem>) -> Option<Option<sparkplug::Settings>> {
    let millis = |path: &str| u64::try_from(keys.span(path)?.as_millis()).ok();
    let host = keys.text("sparkplug.host")?;
    if host.is_empty() || host.contains(['/', '+', '#']) {
        problems.push(Problem {
            origin: keys.origin("sparkplug.host"),
            message: format!("\"sparkplug.host\" is \"{host}\", which no level of a topic can be"),
            hint: "use a name without /, + and #".to_owned(),
        });
    }
    let settings = sparkplug::Settings {
        host,
        reorder_ms: millis("sparkplug.reorder").filter(|ms| *ms > 0),
        rebirth_ms: millis("sparkplug.rebirth")?,
        grace_ms: millis("sparkplug.grace")?,
        lenient: !keys.switch("sparkplug.strict")?,
        ..sparkplug::Settings::default()
    };
    Some(keys.switch("sparkplug.enabled")?.then_some(settings))
}

fn ingest(keys: &Keys<'_>) -> Option<ingest::Settings> {
    // A batch must fit a file of the log with room to spare, and is no larger than is useful.
    let batch_bytes_max = (keys.size("data.log_file")? / 4).min(4 << 20);
    Some(ingest::Settings {
        queue_bytes_max: usize::try_from(keys.size("ingest.queue")?).ok()?,
        batch_bytes_max: usize::try_from(batch_bytes_max).ok()?,
        room_wait: keys.span("ingest.wait")?,
        tags_max: keys.count("ingest.tags")?,
    })
}

/// `None` where a value is missing; inside, `None` where there is no folder.
#[expect(clippy::option_option, reason = "no folder is not a missing value")]
fn files(keys: &Keys<'_>) -> Option<Option<folder::Settings>> {
    let every = keys.span("files.every")?;
    let spill_dir = keys.path("data.dir")?.join("tmp");
    let body_bytes_max = usize::try_from(keys.size("http.body")?).ok()?;
    let dir = keys.path("files.dir");
    Some(dir.map(|dir| folder::Settings { dir, every, spill_dir, json_bytes_max: body_bytes_max }))
}

/// A certificate and its key, or neither.
pub(super) fn certificate(
    keys: &Keys<'_>,
    section: &str,
    problems: &mut Vec<Problem>,
) -> Option<(PathBuf, PathBuf)> {
    let chain_key = format!("{section}.certificate_file");
    let key_key = format!("{section}.key_file");
    match (keys.path(&chain_key), keys.path(&key_key)) {
        (Some(chain), Some(key)) => Some((chain, key)),
        (None, None) => None,
        (chain, _) => {
            let (said, missing) =
                if chain.is_some() { (chain_key, key_key) } else { (key_key, chain_key) };
            problems.push(Problem {
                origin: keys.origin(&said),
                message: format!("\"{said}\" is given, \"{missing}\" is not"),
                hint: "a certificate needs its key and a key its certificate".to_owned(),
            });
            None
        }
    }
}

fn postgres(keys: &Keys<'_>, problems: &mut Vec<Problem>) -> Option<Postgres> {
    let certificate = certificate(keys, "pg", problems);
    Some(Postgres {
        addr: keys.listener("pg.addr")?,
        connections_max: keys.count("pg.connections")?,
        secrets: Secrets { users: keys.path("pg.users_file"), certificate },
    })
}

fn opcua_server(keys: &Keys<'_>) -> Option<opcua_server::Settings> {
    Some(opcua_server::Settings {
        addr: keys.address("opcua_server.addr")?,
        users: keys.path("opcua_server.users_file"),
        trust_clients: keys.switch("opcua_server.trust_clients").unwrap_or(false),
        pki_dir: keys.path("data.dir")?.join("pki").join("server"),
    })
}

fn query(keys: &Keys<'_>, problems: &mut Vec<Problem>) -> Option<Limits> {
    let limits = Limits {
        memory_bytes_max: usize::try_from(keys.size("query.memory")?).ok()?,
        rows_max: u64::try_from(keys.count("query.rows")?).ok()?,
        statement_time_max: keys.span("query.time")?,
        statements_max: keys.count("query.statements")?,
        heavy_max: keys.count("query.heavy").unwrap_or(Limits::default().heavy_max),
        waiting_max: keys.count("query.waiting")?,
        temp_bytes_max: keys.size("query.temp")?,
        temp_dir: Some(keys.path("data.dir")?.join("tmp")),
        ..Limits::default()
    };
    let roles = roles::check(keys, &limits.role(), problems);
    Some(Limits { roles, ..limits })
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

/// A listener other machines can reach would be open to everyone where there are no users.
fn refuse_open_doors(effective: &Effective, problems: &mut Vec<Problem>) {
    for (path, (value, origin)) in effective {
        let keys = Keys(effective);
        let is_guarded = match path.as_str() {
            "pg.addr" => effective.contains_key("pg.users_file"),
            "mqtt.addr" => mqtt_is_guarded(&keys, "mqtt.users_file"),
            "mqtt.tls_addr" => ["mqtt.users_file", "mqtt.client_authority_file"]
                .into_iter()
                .any(|by| mqtt_is_guarded(&keys, by)),
            "opcua_server.addr" => effective.contains_key("opcua_server.users_file"),
            _ => false,
        };
        if is_guarded {
            continue;
        }
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
