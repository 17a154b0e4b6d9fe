//! Collectors while the server runs: listed, defined, changed, paused, removed, given orders.
//!
//! *Invariant.* A definition is on disk before its collector starts, and both before the answer.
//! Secrets are taken and never shown.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::json::{answer, object};
use super::moment::rfc3339;
use super::{Facts, Problem};
use crate::collect::{Definition, Entry, KINDS, Mistake, Unfulfilled};

/// `GET /api/v1/collectors`.
pub(super) async fn list(State(facts): State<Arc<Facts>>) -> Response {
    let entries: Vec<Value> = facts.collectors.list().iter().map(document).collect();
    answer(&json!({"collectors": entries}))
}

/// `GET /api/v1/collectors/{name}`.
pub(super) async fn one(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let entry = facts.collectors.get(&name).ok_or(Mistake::Unknown(name))?;
    Ok(answer(&document(&entry)))
}

/// `PUT /api/v1/collectors/{name}`.
pub(super) async fn define(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let definition: Definition = object(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the definition cannot be read: {error}"))
            .hint("send {\"kind\": \"opcua\", \"settings\": {…}}; nothing was changed")
    })?;
    let entry = facts.collectors.define(&name, definition).await?;
    Ok(answer(&document(&entry)))
}

/// What is to be changed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Changes {
    /// Whether it is kept from its work.
    pub(super) paused: Option<bool>,
    /// Settings to replace; `null` removes one.
    pub(super) settings: Option<Map<String, Value>>,
}

impl Changes {
    /// The changes in a body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        object(body).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the changes cannot be read: {error}"))
                .hint("send {\"paused\": true}, or {\"settings\": {…}}; nothing was changed")
        })
    }
}

/// `PATCH /api/v1/collectors/{name}`.
pub(super) async fn change(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let changes = Changes::read(&body)?;
    let entry = facts.collectors.change(&name, changes.settings, changes.paused).await?;
    Ok(answer(&document(&entry)))
}

/// `DELETE /api/v1/collectors/{name}`.
pub(super) async fn remove(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    facts.collectors.remove(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/collectors/{name}/call`.
pub(super) async fn call(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let what: Map<String, Value> = object(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the call cannot be read: {error}"))
            .hint("send {\"object\": …, \"method\": …, \"arguments\": […]}")
    })?;
    let state = facts.collectors.state(&name).ok_or(Mistake::Unknown(name))?;
    let outcome = state.order(Value::Object(what)).await.map_err(|unfulfilled| {
        let (status, hint) = match unfulfilled {
            Unfulfilled::Wrong(_) => (StatusCode::BAD_REQUEST, "nothing was sent to the device"),
            Unfulfilled::Refused(_) => (StatusCode::CONFLICT, "the device did nothing"),
            Unfulfilled::Unconnected => (
                StatusCode::SERVICE_UNAVAILABLE,
                "nothing was sent; GET /api/v1/collectors says why there is no connection",
            ),
            Unfulfilled::Unknown(_) => {
                (StatusCode::BAD_GATEWAY, "look at the device before calling again")
            }
        };
        Problem::new(status, unfulfilled.to_string()).hint(hint)
    })?;
    Ok(answer(&outcome))
}

/// `GET /api/v1/gaps`.
pub(super) async fn gaps(State(facts): State<Arc<Facts>>) -> Response {
    let gaps = facts.gaps.all();
    let rows: Vec<Value> = gaps
        .iter()
        .rev()
        .map(|gap| {
            json!({
                "id": gap.id,
                "source": gap.source,
                "tags": gap.tags,
                "from": rfc3339(gap.from),
                "to": gap.to.map(rfc3339),
                "cause": gap.cause.name(),
                "state": gap.outcome.name(),
                "recovered": gap.recovered,
            })
        })
        .collect();
    answer(&json!({"gaps": rows}))
}

/// What is known of a collector.
pub(super) fn document(entry: &Entry) -> Value {
    let status = &entry.status;
    let failures = status
        .failures
        .iter()
        .map(|failure| json!({"node": failure.node, "tag": failure.tag, "reason": failure.reason}));
    json!({
        "name": status.name,
        "kind": status.kind,
        "origin": entry.origin.name(),
        "paused": entry.paused,
        "settings": entry.settings,
        "source": entry.source,
        "endpoint": status.endpoint,
        "phase": status.phase.name(),
        "connected_since": status.connected_since.map(rfc3339),
        "items_good": status.items_good,
        "items_failed": status.items_failed,
        "failures": failures.collect::<Vec<_>>(),
        "last_error": status.last_error.as_ref().map(|(_, error)| error),
        "last_error_at": status.last_error.as_ref().map(|(at, _)| rfc3339(*at)),
        "last_sample": status.last_sample.map(rfc3339),
        "lag_ns": status.lag_ns,
        "skew_ns": status.skew_ns,
        "rate": status.rate,
        "values_total": status.values_total,
        "values_refused_total": status.values_refused_total,
        "values_dropped_total": status.values_dropped_total,
        "values_recovered_total": status.values_recovered_total,
        "overflows_total": status.overflows_total,
        "connections_total": status.connections_total,
        "gaps_total": status.gaps_total,
    })
}

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Self {
        let kinds = || KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        let (status, hint) = match &mistake {
            Mistake::Unknown(_) => {
                (StatusCode::NOT_FOUND, "GET /api/v1/collectors lists what there is".to_owned())
            }
            Mistake::Configured(_) => (
                StatusCode::CONFLICT,
                "change it in the configuration and start again; it can be paused here".to_owned(),
            ),
            Mistake::Kind(_) => (StatusCode::BAD_REQUEST, format!("there are: {}", kinds())),
            Mistake::Settings(_) => (StatusCode::BAD_REQUEST, "nothing was changed".to_owned()),
            Mistake::TooMany => (
                StatusCode::CONFLICT,
                "remove one that is not needed, or run another server".to_owned(),
            ),
            Mistake::TooLarge => (
                StatusCode::BAD_REQUEST,
                "browse for the nodes, or list them in the configuration".to_owned(),
            ),
            Mistake::NotKept(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "nothing was changed; try again".to_owned())
            }
        };
        let problem = Self::new(status, mistake.to_string()).hint(hint);
        let Mistake::Settings(mistakes) = mistake else { return problem };
        let list: Vec<Value> = mistakes
            .into_iter()
            .map(|one| json!({"key": one.key, "reason": one.reason, "hint": one.hint}))
            .collect();
        problem.with("problems", list)
    }
}
