//! How the server is: for people, for supervisors, for Prometheus.
//!
//! *Invariant.* Health is one word with one meaning: 200 says that samples are taken and kept,
//! 503 says that they are not, and why. Reading works in both.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tacitus_storage::{Engine, EngineStatus};

use super::Problem;
use crate::metrics::{Metrics, NamedReading, Reading};
use crate::server::Addresses;

/// What the routes know of the server.
#[derive(Debug)]
pub struct Facts {
    /// The store.
    pub engine: Arc<Engine>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where it listens.
    pub addresses: Addresses,
    /// Since when it runs.
    pub started: Instant,
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
        document(&json!({"status": "ok"}))
    }
}

pub(super) async fn status(State(facts): State<Arc<Facts>>) -> Response {
    let engine = facts.engine.status();
    document(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "tags": engine.tags,
        "samples": engine.samples,
        "bytes_on_disk": engine.bytes_on_disk,
        "sequence": engine.sequence,
        "uptime_s": facts.started.elapsed().as_secs(),
        "full": engine.full,
        "poisoned": engine.poisoned,
        "free_bytes": engine.free_bytes,
        "log_bytes": engine.log_bytes,
        "segments": engine.segments,
        "listeners": facts.addresses.json(),
    }))
}

/// A JSON answer.
fn document(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

pub(super) async fn metrics(State(facts): State<Arc<Facts>>) -> Response {
    match facts.metrics.text(&readings(&facts)) {
        Ok(text) => {
            let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, media)], text).into_response()
        }
        Err(error) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

fn readings(facts: &Facts) -> Vec<NamedReading> {
    let engine = facts.engine.status();
    store(&engine).into()
}

fn store(engine: &EngineStatus) -> [NamedReading; 9] {
    use Reading::{Counter, Gauge};
    [
        ("tags", "Tags in the catalog", Gauge(engine.tags)),
        ("samples", "Samples stored", Gauge(engine.samples)),
        ("disk_bytes", "Bytes of the store on disk", Gauge(engine.bytes_on_disk)),
        ("disk_free_bytes", "Bytes free on the disk of the store", Gauge(engine.free_bytes)),
        ("disk_full", "1 while samples are refused for want of space", Gauge(engine.full.into())),
        ("poisoned", "1 after a failed write to disk", Gauge(engine.poisoned.into())),
        ("log_bytes", "Bytes in the write-ahead log", Gauge(engine.log_bytes)),
        ("segments", "Segments on disk", Gauge(engine.segments)),
        ("sequence", "Sequence of the last record", Counter(engine.sequence)),
    ]
}
