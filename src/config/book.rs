//! Every key of the configuration in one table: its shape, its default, what it means and costs.
//!
//! *Invariant.* The table is the only place that knows a key. Defaults are written in it as a
//! person would write them, and `docs/configuration.md` is made from it (a test fails if stale),
//! so that what is documented is what happens.
//!
//! *Not here.* What several keys mean together: `checked`.

mod broker;
mod collect;
mod forward;
mod modbus;

use std::sync::LazyLock;

use super::{Shape, Value, Written};

/// What holds where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// This value, as a person would write it.
    Text(&'static str),
    /// This list.
    Texts(&'static [&'static str]),
    /// Nothing: the key may be left out.
    Absent,
    /// The entry of the list is wrong without it.
    Required,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name with its sections; `[]` stands for the entries of a list of tables.
    pub name: &'static str,
    /// What may be written.
    pub shape: Shape,
    /// What holds where nothing is said.
    pub fallback: Fallback,
    /// The flag that sets it, where there is one.
    pub flag: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
    /// What choosing otherwise costs; empty where there is nothing to weigh.
    pub cost: &'static str,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR_MS: u64 = 3_600_000;

const fn key(
    name: &'static str,
    shape: Shape,
    fallback: Fallback,
    meaning: &'static str,
    cost: &'static str,
) -> Key {
    Key { name, shape, fallback, flag: None, meaning, cost }
}

const fn flagged(flag: &'static str, key: Key) -> Key {
    Key { flag: Some(flag), ..key }
}

/// The profiles of `tacitus_protocol::payload`, as a test makes sure.
const PROFILES: &[&str] = &[
    "plain",
    "vtq",
    "json",
    "umh",
    "ignition-uns",
    "kepware",
    "neuron",
    "aveva-vtq1",
    "thingsboard",
    "tasmota",
    "zigbee2mqtt",
    "shelly",
    "home-assistant",
    "things-stack",
    "chirpstack",
    "opcua-pubsub-json",
    "opcua-samples",
    "sitewise",
    "cognite",
    "senml",
    "influx-line",
    "telegraf-json",
];

/// All keys, in the order in which they are shown.
pub static BOOK: LazyLock<Vec<Key>> = LazyLock::new(|| {
    [FIRST, broker::BROKER, REST, collect::COLLECT, modbus::MODBUS, forward::FORWARD, LAST].concat()
});

/// The store, HTTP, gRPC.
const FIRST: &[Key] = &[
    flagged(
        "--data",
        key(
            "data.dir",
            Shape::Path,
            Fallback::Text("tacitus-data"),
            "The directory that holds everything Tacitus keeps. One process uses it at a time. \
             It must be on a local file system.",
            "",
        ),
    ),
    key(
        "data.reserve",
        Shape::Size { min: MIB, max: 1024 * GIB },
        Fallback::Absent,
        "Writes stop when less than this is free on the disk; reads go on, and writes resume by \
         themselves when space returns. Left out: 2 % of the disk, and at least 256 MiB.",
        "Larger: writes stop earlier. Smaller: less room to work in while the disk is nearly full.",
    ),
    key(
        "data.log_file",
        Shape::Size { min: MIB, max: GIB },
        Fallback::Text("16 MiB"),
        "The size of one file of the write-ahead log. It bounds what one write can hold.",
        "Larger: fewer files, more disk held. Smaller: more often a new file.",
    ),
    key(
        "data.log",
        Shape::Size { min: MIB, max: 64 * GIB },
        Fallback::Text("256 MiB"),
        "How much log may be written before the newest samples are sealed into a segment.",
        "Larger: longer recovery, larger segments. Smaller: more and smaller segments.",
    ),
    key(
        "data.memory",
        Shape::Size { min: 64 * MIB, max: 1024 * GIB },
        Fallback::Text("512 MiB"),
        "How much memory the store may take: samples that are not sealed yet, what was read from \
         segments, and upkeep. The tags themselves, some 150 bytes each, come on top.",
        "Larger: larger segments, faster trends. Smaller: more and smaller segments, more reading.",
    ),
    key(
        "data.io",
        Shape::Choice(&["mmap", "pread"]),
        Fallback::Text("mmap"),
        "How sealed files are read. A disk that fails under a mapping can end the process; pread \
         answers with an error instead, and is for network file systems too.",
        "",
    ),
    key(
        "data.audit",
        Shape::Span { min_ms: 0, max_ms: 3_660 * 24 * HOUR_MS },
        Fallback::Text("7 d"),
        "How long the store can be read as it was: what was replaced, edited or deleted is kept as \
         long. 0 keeps nothing of it.",
        "Larger: more disk where samples are replaced. Smaller: earlier answers cannot be had again.",
    ),
    key(
        "data.seal_after",
        Shape::Span { min_ms: 1_000, max_ms: 24 * HOUR_MS },
        Fallback::Text("10 min"),
        "The longest time samples stay only in memory and log before they are sealed.",
        "Larger: larger segments, longer recovery. Smaller: more and smaller segments.",
    ),
    key(
        "data.scrub",
        Shape::Span { min_ms: HOUR_MS, max_ms: 366 * 24 * HOUR_MS },
        Fallback::Text("14 d"),
        "How long it takes until every file of the store was read and checked once, while the server \
         runs.",
        "Larger: less reading. Smaller: damage is found earlier.",
    ),
    key(
        "retention.raw",
        Shape::Span { min_ms: HOUR_MS, max_ms: 36_600 * 24 * HOUR_MS },
        Fallback::Absent,
        "How long samples are kept; then whole files go. Left out: for ever.",
        "Larger: more disk. Smaller: samples are gone earlier, and with them what only they say.",
    ),
    key(
        "retention.minute",
        Shape::Span { min_ms: 0, max_ms: 36_600 * 24 * HOUR_MS },
        Fallback::Absent,
        "How long the statistics of every minute are kept when samples have gone. Left out: for ever.",
        "Larger: more disk. Smaller: only hours are left, then nothing.",
    ),
    key(
        "retention.hour",
        Shape::Span { min_ms: 0, max_ms: 36_600 * 24 * HOUR_MS },
        Fallback::Absent,
        "How long the statistics of every hour are kept when those of minutes have gone. Left out: \
         for ever.",
        "Larger: more disk. Smaller: nothing is left earlier.",
    ),
    key(
        "backup.dir",
        Shape::Path,
        Fallback::Text("tacitus-backups"),
        "The directory below which a running server makes backups.",
        "",
    ),
    flagged(
        "--http",
        key(
            "http.addr",
            Shape::Address,
            Fallback::Text("127.0.0.1:8428"),
            "Where HTTP listens. This version has no users, so only loopback addresses are taken.",
            "",
        ),
    ),
    key(
        "http.body",
        Shape::Size { min: KIB, max: GIB },
        Fallback::Text("16 MiB"),
        "The largest body of a request.",
        "Larger: one request may take this much memory. Smaller: large writes must be cut.",
    ),
    key(
        "http.connections",
        Shape::Count { min: 1, max: 65_536 },
        Fallback::Text("512"),
        "How many HTTP connections may be open; one more is answered 503 and closed.",
        "Larger: more memory and descriptors. Smaller: clients are refused earlier.",
    ),
    key(
        "http.header_timeout",
        Shape::Span { min_ms: 100, max_ms: HOUR_MS },
        Fallback::Text("1 min"),
        "How long a client may take to send the head of a request; idle connections wait no longer \
         for the next one.",
        "Larger: silent clients hold a connection longer. Smaller: slow links are cut, and agents that \
         send every so often come to a closed connection.",
    ),
    key(
        "http.body_timeout",
        Shape::Span { min_ms: 100, max_ms: HOUR_MS },
        Fallback::Text("30 s"),
        "How long a client may take to send the body of a request.",
        "Larger: slow clients hold memory longer. Smaller: slow links are cut.",
    ),
    flagged(
        "--grpc",
        key(
            "grpc.addr",
            Shape::Address,
            Fallback::Text("127.0.0.1:8429"),
            "Where gRPC listens: Arrow Flight SQL. Left out where HTTP listens on port 0: a free \
             port. This version has no users, so only loopback addresses are taken.",
            "",
        ),
    ),
];

/// The wire of PostgreSQL, and what stands behind all ways in.
const REST: &[Key] = &[
    flagged(
        "--pg",
        key(
            "pg.addr",
            Shape::Address,
            Fallback::Text("127.0.0.1:5433"),
            "Where the wire of PostgreSQL listens. Left out where HTTP listens on port 0: a free \
             port. Other addresses than loopback are taken only where `users_file` names users.",
            "",
        ),
    ),
    key(
        "pg.connections",
        Shape::Count { min: 1, max: 65_536 },
        Fallback::Text("256"),
        "How many connections of the PostgreSQL wire may be open.",
        "Larger: more memory, some 100 KiB a connection. Smaller: clients are turned away.",
    ),
    key(
        "pg.users_file",
        Shape::Path,
        Fallback::Absent,
        "A file of lines `name:password`. Where it is given, every connection of the PostgreSQL \
         wire logs in with SCRAM-SHA-256. Keep it readable for Tacitus only.",
        "",
    ),
    key(
        "pg.certificate_file",
        Shape::Path,
        Fallback::Absent,
        "The chain of certificates (PEM) with which the PostgreSQL wire offers TLS; a file that \
         cannot be used keeps the server from starting.",
        "",
    ),
    key(
        "pg.key_file",
        Shape::Path,
        Fallback::Absent,
        "The private key (PEM) of the certificate.",
        "",
    ),
    key(
        "ingest.queue",
        Shape::Size { min: MIB, max: 16 * GIB },
        Fallback::Text("64 MiB"),
        "How many bytes of samples may wait for the disk. A full queue makes senders wait.",
        "Larger: more memory while the disk is slow. Smaller: senders wait sooner.",
    ),
    key(
        "ingest.wait",
        Shape::Span { min_ms: 1, max_ms: HOUR_MS },
        Fallback::Text("5 s"),
        "How long a sender waits for room in the queue before it is told that the store is busy.",
        "Larger: senders hang longer. Smaller: they must send again more often.",
    ),
    key(
        "ingest.tags",
        Shape::Count { min: 1, max: 1 << 22 },
        Fallback::Text("1000000"),
        "How many tags there may be; beyond, only known tags are written.",
        "Larger: more memory when senders invent names. Smaller: a large plant may not fit.",
    ),
    key(
        "query.memory",
        Shape::Size { min: 16 * MIB, max: 1024 * GIB },
        Fallback::Text("512 MiB"),
        "How much memory all running statements may take together.",
        "Larger: less for everything else. Smaller: large sorts and joins are refused.",
    ),
    key(
        "query.rows",
        Shape::Count { min: 1, max: 1 << 40 },
        Fallback::Text("20000000"),
        "How many rows one answer may have.",
        "",
    ),
    key(
        "query.time",
        Shape::Span { min_ms: 1, max_ms: 24 * HOUR_MS },
        Fallback::Text("1 min"),
        "How long one statement may take, its answer included.",
        "Larger: a mistake runs longer. Smaller: long reports are cut.",
    ),
    key(
        "query.statements",
        Shape::Count { min: 1, max: 10_000 },
        Fallback::Text("64"),
        "How many statements may run at the same time; one more is refused.",
        "Larger: each is slower. Smaller: dashboards are refused.",
    ),
    key(
        "query.heavy",
        Shape::Count { min: 1, max: 1_000 },
        Fallback::Absent,
        "How many large statements may run at the same time; others wait. Small ones (tags, latest \
         values, some tags over a short span) never wait for them. Left out: one a processor.",
        "Larger: each is slower. Smaller: they wait longer.",
    ),
    key(
        "query.waiting",
        Shape::Count { min: 0, max: 10_000 },
        Fallback::Text("32"),
        "How many large statements may wait; one more is refused.",
        "Larger: they wait longer. Smaller: reports are refused.",
    ),
    key(
        "query.temp",
        Shape::Size { min: 0, max: 1024 * GIB },
        Fallback::Text("4 GiB"),
        "How many bytes of temporary files the statements of a role may take together, for sorts \
         and groups that do not fit into memory. They lie in `tmp` of the data directory.",
        "Larger: more disk for mistakes. Smaller: large sorts are refused.",
    ),
    key(
        "query.roles[].name",
        Shape::Text,
        Fallback::Required,
        "The name of the role: who logs in by it on the PostgreSQL wire has it.",
        "",
    ),
    key(
        "query.roles[].time",
        Shape::Span { min_ms: 1, max_ms: 24 * HOUR_MS },
        Fallback::Absent,
        "As `query.time`, which holds where it is left out.",
        "",
    ),
    key(
        "query.roles[].rows",
        Shape::Count { min: 1, max: 1 << 40 },
        Fallback::Absent,
        "As `query.rows`, which holds where it is left out.",
        "",
    ),
    key(
        "query.roles[].memory",
        Shape::Size { min: MIB, max: 1024 * GIB },
        Fallback::Absent,
        "How much memory one statement may take; as much as all, where it is left out.",
        "",
    ),
    key(
        "query.roles[].temp",
        Shape::Size { min: 0, max: 1024 * GIB },
        Fallback::Absent,
        "As `query.temp`, which holds where it is left out.",
        "",
    ),
    key(
        "query.roles[].statements",
        Shape::Count { min: 1, max: 10_000 },
        Fallback::Absent,
        "How many statements of the role may run or wait at the same time; as `query.statements`, \
         where it is left out.",
        "",
    ),
];

/// The keys after those of collectors.
const LAST: &[Key] = &[
    key(
        "files.dir",
        Shape::Path,
        Fallback::Absent,
        "A folder that is watched for files of samples: CSV, Parquet, line protocol, JSON. Each is \
         taken once and moved to done or failed in it. Left out: none.",
        "",
    ),
    key(
        "files.every",
        Shape::Span { min_ms: 100, max_ms: 24 * HOUR_MS },
        Fallback::Text("5 s"),
        "How often the folder is looked at. A file is taken when it did not change between two looks.",
        "Larger: files are taken later. Smaller: more reading of the folder, and files that are \
         written slowly must be written under another name first.",
    ),
    key(
        "log.level",
        Shape::Choice(&["error", "warn", "info", "debug", "trace"]),
        Fallback::Text("info"),
        "What is logged on standard error: errors need someone to act, warnings are to be looked \
         at first, info tells of start and stop.",
        "",
    ),
    key(
        "log.format",
        Shape::Choice(&["text", "json"]),
        Fallback::Text("text"),
        "How a log line looks: for people, or one JSON object a line.",
        "",
    ),
];

impl Key {
    /// The environment variable that sets it; keys of list entries have none.
    #[must_use]
    pub fn variable(&self) -> Option<String> {
        (!self.name.contains("[]"))
            .then(|| format!("TACITUS_{}", self.name.replace('.', "_").to_uppercase()))
    }

    /// The value where nothing is said.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        match self.fallback {
            Fallback::Text(text) => self.shape.read(&Written::Text(text.to_owned())).ok(),
            Fallback::Texts(texts) => {
                Some(Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect()))
            }
            Fallback::Absent | Fallback::Required => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_fits_its_own_shape() {
        for key in BOOK.iter() {
            if let Fallback::Text(text) = key.fallback {
                assert!(key.default_value().is_some(), "{} = {text}", key.name);
            }
        }
    }

    #[test]
    fn every_profile_can_be_chosen() {
        let names: Vec<&str> =
            tacitus_protocol::payload::Profile::ALL.iter().map(|profile| profile.name()).collect();
        assert_eq!(PROFILES, names);
    }

    #[test]
    fn no_key_is_written_twice_and_sections_stand_together() {
        let names: Vec<&str> = BOOK.iter().map(|key| key.name).collect();
        let mut sections = Vec::new();
        for name in &names {
            assert_eq!(names.iter().filter(|other| other == &name).count(), 1, "{name}");
            let section = name.rsplit_once('.').unwrap().0;
            if sections.last() != Some(&section) {
                assert!(!sections.contains(&section), "{section} is torn apart");
                sections.push(section);
            }
        }
    }

    #[test]
    fn what_print_shows_reads_back_as_the_same_value() {
        for key in BOOK.iter() {
            let Some(value) = key.default_value() else { continue };
            let line: toml::Table = format!("x = {value}").parse().unwrap();
            let written = match &line["x"] {
                toml::Value::String(text) => Written::Text(text.clone()),
                toml::Value::Integer(number) => Written::Integer(*number),
                toml::Value::Boolean(fact) => Written::Switch(*fact),
                toml::Value::Array(items) => Written::List(
                    items.iter().map(|item| Written::Text(item.as_str().unwrap().into())).collect(),
                ),
                other => panic!("{other}"),
            };
            assert_eq!(key.shape.read(&written).ok(), Some(value), "{}", key.name);
        }
    }
}
