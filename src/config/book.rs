//! Every key of the configuration in one table: its shape, its default, what it means and costs.
//!
//! *Invariant.* The table is the only place that knows a key. Defaults are written in it as a
//! person would write them, and `docs/configuration.md` is made from it (a test fails if stale),
//! so that what is documented is what happens.
//!
//! *Not here.* What several keys mean together: `checked`.

mod collect;

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
    "opcua-pubsub-json",
    "opcua-samples",
    "sitewise",
    "cognite",
    "senml",
    "influx-line",
    "telegraf-json",
];

/// All keys, in the order in which they are shown.
pub static BOOK: LazyLock<Vec<Key>> = LazyLock::new(|| [BEFORE, collect::COLLECT, AFTER].concat());

/// The keys before those of collectors.
const BEFORE: &[Key] = &[
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
        Fallback::Text("10 s"),
        "How long a client may take to send the head of a request; idle connections wait no longer \
         for the next one.",
        "Larger: silent clients hold a connection longer. Smaller: slow links are cut.",
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
    flagged(
        "--mqtt",
        key(
            "mqtt.addr",
            Shape::Address,
            Fallback::Text("127.0.0.1:1883"),
            "Where the MQTT broker listens. Other addresses than loopback are taken only where \
             `users_file` names users and nobody comes without a name.",
            "",
        ),
    ),
    key(
        "mqtt.connections",
        Shape::Count { min: 1, max: 65_536 },
        Fallback::Text("4096"),
        "How many MQTT clients may be connected.",
        "Larger: more memory, some 10 KiB a client when idle. Smaller: devices are turned away.",
    ),
    key(
        "mqtt.session_expiry",
        Shape::Span { min_ms: 1_000, max_ms: 365 * 24 * HOUR_MS },
        Fallback::Text("7 d"),
        "How long the session of a client outlives its connection, whatever the client asks for.",
        "Larger: messages for absent clients are kept longer. Smaller: their memory is freed.",
    ),
    key(
        "mqtt.tls_addr",
        Shape::Address,
        Fallback::Absent,
        "Where the broker speaks TLS, with `certificate_file` and `key_file`. MQTT over WebSocket is \
         spoken on both addresses, at /mqtt.",
        "",
    ),
    key(
        "mqtt.certificate_file",
        Shape::Path,
        Fallback::Absent,
        "The chain of certificates (PEM) of the broker; a file that cannot be used keeps the server \
         from starting.",
        "",
    ),
    key(
        "mqtt.key_file",
        Shape::Path,
        Fallback::Absent,
        "The private key (PEM) of the certificate.",
        "",
    ),
    key(
        "mqtt.client_authority_file",
        Shape::Path,
        Fallback::Absent,
        "Certificates (PEM) of authorities. A client with a certificate of one of them is the user \
         of its common name and needs no password.",
        "",
    ),
    key(
        "mqtt.users_file",
        Shape::Path,
        Fallback::Absent,
        "A file of lines `name:password`, as `pg.users_file`; it may be the same. Keep it readable \
         for Tacitus only.",
        "",
    ),
    key(
        "mqtt.anonymous",
        Shape::Switch,
        Fallback::Absent,
        "Whether clients may come without a name. Left out: only where there is neither a file of \
         users nor one of authorities.",
        "",
    ),
    key(
        "mqtt.keep_alive",
        Shape::Span { min_ms: 1_000, max_ms: 65_535_000 },
        Fallback::Text("1 min"),
        "The longest keep-alive of MQTT 5 clients: one that asks for more is told this.",
        "Larger: a dead link is noticed later. Smaller: more pings.",
    ),
    key(
        "mqtt.rate",
        Shape::Count { min: 1, max: 1 << 24 },
        Fallback::Absent,
        "How many messages a second one client may send; one that sends more is read later. Left \
         out: as many as the store takes.",
        "Larger: one client may take most of the store. Smaller: bursts arrive late.",
    ),
    key(
        "mqtt.sys",
        Shape::Span { min_ms: 0, max_ms: 24 * HOUR_MS },
        Fallback::Text("10 s"),
        "How often the broker publishes `$SYS/broker/…`. 0: not at all.",
        "",
    ),
    key(
        "mqtt.include",
        Shape::Texts,
        Fallback::Texts(&["#"]),
        "MQTT filters of the topics to store. Everything published is also passed on to \
         subscribers, stored or not.",
        "",
    ),
    key(
        "mqtt.exclude",
        Shape::Texts,
        Fallback::Texts(&[]),
        "MQTT filters of topics that are not stored although `include` names them.",
        "",
    ),
    key(
        "mqtt.rules[].topic",
        Shape::Text,
        Fallback::Absent,
        "An MQTT filter; each +, # and {name} in it is a group for `path`, in order. Either this or \
         `pattern`. The first rule that matches a topic counts.",
        "",
    ),
    key(
        "mqtt.rules[].pattern",
        Shape::Text,
        Fallback::Absent,
        "A regular expression that is searched in the topic.",
        "",
    ),
    key(
        "mqtt.rules[].path",
        Shape::Text,
        Fallback::Absent,
        "The tag path instead of the topic: $1 or ${name} stand for groups, $$ for a dollar sign.",
        "",
    ),
    key(
        "mqtt.rules[].kind",
        Shape::Choice(&["float", "int", "bool", "state", "text"]),
        Fallback::Absent,
        "The kind of every tag made from these topics; where left out, the first value decides.",
        "",
    ),
    key(
        "mqtt.rules[].states",
        Shape::Texts,
        Fallback::Texts(&[]),
        "The state names of a `state` tag, by index from 0.",
        "",
    ),
    key(
        "mqtt.rules[].unit",
        Shape::Text,
        Fallback::Absent,
        "The engineering unit of every tag made from these topics; groups may stand in it.",
        "",
    ),
    key(
        "mqtt.rules[].step",
        Shape::Switch,
        Fallback::Absent,
        "Whether values hold until the next one (true) or move in a straight line (false).",
        "",
    ),
    key(
        "mqtt.rules[].labels",
        Shape::Texts,
        Fallback::Texts(&[]),
        "Labels of every tag made from these topics, as in \"line=$line\"; groups may stand in the \
         values.",
        "",
    ),
    key(
        "mqtt.rules[].profile",
        Shape::Choice(PROFILES),
        Fallback::Absent,
        "The form of the payloads; recognised from topic and payload where left out.",
        "",
    ),
    key(
        "mqtt.rules[].time",
        Shape::Texts,
        Fallback::Texts(&[]),
        "The members of the payload that are its time, best first, in place of the usual names.",
        "",
    ),
    key(
        "mqtt.rules[].value",
        Shape::Texts,
        Fallback::Texts(&[]),
        "The members that are the value where a payload says one, in place of the usual names.",
        "",
    ),
    key(
        "mqtt.rules[].quality",
        Shape::Texts,
        Fallback::Texts(&[]),
        "The members that are qualities, in place of the usual names.",
        "",
    ),
    key(
        "mqtt.rules[].name",
        Shape::Text,
        Fallback::Absent,
        "How tags are named: {path} is the path of the topic, {name} the members that lead to the \
         value, any other word in braces a member of the payload, as in {path}/{device}/{name}.",
        "",
    ),
    key(
        "mqtt.rules[].ignore",
        Shape::Texts,
        Fallback::Texts(&[]),
        "Members that are left out, with a / between levels.",
        "",
    ),
    key(
        "mqtt.rules[].zone",
        Shape::Text,
        Fallback::Absent,
        "The time zone of times that name none, as in Europe/Berlin; without it such a message has \
         the time of its arrival.",
        "",
    ),
    key(
        "sparkplug.enabled",
        Shape::Switch,
        Fallback::Text("true"),
        "Whether the server is a Sparkplug B host: what nodes publish below spBv1.0/ becomes tags, \
         and nodes are asked for what is missing.",
        "",
    ),
    key(
        "sparkplug.host",
        Shape::Text,
        Fallback::Text("tacitus"),
        "The identifier under which the host says that it is there, on spBv1.0/STATE/.",
        "",
    ),
    key(
        "sparkplug.reorder",
        Shape::Span { min_ms: 0, max_ms: 60_000 },
        Fallback::Text("2 s"),
        "How long a message that came too early waits for those before it, before a rebirth is asked \
         for. 0: a gap asks at once.",
        "Larger: values are later where one is lost. Smaller: more rebirths over unsteady links.",
    ),
    key(
        "sparkplug.rebirth",
        Shape::Span { min_ms: 100, max_ms: HOUR_MS },
        Fallback::Text("5 s"),
        "The least time between two requests for a rebirth to one node. It doubles up to 5 min while \
         no birth comes.",
        "Larger: unknown metrics are known later. Smaller: more load on nodes that do not answer.",
    ),
    key(
        "sparkplug.grace",
        Shape::Span { min_ms: 1_000, max_ms: 24 * HOUR_MS },
        Fallback::Text("1 min"),
        "How long a device has to be born after its node, and a node after a restart of this server, \
         before its values count as stale.",
        "",
    ),
    key(
        "sparkplug.strict",
        Shape::Switch,
        Fallback::Text("false"),
        "Whether deviations of common libraries are refused: deaths with the number of the next \
         session or without one, names in data without the prefix of their birth.",
        "",
    ),
    key(
        "mqtt.rights[].user",
        Shape::Text,
        Fallback::Required,
        "The user this is about, `*` for all who have no entry. Where there are no entries, \
         everybody may publish and subscribe to everything; where there are, others may nothing.",
        "",
    ),
    key(
        "mqtt.rights[].publish",
        Shape::Texts,
        Fallback::Texts(&[]),
        "MQTT filters of topics the user may publish to; %u and %c stand for user and client.",
        "",
    ),
    key(
        "mqtt.rights[].subscribe",
        Shape::Texts,
        Fallback::Texts(&[]),
        "MQTT filters the user may subscribe to, with all narrower ones.",
        "",
    ),
    key(
        "mqtt.rights[].deny",
        Shape::Texts,
        Fallback::Texts(&[]),
        "MQTT filters of topics the user neither publishes to nor gets, whatever else is said.",
        "",
    ),
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
const AFTER: &[Key] = &[
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
