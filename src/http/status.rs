//! How the server is: for people, for supervisors, for Prometheus.
//!
//! *Invariant.* Health is one word with one meaning: 200 says that samples are taken and kept,
//! 503 says that they are not, and why. Reading works in both.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRef, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tacitus_query::Session;
use tacitus_storage::{Engine, EngineStatus};
use tokio::sync::Semaphore;

use super::collectors::document;
use super::forward::document as forwarder;
use super::json::answer;
use super::moment::rfc3339;
use super::sql::Questions;
use super::write::Writes;
use super::{FOLLOWERS_MAX, Problem};
use crate::broker;
use crate::collect::opcua::Trust;
use crate::collect::{Collectors, Phase};
use crate::forward::{self, Forwards, Receiver};
use crate::gaps::{Gaps, Outcome};
use crate::ingest::{Ingest, Mqtt, Sparkplug};
use crate::metrics::{Metrics, Reading};
use crate::plant::Plants;
use crate::server::Addresses;
use crate::shutdown::Shutdown;
use crate::sources::{self, Sources};

/// What the routes know of the server.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The store.
    pub(crate) engine: Arc<Engine>,
    /// The way into it.
    pub(crate) ingest: Ingest,
    /// What makes samples of MQTT messages.
    pub(crate) intake: Arc<Mqtt>,
    /// The way to ask it.
    pub(crate) session: Arc<Session>,
    /// What the broker counts.
    pub(crate) broker: Arc<broker::Counters>,
    /// The collectors.
    pub(crate) collectors: Arc<Collectors>,
    /// The plant as people keep it.
    pub(crate) plants: Arc<Plants>,
    /// When nothing came.
    pub(crate) gaps: Arc<Gaps>,
    /// Which OPC UA servers are trusted.
    pub(crate) trust: Arc<Trust>,
    /// What goes on to other servers.
    pub(crate) forwards: Arc<Forwards>,
    /// What takes what other servers send on.
    pub(crate) receiver: Receiver,
    /// What is counted here.
    pub(crate) metrics: Arc<Metrics>,
    /// Where the server listens.
    pub(crate) addresses: Addresses,
    /// Since when it runs.
    pub(crate) started: Instant,
    /// The largest body of a request, also after unpacking.
    pub(crate) body_bytes_max: usize,
    /// Backups go below this.
    pub(crate) backup_dir: std::path::PathBuf,
    /// Places of those who follow.
    pub(crate) followers: Arc<Semaphore>,
    /// When to stop.
    pub(crate) shutdown: Shutdown,
}

impl FromRef<Arc<Facts>> for Writes {
    fn from_ref(facts: &Arc<Facts>) -> Self {
        Self { ingest: facts.ingest.clone(), body_bytes_max: facts.body_bytes_max }
    }
}

impl FromRef<Arc<Facts>> for Questions {
    fn from_ref(facts: &Arc<Facts>) -> Self {
        Self { session: Arc::clone(&facts.session) }
    }
}

pub(super) async fn health(State(facts): State<Arc<Facts>>) -> Response {
    let status = facts.engine.status();
    let refusal = |detail: &str, hint: &str| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).hint(hint).into_response()
    };
    if status.poisoned {
        refusal("a write to disk failed, nothing more is written", "restart Tacitus")
    } else if status.full {
        refusal(
            "the disk is full to its reserve, samples are refused, reading works",
            "free space on the disk of the data directory; writing resumes by itself",
        )
    } else {
        answer(&json!({"status": "ok"}))
    }
}

pub(super) async fn status(State(facts): State<Arc<Facts>>) -> Response {
    let engine = facts.engine.status();
    let counters = facts.ingest.counters();
    answer(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "tags": engine.tags,
        "samples": engine.samples,
        "bytes_on_disk": engine.bytes_on_disk,
        "sequence": engine.sequence,
        "uptime_s": facts.started.elapsed().as_secs(),
        "full": engine.full,
        "poisoned": engine.poisoned,
        "free_bytes": engine.free_bytes,
        "reserve_bytes": engine.reserve_bytes,
        "clock_suspect": engine.clock_suspect,
        "damages": engine.damages,
        "scrub_tours": engine.scrub_tours,
        "log_bytes": engine.log_bytes,
        "head_bytes": engine.head_bytes,
        "segments": engine.segments,
        "listeners": facts.addresses.json(),
        "ingest": {
            "samples": counters.samples,
            "commits": counters.commits,
            "queue_bytes": counters.queue_bytes,
            "queue_bytes_max": counters.queue_bytes_max,
            "refused": counters.refused,
        },
        "collectors": facts.collectors.list().iter().map(document).collect::<Vec<_>>(),
        "forwards": facts.forwards.list().iter().map(forwarder).collect::<Vec<_>>(),
    }))
}

/// The last refused points and payloads, newest first, and of each reason the last one whole.
pub(super) async fn refusals(State(facts): State<Arc<Facts>>) -> Response {
    let rows: Vec<Value> = facts.ingest.refusals().iter().map(refusal).collect();
    let last = facts.ingest.refused_last();
    let by_reason: serde_json::Map<String, Value> =
        last.iter().map(|(code, last)| ((*code).to_owned(), refusal(last))).collect();
    answer(&json!({
        "refused": facts.ingest.counters().refused,
        "last": rows,
        "last_by_reason": by_reason,
    }))
}

fn refusal(refusal: &crate::ingest::Refusal) -> Value {
    let at = chrono::DateTime::from_timestamp_nanos(refusal.at.nanos());
    json!({
        "at": at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "code": refusal.code,
        "source": refusal.source,
        "name": refusal.name,
        "reason": refusal.reason,
        "payload": refusal.payload,
    })
}

/// Every sender, and how far its clock can be trusted.
pub(super) async fn clocks(State(facts): State<Arc<Facts>>) -> Response {
    let seconds = |nanos: i64| chrono::Duration::nanoseconds(nanos).as_seconds_f64();
    let rows: Vec<Value> = facts
        .ingest
        .sources()
        .list()
        .into_iter()
        .map(|own| {
            json!({
                "source": own.source,
                "state": own.trust.name(),
                "last_arrival_ts": rfc3339(own.last_arrival),
                "last_ts": own.last.map(rfc3339),
                "skew": own.skew_ns.map(seconds),
                "jitter": own.jitter_ns.map(seconds),
                "jumps": own.jumps,
                "last_jump_ts": own.last_jump.map(|jump| rfc3339(jump.at)),
                "last_jump_from": own.last_jump.map(|jump| seconds(jump.from_ns)),
                "last_jump_to": own.last_jump.map(|jump| seconds(jump.to_ns)),
            })
        })
        .collect();
    answer(&json!({"sources": rows}))
}

pub(super) async fn metrics(State(facts): State<Arc<Facts>>) -> Response {
    let mut readings = store(&facts.engine.status());
    readings.extend(ingest(&facts.ingest));
    let following = FOLLOWERS_MAX.saturating_sub(facts.followers.available_permits());
    let help = "Clients that follow latest values or a query";
    readings.push(Reading::gauge("live_followers", help, following as u64));
    readings.extend(mqtt(&facts.broker));
    readings.extend(facts.intake.sparkplug().map(|host| sparkplug(host)).into_iter().flatten());
    readings.extend(collectors(&facts.collectors));
    readings.extend(gaps(&facts.gaps));
    readings.extend(forwards(&facts.forwards));
    readings.extend(sources(facts.ingest.sources()));
    match facts.metrics.text(&readings) {
        Ok(text) => {
            let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, media)], text).into_response()
        }
        Err(error) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

fn store(engine: &EngineStatus) -> Vec<Reading> {
    let gauge = Reading::gauge;
    vec![
        gauge("tags", "Tags in the catalog", engine.tags),
        gauge("samples", "Samples stored", engine.samples),
        gauge("disk_bytes", "Bytes of the store on disk", engine.bytes_on_disk),
        gauge("disk_free_bytes", "Bytes free on the disk of the store", engine.free_bytes),
        gauge("disk_full", "1 while samples are refused for want of space", engine.full.into()),
        gauge("poisoned", "1 after a failed write to disk", engine.poisoned.into()),
        gauge("disk_reserve_bytes", "Bytes that stay free", engine.reserve_bytes),
        gauge(
            "clock_suspect",
            "1 while the time of day is not believed and nothing is deleted for its age",
            engine.clock_suspect.into(),
        ),
        gauge("damages", "Places found damaged since the start", engine.damages),
        Reading::counter("scrub_tours", "Tours over all files", engine.scrub_tours),
        gauge("log_bytes", "Bytes in the write-ahead log", engine.log_bytes),
        gauge("head_bytes", "Memory of the newest samples", engine.head_bytes),
        gauge("segments", "Segments on disk", engine.segments),
        Reading::counter("sequence", "Sequence of the last record", engine.sequence),
    ]
}

fn ingest(ingest: &Ingest) -> Vec<Reading> {
    let counters = ingest.counters();
    let refused = counters.refused.iter().map(|(reason, count)| ((*reason).to_owned(), *count));
    vec![
        Reading::counter("ingest_samples", "Samples committed", counters.samples),
        Reading::counter("ingest_commits", "Commits, each with one sync", counters.commits),
        Reading::counter(
            "ingest_samples_lost",
            "Samples of senders without an answer that could not be written at a stop",
            counters.samples_lost,
        ),
        Reading::gauge("ingest_queue_bytes", "Bytes that wait", counters.queue_bytes as u64),
        Reading::gauge(
            "ingest_queue_limit_bytes",
            "Bytes that may wait",
            counters.queue_bytes_max as u64,
        ),
        Reading::counter("ingest_refused", "Points and payloads refused", 0).by("reason", refused),
    ]
}

fn sparkplug(host: &Sparkplug) -> [Reading; 3] {
    let nodes = host.nodes();
    let online = nodes.iter().filter(|node| node.online).count();
    let asked = nodes.iter().map(|node| node.rebirths.0).sum();
    [
        Reading::gauge("sparkplug_nodes", "Sparkplug nodes that are known", nodes.len() as u64),
        Reading::gauge("sparkplug_nodes_online", "Those that are there", online as u64),
        Reading::counter("sparkplug_rebirths", "Requests for rebirths", asked),
    ]
}

/// The broker's names say what they are: a gauge ends in `_now`, everything else only grows.
fn mqtt(counters: &broker::Counters) -> Vec<Reading> {
    let reading = |(name, value): (&'static str, u64)| {
        let help = |name: &str| format!("MQTT: {}", name.replace('_', " "));
        match name.strip_suffix("_now") {
            Some(name) => Reading::gauge(format!("mqtt_{name}"), help(name), value),
            None => Reading::counter(format!("mqtt_{name}"), help(name), value),
        }
    };
    counters.all().into_iter().map(reading).collect()
}

fn gaps(gaps: &Gaps) -> Vec<Reading> {
    let all = gaps.all();
    let each = [Outcome::Open, Outcome::BackFilled, Outcome::Lost].map(|outcome| {
        let count = all.iter().filter(|gap| gap.outcome == outcome).count();
        (outcome.name().to_owned(), count as u64)
    });
    vec![Reading::gauge("gaps", "Gaps in the ledger", 0).by("state", each)]
}

fn collectors(collectors: &Collectors) -> Vec<Reading> {
    let all: Vec<_> = collectors.list().into_iter().map(|entry| entry.status).collect();
    let each = |reading: Reading, value: fn(&crate::collect::Status) -> u64| {
        reading.by("name", all.iter().map(|status| (status.name.clone(), value(status))))
    };
    let gauge = |name: &str, help: &str| Reading::gauge(name, help, 0);
    let counter = |name: &str, help: &str| Reading::counter(name, help, 0);
    vec![
        each(gauge("collector_connected", "1 while connected"), |status| {
            u64::from(status.phase == Phase::Connected)
        }),
        each(gauge("collector_items_good", "Items watched"), |status| status.items_good as u64),
        each(gauge("collector_items_failed", "Items refused by the device"), |status| {
            status.items_failed as u64
        }),
        each(counter("collector_values", "Values received"), |status| status.values_total),
        each(
            counter("collector_values_dropped", "Values dropped, the store was too slow"),
            |status| status.values_dropped_total,
        ),
        each(gauge("collector_values_per_second", "Values a second, lately"), |status| {
            status.rate_rounded()
        }),
        each(
            gauge("collector_lag_ms", "How much later than its time the last sample arrived"),
            |status| u64::try_from(status.lag_ns.unwrap_or(0) / 1_000_000).unwrap_or(0),
        ),
        each(
            counter("collector_values_recovered", "Values fetched from histories of devices"),
            |status| status.values_recovered_total,
        ),
        each(
            counter("collector_values_refused", "Values that cannot be stored, for what they are"),
            |status| status.values_refused_total,
        ),
        each(counter("collector_connections", "Connections that came about"), |status| {
            status.connections_total
        }),
        each(counter("collector_gaps", "Interruptions written into histories"), |status| {
            status.gaps_total
        }),
    ]
}

fn sources(sources: &Sources) -> Vec<Reading> {
    use sources::Trust::{Ahead, Behind, Jumping, Trusted, Untimed};
    let all = sources.list();
    let each = [Trusted, Ahead, Behind, Jumping, Untimed].map(|trust| {
        let count = all.iter().filter(|own| own.trust == trust).count();
        (trust.name().to_owned(), count as u64)
    });
    let (jumps, own) = sources.jumps();
    vec![
        Reading::gauge("sources", "Sources, by trust in their times", 0).by("state", each),
        Reading::counter("source_jumps", "Jumps of the times of sources", jumps),
        Reading::counter("clock_jumps", "Jumps of the clock of this server", own),
        Reading::counter("sources_forgotten", "Sources beyond the limit", sources.forgotten()),
    ]
}

fn forwards(forwards: &Forwards) -> Vec<Reading> {
    let all: Vec<_> = forwards.list().into_iter().map(|entry| entry.status).collect();
    let each = |reading: Reading, value: fn(&forward::Status) -> u64| {
        reading.by("name", all.iter().map(|status| (status.line.name.clone(), value(status))))
    };
    let gauge = |name: &str, help: &str| Reading::gauge(name, help, 0);
    let counter = |name: &str, help: &str| Reading::counter(name, help, 0);
    vec![
        each(gauge("forward_connected", "1 while the upstream takes samples"), |status| {
            u64::from(status.line.phase == Phase::Connected)
        }),
        each(gauge("forward_backlog_samples", "Samples that wait for the upstream"), |status| {
            status.backlog_samples
        }),
        each(gauge("forward_backlog_bytes", "Bytes of segments that wait"), |status| {
            status.backlog_bytes
        }),
        each(gauge("forward_lag_ms", "Age of the oldest sample that waits"), |status| {
            u64::try_from(status.lag_ns / 1_000_000).unwrap_or(0)
        }),
        each(counter("forward_samples", "Samples the upstream has taken"), |status| {
            status.line.values_total
        }),
        each(counter("forward_messages", "Messages the upstream has answered"), |status| {
            status.messages_total
        }),
        each(counter("forward_samples_refused", "Samples the upstream refused"), |status| {
            status.refused_total
        }),
        each(gauge("forward_samples_lost", "Samples given up, since it began"), |status| {
            status.lost_samples
        }),
    ]
}
