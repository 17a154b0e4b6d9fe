//! Forwarders while the server runs, and what other servers forward here.
//!
//! | answer to a message | means |
//! |---|---|
//! | 200 | its rows are on disk, but for those that were refused for what they are |
//! | 409 with `unknown` | it has rows of tags that are not here: describe all of them |
//! | 409 | it comes from this server itself |
//! | 503 | the disk is full or the store busy: send it again |
//!
//! *Invariant.* A definition is on disk before its forwarder starts, and both before the answer.
//! Secrets are taken and never shown. No message is answered before the sync.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::collectors::Changes;
use super::json::{answer, object};
use super::moment::rfc3339;
use super::tags::apart;
use super::write::{unpacked, unwritten};
use super::{Facts, Problem};
use crate::forward::{Definition, Entry, Mistake, Receiver, Unfit};

/// `GET /api/v1/forward`: who this is.
pub(super) async fn meet(State(facts): State<Arc<Facts>>) -> Response {
    answer(&json!({
        "identity": facts.receiver.identity,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// `POST /api/v1/forward`: a message of another server.
pub(super) async fn take(
    State(facts): State<Arc<Facts>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let coding = headers.get(header::CONTENT_ENCODING).cloned();
    let (receiver, bytes_max) = (facts.receiver.clone(), facts.body_bytes_max);
    let taken = apart(move || {
        let bytes = unpacked(coding.as_ref(), body, bytes_max)?;
        taken(&receiver, &bytes)
    });
    let taken = taken.await?;
    let stored = taken.resolved.batch.len();
    facts.ingest.write(taken.resolved.batch).await.map_err(unwritten)?;
    Ok(answer(&json!({
        "stored": stored,
        "refused": taken.resolved.refused_count,
        "reasons": taken.reasons,
    })))
}

fn taken(receiver: &Receiver, bytes: &[u8]) -> Result<crate::forward::Taken, Problem> {
    receiver.take(bytes).map_err(|unfit| match unfit {
        Unfit::Wrong(what) => {
            Problem::new(StatusCode::BAD_REQUEST, format!("the message cannot be read: {what}"))
                .hint("nothing was kept; send it from a Tacitus of this version")
        }
        Unfit::Own => {
            Problem::new(StatusCode::CONFLICT, "the message comes from this server itself")
                .hint("name another server as the upstream")
        }
        Unfit::Unknown(count) => {
            Problem::new(StatusCode::CONFLICT, format!("{count} tags are not known here"))
                .hint("nothing was kept; send it again with all its tags described")
                .with("unknown", count)
        }
        Unfit::Undeleted(error) => Problem::from(&error),
    })
}

/// `GET /api/v1/forwards`.
pub(super) async fn list(State(facts): State<Arc<Facts>>) -> Response {
    let entries: Vec<Value> = facts.forwards.list().iter().map(document).collect();
    answer(&json!({"forwards": entries}))
}

/// `GET /api/v1/forwards/{name}`.
pub(super) async fn one(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let entry = facts.forwards.get(&name).ok_or(Mistake::Unknown(name))?;
    Ok(answer(&document(&entry)))
}

/// `PUT /api/v1/forwards/{name}`.
pub(super) async fn define(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let definition: Definition = object(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the definition cannot be read: {error}"))
            .hint("send {\"settings\": {\"url\": …}}; nothing was changed")
    })?;
    let entry = facts.forwards.define(&name, definition).await?;
    Ok(answer(&document(&entry)))
}

/// `PATCH /api/v1/forwards/{name}`.
pub(super) async fn change(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let changes = Changes::read(&body)?;
    let entry = facts.forwards.change(&name, changes.settings, changes.paused).await?;
    Ok(answer(&document(&entry)))
}

/// `DELETE /api/v1/forwards/{name}`.
pub(super) async fn remove(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    facts.forwards.remove(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is known of a forwarder.
pub(super) fn document(entry: &Entry) -> Value {
    let status = &entry.status;
    let line = &status.line;
    json!({
        "name": line.name,
        "origin": entry.origin.name(),
        "paused": entry.paused,
        "settings": entry.settings,
        "url": line.endpoint,
        "phase": line.phase.name(),
        "connected_since": line.connected_since.map(rfc3339),
        "cursor": status.cursor,
        "backlog_samples": status.backlog_samples,
        "backlog_bytes": status.backlog_bytes,
        "oldest_ts": status.oldest.map(rfc3339),
        "lag_ns": status.lag_ns,
        "rate": line.rate,
        "samples_total": line.values_total,
        "messages_total": status.messages_total,
        "refused_total": status.refused_total,
        "last_refusal": status.last_refusal,
        "lost_samples": status.lost_samples,
        "lost_bytes": status.lost_bytes,
        "last_error": line.last_error.as_ref().map(|(_, error)| error),
        "last_error_at": line.last_error.as_ref().map(|(at, _)| rfc3339(*at)),
    })
}

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Self {
        let (status, hint) = match &mistake {
            Mistake::Unknown(_) => {
                (StatusCode::NOT_FOUND, "GET /api/v1/forwards lists what there is")
            }
            Mistake::Configured(_) => (
                StatusCode::CONFLICT,
                "change it in the configuration and start again; it can be paused here",
            ),
            Mistake::Settings(_) => (StatusCode::BAD_REQUEST, "nothing was changed"),
            Mistake::TooMany => (StatusCode::CONFLICT, "remove one that is not needed"),
            Mistake::TooLarge => (StatusCode::BAD_REQUEST, "select tags by pattern"),
            Mistake::NotKept(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "nothing was changed; try again")
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
